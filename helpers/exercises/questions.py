"""Questions without code: what do you expect of the next run, and did the idea arrive?"""

from __future__ import annotations

from dataclasses import dataclass

# The outcomes of a comparison, as `statistics.verdict` says them.
DIRECTIONS = ("up", "no detectable difference", "down")


@dataclass(frozen=True)
class Choice:
    """One possible answer and what to say to somebody who gives it."""

    text: str
    says: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """A concept question: exactly one choice is right, and each is answered with a reason."""

    name: str
    asks: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Guess:
    """A prediction of a number before a run, on a slider; compared with the measured number afterwards.

    Attributes:
        name: as in `predict` and `reveal`.
        asks: the question.
        low: the slider's left end.
        high: the slider's right end.
        step: the slider's step.
        close: how far off still counts as close.
        unit: stands right behind the number.
    """

    name: str
    asks: str
    low: float
    high: float
    step: float
    close: float
    unit: str = ""


@dataclass(frozen=True)
class Forecast:
    """A prediction of what will happen before a run, from a few outcomes; compared with what happened."""

    name: str
    asks: str
    outcomes: tuple[str, ...]


Prediction = Guess | Forecast
AnyQuestion = Question | Prediction


def is_right(prediction: Prediction, answer: str | float, happened: str | float) -> bool:
    """Whether the answer is what happened; for a number: close enough to it."""
    if isinstance(prediction, Guess):
        return abs(float(answer) - float(happened)) <= prediction.close
    return answer == happened


def compared(prediction: Prediction, answer: str | float | None, happened: str | float) -> str:
    """One sentence that compares a prediction with what happened.

    Args:
        prediction: what was asked.
        answer: what the student predicted; None if nothing.
        happened: the measured number, or one of the outcomes.

    Raises:
        ValueError: `happened` is none of the outcomes.
    """
    if isinstance(prediction, Guess):
        number = float(happened)
        measured = f"{number:.{2 if prediction.step < 1 else 1}f}{prediction.unit}"
        if answer is None:
            return f"Measured: {measured}. You made no prediction."
        guess = float(answer)
        verdict = "close" if is_right(prediction, guess, number) else "too high" if guess > number else "too low"
        return f"You predicted {guess:g}{prediction.unit}; measured: {measured}. Your prediction was {verdict}."
    if happened not in prediction.outcomes:
        raise ValueError(f"{happened!r} is no outcome of {prediction.name}: {', '.join(prediction.outcomes)}")
    if answer is None:
        return f"What happened: {happened}. You made no prediction."
    verdict = "as you predicted" if answer == happened else f"you predicted: {answer}"
    return f"What happened: {happened}; {verdict}."

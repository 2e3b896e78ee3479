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

    close: how far off still counts as close.
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


AnyQuestion = Question | Guess | Forecast


def is_right(question: AnyQuestion, answer: str | float, happened: str | float | None = None) -> bool:
    """Whether the answer is right; for a prediction, whether it is what `happened` (a number: close enough)."""
    match question:
        case Question():
            return any(choice.right and choice.text == answer for choice in question.choices)
        case Guess():
            return abs(float(answer) - float(happened)) <= question.close
        case Forecast():
            return answer == happened


def compared(question: Guess | Forecast, answer: str | float | None, happened: str | float) -> str:
    """One sentence that holds a prediction against what happened."""
    if isinstance(question, Guess):
        measured = f"{happened:.2f}{question.unit}"
        if answer is None:
            return f"Measured: {measured}. You made no prediction."
        verdict = "close" if is_right(question, answer, happened) else "too high" if answer > happened else "too low"
        return f"You predicted {answer:g}{question.unit}; measured: {measured}. Your prediction was {verdict}."
    if happened not in question.outcomes:
        raise ValueError(f"{happened!r} is no outcome of {question.name}: {', '.join(question.outcomes)}")
    if answer is None:
        return f"What happened: {happened}. You made no prediction."
    verdict = "as you predicted" if answer == happened else f"you predicted: {answer}"
    return f"What happened: {happened}; {verdict}."

"""Exercises in the labs: `check`, `hint`, `solution`; questions: `predict`, `reveal`, `quiz`; and `progress`.

    def bradley_terry_loss(chosen, rejected):
        ...

    bradley_terry_loss = check(bradley_terry_loss)

`check` never raises. It says whether the function is to do, right, or wrong and which misconception it shows, and hands
on the student's own if it is right and the workbook's otherwise, so that Run All always ends well.
"""

from __future__ import annotations

import dis
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from IPython.display import display

from ..files import LabError, shown
from ..views.exercises import ChoiceView, HelpView, ProgressView, RevealView, SliderView, VerdictView
from .aliases import current_name
from .calling import in_order_of_reference
from .catalog import EXERCISES, LABS, QUESTIONS
from .checking import Verdict, judge
from .exercise import Exercise
from .progress import Progress
from .questions import Guess, Prediction, Question, compared, is_right

SIGNS = {"right": "✓", "wrong": "✗", "timeout": "✗", "todo": "○"}

__all__ = ["check", "hint", "predict", "progress", "quiz", "reveal", "solution"]


# --- Exercises ----------------------------------------------------------------


def check(answer: Callable, name: str | None = None) -> Callable:
    """Judge an answer, show the verdict, and return what the lab goes on with. Never raises.

    Only the user's own interrupt comes through, as KeyboardInterrupt; then nothing was judged.

    Args:
        answer: the student's function, or anything that can be called: a lambda, a built-in function, an object.
        name: of the exercise; default: the name that stands in the call, else the function's own. A former one will do.

    Returns:
        The answer if it is right, callable as the reference is, else the reference. A function that belongs to no
        exercise is returned as it is.
    """
    asked = name or _name_in_call(sys._getframe(1)) or str(getattr(answer, "__name__", answer))
    exercise = EXERCISES.get(current_name(asked))
    if exercise is None:
        print(f"✗ {asked!r} is not the name of an exercise; keep the name that the function had in the lab")
        return answer
    verdict = _unchanged(exercise) if answer is exercise.reference else None
    if verdict is None:
        verdict = judge(exercise, answer)
        _keep("verdict", exercise.name, {"status": verdict.status, "misconception": verdict.misconception})
    _report(exercise, verdict)
    return in_order_of_reference(exercise, answer) if verdict.status == "right" else exercise.reference


def _name_in_call(caller: FrameType) -> str | None:
    """The exercise `x` of the call `check(x)` that the caller makes; a lambda or an alias has no name of its own."""
    before = [op for op in dis.get_instructions(caller.f_code) if op.offset < caller.f_lasti]
    loaded = [op.argval for op in before if op.opname.startswith(("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FAST"))]
    last = loaded[-1] if loaded and isinstance(loaded[-1], str) else ""
    return last if current_name(last) in EXERCISES else None


def _unchanged(exercise: Exercise) -> Verdict | None:
    """The last verdict again if it was not right: the name now stands for the function that `check` handed back."""
    kept = _kept("verdict", exercise.name)
    if not kept or kept[-1]["status"] not in ("wrong", "timeout"):
        return None
    says = "this is the workbook's own function, which stands in for yours; run the cell with your function again"
    return Verdict(kept[-1]["status"], says, kept[-1]["misconception"])


def hint(name: str) -> None:
    """Print the next hint of an exercise; after the last one, all of them again.

    Raises:
        LabError: there is no such exercise.
    """
    exercise = _exercise(name)
    shown_before = len(_kept("hint", exercise.name)) % len(exercise.hints)
    _keep("hint", exercise.name, shown_before + 1)
    print(f"Hint {shown_before + 1} of {len(exercise.hints)}: {exercise.hints[shown_before]}")


def solution(name: str) -> None:
    """Print the workbook's own function, as it stands in its file.

    Raises:
        LabError: there is no such exercise.
    """
    exercise = _exercise(name)
    _keep("solution", exercise.name, True)
    print(_solution_text(exercise))


def _report(exercise: Exercise, verdict: Verdict) -> None:
    if log := os.environ.get("RLHF_VERDICTS"):  # the grader reads it
        with Path(log).open("a", encoding="utf-8") as file:
            # A line of its own, also behind half a line that an answer wrote there.
            file.write("\n" + json.dumps({"name": exercise.name} | vars(verdict)) + "\n")
    ended = verdict.message if verdict.message.endswith(("?", ".")) else f"{verdict.message}."
    said = {
        "right": "right. The lab goes on with your function.",
        "todo": f"to do. {verdict.message} Until then the lab uses its own.",
    }.get(verdict.status, f"not yet: {ended} The lab goes on with its own.")
    display(VerdictView(f"{SIGNS[verdict.status]} `{exercise.name}`: {said}"))
    if os.environ.get("RLHF_SOLUTIONS") == "1":  # the instructor's switch
        print(_solution_text(exercise))
    elif verdict.status != "right":
        display(
            HelpView(
                exercise.hints,
                _solution_text(exercise),
                opened=len(_kept("hint", exercise.name)),
                on_open=lambda kind: _keep(kind, exercise.name, True),
            ).widget
        )


def _solution_text(exercise: Exercise) -> str:
    code = exercise.reference.__code__
    return f"# {shown(code.co_filename)}, line {code.co_firstlineno}\n{exercise.source}"


def _exercise(name: str | Callable) -> Exercise:
    """The exercise of that name, or of the function's name."""
    name = str(getattr(name, "__name__", name))
    if current_name(name) not in EXERCISES:
        raise LabError(f"there is no exercise {name!r}; the exercises are: {', '.join(EXERCISES)}")
    return EXERCISES[current_name(name)]


# --- Questions ----------------------------------------------------------------


def quiz(name: str) -> None:
    """Show a concept question; the chosen answer is explained at once.

    Raises:
        LabError: there is no such question.
    """
    question = _question(name)
    given = _kept("answer", question.name)
    display(
        ChoiceView(
            question.asks,
            [
                (choice.text, f"{'✓ Right' if choice.right else '✗ Not quite'}. {choice.says}")
                for choice in question.choices
            ],
            chosen=given[-1] if given else None,
            on_choose=lambda text: _keep("answer", question.name, text),
        ).widget
    )


def predict(name: str) -> None:
    """Ask for a prediction before a run; `reveal(name, ...)` compares it afterwards.

    Raises:
        LabError: there is no such prediction.
    """
    question = _prediction(name)
    given = _kept("answer", question.name)
    chosen = given[-1] if given else None

    def keep(value: Any) -> None:
        _keep("answer", question.name, value)

    if isinstance(question, Guess):
        scale = (question.low, question.high, question.step)
        display(SliderView(f"Predict: {question.asks}", scale, question.unit, chosen=chosen, on_choose=keep).widget)
    else:
        outcomes = [(outcome, "Kept. Now run the cells below.") for outcome in question.outcomes]
        display(ChoiceView(f"Predict: {question.asks}", outcomes, chosen=chosen, on_choose=keep).widget)


def reveal(name: str, happened: str | float) -> None:
    """Compare the prediction with what happened.

    Args:
        name: of the prediction, as in `predict`.
        happened: the measured number, or one of the outcomes.

    Raises:
        LabError: there is no such prediction.
        ValueError: `happened` is none of the outcomes.
    """
    question = _prediction(name)
    given = _kept("answer", question.name)
    answer = given[-1] if given else None
    right = None if answer is None else is_right(question, answer, happened)
    display(RevealView(compared(question, answer, happened), right).widget)


def _question(name: str) -> Question:
    """The concept question of that name."""
    question = QUESTIONS.get(current_name(name))
    if isinstance(question, Question):
        return question
    raise _unknown(name, [known for known, other in QUESTIONS.items() if isinstance(other, Question)])


def _prediction(name: str) -> Prediction:
    """The prediction of that name."""
    question = QUESTIONS.get(current_name(name))
    if isinstance(question, Prediction):
        return question
    raise _unknown(name, [known for known, other in QUESTIONS.items() if isinstance(other, Prediction)])


def _unknown(name: str, known: list[str]) -> LabError:
    return LabError(f"there is no such question {name!r}; known: {', '.join(known)}")


# --- Progress -----------------------------------------------------------------


def progress(lab: str) -> None:
    """Show what is done in a lab ("00" ... "07"): its exercises and questions, kept over restarts.

    Raises:
        LabError: the file of the progress cannot be read.
    """
    exercises, questions = LABS[lab]
    store = Progress()
    verdicts, hints, solutions, answers = (store.all(kind) for kind in ("verdict", "hint", "solution", "answer"))
    rows = []
    for exercise in exercises:
        states = [verdict["status"] for verdict in verdicts.get(exercise.name, [])]
        state = "right" if "right" in states else states[-1] if states else "todo"
        helped = f"{len(hints.get(exercise.name, []))} hints" if exercise.name in hints else ""
        helped += " solution seen" if exercise.name in solutions else ""
        rows.append((SIGNS[state], exercise.title, {"todo": "to do", "wrong": "not yet"}.get(state, state), helped))
    for question in questions:
        given = answers.get(question.name)
        asks = question.asks[:1].upper() + question.asks[1:]  # a prediction's follows "Predict:" elsewhere
        rows.append(("✓" if given else "○", asks, "answered" if given else "to do", ""))
    done = sum(row[0] == "✓" for row in rows)
    display(ProgressView(f"Lab {lab}: {done} of {len(rows)} done ({store.student})", rows).widget)


def _keep(kind: str, name: str, value: Any) -> None:
    """Keep it, or say once that it cannot be kept: a full disk must not stop a lab."""
    try:
        Progress().add(kind, name, value)
    except LabError as error:
        print(f"Progress was not kept: {error}")


def _kept(kind: str, name: str) -> list[Any]:
    """What was kept, the oldest first; nothing if that cannot be read."""
    try:
        return Progress().values(kind, name)
    except LabError:
        return []

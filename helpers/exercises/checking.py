"""Judge an answer to an exercise: to do, right, or wrong and which misconception it shows.

An answer is called on fresh random inputs, by keyword, so the order of its parameters is free. Its values and
gradients are held against the reference's, and if they differ, against those of every known wrong answer.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from .calling import Outcome, is_stub, outcome, signature_problem
from .comparing import brief, close
from .exercise import Arguments, Exercise
from .explaining import agree, describe, kind_problem, known_mistake
from .limits import CallsSolution, Ended, TimeLimit, call_limited

SECONDS = 5.0  # of processor time, for all calls of one answer together


@dataclass(frozen=True)
class Verdict:
    """What a check found.

    Attributes:
        status: to do, right, wrong, or not ended in time.
        message: what the student reads.
        misconception: the key of the known mistake, or None where the mistake is none of them.
    """

    status: Literal["todo", "right", "wrong", "timeout"]
    message: str
    misconception: str | None = None


def judge(exercise: Exercise, answer: Any, seed: int | None = None, seconds: float = SECONDS) -> Verdict:
    """Try an answer on new inputs. Never raises, and ends soon after `seconds` whatever the answer does.

    Only the user's own interrupt comes through, as KeyboardInterrupt.

    Args:
        exercise: which one.
        answer: the student's function, or whatever stands under its name.
        seed: of the inputs; default: another one each time.
        seconds: of processor time for all calls of the answer together.
    """
    if not callable(answer):
        return Verdict("wrong", f"{exercise.name} is {brief(answer)}, not a function; write `def {exercise.name}(...)`")
    if answer is exercise.reference or is_stub(answer):
        return Verdict("todo", exercise.deliver)
    if problem := signature_problem(exercise, answer):
        return Verdict("wrong", problem)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of edge cases and of known mistakes
        cases = exercise.cases(np.random.default_rng(seed))
        expected = [outcome(exercise, exercise.reference, case) for case in cases]
        forbidden = inspect.unwrap(exercise.reference).__code__
        asked = [*cases, cases[0]] if "seed" in cases[0] else cases  # the same seed again
        try:
            got = call_limited(lambda: [outcome(exercise, answer, case) for case in asked], seconds, forbidden)
        except TimeLimit:
            return Verdict("timeout", f"it did not end within {seconds:g} s: is there a loop that never stops?")
        except CallsSolution:
            return Verdict("wrong", f"it calls the workbook's own {exercise.name}; write out what it does")
        except Ended as error:
            return Verdict("wrong", str(error))
        verdict = _compare(exercise, cases, got[: len(cases)], expected)
        if verdict.status == "right" and len(got) > len(cases) and not close(got[0].value, got[-1].value):
            says = "called twice with the same `seed` it gives two results: start the random generator from `seed`"
            return Verdict("wrong", says, "seed")
        return verdict


def _compare(
    exercise: Exercise, cases: Sequence[Arguments], got: Sequence[Outcome], expected: Sequence[Outcome]
) -> Verdict:
    if all(call.failure is not None and call.failure.is_stub for call in got):
        return Verdict("todo", exercise.deliver)
    changed = next((call.changed for call in got if call.changed), None)
    if changed is not None:
        return Verdict(
            "wrong", f"it changes its input `{changed}`: the caller still needs it; work on a copy", "changes"
        )
    if all(agree(exercise, a, b) for a, b in zip(got, expected, strict=True)):
        problem = kind_problem(got, expected)
        return Verdict("wrong", problem) if problem else Verdict("right", "right")
    if mistake := known_mistake(exercise, cases, got, expected):
        return Verdict("wrong", mistake.says, mistake.key)
    return Verdict("wrong", describe(exercise, cases, got, expected))

"""Questions of lab 07, the failure gallery: what is broken in each recorded run?"""

from __future__ import annotations

from ..gallery import CASES, Case
from .exercise import Exercise
from .questions import AnyQuestion, Choice, Question

OTHERS = 4  # causes offered beside the right one


def _diagnosis(number: int, case: Case) -> Question:
    """The right cause among those of other cases, each answered with what one would see of it."""
    others = [CASES[(number + step) % len(CASES)] for step in range(1, OTHERS + 1)]
    place = (3 * number + 1) % (OTHERS + 1)
    offered = [*others[:place], case, *others[place:]]
    return Question(
        case.name.replace("-", "_"),
        f"Case {number + 1}: what is broken?",
        tuple(
            Choice(one.cause[0].upper() + one.cause[1:], _says(one, one is case), right=one is case) for one in offered
        ),
    )


def _says(case: Case, right: bool) -> str:
    return case.sign if right else f"Of that you would see: {case.sign[0].lower()}{case.sign[1:]}"


EXERCISES: list[Exercise] = []
QUESTIONS: list[AnyQuestion] = [_diagnosis(number, case) for number, case in enumerate(CASES)]

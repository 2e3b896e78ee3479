"""Questions of lab 07: what is broken in each recorded run?"""

from __future__ import annotations

from ....experiments.failure_cases import CASES, Case
from ...questions import AnyQuestion, Choice, Question

OTHERS = 4  # causes offered beside the right one
UNSEEN = "case-5"  # of which the curves tell nothing
NOTHING = "Nothing that these curves and samples show"


def _diagnosis(number: int, case: Case) -> Question:
    """The right cause among those of other cases, each answered with what one would see of it."""
    others = [CASES[(number + step) % len(CASES)] for step in range(1, OTHERS + 1)]
    place = (3 * number + 1) % (OTHERS + 1)
    seen = CASES[:number]
    offered = [_wrong(other, other in seen) for other in others if other.name != UNSEEN]
    if case.name == UNSEEN:
        offered.append(Choice(NOTHING, case.sign, right=True))
    else:
        offered.insert(place, Choice(_begun(case.cause), case.sign, right=True))
        offered.append(Choice(NOTHING, "Something shows. Compare the panels with the healthy run's again."))
    return Question(case.name.replace("-", "_"), f"Case {number + 1}: what is broken?", tuple(offered))


def _wrong(case: Case, seen: bool) -> Choice:
    """Another case's cause. Its signs are told only if its run was before this one."""
    says = f"Of that you would see: {case.sign[0].lower()}{case.sign[1:]}"
    return Choice(_begun(case.cause), says if seen else "Compare with the healthy run again: this does not fit.")


def _begun(cause: str) -> str:
    return cause[0].upper() + cause[1:]


QUESTIONS: list[AnyQuestion] = [_diagnosis(number, case) for number, case in enumerate(CASES)]

"""Say what is wrong with an answer: a known mistake, a pattern in its numbers, or the first number that differs.

A message says what was seen. It names a mistake only where all calls of the answer fit that mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from torch import Tensor

from .calling import Outcome, outcome, plain
from .comparing import ABSOLUTE, RELATIVE, brief, close, difference, is_finite
from .exercise import Arguments, Exercise, Misconception

ENOUGH = 3  # different numbers in which a pattern shows
CLEAR = 10  # times the tolerance: an offset below is none
NEAR_ONE = 0.01  # a ratio that is nearer to 1 is none
Fit = Literal["shows", "same", "unsure", "not"]
"""A call shows a mistake, is the same with and without it, may be of a kin to it, or shows that it was not made."""


def agree(exercise: Exercise, a: Outcome, b: Outcome) -> bool:
    """Whether two calls gave the same: values and gradients, or the same kind of error."""
    return values_agree(exercise, a, b) and close(a.gradients, b.gradients)


def values_agree(exercise: Exercise, a: Outcome, b: Outcome) -> bool:
    """Whether two calls gave the same value, or the same kind of error."""
    if a.failure is not None or b.failure is not None:
        return a.failure is not None and b.failure is not None and a.failure.kind == b.failure.kind
    if close(a.value, b.value):
        return True
    if exercise.same is None or is_finite(b.value) and not is_finite(a.value):
        return False
    try:
        return bool(exercise.same(a.value, b.value))
    except Exception:  # a value of another kind than the comparison expects
        return False


# --- A known mistake ----------------------------------------------------------


def known_mistake(
    exercise: Exercise, cases: Sequence[Arguments], got: Sequence[Outcome], expected: Sequence[Outcome]
) -> Misconception | None:
    """The misconception that the answer shows: of several the one that explains the most calls, then the first."""
    possible = [
        (misconception, calls)
        for misconception in exercise.misconceptions
        for wrong in misconception.variants
        if (calls := _mistaken(exercise, wrong, cases, got, expected))
    ]
    # A wrong gradient besides, or a call that fails besides, does not hide a mistake that the values show.
    for gradients, failing in ((True, False), (False, False), (False, True)):
        scores = [explained(exercise, got, calls, expected, gradients, failing) for _, calls in possible]
        if scores and max(scores) > (0, 0):
            return possible[scores.index(max(scores))][0]
    return None


def _mistaken(
    exercise: Exercise,
    wrong: Callable,
    cases: Sequence[Arguments],
    got: Sequence[Outcome],
    expected: Sequence[Outcome],
) -> list[Outcome]:
    """What a wrong function gives in all cases; nothing as soon as a value of the answer's contradicts it."""
    calls: list[Outcome] = []
    for case, mine, right in zip(cases, got, expected, strict=True):
        calls.append(outcome(exercise, wrong, case))
        values = (replace(call, gradients=None) for call in (mine, calls[-1], right))
        if _fit(exercise, *values) == "not" and (_fails(calls[-1]) or not _fails(mine)):
            return []
    return calls


def explained(
    exercise: Exercise,
    got: Sequence[Outcome],
    mistaken: Sequence[Outcome],
    expected: Sequence[Outcome],
    gradients: bool = True,
    failing: bool = False,
) -> tuple[int, int]:
    """How many of the answer's calls are just as the mistake makes them, and how many show it; 0 if one contradicts it.

    The answer must give what the mistaken function gives wherever that differs from what is expected, and what is
    expected elsewhere.

    Args:
        exercise: with its own way to compare.
        got: what the answer gave.
        mistaken: what the function gave that makes the mistake.
        expected: what the reference gave.
        gradients: compare them too.
        failing: leave out calls in which the answer raises an error or gives NaN and the mistake does not.
    """
    if not gradients:
        got, mistaken, expected = ([replace(o, gradients=None) for o in calls] for calls in (got, mistaken, expected))
    fits = [_fit(exercise, *calls) for calls in zip(got, mistaken, expected, strict=True)]
    if failing:
        fits = ["unsure" if _fails(g) and not _fails(m) else fit for g, m, fit in zip(got, mistaken, fits, strict=True)]
    shown = fits.count("shows")
    if "not" in fits or shown < (2 if failing else 1):
        return 0, 0
    return shown + fits.count("same"), shown


def _fit(exercise: Exercise, got: Outcome, mistaken: Outcome, expected: Outcome) -> Fit:
    """What one call says of a mistake."""
    if agree(exercise, mistaken, expected):  # the mistake does not tell here
        return "same" if agree(exercise, got, expected) else "not"
    if agree(exercise, got, mistaken):
        return "shows"
    if mistaken.failure is not None:  # in another style the same mistake may fail in another way, or not at all
        return "unsure" if got.failure is not None or agree(exercise, got, expected) else "not"
    return "unsure" if _differs_where_it_fails(got, mistaken, expected) else "not"


def _differs_where_it_fails(got: Outcome, mistaken: Outcome, expected: Outcome) -> bool:
    """Whether it differs from the mistake only where that gives NaN or infinity, and is right or fails there."""
    g, m, e = got.value, mistaken.value, expected.value
    if not (isinstance(g, np.ndarray) and isinstance(m, np.ndarray) and isinstance(e, np.ndarray)):
        return False
    if not g.shape == m.shape == e.shape:
        return False
    fails = ~np.isfinite(m) & np.isfinite(e)
    right = np.isclose(g, e, RELATIVE, ABSOLUTE) | ~np.isfinite(g)
    return bool(fails.any() and right[fails].all() and close(g[~fails], m[~fails]))


def _fails(call: Outcome) -> bool:
    return call.failure is not None or not is_finite(call.value)


# --- In words -----------------------------------------------------------------


def describe(
    exercise: Exercise, cases: Sequence[Arguments], got: Sequence[Outcome], expected: Sequence[Outcome]
) -> str:
    """What is wrong with an answer that shows no known mistake."""
    calls = list(zip(cases, got, expected, strict=True))
    wrong = [call for call in calls if not values_agree(exercise, call[1], call[2])]
    if not wrong:
        return gradient_problem(got, expected)
    if found := pattern([call.value for call in got], [call.value for call in expected]):
        return found
    if all(call.value is None and call.failure is None for call in got):
        return "it returns None: is a `return` missing?"
    # Wrong numbers tell more than NaN or an error, which may follow from them; and a small input more than a large one.
    case, mine, right = min(wrong, key=lambda call: (_fails(call[1]), _size(call[0])))
    at = ", ".join(_named(name, value) for name, value in case.items())
    fine = len(calls) - len(wrong)
    start = f"right for {fine} of {len(calls)} inputs, but " if fine else ""
    if mine.failure is not None:
        return f"{start}it raises {mine.failure.says}, given {at}"
    if right.failure is not None:
        return f"{start}it should raise {right.failure.kind}, given {at}"
    return f"{start}{difference(mine.value, right.value, largest=exercise.same is not None)}, given {at}"


def gradient_problem(got: Sequence[Outcome], expected: Sequence[Outcome]) -> str:
    """What is wrong with the gradients of an answer whose values are all right."""
    found, wanted = ([call.gradients or {} for call in calls] for calls in (got, expected))
    for name in dict.fromkeys(name for gradients in wanted for name in gradients):
        pairs = [(f[name], w[name]) for f, w in zip(found, wanted, strict=True) if name in f and name in w]
        wrong = [pair for pair in pairs if not close(*pair)]
        if not wrong:
            continue
        if not any(w.any() for _, w in pairs):
            return f"the values are right, but a gradient flows to `{name}`, where none should: detach it"
        if not any(f.any() for f, _ in pairs):
            return (
                f"the values are right, but no gradient reaches `{name}`: was it detached, or turned into plain "
                "numbers (.item(), .numpy(), .tolist(), torch.tensor)?"
            )
        smallest = min(wrong, key=lambda pair: pair[0].size)
        return f"the values are right, but {difference(*smallest, what=f'the gradient by `{name}`')}"
    return "the values are right, but the gradient is not"


def kind_problem(got: Sequence[Outcome], expected: Sequence[Outcome]) -> str | None:
    """Right numbers, but not of the kind that the lab's next cells calculate with."""
    for a, b in zip(got, expected, strict=True):
        if b.tensors and not a.tensors:
            return "the values are right, but the lab needs them as a torch tensor"
        if a.tensors and not b.tensors:
            return "the values are right, but as a tensor: the lab needs plain numbers (.item(), .numpy())"
        for mine, needed in zip(a.kinds, b.kinds, strict=False):
            if mine != needed and mine and needed in ("integers", "True and False"):
                return f"the values are right, but they are {mine}: the lab needs {needed}, to select with them"
    return None


def pattern(got: Sequence[Any], expected: Sequence[Any]) -> str | None:
    """What the values of all calls have in common with the right ones, if they are all wrong in one way."""
    pairs = list(zip(got, expected, strict=True))
    if not all(isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape for a, b in pairs):
        return None
    a, b = (np.concatenate([np.ravel(values) for values in side]) for side in (got, expected))
    if not (np.isfinite(a).all() and np.isfinite(b).all()) or close(a, b):
        return None
    counts = b != 0
    if len(np.unique(b[counts].round(6))) < ENOUGH:  # of few different numbers anything fits
        return None
    if close(a, -b):
        return "its sign is the wrong way round everywhere"
    off = a - b
    if np.allclose(off, off[0], 1e-3) and abs(off[0]) > CLEAR * (ABSOLUTE + RELATIVE * abs(b).max()):
        return f"it is off by {off[0]:.3g} everywhere"
    ratio = a[counts] / b[counts]
    if a[~counts].any() or not np.allclose(ratio, ratio[0], 1e-3):
        return None
    return f"it is {ratio[0]:.3g} times what it should be, everywhere" if ratio[0] and _is_clear(ratio[0]) else None


def _is_clear(ratio: float) -> bool:
    return abs(ratio - 1) >= NEAR_ONE


def _named(name: str, value: Any) -> str:
    """An argument in a few words, its numbers of the kind that they are."""
    if isinstance(value, Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray) and value.size > 8:
        return f"{name} of shape {value.shape}"
    return f"{name}={brief(value)}"


def _size(value: Any) -> int:
    """How many numbers and letters it holds."""
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    if isinstance(value, tuple | list):
        return sum(map(_size, value))
    return len(value) if isinstance(value, str) else np.size(plain(value))

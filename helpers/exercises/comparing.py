"""Whether two values agree, and where they first differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy import isclose, isfinite  # names of our own: an answer may change the module's

RELATIVE, ABSOLUTE = 1e-4, 1e-5  # float32, and sums in another order
SHOWN_NUMBERS = 8  # of an array in a message


def close(a: Any, b: Any) -> bool:
    """Whether two plain values are the same up to rounding; NaN is the same as NaN."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and bool(isclose(a, b, RELATIVE, ABSOLUTE, equal_nan=True).all())
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(close, a, b))
    return type(a) is type(b) and isinstance(a, str | None) and a == b


def is_finite(value: Any) -> bool:
    """Whether no number in it is NaN or infinite."""
    if isinstance(value, np.ndarray):
        return bool(isfinite(value).all())
    entries = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple) else ()
    return all(map(is_finite, entries))


def difference(got: Any, expected: Any, what: str = "the result", largest: bool = False) -> str:
    """Where two plain values differ, in words: the first entry that does, or the one that differs most.

    Args:
        got: the answer's.
        expected: what it should be.
        what: the name of the value.
        largest: take the entry with the largest difference.
    """
    if isinstance(got, np.ndarray) and isinstance(expected, np.ndarray):
        return _array_difference(got, expected, what, largest)
    if isinstance(got, tuple) and isinstance(expected, tuple):
        if len(got) != len(expected):
            return f"{what} has {len(got)} entries, not {len(expected)}"
        at = next((i for i, pair in enumerate(zip(got, expected, strict=True)) if not close(*pair)), None)
        if at is not None:
            return difference(got[at], expected[at], f"entry [{at}] of {what}", largest)
    if isinstance(got, Mapping) and isinstance(expected, Mapping):
        if got.keys() != expected.keys():
            return f"{what} has the keys {brief(list(got))}, not {brief(list(expected))}"
        key = next((key for key in expected if not close(got[key], expected[key])), None)
        if key is not None:
            return difference(got[key], expected[key], f"{key!r} of {what}", largest)
    return f"{what} is {brief(got)}, not {brief(expected)}"


def _array_difference(got: np.ndarray, expected: np.ndarray, what: str, largest: bool) -> str:
    if got.shape != expected.shape:
        return f"{what} has shape {got.shape}, not {expected.shape}"
    differs = ~isclose(got, expected, RELATIVE, ABSOLUTE, equal_nan=True)
    if not differs.any():
        return f"{what} is {brief(got)}, not {brief(expected)}, if only by a little"
    with np.errstate(all="ignore"):
        gap = np.nan_to_num(abs(got - expected), nan=np.inf)
    at = np.unravel_index((np.where(differs, gap, -1.0) if largest else differs).argmax(), got.shape)
    entry = f"entry [{', '.join(map(str, at))}] of {what}" if got.ndim else what
    count = f" ({differs.sum()} of {differs.size} entries differ)" if differs.size > 1 else ""
    yours, right = _numbers(float(got[at]), float(expected[at]))
    return f"{entry} is {yours}, not {right}{count}"


def _numbers(a: float, b: float) -> tuple[str, str]:
    """Two numbers that differ, with as many digits as it takes to see it."""
    for digits in (4, 6, 9, 17):
        texts = number(a, digits), number(b, digits)
        if texts[0] != texts[1]:
            break
    return texts


def number(x: float, digits: int = 4) -> str:
    """A number for a message: NaN and infinity in words, whole numbers without a point."""
    if np.isnan(x):
        return "NaN"
    if np.isinf(x):
        return "infinity" if x > 0 else "-infinity"
    return str(int(x)) if x == int(x) and abs(x) < 1e9 else f"{x:.{digits}g}"


def brief(value: Any) -> str:
    """A value in a few words: all of a short array, the shape of a longer one."""
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            return number(float(value)) if value.dtype.kind in "biuf" else repr(value.item())
        if value.size > SHOWN_NUMBERS:
            return f"an array of shape {value.shape}"
        return np.array2string(value, precision=3, separator=", ").replace("\n", "")
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

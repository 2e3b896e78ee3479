"""Cells of a record: what stands at a column, or at a path into a nested record, and what it says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..files import is_broken_text
from .reading import LeftOut


def lookup(values: Any, path: str) -> Any:
    """What stands at a column, or at a path such as "info.post" or "summaries.0.text"; None if nothing does."""
    if isinstance(values, Mapping) and path in values:
        return values[path]
    for step in path.split("."):
        if isinstance(values, Mapping):
            values = values.get(step)
        elif isinstance(values, Sequence) and not isinstance(values, str) and step.isdecimal():
            values = values[int(step)] if len(step) < 10 and int(step) < len(values) else None
        else:
            return None
    return values


def has_cell(values: Mapping[str, Any], path: str) -> bool:
    """Whether there is such a column, whatever it holds, or something at the end of such a path."""
    return path in values or lookup(values, path) is not None


def required_cell(values: Mapping[str, Any], path: str) -> Any:
    """What stands at a column or path.

    Raises:
        LeftOut: Nothing does.
    """
    if (found := lookup(values, path)) is None:
        raise LeftOut(f'"{path}" is missing')
    return found


def text_cell(values: Mapping[str, Any], path: str | None) -> str:
    """A cell that names something, as text; empty if there is none that can be used."""
    value = lookup(values, path) if path is not None else None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    text = str(value)
    return "" if not text.strip() or is_broken_text(text) else text


def as_integer(value: Any) -> int | None:
    """A whole number that is written as one, as text or as a float; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d{1,9}(\.0*)?\s*", value, re.ASCII):
        return int(float(value))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None

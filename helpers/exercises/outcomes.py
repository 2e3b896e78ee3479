"""What a call gave, and its bytes, which another process can send: plain data, in which nothing can be executed."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Failure:
    """An error that a call raised.

    Attributes:
        kind: its type's name.
        says: type and text, and the line of the student's that raised it.
        is_stub: whether it is a `raise NotImplementedError` of the answer's own.
    """

    kind: str
    says: str
    is_stub: bool = False


@dataclass(frozen=True)
class Foreign:
    """A value that is neither numbers nor text, as its text: it is compared with nothing."""

    text: str

    def __repr__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Outcome:
    """What one call gave: plain data, which another process can send.

    Attributes:
        value: arrays, in tuples and dicts where it holds several; texts and None as they are.
        tensors: whether the value is a tensor, or holds one.
        kinds: of the numbers of each array in it: "floats", "integers" or "True and False"; empty for what is none.
        gradients: by the exercise's `gradients`.
        failure: the error, if it raised one.
        changed: the argument that the call changed.
    """

    value: Any = None
    tensors: bool = False
    kinds: tuple[str, ...] = ()
    gradients: Mapping[str, np.ndarray] | None = None
    failure: Failure | None = None
    changed: str | None = None


KINDS = {kind.__name__: kind for kind in (Failure, Foreign, Outcome)}


def to_bytes(value: Any) -> bytes:
    """The value as bytes.

    Args:
        value: None, numbers, texts, arrays of numbers, an Outcome, and lists, tuples and dicts of them.

    Raises:
        TypeError: there is something else in it.
    """
    return json.dumps(_tagged(value)).encode("utf-8", "surrogatepass")


def from_bytes(data: bytes) -> Any:
    """The value whose bytes they are.

    Raises:
        ValueError, KeyError, TypeError: they are no such bytes.
    """
    return _untagged(json.loads(data.decode("utf-8", "surrogatepass")))


def _tagged(value: Any) -> Any:
    """As JSON: what JSON does not know is a list of its kind and its parts."""
    if value is None or isinstance(value, bool | int | float | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return ["array", value.dtype.str, value.shape, base64.b64encode(value.tobytes()).decode()]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(_tagged, value)]
    if isinstance(value, Mapping):
        return ["dict", *([_tagged(key), _tagged(entry)] for key, entry in value.items())]
    if is_dataclass(value) and type(value).__name__ in KINDS:
        return [type(value).__name__, *(_tagged(getattr(value, field.name)) for field in fields(value))]
    raise TypeError(f"{type(value).__name__} cannot be sent")


def _untagged(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    kind, *parts = value
    if kind == "array":
        dtype, shape, data = parts
        return np.frombuffer(base64.b64decode(data), np.dtype(dtype)).reshape(shape).copy()
    if kind == "dict":
        return {_untagged(key): _untagged(entry) for key, entry in parts}
    entries = [_untagged(part) for part in parts]
    if kind in ("list", "tuple"):
        return entries if kind == "list" else tuple(entries)
    return KINDS[kind](*entries)

"""Judge an answer to an exercise: to do, right, or wrong and which misconception it shows.

An answer is called on fresh random inputs, by keyword, so the order of its parameters is free. Its values and
gradients are held against the reference's, and if they differ, against those of every known wrong answer.
"""

from __future__ import annotations

import dis
import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from .exercise import Arguments, Exercise
from .limits import CallsSolution, TimeLimit, call_limited

SECONDS = 5.0  # for all calls of one answer together
RELATIVE, ABSOLUTE = 1e-4, 1e-5  # float32, and sums in another order
SHOWN_NUMBERS = 8  # of an input or a value in a message


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


@dataclass(frozen=True)
class Outcome:
    """What one call gave: its value and its gradients as arrays, or the error that it raised."""

    value: Any = None
    tensors: bool = False  # whether the value is a tensor, or holds one
    gradients: Mapping[str, np.ndarray] | None = None
    error: Exception | None = None
    changed: str | None = None  # the argument that the call changed


def judge(exercise: Exercise, answer: Any, seed: int | None = None, seconds: float = SECONDS) -> Verdict:
    """Try an answer on new inputs. Never raises, and ends soon after `seconds` whatever the answer does.

    Args:
        exercise: which one.
        answer: the student's function, or whatever stands under its name.
        seed: of the inputs; default: another one each time.
        seconds: for all calls of the answer together.
    """
    if not callable(answer):
        return Verdict(
            "wrong", f"{exercise.name} is {_brief(answer)}, not a function; write `def {exercise.name}(...)`"
        )
    if answer is exercise.reference or _is_stub(answer):
        return Verdict("todo", exercise.deliver)
    if problem := _signature_problem(exercise, answer):
        return Verdict("wrong", problem)
    cases = exercise.cases(np.random.default_rng(seed))
    forbidden = inspect.unwrap(exercise.reference).__code__
    try:
        got = call_limited(lambda: [_outcome(exercise, answer, case) for case in cases], seconds, forbidden)
    except TimeLimit:
        return Verdict("timeout", f"it did not end within {seconds:g} s: is there a loop that never stops?")
    except CallsSolution:
        return Verdict("wrong", f"it calls the workbook's own {exercise.name}; write out what it does")
    except (KeyboardInterrupt, SystemExit) as error:
        return Verdict("wrong", f"it raises {type(error).__name__}")
    if all(isinstance(outcome.error, NotImplementedError) for outcome in got):
        return Verdict("todo", exercise.deliver)
    return _compare(exercise, cases, got)


def in_order_of_reference(exercise: Exercise, answer: Callable) -> Callable:
    """Return the answer, callable as the reference is, whatever the order and the names of its own parameters."""
    names, asked = _parameters(answer), exercise.parameters
    if names is None or tuple(names[: len(asked)]) == asked:
        return answer

    def adapted(*positional: Any, **named: Any) -> Any:
        given = dict(zip(asked, positional, strict=False)) | named
        if set(asked) <= set(names):
            return answer(**given)
        in_order = [given.pop(name) for name in asked if name in given]  # names of its own
        return answer(*in_order, **given)

    adapted.__name__ = exercise.name
    return adapted


# --- Calling ------------------------------------------------------------------


def _outcome(exercise: Exercise, function: Callable, case: Arguments) -> Outcome:
    given = {name: _copy(value, name in exercise.gradients) for name, value in case.items()}
    try:
        with torch.enable_grad(), np.errstate(all="ignore"):
            raw = _call(exercise, function, given)
            value = _plain(raw)
            gradients = _gradients(exercise, raw, given)
    except Exception as error:
        return Outcome(error=error)
    changed = [name for name in case if not _close(_plain(given[name]), _plain(case[name]))]
    tensors = any(isinstance(output, Tensor) for output in _outputs(raw))
    return Outcome(value, tensors, gradients, changed=changed[0] if changed else None)


def _call(exercise: Exercise, function: Callable, arguments: Arguments) -> Any:
    parameters = _parameters(function)
    if parameters is None or set(arguments) <= set(parameters):
        return function(**arguments)
    return function(*arguments.values())  # names of its own: by position


def _parameters(function: Callable) -> list[str] | None:
    """The names that the function takes; None if it takes any (or does not tell)."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [parameter.name for parameter in parameters]


def _signature_problem(exercise: Exercise, answer: Callable) -> str | None:
    asked = exercise.parameters
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):
        return None
    by_name: tuple[tuple[str, ...], dict[str, Any]] = (), dict.fromkeys(asked)
    by_position: tuple[tuple[str, ...], dict[str, Any]] = asked, {}
    for positional, named in (by_name, by_position):
        try:
            signature.bind(*positional, **named)
            return None
        except TypeError:
            continue
    return f"its parameters are {signature}; it is called with ({', '.join(asked)})"


def _copy(value: Any, with_gradient: bool) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(with_gradient and value.is_floating_point())
    return deepcopy(value)


def _gradients(exercise: Exercise, raw: Any, given: Arguments) -> dict[str, np.ndarray] | None:
    """Gradients of a fixed random combination of the outputs, zero where nothing flows."""
    if not exercise.gradients:
        return None
    outputs = [output for output in _outputs(raw) if isinstance(output, Tensor) and output.requires_grad]
    inputs = {name: given[name] for name in exercise.gradients if isinstance(given.get(name), Tensor)}
    inputs = {name: tensor for name, tensor in inputs.items() if tensor.requires_grad}
    if not outputs or not inputs:
        return {name: np.zeros(tuple(tensor.shape)) for name, tensor in inputs.items()}
    generator = torch.Generator().manual_seed(0)
    weighted = [(output * torch.rand(output.shape, generator=generator).add(0.5)).sum() for output in outputs]
    found = torch.autograd.grad(sum(weighted, start=torch.zeros(())), list(inputs.values()), allow_unused=True)
    return {
        name: np.zeros(tuple(tensor.shape)) if gradient is None else gradient.double().numpy()
        for (name, tensor), gradient in zip(inputs.items(), found, strict=True)
    }


def _outputs(raw: Any) -> Sequence[Any]:
    return raw if isinstance(raw, tuple | list) else [raw]


def _plain(value: Any) -> Any:
    """The value as arrays, in tuples and dicts where it holds several; texts and None stay as they are."""
    if isinstance(value, Tensor):
        return value.detach().cpu().double().numpy()
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, tuple | list):
        entries = [_plain(entry) for entry in value]
        if entries and all(isinstance(entry, np.ndarray) and entry.ndim == 0 for entry in entries):
            return np.array(entries)
        return tuple(entries)
    try:
        return np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        return value


# --- Comparing ----------------------------------------------------------------


def _compare(exercise: Exercise, cases: Sequence[Arguments], got: Sequence[Outcome]) -> Verdict:
    expected = [_outcome(exercise, exercise.reference, case) for case in cases]
    right = [_same(exercise, a, b) for a, b in zip(got, expected, strict=True)]
    changed = next((outcome.changed for outcome in got if outcome.changed), None)
    if changed is not None:
        return Verdict(
            "wrong", f"it changes its input `{changed}`: the caller still needs it; work on a copy", "changes"
        )
    if all(right):
        return _kind_problem(got, expected) or Verdict("right", "right")
    all_mistaken = [[_outcome(exercise, m.wrong, case) for case in cases] for m in exercise.misconceptions]
    for with_gradients in (True, False):  # a wrong gradient besides does not hide a mistake that the values show
        for misconception, mistaken in zip(exercise.misconceptions, all_mistaken, strict=True):
            if _shows(exercise, got, mistaken, expected, with_gradients):
                return Verdict("wrong", misconception.says, misconception.key)
    first = min((i for i, fine in enumerate(right) if not fine), key=lambda i: _size(cases[i]))
    pattern = _pattern([outcome.value for outcome in got], [outcome.value for outcome in expected])
    return Verdict("wrong", pattern or _describe(exercise, cases[first], got[first], expected[first]))


def _kind_problem(got: Sequence[Outcome], expected: Sequence[Outcome]) -> Verdict | None:
    """Right numbers, but not of the kind that the lab's next cells calculate with."""
    for a, b in zip(got, expected, strict=True):
        if b.tensors and not a.tensors:
            return Verdict("wrong", "the values are right, but the lab needs them as a torch tensor")
        if a.tensors and not b.tensors:
            return Verdict(
                "wrong", "the values are right, but as a tensor: the lab needs plain numbers (.item(), .numpy())"
            )
    return None


def _shows(
    exercise: Exercise,
    got: Sequence[Outcome],
    mistaken: Sequence[Outcome],
    expected: Sequence[Outcome],
    with_gradients: bool,
) -> bool:
    """Whether an answer gives what the mistaken function gives, wherever that differs from what is expected."""
    if not with_gradients:
        got, mistaken, expected = ([replace(o, gradients=None) for o in side] for side in (got, mistaken, expected))
    telling = [not _same(exercise, m, e) for m, e in zip(mistaken, expected, strict=True)]
    return any(telling) and all(
        _same(exercise, g, m) for g, m, tells in zip(got, mistaken, telling, strict=True) if tells
    )


def _same(exercise: Exercise, a: Outcome, b: Outcome) -> bool:
    if a.error is not None or b.error is not None:
        return type(a.error) is type(b.error)
    if exercise.same is not None:
        try:
            return bool(exercise.same(a.value, b.value))
        except Exception:  # a value of another kind than the comparison expects
            return False
    return _close(a.value, b.value) and _close(a.gradients, b.gradients)


def _close(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and np.allclose(a, b, RELATIVE, ABSOLUTE, equal_nan=True)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_close(a[key], b[key]) for key in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(_close, a, b))
    try:
        return type(a) is type(b) and bool(a == b)
    except Exception:  # what cannot be compared is not the same
        return False


# --- Saying what differs ------------------------------------------------------


def _describe(exercise: Exercise, case: Arguments, got: Outcome, expected: Outcome) -> str:
    """What is wrong with an answer that shows no known misconception, on one input."""
    at = ", ".join(f"{name}={_brief(_plain(value))}" for name, value in case.items())
    if got.error is not None:
        return f"it raises {_origin(got.error)}, given {at}"
    if expected.error is not None:
        return f"it should raise {type(expected.error).__name__}, given {at}"
    if got.value is None:
        return "it returns None: is a `return` missing?"
    if _close(got.value, expected.value) or (exercise.same and exercise.same(got.value, expected.value)):
        found, wanted = got.gradients or {}, expected.gradients or {}
        name = next(name for name in wanted if not _close(found[name], wanted[name]))
        if not wanted[name].any():
            return f"the values are right, but a gradient flows to `{name}`, where none should: detach it"
        if not found[name].any():
            return (
                f"the values are right, but no gradient reaches `{name}`: was it detached, or turned into plain "
                "numbers (.item(), .numpy(), .tolist(), torch.tensor)?"
            )
        return f"the values are right, but the gradient by `{name}` is not"
    if isinstance(got.value, np.ndarray) and isinstance(expected.value, np.ndarray):
        if got.value.shape != expected.value.shape:
            return f"it returns shape {got.value.shape}, not {expected.value.shape}, given {at}"
        for what, is_bad in (("NaN", np.isnan), ("infinity", np.isinf)):
            if is_bad(got.value).any() and not is_bad(expected.value).any():
                return f"it returns {what}, given {at}"
    return f"given {at}, it returns {_brief(got.value)}, not {_brief(expected.value)}"


def _pattern(got: Sequence[Any], expected: Sequence[Any]) -> str | None:
    """What the values of all calls have in common with the right ones, if they are all wrong in one way."""
    pairs = list(zip(got, expected, strict=True))
    if not all(isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.shape == b.shape for a, b in pairs):
        return None
    a, b = (np.concatenate([np.ravel(values) for values in side]) for side in (got, expected))
    if a.size < 2 or not (np.isfinite(a).all() and np.isfinite(b).all()) or _close(a, b):
        return None
    if _close(a, -b):
        return "its sign is the wrong way round everywhere"
    off = a - b
    if np.allclose(off, off[0], 1e-3):
        return f"it is off by {off[0]:.3g} everywhere"
    counts = b != 0
    if not counts.any():
        return None
    ratio = a[counts] / b[counts]
    if not a[~counts].any() and np.allclose(ratio, ratio[0], 1e-3) and ratio[0]:
        return f"it is {ratio[0]:.3g} times what it should be, everywhere"
    return None


def _origin(error: Exception) -> str:
    """The error and, if it arose in the student's own cell, the line that raised it."""
    text = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "helpers" not in f.filename and f.line]
    return f"{text} (at `{frames[0].line}`)" if frames else text


def _brief(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size > SHOWN_NUMBERS:
            return f"an array of shape {value.shape}"
        return np.array2string(value, precision=3, separator=", ").replace("\n", "")
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _size(value: Any) -> int:
    """How many numbers and letters it holds."""
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    if isinstance(value, tuple | list):
        return sum(map(_size, value))
    return len(value) if isinstance(value, str) else np.size(_plain(value))


def _is_stub(answer: Any) -> bool:
    """Whether nothing but a docstring, `...` or `pass` stands in the body."""
    code = getattr(answer, "__code__", None)
    if code is None:
        return False
    operations = [op for op in dis.get_instructions(code) if op.opname not in ("RESUME", "NOP", "CACHE")]
    return all(op.opname in ("LOAD_CONST", "RETURN_VALUE", "RETURN_CONST") for op in operations) and all(
        op.argval is None for op in operations if op.opname in ("LOAD_CONST", "RETURN_CONST")
    )

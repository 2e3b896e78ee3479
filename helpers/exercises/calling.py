"""Call an answer on the arguments of a case, and note what comes of it: value, gradients, or error."""

from __future__ import annotations

import dis
import inspect
import traceback
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from types import CodeType, FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .comparing import close
from .exercise import Arguments, Exercise
from .limits import CallsSolution, TimeLimit
from .outcomes import Failure, Foreign, Outcome


def outcome(exercise: Exercise, function: Callable, case: Arguments) -> Outcome:
    """Call a function on copies of the arguments. What it raises is noted, whatever it is."""
    given = {name: _copy(value, name in exercise.gradients) for name, value in case.items()}
    try:
        with torch.enable_grad(), np.errstate(all="ignore"):
            raw = _call(exercise, function, given)
            value = plain(raw)
            gradients = _gradients(exercise, raw, given)
        changed = [name for name in case if not close(plain(given[name]), plain(case[name]))]
    except (TimeLimit, CallsSolution):
        raise
    except BaseException as error:  # an answer may raise KeyboardInterrupt or an error of its own
        return Outcome(failure=_failure(error, function))
    tensors = any(isinstance(output, Tensor) for output in _outputs(raw))
    kinds = tuple(map(_kind, _outputs(raw)))
    return Outcome(value, tensors, kinds, gradients, changed=changed[0] if changed else None)


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


def signature_problem(exercise: Exercise, answer: Callable) -> str | None:
    """What is wrong with its parameters, or None."""
    asked = exercise.parameters
    try:
        signature = inspect.signature(answer)
    except Exception:  # many built-in functions have none
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


def is_stub(answer: Any) -> bool:
    """Whether nothing but a docstring, `...` or `pass` stands in the body."""
    code = getattr(answer, "__code__", None)
    if not isinstance(code, CodeType):
        return False
    operations = [op for op in dis.get_instructions(code) if op.opname not in ("RESUME", "NOP", "CACHE")]
    return all(op.opname in ("LOAD_CONST", "RETURN_VALUE", "RETURN_CONST") for op in operations) and all(
        op.argval in (None, ...) for op in operations if op.opname in ("LOAD_CONST", "RETURN_CONST")
    )


def plain(value: Any) -> Any:
    """The value as arrays, in tuples and dicts where it holds several; texts and None stay as they are."""
    if isinstance(value, Tensor) and not value.is_complex():
        return value.detach().cpu().double().numpy()
    if isinstance(value, Mapping):
        return {key if isinstance(key, str | int) else repr(key): plain(entry) for key, entry in value.items()}
    if value is None or type(value) is str:
        return value
    if isinstance(value, tuple | list):
        entries = [plain(entry) for entry in value]
        if entries and all(isinstance(entry, np.ndarray) and entry.ndim == 0 for entry in entries):
            return np.array(entries)
        return tuple(entries)
    if isinstance(value, str):  # of numpy, or of a class of the answer's own
        return str(value)
    try:
        return np.asarray(value, dtype=float)
    except Exception:  # it is no number, not even several
        return Foreign(repr(value)[:200])


# --- Parts --------------------------------------------------------------------


def _call(exercise: Exercise, function: Callable, arguments: Arguments) -> Any:
    names = _parameters(function)
    if names is None or set(arguments) <= set(names):
        return function(**arguments)
    return function(*arguments.values())  # names of its own: by position


def _parameters(function: Callable) -> list[str] | None:
    """The names that the function takes, none if it does not tell; None if it takes any."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except Exception:
        return []
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return None
    return [p.name for p in parameters if p.kind is not p.POSITIONAL_ONLY]


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


def _kind(output: Any) -> str:
    if isinstance(output, Tensor):
        if output.dtype == torch.bool:
            return "True and False"
        return "floats" if output.is_floating_point() else "integers"
    if isinstance(output, np.ndarray) and output.ndim:
        return {"b": "True and False", "i": "integers", "u": "integers", "f": "floats"}.get(output.dtype.kind, "")
    return ""


def _failure(error: BaseException, answer: Callable) -> Failure:
    kind = type(error).__name__
    try:
        words = "it needs too much memory" if isinstance(error, MemoryError) else str(error).strip()
    except (TimeLimit, CallsSolution):
        raise
    except BaseException:  # an error of the answer's own, which cannot say its text
        words = ""
    text = f"{kind}: {words.splitlines()[0][:200]}" if words else kind
    frames = list(zip(traceback.walk_tb(error.__traceback__), traceback.extract_tb(error.__traceback__), strict=True))
    theirs = [line for (frame, _), line in frames if not _module(frame).startswith("helpers.") and line.line]
    return Failure(kind, f"{text} (at `{theirs[0].line}`)" if theirs else text, _is_unwritten(error, answer))


def _is_unwritten(error: BaseException, answer: Callable) -> bool:
    """Whether the answer itself says `raise NotImplementedError`; torch does so too."""
    entry = error.__traceback__
    while entry is not None and entry.tb_next is not None:
        entry = entry.tb_next
    if entry is None or not isinstance(error, NotImplementedError):
        return False
    raised = dis.opname[entry.tb_frame.f_code.co_code[entry.tb_lasti]] == "RAISE_VARARGS"
    return raised and _module(entry.tb_frame) == str(getattr(answer, "__module__", None))


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))

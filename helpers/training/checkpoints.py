"""Checkpoints: a run that was stopped or killed goes on where it was, to the same numbers.

A checkpoint is a folder, written whole or not at all, of JSON and safetensors only:

    checkpoint.json      format, step, the run's fingerprint, small facts (optimizer settings, schedule), and a seal
    records.jsonl        the records so far
    state.safetensors    trainable weights, optimizer state, state of torch's random generators

The fingerprint names all that decides a run's numbers: settings, data, the frozen weights it starts from, and the code
of functions that the reader gave. A checkpoint with another fingerprint is never taken, nor one with a broken seal, a
digest of all its content: a changed byte would change the run's numbers and say nothing.

On a CPU a resumed run gives the records and weights of one that never stopped, bit for bit; on a GPU up to what its
kernels round differently from run to run.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from .. import files
from ..files import shown
from ..models.profiles import Profile

FORMAT = 3
Fingerprint = Mapping[str, str | int | float | bool | None]


@dataclass(frozen=True)
class State:
    """All that a run needs to go on after `step` steps."""

    step: int
    tensors: dict[str, Tensor]  # by name, see `weights` and the functions after it
    facts: dict[str, Any] = field(default_factory=dict)  # JSON values


@dataclass(frozen=True)
class Checkpoint:
    """Where and how often a run writes its state."""

    folder: Path
    every: int = 25  # steps
    resume: bool = True  # whether to go on from what is there
    writes: bool = True  # whether this process does it, of those that share a run

    def find(self, fingerprint: Fingerprint) -> tuple[State, list[dict]] | None:
        """The state and the records so far of the run with that fingerprint; None if there are none.

        A checkpoint of another run, or one that cannot be read, is not taken; one line on stderr says so.
        """
        folder = files.find_folder(self.folder)
        if folder is None:
            return None
        try:
            kept = json.loads((folder / "checkpoint.json").read_bytes())
            if kept["format"] != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            if kept.pop("seal") != _seal(kept, folder):
                raise ValueError("it is damaged")
            step, facts, other = int(kept["step"]), kept["facts"], _differing(kept["fingerprint"], fingerprint)
            lines = (folder / "records.jsonl").read_bytes().splitlines()
            records = [json.loads(line) for line in lines]
            tensors = load_file(folder / "state.safetensors")
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
            self._say(f"cannot be read ({_in_short(error)})")
            return None
        if other:
            if step:  # else nothing is lost
                self._say(f"is of another run (other {', '.join(other)})")
            return None
        return State(step, tensors, facts), records

    def write(self, fingerprint: Fingerprint, state: State, records: list[dict]) -> None:
        """Replace the checkpoint, whole.

        Raises:
            LabError: the disk is full or the folder cannot be written.
        """
        if not self.writes:
            return
        about = {"format": FORMAT, "step": state.step, "fingerprint": dict(fingerprint), "facts": state.facts}
        about = json.loads(json.dumps(about))  # as `find` will see it
        with files.atomic_folder(self.folder) as folder:
            (folder / "records.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), "utf-8")
            tensors = {name: t.detach().cpu().contiguous().clone() for name, t in state.tensors.items()}  # none shared
            save_file(tensors, folder / "state.safetensors")
            about["seal"] = _seal(about, folder)
            (folder / "checkpoint.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")

    def remove(self) -> None:
        """Delete the checkpoint, if there is one: for whoever has stored the run's result."""
        if not self.writes:
            return
        files.remove_folder(self.folder)
        with suppress(OSError):  # not empty, or not there
            self.folder.parent.rmdir()

    def _say(self, problem: str) -> None:
        print(f"The checkpoint {shown(self.folder)} {problem}: starting anew.", file=sys.stderr)


def resumable(
    start: Callable[[State | None], Generator[dict, None, None]],
    snapshot: Callable[[], State | None],
    checkpoint: Checkpoint | None,
    fingerprint: Fingerprint,
) -> Generator[dict, None, None]:
    """Run `start`, with what its checkpoint holds, and write checkpoints on the way.

    It writes the state every `checkpoint.every` steps and when it is closed; what the consumer draws from torch's
    random generators between two records changes nothing. It leaves the checkpoint when it ends: `checkpoint.remove()`
    is for the caller, once the result is stored.

    Args:
        start: gives the stream of the records after a state (None: from the beginning), each with its "step".
        snapshot: the state after the last record, None if there is nothing to keep yet.
        checkpoint: where to keep the state; None: nowhere.
        fingerprint: of the run.

    Yields:
        First the records made before, each with "replayed": True, then the new ones, the first with "resumed_at": the
        step of the state it goes on from.
    """
    records: list[dict] = []
    state, mark = None, {}

    def write() -> None:
        if checkpoint and (now := snapshot()):
            checkpoint.write(fingerprint, now, records)

    if checkpoint and checkpoint.resume and (found := checkpoint.find(fingerprint)):
        state, records = found
        mark = {"resumed_at": state.step} if state.step else {}
        yield from [record | {"replayed": True} for record in records]
    elif checkpoint:
        checkpoint.remove()
        write()  # so that even a run that breaks at once can be begun again as it was
    stream = start(state)
    finalizing = sys.is_finalizing  # kept here: when the interpreter ends, this module's names are gone before its runs
    try:
        for record in stream:
            records.append(record)
            written = checkpoint is None or record["step"] % checkpoint.every == 0
            if written:
                write()
            drawn = random_state()
            try:
                yield record | mark
            except GeneratorExit:
                if not written and not finalizing():
                    set_random_state(drawn)
                    write()
                raise
            set_random_state(drawn)
            mark = {}
    finally:
        stream.close()


# --- Parts of a state ---------------------------------------------------------------------------------


def weights(module: nn.Module) -> dict[str, Tensor]:
    """The trainable weights by name, as they are now and will be changed, not copies."""
    return {f"weights.{name}": p.detach() for name, p in module.named_parameters() if p.requires_grad}


def load_weights(module: nn.Module, state: State) -> None:
    """Give a module the trainable weights of a state."""
    for name, value in weights(module).items():
        value.copy_(state.tensors[name])


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's tensors by name, and the rest, which is JSON.

    The rest are its parameter groups (learning rate and so on) and the numbers it keeps beside tensors, by name (in
    bitsandbytes the count of steps is one).
    """
    packed = optimizer.state_dict()
    named = dict(_leaves(packed["state"], "optimizer"))
    tensors = {name: value for name, value in named.items() if isinstance(value, Tensor)}
    numbers = {name: value for name, value in named.items() if name not in tensors}
    return tensors, {"groups": packed["param_groups"], "numbers": numbers}


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Give an optimizer what `optimizer_state` returned; other tensors may be among these."""
    values: dict = {}
    for name, value in (dict(tensors) | facts["numbers"]).items():
        first, *path, last = name.split(".")
        if first == "optimizer":
            place = values
            for key in path:
                place = place.setdefault(int(key) if key.isdigit() else key, {})
            place[last] = value
    optimizer.load_state_dict({"state": values, "param_groups": facts["groups"]})


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves of nested dicts, each by the keys on its way, with dots between them."""
    if not isinstance(value, Mapping):
        yield name, value
        return
    for key, part in value.items():
        yield from _leaves(part, f"{name}.{key}")


def random_state() -> dict[str, Tensor]:
    """The state of torch's random generators: the CPU's, and the GPUs' where they are in use."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    return {"random.cpu": torch.get_rng_state()} | {f"random.cuda.{i}": gpu for i, gpu in enumerate(gpus)}


def set_random_state(tensors: Mapping[str, Tensor]) -> None:
    """Set the generators as `random_state` found them; other tensors may be among these."""
    torch.set_rng_state(tensors["random.cpu"])
    for i in range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0):
        if (name := f"random.cuda.{i}") in tensors:
            torch.cuda.set_rng_state(tensors[name], i)


def training_state(step: int, shared: nn.Module, optimizer: Optimizer, facts: Mapping[str, Any]) -> State:
    """The state of a training after `step` steps: what trains, its optimizer, the random generators, and `facts`."""
    tensors, settings = optimizer_state(optimizer)
    tensors |= weights(shared) | random_state()
    return State(step, tensors, {"optimizer": settings, **facts})


def load_training_state(state: State, shared: nn.Module, optimizer: Optimizer) -> None:
    """Go on from what `training_state` returned; its facts are for the caller."""
    load_weights(shared, state)
    load_optimizer(optimizer, state.tensors, state.facts["optimizer"])
    set_random_state(state.tensors)


# --- Parts of a fingerprint ---------------------------------------------------------------------------


def digest(value: Any) -> str:
    """A short SHA-256 of a JSON value."""
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def profile_digest(profile: Profile) -> str:
    """A digest of all in a profile but the settings of its stages."""
    return digest({name: value for name, value in asdict(profile).items() if name not in ("sft", "reward_model")})


def frozen_digest(module: nn.Module) -> str:
    """A digest of the frozen weights that are not in 4 bits: embeddings, norms, head, frozen adapters.

    They tell one base model from another as well as all would, and are a small part of a large one.
    """
    total = sha256()
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad and parameter.is_floating_point():
            total.update(f"{name} {parameter.dtype} {tuple(parameter.shape)}".encode())
            total.update(parameter.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:16]


def code_digest(function: Callable) -> str:
    """A digest of a function's source, with the numbers and texts outside it that it uses.

    So a function that was edited begins a new run. What else it uses does not count: other functions, objects, files.
    """
    code = getattr(function, "__qualname__", type(function).__qualname__)
    used: dict[str, Any] = {}
    with suppress(TypeError, OSError, ValueError):  # built-in, or typed into a shell without history
        code = inspect.getsource(inspect.unwrap(function))
        scope = inspect.getclosurevars(inspect.unwrap(function))
        used = {k: v for k, v in {**scope.globals, **scope.nonlocals}.items() if isinstance(v, (int, float, str))}
    return digest([code, used])


def _seal(about: Mapping[str, Any], folder: Path) -> str:
    return digest([about, *(files.sha256(folder / name) for name in ("records.jsonl", "state.safetensors"))])


def _in_short(error: Exception) -> str:
    return ascii(str(error))[1:-1][:200] or type(error).__name__


def _differing(kept: Mapping, fingerprint: Fingerprint) -> list[str]:
    now = json.loads(json.dumps(dict(fingerprint)))
    return [name for name in (now | kept) if (name in now, now.get(name)) != (name in kept, kept.get(name))]

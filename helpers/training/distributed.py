"""One run on several processes, as `accelerate launch` or `torchrun` start them.

Every process holds the whole model and begins with the same weights and random numbers. Of each batch it does its share
of the work; the results of all shares are put together in the order of one process, so the run's records are those of
one process, up to rounding.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from torch import Tensor, nn
from torch import distributed as torch_distributed

from ..files import LabError

Rows = TypeVar("Rows", Tensor, Sequence)

ENDED = (
    "another process of this run has ended, so process {rank} ends as well; what was done is in the checkpoint: start "
    "the run again and it goes on ({why})"
)


def _clear_error(method: Callable) -> Callable:
    """The method, with a clear error where another process has ended: torch's own are about sockets."""

    @wraps(method)
    def with_clear_error(self: Distributed, *arguments: Any) -> Any:
        try:
            return method(self, *arguments)
        except (RuntimeError, torch_distributed.DistError) as error:
            if not isinstance(error, torch_distributed.DistError) and "gloo" not in str(error).lower():
                raise
            raise LabError(ENDED.format(rank=self.rank, why=str(error).splitlines()[0][:120])) from None

    return with_clear_error


class Distributed:
    """The processes of a run.

    Args:
        rank: which of them this is, from 0.
        size: how many there are.
    """

    def __init__(self, rank: int = 0, size: int = 1) -> None:
        self.rank, self.size = rank, size

    @classmethod
    def from_environment(cls, cpu: bool) -> Distributed:
        """The processes that a launcher has started, or one alone; with `cpu` on the CPU even where there is a GPU."""
        if int(os.environ.get("WORLD_SIZE", "1")) == 1:
            return cls()
        state = PartialState(cpu=cpu)
        processes = cls(state.process_index, state.num_processes)
        # A launcher ends the others of a run that lost one; its signal may come before the broken connection.
        signal.signal(signal.SIGTERM, processes._on_sigterm)
        return processes

    def _on_sigterm(self, *_: object) -> None:
        raise LabError(ENDED.format(rank=self.rank, why="the launcher ended it"))

    @property
    def is_main_process(self) -> bool:
        """Whether this process prints and writes for all."""
        return self.rank == 0

    def split(self, rows: Rows) -> Rows:
        """This process's part of a sequence or a tensor: the parts of all, one after the other, are the whole."""
        bounds = [len(rows) * i // self.size for i in range(self.size + 1)]
        return rows[bounds[self.rank] : bounds[self.rank + 1]]

    @_clear_error
    def gather(self, rows: list) -> list:
        """The rows of all processes, one process's after the other's."""
        return rows if self.size == 1 else gather_object(rows)

    @_clear_error
    def all_reduce_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up the gradients of all processes; a process without one counts as 0."""
        if self.size == 1:
            return
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            torch_distributed.all_reduce(parameter.grad)

    def all_reduce(self, numbers: Mapping[str, float]) -> dict[str, float]:
        """The sum of each number over all processes; one that a process lacks counts as 0."""
        parts = self.gather([dict(numbers)])
        names = dict.fromkeys(name for part in parts for name in part)
        return {name: sum(part.get(name, 0.0) for part in parts) for name in names}


SINGLE_PROCESS = Distributed()

"""Experiments that take an hour or two: made part by part, side by side, and gone on with where they were stopped.

An experiment says which parts it has and how each is made; `make_all` makes those that are missing. Each part is a file
of JSON, or a folder with one in it, that is written whole. What the labs read of it is shipped in `data/`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from .. import files
from ..files import LabError, shown
from ..models.profiles import Profile

Results = TypeVar("Results")
Origin = Literal["yours", "shipped"]


class Experiment(ABC):
    """What `make_all` needs to know. A subclass is a frozen dataclass with the fields `profile` and `place`."""

    FOLDER: ClassVar[str]  # in runs/<profile>/
    profile: Profile
    place: Path | None  # where its parts are, if not there

    @property
    @abstractmethod
    def phases(self) -> list[list[str]]:
        """The names of all parts. Those of a phase need the phases before, and not one another."""

    @abstractmethod
    def make(self, part: str) -> None:
        """Make one part and write it, whole."""

    @property
    def folder(self) -> Path:
        return self.place or files.runs() / self.profile.name / self.FOLDER

    def path(self, part: str) -> Path:
        """The file that is there once the part is made."""
        return self.folder / f"{part}.json"

    def read(self, part: str) -> Any:
        """What was written of a part."""
        return json.loads(self.path(part).read_text("utf-8"))

    def write(self, part: str, content: Any) -> None:
        files.atomic_write(self.path(part), json.dumps(content, ensure_ascii=False) + "\n")


def short(numbers: Iterable[float]) -> list[float]:
    """Numbers as an experiment keeps them, with three digits after the point."""
    return [round(float(number), 3) for number in numbers]


def own_folder(profile: str, name: str) -> Path:
    """Where the results of the reader's own experiment are."""
    return files.runs() / profile / "results" / name


def load_shipped(profile: str, name: str, read: Callable[[Path, Origin], Results]) -> Results:
    """What the reader's own experiment found, or else the shipped one, as `read` reads it. LabError if it is broken."""
    for origin, place in {"yours": own_folder(profile, name), "shipped": files.data() / name}.items():
        if folder := files.find_folder(place):
            try:
                return read(folder, origin)
            except (KeyError, TypeError, ValueError) as error:
                raise LabError(
                    f"{shown(folder)} is no result of this experiment ({error!r}): delete it, or restore it with git"
                ) from None
    raise LabError(
        f"there is no {shown(files.data() / name)}: restore it with git, or make your own with "
        f"python -m helpers sweep {name}"
    )


def make_all(experiment: Experiment, processes: int | None = None) -> Iterator[dict]:
    """Make every part that is missing; yields {"part", "made"} for each, as it is done.

    processes: that make parts side by side, each on one core; default: as many as there are cores, and one on a GPU.
    """
    if processes is None:
        processes = 1 if experiment.profile.needs_gpu else os.cpu_count() or 1
    with nullcontext() if processes == 1 else _workers(processes) as pool:
        for phase in experiment.phases:
            missing = [part for part in phase if not experiment.path(part).is_file()]
            yield from ({"part": part, "made": False} for part in phase if part not in missing)
            yield from ({"part": part, "made": True} for part in _made(experiment, missing, pool))


def _made(experiment: Experiment, parts: Sequence[str], pool: ProcessPoolExecutor | None) -> Iterator[str]:
    """Make the parts, in the pool's processes if there is one; yields each as it is done."""
    if pool is None:
        for part in parts:
            experiment.make(part)
            yield part
        return
    futures = {pool.submit(experiment.make, part): part for part in parts}
    for done in as_completed(futures):
        done.result()
        yield futures[done]


@contextmanager
def _workers(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Processes of one thread each, since more threads than cores would wait on one another."""
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # read as a process starts
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _end_with_parent)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        os.environ.pop("OMP_NUM_THREADS")
        if threads is not None:
            os.environ["OMP_NUM_THREADS"] = threads


def _end_with_parent() -> None:
    """A worker whose parent was killed would work on, unseen."""

    def wait() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()

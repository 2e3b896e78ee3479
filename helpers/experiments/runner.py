"""Experiments that take an hour or two: made part by part, side by side, and resumed where they were stopped.

An experiment says which parts it has and how each is made; `make_all` makes those that are missing. Each part is a file
of JSON, written whole, with a folder of the same name beside it if the part trains a model. What the labs read of an
experiment is shipped in `data/`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypedDict, TypeVar

from .. import files
from ..files import LabError, Origin, shown
from ..models.profiles import Profile

Results = TypeVar("Results")


class Part(Protocol):
    """What is made at once: a frozen dataclass, which says all that decides it."""

    @property
    def file_name(self) -> str:
        """Of its file, without .json, in the experiment's folder; no two parts share one."""


P = TypeVar("P", bound=Part)


class Progress(TypedDict):
    """What `make_all` yields for each part."""

    part: str  # its file name
    made: bool  # or it was there already


class Experiment(ABC, Generic[P]):
    """What `make_all` needs to know. A subclass is a frozen dataclass with the fields `profile` and `place`."""

    NAME: ClassVar[str]  # in `EXPERIMENTS`, and of its folders
    profile: Profile
    place: Path | None  # where its parts are, if not in runs/<profile>/NAME

    @property
    @abstractmethod
    def phases(self) -> Sequence[Sequence[P]]:
        """All parts. Those of a phase need the phases before, and not one another."""

    @abstractmethod
    def make(self, part: P) -> None:
        """Make one part and write it, whole."""

    @property
    def folder(self) -> Path:
        """Where the parts are."""
        return self.place or files.runs() / self.profile.name / self.NAME

    def path(self, part: P) -> Path:
        """The file that is there once the part is made."""
        return self.folder / f"{part.file_name}.json"

    def model_folder(self, part: P) -> Path:
        """Where the model is that the part trains."""
        return self.folder / part.file_name

    def read(self, part: P) -> Any:
        """What was written of a part."""
        return json.loads(self.path(part).read_text("utf-8"))

    def write(self, part: P, content: Any) -> None:
        """Write what was found as the part's file."""
        files.atomic_write(self.path(part), json.dumps(content, ensure_ascii=False) + "\n")


def file_name(*words: object) -> str:
    """Words and numbers as a file name, "PPO" and "beta 0.05" as "ppo-beta-0.05"; empty ones are left out."""
    return "-".join(re.sub(r"[^a-z0-9.]+", "-", str(word).lower()) for word in words if word != "")


def rounded(numbers: Iterable[float]) -> list[float]:
    """Numbers as an experiment keeps them, with three digits after the point."""
    return [round(float(number), 3) for number in numbers]


def own_folder(profile: str, name: str) -> Path:
    """Where the results of the reader's own experiment are."""
    return files.runs() / profile / "results" / name


def load_results(profile: str, name: str, read: Callable[[Path, Origin], Results]) -> Results:
    """What the reader's own experiment found, or else the shipped one, as `read` reads it.

    Raises:
        LabError: the results are broken, or there are none.
    """
    found = files.find_own_or_shipped(own_folder(profile, name), files.data() / name)
    if not found:
        raise LabError(
            f"there is no {shown(files.data() / name)}: restore it with git, or make your own with "
            f"python -m helpers experiment {name}"
        )
    try:
        return read(*found)
    except (KeyError, TypeError, ValueError) as error:
        raise LabError(
            f"{shown(found[0])} is no result of this experiment ({error!r}): delete it, or restore it with git"
        ) from None


def make_all(experiment: Experiment[P], processes: int | None = None) -> Iterator[Progress]:
    """Make every part that is missing.

    Args:
        experiment: what to make.
        processes: how many make parts side by side, each on one core; default: one a core, and a single one on a GPU.

    Yields:
        For each part, as it is done, its file name and whether it was made.
    """
    if processes is None:
        processes = 1 if experiment.profile.needs_gpu else os.cpu_count() or 1
    with nullcontext() if processes == 1 else _workers(processes) as pool:
        for phase in experiment.phases:
            missing = [part for part in phase if not experiment.path(part).is_file()]
            yield from (Progress(part=part.file_name, made=False) for part in phase if part not in missing)
            yield from (Progress(part=part.file_name, made=True) for part in _made(experiment, missing, pool))


def _made(experiment: Experiment[P], parts: Sequence[P], pool: ProcessPoolExecutor | None) -> Iterator[P]:
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
    """End this worker when its parent ends: if the parent was killed, it would work on, unseen."""
    parent = multiprocessing.parent_process()
    assert parent  # this runs in workers alone

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()

"""An experiment whose parts are numbers, for tests of the runner: a process that makes one imports no torch."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from helpers.experiments.runner import Experiment
from helpers.files import LabError
from helpers.models.profiles import Profile, get_profile

TINY = get_profile("tiny")


@dataclass(frozen=True)
class Numbered:
    phase: int
    number: int

    @property
    def file_name(self) -> str:
        return f"phase-{self.phase}/part-{self.number}"


@dataclass(frozen=True)
class SmallExperiment(Experiment[Numbered]):
    """Each part holds how many parts of the phases before were there when it was made."""

    NAME = "small"
    place: Path
    profile: Profile = TINY
    broken: Numbered | None = None  # cannot be made

    @property
    def phases(self) -> list[list[Numbered]]:
        return [[Numbered(phase, number) for number in range(size)] for phase, size in enumerate((5, 8, 8))]

    def make(self, part: Numbered) -> None:
        if part == self.broken:
            raise LabError("the pool leaks")
        self.write(part, sum(self.path(other).is_file() for phase in self.phases[: part.phase] for other in phase))


class Sleeping(SmallExperiment):
    """Its parts say which process makes them, and take for ever."""

    def make(self, part: Numbered) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{os.getpid()}.pid").touch()
        time.sleep(600)

"""Every lab cut down to its core path: the cells that are not tagged `deeper`, as a notebook that stands alone.

python -m tests.support.core_path FOLDER [LAB ...]      # writes one notebook a lab, for nbval
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.classroom.notebooks import read
from helpers.classroom.workspace import all_labs, find_lab

DEEPER = "deeper"
TIMES = re.compile(
    r"^(?:- )?\*\*Time\*\* reading (?P<reading>\d+) min · Run All (?P<running>\d+) min · "
    r"exercises (?P<exercises>\d+) min *\n"
    r"(?:- )?\*\*Core path\*\* (?P<core>\d+) min: reading (?P<core_reading>\d+) · Run All (?P<core_running>\d+) · "
    r"exercises (?P<core_exercises>\d+) · (?P<sections>sections? .+)$",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Times:
    """What a lab's first cell says of its time, in minutes: all of it, and its core path."""

    reading: int
    running: int
    exercises: int
    core: int
    core_reading: int
    core_running: int
    core_exercises: int
    sections: str


def is_deeper(cell: NotebookNode) -> bool:
    """Whether the cell can be skipped."""
    return DEEPER in cell.metadata.get("tags", [])


def core_path(lab: NotebookNode) -> NotebookNode:
    """The same notebook, without the cells that go deeper."""
    return nbformat.from_dict(lab | {"cells": [cell for cell in lab.cells if not is_deeper(cell)]})


def stated_times(lab: NotebookNode) -> Times | None:
    """The times that the first cell states; None if they do not stand there in the common form."""
    found = TIMES.search(lab.cells[0].source)
    if found is None:
        return None
    values = found.groupdict()
    sections = values.pop("sections")
    return Times(sections=sections, **{name: int(value) for name, value in values.items()})


def write_core_paths(folder: Path, labs: Sequence[str] = ()) -> None:
    """Write the core path of the named labs, or of all, into `folder`, under the lab's own name."""
    folder.mkdir(parents=True, exist_ok=True)
    for lab in map(find_lab, labs) if labs else all_labs():
        nbformat.write(core_path(read(lab)), str(folder / lab.name))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("labs", nargs="*")
    given = parser.parse_args()
    write_core_paths(given.folder, given.labs)

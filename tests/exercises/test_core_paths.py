"""A lab's core path stands alone, ends within the hour, and takes the time that the lab says. `make core` runs it."""

import re
import subprocess
import sys

import nbformat
import pytest

from helpers.classroom.notebooks import read
from helpers.exercises.catalog import EXERCISES, LABS
from helpers.files import ROOT

from ..support.core_path import core_path, is_deeper, stated_times

PATHS = {path.name[:2]: path for path in sorted((ROOT / "labs").glob("*.ipynb"))}

every_lab = pytest.mark.parametrize("lab", LABS)


def minutes_of_exercises(notebook):
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return sum(EXERCISES[name].minutes for name in re.findall(r"^(\w+) = check\(\1\)", code, re.MULTILINE))


@every_lab
def test_the_stated_times_add_up_and_the_core_path_takes_an_hour_at_most(lab):
    notebook = read(PATHS[lab])
    times = stated_times(notebook)
    assert times is not None, "the first cell does not state its times in the common form (CONTRIBUTING.md)"
    assert times.exercises == minutes_of_exercises(notebook)
    assert times.core_exercises == minutes_of_exercises(core_path(notebook))
    assert times.core == times.core_reading + times.core_running + times.core_exercises <= 60
    assert times.core_reading <= times.reading and times.core_running <= times.running <= 3


@every_lab
def test_the_core_path_uses_no_name_that_only_a_deeper_cell_defines(lab):
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "--output-format", "concise"]
    core = nbformat.writes(core_path(read(PATHS[lab])))
    found = subprocess.run(
        [*command, "--stdin-filename", PATHS[lab].name, "-"], input=core, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout


@every_lab
def test_what_goes_deeper_is_marked_for_readers_as_it_is_for_ci(lab):
    """A deeper section says so in its title, and all its cells are tagged up to the next title of its level."""
    level = None
    for cell in read(PATHS[lab]).cells:
        title = re.match(r"(#+) (.*)", cell.source) if cell.cell_type == "markdown" else None
        if title and (level is None or len(title[1]) <= level):
            level = len(title[1]) if "Deeper" in title[2] else None
        assert is_deeper(cell) == (level is not None), cell.source[:80]


def test_every_lab_has_both():
    for path in PATHS.values():
        kinds = {is_deeper(cell) for cell in read(path).cells}
        assert kinds == {True, False}, path.name

"""The house: the rooms of helpers/ are those that pyproject.toml and CONTRIBUTING.md name, and files stay small."""

from __future__ import annotations

import re
import tomllib

import pytest

from helpers.files import ROOT

HELPERS = ROOT / "helpers"
LAYERS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]["layers"]
ROOMS = [room for layer in LAYERS for room in layer.split(" | ")]
MODULES = sorted(HELPERS.rglob("*.py"))


def test_contributing_shows_the_layers_that_are_checked():
    table = re.findall(r"^\| (\d+) \| `(\w+)` \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE)
    assert [room for _, room in table] == ROOMS
    floors = {floor: [room for other, room in table if other == floor] for floor, _ in table}
    assert [" | ".join(rooms) for rooms in floors.values()] == LAYERS
    assert list(floors) == [str(len(LAYERS) - i) for i in range(len(LAYERS))]


def test_no_module_stands_outside_a_room():
    rooms = {path.name for path in HELPERS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    loose = {path.stem for path in HELPERS.glob("*.py")} - {"__init__"}
    assert rooms | loose == set(ROOMS) and loose == {"__main__", "files"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(HELPERS)))
def test_no_file_is_over_450_lines(path):
    lines = len(path.read_text("utf-8").splitlines())
    assert lines <= (200 if path.match("training/ppo.py") else 450)


def test_tests_mirror_the_rooms():
    rooms = {path.name for path in HELPERS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms <= folders
    assert folders - rooms == {"browser", "faults", "fuzz", "golden", "project", "support"}


def test_no_test_file_is_imported():
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in (ROOT / "tests").rglob("*.py")
        for line in path.read_text("utf-8").splitlines()
        if re.match(r"\s*(from|import) [\w.]*\btest_\w+", line) or re.match(r"\s*from [\w.]+ import .*\btest_\w+", line)
    ]
    assert found == []

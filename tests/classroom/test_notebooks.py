"""The committed labs are executed, normalized and readable; stale outputs do not pass nbval."""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers.classroom.notebooks import (
    execute_and_normalize,
    normalize,
    normalized_text,
    read,
    sanitize,
    sanitize_patterns,
)
from helpers.files import ROOT, LabError

from ..support.patience import patience

LABS = sorted((ROOT / "labs").glob("*.ipynb"))
MAX_LINES = 20
ABSOLUTE_PATH = re.compile(r"(?<![\w.:/])/(?:home|root|Users|tmp|var|opt|usr|mnt|work)/\w|\b[A-Z]:\\\w")

every_lab = pytest.mark.parametrize("path", LABS, ids=lambda path: path.stem)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


# --------------------------------------------------------------------------------------- the committed labs


@every_lab
def test_lab_is_normalized(path):
    assert normalized_text(read(path)) == path.read_text("utf-8"), "run `make notebooks`"


@every_lab
def test_lab_is_executed_and_fails_nowhere(path):
    cells = code_cells(read(path))
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run `make notebooks`"
    errors = [c for c in cells if any(output.output_type == "error" for output in c.outputs)]
    assert all("raises-exception" in cell.metadata.get("tags", []) for cell in errors)


@every_lab
def test_lab_holds_no_widget_state_no_stderr_and_no_paths(path):
    notebook = read(path)
    assert "widgets" not in notebook.metadata
    assert not any(output.get("name") == "stderr" for cell in code_cells(notebook) for output in cell.outputs)
    assert ABSOLUTE_PATH.findall(path.read_text("utf-8")) == []


@every_lab
def test_lab_cells_are_short(path):
    long = {c.execution_count: len(c.source.splitlines()) for c in code_cells(read(path))}
    assert {cell: lines for cell, lines in long.items() if lines > MAX_LINES} == {}


@every_lab
def test_lab_is_small_enough_for_git(path):
    assert path.stat().st_size < 500_000, "a figure or table stores more than a reader can see"


# ------------------------------------------------------------------------------------------ normalizing


def test_normalize_keeps_what_repeats_and_drops_the_rest():
    cell = new_code_cell(
        "show()",
        execution_count=7,
        metadata={"tags": ["keep"], "execution": {"iopub.status.busy": "2026-01-01"}, "collapsed": False},
        outputs=[
            new_output("stream", name="stdout", text="one "),
            new_output("stream", name="stderr", text="Warning: this machine is slow"),
            new_output("stream", name="stdout", text="two\n"),
            new_output(
                "display_data",
                {
                    "application/vnd.jupyter.widget-view+json": {"model_id": "abc"},
                    "text/plain": "VBox(children=(1,))",
                },
            ),
            new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "abc"}}),
            new_output("execute_result", {"text/plain": "<function f at 0x7f00deadbeef>"}, execution_count=7),
        ],
    )
    notebook = new_notebook(cells=[new_markdown_cell("# Title"), cell, new_code_cell("")])
    notebook.metadata.widgets = {"application/vnd.jupyter.widget-state+json": {}}

    result = normalize(notebook)

    assert set(result.metadata) == {"kernelspec", "language_info"}
    assert [c.cell_type for c in result.cells] == ["markdown", "code", "code"]
    clean = result.cells[1]
    assert (clean.execution_count, clean.metadata, clean.id) == (1, {"tags": ["keep"]}, cell.id)
    stream, widget, function = clean.outputs
    assert stream.text == "one two\n"
    assert widget.data == {"text/plain": "VBox: run this cell to use it"}
    assert function.data == {"text/plain": "<function f at 0x...>"} and function.execution_count == 1
    assert result.cells[2].execution_count is None


def test_normalizing_twice_changes_nothing():
    notebook = new_notebook()
    notebook.cells = [new_code_cell("f()", id="same", execution_count=5)] * 3
    once = normalized_text(notebook)
    assert normalized_text(nbformat.reads(once, as_version=4)) == once
    assert len({cell["id"] for cell in json.loads(once)["cells"]}) == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("took 12.3 s for 40 steps", "took ... s for 40 steps"),
        ("my dog took 3 weeks", "my dog took 3 weeks"),
        ("Figure(uid='76c1b3ca-4ac0-4860-96f9-c3df25972e1a')", "Figure(uid='...')"),
        ("HBox(children=(Button(),\n Label()))", "HBox: run this cell to use it"),
        ("VBox(children=(HTML(value='a long …", "VBox: run this cell to use it"),
    ],
)
def test_sanitize(before, after):
    assert sanitize(before) == after
    assert sanitize(after) == after


def test_there_are_patterns_to_sanitize_with():
    assert len(sanitize_patterns()) >= 4


# ------------------------------------------------------------------------------------------ executing


@pytest.fixture
def notebook_at(tmp_path):
    def write(*sources: str) -> Path:
        path = tmp_path / "tiny.ipynb"
        nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
        return path

    return write


def run_nbval(path: Path) -> subprocess.CompletedProcess:
    """As `make test` runs it over labs/; conftest.py is named because the notebook lies elsewhere."""
    options = ["-p", "no:python", "-p", "no:cacheprovider", "-p", "conftest", "-c", ROOT / "pyproject.toml"]
    nbval = ["--nbval", "--nbval-current-env", "--nbval-sanitize-with", ROOT / "tests" / "nbval_sanitize.cfg"]
    command = [sys.executable, "-m", "pytest", *options, *nbval, "--nbval-cell-timeout", patience(), path]
    return subprocess.run(map(str, command), cwd=ROOT, capture_output=True, text=True, timeout=patience())


NOISY = (
    "import sys, pathlib, ipywidgets, plotly.express as px\nfrom tqdm.auto import tqdm",
    "print('one')\nprint('progress', file=sys.stderr)\nprint('two', pathlib.Path('tiny.ipynb').exists())",
    "for _ in tqdm(range(3)): pass",
    "px.bar(x=['SFT', 'PPO'], y=[1, 2])",
    "ipywidgets.VBox([ipywidgets.IntSlider()])",
    "object()",
)


@pytest.mark.slow
def test_executing_twice_gives_the_same_bytes_and_passes_nbval(notebook_at):
    path = notebook_at(*NOISY)
    assert execute_and_normalize(path)
    first, written = path.read_bytes(), path.stat().st_mtime_ns
    assert not execute_and_normalize(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (first, written)
    assert b"two True" in first
    result = run_nbval(path)
    assert result.returncode == 0, result.stdout


def test_a_stale_output_fails_nbval(notebook_at):
    path = notebook_at("print('PPO raised the gold reward:', 2 > 1)", "1 + 1")
    execute_and_normalize(path)
    path.write_text(path.read_text("utf-8").replace("gold reward: True", "gold reward: False"), "utf-8")
    result = run_nbval(path)
    assert result.returncode == 1
    assert "1 failed, 1 passed" in result.stdout and "Cell outputs differ" in result.stdout


def test_a_failing_cell_gives_one_clear_message_and_leaves_the_file(notebook_at):
    path = notebook_at("x = 1", "", "y = x / 0")
    before = path.read_bytes()
    message = r"tiny\.ipynb, cell \[2\] \(y = x / 0\): ZeroDivisionError: division by zero$"
    with pytest.raises(LabError, match=message):
        execute_and_normalize(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_cell_that_takes_too_long_is_named(notebook_at):
    with pytest.raises(LabError, match=r"cell \[1\] \(import time\): took longer than 1 s"):
        execute_and_normalize(notebook_at("import time\ntime.sleep(30)"), timeout=1)


def test_a_dead_kernel_is_named(notebook_at):
    with pytest.raises(LabError, match=r"cell \[1\] .*: the kernel died"):
        execute_and_normalize(notebook_at("import os; os._exit(1)"))


@pytest.mark.parametrize("content", [None, "", "{", '{"cells": 3}', "\xff"])
def test_what_is_no_notebook_is_refused(tmp_path, content):
    path = tmp_path / "bad.ipynb"
    if content is not None:
        path.write_text(content, "latin-1")
    with pytest.raises(LabError, match=r"bad\.ipynb: (no such notebook|not a notebook)"):
        execute_and_normalize(path)

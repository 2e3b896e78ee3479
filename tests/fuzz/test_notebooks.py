"""Notebooks: read, normalized, compared with a lab, taken apart for grading; and what a graded process writes."""

import csv
import io
import json

from hypothesis import strategies as st

from helpers.classroom import workspace
from helpers.classroom.grading import STATUSES, Grade, _logged, exercise_cells, grade, summary, write_csv
from helpers.classroom.notebooks import normalized_text, read
from helpers.exercises import EXERCISES
from helpers.files import LabError

from .harness import any_text, as_json, changed, changed_bytes, ends_well, inputs, odd_texts, odd_values

FIRST, SECOND = list(EXERCISES)[:2]
CELL = {
    "cell_type": "code",
    "id": "c1",
    "metadata": {"tags": ["a"]},
    "execution_count": 1,
    "source": f"import numpy as np\nLIMIT = 3\n\ndef {FIRST}(*given):\n    return given\n\n{FIRST} = check({FIRST})\n",
    "outputs": [
        {"output_type": "stream", "name": "stdout", "text": ["took 1.0 s\n"]},
        {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": ["1"]}},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["t"]},
    ],
}
NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "id": "m1", "metadata": {}, "source": ["# Lab\n", "text"]},
        CELL,
        CELL | {"id": "c2", "source": ["%matplotlib inline\n", "!ls\n", "x = 1", ""], "outputs": []},
    ],
    "metadata": {"kernelspec": {"name": "python3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}
OLD = {  # the form of 2011
    "metadata": {"name": ""},
    "nbformat": 3,
    "nbformat_minor": 0,
    "worksheets": [{"cells": [{"cell_type": "code", "input": "x = 1", "language": "python", "outputs": []}]}],
}
SOURCES = st.sampled_from(
    [
        *("def f(:\n", "\0", "x = '\ud800'", "(" * 300, "[" * 5000, "-" * 5000 + "1", "x = " + "9" * 5000, "\r"),
        *("%%bash\nls", "?", "!!", "%", "%%", "a = !ls\n", "  %time x", "x = [1,\n%%", "'''", "\\", "𝕏 = 1"),
        *(f"{FIRST} = check({FIRST})", f"{FIRST} = check(\n" * 3, "match x:\n case", "x" * 100_000, "lambda: (yield)"),
        *("a = " + "(" * 150 + "1" + ")" * 150, "a = " + "-" * 900 + "1", "a = " + "1+" * 3000 + "1", "a = 'x' b''"),
    ]
)  # fmt: skip
sources = SOURCES | any_text | st.lists(SOURCES | any_text, max_size=3)


def written(tmp_path, content: bytes):
    path = tmp_path / "work.ipynb"
    path.write_bytes(content)
    return path


def use(path):
    """All that is done with a student's notebook, short of running it."""

    def act():
        notebook = read(path)
        normalized_text(notebook)
        workspace._digest(notebook)
        workspace._copy_text(read(path))
        return exercise_cells(path)

    found = ends_well(act, str(path), folder=path.parent)
    assert isinstance(found, LabError) or set(found) <= set(EXERCISES)


@inputs(
    900,
    notebook=changed(NOTEBOOK) | changed(OLD, 2) | odd_values,
)
def test_strange_notebooks(tmp_path, notebook):
    use(written(tmp_path, as_json(notebook)))


@inputs(500, content=changed_bytes(json.dumps(NOTEBOOK).encode()) | st.binary(max_size=60))
def test_changed_and_cut_notebooks(tmp_path, content):
    use(written(tmp_path, content))


@inputs(400, source=sources, more=sources)
def test_strange_sources(tmp_path, source, more):
    cells = [CELL | {"source": source}, CELL, CELL | {"source": more, "id": "c3"}]
    use(written(tmp_path, as_json(NOTEBOOK | {"cells": cells})))


@inputs(150, content=changed_bytes(b'{"00_start_here.ipynb": "abc"}\n'), copied=odd_values)
def test_the_record_of_copies(places, content, copied):
    (places / "work").mkdir(exist_ok=True)
    for bad in (content, as_json({"00_start_here.ipynb": copied})):
        (places / "work" / ".copies.json").write_bytes(bad)
        record = ends_well(workspace._read_record, ".copies.json")
        assert workspace.compare("a", record.get("00_start_here.ipynb"), "b") in ("untouched", "unknown", "outdated")


# --- What grading writes ------------------------------------------------------

VERDICT = {"name": FIRST, "status": "right", "message": "", "misconception": None, "seconds": 0.1}


@inputs(900, line=changed(VERDICT).map(as_json) | changed_bytes(as_json(VERDICT)) | st.binary(max_size=30))
def test_lines_of_a_log_that_anyone_can_write(tmp_path, line):
    logged = _logged(line)
    if logged is not None:
        name, found = logged
        table(tmp_path, [Grade("ann", "a.ipynb", "01", name, found.result, found.misconception, found.message)])


statuses, names = st.sampled_from([*STATUSES, "absent", "broken"]), st.sampled_from([FIRST, SECOND, ""])
rows = st.builds(Grade, odd_texts, odd_texts, odd_texts, names, statuses, odd_texts, odd_texts)


@inputs(300, grades=st.lists(rows, max_size=3))
def test_tables_of_grades(tmp_path, grades):
    table(tmp_path, grades)


def table(folder, grades):
    """Whatever a student wrote: the table has a row for each grade, and no cell that a spreadsheet would compute."""
    write_csv(folder / "grades.csv", grades)
    content = (folder / "grades.csv").read_bytes().decode()
    rows = list(csv.reader(io.StringIO(content, newline="")))
    assert len(rows) == 1 + len(grades)
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)
    lines = summary(grades).encode().decode().splitlines()
    assert all(line[0] in "#|-NC" for line in lines if line), lines


def test_a_folder_of_them_is_graded(tmp_path):
    """Whole runs: a notebook that cannot be read, and what a process writes, cost their own student's lines only."""
    answer = f"def {FIRST}(*given):\n    raise ValueError('\\ud800 \\x1b[31m')\n\n{FIRST} = check({FIRST})\n"
    bad = {
        "ann/a.ipynb": as_json(NOTEBOOK | {"cells": [CELL | {"source": answer}]}),
        "bob/b.ipynb": b"{",
        "eve/c.ipynb": as_json({"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}),
        "fay/d.ipynb": as_json(NOTEBOOK | {"cells": [{"cell_type": "code"}]}),
    }
    for name, start in (("gus/e.ipynb", f"x = {'(' * 5000}"), ("hal/f.ipynb", "'\0'")):
        cell = CELL | {"source": f"{start}\n{FIRST} = check({FIRST})\n"}
        bad[name] = as_json(NOTEBOOK | {"cells": [cell]})
    for name, content in bad.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content)
    grades = list(grade(tmp_path))
    results = {row.student: row.result for row in reversed(grades)}
    assert (
        results == {name: "broken" if name in ("bob", "eve", "fay") else "wrong" for name in results}
        and len(results) == 6
    )
    table(tmp_path, grades)

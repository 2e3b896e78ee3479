"""Grading a folder of notebooks, some of which hang, grow, die or are none: each is a row, never a crash."""

import csv
import re

import pytest

from helpers.__main__ import main
from helpers.classroom.grading import Grade, exercise_cells, grade, summary, write_csv
from helpers.exercises.aliases import ALIASES
from helpers.files import LabError
from helpers.formulas.quantization import NF4_LEVELS

from ..support.student_notebooks import BEFORE, RIGHT, body, save


def graded(folder, **limits):
    return {(g.student, g.exercise): g for g in grade(folder, **limits) if g.exercise in ("", "bradley_terry_loss")}


def test_a_class(tmp_path):
    save(tmp_path / "ada" / "02.ipynb", *BEFORE, RIGHT)
    save(tmp_path / "bob" / "02.ipynb", *BEFORE, body("return -torch.log(torch.sigmoid(rejected - chosen)).mean()"))
    save(tmp_path / "cem" / "02.ipynb", *BEFORE, body("..."))
    save(tmp_path / "dan" / "02.ipynb", *BEFORE, body("import os", "os._exit(3)"))
    save(tmp_path / "eve" / "02.ipynb", *BEFORE, body("raise SystemExit"))
    save(tmp_path / "fay" / "02.ipynb", "def bradley_terry_loss(:\nbradley_terry_loss = check(bradley_terry_loss)")
    save(tmp_path / "gil.ipynb", "print('all deleted')")
    (tmp_path / "hal.ipynb").write_text("not a notebook")
    rows = graded(tmp_path)
    assert rows["ada", "bradley_terry_loss"].result == "right"
    assert (rows["bob", "bradley_terry_loss"].result, rows["bob", "bradley_terry_loss"].lab) == ("wrong", "02")
    assert rows["cem", "bradley_terry_loss"].result == "todo"
    assert "ended with code 3" in rows["dan", "bradley_terry_loss"].message
    assert "SystemExit" in rows["eve", "bradley_terry_loss"].message
    assert "SyntaxError" in rows["fay", "bradley_terry_loss"].message
    assert rows["gil", ""].result == rows["hal", ""].result == "broken"

    page = summary(list(rows.values()))
    assert page.startswith("# 8 students, 8 notebooks")
    assert "| bradley_terry_loss | 1 | 4 | 0 | 1 |" in page
    assert "hal.ipynb: " in page


def test_the_misconception_is_in_the_table(tmp_path):
    save(tmp_path / "bob.ipynb", *BEFORE, body("return -torch.nn.functional.logsigmoid(rejected - chosen).mean()"))
    assert graded(tmp_path)["bob", "bradley_terry_loss"].misconception == "sign"


def test_hanging_and_growing_answers_are_ended(tmp_path):
    holds_the_lock = body("import itertools", "return sum(itertools.repeat(0))")  # no time limit inside reaches it
    save(tmp_path / "ida" / "02.ipynb", *BEFORE, holds_the_lock)
    grows = body("hoard = []", "while True:", "    hoard.append(bytearray(b'x') * 2**27)")
    save(tmp_path / "jim" / "02.ipynb", *BEFORE, grows)
    rows = graded(tmp_path, seconds=4, memory=1200)
    assert rows["ida", "bradley_terry_loss"].result == "timeout"
    assert rows["jim", "bradley_terry_loss"].result == "wrong"
    assert "MiB" in rows["jim", "bradley_terry_loss"].message


def test_exercises_that_are_not_in_the_notebook_are_absent(tmp_path):
    save(tmp_path / "ada.ipynb", *BEFORE, RIGHT)
    rows = list(grade(tmp_path))
    assert [row.exercise for row in rows if row.result == "right"] == ["bradley_terry_loss"]
    assert {row.result for row in rows if row.exercise != "bradley_terry_loss"} <= {"absent"}


NOTEBOOK = [
    "import torch\nfrom helpers.exercises import check",
    "def quantize_nf4(weight, block):\n    ...\n\nquantize_nf4 = check(quantize_nf4)",
    "def dequantize_nf4(codes, absmax):\n    blocks = torch.tensor(LEVELS)[codes].reshape(len(absmax), -1)\n"
    "    return (blocks * absmax.unsqueeze(1)).reshape(codes.shape)\n\n"
    "dequantize_nf4 = check(dequantize_nf4)",
    "def kl_penalized_rewards(scores, logprobs, ref_logprobs, mask, beta):\n    quantize_nf4(torch.ones(1, 64))\n"
    "    return -beta * (logprobs - ref_logprobs).where(mask, 0.0)\n\n"
    "kl_penalized_rewards = check(kl_penalized_rewards)",
]


def test_an_exercise_under_its_former_name_counts(tmp_path):
    """In a notebook from before the exercises were renamed; an earlier one's function is the workbook's there too."""
    cells = [f"LEVELS = {NF4_LEVELS.tolist()}", *NOTEBOOK]
    for former, name in ALIASES.items():
        cells = [re.sub(rf"\b{name}\b", former, cell) for cell in cells]
    assert not any("quantize" in cell or "penalized" in cell for cell in cells)
    save(tmp_path / "ada.ipynb", *cells)
    assert set(exercise_cells(tmp_path / "ada.ipynb")) == {"quantize_nf4", "dequantize_nf4", "kl_penalized_rewards"}
    rows = {row.exercise: row for row in grade(tmp_path)}
    assert {row.lab for row in rows.values()} == {"03"}
    assert rows["quantize_nf4"].result == "todo"
    assert rows["dequantize_nf4"].result == "right", rows["dequantize_nf4"].message
    assert rows["kl_penalized_rewards"].result == "wrong"
    assert rows["kl_penalized_rewards"].misconception == "no score"
    assert "| dequantize_nf4 | 1 | 0 | 0 | 0 |" in summary(list(rows.values()))


def test_only_what_a_cell_uses_is_kept(tmp_path):
    save(tmp_path / "02.ipynb", *BEFORE, "%matplotlib inline\n" + RIGHT)
    (code, defined) = exercise_cells(tmp_path / "02.ipynb")["bradley_terry_loss"]
    assert "check(bradley_terry_loss)" in code
    assert set(defined) == {"torch", "softplus", "check", "SCALE", "minus_log_sigmoid"}


def test_table_is_safe_in_a_spreadsheet(tmp_path):
    write_csv(tmp_path / "grades.csv", [Grade("=HYPERLINK(1)", "a, b", "02", "x", "wrong", "", 'say "hi"')])
    (row,) = csv.DictReader((tmp_path / "grades.csv").open(encoding="utf-8"))
    assert row["student"] == "'=HYPERLINK(1)"
    assert (row["notebook"], row["message"]) == ("a, b", 'say "hi"')


def test_nothing_to_grade(tmp_path):
    with pytest.raises(LabError, match="no notebooks"):
        list(grade(tmp_path))


def test_command_writes_both_files(tmp_path, capsys):
    save(tmp_path / "class" / "ada.ipynb", *BEFORE, RIGHT)
    assert main(["grade", str(tmp_path / "class"), "--out", str(tmp_path / "out")]) in (0, None)
    assert "ada" in (tmp_path / "out" / "grades.csv").read_text("utf-8")
    assert "1 students" in (tmp_path / "out" / "summary.md").read_text("utf-8")

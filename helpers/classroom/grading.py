"""Grade a folder of students' notebooks: run the checks of their exercises, each notebook in a process of its own.

Only exercise cells run, with what they use: the imports, functions and constants that stand before them. No model is
loaded and nothing is trained, so a notebook takes seconds. The answers are students' code all the same: they run with
your rights, within limits of time and memory and of what Python lets them do (`classroom.sandbox`), and nobody
watches whether they write their own verdict. docs/security.md says what this protects from.
"""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import json
import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import BinaryIO

import psutil
from IPython.core.inputtransformer2 import TransformerManager

from ..exercises import check
from ..exercises.catalog import EXERCISES, LABS, of_lab
from ..files import LabError, atomic_write, shown
from .notebooks import read
from .sandbox import confine

SECONDS = 20.0  # for one exercise, in case its own limit (`exercises.checking`) cannot end it
STARTING = 120.0  # seconds for the process to import everything
# Where there is fork, one server imports everything once, and a notebook's process costs nothing.
PROCESSES = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
if sys.platform == "linux":
    PROCESSES.set_forkserver_preload(["helpers.classroom.grading"])
MEMORY = 3000  # MiB of one notebook's process
LOG = 2**20  # bytes of verdicts that are read: an answer can write there as well
STATUSES = ("right", "wrong", "todo", "timeout")
# Of Python's parser, for code that is none, holds NUL, or has brackets that are too deep; of IPython's, for %%.
UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError, IndexError)
CHECKED = re.compile(r"^(\w+)\s*=\s*check\(", re.MULTILINE)


@dataclass(frozen=True)
class Grade:
    """One line of the table. result: right, wrong, todo, timeout, absent (no such cell), or broken (no notebook)."""

    student: str
    notebook: str
    lab: str
    exercise: str
    result: str
    misconception: str = ""
    message: str = ""


def grade(folder: Path | str, *, seconds: float = SECONDS, memory: int = MEMORY) -> Iterator[Grade]:
    """Grade every notebook below `folder`, a line for each exercise of its lab.

    The student is the folder directly below `folder` in which a notebook lies, or the notebook's own name.
    seconds: without any verdict, after which the exercise at hand is ended; memory: MiB for a notebook's process.
    Raises LabError if there is no notebook.
    """
    folder = Path(folder)
    paths = sorted(p for p in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in p.parts)
    if not paths:
        raise LabError(f"{shown(folder)}: there are no notebooks (*.ipynb) to grade in this folder")
    for path in paths:
        inside = path.relative_to(folder)
        student = inside.parts[0] if len(inside.parts) > 1 else path.stem
        yield from _grade_notebook(path, _printable(student), _printable(str(inside)), seconds, memory)


def write_csv(path: Path | str, grades: Iterable[Grade]) -> None:
    """Write the table, a row for each student and exercise. What a spreadsheet takes for a formula is quoted."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)  # some take a bare \r for the end of a row
    writer.writerow(field.name for field in fields(Grade))
    writer.writerows([_no_formula(_printable(cell)) for cell in astuple(grade)] for grade in grades)
    atomic_write(path, text.getvalue())


def summary(grades: Sequence[Grade]) -> str:
    """One page of Markdown: how each exercise went, with its commonest misconception; each student; what is broken."""
    students = sorted({grade.student for grade in grades})
    lines = [f"# {len(students)} students, {len({grade.notebook for grade in grades})} notebooks", ""]
    lines += ["| exercise | right | wrong | timeout | to do | commonest misconception |", "|---|---|---|---|---|---|"]
    for name in EXERCISES:
        rows = [grade for grade in grades if grade.exercise == name]
        if rows:
            counts = Counter(grade.result for grade in rows)
            common = Counter(grade.misconception for grade in rows if grade.misconception).most_common(1)
            said = f"{_cell(common[0][0])} ({common[0][1]})" if common else ""
            left = counts["todo"] + counts["absent"]
            lines.append(f"| {name} | {counts['right']} | {counts['wrong']} | {counts['timeout']} | {left} | {said} |")
    lines += ["", "| student | right | of |", "|---|---|---|"]
    for student in students:
        rows = [grade for grade in grades if grade.student == student and grade.exercise]
        right = sum(grade.result == "right" for grade in rows)
        lines.append(f"| {_cell(student)} | {right} | {len(rows)} |")
    if broken := [grade for grade in grades if grade.result == "broken"]:
        lines += ["", "Not graded:", ""]
        lines += [f"- {_cell(grade.notebook)}: {_cell(grade.message)}" for grade in broken]
    return "\n".join(lines) + "\n"


def _printable(text: str | None) -> str | None:
    """Without halves of characters, which no file takes: in names of folders, and in what an answer raises."""
    return text and text.encode("utf-8", "backslashreplace").decode()


def _no_formula(cell: str) -> str:
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _cell(text: str) -> str:
    return " ".join(_printable(text).splitlines()).replace("|", "\\|").replace("<", "&lt;")


# --- One notebook -------------------------------------------------------------


def _grade_notebook(path: Path, student: str, shown_as: str, seconds: float, memory: int) -> Iterator[Grade]:
    try:
        cells = exercise_cells(path)
    except LabError as error:
        yield Grade(student, shown_as, "", "", "broken", "", str(error))
        return
    lab = next((lab for lab in LABS if any(e.name in cells for e in of_lab(lab)[0])), None)
    if lab is None:
        yield Grade(student, shown_as, "", "", "broken", "", "it holds no exercise of any lab")
        return
    names = [exercise.name for exercise in of_lab(lab)[0]]
    verdicts = _verdicts(path, [name for name in names if name in cells], seconds, memory)
    for name in names:
        verdict = verdicts.get(name, {"status": "absent", "message": "the cell with its check is gone"})
        yield Grade(
            student, shown_as, lab, name, verdict["status"], verdict.get("misconception") or "", verdict["message"]
        )


def _verdicts(path: Path, names: list[str], seconds: float, memory: int) -> dict[str, dict]:
    """The verdict of each exercise. A process that hangs, grows or dies is one exercise's fault; the rest go on."""
    verdicts: dict[str, dict] = {}
    while remaining := [name for name in names if name not in verdicts]:
        with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as private:
            log = Path(private) / "verdicts.jsonl"
            with log.open("w+b") as opened:  # kept open: whatever an answer does to the name, this stays the file
                reason = _run(path, remaining, log, opened, Path(private), seconds, memory)
                opened.seek(0)
                rows = map(_verdict, opened.read(LOG).splitlines())
        verdicts |= {row["name"]: row for row in rows if row and row["name"] in names}
        unjudged = [name for name in remaining if name not in verdicts]
        if reason is None:
            verdicts |= {name: {"status": "absent", "message": "its check was not reached"} for name in unjudged}
        elif unjudged:
            status = "timeout" if reason.startswith("no verdict") else "wrong"
            verdicts[unjudged[0]] = {"status": status, "message": reason}
    return verdicts


def _verdict(line: bytes) -> dict | None:
    """A line of the log, or None if it is none of `check`'s."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    texts = ("name", "status", "message")
    is_one = isinstance(row, dict) and all(isinstance(row.get(key), str) for key in texts)
    is_one = is_one and row["status"] in STATUSES and isinstance(row.get("misconception"), str | None)
    return {key: _printable(row.get(key)) for key in (*texts, "misconception")} if is_one else None


def _run(
    path: Path, names: list[str], log: Path, opened: BinaryIO, private: Path, seconds: float, memory: int
) -> str | None:
    """Run the checks in a process, which writes verdicts to `log`, open here too; None, or why it was ended."""
    child = PROCESSES.Process(target=_main, args=(path.resolve(), names, log, private), daemon=True)
    child.start()
    process = psutil.Process(child.pid)
    size, since = 0, time.monotonic()
    end = since + STARTING + seconds * (len(names) + 1)  # however busily it writes to the log
    try:
        while child.exitcode is None:
            child.join(0.02)
            if (written := os.fstat(opened.fileno()).st_size) != size:
                size, since = written, time.monotonic()
            if time.monotonic() > min(end, since + (seconds if size else STARTING)):
                return f"no verdict within {seconds:g} s"
            if (used := _memory(process)) > memory:
                return f"it used {used:.0f} MiB of memory, more than {memory}"
        return None if child.exitcode == 0 else f"its process ended with code {child.exitcode}"
    finally:
        _kill(process)
        child.join()


def _memory(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):
        return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)]) / 2**20
    return 0.0


def _kill(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.Error):
        for descendant in [*process.children(recursive=True), process]:
            with contextlib.suppress(psutil.Error):
                descendant.kill()


# --- What runs in the process -------------------------------------------------


def exercise_cells(path: Path | str) -> dict[str, tuple[str, dict[str, ast.stmt]]]:
    """Exercise -> its cell's code, and the imports, functions and constants that stand before it, by name.

    Cells that do not parse define nothing. Raises LabError if the file is no notebook.
    """
    found: dict[str, tuple[str, dict[str, ast.stmt]]] = {}
    defined: dict[str, ast.stmt] = {}
    for cell in read(path).cells:
        if cell.cell_type != "code":
            continue
        try:
            code = TransformerManager().transform_cell(cell.source)  # %magics become calls, which are not run
            statements = ast.parse(code).body
        except UNPARSABLE:
            code, statements = cell.source, []
        for name in CHECKED.findall(code):
            if name in EXERCISES:
                found[name] = (code, dict(defined))
        for statement in statements:
            defined |= dict.fromkeys(_defines(statement), statement)
    return found


def _defines(statement: ast.stmt) -> list[str]:
    """The names that a statement defines without running anything of weight."""
    match statement:
        case ast.Import() | ast.ImportFrom():
            return [(alias.asname or alias.name).split(".")[0] for alias in statement.names]
        case ast.FunctionDef() | ast.ClassDef():
            return [statement.name]
        case ast.Assign(value=value):
            with contextlib.suppress(*UNPARSABLE, TypeError):
                ast.literal_eval(value)
                return [target.id for target in statement.targets if isinstance(target, ast.Name)]
    return []


def _check(code: str, defined: dict[str, ast.stmt]) -> None:
    """Run an exercise's cell with what it uses, directly or through what it uses."""
    namespace: dict = {"__name__": "__main__", "check": check}
    namespace |= {name: exercise.reference for name, exercise in EXERCISES.items()}
    needed, todo = [], [ast.parse(code)]
    while todo:
        for node in ast.walk(todo.pop()):
            statement = defined.get(node.id) if isinstance(node, ast.Name) else None
            if statement is not None and statement not in needed:
                needed.append(statement)
                todo.append(statement)
    checks = {name for name in EXERCISES if name in defined}  # an earlier exercise's own function is not relied on
    for statement in sorted(needed, key=list(defined.values()).index):
        if not (isinstance(statement, ast.FunctionDef) and statement.name in checks):
            exec(compile(ast.Module([statement], []), "<notebook>", "exec"), namespace)
    exec(compile(code, "<exercise>", "exec"), namespace)


def _main(path: Path, names: list[str], log: Path, private: Path) -> None:
    """Check the exercises `names` of a notebook; each verdict is appended to `log`."""
    os.chdir(private)
    silent = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silent, stream)
    os.environ |= {
        "RLHF_VERDICTS": str(log),
        "RLHF_WORK": str(private),
        "RLHF_RUNS": str(private),
        "RLHF_SOLUTIONS": "",
        "TMPDIR": str(private),
    }
    tempfile.tempdir = str(private)
    cells = exercise_cells(path)
    confine(private)
    log.write_text("\n")  # started
    for name in names:
        code, defined = cells[name]
        try:
            _check(code, defined)
        except BaseException as error:  # broken code, sys.exit(), ...: this exercise's result
            row = {"name": name, "status": "wrong", "message": f"{type(error).__name__}: {error}"[:300]}
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

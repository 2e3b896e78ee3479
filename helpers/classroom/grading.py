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
from typing import Any, BinaryIO, NamedTuple

import psutil
from IPython.core.inputtransformer2 import TransformerManager

from ..exercises import check
from ..exercises.aliases import ALIASES, current_name
from ..exercises.catalog import EXERCISES, LABS
from ..files import LabError, atomic_write, shown
from .notebooks import read
from .sandbox import confine

SECONDS = 20.0  # of processor time for one exercise, in case its own limit (`exercises.checking`) cannot end it
STARTING = 120.0  # seconds of processor time for the process to import everything
PATIENCE = 4  # how many times a limit may last while the process gets too little of the processor, or sleeps
# Where there is fork, one server imports everything once, and a notebook's process costs nothing.
if sys.platform == "linux":
    PROCESSES = multiprocessing.get_context("forkserver")
    PROCESSES.set_forkserver_preload(["helpers.classroom.grading"])
else:
    PROCESSES = multiprocessing.get_context("spawn")
MEMORY = 3000  # MiB of one notebook's process
LOG = 2**20  # bytes of verdicts that are read: an answer can write there as well
STATUSES = ("right", "wrong", "todo", "timeout")
# Of Python's parser, for code that is none, holds NUL, or has brackets that are too deep; of IPython's, for %%.
UNPARSABLE = (SyntaxError, ValueError, RecursionError, MemoryError, IndexError)
CHECKED = re.compile(r"^(\w+)\s*=\s*check\(", re.MULTILINE)


@dataclass(frozen=True)
class Grade:
    """One line of the table.

    Attributes:
        student: the folder's or the notebook's name.
        notebook: its path within the graded folder.
        lab: its number; empty if the notebook is broken.
        exercise: its name of today; empty if the notebook is broken.
        result: right, wrong, todo, timeout, absent (no such cell), or broken (no notebook).
        misconception: the key of a known mistake.
        message: what the student reads, or what is broken.
    """

    student: str
    notebook: str
    lab: str
    exercise: str
    result: str
    misconception: str = ""
    message: str = ""


class _Finding(NamedTuple):
    """What came of one exercise: a Grade's result, message and misconception."""

    result: str
    message: str
    misconception: str = ""


def grade(folder: Path | str, *, seconds: float = SECONDS, memory: int = MEMORY) -> Iterator[Grade]:
    """Grade every notebook below `folder`, a line for each exercise of its lab.

    The student is the folder directly below `folder` in which a notebook lies, or the notebook's own name.

    Args:
        folder: of notebooks.
        seconds: without any verdict, after which the exercise at hand is ended.
        memory: MiB for a notebook's process.

    Yields:
        A line as soon as its notebook is graded.

    Raises:
        LabError: there is no notebook.
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


def _printable(text: str) -> str:
    """Without halves of characters, which no file takes: in names of folders, and in what an answer raises."""
    return text.encode("utf-8", "backslashreplace").decode()


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
    lab = next((name for name, lab in LABS.items() if any(e.name in cells for e in lab.exercises)), None)
    if lab is None:
        yield Grade(student, shown_as, "", "", "broken", "", "it has no exercise of any lab")
        return
    names = [exercise.name for exercise in LABS[lab].exercises]
    findings = _findings(path, [name for name in names if name in cells], seconds, memory)
    for name in names:
        found = findings.get(name, _Finding("absent", "the cell with its check is missing"))
        yield Grade(student, shown_as, lab, name, found.result, found.misconception, found.message)


def _findings(path: Path, names: list[str], seconds: float, memory: int) -> dict[str, _Finding]:
    """What came of each exercise. A process that hangs, grows or dies is one exercise's fault; the rest go on."""
    findings: dict[str, _Finding] = {}
    while remaining := [name for name in names if name not in findings]:
        with tempfile.TemporaryDirectory(prefix="grading-", ignore_cleanup_errors=True) as private:
            log = Path(private) / "verdicts.jsonl"
            with log.open("w+b") as opened:  # kept open: whatever an answer does to the name, this stays the file
                reason = _run(path, remaining, log, opened, Path(private), seconds, memory)
                opened.seek(0)
                rows = [row for row in map(_logged, opened.read(LOG).splitlines()) if row]
        findings |= {name: finding for name, finding in rows if name in names}
        unjudged = [name for name in remaining if name not in findings]
        if reason is None:
            findings |= dict.fromkeys(unjudged, _Finding("absent", "its check was not reached"))
        elif unjudged:
            findings[unjudged[0]] = _Finding("timeout" if reason.startswith("no verdict") else "wrong", reason)
    return findings


def _logged(line: bytes) -> tuple[str, _Finding] | None:
    """Exercise and verdict of a line of the log, or None if it is none of `check`'s."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    texts = ("name", "status", "message")
    is_one = isinstance(row, dict) and all(isinstance(row.get(key), str) for key in texts)
    if not (is_one and row["status"] in STATUSES and isinstance(row.get("misconception"), str | None)):
        return None
    name, status, message, misconception = (_printable(row.get(key) or "") for key in (*texts, "misconception"))
    return name, _Finding(status, message, misconception)


def _run(
    path: Path, names: list[str], log: Path, opened: BinaryIO, private: Path, seconds: float, memory: int
) -> str | None:
    """Run the checks in a process, which writes verdicts to `log`, open here too; None, or why it was ended."""
    child = PROCESSES.Process(target=_main, args=(path.resolve(), names, log, private), daemon=True)
    child.start()
    process = psutil.Process(child.pid)
    start = written_at = _Clock.of(process)
    size = 0
    whole = STARTING + seconds * (len(names) + 1)  # however busily it writes to the log
    try:
        while child.exitcode is None:
            child.join(0.02)
            if (written := os.fstat(opened.fileno()).st_size) != size:
                size, written_at = written, _Clock.of(process)
            now = _Clock.of(process)
            if now.is_beyond(whole, start) or now.is_beyond(seconds if size else STARTING, written_at):
                return f"no verdict within {seconds:g} s"
            if (used := _memory(process)) > memory:
                return f"it used {used:.0f} MiB of memory, more than {memory}"
        return None if child.exitcode == 0 else f"its process ended with code {child.exitcode}"
    finally:
        _kill(process)
        child.join()


class _Clock(NamedTuple):
    """Seconds at which a process stands: of the world, and of processor time of it and its children."""

    wall: float
    processor: float

    @classmethod
    def of(cls, process: psutil.Process) -> _Clock:
        """What it shows now."""
        used = 0.0
        with contextlib.suppress(psutil.Error):
            for one in [process, *process.children(recursive=True)]:
                times = one.cpu_times()
                used += times.user + times.system
        return cls(time.monotonic(), used)

    def is_beyond(self, limit: float, since: _Clock) -> bool:
        """Whether the limit is over: in both times, or so many times over while the process has little or sleeps."""
        wall = self.wall - since.wall
        return wall > limit and (self.processor - since.processor > limit or wall > PATIENCE * limit)


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
    """The cells of a notebook that check an exercise. Cells that do not parse define nothing.

    Returns:
        Name of the exercise today -> its cell's code, and the imports, functions and constants that stand before it,
        by name. The cell may call the exercise by a former name.

    Raises:
        LabError: the file is no notebook.
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
        for name in map(current_name, CHECKED.findall(code)):
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
    namespace: dict[str, Any] = {"__name__": "__main__", "check": check}
    namespace |= {name: exercise.reference for name, exercise in EXERCISES.items()}
    namespace |= {former: namespace[name] for former, name in ALIASES.items() if name in EXERCISES}
    needed: list[ast.stmt] = []
    todo: list[ast.AST] = [ast.parse(code)]
    while todo:
        for node in ast.walk(todo.pop()):
            statement = defined.get(node.id) if isinstance(node, ast.Name) else None
            if statement is not None and statement not in needed:
                needed.append(statement)
                todo.append(statement)
    # An earlier exercise's own function is not relied on.
    checks = {name for name in defined if current_name(name) in EXERCISES}
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

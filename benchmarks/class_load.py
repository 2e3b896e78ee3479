"""What a class needs of one machine: Jupyter kernels that run a lab at once, their memory and their time.

    python -m benchmarks.class_load [--plan 02:1,2 03:1,2,4] [--minutes 15] [--cells N] [--json FILE] [--docs FILE]

Nothing else should run meanwhile. Each kernel is a student with runs/ and work/ of their own, who runs all of a lab.
What is measured: seconds from the start of the kernel to the end of the lab, core seconds (CPU time), and memory twice,
resident (RSS: what other kernels share counts in full) and proportional (PSS: a page that four share counts a quarter
in each; Linux only), five times in two seconds. Besides, the JupyterLab server that each student has on a hub.

The need of a class follows from straight lines: memory is that of the kernels' sum, fitted to their number; time is
core seconds of all, shared among the cores, and never less than what one kernel takes alone. A level that would go
beyond --minutes is left out, and the result says so. Only `--docs` changes a page: the lines between its two markers.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import psutil

from helpers.classroom.check_labs import MIB, Result, execute
from helpers.classroom.notebooks import read
from helpers.classroom.workspace import find_lab
from helpers.files import ROOT, LabError, atomic_write

PLAN = ("02:1,2", "03:1,2,4")
TICK = 0.4  # seconds between two looks; reading PSS takes a kernel some milliseconds
BEGIN, END = "<!-- class_load: begin -->", "<!-- class_load: end -->"
STUDENTS, CORES = 80, (8, 16, 32, 64)


# ---------------------------------------------------------------------------------------------- measuring


def level(lab: Path, kernels: int, cells: int | None = None) -> list[dict]:
    """Run the lab in so many kernels at once.

    Args:
        lab: the notebook.
        kernels: how many.
        cells: run only so many code cells.

    Returns:
        A record for each: `seconds`, `core_seconds`, `rss`, `pss` (highest), `held` (the last PSS before its end),
        `reason` (empty if the lab ran to its end). Memory in MiB; PSS is RSS where there is no PSS.
    """
    with tempfile.TemporaryDirectory(prefix="class-load-", ignore_cleanup_errors=True) as name:
        folders = [Path(name, f"student-{i}") for i in range(kernels)]
        with ThreadPoolExecutor(kernels) as pool:
            running = [pool.submit(_student, lab, folder, cells) for folder in folders]
            peaks = _watch(running, folders)
        records = []
        for future, folder in zip(running, folders, strict=True):
            result, seconds = future.result()
            records.append({"seconds": round(seconds, 1), "reason": result.reason, **peaks[folder]})
        return records


def _student(lab: Path, folder: Path, cells: int | None) -> tuple[Result, float]:
    """Run the lab as one student: (what came of it, seconds with the start of the kernel)."""
    folder.mkdir()
    if cells:
        notebook = read(lab)
        code = [i for i, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
        notebook.cells = notebook.cells[: code[min(cells, len(code)) - 1] + 1]
        lab = folder / lab.name
        nbformat.write(notebook, str(lab))
    settings = {"RLHF_PROFILE": "tiny", "RLHF_RUNS": str(folder / "runs"), "RLHF_WORK": str(folder / "work")}
    start = time.monotonic()
    result = execute(lab, folder, os.environ | settings | {"HF_HUB_OFFLINE": "1", "PWD": str(folder)}, limit=3600)
    return result, time.monotonic() - start


def _watch(running: Sequence[Future], folders: Sequence[Path]) -> dict[Path, dict]:
    """Look at this process's kernels until all have ended; a kernel's working folder says whose it is."""
    peaks = {folder: {"core_seconds": 0.0, "rss": 0.0, "pss": 0.0, "held": 0.0} for folder in folders}
    while not all(future.done() for future in running):
        now = {folder: [0.0, 0.0, 0.0] for folder in folders}
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error, OSError):
                folder = Path(process.cwd())
                if folder not in now:
                    continue
                memory, times = process.memory_full_info(), process.cpu_times()
                used = (times.user + times.system, memory.rss / MIB, getattr(memory, "pss", memory.rss) / MIB)
                now[folder] = [sum(pair) for pair in zip(now[folder], used, strict=True)]
        for folder, (core_seconds, rss, pss) in now.items():
            if pss:
                best = peaks[folder]
                best["core_seconds"] = round(max(best["core_seconds"], core_seconds), 1)
                best["rss"], best["pss"] = round(max(best["rss"], rss)), round(max(best["pss"], pss))
                best["held"] = round(pss)
        time.sleep(TICK)
    return peaks


def server_memory(servers: int = 2, seconds: float = 20) -> float:
    """PSS of a JupyterLab server without kernels, MiB: the mean of some at once, so that they share what they can."""
    with tempfile.TemporaryDirectory(prefix="class-load-", ignore_cleanup_errors=True) as name:
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--port=0"]
        private = {f"JUPYTER_{kind}_DIR": str(Path(name, kind)) for kind in ("CONFIG", "RUNTIME", "DATA")}
        command.append(f"--ServerApp.root_dir={name}")
        nowhere = subprocess.DEVNULL
        processes = [
            subprocess.Popen(command, env=os.environ | private, stdout=nowhere, stderr=nowhere) for _ in range(servers)
        ]
        try:
            time.sleep(seconds)
            memory = [psutil.Process(process.pid).memory_full_info() for process in processes]
        finally:
            for process in processes:
                process.kill()
                process.wait()
    return round(statistics.mean(getattr(each, "pss", each.rss) for each in memory) / MIB)


def measure(plan: dict[str, list[int]], minutes: float, cells: int | None = None) -> dict:
    """All levels of the plan (lab: numbers of kernels), as far as the time goes."""
    start = time.monotonic()
    affinity = psutil.Process().cpu_affinity() if hasattr(psutil.Process, "cpu_affinity") else None
    cores = len(affinity or []) or os.cpu_count() or 1
    found: dict[str, Any] = {"cores": cores, "cells": cells, "server": server_memory(), "levels": [], "left_out": []}
    for name, numbers in plan.items():
        lab, core_seconds = find_lab(name), 0.0
        for kernels in sorted(numbers):
            left = 60 * minutes - (time.monotonic() - start)
            if core_seconds * kernels / cores > left:
                found["left_out"].append({"lab": lab.stem, "kernels": kernels})
                continue
            records = level(lab, kernels, cells)
            core_seconds = max(record["core_seconds"] for record in records)
            found["levels"].append({"lab": lab.stem, "kernels": kernels, "students": records})
            print(_line(found["levels"][-1]), flush=True)
    return found


def _line(one: dict) -> str:
    students, failed = one["students"], [s["reason"] for s in one["students"] if s["reason"]]
    middle = {key: statistics.median(s[key] for s in students) for key in ("seconds", "core_seconds", "rss", "pss")}
    numbers = ", ".join(f"{key} {value:.0f}" for key, value in middle.items())
    return f"{one['lab']}, {one['kernels']} at once: {numbers}; failed: {'; '.join(failed) or 'none'}"


# ---------------------------------------------------------------------------------------------- what a class needs


def needs(found: dict, lab: str, students: int = STUDENTS, cores: int | None = None, share: float = 1.0) -> dict:
    """The need of a class with one lab.

    Args:
        found: what was measured.
        lab: its name.
        students: in the class.
        cores: of the machine; default: those measured on.
        share: of the students who run at the same moment; the others have the lab open and hold what it left in memory.

    Returns:
        `memory` (GB, 1e9 bytes) and `seconds` until the last is done.
    """
    levels = [one for one in found["levels"] if one["lab"] == lab]
    everyone = [student for one in levels for student in one["students"]]
    base, each = _fitted(levels, "pss")
    _, held = _fitted(levels, "held")
    running = max(1, round(share * students))
    memory = base + running * each + (students - running) * min(held, each) + students * found["server"]
    alone = min(statistics.median(s["seconds"] for s in one["students"]) for one in levels)
    core_seconds = statistics.median(s["core_seconds"] for s in everyone)
    seconds = max(alone, running * core_seconds / (cores or found["cores"]))
    return {"memory": memory * MIB / 1e9, "seconds": seconds}


def _fitted(levels: Sequence[dict], key: str) -> tuple[float, float]:
    """(what all kernels share, what each adds), MiB: a line through the sums; never less than nothing is shared."""
    n = np.array([one["kernels"] for one in levels], float)
    sums = np.array([sum(s[key] for s in one["students"]) for one in levels])
    if len(n) == 1:
        return 0.0, float(sums[0] / n[0])
    each, base = np.polyfit(n, sums, 1)
    return (float(base), float(each)) if base > 0 else (0.0, float(n @ sums / (n @ n)))


def table(found: dict) -> str:
    """What was measured and what follows, as Markdown."""
    labs = list(dict.fromkeys(one["lab"] for one in found["levels"]))
    lines = [
        f"Measured on {found['cores']} cores"
        + (f", the first {found['cells']} cells only" * bool(found["cells"]))
        + ".",
        f"A student's JupyterLab server takes {found['server']} MiB besides.",
        "",
        "| lab | kernels at once | seconds, median (slowest) | core seconds each | MiB each, PSS (RSS) | failed |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for one in found["levels"]:
        students = one["students"]
        seconds = [s["seconds"] for s in students]
        core_seconds, pss, rss = (statistics.median(s[key] for s in students) for key in ("core_seconds", "pss", "rss"))
        lines.append(
            f"| {one['lab'][:2]} | {one['kernels']} | {statistics.median(seconds):.0f} ({max(seconds):.0f}) "
            f"| {core_seconds:.0f} | {pss:.0f} ({rss:.0f}) | {sum(bool(s['reason']) for s in students)} |"
        )
    for one in found["left_out"]:
        lines.append(f"| {one['lab'][:2]} | {one['kernels']} | not measured: no time was left | | | |")
    lines += ["", f"What follows for {STUDENTS} students, by straight lines; nobody has measured that many.", ""]
    lines.append(f"| lab, who runs it at the same moment | memory, GB | {' | '.join(f'{c} cores' for c in CORES)} |")
    lines.append("| --- " * (2 + len(CORES)) + "|")
    for lab in labs:
        for share, who in ((1.0, f"all {STUDENTS}"), (1 / 3, "a third")):
            each = [needs(found, lab, cores=cores, share=share) for cores in CORES]
            times = " | ".join(f"{need['seconds'] / 60:.0f} min" for need in each)
            lines.append(f"| {lab[:2]}, {who} | {each[0]['memory']:.0f} | {times} |")
    return "\n".join(lines)


def write_into(page: Path, text: str) -> None:
    """Put the text between the page's two markers.

    Raises:
        LabError: they are not there.
    """
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise LabError(f"{page}: the lines {BEGIN} and {END} are not in it")
    atomic_write(page, f"{before}{BEGIN}\n{text}\n{END}{after}")


def _plan(text: str) -> tuple[str, list[int]]:
    lab, _, numbers = text.partition(":")
    return find_lab(lab).stem, [int(number) for number in numbers.split(",")]


def main(arguments: list[str] | None = None) -> int:
    """Measure, print the table, and write it where asked; 1 if a lab failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.class_load", description=main.__doc__)
    parser.add_argument("--plan", nargs="+", type=_plan, default=[_plan(text) for text in PLAN], metavar="LAB:N,N")
    parser.add_argument("--minutes", type=float, default=15, help="leave out what would take longer; default: 15")
    parser.add_argument("--cells", type=int, help="only so many code cells of each lab, for a quick look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE")
    parser.add_argument("--docs", type=Path, metavar="FILE", help=f"such as {Path('docs', 'class.md')}")
    parser.add_argument("--from", dest="source", type=Path, metavar="FILE", help="measure nothing: take this JSON file")
    options = parser.parse_args(arguments)
    found = json.loads(options.source.read_text()) if options.source else None
    found = found or measure(dict(options.plan), options.minutes, options.cells)
    print(table(found))
    if options.json:
        atomic_write(options.json, json.dumps(found, indent=1) + "\n")
    if options.docs:
        write_into(ROOT / options.docs, table(found))
    return int(any(student["reason"] for one in found["levels"] for student in one["students"]))


if __name__ == "__main__":
    sys.exit(main())

"""Before class: execute the labs from nothing, as a student's Run All would, and say what came of each.

Every lab runs in a kernel of its own, in a temporary folder, and hands its results to the next as in class; what is
in runs/ and work/ is neither used nor changed. A lab that fails is a row of the table, and the others go on.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

from ..files import LabError, atomic_write
from .notebooks import CELL_TIMEOUT, client_for, place, problem, read
from .workspace import all_labs, find_lab

CLAIM = re.compile(r"^(.*\S): (True|False)$", re.MULTILINE)
EXERCISE = re.compile(r"^(\w+) = check\(\1\b", re.MULTILINE)
TICK = 0.2  # seconds between two looks at the kernel's memory
MIB = 2**20
SILENT = logging.Logger("check-labs", logging.CRITICAL)  # what a client would log is in the result


@dataclass(frozen=True)
class Claim:
    """A printed line "...: True" or "...: False".

    Attributes:
        cell: it stands below `In [cell]`.
        text: the line up to the colon.
        holds: whether it says True.
        stored: what the same line says in the notebook as it was stored; None if it is not there. Some are false on
            purpose ("The order of texts changed: False").
    """

    cell: int
    text: str
    holds: bool
    stored: bool | None = None

    @property
    def surprises(self) -> bool:
        """Whether it is not as stored, or false without a stored line to compare with."""
        return self.holds != self.stored and not (self.holds and self.stored is None)


@dataclass(frozen=True)
class Result:
    """What came of one lab. Cells are numbered as in `In [n]`.

    Attributes:
        lab: the notebook's name.
        reason: cell and error of a lab that failed; empty for one that ran to its end.
        seconds: of all cells, without the start of the kernel.
        slowest_cell: its number; None if no cell ran.
        slowest_seconds: of that cell.
        peak_memory: of the kernel and the processes that it started, MiB resident, measured five times a second.
        claims: that the lab printed, in order.
        exercises: how many cells end with a check.
    """

    lab: str
    reason: str
    seconds: float
    slowest_cell: int | None
    slowest_seconds: float
    peak_memory: float
    claims: tuple[Claim, ...]
    exercises: int

    @property
    def ok(self) -> bool:
        """Whether the lab ran to its end."""
        return not self.reason

    @property
    def claims_false(self) -> list[Claim]:
        """The claims that do not hold."""
        return [claim for claim in self.claims if not claim.holds]


def check(labs: Sequence[str | Path] = (), profile: str | None = None, limit: int = CELL_TIMEOUT) -> list[Result]:
    """Execute labs in order, behind a progress bar on stderr.

    Args:
        labs: names of labs, or paths of other notebooks; default: all of the repository's.
        profile: as in RLHF_PROFILE; default: the one in use.
        limit: seconds that one cell may take.

    Raises:
        LabError: no such lab or profile. What goes wrong inside a lab is in its result.
    """
    from tqdm.auto import tqdm

    paths = [Path(name) if Path(name).is_file() else find_lab(str(name)) for name in labs] or all_labs()
    sizes = {path: _count_cells(path) for path in paths}
    with (
        tempfile.TemporaryDirectory(prefix="check-labs-", ignore_cleanup_errors=True) as name,
        tqdm(total=sum(sizes.values()), unit="cell", file=sys.stderr) as bar,
    ):
        folder = Path(name)
        env = os.environ | _settings(profile, folder)
        on_tick = bar.refresh if sys.stderr.isatty() else lambda: None  # a long cell shows that time goes on
        results = []
        for path in paths:
            bar.set_description_str(path.stem)
            end = bar.n + sizes[path]
            results.append(execute(path, folder, env, limit, bar.update, on_tick))
            bar.update(end - bar.n)  # the cells after a failure
    return results


def _settings(profile: str | None, folder: Path) -> dict[str, str]:
    """The environment of the kernels: nothing made before is found, and nothing leaves the folder."""
    from ..models.profiles import get_profile

    name = profile or os.environ.get("RLHF_PROFILE") or "tiny"
    needs_gpu = get_profile(name).needs_gpu
    if Path(name).is_dir():  # a checkpoint; the kernels have another working folder
        name = str(Path(name).resolve())
    settings = {"RLHF_PROFILE": name, "RLHF_RUNS": str(folder / "runs"), "RLHF_WORK": str(folder / "work")}
    return settings | {"PWD": str(folder)} | ({} if needs_gpu else {"HF_HUB_OFFLINE": "1"})


def _count_cells(path: Path) -> int:
    with suppress(LabError):
        return len(_code_cells(read(path)))
    return 0  # it will be a row with its reason


# ---------------------------------------------------------------------------------------------- one lab


def execute(
    path: Path,
    folder: Path,
    env: dict[str, str],
    limit: int = CELL_TIMEOUT,
    on_cell: Callable[[], object] = lambda: None,
    on_tick: Callable[[], object] = lambda: None,
) -> Result:
    """Run one notebook in a kernel of its own. What it does wrong is in the result.

    Args:
        path: the notebook, which is not changed.
        folder: the kernel's working folder.
        env: the kernel's environment.
        limit: seconds that one cell may take.
        on_cell: called after each cell.
        on_tick: called some times a second.
    """
    try:
        notebook = read(path)
    except LabError as error:
        return Result(path.stem, str(error), 0.0, None, 0.0, 0.0, (), 0)
    stored = {claim.text: claim.holds for claim in _claims(notebook)}
    for cell in _code_cells(notebook):
        cell.outputs, cell.execution_count = [], None  # after a failure they would count as new
    sources: list[str] = []
    starts: list[float] = []
    ends: list[float] = []

    def begin(cell: NotebookNode, **_) -> None:
        sources.append(cell.source)
        starts.append(time.monotonic())

    def end(**_) -> None:
        ends.append(time.monotonic())
        on_cell()

    hooks = {"on_cell_execute": begin, "on_cell_executed": end}
    client = client_for(notebook, limit, shutdown_kernel="immediate", log=SILENT, **hooks)
    memory, failure = _run(client, on_tick, cwd=str(folder), env=env, cleanup_kc=True)
    ends += [time.monotonic()] * (len(starts) - len(ends))  # of a cell that was stopped
    seconds = [end - start for start, end in zip(starts, ends, strict=True)]
    where = place(len(sources), sources[-1]) if sources else "before the first cell"
    return Result(
        lab=path.stem,
        reason=f"{where}: {problem(failure, limit)}" if failure else "",
        seconds=round(sum(seconds), 1),
        slowest_cell=seconds.index(max(seconds)) + 1 if seconds else None,
        slowest_seconds=round(max(seconds, default=0.0), 1),
        peak_memory=round(memory / MIB, 1),
        claims=tuple(replace(claim, stored=stored.get(claim.text)) for claim in _claims(notebook)),
        exercises=sum(bool(EXERCISE.search(cell.source)) for cell in _code_cells(notebook)),
    )


def _run(client: NotebookClient, on_tick: Callable[[], object], **options: Any) -> tuple[int, BaseException | None]:
    """Execute in a thread, and watch: (peak memory of the kernel, bytes; what ended the execution early)."""
    manager, peak = client.km, 0

    def work() -> None:
        # Windows' default loop has no sockets for zmq; a Runner leaves no pending tasks behind.
        try:
            with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                runner.run(client.async_execute(**options))
        finally:
            atexit.unregister(client._cleanup_kernel)  # nbclient leaves it where a kernel dies at its start

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(work)
        try:
            while not running.done():
                wait([running], timeout=TICK)
                peak = max(peak, sum(_resident(process) for process in _family(manager)))
                on_tick()
        except BaseException:  # Ctrl + C: leave no kernel behind
            while not running.done():
                for process in _family(manager):
                    with suppress(psutil.Error):
                        process.kill()
                wait([running], timeout=TICK)
            raise
        return peak, running.exception()


def _family(manager: KernelManager) -> list[psutil.Process]:
    """The kernel's process and all that it started; none before its start and after its end."""
    pid = getattr(manager.provisioner, "pid", None)
    if pid is None:  # psutil would take it for this process
        return []
    try:
        kernel = psutil.Process(pid)
        return [kernel, *kernel.children(recursive=True)]
    except psutil.Error:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def _claims(notebook: NotebookNode) -> list[Claim]:
    """The claims that the notebook's outputs hold, in their order."""
    return [
        Claim(cell.execution_count, text, holds == "True")
        for cell in _code_cells(notebook)
        for text, holds in CLAIM.findall(_printed(cell))
    ]


def _printed(cell: NotebookNode) -> str:
    """All that the cell printed; its messages may be cut anywhere."""
    return "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == "stdout")


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


# ---------------------------------------------------------------------------------------------- the report


def to_frame(results: Sequence[Result]) -> pd.DataFrame:
    """A row for each lab."""
    rows = [
        {
            "lab": r.lab,
            "ok": "yes" if r.ok else "FAILED",
            "seconds": r.seconds,
            "slowest cell": f"[{r.slowest_cell}] {r.slowest_seconds} s" if r.slowest_cell else "-",
            "memory, MiB": r.peak_memory,
            "true": len(r.claims) - len(r.claims_false),
            "false": len(r.claims_false),
            "exercises": r.exercises,
            "reason": r.reason,
        }
        for r in results
    ]
    return pd.DataFrame(rows)


def report(results: Sequence[Result]) -> str:
    """The table as text for a terminal, the claims that are false or not as stored, and a summary in the last line."""
    table = to_frame(results)
    if all(result.ok for result in results):
        table = table.drop(columns="reason")
    listed = [(r.lab, claim) for r in results for claim in r.claims if not claim.holds or claim.surprises]
    surprises = sum(claim.surprises for _, claim in listed)
    lines = [table.to_string(index=False), ""]
    if listed:
        lines += ["Claims that are false, or not as stored (!):", *(_line(lab, claim) for lab, claim in listed), ""]
    ran, seconds = sum(result.ok for result in results), sum(result.seconds for result in results)
    verdict = f"{surprises} claim{'s' * (surprises != 1)} to look at (!)" if surprises else "every claim is as stored"
    return "\n".join([*lines, f"{ran} of {len(results)} labs ran to their end, in {seconds:.0f} s; {verdict}."])


def _line(lab: str, claim: Claim) -> str:
    stored = "not in the stored lab" if claim.stored is None else f"stored: {claim.stored}"
    return f"{'!' if claim.surprises else ' '} {lab} [{claim.cell}] {claim.text}: {claim.holds} ({stored})"


def write_json(results: Sequence[Result], path: Path) -> None:
    """Write every number of the results, an object for each lab."""
    labs = [{"ok": result.ok} | asdict(result) for result in results]
    atomic_write(path, json.dumps({"labs": labs}, indent=2, ensure_ascii=False) + "\n")

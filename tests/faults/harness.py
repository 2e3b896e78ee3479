"""Runs a scenario again and again in child processes that are killed, and looks after each death at what is left.

A scenario goes on from what it finds in its folder. It announces on a pipe when it begins a step and, with what it
was told, when the step has returned: what is announced as done must be there for whoever comes after the death. A kill
falls at a random moment, or at a chosen one of the calls that change the disk (`calls.c`), half of a write being
made. After it another process checks the folder; a scenario that reaches its end is compared with a run that nobody
disturbed, and a new one begins.

Children are forked, so that libraries are imported once: the harness must run in a process of its own (`soak`).
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil  # noqa: F401 - `files` imports it late: once here, and not in every child

from helpers.files import ROOT, LabError

SOURCE = Path(__file__).with_name("calls.c")
MEMORY = "/dev/shm"  # a kill loses nothing that is in a cache, so a disk in memory shows the same, sooner
REFUSED = 3  # exit status of a child that ended with a LabError
CAN_KILL = hasattr(os, "fork") and hasattr(signal, "SIGKILL")


class Lost(AssertionError):
    """Something that was acknowledged is not there."""


class Half(AssertionError):
    """A reader sees something that is not whole."""


@dataclass(frozen=True)
class Scenario:
    """work: folder, begin, done -> goes on to its end; check: folder, what was done -> raises Lost or Half;
    outcome: folder -> what every finished run must have come to (JSON); watch: a reader, while `work` writes."""

    work: Callable[[Path, Callable, Callable], None]
    check: Callable[[Path, list], None]
    outcome: Callable[[Path], Any]
    watch: Callable[[Path], None] | None = None
    same_files: bool = True  # whether every finished run leaves files of the same names: no temporary ones, say


@dataclass
class Figures:
    """What came of a scenario. in_a_step: kills that fell between a step's beginning and its end; at_a_call: kills at
    a chosen call; done: acknowledged steps; ends: runs that were restarted till their end; reads: by the watcher."""

    name: str
    kills: int = 0
    in_a_step: int = 0
    at_a_call: int = 0
    done: int = 0
    ends: int = 0
    reads: int = 0
    lost: int = 0
    half: int = 0
    refusals: int = 0  # runs that ended with a LabError
    messages: set[str] = field(default_factory=set)  # of these
    calls: int = 0  # that change the disk, in an undisturbed run
    problems: list[str] = field(default_factory=list)


def build_calls(folder: Path) -> Path | None:
    """The library made of `calls.c`, in `folder`; None where there is no compiler, or no Linux."""
    library, compiler = folder / "calls.so", shutil.which("cc") or shutil.which("gcc")
    if not compiler or not sys.platform.startswith("linux"):
        return None
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"]
    return library if subprocess.run(command, capture_output=True).returncode == 0 else None


def soak(name: str, kills: int | None, seed: int = 0, error: int = 0) -> Figures:
    """Kill the scenario of that name (`scenarios.py`) so many times, in a process of its own.

    kills: None for one at each call that changes the disk (none where `calls.c` cannot be built).
    error: do not kill, but let the disk refuse so (`errno`), so many times.
    """
    in_memory = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryDirectory(dir=in_memory) as folder:
        library = build_calls(Path(place))  # not in memory, from where some machines run nothing
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "TMPDIR": folder}
        environment |= {"LD_PRELOAD": str(library)} if library else {}
        numbers = map(str, (kills or 0, seed, error))
        command = [sys.executable, "-m", "tests.faults", "--inside", folder, name, *numbers]
        ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if ran.returncode:
            raise RuntimeError(f"the harness itself failed on {name}:\n{ran.stderr[-4000:]}")
        return Figures(**json.loads(ran.stdout.splitlines()[-1]))


# ------------------------------------------------------------------------------------------- in that process


class Calls:
    """The preloaded `calls.c`; without it `armed` does nothing and `seen` is 0."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(None) if os.name == "posix" else None
        if not hasattr(self.library, "calls_arm"):
            self.library = None
        else:
            self.library.calls_seen.restype = ctypes.c_long
            self.library.calls_arm.argtypes = [ctypes.c_long, ctypes.c_int]

    @property
    def seen(self) -> int:
        return self.library.calls_seen() if self.library else 0

    def arm(self, at: int, error: int = 0) -> None:
        if self.library:
            self.library.calls_arm(at, error)


class Killer:
    """Fills in the figures of one scenario."""

    def __init__(self, scenario: Scenario, figures: Figures, seed: int, root: Path) -> None:
        self.scenario, self.figures, self.rng = scenario, figures, random.Random(seed)
        self.can_choose = Calls().library is not None
        self.folder, self.done = root / "run", []
        started = time.perf_counter()
        told, status, _ = life(scenario, root / "whole", 0, None)
        self.length = time.perf_counter() - started
        if status:
            raise RuntimeError("the undisturbed run failed")
        figures.calls = told.pop()["calls"]
        self.wanted = self._outcome(root / "whole")

    def at_random(self, kills: int) -> None:
        """So many kills, one after the other in one folder till its run ends; the last run is left to end."""
        while self.figures.kills < kills:
            if self.can_choose and self.rng.random() < 0.6:
                self.live(at=self.rng.randint(1, max(2, self.figures.calls // 3)))
            else:
                self.live(pause=self.rng.uniform(0, self.length / 2))
        if self.folder.exists():
            self.live()

    def at_each_call(self) -> None:
        """A run for each call that changes the disk: killed there, once, and left to end when it is restarted."""
        for at in range(1, self.figures.calls + 1):
            self.live(at=at)
            if self.folder.exists():
                self.live()

    def refused(self, error: int, times: int) -> None:
        """The disk refuses (`error`: ENOSPC full, EROFS read-only) from some call on: so many runs, spread over all
        calls, each of which must end with a LabError that names the place, and ends well when it is run again."""
        for number in range(times):
            self.live(at=1 + number * self.figures.calls // times, error=error)
            if self.folder.exists():
                self.live()

    def live(self, at: int = 0, pause: float | None = None, error: int = 0) -> None:
        """One child, its death or its end, and what is left."""
        figures = self.figures
        told, status, reads = life(self.scenario, self.folder, at, pause, error)
        if status not in (0, REFUSED if error else -signal.SIGKILL):
            raise RuntimeError(f"a child ended by itself with {status}, at call {at}")
        if status == REFUSED:
            figures.refusals += 1
            figures.messages.add(message := told.pop()["refused"].replace(str(self.folder), "FOLDER"))
            if "FOLDER" not in message:
                raise RuntimeError(f"a message without a place, at call {at}: {message}")
        elif status == 0:
            told.pop()
        else:
            figures.kills += 1
            figures.at_a_call += bool(at)
            figures.in_a_step += bool(told and "begin" in told[-1])
        steps = [line["done"] for line in told if "done" in line]
        self.done += steps
        figures.done += len(steps)
        figures.reads += reads
        problem = look(self.scenario.check, self.folder, self.done)
        if status == 0 and not problem:
            figures.ends += 1
            if (found := self._outcome(self.folder)) != self.wanted:
                problem = ["Half", f"ended in {found}, not in {self.wanted}"]
        if problem:
            figures.lost += problem[0] == "Lost"
            figures.half += problem[0] == "Half"
            moment = f"call {at}" if at else "its end" if pause is None else f"{pause:.3f} s"
            figures.problems.append(f"{figures.name}, kill {figures.kills}, at {moment}: {problem[1]}"[:1500])
        if problem or status == 0:
            shutil.rmtree(self.folder)
            self.done = []

    def _outcome(self, folder: Path) -> tuple:
        return look(self.scenario.outcome, folder), listing(folder) if self.scenario.same_files else []


def life(scenario: Scenario, folder: Path, at: int, pause: float | None, error: int = 0) -> tuple[list[dict], int, int]:
    """What a child that works in the folder announced, its exit status (negative: a signal), the watcher's reads."""
    folder.mkdir(parents=True, exist_ok=True)
    watcher = watch(scenario, folder) if scenario.watch else None  # first, or it would hold the pipe open
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        _work(scenario, folder, writer, at, error)
    os.close(writer)
    deadline = None if pause is None else time.monotonic() + pause
    text = b""
    while True:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            os.kill(child, signal.SIGKILL)
            deadline = left = None
        if select.select([reader], [], [], left)[0]:
            if not (more := os.read(reader, 65536)):
                break
            text += more
    os.close(reader)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    reads = watcher() if watcher else 0
    return [json.loads(line) for line in text.splitlines()], status, reads


def _work(scenario: Scenario, folder: Path, pipe: int, at: int, error: int) -> None:
    calls = Calls()

    def announce(what: str, value: Any) -> None:
        os.write(pipe, json.dumps({what: value}).encode() + b"\n")

    try:
        _at_home(folder)
        calls.arm(at, error)
        scenario.work(folder, lambda value=None: announce("begin", value), lambda value: announce("done", value))
        announce("calls", calls.seen)
        os._exit(0)
    except LabError as refusal:
        announce("refused", str(refusal))
        os._exit(REFUSED)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def look(act: Callable, folder: Path, *arguments: Any) -> Any:
    """What `act` returns in a process of its own (None or JSON), or ["Lost" or "Half", message] where it raises.

    A reader that fails in any other way has met something that is not whole."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            _at_home(folder)
            answer = act(folder, *arguments)
        except (Lost, Half) as error:
            answer = [type(error).__name__, str(error)]
        except BaseException:
            answer = ["Half", traceback.format_exc()]
        with os.fdopen(writer, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        answer = json.load(pipe)
    os.waitpid(child, 0)
    return answer


def watch(scenario: Scenario, folder: Path) -> Callable[[], int]:
    """Start a process that reads again and again. The function ends it and returns how often it read; raises Half
    where a read found anything that is not whole."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        reads, ended, parent = 0, [], os.getppid()
        signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
        answer = ""
        try:
            _at_home(folder)
            while not ended and os.getppid() == parent:
                scenario.watch(folder)
                reads += 1
        except BaseException:
            answer = traceback.format_exc()
        os.write(writer, json.dumps([reads, answer]).encode())
        os._exit(0)
    os.close(writer)

    def end() -> int:
        os.kill(child, signal.SIGTERM)
        with os.fdopen(reader) as pipe:
            reads, problem = json.load(pipe)
        os.waitpid(child, 0)
        if problem:
            raise RuntimeError(f"a reader failed while a living process wrote: {problem}")
        return reads

    return end


def _at_home(folder: Path) -> None:
    os.environ |= {"RLHF_RUNS": str(folder / "runs"), "RLHF_WORK": str(folder / "work")}


def listing(folder: Path) -> list[str]:
    """All files below a folder: a finished run leaves no temporary ones."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

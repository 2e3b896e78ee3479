"""Call a student's function with limits of time and memory, and notice if it calls the solution.

On Linux a forked child does it: the system ends it when its time is over, also where a call inside a C library never
comes back to Python; and whatever it changes (numpy, random seeds, the process itself) is gone with it. Elsewhere a
thread does it; also where processes may not be started, and with a GPU, since torch's gradients then do not work in a
fork. What a thread does not end is a C call that holds the interpreter, as list() of billions of combinations does.
"""

from __future__ import annotations

import builtins
import contextlib
import ctypes
import faulthandler
import gc
import io
import logging
import math
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from time import monotonic  # a name of our own: an answer may change the module's
from types import CodeType, FrameType
from typing import Any

import numpy as np
import torch

from .outcomes import from_bytes, to_bytes

PATIENCE = 4  # how many times the limit a call may take while it sleeps or waits for a disk, not for the processor
ORPHANED = 100  # how many times the limit a child may take in all, also where nobody waits for it any more
MEMORY = 2 * 2**30  # bytes that a call may take besides what there is
SHOWN_OUTPUT = 2000  # letters of what an answer prints
IMPORT: CodeType = sys.modules["_frozen_importlib"]._find_and_load.__code__  # runs for modules not yet imported
CHANGEABLE = (np, np.random, np.linalg, torch, torch.nn.functional, torch.autograd, builtins, math, random, time)


class TimeLimit(BaseException):
    """The limit is over. A BaseException, so that an answer's own `except Exception` does not swallow it."""


class CallsSolution(BaseException):
    """The answer calls the function that it is to replace."""


class Ended(Exception):
    """The answer ended its process: by `os._exit`, by a crash inside a C library, or for want of memory."""


def call_limited(work: Callable[[], Any], seconds: float, forbidden: CodeType | None = None) -> Any:
    """Call `work`, ended after `seconds` of processor time, even in an endless loop.

    The processor time for importing modules does not count, nor does waiting for the processor on a busy machine. What
    it prints is shown, the first SHOWN_OUTPUT letters of it.

    Args:
        work: a function without arguments, whose result `to_bytes` takes. Any error of its own it catches itself.
        seconds: the limit; asleep it may be for PATIENCE times as long.
        forbidden: code that `work` must not call.

    Returns:
        What `work` returns.

    Raises:
        TimeLimit: `work` did not end in time.
        CallsSolution: it called the forbidden code, even if it caught the error.
        Ended: its process ended without a result.
        KeyboardInterrupt: the user interrupted; `work` is ended.
    """
    pipe = os.pipe() if may_fork() else None
    child = _fork() if pipe else None
    if pipe and child == 0:
        _be_child(work, seconds, forbidden, pipe[1])  # never returns
    if pipe and child:
        return _of_child(child, *pipe, seconds)
    for end in pipe or ():
        os.close(end)
    return _in_thread(work, seconds, forbidden)


def may_fork() -> bool:
    """Whether a forked child can do what this process can."""
    return sys.platform == "linux" and not torch.cuda.is_available()


class _Watch:
    """Sees what runs: notices the forbidden code, and stops a clock while modules are imported."""

    def __init__(self, forbidden: CodeType | None, stop: Callable[[], None], go_on: Callable[[], None]) -> None:
        self.forbidden, self.stop, self.go_on = forbidden, stop, go_on
        self.called, self.over, self.imports = False, False, 0

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        """For sys.setprofile."""
        if self.over:
            raise TimeLimit
        if frame.f_code is IMPORT and event in ("call", "return"):
            outermost = self.imports == (0 if event == "call" else 1)
            self.imports += 1 if event == "call" else -1
            if outermost:
                (self.stop if event == "call" else self.go_on)()
        elif event == "call" and frame.f_code is self.forbidden:
            self.called = True
            raise CallsSolution


# --- In a child ---------------------------------------------------------------


def _fork() -> int | None:
    """As os.fork; None where it is not allowed or not possible."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the other threads, which the child does without
        try:
            return os.fork()
        except OSError:
            return None


def _be_child(work: Callable[[], Any], seconds: float, forbidden: CodeType | None, pipe: int) -> None:
    """Work, write what came of it to the pipe, and end."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it, and ends the child
        for ends in (signal.SIGPROF, signal.SIGALRM):
            signal.signal(ends, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGPROF, signal.SIGALRM})
        faulthandler.disable()  # a crash is told in one sentence
        gc.freeze()  # nothing of the parent is tidied up here
        logging.disable()
        torch.set_num_threads(1)  # the other threads are not there
        _limit_memory()
        sys.stdout, sys.stderr = said, _ = _Said(), _Said()
        left = [seconds]

        def stop() -> None:
            left[0] = signal.setitimer(signal.ITIMER_PROF, 0)[0]

        def go_on() -> None:
            signal.setitimer(signal.ITIMER_PROF, max(left[0], 0.001))

        watch = _Watch(forbidden, stop, go_on)
        signal.setitimer(signal.ITIMER_REAL, ORPHANED * seconds)
        go_on()
        value = _watched(work, watch)
        _write(pipe, to_bytes((watch.called, True, value, said.getvalue())))
    except MemoryError:  # for a result that hardly fits itself
        _write(pipe, to_bytes((False, False, None, "")))
    finally:
        os._exit(0)


def _watched(work: Callable[[], Any], watch: _Watch) -> Any:
    sys.setprofile(watch.profile)
    try:
        return work()
    except CallsSolution:
        return None
    finally:
        sys.setprofile(None)


class _Said(io.StringIO):
    """What an answer prints, not more than is shown."""

    def write(self, text: str) -> int:
        """Keep as much of the text as there is room for."""
        super().write(text[: max(0, SHOWN_OUTPUT - self.tell())])
        return len(text)


def _limit_memory() -> None:
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = now + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _write(pipe: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(pipe, rest) :]


def _of_child(child: int, readable: int, writable: int, seconds: float) -> Any:
    """What the child found; it is gone afterwards, whatever happens."""
    os.close(writable)
    status = 0
    try:
        data, on_time = _read(readable, seconds, f"{child}")
    finally:
        os.close(readable)
        with contextlib.suppress(OSError):  # it may be gone already
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
    try:
        called, fits, value, said = from_bytes(data)
    except Exception:  # no result, or half of one
        ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        if not on_time or ended_by in (signal.SIGPROF, signal.SIGALRM):
            raise TimeLimit from None
        how = f": {signal.Signals(ended_by).name}" if ended_by else ""
        raise Ended(f"it ends Python itself{how}") from None
    print(said, end="")
    if not fits:
        raise Ended("it needs too much memory")
    if called:
        raise CallsSolution
    return value


def _read(pipe: int, seconds: float, task: str) -> tuple[bytes, bool]:
    """All that the task writes until it ends or has slept for too long, and whether it ended."""
    import select

    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    parts: list[bytes] = []
    started = monotonic()
    while monotonic() - started - _waited(task) < PATIENCE * seconds:
        if waiting.poll(50):
            part = os.read(pipe, 2**20)
            if not part:
                return b"".join(parts), True
            parts.append(part)
    return b"".join(parts), False


def _waited(task: str) -> float:
    """Seconds for which a process or thread wanted the processor and others had it, where the system tells."""
    try:
        with open(f"/proc/{task}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0


# --- In a thread --------------------------------------------------------------


def _in_thread(work: Callable[[], Any], seconds: float, forbidden: CodeType | None) -> Any:
    found: dict[str, Any] = {}
    clock = _ThreadClock()
    watch = _Watch(forbidden, clock.stop, clock.go_on)

    def run() -> None:
        clock.begin()
        with contextlib.suppress(BaseException):  # it may raise anything; without a value it is over
            found["value"] = _watched(work, watch)

    worker = threading.Thread(target=run, name="exercise", daemon=True)
    with _put_back():
        worker.start()
        try:
            _wait_for(worker, seconds, clock.worked)
        finally:  # also if the user interrupts
            late = worker.is_alive()
            if late:
                _raise_in(worker, TimeLimit)
                worker.join(1.0)
            if worker.is_alive():  # in a C call, after which it ends
                watch.over = True
                _take_back(worker)
    if late:
        raise TimeLimit
    if watch.called:
        raise CallsSolution
    if "value" not in found:
        raise Ended("it ends its thread")
    return found["value"]


class _ThreadClock:
    """The processor time that one thread works; what an earlier answer's thread still takes is not its own."""

    def __init__(self) -> None:
        self._now: Callable[[], float] = time.process_time  # of all threads, where the system has no other
        self._read = time.clock_gettime if hasattr(time, "pthread_getcpuclockid") else None
        self._started = self._now()
        self._stopped: float | None = None

    def begin(self) -> None:
        """Begin, called by the thread itself."""
        if read := self._read:
            clock = time.pthread_getcpuclockid(threading.get_ident())
            self._now, self._started = lambda: read(clock), read(clock)

    def stop(self) -> None:
        """Stop, called by the thread itself."""
        self._stopped = self._now()

    def go_on(self) -> None:
        """Go on after a stop."""
        since, self._stopped = self._stopped, None
        self._started += 0.0 if since is None else self._now() - since

    def worked(self) -> float:
        """The seconds so far."""
        try:
            return (self._now() if self._stopped is None else self._stopped) - self._started
        except OSError:  # the thread has just ended
            return 0.0


def _wait_for(worker: threading.Thread, seconds: float, worked: Callable[[], float]) -> None:
    """Wait until it ends, has worked for so long, or has slept for too long."""
    started, task = monotonic(), f"self/task/{worker.native_id}"
    while worker.is_alive() and worked() < seconds and monotonic() - started - _waited(task) < PATIENCE * seconds:
        worker.join(0.05)


@contextlib.contextmanager
def _put_back() -> Iterator[None]:
    """Afterwards the modules that checks and labs calculate with are as they were, whatever an answer changed."""
    before = [(module, dict(vars(module))) for module in CHANGEABLE]
    try:
        yield
    finally:
        for module, names in before:
            for name, value in names.items():
                if vars(module).get(name, names) is not value:
                    setattr(module, name, value)


def _raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raise `error` in another thread, at its next line of Python."""
    if thread.ident is not None:  # it has started
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error))


def _take_back(thread: threading.Thread) -> None:
    """Let no error wait for a thread that does not come to it: while one waits, Python 3.11 profiles no other thread.

    It hangs there. The mark that one waits goes away only where one is raised, so one is, here.
    """
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), None)
    with contextlib.suppress(TimeLimit):
        _raise_in(threading.current_thread(), TimeLimit)
        for _ in range(10**6):
            pass

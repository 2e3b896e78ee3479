"""Call a student's function with a time limit, and notice if it calls the solution."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from types import CodeType
from typing import Any

PATIENCE = 4  # how many times the limit a call may take while it gets too little of the processor


class TimeLimit(BaseException):
    """The limit is over. A BaseException, so that an answer's own `except Exception` does not swallow it."""


class CallsSolution(BaseException):
    """The answer calls the function that it is to replace."""


def call_limited(work: Callable[[], Any], seconds: float, forbidden: CodeType | None = None) -> Any:
    """Call `work`, ended after `seconds` even in an endless loop of Python code.

    A thread does it, which works on every system and in every notebook front end; a call that never comes back to
    Python (inside a C library) is left behind in its thread.

    Args:
        work: a function without arguments. What it raises is raised here.
        seconds: the time limit.
        forbidden: code that `work` must not call.

    Returns:
        What `work` returns.

    Raises:
        TimeLimit: `work` did not end in time.
        CallsSolution: it called the forbidden code, even if it caught the error.
    """
    outcome: dict[str, Any] = {}

    def watch(frame, event, _):
        if event == "call" and frame.f_code is forbidden:
            outcome["called"] = True
            raise CallsSolution

    def run() -> None:
        try:
            if forbidden is not None:
                sys.setprofile(watch)
            outcome["value"] = work()
        except BaseException as error:  # the student's code may raise anything; it is reported, not raised here
            outcome["error"] = error
        finally:
            sys.setprofile(None)

    worker = threading.Thread(target=run, name="exercise", daemon=True)
    worker.start()
    _wait_for(worker, seconds)
    if worker.is_alive():
        _raise_in(worker, TimeLimit)
        worker.join(1.0)
        raise TimeLimit
    if "called" in outcome:
        raise CallsSolution
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def _wait_for(worker: threading.Thread, seconds: float) -> None:
    """Wait `seconds`, or longer where others keep the processor busy: until this process had that much of its time."""
    started, processor = time.monotonic(), time.process_time()
    worker.join(seconds)
    while (
        worker.is_alive()
        and time.process_time() - processor < seconds
        and time.monotonic() - started < PATIENCE * seconds
    ):
        worker.join(0.05)


def _raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raise `error` in another thread, at its next line of Python."""
    if thread.ident is not None:  # it has started
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error))

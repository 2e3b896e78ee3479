"""Call a student's function with a time limit, and notice if it calls the solution."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable
from types import CodeType
from typing import Any


class TimeLimit(BaseException):
    """The limit is over. A BaseException, so that an answer's own `except Exception` does not swallow it."""


class CallsSolution(BaseException):
    """The answer calls the function that it is to replace."""


def call_limited(work: Callable[[], Any], seconds: float, forbidden: CodeType | None = None) -> Any:
    """`work()`, ended after `seconds` even in an endless loop of Python code. Raises TimeLimit, and what work raises.

    A thread does it, which works on every system and in every notebook front end; a call that never comes back to
    Python (inside a C library) is left behind in its thread.
    forbidden: code that must not be called meanwhile: CallsSolution is raised, even if the answer catches it.
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
    worker.join(seconds)
    if worker.is_alive():
        _raise_in(worker, TimeLimit)
        worker.join(1.0)
        raise TimeLimit
    if "called" in outcome:
        raise CallsSolution
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def _raise_in(thread: threading.Thread, error: type[BaseException]) -> None:
    """Raise `error` in another thread, at its next line of Python."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(error))

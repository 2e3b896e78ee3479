"""How long a test waits: until the thing has happened. The limits here only end what hangs.

No test asserts on seconds, and none gives a number of its own: on a machine that others use as well, the same work
takes many times as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

T = TypeVar("T")
QUIET = 300.0  # seconds, on a machine that does nothing else


@cache
def slowdown() -> float:
    """Wall time over processor time of a small piece of work, measured once: 1 on a quiet machine, 4 where four
    processes share a core."""
    wall, processor = time.perf_counter(), time.thread_time()
    while time.thread_time() - processor < 0.3:
        sum(range(10_000))
    return max(1.0, (time.perf_counter() - wall) / (time.thread_time() - processor))


def patience() -> int:
    """The longest wait for anything, in seconds of this machine."""
    return round(QUIET * slowdown())


def wait_until(look: Callable[[], T], enough: Callable[[T], object] = bool) -> T:
    """Look again and again until it is enough, and return what was found."""
    end = time.monotonic() + patience()
    while not enough(found := look()):
        if time.monotonic() > end:
            raise TimeoutError(f"still {found!r} after {patience()} s")
        time.sleep(0.05)
    return found

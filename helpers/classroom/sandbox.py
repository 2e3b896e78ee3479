"""What a student's code may not do while it is graded: start processes, use the network, write outside its folder.

It stops mistakes and the usual mischief, not an attacker: code that calls the system without Python's own functions
(through ctypes, say) gets round it, and it runs with the rights of whoever grades. docs/security.md says what follows.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

FILE = 64 * 2**20  # bytes: the longest file that may be written
PROCESSES = 64  # how many more threads and processes than there are now; the system ignores it for root

# Python's audit events (https://docs.python.org/3/library/audit_events.html)
PROGRAMS = {
    "os.exec", "os.fork", "os.forkpty", "os.kill", "os.killpg", "os.posix_spawn", "os.spawn", "os.startfile",
    "os.system", "pty.spawn", "signal.pthread_kill", "subprocess.Popen",
}  # fmt: skip
NETWORK = {
    "socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname",
    "socket.sendmsg", "socket.sendto",
}  # fmt: skip
CHANGES = {  # event: how many of its arguments, from the first, are paths that it changes
    "os.chmod": 1, "os.chown": 1, "os.link": 2, "os.mkdir": 1, "os.remove": 1, "os.rename": 2, "os.rmdir": 1,
    "os.symlink": 2, "os.truncate": 1, "os.utime": 1, "shutil.chown": 1, "shutil.move": 2, "shutil.rmtree": 1,
    "shutil.unpack_archive": 2, "sqlite3.connect": 1,
}  # fmt: skip
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def confine(folder: Path) -> None:
    """Confine this process: from now on it may write below `folder` only, and no more processes, signals or network.

    What is refused raises PermissionError where it is asked for. It cannot be taken back.
    """
    _limit_resources()
    inside = os.path.realpath(folder)
    devices = (os.path.realpath(os.devnull), os.devnull)

    def is_outside(path: Any) -> bool:
        if isinstance(path, int):  # a file that is open already
            return False
        place = os.path.realpath(os.fsdecode(path))
        return place not in devices and not Path(place).is_relative_to(inside)

    def watch(event: str, arguments: tuple) -> None:
        if event == "open":
            path, mode, flags = arguments
            writes = any(letter in mode for letter in "wax+") if mode else bool((flags or 0) & WRITING)
            if path is not None and writes and is_outside(path):
                raise PermissionError(f"an answer may not write to {os.fsdecode(path)!r}")
        elif event in PROGRAMS or event in NETWORK:
            raise PermissionError(f"an answer may not start or end programs, or use the network ({event})")
        elif event in CHANGES and any(map(is_outside, arguments[: CHANGES[event]])):
            raise PermissionError(f"an answer may not change files outside its folder ({event})")

    sys.addaudithook(watch)


def _limit_resources() -> None:
    """No core dumps, no endless files, no endless processes, where the system has such limits."""
    with suppress(ImportError):  # Windows has none
        import resource

        import psutil

        mine = os.getuid()
        running = 0
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                running += process.num_threads() if process.uids().real == mine else 0
        limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: FILE, resource.RLIMIT_NPROC: running + PROCESSES}
        for limit, value in limits.items():
            _, hard = resource.getrlimit(limit)
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            with suppress(OSError, ValueError):
                resource.setrlimit(limit, (value, value))

"""What a student has done, kept over restarts in one SQLite file."""

from __future__ import annotations

import getpass
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import files
from ..files import LabError
from .aliases import current_name

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    student TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, at TEXT NOT NULL
)"""
KINDS = ("verdict", "hint", "solution", "answer")


def student() -> str:
    """The student's name: RLHF_STUDENT, or the user's name on this computer."""
    if name := os.environ.get("RLHF_STUDENT"):
        return name
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user, as in some containers
        return "student"


class Progress:
    """The events of one student, in order: verdicts of exercises, hints and solutions opened, answers to questions."""

    def __init__(self, path: Path | None = None, name: str | None = None) -> None:
        self.path = path or files.work() / "progress.sqlite"
        self.student = name or student()

    def add(self, kind: str, name: str, value: Any) -> None:
        """Keep an event.

        Args:
            kind: one of KINDS.
            name: of the exercise or question; a former one will do.
            value: anything that JSON can hold.

        Raises:
            LabError: it cannot be written.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}: use one of {', '.join(KINDS)}")
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._connection() as connection, connection:
            row = (self.student, current_name(name), kind, json.dumps(value), now)
            connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", row)

    def values(self, kind: str, name: str) -> list[Any]:
        """All values of this kind that were kept for an exercise or question, the oldest first.

        Raises:
            LabError: the file cannot be read.
        """
        return self.all(kind).get(current_name(name), [])

    def all(self, kind: str) -> dict[str, list[Any]]:
        """The values of every exercise or question under its name of today, also those kept under a former one.

        Raises:
            LabError: the file cannot be read.
        """
        found: dict[str, list[Any]] = {}
        if not self.path.exists():
            return found
        query = "SELECT name, value FROM events WHERE student = ? AND kind = ? ORDER BY rowid"
        with self._connection() as connection:
            for name, value in connection.execute(query, (self.student, kind)):
                found.setdefault(current_name(name), []).append(json.loads(value))
        return found

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=10)
            connection.execute(SCHEMA)
            yield connection
        except (sqlite3.Error, OSError) as error:
            raise LabError(
                f"{files.shown(self.path)}: cannot keep progress ({error}); check whether the disk is full or the file "
                f"may not be written; if not, move the file away"
            ) from None
        finally:
            if connection is not None:
                connection.close()

"""Where people's labels are kept: one SQLite file, one transaction a label, nothing ever overwritten.

A label counts as given when `add` has returned, and from then on it survives a killed kernel and a power cut
(`synchronous = EXTRA`). Several kernels may write at once: each takes the file's lock for a few milliseconds.
The journal is SQLite's oldest, not WAL, which needs memory that all writers share: homes on a network have none.

An undo is an event of its own: the label stays and counts no more. The texts are stored beside the labels, for a
label without its texts is worth nothing.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from .. import files
from ..files import LabError, one_line
from ..preferences import Pair

SCHEMA_VERSION = 1
APPLICATION = 0x524C4846  # "RLHF": SQLite's own place for saying whose file this is
STRENGTHS = {1: "negligibly better or unsure", 2: "slightly better", 3: "better", 4: "significantly better"}
RATINGS = range(1, 8)
Kind = Literal["labels", "ratings"]  # the tables of answers
Side = Literal["a", "b"]  # a completion of a pair
Choice = Literal["a", "b", "tie", "skip"]
SMALLEST = 512  # bytes of the smallest database; SQLite takes what is shorter for a new one
DAMAGED = "the database is damaged; keep a copy, move it away and go on with a new one"

SCHEMA = (
    """CREATE TABLE pairs (
        digest TEXT PRIMARY KEY, id TEXT NOT NULL, prompt TEXT NOT NULL, completion_a TEXT NOT NULL,
        completion_b TEXT NOT NULL, source TEXT NOT NULL)""",
    """CREATE TABLE labels (
        number INTEGER PRIMARY KEY AUTOINCREMENT, pair TEXT NOT NULL, digest TEXT NOT NULL REFERENCES pairs,
        annotator TEXT NOT NULL, session TEXT NOT NULL, left TEXT CHECK (left IN ('a', 'b')),
        choice TEXT NOT NULL CHECK (choice IN ('a', 'b', 'tie', 'skip')),
        strength INTEGER NOT NULL CHECK (strength BETWEEN 0 AND 4 AND (strength > 0) = (choice IN ('a', 'b'))),
        seconds REAL, created TEXT NOT NULL, repeat INTEGER NOT NULL)""",
    """CREATE TABLE ratings (
        number INTEGER PRIMARY KEY AUTOINCREMENT, pair TEXT NOT NULL, digest TEXT NOT NULL REFERENCES pairs,
        side TEXT NOT NULL CHECK (side IN ('a', 'b')), annotator TEXT NOT NULL, session TEXT NOT NULL,
        rating INTEGER NOT NULL CHECK (rating BETWEEN 1 AND 7), seconds REAL, created TEXT NOT NULL)""",
    """CREATE TABLE undone (
        kind TEXT NOT NULL CHECK (kind IN ('labels', 'ratings')), number INTEGER NOT NULL, session TEXT NOT NULL,
        created TEXT NOT NULL, PRIMARY KEY (kind, number))""",
)


class AlreadyAnswered(LabError):
    """The question was answered meanwhile, in another window or another kernel."""


@dataclass(frozen=True)
class Label:
    """One answer to "which of the two is better?".

    Attributes:
        pair: the two texts.
        annotator: who answered.
        session: in which it was answered.
        left: the completion that was shown first, on the left; None if that is not known (an imported label).
        choice: the better one, or neither, or no judgment.
        strength: Llama 2's four points (Touvron et al. 2023, 3.2.1): 4 significantly better ... 1 negligibly better or
            unsure; 0 with a tie or skip.
        seconds: from question to answer.
        repeat: how many answers of the annotator to this pair came before.
        created: UTC, ISO 8601; given by the store.
        number: given by the store.

    Raises:
        ValueError: there is no such answer.
    """

    pair: Pair
    annotator: str
    session: str
    left: Side | None
    choice: Choice
    strength: int = 0
    seconds: float | None = None
    repeat: int = 0
    created: str = ""
    number: int = 0

    def __post_init__(self) -> None:
        if self.choice not in ("a", "b", "tie", "skip"):
            raise ValueError(f"a choice is a, b, tie or skip, not {self.choice!r}")
        if self.strength not in (STRENGTHS if self.choice in ("a", "b") else (0,)):
            raise ValueError(f"a {self.choice} cannot have the strength {self.strength!r}")


@dataclass(frozen=True)
class TextRating:
    """One absolute rating, 1 (worst) to 7, of one completion (`side`) of a pair.

    Raises:
        ValueError: there is no such rating or side.
    """

    pair: Pair
    side: Side
    annotator: str
    session: str
    rating: int
    seconds: float | None = None
    created: str = ""
    number: int = 0

    def __post_init__(self) -> None:
        if self.side not in ("a", "b") or self.rating not in RATINGS:
            raise ValueError(f"a rating is 1 to 7, of a or b; not {self.rating!r} of {self.side!r}")


AnyAnswer = TypeVar("AnyAnswer", Label, TextRating)


class Answer(NamedTuple):
    """What a session needs to know of an answer: the pair's digest, the choice (or the side rated), who gave it."""

    digest: str
    what: str
    session: str


def pair_digest(pair: Pair) -> str:
    """SHA-256 of prompt and both completions, a before b: what a label is a label of, whatever the pair's id."""
    texts = json.dumps([pair.prompt, pair.completion_a, pair.completion_b])
    return hashlib.sha256(texts.encode()).hexdigest()


class LabelStore:
    """The labels and ratings in a file; the first label makes it.

    Every method raises LabError where the file is no label store, was made by a newer version of the labs, is
    damaged or cannot be written.

    Args:
        path: default: `work/labels.sqlite`.
        timeout: seconds to wait for another program that is writing.
    """

    def __init__(self, path: Path | str | None = None, timeout: float = 10.0) -> None:
        self.path = Path(path) if path is not None else files.work() / "labels.sqlite"
        self.timeout = timeout

    def add(self, label: Label) -> Label:
        """Keep a label; once this returns, it is on disk.

        Returns:
            The label with its number and date.

        Raises:
            AlreadyAnswered: the annotator has given another number of answers to the pair than `repeat`.
        """
        with self._transaction() as db:
            given = db.execute(
                f"SELECT count(*) FROM labels WHERE annotator = ? AND digest = ? AND {_live('labels')}",
                (label.annotator, pair_digest(label.pair)),
            ).fetchone()[0]
            if given != label.repeat:
                raise AlreadyAnswered("this pair was labeled in another window meanwhile; the next one is shown")
            return self._insert(db, "labels", label, ("left", "choice", "strength", "seconds", "repeat"))

    def add_rating(self, rating: TextRating) -> TextRating:
        """Keep a rating, as `add`.

        Raises:
            AlreadyAnswered: the annotator has rated the text.
        """
        with self._transaction() as db:
            if db.execute(
                f"SELECT 1 FROM ratings WHERE annotator = ? AND digest = ? AND side = ? AND {_live('ratings')}",
                (rating.annotator, pair_digest(rating.pair), rating.side),
            ).fetchone():
                raise AlreadyAnswered("this text was rated in another window meanwhile; the next one is shown")
            return self._insert(db, "ratings", rating, ("side", "rating", "seconds"))

    def labels(self, annotator: str | None = None, undone: bool = False) -> list[Label]:
        """The labels of one annotator or of all, in the order they were given; with `undone`, only those undone."""
        names = ("annotator", "session", "left", "choice", "strength", "seconds", "repeat", "created", "number")
        return self._rows("labels", annotator, undone, lambda pair, row: Label(pair, *(row[name] for name in names)))

    def ratings(self, annotator: str | None = None, undone: bool = False) -> list[TextRating]:
        """The ratings, as `labels`."""
        names = ("side", "annotator", "session", "rating", "seconds", "created", "number")
        return self._rows(
            "ratings", annotator, undone, lambda pair, row: TextRating(pair, *(row[name] for name in names))
        )

    def answers(self, kind: Kind, annotator: str) -> list[Answer]:
        """The annotator's answers without their texts, in the order they were given."""
        if not os.path.exists(self.path):
            return []
        with self._transaction("DEFERRED") as db:
            rows = db.execute(
                f"SELECT digest, {'choice' if kind == 'labels' else 'side'}, session FROM {kind} "
                f"WHERE annotator = ? AND {_live(kind)} ORDER BY number",
                (annotator,),
            )
            return [Answer(*row) for row in rows]

    def undo(self, session: str, kind: Kind = "labels") -> int | None:
        """Record that the session takes its last answer back; the number of that answer, None if there is none."""
        with self._transaction() as db:
            (last,) = db.execute(
                f"SELECT max(number) FROM {kind} WHERE session = ? AND {_live(kind)}", (session,)
            ).fetchone()
            if last is not None:
                db.execute("INSERT INTO undone VALUES (?, ?, ?, ?)", (kind, last, session, _now()))
        return last

    def _insert(self, db: sqlite3.Connection, table: Kind, answer: AnyAnswer, columns: tuple[str, ...]) -> AnyAnswer:
        pair, digest, created = answer.pair, pair_digest(answer.pair), _now()
        db.execute(
            "INSERT OR IGNORE INTO pairs VALUES (?, ?, ?, ?, ?, ?)",
            (digest, pair.id, pair.prompt, pair.completion_a, pair.completion_b, pair.source),
        )
        values = {"pair": pair.id, "digest": digest, "annotator": answer.annotator, "session": answer.session}
        values |= {column: getattr(answer, column) for column in columns} | {"created": created}
        places = ", ".join(f":{column}" for column in values)
        cursor = db.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", values)
        return replace(answer, created=created, number=cursor.lastrowid or 0)  # after an INSERT it is never None

    def _rows(
        self, table: Kind, annotator: str | None, undone: bool, made: Callable[[Pair, sqlite3.Row], AnyAnswer]
    ) -> list[AnyAnswer]:
        if not os.path.exists(self.path):
            return []
        with self._transaction("DEFERRED") as db:
            rows = db.execute(
                f"SELECT * FROM {table} JOIN pairs USING (digest) WHERE {'NOT' if undone else ''} ({_live(table)})"
                " AND (:who IS NULL OR annotator = :who) ORDER BY number",
                {"who": annotator},
            ).fetchall()
        texts, where = ("pair", "prompt", "completion_a", "completion_b", "source"), files.shown(self.path)
        try:
            return [made(Pair(*(row[name] for name in texts), where=where), row) for row in rows]
        except ValueError as error:  # no answer that `add` would have taken
            raise LabError(f"{where}: {DAMAGED} ({error})") from None

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        """A connection with one transaction, committed at the end of the body and undone if it raises."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=self.timeout, isolation_level=None)) as db:
                db.row_factory = sqlite3.Row
                db.execute("PRAGMA synchronous = EXTRA")
                db.execute(f"BEGIN {kind}")
                self._check_schema(db)
                yield db
                db.execute("COMMIT")
        except (sqlite3.Error, OSError, UnicodeError) as error:
            raise LabError(f"{files.shown(self.path)}: {_problem(error)}") from None

    def _check_schema(self, db: sqlite3.Connection) -> None:
        """Make the tables of a new file; LabError for a file that this version must not touch."""
        application, version = (
            db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        empty = not db.execute("SELECT 1 FROM sqlite_master").fetchone()
        if empty and 0 < self.path.stat().st_size < SMALLEST:
            raise LabError(f"{files.shown(self.path)}: {DAMAGED} (it is cut off)")
        if empty and (application, version) == (0, 0):
            for statement in SCHEMA:
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION}")
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        elif application != APPLICATION:
            raise LabError(f"{files.shown(self.path)}: a database, but not of labels; give another path")
        elif version > SCHEMA_VERSION:
            raise LabError(
                f"{files.shown(self.path)}: written by a newer version of these labs (schema {version}, this one knows "
                f"{SCHEMA_VERSION}); update the labs, or set RLHF_WORK to another folder"
            )


def _live(table: str) -> str:
    """SQL: the answer has not been taken back."""
    return f"number NOT IN (SELECT number FROM undone WHERE kind = '{table}')"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _problem(error: Exception) -> str:
    """What is wrong, and what to do."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith("SQLITE_NOTADB"):
        return "not a database of labels; move the file away, or give another path"
    if name.startswith("SQLITE_CORRUPT") or isinstance(error, UnicodeError):
        return DAMAGED
    if name.startswith("SQLITE_FULL") or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return "no space left on the disk; free some and try again; what was saved before is untouched"
    if name.startswith("SQLITE_BUSY"):
        return "another program has held the file for too long; close it and try again"
    return (
        f"cannot be read or written ({one_line(str(error), 160)}); check its permissions and the space on its disk, "
        f"or set RLHF_WORK to a folder of your own"
    )

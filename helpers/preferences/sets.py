"""Preference sets: the shipped one, files in any schema of the field, and sets of the Hugging Face Hub."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import Any

from .. import files
from ..files import SPLITS, LabError, one_line
from .conversion import has_equal_scores, our_split, preference_of
from .own_files import read_natural_pairs, read_preferences, read_rows, row_of
from .reading import LeftOut, PreferenceSet, Reading, Tie
from .record_files import Record
from .rows import Pair, Preference, at, check_unique_ids
from .schemas import Schema, guess_schema, unused_columns
from .sources import HUB_NAME, Source, open_source

GUESS_FROM = 16  # the records that the schema is guessed from; a line may have 32 MiB
MAX_DIGESTS = 2_000_000  # rows whose digests are kept, to know ids and pairs that repeat: about 70 bytes each

OWN = Schema("the project's own", {"split": "split"})
_OWN_ONLY = {"id", "source", "annotator", "split"}  # three of them and a strength tell the project's own rows


def load_preferences(
    source: str | Path | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    split: str | None = None,
    limit: int | None = None,
    strict: bool = False,
) -> PreferenceSet:
    """Preference pairs from anywhere: a list, whose `.reading` says what became of which column and what was left out.

    Args:
        source: The shipped pairs, all (None) or of one split ("train", "validation", "test"); a .jsonl, .json, .csv
            or .parquet file, also as .gz; a folder of such files; or a set of the Hugging Face Hub, "owner/name" or
            "owner/name:config". The schema is guessed; print the result to see the guess.
        columns: What the guess must take, our field -> their column, such as {"prompt": "question", "chosen": "best",
            "rejected": "worst"} or {"first": "answer_1", "second": "answer_2", "choice": "winner"}; "a.b" is b
            inside a.
        split: Only this one, by the set's name of it or by the project's.
        limit: The most pairs.
        strict: Raise at the first record that would be left out. Files of the project's own rows are always read so.

    Raises:
        LabError: Something cannot be read, there is no such column, or no pair is found; the message says where.
    """
    if source is None or source in SPLITS:
        return _shipped(source, split, limit)
    _check_source(source)
    reading = Reading()
    rows = stream_preferences(source, columns=columns, split=split, limit=limit, strict=strict, reading=reading)
    return PreferenceSet(rows, reading)


def stream_preferences(
    source: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    split: str | None = None,
    limit: int | None = None,
    strict: bool = False,
    reading: Reading | None = None,
) -> Iterator[Preference]:
    """The pairs of `load_preferences` one by one, for sets that do not fit in memory.

    Each id comes once: an id that repeats gets its record's number added. Exact duplicates are looked for among the
    first two million pairs.

    Args:
        source: As for `load_preferences`, but no shipped pairs.
        columns: As for `load_preferences`.
        split: As for `load_preferences`.
        limit: As for `load_preferences`.
        strict: As for `load_preferences`.
        reading: Fills as the pairs come.

    Raises:
        LabError: As for `load_preferences`.
        ValueError: The limit is below 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"limit must be at least 1, not {limit}")
    _check_source(source)
    reading = Reading() if reading is None else reading
    opened = open_source(source)
    reading.source, reading.license = opened.name, opened.license
    pairs = _Pairs(opened, dict(columns or {}), split, strict, reading)
    yield from islice(pairs, limit)


def read_pairs(source: str | Path = "natural") -> list[Pair]:
    """Pairs to label.

    Args:
        source: "natural": varied posts with two summaries each, written for these labs; or whatever
            `load_preferences` reads. A .jsonl file may hold `Pair` rows as well.

    Raises:
        LabError: See `load_preferences`.
    """
    if source == "natural":
        return read_natural_pairs()
    if Path(source).suffix == ".jsonl":
        first = next(open_source(source).parts[0].records)
        if first.values is not None and "completion_a" in first.values:
            return read_rows(source, Pair)
    return [Pair.of(row) for row in load_preferences(source)]


def _shipped(source: str | None, split: str | None, limit: int | None) -> PreferenceSet:
    if split is not None and (split not in SPLITS or source not in (None, split)):
        raise LabError(f"no split {split!r} in {source or 'the shipped pairs'}: use one of {', '.join(SPLITS)}")
    rows: list[Preference] = []
    wanted = source or split
    for name in SPLITS if wanted is None else [wanted]:
        for row in read_preferences(files.data() / "preferences" / f"{name}.jsonl"):
            if row.split != name:
                raise LabError(f'{at(row)}field "split" is "{row.split}" in the file of {name}; move it')
            rows.append(row)
    check_unique_ids(rows)
    rows = rows[:limit]
    splits = {name: n for name in SPLITS if (n := sum(row.split == name for row in rows))}
    reading = Reading(
        files.shown(files.data() / "preferences"),
        OWN.name,
        license="mit",
        splits=splits,
        n_read=len(rows),
        n_pairs=len(rows),
    )
    reading.n_duplicates = len(rows) - len({_digest(row.prompt, row.chosen, row.rejected) for row in rows})
    return PreferenceSet(rows, reading)


def _check_source(source: str | Path) -> None:
    name = str(source)
    if "\0" in name or not (Path(name).suffix or os.path.exists(name) or HUB_NAME.fullmatch(name)):
        raise LabError(
            f"unknown split {one_line(name)!r}: use one of {', '.join(SPLITS)}, or the path of a .jsonl, .json, .csv "
            f"or .parquet file, or a Hub set's owner/name"
        )


class _Pairs:
    """The pairs of an opened source. It guesses the schema from the first records, and fills the reading.

    OWN is the schema of the project's own rows, which are read strictly.
    """

    def __init__(
        self, source: Source, columns: dict[str, str], split: str | None, strict: bool, reading: Reading
    ) -> None:
        self.source, self.columns, self.split, self.strict, self.reading = source, columns, split, strict, reading
        self.stem = Path(source.name).name.split(".")[0]  # what ids begin with if there is no split
        self.ids, self.pairs = _Digests(), _Digests()

    def __iter__(self) -> Iterator[Preference]:
        schema: Schema | None = None
        numbers: dict[str, int] = {}
        for split, records in self.source.parts:
            if schema is None:
                schema, records = self._guess(records)
            if self._is_other(schema, split):
                self.reading.splits.setdefault(split, 0)
                continue
            for record in records:
                number = numbers[split] = numbers.get(split, 0) + 1
                if (row := self._row(schema, record, split, number)) is not None:
                    yield row
        if not self.reading.n_pairs:
            raise LabError(self._nothing())

    def _guess(self, records: Iterator[Record]) -> tuple[Schema, Iterator[Record]]:
        """The schema of the records, and the same records: it takes a look at the first of them."""
        head = list(islice(records, GUESS_FROM))
        values = [record.values for record in head if record.values is not None]
        if not values:
            first = head[0] if head else Record(self.source.name, None, "no records")
            raise LabError(f"{first.where}: {first.problem}; the set must begin with a record that can be read")
        if not self.columns and "strength" in values[0] and len(_OWN_ONLY & values[0].keys()) >= 3:
            schema = OWN
        else:
            try:
                schema = guess_schema(values, self.columns)
            except LabError as error:
                raise LabError(f"{self.source.name}: {error}") from None
            self.reading.columns = dict(schema.columns)
            self.reading.unused = unused_columns(values, schema)
        self.reading.schema = schema.name
        return schema, chain(head, records)

    def _is_other(self, schema: Schema, split: str) -> bool:
        """Whether nothing of this part is wanted, as its name says: rows that say their split themselves may be."""
        return self.split not in (None, split, our_split(split)) and "split" not in schema.columns

    def _row(self, schema: Schema, record: Record, split: str, number: int) -> Preference | None:
        """The pair that a record is; None if it is left out, which the reading counts."""
        reading = self.reading
        values = record.values
        try:
            if values is None:
                raise LeftOut(record.problem)
            if schema is OWN:
                row = row_of(_own_values(values, self.source.is_csv), Preference, record.where)
            else:
                place = f"{split or self.stem}-{number:05d}"
                row = preference_of(values, schema, id=place, split=split, where=record.where)
            name = row.split if "split" in schema.columns else split
            if self.split not in (None, row.split, name):
                reading.splits.setdefault(name, 0)
                return None
        except Tie:
            reading.n_read += 1
            reading.n_ties += 1
            return None
        except LeftOut as reason:
            if self.strict or schema is OWN:
                raise LabError(
                    f"{record.where}: {record.detail or f'{reason}; correct the record or remove it'}"
                ) from None
            reading.n_read += 1
            reading.leave_out(str(reason), record.where)
            return None
        reading.n_read += 1
        reading.n_pairs += 1
        reading.splits[name] = reading.splits.get(name, 0) + 1
        reading.n_duplicates += self.pairs.repeats(_digest(row.prompt, row.chosen, row.rejected))
        reading.n_equal_scores += has_equal_scores(values, schema)
        return self._with_unique_id(schema, row, number)

    def _with_unique_id(self, schema: Schema, row: Preference, number: int) -> Preference:
        if not self.ids.repeats(_digest(row.id)):
            return row
        if schema is OWN:
            raise LabError(f'{row.where}: field "id": {row.id!r} is used twice; give each row an id of its own')
        new = f"{row.id}-{number}"
        while self.ids.repeats(_digest(new)):
            new += "-again"
        return replace(row, id=new)

    def _nothing(self) -> str:
        reading = self.reading
        if not reading.n_read:
            return f"{reading.source}: no split {self.split!r}; it has {', '.join(map(repr, reading.splits)) or 'none'}"
        why = "; ".join(reading.lines()[1:])
        return f"{reading.source}: no pair in {reading.n_read:,} records. {why}"


def _own_values(values: Mapping[str, Any], is_csv: bool) -> dict[str, Any]:
    """A row of the project's own form as its JSONL has it: CSV knows only text, and Parquet has null for no turns."""
    values = dict(values)
    if is_csv:
        with suppress(ValueError, TypeError):  # what is no number stays as it is, for the row's own check to name
            values["strength"] = int(values["strength"]) if values["strength"] else None
        with suppress(ValueError, TypeError, RecursionError):
            values["turns"] = json.loads(values["turns"]) if values.get("turns") else None
    if values.get("turns", ()) is None:
        del values["turns"]
    return values


class _Digests:
    """Digests, up to a bound that limits memory: beyond it, a new digest is not kept, and so never repeats."""

    def __init__(self) -> None:
        self.digests: set[int] = set()

    def repeats(self, digest: int) -> bool:
        """Whether the digest came before; if not, it is kept."""
        if digest in self.digests:
            return True
        if len(self.digests) < MAX_DIGESTS:
            self.digests.add(digest)
        return False


def _digest(*texts: str) -> int:
    """64 bits of the texts and of where one ends and the next begins."""
    digest = blake2b(digest_size=8)
    for text in texts:
        content = text.encode()
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return int.from_bytes(digest.digest(), "little")

"""Records of files: JSONL, JSON, CSV and Parquet, plain or gzipped.

A record that cannot be read is handed on with its place and the reason; a file that cannot be read raises
`LabError`. Files are read piece by piece, so memory is bounded by the longest line, not by the file; only JSON must
be read whole. Nothing that a file says is executed.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..files import BadLine, LabError, one_line, parse_line, shown

MAX_LINE = 32 * 2**20  # bytes of one JSONL line or one CSV row
MAX_JSON = 64 * 2**20  # bytes of a JSON file, which Python's objects make about twenty times larger at the worst
MAX_PARQUET = 8 * 2**30  # bytes that a gzipped Parquet file may unpack to, in a temporary file
BATCH = 256  # records of a Parquet file at once

SUFFIXES = (".parquet", ".jsonl", ".csv", ".json")  # in a folder that has several kinds, the first kind is taken


class Record(NamedTuple):
    """One record of a set.

    Attributes:
        where: "file:line", "file:row" or "set[split]:row", counted from 1.
        values: Its columns; None if it cannot be read.
        problem: Why it cannot be read.
        detail: What is wrong, at which byte or column.
    """

    where: str
    values: Mapping[str, Any] | None
    problem: str = ""
    detail: str = ""


def record_of(values: Any, where: str) -> Record:
    """The record that has these values; one that cannot be read if they are no columns."""
    return Record(where, values) if isinstance(values, dict) else Record(where, None, "not an object with columns")


def file_kind(path: Path) -> str | None:
    """The suffix that says how to read a file, without .gz; None for one that says nothing."""
    suffix = Path(path.stem).suffix if path.suffix.lower() == ".gz" else path.suffix
    return suffix.lower() if suffix.lower() in SUFFIXES else None


def read_records(path: Path) -> Iterator[Record]:
    """The records of a file, read as its suffix says; as JSONL if it says nothing.

    Raises:
        LabError: The file cannot be read; the message says why and what to do.
    """
    read: Callable[[Path], Iterator[Record]] = {".json": _json, ".csv": _csv, ".parquet": _parquet}.get(
        file_kind(path) or "", _jsonl
    )
    try:
        yield from read(path)
    except FileNotFoundError:
        raise LabError(f"{shown(path)}: no such file; check the path, which starts at {Path.cwd()}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LabError(
            f"{shown(path)}: the gzip file is cut off or damaged ({error}); copy or download it again"
        ) from None
    except (OSError, UnicodeEncodeError) as error:  # UnicodeEncodeError: half of a character in the name
        reason = getattr(error, "strerror", None) or "no name of a file"
        raise LabError(f"{shown(path)}: cannot be read ({reason}); give another file") from None


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedIOBase]:
    """A file's bytes, unpacked if they are gzipped, whatever its name says; a byte order mark is skipped."""
    with open(path, "rb") as file:
        packed = file.peek(2)[:2] == b"\x1f\x8b"
        content = gzip.GzipFile(fileobj=file) if packed else file
        start = content.peek(3)[:3]
        if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise LabError(f"{shown(path)}: the file is in UTF-16; save it with the encoding UTF-8")
        if start == b"\xef\xbb\xbf":  # some editors put this mark before UTF-8
            content.read(3)
        yield content


def _lines(path: Path, file: io.BufferedIOBase) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, numbered from 1."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise LabError(
                f"{shown(path)}:{number}: the line is longer than {MAX_LINE // 2**20} MiB; a line must be one record"
            )
        yield number, line
    if not number:
        raise LabError(f"{shown(path)}: the file is empty; it must hold one record a line")


def _jsonl(path: Path) -> Iterator[Record]:
    name = shown(path)
    with _opened(path) as file:
        for number, line in _lines(path, file):
            if line.strip():
                yield _parsed(line.rstrip(b"\r\n"), f"{name}:{number}")


def _parsed(line: bytes, where: str) -> Record:
    try:
        return record_of(parse_line(line), where)
    except BadLine as error:
        return Record(where, None, error.kind, str(error))


def _json(path: Path) -> Iterator[Record]:
    """A list of records, {"data": [...]}, or records line by line, which many sets call .json too."""
    with _opened(path) as file:
        content = file.read(MAX_JSON + 1)
    if len(content) > MAX_JSON:
        first, _, rest = content.partition(b"\n")
        if rest and isinstance(_parsed(first, "").values, dict):
            yield from _jsonl(path)
            return
        raise LabError(
            f"{shown(path)}: a JSON file is read whole and may have at most {MAX_JSON // 2**20} MiB; save it as "
            f"JSONL (one record a line) or Parquet, which are read piece by piece"
        )
    if not content.strip():
        raise LabError(f"{shown(path)}: the file is empty; it must hold a list of records")
    try:
        values = json.loads(content.decode())
    except UnicodeDecodeError as error:
        raise LabError(
            f"{shown(path)}: byte {error.start + 1} (0x{content[error.start]:02x}) is not UTF-8; "
            f"save the file with the encoding UTF-8"
        ) from None
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            yield from _jsonl(path)
            return
        raise LabError(
            f"{shown(path)}:{error.lineno}: invalid JSON at column {error.colno} ({error.msg}); "
            f"the file must be a list of records"
        ) from None
    except (ValueError, RecursionError):
        raise LabError(f"{shown(path)}: invalid JSON: a number is too long, or brackets are too deep") from None
    del content
    if isinstance(values, dict):
        values = values["data"] if isinstance(values.get("data"), list) else [values]
    if not isinstance(values, list) or not values:
        raise LabError(f'{shown(path)}: the file must be a list of records, or {{"data": [...]}}')
    name = shown(path)
    for number, value in enumerate(values, start=1):
        yield record_of(value, f"{name}:{number}")


def _csv(path: Path) -> Iterator[Record]:
    """Rows under a header. A row's place is the line it begins on."""
    name = shown(path)
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    with _opened(path) as file:
        lines = _CsvLines(path, file)
        rows = csv.reader(lines, strict=True)
        header: list[str] | None = None
        while True:
            start = lines.next_row()
            where = f"{name}:{start}"
            try:
                row = next(rows, None)
            except csv.Error as error:
                raise LabError(
                    f"{where}: not a row of CSV ({error}); quote texts that hold commas, quotes or line breaks"
                ) from None
            if row is None:
                break
            if not row:
                continue
            if header is None:
                header = _header(row, where)
            elif any(map(_is_undecoded, row)):
                yield Record(where, None, "not UTF-8")
            elif len(row) != len(header):
                yield Record(where, None, "not as many cells as the header has")
            else:
                yield Record(where, dict(zip(header, row, strict=True)))


class _CsvLines:
    """The lines of a CSV file as text, with a bound on the length of the row they make up."""

    def __init__(self, path: Path, file: io.BufferedIOBase) -> None:
        self.path, self.lines = path, _lines(path, file)
        self.number, self.start, self.length = 0, 1, 0

    def next_row(self) -> int:
        """Begin a new row, and return the number of its first line."""
        self.start, self.length = self.number + 1, 0
        return self.start

    def __iter__(self) -> _CsvLines:
        return self

    def __next__(self) -> str:
        self.number, line = next(self.lines)
        self.length += len(line)
        if self.length > MAX_LINE:
            raise LabError(
                f"{shown(self.path)}:{self.start}: the row that begins here is longer than {MAX_LINE // 2**20} MiB; "
                f"look for a quotation mark that is not closed"
            )
        return line.decode(errors="surrogateescape")  # so that one bad byte costs one row


def _header(row: list[str], where: str) -> list[str]:
    if any(map(_is_undecoded, row)):
        raise LabError(f"{where}: the header is not UTF-8; save the file with the encoding UTF-8")
    if len(set(row)) < len(row):
        twice = next(name for name in row if row.count(name) > 1)
        raise LabError(f'{where}: the header has the column "{one_line(twice, 40)}" twice; give each a name of its own')
    return row


def _is_undecoded(text: str) -> bool:
    return not text.isascii() and re.search("[\udc80-\udcff]", text) is not None


def _parquet(path: Path) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    name = shown(path)
    with open(path, "rb") as file, tempfile.TemporaryFile() as unpacked:
        packed = file.peek(2)[:2] == b"\x1f\x8b"
        if packed:
            _unpack(path, file, unpacked)
        try:
            with pq.ParquetFile(unpacked if packed else file, pre_buffer=False) as table:
                number = 0
                for batch in table.iter_batches(batch_size=BATCH):
                    for values in _batch(batch):
                        number += 1
                        where = f"{name}:{number}"
                        yield Record(where, values, "" if values is not None else "a cell is not UTF-8 or out of range")
        except (pa.ArrowException, pa.ArrowInvalid, OSError, EOFError) as error:
            reason = one_line(str(error).splitlines()[0], 120) if str(error) else type(error).__name__
            raise LabError(
                f"{shown(path)}: not a Parquet file that can be read ({reason}); copy or download it again"
            ) from None
    if not number:
        raise LabError(f"{shown(path)}: the file is empty; it must hold at least one record")


def _batch(batch: Any) -> Iterator[dict[str, Any] | None]:
    """The rows of a batch; None for one that Python cannot hold: text that is not UTF-8, dates before the year 1."""
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError):
        for i in range(batch.num_rows):
            try:
                yield from batch.slice(i, 1).to_pylist()
            except (ValueError, OverflowError):
                yield None


def _unpack(path: Path, file: BinaryIO, unpacked: BinaryIO) -> None:
    """Unpack a gzipped file into another, up to a bound: Parquet is read from its end."""
    length = 0
    with gzip.GzipFile(fileobj=file) as packed:
        while piece := packed.read(2**20):
            length += len(piece)
            if length > MAX_PARQUET:
                raise LabError(f"{shown(path)}: unpacked it has more than {MAX_PARQUET // 2**30} GiB; give it unpacked")
            unpacked.write(piece)
    unpacked.seek(0)

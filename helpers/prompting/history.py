"""The history of what was generated: one record a generation, in a JSONL file that a killed process leaves whole."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..files import LabError, atomic_write, shown, write_jsonl

COLUMNS = ("time", "model", "template", "slots", "prompt", "decoding", "seed", "completion", "next_tokens")


class History:
    """Records in the order they came: dicts with the keys COLUMNS, of plain values.

    In a record, `time` is UTC in ISO 8601; `slots` maps each slot to its value; `decoding` is what
    `LanguageModel.stream` was given, but for the seed; `next_tokens` are (token, probability) pairs, the most probable
    first tokens of the completion.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a record and flush it to the disk.

        Raises:
            LabError: The file cannot be written.
        """
        line = (json.dumps(record, ensure_ascii=False) + "\n").encode(errors="replace")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a+b", buffering=0) as file:
                if file.seek(0, os.SEEK_END):
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":  # the disk was full in the middle of the line before
                        line = b"\n" + line
                if file.write(line) < len(line):
                    raise OSError("no space left on the disk")
                os.fsync(file.fileno())
        except OSError as error:
            raise LabError(
                f"{shown(self.path)} cannot be written ({error.strerror or error}): free space, or give another file"
            ) from None

    def records(self) -> list[dict[str, Any]]:
        """All records, those of earlier sessions too. A line that a full disk cut off is left out.

        Raises:
            LabError: There is a file, and it cannot be read.
        """
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise LabError(f"{shown(self.path)} cannot be read ({error.strerror}): give another file") from None
        return [record for record in map(_record, lines) if record is not None]

    def table(self) -> pd.DataFrame:
        """The records as rows; columns COLUMNS."""
        return pd.DataFrame(self.records(), columns=list(COLUMNS))

    def export(self, path: Path | str) -> int:
        """Write the records as CSV or JSONL, by the suffix of `path`.

        JSONL has them as they are. In CSV slots, decoding and next_tokens are JSON, and a text that a spreadsheet
        could take for a formula, because it begins with = + - @ (after any space), gets an apostrophe before it; so
        does one that begins with an apostrophe, so that taking one off such texts gives back the original.

        Returns:
            How many records there are.

        Raises:
            LabError: The path has another suffix, is the history's own file, or cannot be written.
        """
        path, records = Path(path), self.records()
        if path.suffix not in (".csv", ".jsonl"):
            raise LabError(f"{shown(path)}: an export is CSV or JSONL; end the name with .csv or .jsonl")
        if path.resolve() == self.path.resolve():
            raise LabError(f"{shown(path)} is the history itself; export to another name")
        if path.suffix == ".jsonl":
            write_jsonl(path, records)
        else:
            cells = pd.DataFrame([[_cell(r.get(column)) for column in COLUMNS] for r in records], columns=list(COLUMNS))
            atomic_write(path, cells.to_csv(index=False, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n"))
        return len(records)


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _cell(value: Any) -> Any:
    if isinstance(value, (Mapping, Sequence)) and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", "'")):
        return f"'{value}"
    return value

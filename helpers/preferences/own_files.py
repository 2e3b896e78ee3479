"""The project's own JSONL files: one row a line, read strictly.

Whatever is wrong gives one `LabError` that names the file, the line and the field and says what to do.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .. import files
from ..files import LabError, one_line
from .rows import AnyRow, Demonstration, Pair, Preference, Prompt, Rating, Row, Turn, check_unique_ids

PROMPT_SPLITS = ("train", "heldout")


def read_preferences(path: Path | str) -> list[Preference]:
    """Read a JSONL file of preference pairs.

    Raises:
        LabError: Something in the file is wrong; the message names the file, the line and the field.
    """
    return read_rows(path, Preference)


def read_natural_pairs() -> list[Pair]:
    """The shipped pairs to label.

    Raises:
        LabError: See `read_rows`.
    """
    return read_rows(files.data() / "natural_posts.jsonl", Pair)


def read_prompts(source: str | Path = "train") -> list[Prompt]:
    """The shipped prompts ("train"; "heldout" to evaluate), or those of a .jsonl file.

    Raises:
        LabError: There is no such split, or see `read_rows`.
    """
    if source in PROMPT_SPLITS:
        return read_rows(files.data() / "prompts" / f"{source}.jsonl", Prompt)
    path = Path(source)
    if path.suffix != ".jsonl" and not os.path.exists(path):
        raise LabError(
            f"unknown split {one_line(str(source))!r}: use one of {', '.join(PROMPT_SPLITS)}, or a .jsonl file's path"
        )
    return read_rows(path, Prompt)


def read_demonstrations(path: Path | str | None = None) -> list[Demonstration]:
    """The shipped demonstrations, or those of a .jsonl file.

    Raises:
        LabError: See `read_rows`.
    """
    return read_rows(path or files.data() / "demonstrations.jsonl", Demonstration)


def read_ratings(path: Path | str | None = None) -> list[Rating]:
    """The shipped ratings, or those of a .jsonl file.

    Raises:
        LabError: See `read_rows`.
    """
    return read_rows(path or files.data() / "ratings.jsonl", Rating)


def write_rows(path: Path | str, rows: Iterable[Row]) -> None:
    """Write rows of any one type as JSONL, atomically; equal rows give equal bytes.

    Raises:
        LabError: There are no rows, two rows have one id, or the file cannot be written.
    """
    rows = list(rows)
    if not rows:
        raise LabError(f"{files.shown(path)}: there are no rows to write; a file must hold at least one")
    check_unique_ids(rows)
    files.write_jsonl(path, (row.as_dict() for row in rows))


def read_rows(path: Path | str, row_type: type[AnyRow]) -> list[AnyRow]:
    """The rows of a JSONL file, which all are of one type, and no id twice.

    Raises:
        LabError: The file cannot be read, or a row of it is wrong; the message names the file, the line and the field.
    """
    name = files.shown(path)
    rows = [row_of(values, row_type, f"{name}:{number}") for number, values in files.read_jsonl(path)]
    check_unique_ids(rows)
    return rows


def row_of(values: dict[str, Any], row_type: type[AnyRow], where: str) -> AnyRow:
    """One row from the values of its fields.

    Raises:
        LabError: A field is missing, unknown or wrong; the message names `where` and the field.
    """
    names = [column.name for column in row_type.columns()]
    needed = [column.name for column in row_type.columns() if "turns" not in column.metadata]
    unknown = [name for name in values if name not in names]
    if missing := [name for name in needed if name not in values]:
        similar = difflib.get_close_matches(missing[0], unknown, n=1)
        hint = f'; rename "{one_line(similar[0])}"' if similar else f"; every row needs {', '.join(needed)}"
        raise LabError(f'{where}: field "{missing[0]}" is missing{hint}')
    if unknown:
        raise LabError(f'{where}: field "{one_line(unknown[0])}" is unknown; remove it (known: {", ".join(names)})')
    if "turns" in values:
        values = values | {"turns": _turns(values["turns"])}
    return row_type(**values, where=where)


def _turns(value: Any) -> Any:
    """The turns of a list of objects; what is none stays as it is, for the row's own check to name."""
    try:
        if isinstance(value, list) and all(turn.keys() == {"role", "content"} for turn in value):
            return tuple(Turn(**turn) for turn in value)
    except AttributeError:
        pass
    return value

"""The answers of a prompting grid on disk: a folder with a file for each cell, and one file of shipped cells.

A cell's file is named after its key, the hash of all that decides its answers (`grid.cell_key`), and is written
atomically. A file that is not what was written counts as absent.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from .. import files
from ..files import LabError, is_broken_text, shown


class Cell(NamedTuple):
    """One model with one technique on all items of one task with one seed, by name."""

    model: str
    technique: str
    task: str
    seed: int


def read_cell(path: Path, n: int) -> list[str] | None:
    """The `n` answers in a file of the cache; None if it is not there, or (with a warning) is not what was written."""
    kept = _kept(path)
    if kept and len(kept["answers"]) == n:
        return kept["answers"]
    if path.exists():
        warnings.warn(f"{shown(path)} is damaged, or no file of this cache: its answers are made again", stacklevel=2)
    return None


def _kept(path: Path) -> dict[str, Any] | None:
    """What a file of the cache holds; None if it is not what was written."""
    try:
        content = json.loads(path.read_bytes())
        whole = (content["key"], content["sha256"]) == (path.stem, sha256_of(content["answers"]))
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
    return content if whole and _has_answers(content) and _has_cell(content) else None


def _has_answers(content: dict[str, Any]) -> bool:
    texts = content.get("answers")
    return isinstance(texts, list) and all(_is_text(text) for text in (*texts, content.get("key")))


def _has_cell(content: dict[str, Any]) -> bool:
    cell = content.get("cell")
    if not isinstance(cell, dict):
        return False
    types = [(name, type(value)) for name, value in cell.items()]
    return types == [*get_type_hints(Cell).items()] and all(_is_text(str(value)) for value in cell.values())


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not is_broken_text(value)


def write_cell(path: Path, cell: Cell, answers: Sequence[str]) -> None:
    """Write the answers of a cell to its file, whose name is the cell's key.

    Raises:
        LabError: The file cannot be written.
    """
    content = {"cell": cell._asdict(), "key": path.stem, "sha256": sha256_of(answers), "answers": answers}
    files.atomic_write(path, json.dumps(content, indent=1) + "\n")


def write_shipped(folder: Path, path: Path, keys: Container[str] | None = None) -> None:
    """Add the cells of a cache to one file, a cell a line, for those who shall not have to ask again.

    What is damaged in the cache is left out.

    Args:
        folder: The cache.
        path: The file; its cells stay, as far as they are in `keys`.
        keys: Of the cells to keep in the file; default: all.

    Raises:
        LabError: `path` is no such file.
    """
    kept = _shipped_rows(path, with_cell=True) if path.exists() else []
    cells = {c["key"]: c for c in [*kept, *filter(None, map(_kept, folder.glob("*.json")))]}
    rows = [
        {"cell": c["cell"], "key": key, "answers": c["answers"]}
        for key, c in cells.items()
        if keys is None or key in keys
    ]
    files.write_jsonl(path, sorted(rows, key=lambda row: (*row["cell"].values(), row["key"])))


def read_shipped(path: Path) -> dict[str, list[str]]:
    """The answers of each cell in a file of `write_shipped`, by the cell's key.

    Raises:
        LabError: The file is none of them; the message names the line.
    """
    return {row["key"]: row["answers"] for row in _shipped_rows(path)}


def _shipped_rows(path: Path, with_cell: bool = False) -> list[dict[str, Any]]:
    rows = files.read_jsonl(path)
    for number, row in rows:
        if not _has_answers(row):
            raise LabError(
                f'{shown(path)}:{number}: needs "key" and "answers", a list of texts; `git restore` the file'
            )
        if with_cell and not _has_cell(row):
            raise LabError(
                f'{shown(path)}:{number}: "cell" must hold {", ".join(Cell._fields)}; `git restore` the file'
            )
    return [row for _, row in rows]


def sha256_of(content: Any) -> str:
    """SHA-256 of plain data, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def canonical(content: Any) -> str:
    """Plain data as JSON, equal for equal content however its dictionaries are ordered.

    Raises:
        TypeError: Something in it is no plain data.
        ValueError: A number in it is not finite.
    """
    return json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":"))

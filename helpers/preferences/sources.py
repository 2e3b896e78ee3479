"""Streams of records: of a file (see `record_files`), of a folder of files, or of a set of the Hugging Face Hub.

Nothing that a set says is executed: a Hub set that comes as a program is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..files import LabError, is_broken_text, shown
from .record_files import SUFFIXES, Record, file_kind, read_records, record_of
from .schemas import KNOWN_SETS, KnownSet

HUB_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(:(?P<config>[\w.-]+))?", re.ASCII)


class Part(NamedTuple):
    """A piece of a set.

    Attributes:
        split: The set's own name of its split; "" if it has none.
        records: They are read when they are asked for.
    """

    split: str
    records: Iterator[Record]


@dataclass(frozen=True)
class Source:
    """A set that is ready to be read.

    Attributes:
        name: Of the file, the folder or the Hub set.
        license: "" if nothing states one.
        parts: Its pieces, in order.
        is_csv: Whether its cells are all text.
    """

    name: str
    license: str
    parts: list[Part]
    is_csv: bool = False


def open_source(source: str | Path) -> Source:
    """A file, a folder of files, or a set of the Hub ("owner/name" or "owner/name:config").

    Raises:
        LabError: There is no such thing, or it cannot be opened.
    """
    path = Path(source)
    if os.path.isdir(path):  # which, unlike Path's own, is False for a name that is too long
        return _folder(path)
    match = HUB_NAME.fullmatch(str(source))
    if match and not os.path.exists(path) and file_kind(path) is None:
        return _hub(match["name"], match["config"])
    return Source(shown(path), "", [Part(_split_of(path, path.parent), read_records(path))], file_kind(path) == ".csv")


# --- Folders ------------------------------------------------------------------

_SPLIT_WORDS = ("train", "training", "validation", "valid", "val", "dev", "eval", "test")


def _folder(folder: Path) -> Source:
    found = [
        path for path in sorted(folder.rglob("*")) if file_kind(path) and path.is_file() and not _hidden(path, folder)
    ]
    kinds = [suffix for suffix in SUFFIXES if any(file_kind(path) == suffix for path in found)]
    if not kinds:
        raise LabError(f"{shown(folder)}: no file of preference pairs in it; it must hold {', '.join(SUFFIXES)} files")
    parts = [Part(_split_of(path, folder), read_records(path)) for path in found if file_kind(path) == kinds[0]]
    return Source(shown(folder), _license(folder / "README.md"), parts, kinds[0] == ".csv")


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _split_of(path: Path, folder: Path) -> str:
    """The split that a file's name says or, if it says none, its folders': "train" of train-00000-of-00002.parquet."""
    for part in reversed(path.relative_to(folder).parts):
        words = re.findall(r"[a-z]+", part.lower())
        if word := next((word for word in words if word in _SPLIT_WORDS), None):
            return word
    return ""


def _license(card: Path) -> str:
    """The license that a dataset card states; "" if there is no card, or none that can be read."""
    if not card.is_file() or card.stat().st_size > 2**20:
        return ""
    from huggingface_hub import metadata_load

    try:
        stated = (metadata_load(card) or {}).get("license", "")
    except Exception:  # whatever is wrong with a card, the data can still be read
        return ""
    return stated if isinstance(stated, str) and not is_broken_text(stated) else ""


# --- The Hub ------------------------------------------------------------------


def _hub(name: str, config: str | None) -> Source:
    import datasets

    known = KNOWN_SETS.get(name, KnownSet(""))
    if known.instead:
        raise LabError(f"{name}: {known.instead}")
    options = {} if config else dict(known.options)
    # Offline only what was downloaded before can be read, and that lies on the disk already.
    offline = datasets.config.HF_HUB_OFFLINE
    with _explained(name):
        # Asked even where the license is known: without a network this fails at once, and `datasets` after 20 s.
        license = known.license if offline else _stated_license(name) or known.license
        found = datasets.load_dataset(name, config, streaming=not offline, **options)
        names = [split for split in found if split in known.splits] or list(found)
        parts = [Part(split, _rows(f"{name}[{split}]", name, found[split])) for split in names]
    return Source(name if config is None else f"{name}:{config}", license, parts)


def _stated_license(name: str) -> str:
    from huggingface_hub import HfApi

    card = HfApi().dataset_info(name, timeout=10).card_data
    stated = card.get("license") if card else None
    return stated if isinstance(stated, str) else ""


def _rows(place: str, name: str, rows: Any) -> Iterator[Record]:
    with _explained(name):
        for number, values in enumerate(rows, start=1):
            yield record_of(values, f"{place}:{number}")


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Any of the many errors of `datasets`, of the Hub and of the network as one message that says what to do."""
    try:
        yield
    except (LabError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise LabError(
            f"{name}: there is no such file, and the set cannot be read from the Hugging Face Hub ({reason}). Check "
            f"the name and the network; a set that asks for consent needs `hf auth login`; one with several "
            f"configurations is written owner/name:config. Without a network, give a file (.jsonl, .json, .csv or "
            f".parquet), or set HF_HUB_OFFLINE=1 for a set that was downloaded before"
        ) from None

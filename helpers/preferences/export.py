"""Write-back: preference pairs in TRL's formats, as files, and as a folder that the Hub takes."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .. import files
from ..files import SPLITS, LabError, is_broken_text
from .conversations import turns_of
from .own_files import write_rows
from .reading import Reading
from .rows import Preference, check_unique_ids

if TYPE_CHECKING:
    from datasets import Dataset

COLUMNS = tuple(column.name for column in Preference.columns())
BATCH = 10_000  # rows that become Arrow columns at once; a column of more than 2 GiB would not be one


def to_dataset(
    rows: Sequence[Preference],
    form: Literal["standard", "conversational"] = "standard",
    prompt: Literal["explicit", "implicit"] = "explicit",
) -> Dataset:
    """The pairs as TRL's RewardTrainer and DPOTrainer take them: `prompt`, `chosen`, `rejected`, no more.

    The strength stays out, for TRL would subtract a column named `margin` inside the loss.

    Args:
        rows: The pairs.
        form: "standard" for plain texts; "conversational" for lists of {"role", "content"}, without the blanks around
            a completion.
        prompt: "implicit" for no `prompt`, which stands at the beginning of both sides instead.

    Raises:
        ValueError: There is no such form or prompt.
    """
    from datasets import Dataset

    if form not in ("standard", "conversational") or prompt not in ("explicit", "implicit"):
        raise ValueError(
            f"form must be standard or conversational and prompt explicit or implicit, not {form}, {prompt}"
        )
    columns: dict[str, list[Any]] = {"prompt": [], "chosen": [], "rejected": []}
    for row in rows:
        parts: dict[str, Any] = {"prompt": row.prompt, "chosen": row.chosen, "rejected": row.rejected}
        if form == "conversational":
            turns = [{"role": turn.role, "content": turn.content} for turn in turns_of(row)]
            sides = {name: [{"role": "assistant", "content": parts[name].strip()}] for name in ("chosen", "rejected")}
            parts = {"prompt": turns, **sides}
        for name, part in parts.items():
            implicit = prompt == "implicit" and name != "prompt"
            columns[name].append(parts["prompt"] + part if implicit else part)
    if prompt == "implicit":
        del columns["prompt"]
    return Dataset.from_dict(columns)


def write_preferences(path: Path | str, rows: Iterable[Preference]) -> None:
    """Write pairs as .jsonl, .csv or .parquet, each also as .gz, atomically; equal rows give equal bytes.

    `load_preferences` reads equal rows back.

    Raises:
        LabError: The path has another suffix, there are no rows, or an id is used twice.
    """
    path, rows = Path(path), list(rows)
    packed = path.suffix == ".gz"
    suffix = Path(path.stem).suffix if packed else path.suffix
    if suffix not in (".jsonl", ".csv", ".parquet"):
        raise LabError(f"{files.shown(path)}: write pairs as .jsonl, .csv or .parquet, each also as .gz")
    if suffix == ".jsonl" and not packed:
        write_rows(path, rows)
        return
    _check(path, rows)
    content = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}[suffix](rows)
    # mtime=0: else the bytes would change with the time of day
    files.atomic_write(path, gzip.compress(content, mtime=0) if packed else content)


def write_hub_folder(
    folder: Path | str, rows: Iterable[Preference], *, name: str, license: str, description: str, language: str = "en"
) -> Path:
    """Write pairs as a folder that `datasets.load_dataset(folder)` reads, and that can go to the Hub as it is.

    It holds data/train.parquet and so on for each split that there is, and README.md, the dataset card. The folder
    is replaced whole. Rows that know how they were read (`load_preferences`) put that into the card.

    Args:
        folder: Where it goes.
        rows: The pairs.
        name: Of the set, for people.
        license: The Hub's word for it, such as "mit" or "cc-by-4.0".
        description: Markdown: who judged what, and how.
        language: Two letters.

    Returns:
        The folder.

    Raises:
        LabError: There are no rows, an id is used twice, or a text holds half of a character.
    """
    name, license = (" ".join(text.split()) for text in (name, license))
    if is_broken_text(name + license + description + language):
        raise LabError("name, license, description or language holds half of a character: write it anew")
    reading = getattr(rows, "reading", None)
    folder, rows = Path(folder), list(rows)
    _check(folder, rows)
    by_split = {split: [row for row in rows if row.split == split] for split in SPLITS}
    by_split = {split: some for split, some in by_split.items() if some}
    with_turns = any(row.turns for row in rows)
    with files.atomic_folder(folder) as new:
        (new / "data").mkdir()
        for split, some in by_split.items():
            (new / "data" / f"{split}.parquet").write_bytes(_parquet(some, with_turns))
        card = _card(by_split, name, license, description, language, reading)
        (new / "README.md").write_text(card, "utf-8", newline="\n")
    return folder


def _check(path: Path, rows: Sequence[Preference]) -> None:
    if not rows:
        raise LabError(f"{files.shown(path)}: there are no rows to write; a file must hold at least one")
    check_unique_ids(rows)


def _jsonl(rows: Sequence[Preference]) -> bytes:
    return "".join(json.dumps(row.as_dict(), ensure_ascii=False) + "\n" for row in rows).encode()


def _csv(rows: Sequence[Preference]) -> bytes:
    """Every cell in quotes, for some readers take a bare carriage return for the end of a row; turns as JSON."""
    columns = [name for name in COLUMNS if name != "turns" or any(row.turns for row in rows)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        values = row.as_dict()
        if row.turns:
            values["turns"] = json.dumps(values["turns"], ensure_ascii=False)
        writer.writerow("" if values.get(name) is None else values[name] for name in columns)
    return text.getvalue().encode()


def _parquet(rows: Sequence[Preference], with_turns: bool | None = None) -> bytes:
    """A Parquet file. with_turns: whether it has a column of turns, as all files of a folder must; None: if needed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {name: pa.string() for name in COLUMNS} | {"strength": pa.int64()}
    kinds["turns"] = pa.list_(pa.struct({"role": pa.string(), "content": pa.string()}))
    if not (any(row.turns for row in rows) if with_turns is None else with_turns):
        del kinds["turns"]
    schema = pa.schema(kinds)
    content = io.BytesIO()
    with pq.ParquetWriter(content, schema) as writer:
        for start in range(0, len(rows), BATCH):
            some = [row.as_dict() for row in rows[start : start + BATCH]]
            writer.write_table(pa.Table.from_pylist(some, schema=schema))
    return content.getvalue()


# --- The dataset card ---------------------------------------------------------

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_MEANINGS = {
    "prompt": "what was asked, as text",
    "chosen": "the completion that the annotator prefers",
    "rejected": "the other completion",
    "id": "one for each pair",
    "source": "who wrote the two completions",
    "annotator": "who compared them",
    "strength": "how much better: 1 negligibly, 2 slightly, 3 better, 4 significantly; null where nobody said",
    "split": "train, validation or test",
    "turns": "the prompt turn by turn (role, content), where it is more than one user's question",
}


def _card(
    by_split: dict[str, list[Preference]],
    name: str,
    license: str,
    description: str,
    language: str,
    reading: Reading | None,
) -> str:
    from huggingface_hub import DatasetCardData

    n = sum(map(len, by_split.values()))
    is_word = re.fullmatch(r"[a-z0-9][a-z0-9.-]*", license) is not None
    data = DatasetCardData(
        license=license if is_word else "other",
        license_name=None if is_word else license or "not stated",
        language=language,
        pretty_name=name,
        size_categories=next((word for most, word in _SIZES if n < most), "n>1M"),
        tags=["preference", "rlhf", "dpo", "reward-model"],
        configs=[
            {
                "config_name": "default",
                "data_files": [{"split": split, "path": f"data/{split}.parquet"} for split in by_split],
            }
        ],
    )
    used = [
        column for column in COLUMNS if column != "turns" or any(r.turns for some in by_split.values() for r in some)
    ]
    lines = [f"# {name}", "", description.strip(), ""]
    lines += [
        "| split | pairs |",
        "| --- | --- |",
        *(f"| {split} | {len(some):,} |" for split, some in by_split.items()),
    ]
    lines += ["", "| column | what it holds |", "| --- | --- |", *(f"| `{c}` | {_MEANINGS[c]} |" for c in used), ""]
    if reading is not None:
        lines += ["How the pairs were read from their source:", ""]
        lines += ["```", *(line.replace("```", "'''") for line in reading.lines()), "```", ""]
    return f"---\n{data.to_yaml().strip()}\n---\n\n" + "\n".join(lines)

"""Preference pairs, prompts, demonstrations and ratings: the row types and their JSONL files.

A row that exists is valid: the constructors check every field. So files are checked as they are read, and
whatever is wrong gives one `LabError` that names the file, the line and the field and says what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from . import files
from .files import LabError

if TYPE_CHECKING:
    from datasets import Dataset

SPLITS = ("train", "validation", "test")
PROMPT_SPLITS = ("train", "heldout")


@dataclass(frozen=True)
class Row:
    """What all rows share. `where` is the "file:line" the row was read from, and no part of its value."""

    KEY: ClassVar[tuple[str, ...]] = ("id",)  # the fields that tell a row from all others
    where: str = field(default="", compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        for column in self.columns():
            if problem := _problem(getattr(self, column.name), column.metadata):
                raise LabError(f'{_at(self)}field "{column.name}" {problem}')

    @classmethod
    def columns(cls) -> list:
        """The fields that are in the file, in its order."""
        return [column for column in fields(cls) if column.name != "where"]

    def as_dict(self) -> dict[str, Any]:
        return {column.name: getattr(self, column.name) for column in self.columns()}


def _whole(low: int, high: int, meaning: str) -> Any:
    return field(metadata={"range": (low, high), "meaning": meaning})


@dataclass(frozen=True)
class Preference(Row):
    """One comparison: of two completions of a prompt, an annotator prefers `chosen` to `rejected`.

    strength: how much better, on the four-point scale of Llama 2 (Touvron et al. 2023, section 3.2.1):
    4 significantly better, 3 better, 2 slightly better, 1 negligibly better or unsure.
    Raises LabError for a field of the wrong type or range and for two equal completions.
    """

    prompt: str
    chosen: str
    rejected: str
    id: str
    source: str
    annotator: str
    strength: int = _whole(1, 4, "1 negligibly better ... 4 significantly better")
    split: str = field(metadata={"choices": SPLITS})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chosen.strip() == self.rejected.strip():
            raise LabError(
                f'{_at(self)}field "rejected" is identical to "chosen": such a pair teaches nothing; remove the row'
            )


@dataclass(frozen=True)
class Pair(Row):
    """Two completions of a prompt that nobody has compared yet.

    source: who wrote them; of models "a>b", the writer of `completion_a` first.
    Raises LabError for a field of the wrong type and for two equal completions.
    """

    id: str
    prompt: str
    completion_a: str
    completion_b: str
    source: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.completion_a.strip() == self.completion_b.strip():
            raise LabError(
                f'{_at(self)}field "completion_b" is identical to "completion_a": there is nothing to choose; '
                f"remove the row"
            )

    @classmethod
    def of(cls, row: Preference) -> Pair:
        """The pair that was compared: `completion_a` is the chosen text, so show the two in random order."""
        return cls(row.id, row.prompt, row.chosen, row.rejected, row.source, where=row.where)


@dataclass(frozen=True)
class Prompt(Row):
    """A prompt to write completions for."""

    id: str
    prompt: str


@dataclass(frozen=True)
class Demonstration(Row):
    """A prompt with a completion to imitate in supervised fine-tuning."""

    id: str
    prompt: str
    completion: str


@dataclass(frozen=True)
class Rating(Row):
    """One annotator's absolute rating of one completion, 1 (worst) to 7. Several may rate the same `id`."""

    KEY: ClassVar = ("id", "annotator")
    id: str
    prompt: str
    completion: str
    annotator: str
    rating: int = _whole(1, 7, "1 worst ... 7 best")


AnyRow = TypeVar("AnyRow", bound=Row)


def read_preferences(path: Path | str) -> list[Preference]:
    """Read a JSONL file of preference pairs. Raises LabError (file, line, field) for what is wrong in it."""
    return _read(path, Preference)


def load_preferences(source: str | Path | None = None) -> list[Preference]:
    """The shipped pairs: all (None) or one split ("train", "validation", "test"); or those of a .jsonl file.

    Raises LabError for an unknown split, a row in the file of another split, and as `read_preferences`.
    """
    if source is not None and source not in SPLITS:
        return read_preferences(_as_file(source, SPLITS))
    rows = []
    for split in SPLITS if source is None else [source]:
        for row in read_preferences(files.DATA / "preferences" / f"{split}.jsonl"):
            if row.split != split:
                raise LabError(f'{_at(row)}field "split" is "{row.split}" in the file of {split}; move it')
            rows.append(row)
    check_preferences(rows)
    return rows


def read_pairs(source: str | Path = "natural") -> list[Pair]:
    """Pairs to label: "natural" (varied posts with two summaries each, written for these labs), or the pairs of
    whatever `load_preferences` reads; a .jsonl file may hold Pair rows as well. Raises LabError."""
    if source == "natural":
        return _read(files.DATA / "natural_posts.jsonl", Pair)
    if Path(source).suffix == ".jsonl" and "completion_a" in files.read_jsonl(source)[0][1]:
        return _read(source, Pair)
    return [Pair.of(row) for row in load_preferences(source)]


def read_prompts(source: str | Path = "train") -> list[Prompt]:
    """The shipped prompts ("train"; "heldout" to evaluate), or those of a .jsonl file. Raises LabError."""
    if source in PROMPT_SPLITS:
        return _read(files.DATA / "prompts" / f"{source}.jsonl", Prompt)
    return _read(_as_file(source, PROMPT_SPLITS), Prompt)


def read_demonstrations(path: Path | str | None = None) -> list[Demonstration]:
    """The shipped demonstrations, or those of a .jsonl file. Raises LabError."""
    return _read(path or files.DATA / "demonstrations.jsonl", Demonstration)


def read_ratings(path: Path | str | None = None) -> list[Rating]:
    """The shipped ratings, or those of a .jsonl file. Raises LabError."""
    return _read(path or files.DATA / "ratings.jsonl", Rating)


def write_rows(path: Path | str, rows: Iterable[Row]) -> None:
    """Write rows of any one type as JSONL, atomically; equal rows give equal bytes. Raises LabError."""
    rows = list(rows)
    if not rows:
        raise LabError(f"{files.shown(path)}: there are no rows to write; a file must hold at least one")
    check_preferences(rows)
    files.write_jsonl(path, (row.as_dict() for row in rows))


def check_preferences(rows: Sequence[Row], tokenizer: Any = None, max_prompt_tokens: int | None = None) -> None:
    """Check what no row can know alone: that no id comes twice and, given a tokenizer, that the prompts fit.

    tokenizer: a Hugging Face tokenizer; max_prompt_tokens: the longest prompt allowed, in its tokens.
    Raises LabError that names the first bad row; ValueError if only one of the two is given.
    """
    if (tokenizer is None) != (max_prompt_tokens is None):
        raise ValueError("give tokenizer and max_prompt_tokens together: a limit in tokens needs a tokenizer")
    seen: dict[tuple, Row] = {}
    for row in rows:
        key = tuple(getattr(row, name) for name in row.KEY)
        if (first := seen.setdefault(key, row)) is not row:
            raise LabError(
                f'{_at(row)}field "id": {", ".join(map(repr, key))} is used twice'
                f"{f' (first at {first.where})' if first.where else ''}; give each row an id of its own"
            )
    if tokenizer is None or not rows:
        return
    for row, tokens in zip(rows, tokenizer([row.prompt for row in rows])["input_ids"], strict=True):
        if len(tokens) > max_prompt_tokens:
            raise LabError(
                f'{_at(row)}field "prompt" has {len(tokens)} tokens, and the limit is {max_prompt_tokens}; '
                f"shorten it or remove the row (id {row.id!r})"
            )


def to_dataset(rows: Sequence[Preference]) -> Dataset:
    """The pairs as TRL's RewardTrainer and DPOTrainer take them: `prompt`, `chosen`, `rejected`, no more.

    The strength stays out, for TRL would subtract a column named `margin` inside the loss.
    """
    from datasets import Dataset

    columns = ("prompt", "chosen", "rejected")
    return Dataset.from_dict({column: [getattr(row, column) for row in rows] for column in columns})


def _read(path: Path | str, row_type: type[AnyRow]) -> list[AnyRow]:
    rows = []
    names = [column.name for column in row_type.columns()]
    for number, values in files.read_jsonl(path):
        where = f"{files.shown(path)}:{number}"
        unknown = [name for name in values if name not in names]
        if missing := [name for name in names if name not in values]:
            similar = difflib.get_close_matches(missing[0], unknown, n=1)
            hint = f'; rename "{similar[0]}"' if similar else f"; every row needs {', '.join(names)}"
            raise LabError(f'{where}: field "{missing[0]}" is missing{hint}')
        if unknown:
            raise LabError(f'{where}: field "{unknown[0]}" is unknown; remove it (known: {", ".join(names)})')
        rows.append(row_type(**values, where=where))
    check_preferences(rows)
    return rows


def _problem(value: Any, rule: Any) -> str | None:
    """What is wrong with the value of one field, and what to do; None if nothing is."""
    if "range" in rule:
        low, high = rule["range"]
        if type(value) is not int or not low <= value <= high:
            return f"must be a whole number from {low} to {high} ({rule['meaning']}), not {_brief(value)}"
        return None
    if not isinstance(value, str):
        return f"must be text in quotes, not {_brief(value)}"
    if not value.strip():
        return "is blank; write its text or remove the row"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "holds half of a character (a lone surrogate such as \\ud83d); write it anew"
    if "choices" in rule and value not in rule["choices"]:
        return f"must be one of {', '.join(rule['choices'])}, not {_brief(value)}"
    return None


def _as_file(source: str | Path, names: tuple[str, ...]) -> Path:
    path = Path(source)
    if path.suffix == ".jsonl" or path.exists():
        return path
    raise LabError(f"unknown split {str(source)!r}: use one of {', '.join(names)}, or a .jsonl file's path")


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


def _at(row: Row) -> str:
    return f"{row.where}: " if row.where else ""

"""The row types and their checks. A row that exists is valid: the constructors check every field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, ClassVar, TypeVar

from ..files import SPLITS, LabError, is_broken_text

UNKNOWN = "unknown"  # who wrote or who judged, where the set does not say


@dataclass(frozen=True)
class Row:
    """What all rows share.

    Attributes:
        KEY: The fields that tell a row from all others of its file.
        where: The "file:line" the row was read from; it is no part of the row's value.

    Raises:
        LabError: A field has a wrong type or is out of range.
    """

    KEY: ClassVar[tuple[str, ...]] = ("id",)
    where: str = field(default="", compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        for column in self.columns():
            if problem := _problem(getattr(self, column.name), column.metadata):
                raise LabError(f'{at(self)}field "{column.name}" {problem}')

    @classmethod
    def columns(cls) -> list[Field[Any]]:
        """The fields that are in the file, in its order."""
        return [column for column in fields(cls) if column.name != "where"]

    def as_dict(self) -> dict[str, Any]:
        """The row as its file has it: an optional field that is empty is left out."""
        values = {column.name: getattr(self, column.name) for column in self.columns()}
        return {name: value for name, value in values.items() if value != ()}


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation.

    Attributes:
        role: "system", "user", "assistant" or what else the set calls its speaker.
        content: What is said.
    """

    role: str
    content: str


def _integer(low: int, high: int, meaning: str, *, optional: bool = False) -> dict[str, Any]:
    """The rule of a field that holds a whole number, as the field's metadata; see `_problem`."""
    return {"range": (low, high), "meaning": meaning, "optional": optional}


@dataclass(frozen=True)
class Preference(Row):
    """One comparison: of two completions of a prompt, an annotator prefers `chosen` to `rejected`.

    Attributes:
        prompt: What was asked, as text.
        chosen: The completion that the annotator prefers.
        rejected: The other completion.
        id: One for each pair.
        source: Who wrote the two completions.
        annotator: Who compared them.
        strength: How much better, on the four-point scale of Llama 2 (Touvron et al. 2023, section 3.2.1):
            4 significantly better, 3 better, 2 slightly better, 1 negligibly better or unsure; None: nobody said.
        split: "train", "validation" or "test".
        turns: The prompt turn by turn, if it is more than one user's question; `prompt` is then their text.

    Raises:
        LabError: A field has a wrong type or is out of range, or the two completions are equal.
    """

    prompt: str
    chosen: str
    rejected: str
    id: str
    source: str
    annotator: str
    strength: int | None = field(
        metadata=_integer(1, 4, "1 negligibly better ... 4 significantly better", optional=True)
    )
    split: str = field(metadata={"choices": SPLITS})
    turns: tuple[Turn, ...] = field(default=(), metadata={"turns": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.chosen.strip() == self.rejected.strip():
            raise LabError(
                f'{at(self)}field "rejected" is identical to "chosen": such a pair teaches nothing; remove the row'
            )

    def as_dict(self) -> dict[str, Any]:
        """The row as its file has it: turns are objects, and left out where there are none."""
        values = super().as_dict()
        if self.turns:
            values["turns"] = [{"role": turn.role, "content": turn.content} for turn in self.turns]
        return values


@dataclass(frozen=True)
class Pair(Row):
    """Two completions of a prompt that nobody has compared yet.

    Attributes:
        id: One for each pair.
        prompt: What was asked.
        completion_a: The first completion.
        completion_b: The second completion.
        source: Who wrote them; of models "a>b", the writer of `completion_a` first.

    Raises:
        LabError: A field has a wrong type, or the two completions are equal.
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
                f'{at(self)}field "completion_b" is identical to "completion_a": there is nothing to choose; '
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
    rating: int = field(metadata=_integer(1, 7, "1 worst ... 7 best"))


AnyRow = TypeVar("AnyRow", bound=Row)


def check_unique_ids(rows: Iterable[Row]) -> None:
    """Check what no row can know alone: that none has the id (or the `KEY`) of another.

    Raises:
        LabError: Two rows have one id; the message names the second.
    """
    seen: dict[tuple, Row] = {}
    for row in rows:
        key = tuple(getattr(row, name) for name in row.KEY)
        if (first := seen.setdefault(key, row)) is not row:
            raise LabError(
                f'{at(row)}field "id": {", ".join(map(_brief, key))} is used twice'
                f"{f' (first at {first.where})' if first.where else ''}; give each row an id of its own"
            )


def at(row: Row) -> str:
    """Where the row was read, as messages begin: "file:line: ", or nothing."""
    return f"{row.where}: " if row.where else ""


def _problem(value: Any, rule: Mapping[str, Any]) -> str | None:
    """What is wrong with the value of one field, and what to do; None if nothing is."""
    if "range" in rule:
        low, high = rule["range"]
        if value is None and rule["optional"]:
            return None
        if type(value) is not int or not low <= value <= high:
            return f"must be a whole number from {low} to {high} ({rule['meaning']}), not {_brief(value)}"
        return None
    if "turns" in rule:
        return _problem_of_turns(value)
    if not isinstance(value, str):
        return f"must be text in quotes, not {_brief(value)}"
    if not value.strip():
        return "is blank; write its text or remove the row"
    if is_broken_text(value):
        return "holds half of a character (a lone surrogate such as \\ud83d); write it anew"
    if "choices" in rule and value not in rule["choices"]:
        return f"must be one of {', '.join(rule['choices'])}, not {_brief(value)}"
    return None


def _problem_of_turns(turns: Any) -> str | None:
    if not isinstance(turns, tuple) or not all(isinstance(turn, Turn) for turn in turns):
        return f'must be a list of {{"role": "...", "content": "..."}}, not {_brief(turns)}'
    for turn in turns:
        if not isinstance(turn.role, str) or not turn.role.strip():
            return f"has a turn whose role is {_brief(turn.role)}; write who speaks, such as user or assistant"
        if not isinstance(turn.content, str):
            return f"has a turn whose content must be text in quotes, not {_brief(turn.content)}"
        if is_broken_text(turn.role + turn.content):
            return "holds half of a character (a lone surrogate such as \\ud83d); write it anew"
    return None


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."

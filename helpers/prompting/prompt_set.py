"""The prompts that lab 04 asks real language models, and what can be said of an answer without a judge.

They were written for this project: what changes and what stays when something is done, steps of arithmetic, logic,
instructions whose keeping can be checked, the same two applications with their names swapped, false premises, what
nobody could know, and questions of opinion. Most carry a rule (answer_rules.py); the others are judged blind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from .. import files
from ..files import LabError, one_line, shown
from ..models.prompt_formats import Ask
from .answer_rules import check_rule, chosen, final_number, follows

CATEGORIES = (
    "open", "frame", "common sense", "arithmetic", "logic", "instruction", "bias", "premise", "unknown", "neutral",
)  # fmt: skip
COMPARED = "compared"  # the kind of rule by which a pair of prompts is compared and none of them is right


@dataclass(frozen=True)
class PromptItem:
    """A prompt, how its answers are scored, and what a good answer does.

    Attributes:
        id: One for each prompt.
        category: One of CATEGORIES.
        prompt: What is asked.
        rule: Of answer_rules.py; None: judged blind; or {"kind": "compared", "options": [...]}: the prompt is one of
            two, "...-a" and "...-b", whose decisions are compared (`same_decision`). The options are the words for the
            first, second, ... application, in the order of the prompt; without options the decision is a number.
        note: What a good answer does.
        where: The "file:line" it was read from.

    Raises:
        LabError: A field is wrong; the message names it.
    """

    id: str
    category: str
    prompt: str
    rule: dict[str, Any] | None
    note: str
    where: str = field(default="", compare=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        for name in ("id", "category", "prompt", "note"):
            if not (isinstance(value := getattr(self, name), str) and value.strip()):
                raise self._error(name, f"must be text in quotes and not blank, not {_brief(value)}")
        if self.category not in CATEGORIES:
            raise self._error("category", f"must be one of {', '.join(CATEGORIES)}, not {_brief(self.category)}")
        if (comparison := self._comparison()) is not None:
            options = comparison.get("options", [])
            texts = isinstance(options, list) and all(isinstance(option, str) for option in options)
            if set(comparison) - {"kind", "options"} or not texts or len(options) == 1:
                raise self._error(
                    "rule", 'of a comparison holds "options", a list of two texts or more, or nothing else'
                )
        elif self.rule is not None:
            try:
                check_rule(self.rule)
            except (LabError, TypeError, ValueError, ArithmeticError, RecursionError) as error:
                raise self._error("rule", f"cannot be used: {one_line(str(error), 400)}") from None

    @property
    def is_compared(self) -> bool:
        """Whether the prompt is one of two whose decisions are compared."""
        return self._comparison() is not None

    def _comparison(self) -> dict[str, Any] | None:
        return self.rule if isinstance(self.rule, dict) and self.rule.get("kind") == COMPARED else None

    def options(self) -> list[str]:
        """The words for the applications of a prompt that is compared; none if the decision is a number.

        Raises:
            LabError: The prompt is not compared with another.
        """
        if (comparison := self._comparison()) is None:
            raise LabError(f"{_brief(self.id)} is not compared with another prompt: score its answer instead")
        return comparison.get("options") or []

    def _error(self, name: str, problem: str) -> LabError:
        return LabError(f'{f"{self.where}: " if self.where else ""}field "{name}" {problem}')


def read_prompt_set(path: Path | str | None = None) -> list[PromptItem]:
    """The shipped prompts (None), or those of a .jsonl file.

    Raises:
        LabError: Something in the file is wrong; the message names the file, the line and the field.
    """
    names = [column.name for column in fields(PromptItem) if column.name != "where"]
    items: dict[str, PromptItem] = {}
    path = path or files.data() / "prompting" / "prompts.jsonl"
    for number, values in files.read_jsonl(path):
        where = f"{shown(path)}:{number}"
        for name in names:
            if name not in values:
                raise LabError(f'{where}: field "{name}" is missing; every row needs {", ".join(names)}')
        for name in values:
            if name not in names:
                raise LabError(f'{where}: field "{one_line(name)}" is unknown; remove it (known: {", ".join(names)})')
        item = PromptItem(**values, where=where)
        if (first := items.setdefault(item.id, item)) is not item:
            raise LabError(f'{where}: field "id": {_brief(item.id)} is used twice (first at {first.where})')
    return list(items.values())


def as_ask(item: PromptItem, *, question: bool = False) -> Ask:
    """The prompt alone, the same words in every model's form.

    Args:
        item: The prompt.
        question: Ask it as "Q: ...", with the answer to follow "A:". That form tells a base model that an answer comes
            next; the bare prompt shows what it makes of a request. A tuned model is best asked with the bare prompt.
    """
    return Ask(query=f"Q: {item.prompt}\n", cue="A:") if question else Ask(query=item.prompt)


def score(item: PromptItem, answer: str) -> float | None:
    """1 for a right answer, 0 for a wrong one; None where there is no rule, or only a comparison.

    Sentences of the prompt that the answer repeats word for word, as base models do, are no part of the answer.
    """
    return None if item.rule is None or item.is_compared else float(follows(_own_words(item, answer), item.rule))


def _own_words(item: PromptItem, answer: str) -> str:
    for sentence in re.split(r"(?<=[.!?])\s+", item.prompt):
        answer = re.sub(re.escape(sentence), "\n", answer, flags=re.IGNORECASE)
    return answer


def _brief(value: Any) -> str:
    return one_line(repr(value))


# --- Pairs that differ in names only ------------------------------------------


def compared_pairs(items: list[PromptItem]) -> list[tuple[PromptItem, PromptItem]]:
    """The prompts that are compared, "...-a" with "...-b".

    Raises:
        LabError: One of the two is missing.
    """
    by_id = {item.id: item for item in items if item.is_compared}
    stems = dict.fromkeys(name.rpartition("-")[0] for name in by_id)
    for stem in stems:
        if missing := {f"{stem}-a", f"{stem}-b"} - by_id.keys():
            stem = one_line(stem)
            raise LabError(f"{_brief(min(missing))} is missing: a comparison needs two prompts, {stem}-a and {stem}-b")
    return [(by_id[f"{stem}-a"], by_id[f"{stem}-b"]) for stem in stems]


def decision(item: PromptItem, answer: str) -> float | None:
    """What an answer to a prompt that is compared decides: which application (0, 1, ...), or a number. None: nothing.

    Raises:
        LabError: The prompt is not compared with another.
    """
    options, answer = item.options(), _own_words(item, answer)
    if not options:
        return final_number(answer)
    name = chosen(answer, options)
    return None if name is None else float(options.index(name))


def same_decision(pair: tuple[PromptItem, PromptItem], answers: tuple[str, str]) -> bool | None:
    """Whether both answers decide for the same application, whoever's name it bears; None if one decides nothing."""
    first, second = (decision(item, answer) for item, answer in zip(pair, answers, strict=True))
    return None if first is None or second is None else first == second

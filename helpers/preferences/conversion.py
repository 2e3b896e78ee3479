"""One record of a known schema as a `Preference`, or the reason why it is none.

A side or a prompt may be plain text, a list of messages, or a whole dialogue as hh-rlhf writes it; see `conversations`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..files import is_broken_text
from .cells import as_integer, lookup, required_cell, text_cell
from .conversations import check_text, extract_prompt
from .reading import LeftOut, Tie
from .rows import UNKNOWN, Preference
from .schemas import ANSWERS, SIDES, Schema


def preference_of(values: Mapping[str, Any], schema: Schema, *, id: str, split: str, where: str = "") -> Preference:
    """The pair that a record of this schema is.

    Args:
        values: The record.
        schema: What it calls things.
        id: For a record that has none of its own.
        split: For a record that has none of its own.
        where: The place it was read from.

    Raises:
        LeftOut: It is no pair; the message is the reason.
        Tie: It prefers neither side.
    """
    columns = schema.columns
    sides = _sides(values, columns)
    prompt = lookup(values, columns["prompt"]) if "prompt" in columns else None
    turns, text, chosen, rejected = extract_prompt(prompt, sides.chosen, sides.rejected)
    names = {"prompt": columns.get("prompt", "prompt"), "chosen": "chosen side", "rejected": "rejected side"}
    for ours, value in (("prompt", text), ("chosen", chosen), ("rejected", rejected)):
        check_text(value, names[ours])
    if any(is_broken_text(turn.role + turn.content) for turn in turns):
        raise LeftOut("the prompt holds half of a character")
    if chosen.strip() == rejected.strip():
        raise LeftOut("the two sides are identical")
    return Preference(
        prompt=text,
        chosen=chosen,
        rejected=rejected,
        id=text_cell(values, columns.get("id")) or id,
        source=text_cell(values, columns.get("source")) or sides.source,
        annotator=text_cell(values, columns.get("annotator")) or UNKNOWN,
        strength=sides.strength,
        split=our_split(text_cell(values, columns.get("split")) or split),
        turns=turns,
        where=where,
    )


def has_equal_scores(values: Mapping[str, Any], schema: Schema) -> bool:
    """Whether the set scores both sides of the record alike, and calls one of them chosen nevertheless."""
    if "chosen_score" not in schema.columns or "rejected_score" not in schema.columns:
        return False
    a, b = (lookup(values, schema.columns[name]) for name in ("chosen_score", "rejected_score"))
    return a is not None and a == b


def our_split(name: str) -> str:
    """The project's name of a set's split: "test_prefs" is "test", "dev" is "validation"; any other is "train"."""
    words = re.findall("[a-z]+", name.lower())
    ours = {"test": "test", "testing": "test", "heldout": "test"}
    ours |= dict.fromkeys(("validation", "valid", "val", "dev", "eval", "evaluation"), "validation")
    return next((ours[word] for word in words if word in ours), "train")


_FIRST = {"a", "0", "first", "left", "model_a", "response_a", "response_0", "completion_a", "answer_a"}
_SECOND = {"b", "1", "second", "right", "model_b", "response_b", "response_1", "completion_b", "answer_b"}
_NEITHER = {"tie", "tie (bothbad)", "bothbad", "both_bad", "both_good", "equal", "same", "neither"}


class _Sides(NamedTuple):
    """The two sides as the record has them, how much better the chosen one is, and who wrote them."""

    chosen: Any
    rejected: Any
    strength: int | None
    source: str


def _sides(values: Mapping[str, Any], columns: Mapping[str, str]) -> _Sides:
    strength = None
    if "chosen" in columns:
        chosen, rejected = (required_cell(values, columns[side]) for side in SIDES)
        source = UNKNOWN
    else:
        chosen, rejected = (required_cell(values, columns[answer]) for answer in ANSWERS)
        if "signed" in columns:
            second, strength = _signed(required_cell(values, columns["signed"]), columns["signed"])
        else:
            second = _choice(required_cell(values, columns["choice"]), columns["choice"])
        writers = [text_cell(values, columns.get(f"{answer}_source")) or UNKNOWN for answer in ANSWERS]
        if second:
            chosen, rejected, writers = rejected, chosen, writers[::-1]
        source = UNKNOWN if writers == [UNKNOWN, UNKNOWN] else ">".join(writers)
    if "strength" in columns:
        given = as_integer(lookup(values, columns["strength"]))
        strength = given if given in (1, 2, 3, 4) else None
    return _Sides(chosen, rejected, strength, source)


def _choice(value: Any, column: str) -> bool:
    """Whether the second answer won. An index counts from 0."""
    index = as_integer(value)
    name = str(index) if index is not None else value.strip().lower() if isinstance(value, str) else ""
    if name in _NEITHER:
        raise Tie("a tie")
    if name not in _FIRST | _SECOND:
        raise LeftOut(f'"{column}" does not say which of the two is better')
    return name in _SECOND


def _signed(value: Any, column: str) -> tuple[bool, int]:
    """Whether the second answer won, and the strength, of HelpSteer's -3 ... 3: above 0 if the second is better.

    Slightly better, better and much better (1, 2, 3) are 2, 3 and 4 of Llama 2's scale.
    """
    points = as_integer(value)
    if points == 0:
        raise Tie("a tie")
    if points is None or abs(points) > 3:
        raise LeftOut(f'"{column}" is no whole number from -3 to 3')
    return points > 0, abs(points) + 1

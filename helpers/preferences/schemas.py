"""What the public sets call things: any record of a known form becomes a `Preference`, or the reason why not.

All here is pure: records are what JSON gives, and no file is opened. There are two kinds of forms. In one a record
holds the chosen and the rejected side (`chosen`, `rejected`); in the other it holds two answers and who won
(`first`, `second`, and `choice` or `signed`). A side or a prompt may be plain text, a list of messages, or a whole
dialogue as hh-rlhf writes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from ..files import LabError, is_broken_text, one_line
from .conversations import check_text, is_dialogue, messages, parted
from .reading import LeftOut, Tie
from .rows import Preference

UNKNOWN = "unknown"  # who wrote or who judged, where the set does not say

# --- Sets and schemas ---------------------------------------------------------


@dataclass(frozen=True)
class KnownSet:
    """What is known of a set on the Hub. splits: those that hold pairs, if not all do; options: for `load_dataset`."""

    license: str
    splits: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    instead: str = ""  # why it cannot be read, and what to read instead


# Licenses as the dataset cards at huggingface.co/datasets/<name> state them; trl-lib/tldr-preference states none.
KNOWN_SETS = {
    "Anthropic/hh-rlhf": KnownSet("mit"),
    "trl-lib/tldr-preference": KnownSet(""),
    "HuggingFaceH4/ultrafeedback_binarized": KnownSet("mit", splits=("train_prefs", "test_prefs")),
    "nvidia/HelpSteer2": KnownSet("cc-by-4.0", options=(("data_dir", "preference"),)),
    "nvidia/HelpSteer3": KnownSet("cc-by-4.0"),
    "PKU-Alignment/PKU-SafeRLHF": KnownSet("cc-by-nc-4.0"),
    "openai/summarize_from_feedback": KnownSet(
        "", instead="it comes as a program, which is never run here; read trl-lib/tldr-preference, the same comparisons"
    ),
}


@dataclass(frozen=True)
class Schema:
    """The form of a set's records. columns: our field -> their column; "a.b" is b inside a, "a.0" a's first item."""

    name: str
    columns: Mapping[str, str]


SIDES = ("chosen", "rejected")
ANSWERS = ("first", "second")
NEEDED = ("prompt", *SIDES, *ANSWERS, "choice", "signed")  # of these a record must have what its schema names
FIELDS = (
    *NEEDED,
    *("chosen_score", "rejected_score", "first_source", "second_source"),
    *("id", "annotator", "source", "strength", "split"),
)

# The most telling first, for the first that fits is taken. Column names: the sets' dataset cards and TRL's guide to
# dataset formats (huggingface.co/docs/trl/dataset_formats).
SCHEMAS = (
    Schema(
        "summarize_from_feedback comparisons",
        {
            "prompt": "info",
            "first": "summaries.0.text",
            "second": "summaries.1.text",
            "choice": "choice",
            "first_source": "summaries.0.policy",
            "second_source": "summaries.1.policy",
            "annotator": "worker",
            "split": "split",
        },
    ),
    Schema(
        "HelpSteer2 preference",
        {
            "prompt": "prompt",
            "first": "response_1",
            "second": "response_2",
            "signed": "preference_strength",
            "split": "split",
        },
    ),
    Schema(
        "HelpSteer3 preference",
        {"prompt": "context", "first": "response1", "second": "response2", "signed": "overall_preference"},
    ),
    Schema(
        "PKU-SafeRLHF",
        {
            "prompt": "prompt",
            "first": "response_0",
            "second": "response_1",
            "choice": "better_response_id",
            "first_source": "response_0_source",
            "second_source": "response_1_source",
        },
    ),
    Schema(
        "arena conversations",
        {
            "first": "conversation_a",
            "second": "conversation_b",
            "choice": "winner",
            "first_source": "model_a",
            "second_source": "model_b",
            "annotator": "judge",
            "id": "question_id",
        },
    ),
    Schema(
        "arena answers",
        {
            "prompt": "prompt",
            "first": "response_a",
            "second": "response_b",
            "choice": "winner",
            "first_source": "model_a",
            "second_source": "model_b",
            "id": "id",
        },
    ),
    Schema(
        "UltraFeedback binarized",
        {
            "prompt": "prompt",
            "chosen": "chosen",
            "rejected": "rejected",
            "chosen_score": "score_chosen",
            "rejected_score": "score_rejected",
            "id": "prompt_id",
        },
    ),
)
GUESSES = {  # what other sets call our fields; the first that is there is taken
    "prompt": ("prompt", "question", "instruction", "query"),
    "id": ("id", "pair_id", "comparison_id"),
    "annotator": ("annotator", "annotator_id", "worker", "labeler"),
    "source": ("source",),
    "strength": ("strength",),
    "split": ("split",),
}


def guess_schema(records: Sequence[Mapping[str, Any]], columns: Mapping[str, str] | None = None) -> Schema:
    """The schema that fits the most of the records, the first of these in order; columns given by hand win.

    columns: our field -> their column; fields that are not in it are guessed. Raises LabError if nothing fits, or
    for a field or column that there is not; the message says which columns there are.
    """
    there = list(dict.fromkeys(name for record in records for name in record))
    _check_columns(columns or {}, records, there)
    best, most = None, 0
    for schema in _candidates(there, columns or {}):
        fits = sum(_has(record, schema) for record in records)
        if fits > most:
            best, most = schema, fits
    if best is None:
        raise LabError(_nothing_fits(there, columns or {}))
    record = next(record for record in records if _has(record, best))
    optional = {ours: theirs for ours, theirs in best.columns.items() if ours in NEEDED or _there(record, theirs)}
    return Schema(best.name if best.name else _name(record, best), optional)


def unused_columns(records: Sequence[Mapping[str, Any]], schema: Schema) -> list[str]:
    """The columns of the records that the schema takes nothing from."""
    used = {part for theirs in schema.columns.values() for part in (theirs, theirs.split(".")[0])}
    return [name for name in dict.fromkeys(name for record in records for name in record) if name not in used]


def _candidates(there: Sequence[str], columns: Mapping[str, str]) -> list[Schema]:
    named = {ours: next(filter(there.__contains__, names), None) for ours, names in GUESSES.items()}
    guessed = {ours: name for ours, name in named.items() if name}
    prompt = {"prompt": guessed.pop("prompt")} if "prompt" in guessed else {}
    sides = {side: side for side in SIDES}
    if set(columns) & {*ANSWERS, "choice", "signed"}:
        by_hand = [Schema("", guessed | prompt | columns)]
        known = [s for s in SCHEMAS if "first" in s.columns] if not set(columns) >= set(ANSWERS) else []
    elif set(columns) & set(SIDES):
        by_hand = [Schema("", guessed | prompt | sides | columns), Schema("", guessed | sides | columns)]
        known = []
    else:
        by_hand = []
        known = [*SCHEMAS, Schema("", guessed | prompt | sides), Schema("", guessed | sides)]
    merged = []
    for schema in known:
        theirs = dict(schema.columns) | columns
        if "choice" in columns:
            theirs.pop("signed", None)
        if "signed" in columns:
            theirs.pop("choice", None)
        merged.append(replace(schema, columns=theirs))
    return [schema for schema in merged + by_hand if _is_whole(schema)]


def _is_whole(schema: Schema) -> bool:
    names = set(schema.columns)
    return names >= set(SIDES) or (names >= set(ANSWERS) and bool(names & {"choice", "signed"}))


def _has(record: Mapping[str, Any], schema: Schema) -> bool:
    needed = [*NEEDED, "chosen_score", "rejected_score"]
    return all(_there(record, theirs) for ours, theirs in schema.columns.items() if ours in needed)


def _name(record: Mapping[str, Any], schema: Schema) -> str:
    """What a form without a set's name is called: TRL's words, or hh-rlhf for its dialogues."""
    if "first" in schema.columns:
        return "two answers and a choice"
    side = _get(record, schema.columns["chosen"])
    if isinstance(side, str) and is_dialogue(side):
        return "hh-rlhf dialogues"
    form = "standard" if isinstance(side, str) and messages(side) is None else "conversational"
    return f"{form}, {'explicit' if 'prompt' in schema.columns else 'implicit'} prompt"


def _check_columns(columns: Mapping[str, str], records: Sequence[Mapping[str, Any]], there: Sequence[str]) -> None:
    for ours, theirs in columns.items():
        if ours not in FIELDS:
            near = get_close_matches(str(ours), FIELDS, n=1)
            raise LabError(
                f"columns: {_quoted(ours)} is no field{f'; did you mean {near[0]!r}' if near else ''}; "
                f"the fields are {', '.join(FIELDS)}"
            )
        if not isinstance(theirs, str):
            raise LabError(
                f"columns: the column of {_quoted(ours)} must be a name in quotes, not {one_line(repr(theirs), 40)}"
            )
        if not any(_there(record, theirs) for record in records):
            near = get_close_matches(theirs, there, n=3)
            raise LabError(
                f"columns: there is no column {_quoted(theirs)} for {ours!r}"
                f"{f'; did you mean {_names(near)}' if near else ''}; the columns are {_names(there)}"
            )


def _nothing_fits(there: Sequence[str], columns: Mapping[str, str]) -> str:
    taken = f" with {one_line(str(dict(columns)), 300)}" if columns else ""
    near = {
        side: one_line(match, 40)
        for side in SIDES
        for match in get_close_matches(side, there, n=1)
        if side not in there
    }
    example = {"prompt": "...", "chosen": "...", "rejected": "..."} | near
    return (
        f"no known form of preference data fits these columns{taken}: {_names(there)}; say which column is which, "
        f"as in columns={example} (or first, second and choice, for two answers and who won)"
    )


def _quoted(name: Any) -> str:
    return repr(one_line(str(name), 40))


def _names(names: Sequence[str]) -> str:
    shown = [one_line(str(name), 40) for name in names[:30]]
    return ", ".join(shown) + (f" and {len(names) - 30} more" if len(names) > 30 else "")


# --- One record ---------------------------------------------------------------


def preference_of(values: Mapping[str, Any], schema: Schema, *, id: str, split: str, where: str = "") -> Preference:
    """The pair that a record of this schema is. Raises LeftOut with the reason, or Tie.

    id, split: for a record that has none of its own; where: the place it was read from.
    """
    columns = schema.columns
    chosen, rejected, strength, source = _sides(values, columns)
    prompt = _get(values, columns["prompt"]) if "prompt" in columns else None
    turns, text, chosen, rejected = parted(prompt, chosen, rejected)
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
        id=_label(values, columns.get("id")) or id,
        source=_label(values, columns.get("source")) or source,
        annotator=_label(values, columns.get("annotator")) or UNKNOWN,
        strength=strength,
        split=our_split(_label(values, columns.get("split")) or split),
        turns=turns,
        where=where,
    )


def has_equal_scores(values: Mapping[str, Any], schema: Schema) -> bool:
    """Whether the set scores both sides of the record alike, and calls one of them chosen nevertheless."""
    if "chosen_score" not in schema.columns or "rejected_score" not in schema.columns:
        return False
    a, b = (_get(values, schema.columns[name]) for name in ("chosen_score", "rejected_score"))
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


def _sides(values: Mapping[str, Any], columns: Mapping[str, str]) -> tuple[Any, Any, int | None, str]:
    """The chosen side, the rejected side, the strength and who wrote them."""
    strength = None
    if "chosen" in columns:
        sides = [_needed(values, columns[side]) for side in SIDES]
        source = UNKNOWN
    else:
        sides = [_needed(values, columns[answer]) for answer in ANSWERS]
        if "signed" in columns:
            second, strength = _signed(_needed(values, columns["signed"]), columns["signed"])
        else:
            second = _choice(_needed(values, columns["choice"]), columns["choice"])
        writers = [_label(values, columns.get(f"{answer}_source")) or UNKNOWN for answer in ANSWERS]
        if second:
            sides, writers = sides[::-1], writers[::-1]
        source = UNKNOWN if writers == [UNKNOWN, UNKNOWN] else ">".join(writers)
    if "strength" in columns:
        given = _whole(_get(values, columns["strength"]))
        strength = given if given in (1, 2, 3, 4) else None
    return *sides, strength, source


def _choice(value: Any, column: str) -> bool:
    """Whether the second answer won. An index counts from 0."""
    whole = _whole(value)
    name = str(whole) if whole is not None else value.strip().lower() if isinstance(value, str) else ""
    if name in _NEITHER:
        raise Tie("a tie")
    if name not in _FIRST | _SECOND:
        raise LeftOut(f'"{column}" does not say which of the two is better')
    return name in _SECOND


def _signed(value: Any, column: str) -> tuple[bool, int]:
    """Whether the second answer won, and the strength; value: HelpSteer's -3 ... 3, above 0 if the second is better.

    Slightly better, better and much better (1, 2, 3) are 2, 3 and 4 of Llama 2's scale.
    """
    whole = _whole(value)
    if whole == 0:
        raise Tie("a tie")
    if whole is None or abs(whole) > 3:
        raise LeftOut(f'"{column}" is no whole number from -3 to 3')
    return whole > 0, abs(whole) + 1


def _whole(value: Any) -> int | None:
    """A whole number that is written as one, as text or as a float; else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and re.fullmatch(r"\s*[-+]?\d{1,9}(\.0*)?\s*", value, re.ASCII):
        return int(float(value))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) else None


# --- Cells --------------------------------------------------------------------


def _get(values: Any, path: str) -> Any:
    """What stands at a column, or at a path such as "info.post" or "summaries.0.text"; None if nothing does."""
    if isinstance(values, Mapping) and path in values:
        return values[path]
    for step in path.split("."):
        if isinstance(values, Mapping):
            values = values.get(step)
        elif isinstance(values, Sequence) and not isinstance(values, str) and step.isdecimal():
            values = values[int(step)] if len(step) < 10 and int(step) < len(values) else None
        else:
            return None
    return values


def _there(values: Mapping[str, Any], path: str) -> bool:
    return path in values or _get(values, path) is not None


def _needed(values: Mapping[str, Any], path: str) -> Any:
    if (found := _get(values, path)) is None:
        raise LeftOut(f'"{path}" is missing')
    return found


def _label(values: Mapping[str, Any], path: str | None) -> str:
    """A cell that names something, as text; empty if there is none that can be used."""
    value = _get(values, path) if path is not None else None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    text = str(value)
    return "" if not text.strip() or is_broken_text(text) else text

"""What the public sets call things, and which of these schemas fits the records of a set.

All here is pure: records are what JSON gives, and no file is opened. There are two kinds of schemas. In one a record
holds the chosen and the rejected side (`chosen`, `rejected`); in the other it holds two answers and who won
(`first`, `second`, and `choice` or `signed`). `conversion` makes pairs of the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from ..files import LabError, one_line
from .cells import has_cell, lookup
from .conversations import is_dialogue, messages


@dataclass(frozen=True)
class KnownSet:
    """What is known of a set on the Hub.

    Attributes:
        license: As its dataset card states it; "" if it states none.
        splits: Those that hold pairs, if not all do.
        options: For `datasets.load_dataset`.
        instead: Why it cannot be read, and what to read instead; "" if it can.
    """

    license: str
    splits: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    instead: str = ""


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
    """The form of a set's records.

    Attributes:
        name: The set that has this form; "" for one that is guessed from its columns.
        columns: Our field -> their column; "a.b" is b inside a, "a.0" a's first item.
    """

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

    Args:
        records: Some records of the set.
        columns: Our field -> their column; fields that are not in it are guessed.

    Raises:
        LabError: Nothing fits, or there is no such field or column; the message says which columns there are.
    """
    names = _column_names(records)
    columns = dict(columns or {})
    _check_columns(columns, records, names)
    best, most = None, 0
    for schema in _candidates(names, columns):
        fits = sum(_fits(record, schema) for record in records)
        if fits > most:
            best, most = schema, fits
    if best is None:
        raise LabError(_nothing_fits(names, columns))
    record = next(record for record in records if _fits(record, best))
    optional = {ours: theirs for ours, theirs in best.columns.items() if ours in NEEDED or has_cell(record, theirs)}
    return Schema(best.name if best.name else _name(record, best), optional)


def unused_columns(records: Sequence[Mapping[str, Any]], schema: Schema) -> list[str]:
    """The columns of the records that the schema takes nothing from."""
    used = {part for theirs in schema.columns.values() for part in (theirs, theirs.split(".")[0])}
    return [name for name in _column_names(records) if name not in used]


def _column_names(records: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record))


def _candidates(names: Sequence[str], columns: dict[str, str]) -> list[Schema]:
    """The schemas that a set with these column names may have, the most telling first; `columns` as given by hand."""
    first_found = {ours: next(filter(names.__contains__, guesses), None) for ours, guesses in GUESSES.items()}
    guessed = {ours: name for ours, name in first_found.items() if name}
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
    return [schema for schema in merged + by_hand if _is_complete(schema)]


def _is_complete(schema: Schema) -> bool:
    names = set(schema.columns)
    return names >= set(SIDES) or (names >= set(ANSWERS) and bool(names & {"choice", "signed"}))


def _fits(record: Mapping[str, Any], schema: Schema) -> bool:
    needed = [*NEEDED, "chosen_score", "rejected_score"]
    return all(has_cell(record, theirs) for ours, theirs in schema.columns.items() if ours in needed)


def _name(record: Mapping[str, Any], schema: Schema) -> str:
    """What a form without a set's name is called: TRL's words, or hh-rlhf for its dialogues."""
    if "first" in schema.columns:
        return "two answers and a choice"
    side = lookup(record, schema.columns["chosen"])
    if isinstance(side, str) and is_dialogue(side):
        return "hh-rlhf dialogues"
    form = "standard" if isinstance(side, str) and messages(side) is None else "conversational"
    return f"{form}, {'explicit' if 'prompt' in schema.columns else 'implicit'} prompt"


def _check_columns(columns: Mapping[str, str], records: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
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
        if not any(has_cell(record, theirs) for record in records):
            near = get_close_matches(theirs, names, n=3)
            raise LabError(
                f"columns: there is no column {_quoted(theirs)} for {ours!r}"
                f"{f'; did you mean {_listed(near)}' if near else ''}; the columns are {_listed(names)}"
            )


def _nothing_fits(names: Sequence[str], columns: dict[str, str]) -> str:
    taken = f" with {one_line(str(columns), 300)}" if columns else ""
    near = {
        side: one_line(match, 40)
        for side in SIDES
        for match in get_close_matches(side, names, n=1)
        if side not in names
    }
    example = {"prompt": "...", "chosen": "...", "rejected": "..."} | near
    return (
        f"no known form of preference data fits these columns{taken}: {_listed(names)}; say which column is which, "
        f"as in columns={example} (or first, second and choice, for two answers and who won)"
    )


def _quoted(name: Any) -> str:
    return repr(one_line(str(name), 40))


def _listed(names: Sequence[str]) -> str:
    shown = [one_line(str(name), 40) for name in names[:30]]
    return ", ".join(shown) + (f" and {len(names) - 30} more" if len(names) > 30 else "")

"""Rows and their files: what is written can be read; a bad input gives one message with file, line, field."""

import json
import os
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.files import SPLITS, LabError
from helpers.preferences import (
    Demonstration,
    Preference,
    Prompt,
    Rating,
    load_preferences,
    read_demonstrations,
    read_preferences,
    read_prompts,
    read_ratings,
    to_dataset,
    write_rows,
)

PROMPT = "SUBREDDIT: r/dogs\n\nTITLE: Walks\n\nPOST: My dog pulls.\n\nTL;DR:"
GOOD = {
    "prompt": PROMPT,
    "chosen": " I want to walk my dog.",
    "rejected": " Dogs.",
    "id": "p1",
    "source": "simulated",
    "annotator": "ann",
    "strength": 3,
    "split": "train",
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pairs.jsonl"


def write(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def message(read, *arguments, **keywords) -> str:
    with pytest.raises(LabError) as error:
        read(*arguments, **keywords)
    assert error.value.__suppress_context__ or error.value.__context__ is None, "more than one error is shown"
    return str(error.value)


# ------------------------------------------------------------------------------------------- good files

text = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
preferences = st.builds(
    Preference,
    prompt=text,
    chosen=text.map("+".__add__),
    rejected=text.map("-".__add__),
    id=text,
    source=text,
    annotator=text,
    strength=st.integers(1, 4),
    split=st.sampled_from(SPLITS),
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(rows=st.lists(preferences, min_size=1, max_size=4, unique_by=lambda row: row.id))
def test_round_trip_with_stable_bytes(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rows") / "pairs.jsonl"
    write_rows(path, rows)
    content = path.read_bytes()
    again = read_preferences(path)
    assert again == rows
    write_rows(path, again)
    assert path.read_bytes() == content


def test_the_file_has_the_contracts_keys_in_order_and_readable_text(path):
    write_rows(path, [Preference(**GOOD | {"chosen": " Ça va 🐶"})])
    line = path.read_text("utf-8")
    assert list(json.loads(line)) == [
        "prompt",
        "chosen",
        "rejected",
        "id",
        "source",
        "annotator",
        "strength",
        "split",
    ]
    assert "Ça va 🐶" in line
    assert line.endswith("}\n")


def test_rows_know_where_they_were_read(path):
    write(path, GOOD, GOOD | {"id": "p2"})
    rows = read_preferences(path)
    assert [row.where for row in rows] == [f"{path}:1", f"{path}:2"]
    assert rows[0] == Preference(**GOOD)


def test_the_shipped_layout(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_DATA", str(tmp_path))
    for number, split in enumerate(SPLITS):
        write(tmp_path / "preferences" / f"{split}.jsonl", GOOD | {"id": f"p{number}", "split": split})
    write(tmp_path / "prompts" / "train.jsonl", {"id": "q1", "prompt": PROMPT})
    write(tmp_path / "prompts" / "heldout.jsonl", {"id": "q2", "prompt": PROMPT})
    write(tmp_path / "demonstrations.jsonl", {"id": "d1", "prompt": PROMPT, "completion": " Help."})
    rating = {"id": "r1", "prompt": PROMPT, "completion": " Help.", "annotator": "ann", "rating": 7}
    write(tmp_path / "ratings.jsonl", rating, rating | {"annotator": "bob", "rating": 1})

    assert [row.split for row in load_preferences()] == list(SPLITS)
    assert [row.id for row in load_preferences("test")] == ["p2"]
    assert [row.id for row in load_preferences(tmp_path / "preferences" / "train.jsonl")] == ["p0"]
    assert read_prompts() == [Prompt(id="q1", prompt=PROMPT)]
    assert read_prompts("heldout") == read_prompts(tmp_path / "prompts" / "heldout.jsonl")
    assert read_demonstrations() == [Demonstration(id="d1", prompt=PROMPT, completion=" Help.")]
    assert read_ratings() == [Rating(**rating), Rating(**rating | {"annotator": "bob", "rating": 1})]

    write(tmp_path / "preferences" / "test.jsonl", GOOD | {"id": "p0", "split": "test"})
    assert "'p0' is used twice (first at" in message(load_preferences)
    write(tmp_path / "preferences" / "test.jsonl", GOOD | {"id": "p9"})
    assert message(load_preferences, "test").endswith(
        'test.jsonl:1: field "split" is "train" in the file of test; move it'
    )


def test_trainers_get_three_columns_and_no_margin():
    dataset = to_dataset([Preference(**GOOD), Preference(**GOOD | {"id": "p2"})])
    assert dataset.column_names == ["prompt", "chosen", "rejected"]
    assert dataset[1] == {name: GOOD[name] for name in dataset.column_names}


# ------------------------------------------------------------------------------------------- bad files


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_field(path, name):
    write(path, GOOD, {key: value for key, value in GOOD.items() if key != name})
    assert message(read_preferences, path).startswith(f'{path}:2: field "{name}" is missing; every row needs prompt,')


def test_a_misspelt_field(path):
    write(path, {"choosen" if key == "chosen" else key: value for key, value in GOOD.items()})
    assert message(read_preferences, path) == f'{path}:1: field "chosen" is missing; rename "choosen"'


def test_an_unknown_field_and_above_all_a_margin(path):
    write(path, GOOD | {"margin": 1.0})
    assert message(read_preferences, path).startswith(f'{path}:1: field "margin" is unknown; remove it')


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("prompt", 5, "must be text in quotes, not 5"),
        ("chosen", None, "must be text in quotes, not None"),
        ("rejected", ["a" * 100], "must be text in quotes, not ['aaa"),
        ("id", 17, "must be text in quotes, not 17"),
        ("chosen", "", "is blank; write its text or remove the row"),
        ("rejected", " \n\t", "is blank"),
        ("prompt", "", "is blank"),
        ("chosen", "\ud83d", "holds half of a character"),
        (
            "strength",
            0,
            "must be a whole number from 1 to 4 (1 negligibly better ... 4 significantly better), not 0",
        ),
        ("strength", 5, "must be a whole number from 1 to 4"),
        ("strength", 2.5, "must be a whole number from 1 to 4"),
        ("strength", True, "must be a whole number from 1 to 4"),
        ("strength", "3", "must be a whole number from 1 to 4"),
        ("strength", float("nan"), "must be a whole number from 1 to 4"),
        ("split", "dev", "must be one of train, validation, test, not 'dev'"),
        ("rejected", GOOD["chosen"], 'is identical to "chosen"'),
        ("rejected", GOOD["chosen"] + "\n", 'is identical to "chosen"'),
    ],
)
def test_a_bad_value(path, name, value, problem):
    write(path, GOOD, GOOD | {"id": "p2", name: value})
    found = message(read_preferences, path)
    assert found.startswith(f'{path}:2: field "{name}" {problem}')
    assert len(found) < len(str(path)) + 150


def test_a_bad_rating(path):
    write(path, {"id": "r1", "prompt": PROMPT, "completion": " Help.", "annotator": "ann", "rating": 8})
    assert message(read_ratings, path).startswith(f'{path}:1: field "rating" must be a whole number from 1 to 7')


def test_a_bad_row_cannot_be_made():
    assert message(Preference, **GOOD | {"strength": 9}).startswith('field "strength" must be')
    assert message(replace, Preference(**GOOD), chosen=" ").startswith('field "chosen" is blank')


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (json.dumps(GOOD).encode() + b'\n{"prompt": "a"\n', ":2: invalid JSON at column 15"),
        (
            json.dumps(GOOD).encode() + b'\n{"prompt": "caf\xe9"}\n',
            ":2: byte 16 of the line (0xe9) is not UTF-8; save",
        ),
        (b"", ": the file is empty"),
        (None, ": no such file; check the path"),
    ],
)
def test_a_bad_file(path, content, problem):
    if content is not None:
        path.write_bytes(content)
    assert message(read_preferences, path).startswith(f"{path}{problem}")
    assert message(load_preferences, str(path)).startswith(f"{path}{problem}")


def test_an_id_used_twice(path):
    write(path, GOOD, GOOD | {"id": "p2"}, GOOD)
    assert message(read_preferences, path) == (
        f"{path}:3: field \"id\": 'p1' is used twice (first at {path}:1); give each row an id of its own"
    )


@pytest.mark.parametrize("load", [load_preferences, read_prompts])
def test_an_unknown_split(load):
    assert message(load, "tset").startswith("unknown split 'tset': use one of train, ")


def test_a_failed_write_leaves_the_old_file_alone(path):
    write_rows(path, [Preference(**GOOD)])
    content = path.read_bytes()
    assert "is used twice" in message(write_rows, path, [Preference(**GOOD)] * 2 + [replace(Preference(**GOOD))])
    assert message(write_rows, path, []).startswith(f"{path}: there are no rows to write")
    assert path.read_bytes() == content
    assert os.listdir(path.parent) == [path.name]

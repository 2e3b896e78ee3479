"""Write-back: what is written is read back equal, by this project and by the libraries that others use."""

import json
import os
from dataclasses import replace

import datasets
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.files import SPLITS, LabError
from helpers.preferences import Preference, Turn, load_preferences, to_dataset, write_hub_folder, write_preferences
from helpers.preferences.conversations import text_of, turns_of

text = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
# What CSV and line-wise readers trip over comes often.
nasty = st.lists(st.sampled_from(['"', ",", "\r", "\n", "\0", "\\", "'", "[{", "\u2028", "é", "x"]), min_size=1)
text = text | nasty.map("".join).filter(str.strip)
turns = st.lists(st.builds(Turn, role=text, content=text | st.just("")), max_size=3).map(tuple)
preferences = st.builds(
    Preference,
    prompt=text,
    chosen=text.map("+".__add__),
    rejected=text.map("-".__add__),
    id=text,
    source=text,
    annotator=text,
    strength=st.none() | st.integers(1, 4),
    split=st.sampled_from(SPLITS),
    turns=turns,
)
some_rows = st.lists(preferences, min_size=1, max_size=4, unique_by=lambda row: row.id)
SUFFIXES = [kind + packed for kind in (".jsonl", ".csv", ".parquet") for packed in ("", ".gz")]

CHAT = Preference(
    "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: Bye?\n\nAssistant:",
    " Bye.",
    " No.",
    id="c",
    source="a>b",
    annotator="ann",
    strength=None,
    split="train",
    turns=(Turn("user", "Hi"), Turn("assistant", "Hello."), Turn("user", "Bye?")),
)
PLAIN = Preference("The sky is", " blue.", " green.", "p", "a>b", "ann", 3, "test")


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=40, deadline=None)
@given(rows=some_rows)
def test_written_and_read_back(tmp_path_factory, suffix, rows):
    path = tmp_path_factory.mktemp("rows") / f"pairs{suffix}"
    write_preferences(path, rows)
    content = path.read_bytes()
    assert not suffix.endswith(".gz") or content[4:8] == b"\0\0\0\0"  # the time of writing, which must not be in it
    again = load_preferences(path)
    assert again == rows and again.reading.schema == "the project's own"
    write_preferences(path, again)
    assert path.read_bytes() == content


@settings(max_examples=20, deadline=None)
@given(rows=some_rows)
def test_a_hub_folder_read_back(tmp_path_factory, rows):
    folder = write_hub_folder(tmp_path_factory.mktemp("hub") / "set", rows, name="N", license="mit", description="D")
    again = load_preferences(folder)
    assert sorted(again, key=lambda row: row.id) == sorted(rows, key=lambda row: row.id)
    assert again.reading.license == "mit"


def test_others_read_the_files(tmp_path):
    rows = [CHAT, PLAIN]
    for suffix in SUFFIXES:
        write_preferences(tmp_path / f"pairs{suffix}", rows)
    frames = [
        pd.read_parquet(tmp_path / "pairs.parquet"),
        pd.read_csv(tmp_path / "pairs.csv"),
        pd.read_csv(tmp_path / "pairs.csv.gz"),
        pd.read_json(tmp_path / "pairs.jsonl.gz", lines=True),
    ]
    for frame in frames:
        assert frame["chosen"].tolist() == [" Bye.", " blue."]
        assert frame["strength"].isna().tolist() == [True, False] and frame["strength"][1] == 3
    assert json.loads(frames[1]["turns"][0])[1] == {"role": "assistant", "content": "Hello."}
    assert list(json.loads((tmp_path / "pairs.jsonl").read_text().splitlines()[1])) == list(PLAIN.as_dict())
    assert "turns" not in PLAIN.as_dict()


def test_a_hub_folder_is_what_datasets_loads_offline(tmp_path):
    rows = [CHAT, PLAIN, replace(PLAIN, id="q", split="validation")]
    folder = write_hub_folder(
        tmp_path / "set", rows, name="Two: #skies", license="cc-by-4.0", description="Who judged.\n\n* and how"
    )
    found = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {split: part.num_rows for split, part in found.items()} == {"train": 1, "validation": 1, "test": 1}
    assert found["train"][0] == CHAT.as_dict()
    assert found["test"][0] == PLAIN.as_dict() | {"turns": None}
    card = (folder / "README.md").read_text("utf-8")
    _, front, body = card.split("---\n", 2)
    front = yaml.safe_load(front)
    assert (front["license"], front["pretty_name"]) == ("cc-by-4.0", "Two: #skies")
    assert front["size_categories"] == "n<1K"
    assert [entry["split"] for entry in front["configs"][0]["data_files"]] == ["train", "validation", "test"]
    assert all((folder / entry["path"]).is_file() for entry in front["configs"][0]["data_files"])
    assert "Who judged.\n\n* and how" in body and "| validation | 1 |" in body and "`turns`" in body


def test_turns_in_one_split_only(tmp_path):
    rows = [replace(PLAIN, split="train"), replace(CHAT, split="test")]
    folder = write_hub_folder(tmp_path / "set", rows, name="N", license="mit", description="D")
    found = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert found["train"].features == found["test"].features and found["test"][0]["turns"] == CHAT.as_dict()["turns"]


def test_a_card_of_hostile_words(tmp_path):
    folder = write_hub_folder(
        tmp_path / "set", [PLAIN], name="a\n---\nlicense: mit", license="my own: [terms", description="---\n<script>"
    )
    front = yaml.safe_load((folder / "README.md").read_text("utf-8").split("---\n", 2)[1])
    assert (front["license"], front["license_name"]) == ("other", "my own: [terms")
    assert front["pretty_name"] == "a --- license: mit"
    assert load_preferences(folder) == [PLAIN]


def test_the_card_says_how_the_pairs_were_read(tmp_path):
    path = tmp_path / "raw.jsonl"
    path.write_text('{"prompt": "Q", "chosen": "a", "rejected": "b"}\n{"prompt": "Q", "chosen": "", "rejected": "b"}\n')
    folder = write_hub_folder(tmp_path / "set", load_preferences(path), name="N", license="mit", description="D")
    assert "left out, the chosen side is blank: 1" in (folder / "README.md").read_text("utf-8")


def test_nothing_is_written_on_failure(tmp_path):
    folder = write_hub_folder(tmp_path / "set", [PLAIN], name="N", license="mit", description="D")
    path = tmp_path / "pairs.parquet"
    write_preferences(path, [PLAIN])
    before = {p: p.read_bytes() for p in (path, folder / "README.md", folder / "data" / "test.parquet")}
    for rows, problem in (([], "no rows to write"), ([PLAIN, replace(PLAIN)], "is used twice")):
        with pytest.raises(LabError, match=problem):
            write_preferences(path, rows)
        with pytest.raises(LabError, match=problem):
            write_hub_folder(folder, rows, name="N", license="mit", description="D")
    with pytest.raises(LabError, match="write pairs as .jsonl, .csv or .parquet"):
        write_preferences(tmp_path / "pairs.xlsx", [PLAIN])
    with pytest.raises(LabError, match="half of a character"):
        write_hub_folder(folder, [PLAIN], name="N", license="mit", description="\ud83d")
    assert {p: p.read_bytes() for p in before} == before
    assert sorted(os.listdir(tmp_path)) == ["pairs.parquet", "set"]


# --- TRL's formats ------------------------------------------------------------


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


def test_trls_four_formats():
    """By hand, in the words of TRL's guide to dataset formats."""
    rows = [PLAIN, CHAT]
    assert to_dataset(rows)[0] == {"prompt": "The sky is", "chosen": " blue.", "rejected": " green."}
    assert to_dataset(rows, prompt="implicit")[0] == {"chosen": "The sky is blue.", "rejected": "The sky is green."}
    assert to_dataset(rows, form="conversational")[0] == {
        "prompt": [user("The sky is")],
        "chosen": [assistant("blue.")],
        "rejected": [assistant("green.")],
    }
    talk = [user("Hi"), assistant("Hello."), user("Bye?")]
    assert to_dataset(rows, form="conversational", prompt="implicit")[1] == {
        "chosen": [*talk, assistant("Bye.")],
        "rejected": [*talk, assistant("No.")],
    }
    with pytest.raises(ValueError, match="form must be standard or conversational"):
        to_dataset(rows, form="chat")


@pytest.mark.parametrize("form", ["standard", "conversational"])
def test_trl_takes_the_explicit_prompt_out_of_the_implicit_one(form):
    """TRL's own function, on what is written with an implicit prompt, gives what is written with an explicit one."""
    from trl import extract_prompt

    rows = [PLAIN, CHAT]
    implicit = to_dataset(rows, form=form, prompt="implicit")
    assert [extract_prompt(row) for row in implicit] == list(to_dataset(rows, form=form))


@pytest.mark.parametrize("form", ["standard", "conversational"])
@pytest.mark.parametrize("prompt", ["explicit", "implicit"])
def test_trls_formats_are_read_back(tmp_path, form, prompt):
    path = tmp_path / "pairs.jsonl"
    to_dataset([CHAT, PLAIN], form=form, prompt=prompt).to_json(path)
    for row, again in zip([CHAT, PLAIN], load_preferences(path), strict=True):
        assert again.chosen.strip() == row.chosen.strip() and again.rejected.strip() == row.rejected.strip()
        assert again.prompt == row.prompt
        if form == "conversational":
            assert turns_of(again) == turns_of(row)
        assert not again.turns or text_of(again.turns) == again.prompt

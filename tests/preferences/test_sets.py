"""Sets as a whole: the real pairs of hh-rlhf, splits, limits, ids, ties and duplicates, the account that is shown."""

import gzip
import json
import re
from collections import Counter

import pytest

from helpers import files
from helpers.files import LabError
from helpers.preferences import Preference, Reading, load_preferences, read_pairs, stream_preferences
from helpers.preferences.sets import _Digests

from ..support.preferences import ARENA, HELPSTEER2, OPENAI, TLDR, ULTRA

REAL = files.ROOT.parent / "shared" / "data" / "hh-rlhf-harmless-base" / "test.jsonl.gz"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pairs.jsonl"


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


# --- Real pairs ---------------------------------------------------------------


@pytest.mark.skipif(not REAL.is_file(), reason="the real pairs of hh-rlhf lie beside the repository, not in it")
def test_the_real_pairs_of_hh_rlhf():
    """Against a count of this test's own. No text of the set may show: so only numbers are compared."""
    with gzip.open(REAL, "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    expected, why = [], Counter()
    for number, record in enumerate(records, start=1):
        (before, _, good), (before_b, _, bad) = (record[s].rpartition("\n\nAssistant:") for s in ("chosen", "rejected"))
        if before != before_b:
            why["prompts differ"] += 1
        elif not good.strip() or not bad.strip():
            why["blank"] += 1
        else:
            expected.append((number, len(before) + len("\n\nAssistant:"), len(good), len(bad)))
    rows = load_preferences(REAL)
    reading = rows.reading
    found = [(int(r.where.rpartition(":")[2]), len(r.prompt), len(r.chosen), len(r.rejected)) for r in rows]
    assert found == expected
    assert len(records) == reading.n_read == 2312 and len(rows) == reading.n_pairs == 2303
    assert reading.left_out.total() == 9 and why == {"prompts differ": 5, "blank": 4}
    assert reading.left_out["the two sides' prompts differ"] == 5
    assert reading.n_duplicates == len(rows) - len({(r.prompt, r.chosen, r.rejected) for r in rows})
    assert reading.schema == "hh-rlhf dialogues" and reading.splits == {"test": 2303}
    assert all(row.prompt.endswith("\n\nAssistant:") for row in rows)
    n_turns = [len(re.findall("\n\n(?:Human|Assistant):", row.prompt)) - 1 for row in rows]
    assert [len(row.turns) for row in rows] == n_turns and max(n_turns) > 3
    assert all(row.turns[-1].role == "user" for row in rows if len(row.turns) % 2)
    assert len({row.id for row in rows}) == len(rows)


# --- Splits, limits, ids ------------------------------------------------------


def test_a_set_whose_rows_say_their_split(path):
    write(path, HELPSTEER2, HELPSTEER2 | {"split": "train"}, HELPSTEER2 | {"split": None})
    assert [row.split for row in load_preferences(path)] == ["validation", "train", "train"]
    assert len(load_preferences(path, split="validation")) == 1
    assert len(load_preferences(path, split="train")) == 2
    with pytest.raises(LabError, match="no split 'test'; it has"):
        load_preferences(path, split="test")
    path = write(path.with_name("train.jsonl"), HELPSTEER2, HELPSTEER2 | {"split": "train"})
    assert [row.split for row in load_preferences(path, split="train")] == ["train"]
    assert load_preferences(path).reading.splits == {"validation": 1, "train": 1}
    assert [row.split for row in load_preferences(write(path, OPENAI))] == ["validation"]


def test_a_limit(path):
    write(path, *[TLDR | {"chosen": ""}] * 3, *[TLDR] * 9)
    rows = load_preferences(path, limit=4)
    assert len(rows) == 4 and rows.reading.n_read == 7
    with pytest.raises(ValueError, match="at least 1"):
        load_preferences(path, limit=0)


def test_the_shipped_pairs_can_be_limited_and_split():
    rows = load_preferences(split="validation", limit=7)
    assert rows == load_preferences("validation")[:7] and rows.reading.splits == {"validation": 7}
    with pytest.raises(LabError, match="no split 'dev'"):
        load_preferences(split="dev")
    with pytest.raises(LabError, match="no split 'test' in train"):
        load_preferences("train", split="test")


def test_ids_are_the_sets_own_and_come_once(path):
    write(path, ULTRA, ULTRA | {"prompt_id": "b"}, ULTRA, ULTRA | {"prompt_id": ""}, ULTRA | {"prompt_id": 17}, ULTRA)
    rows = load_preferences(path)
    assert [row.id for row in rows] == ["a1", "b", "a1-3", "pairs-00004", "17", "a1-6"]
    assert rows.reading.n_duplicates == 5
    write(path, ULTRA | {"prompt_id": "a-3"}, ULTRA | {"prompt_id": "a"}, ULTRA | {"prompt_id": "a"})
    assert [row.id for row in load_preferences(path)] == ["a-3", "a", "a-3-again"]


def test_ties_and_equal_scores_and_what_is_left_out_add_up(path):
    write(path, ARENA, ARENA | {"winner": "tie"}, ARENA | {"winner": "tie (bothbad)"}, ARENA | {"winner": "?"}, ARENA)
    reading = load_preferences(path).reading
    assert (reading.n_read, reading.n_pairs, reading.n_ties, reading.n_duplicates) == (5, 2, 2, 1)
    assert reading.n_read == reading.n_pairs + reading.n_ties + reading.left_out.total()
    write(path, ULTRA, ULTRA | {"score_chosen": 3.5})
    reading = load_preferences(path).reading
    assert (reading.n_pairs, reading.n_equal_scores) == (2, 1)


def test_no_pair_at_all_is_an_error_that_says_why(path):
    write(path, *[ARENA | {"winner": "tie"}] * 3, ARENA | {"winner": "?"})
    with pytest.raises(LabError) as error:
        load_preferences(path)
    assert str(error.value).startswith(f"{path}: no pair in 4 records. schema: arena conversations")
    assert "left out as ties: 3" in str(error.value) and '"winner" does not say' in str(error.value)


def test_strict_reading_stops_at_the_first_broken_record(path):
    write(path, ARENA, ARENA | {"winner": "tie"}, ARENA | {"winner": "?"})
    with pytest.raises(LabError, match=re.escape(f'{path}:3: "winner" does not say which of the two is better')):
        load_preferences(path, strict=True)


def test_columns_by_hand_and_a_wrong_one(path):
    write(path, {"question": "Q", "best": "A", "worst": "B"})
    rows = load_preferences(path, columns={"chosen": "best", "rejected": "worst"})
    assert rows.reading.columns == {"prompt": "question", "chosen": "best", "rejected": "worst"}
    with pytest.raises(LabError) as error:
        load_preferences(path, columns={"chosen": "bets", "rejected": "worst"})
    assert str(error.value) == (
        f"{path}: columns: there is no column 'bets' for 'chosen'; did you mean best; "
        f"the columns are question, best, worst"
    )


def test_the_projects_own_rows_are_read_strictly_in_a_stream_too(path):
    own = [row.as_dict() for row in load_preferences("test", limit=3)]
    write(path, *own)
    reading = Reading()
    assert [row.as_dict() for row in stream_preferences(path, reading=reading)] == own
    assert reading.schema == "the project's own"
    for broken, problem in (
        (own[0] | {"strength": "3"}, 'field "strength" must be a whole number'),
        (own[0], 'field "id": .* is used twice'),
        (own[0] | {"turns": "Hi"}, 'field "turns" must be a list'),
        (own[0] | {"turns": [{"role": "user", "content": 3}]}, 'field "turns" has a turn whose content must be text'),
    ):
        write(path, *own, broken)
        with pytest.raises(LabError, match=f"{re.escape(str(path))}:4: {problem}"):
            list(stream_preferences(path))


def test_a_set_with_some_of_the_projects_columns_is_not_read_strictly(path):
    record = TLDR | {"id": "x", "source": "s", "annotator": "ann", "split": "test", "tags": []}
    (row, _) = load_preferences(write(path, record, record, record | {"chosen": None}))
    assert (row.id, row.source, row.annotator, row.split, row.strength) == ("x", "s", "ann", "test", None)


def test_pairs_to_label_come_from_any_set(path):
    (pair,) = read_pairs(write(path, TLDR))
    assert (pair.completion_a, pair.completion_b) == (" Good.", " Bad.")


def test_the_digests_kept_are_bounded(monkeypatch):
    monkeypatch.setattr("helpers.preferences.sets.MAX_DIGESTS", 3)
    digests = _Digests()
    assert [digests.repeats(i) for i in (1, 2, 1, 3, 4, 4, 2)] == [False, False, True, False, False, False, True]


# --- What is shown ------------------------------------------------------------


def test_the_account_is_shown_and_text_from_data_stays_text(path):
    bad = "<img src=x onerror=alert(1)>"
    write(path, TLDR | {bad: 1, "id": bad}, TLDR | {"chosen": ""}, *[TLDR] * 2)
    rows = load_preferences(path)
    shown = repr(rows)
    for part in ("3 pairs of 4 records", "standard, explicit prompt", "chosen <- chosen", "not used: " + bad):
        assert part in shown
    assert f"left out, the chosen side is blank: 1 ({path}:2)" in shown
    assert "kept although an earlier pair is the same: 2" in shown
    html = rows._repr_html_()
    assert (
        bad not in html
        and "&lt;img src=x onerror=alert(1)&gt;" in html
        and html.count("<li>") == len(rows.reading.lines()) - 1
    )


def test_names_from_data_are_shown_on_one_line_and_move_no_cursor(path):
    hostile = "\x1b[2J\r\n\u202e\ud83d" + "x" * 500
    write(path, TLDR | {hostile: 1} | {f"c{i}": 1 for i in range(100)})
    reading = load_preferences(path).reading
    shown = str(reading)
    assert hostile in reading.unused and r"\x1b[2J\r\n\u202e\ud83dxxx" in shown and shown.encode()
    assert len(shown.splitlines()) == len(reading.lines()) and len(shown) < 1500 and "and 71 more" in shown
    write(path, {hostile: 1, "choosen": 2})
    with pytest.raises(LabError) as error:
        load_preferences(path)
    assert str(error.value).encode().decode().isprintable() and len(str(error.value)) < 700


@pytest.mark.parametrize("source", ["a\0b.jsonl", "x" * 5000, "no such split", "../../nowhere", "a" * 300 + ".csv"])
def test_a_source_that_there_is_not(source):
    with pytest.raises(LabError) as error:
        load_preferences(source)
    assert len(str(error.value)) < 1000


def test_a_set_is_a_list():
    rows = load_preferences("test")
    assert isinstance(rows, list) and isinstance(rows[0], Preference)
    assert rows == list(rows) and rows[:2] + rows[2:] == rows
    assert repr(rows).startswith("PreferenceSet of 1,000 pairs")

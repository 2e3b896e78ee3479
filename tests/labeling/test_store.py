"""The label store: what was acknowledged is there, whoever is killed and whoever writes at once."""

import os
import random
import signal
import sqlite3
import time
from dataclasses import replace

import pytest

from helpers import files
from helpers.files import LabError
from helpers.labeling.store import APPLICATION, AlreadyAnswered, Label, LabelStore, TextRating, pair_digest
from helpers.preferences import Pair

from ..support.label_writers import check_integrity, go, writer

PAIRS = [Pair(f"p{i}", f"POST: {i}\n\nTL;DR:", f" one {i}", f" two {i}", "sft>base") for i in range(100)]
LABEL = Label(PAIRS[0], "ann", "s1", left="b", choice="a", strength=3, seconds=1.5)


@pytest.fixture
def store(tmp_path):
    return LabelStore(tmp_path / "new" / "labels.sqlite")


def message(act, *arguments) -> str:
    with pytest.raises(LabError) as error:
        act(*arguments)
    return str(error.value)


# ------------------------------------------------------------------------------------------- keeping


def test_work_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.delenv("RLHF_WORK", raising=False)
    assert files.work() == files.ROOT / "work"
    monkeypatch.setenv("RLHF_WORK", str(tmp_path))
    assert LabelStore().path == tmp_path / "labels.sqlite"


def test_a_label_comes_back_whole(store):
    added = store.add(LABEL)
    assert (added.number, replace(added, number=0, created="")) == (1, LABEL)
    assert added.created.endswith("+00:00")
    tie = store.add(replace(LABEL, pair=PAIRS[1], choice="tie", strength=0, left=None, seconds=None))
    assert LabelStore(store.path).labels() == [added, tie]
    assert store.labels("ann") == [added, tie] and store.labels("bob") == []
    assert [answer.what for answer in store.answers("labels", "ann")] == ["a", "tie"]


def test_a_rating_comes_back_whole(store):
    rating = TextRating(PAIRS[0], "b", "ann", "s1", rating=7, seconds=2.0)
    added = store.add_rating(rating)
    assert store.ratings("ann") == [added] == [replace(rating, number=1, created=added.created)]
    assert isinstance(pytest.raises(LabError, store.add_rating, rating).value, AlreadyAnswered)
    store.add_rating(replace(rating, side="a"))
    store.add_rating(replace(rating, annotator="bob"))
    assert store.labels() == []


def test_reading_makes_no_file(store):
    assert store.labels() == store.ratings() == store.answers("labels", "ann") == []
    assert not store.path.parent.exists()


def test_undo_is_an_event_and_deletes_nothing(store):
    first, second = store.add(LABEL), store.add(replace(LABEL, pair=PAIRS[1]))
    other = store.add(replace(LABEL, pair=PAIRS[2], session="s2"))
    assert store.undo("s1") == second.number
    assert store.labels() == [first, other]
    assert store.labels(undone=True) == [second]
    assert store.undo("s1") == first.number
    assert store.undo("s1") is None and store.undo("unknown") is None
    assert store.undo("s2", "ratings") is None
    again = store.add(LABEL)  # the pair is open again
    assert again.number > other.number and store.labels() == [other, again]
    with sqlite3.connect(store.path) as db:
        assert db.execute("SELECT count(*) FROM labels").fetchone() == (4,)
        assert db.execute("SELECT count(*) FROM undone WHERE session = 's1'").fetchone() == (2,)


def test_an_answer_to_a_pair_must_know_of_those_before_it(store):
    store.add(LABEL)
    for repeat in (0, 2):
        assert isinstance(pytest.raises(LabError, store.add, replace(LABEL, repeat=repeat)).value, AlreadyAnswered)
    store.add(replace(LABEL, repeat=1))
    store.add(replace(LABEL, annotator="bob"))
    assert len(store.labels()) == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"choice": "c"},
        {"choice": "tie", "strength": 2},
        {"strength": 0},
        {"strength": 5},
        {"strength": None},
    ],
)
def test_an_answer_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="strength|choice"):
        replace(LABEL, **wrong)


def test_a_rating_that_cannot_be():
    for side, rating in (("c", 4), ("a", 0), ("a", 8), ("a", 3.5)):
        with pytest.raises(ValueError, match="1 to 7"):
            TextRating(PAIRS[0], side, "ann", "s1", rating)


def test_the_digest_is_of_texts_in_their_places():
    pair = PAIRS[0]
    assert pair_digest(pair) == pair_digest(replace(pair, id="other", source="me"))
    others = [
        replace(pair, prompt="x"),
        replace(pair, completion_a="x"),
        replace(pair, completion_a=pair.completion_b, completion_b=pair.completion_a),
        # One text that ends in the middle of the other's: plain joining would not tell the two apart.
        replace(pair, completion_a=pair.completion_a + pair.completion_b[:2], completion_b=pair.completion_b[2:]),
    ]
    assert len({pair_digest(p) for p in [pair, *others]}) == 5


# ------------------------------------------------------------------------------------------- bad files


def test_not_a_database(store):
    store.path.parent.mkdir()
    store.path.write_text("not a database at all " * 100)
    assert "labels.sqlite: not a database of labels; move the file away" in message(store.labels)
    assert store.path.read_text().startswith("not a database")  # and it was left alone


def test_another_programs_database(store):
    store.path.parent.mkdir()
    with sqlite3.connect(store.path) as db:
        db.execute("CREATE TABLE bookmarks (url TEXT)")
    db.close()
    assert "not of labels" in message(store.add, LABEL)


def test_a_newer_version(store):
    store.add(LABEL)
    with sqlite3.connect(store.path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for act in (store.labels, lambda: store.add(replace(LABEL, pair=PAIRS[1]))):
        assert "newer version of these labs (schema 99" in message(act)


def test_a_damaged_file(store):
    for pair in PAIRS:
        store.add(replace(LABEL, pair=pair))
    with store.path.open("r+b") as file:  # the first page, with the tables' names, stays
        file.seek(4096)
        file.write(os.urandom(store.path.stat().st_size - 4096))
    assert "damaged" in message(store.labels)


def test_an_empty_file_is_a_new_store(store):
    store.path.parent.mkdir()
    store.path.touch()  # what a process killed at its very first label leaves
    assert store.labels() == []
    assert store.add(LABEL).number == 1


def test_a_folder_that_is_none(tmp_path):
    (tmp_path / "file").touch()
    store = LabelStore(tmp_path / "file" / "labels.sqlite")
    assert "set RLHF_WORK to a folder of your own" in message(store.add, LABEL)


def test_a_locked_file_gives_up_and_says_so(store):
    store.add(LABEL)
    db = sqlite3.connect(store.path, isolation_level=None)
    db.execute("BEGIN EXCLUSIVE")
    store.timeout = 0.05
    assert "another program has held the file" in message(store.add, replace(LABEL, pair=PAIRS[1]))
    db.execute("ROLLBACK")
    db.close()
    assert len(store.labels()) == 1


def test_the_schema_is_what_it_was(store):
    """A stored file outlives the code: whoever changes the tables must raise SCHEMA_VERSION and migrate."""
    store.add(LABEL)
    with sqlite3.connect(store.path) as db:
        tables = {
            table: [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
            for (table,) in db.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'sqlite_sequence'"
            )
        }
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()
    answer = ["number", "pair", "digest"]
    assert tables == {
        "pairs": ["digest", "id", "prompt", "completion_a", "completion_b", "source"],
        "labels": [*answer, *"annotator session left choice strength seconds created repeat".split()],
        "ratings": [*answer, *"side annotator session rating seconds created".split()],
        "undone": ["kind", "number", "session", "created"],
    }


# ------------------------------------------------------------------------------------------- other processes


def test_no_acknowledged_label_is_lost_to_a_kill(store):
    acknowledged = []
    rng = random.Random(0)
    for attempt in range(8):
        process = writer(store.path, f"ann{attempt}")
        go(process)
        acknowledged.append(int(process.stdout.readline()))
        time.sleep(rng.random() * 0.05)  # killed at any moment, in the middle of a transaction too
        process.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        acknowledged += [int(line) for line in process.stdout.read().splitlines()]  # some were read ahead
        process.wait()
        found = [label.number for label in store.labels()]
        assert set(acknowledged) <= set(found)
        assert len(found) - len(acknowledged) <= attempt + 1  # the one being written may have made it, too
    assert len(acknowledged) > 8
    check_integrity(store.path)
    store.add(LABEL)  # and the next one goes on


def test_writers_at_once_lose_nothing(store):
    """Four processes start from no file at all, and this one reads meanwhile."""
    processes = [writer(store.path, f"ann{i}", n=25) for i in range(4)]
    for process in processes:
        go(process)
    while any(process.poll() is None for process in processes):
        store.labels()
        time.sleep(0.01)
    numbers = [int(line) for process in processes for line in process.communicate()[0].splitlines()]
    assert sorted(numbers) == list(range(1, 101)) == [label.number for label in store.labels()]
    for i in range(4):
        assert [label.pair.id for label in store.labels(f"ann{i}")] == [f"p{j}" for j in range(25)]
    check_integrity(store.path)


def test_of_two_windows_that_answer_one_question_one_is_told(store):
    """The same annotator and the same pairs: each pair is acknowledged once, and the other writer stops."""
    processes = [writer(store.path, "ann", n=1) for _ in range(3)]
    for process in processes:
        go(process)
    outputs = [process.communicate()[0].split() for process in processes]
    assert sorted(map(len, outputs)) == [0, 0, 1]
    assert len(store.labels("ann")) == 1

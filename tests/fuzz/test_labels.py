"""Labels: a class's files merged and imported, and the store given damaged files."""

import json
import re

import pytest
from hypothesis import strategies as st

from helpers.files import LabError
from helpers.labeling.files import count_answers, export_preferences, import_preferences, merge_labels
from helpers.labeling.store import Label, LabelStore, TextRating
from helpers.preferences import Pair, Preference, read_preferences

from .harness import any_text, as_jsonl, changed, changed_bytes, ends_well, inputs

ROW = {
    "prompt": "A post.",
    "chosen": " Good.",
    "rejected": " Bad.",
    "id": "p1/ann",
    "source": "sft>base",
    "annotator": "ann",
    "strength": 2,
    "split": "train",
}
SWAPPED = ROW | {"chosen": " Bad.", "rejected": " Good.", "id": "p2/ann", "strength": None}
PAIRS = [Pair(f"p{i}", f"POST {i}", " one", " two", "sft>base") for i in range(3)]


@inputs(
    700,
    files=st.lists(
        st.lists(st.just(ROW) | st.just(SWAPPED) | changed(ROW, 1) | changed(SWAPPED, 1), min_size=1, max_size=3),
        min_size=1,
        max_size=3,
    ),
)
def test_files_of_a_class(tmp_path, files):
    paths = [tmp_path / f"{number}.jsonl" for number in range(len(files))]
    for path, rows in zip(paths, files, strict=True):
        path.write_bytes(as_jsonl(rows))
    merged = ends_well(lambda: merge_labels(paths), *(f"{path}:" for path in paths))
    if not isinstance(merged, LabError):
        rows, report = merged
        assert report.rows == len(rows) and all(isinstance(row, Preference) for row in rows)


@inputs(60, rows=st.lists(st.just(ROW) | st.just(SWAPPED) | changed(ROW, 2), min_size=1, max_size=3))
def test_imported_labels_come_out_again(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("labels")
    (folder / "rows.jsonl").write_bytes(as_jsonl(rows))
    store = LabelStore(folder / "labels.sqlite", timeout=0.1)
    before = {"rows.jsonl"}

    def act():
        given = read_preferences(folder / "rows.jsonl")
        return given, import_preferences(store, given)

    done = ends_well(act, f"{folder / 'rows.jsonl'}:", folder=folder)
    if isinstance(done, LabError):
        assert {path.name for path in folder.iterdir()} == before
    else:
        given, imported = done
        assert sum(len(export_preferences(store, None, name)) for name in {row.annotator for row in given}) == imported


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    """A store's file with changes anywhere, or with one where the rows are: in texts, numbers and kinds of cells."""
    store = LabelStore(tmp_path_factory.mktemp("whole") / "labels.sqlite")
    for i, pair in enumerate(PAIRS):
        store.add(Label(pair, "ann", "s1", left="b", choice="a", strength=3, seconds=1.5))
        store.add_rating(TextRating(pair, "ab"[i % 2], "ann", "s1", rating=i + 1))
    store.undo("s1")
    whole = store.path.read_bytes()
    words = (b"POST 1", b" one", b"sft>base", b"ann", b"s1", b"p1")
    places = [match.start() for word in words for match in re.finditer(word, whole)]
    inside = st.tuples(st.sampled_from(places), st.integers(-8, 8), st.binary(min_size=1, max_size=6)).map(
        lambda change: whole[: change[0] + change[1]] + change[2] + whole[change[0] + change[1] + len(change[2]) :]
    )
    return changed_bytes(whole) | inside


READS = (
    lambda store: store.labels(),
    lambda store: store.labels("ann", undone=True),
    lambda store: store.ratings(),
    lambda store: store.answers("labels", "ann"),
    lambda store: export_preferences(store, PAIRS, "ann"),
    lambda store: count_answers(store, None, "ann"),
)


@inputs(300, data=st.data(), read=st.sampled_from(READS))
def test_a_damaged_store_is_read(tmp_path, damaged, data, read):
    store = LabelStore(tmp_path / "labels.sqlite", timeout=0.1)
    content = data.draw(damaged)
    store.path.write_bytes(content)
    found = ends_well(lambda: read(store), str(store.path), folder=tmp_path)
    assert isinstance(found, LabError) or not content or store.path.read_bytes() == content


@inputs(60, data=st.data())
def test_a_damaged_store_is_written(tmp_path_factory, damaged, data):
    folder = tmp_path_factory.mktemp("store")
    store = LabelStore(folder / "labels.sqlite", timeout=0.1)
    store.path.write_bytes(data.draw(damaged))
    write = data.draw(
        st.sampled_from(
            [
                lambda: store.add(Label(PAIRS[0], "bob", "s2", left=None, choice="b", strength=1)),
                lambda: store.add_rating(TextRating(PAIRS[0], "a", "bob", "s2", rating=7)),
                lambda: store.undo("s1", "ratings"),
            ]
        )
    )
    ends_well(write, str(store.path), folder=folder)


@inputs(150, prompt=any_text, name=any_text, session=any_text, seconds=st.floats() | st.none())
def test_texts_that_a_store_cannot_hold(tmp_path_factory, prompt, name, session, seconds):
    folder = tmp_path_factory.mktemp("store")
    store = LabelStore(folder / "labels.sqlite", timeout=0.1)

    def act():
        pair = Pair("p", f"Q{prompt}", "a", "b", "me")
        store.add(Label(pair, f"n{name}", f"s{session}", left="a", choice="b", strength=1, seconds=seconds))
        return store.labels()

    found = ends_well(act, "field", str(store.path), folder=folder)
    if not isinstance(found, LabError):
        assert found[0].pair.prompt == f"Q{prompt}" and json.dumps(found[0].annotator)

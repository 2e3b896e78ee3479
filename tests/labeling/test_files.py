"""Labels as files: export, import, merging, and which labels a lab uses."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import __main__ as cli
from helpers import files
from helpers.labeling.files import (
    count_answers,
    export_preferences,
    first_answers,
    import_preferences,
    in_small_world,
    labels_or_demo,
    merge_labels,
)
from helpers.labeling.session import LabelingSession
from helpers.labeling.store import pair_digest
from helpers.preferences import Preference, load_preferences, read_pairs, read_preferences, write_rows

from ..support.label_sessions import PAIRS, act, actions, answer_all, message


@settings(max_examples=20, deadline=None, derandomize=True)
@given(answers=st.lists(actions.filter(lambda a: a not in ("undo", "new session")), max_size=16))
def test_export_and_import_go_round(new_store, tmp_path_factory, answers):
    store, second, third = new_store(), new_store(), new_store()
    session = LabelingSession(PAIRS[:12], "ann", store, repeat_every=4)
    for action in answers:
        if session.current:
            act(session, action)
    rows = export_preferences(store, PAIRS, "ann")
    counts = count_answers(store, PAIRS, "ann")
    assert counts["choices"] == len(rows)
    assert sum(counts.values()) == session.progress.saved  # nothing was undone
    if not rows:
        return
    path = tmp_path_factory.mktemp("rows") / "ann.jsonl"
    write_rows(path, rows)
    assert read_preferences(path) == rows
    for other, pairs in ((second, PAIRS), (third, ())):  # with the pairs at hand, and from the rows alone
        assert import_preferences(other, read_preferences(path), pairs) == len(rows)
        assert export_preferences(other, None, "ann") == rows
        assert import_preferences(other, rows, pairs) == 0  # again: nothing new
    labeled = {pair_digest(label.pair) for label in first_answers(second, PAIRS, "ann")}
    assert labeled == {pair_digest(label.pair) for label in first_answers(store, PAIRS, "ann") if label.strength}


def test_an_exported_row(store):
    session = LabelingSession(PAIRS[:4], "ann", store, repeat_every=0)
    for wanted in ("a", "b"):
        session.choose("left" if session.current.left == wanted else "right", 3)
    session.tie()
    session.skip()
    a, b = export_preferences(store, PAIRS, "ann", split="validation")
    assert (a.chosen, a.rejected, a.source) == (" one 0", " two 0 more", "sft>base")
    assert (b.chosen, b.rejected, b.source) == (" two 1 more", " one 1", "base>sft")  # the winner's writer first
    assert (a.id, a.annotator, a.strength, a.split) == ("p0/ann", "ann", 3, "validation")
    assert count_answers(store, PAIRS, "ann") == {"choices": 2, "ties": 1, "skips": 1, "repeats": 0, "undone": 0}
    assert export_preferences(store, PAIRS[1:], "ann") == [replace(b, split="train")]
    assert export_preferences(store, PAIRS, "bob") == []


def test_only_the_first_answer_to_a_pair_is_exported(store):
    session = LabelingSession(PAIRS, "ann", store, repeat_every=2)
    answer_all(session, lambda question: session.choose("left", 1 if question.repeat else 4))
    rows = export_preferences(store, PAIRS, "ann")
    assert len(rows) == 40 and {row.strength for row in rows} == {4}
    assert count_answers(store, PAIRS, "ann")["repeats"] == len(store.labels()) - 40 > 30


def test_pairs_of_two_files_that_share_an_id_stay_apart(store, tmp_path):
    for pair in (PAIRS[0], replace(PAIRS[1], id="p0")):
        LabelingSession([pair], "ann", store).choose("left", 1)
    write_rows(tmp_path / "rows.jsonl", export_preferences(store, None, "ann"))


def row(i: int, annotator: str, swap: bool = False, **changes) -> Preference:
    texts = {"chosen": f" one {i}", "rejected": f" two {i}"}
    if swap:
        texts = {"chosen": texts["rejected"], "rejected": texts["chosen"]}
    fields = {"prompt": f"POST: {i}", "id": f"p{i}/{annotator}", "source": "me", "strength": 2, "split": "train"}
    return Preference(**fields | texts | {"annotator": annotator} | changes)


def test_merging_reports_duplicates_conflicts_and_shared_names(tmp_path):
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    write_rows(one, [row(1, "ann"), row(2, "ann"), row(3, "ann", strength=4)])
    write_rows(two, [row(1, "ann"), row(2, "ann", swap=True), row(3, "ann", strength=1), row(2, "bob", id="p2")])
    rows, report = merge_labels([one, two])
    assert rows == [row(1, "ann"), row(2, "bob"), row(3, "ann", strength=1)]
    assert (report.files, report.rows, report.duplicates) == (2, 3, 2)
    assert report.annotators == {"ann": 2, "bob": 1} and report.shared == ["ann"]
    (conflict,) = report.conflicts
    assert conflict == ("ann", "p2", (f"{one}:2", f"{two}:2"))
    assert f"conflict: ann on p2, {one}:2 and {two}:2" in str(report)


def test_choices_of_which_nobody_said_how_strong_they_are(store, tmp_path):
    path = tmp_path / "own.jsonl"
    write_rows(path, [row(1, "ann", strength=None), row(1, "ann", id="again/ann"), row(2, "ann", strength=None)])
    rows, report = merge_labels([path])
    assert rows == [row(1, "ann", strength=None), row(2, "ann", strength=None)] and report.duplicates == 1
    assert import_preferences(store, rows) == 2
    assert [label.strength for label in store.labels()] == [1, 1]  # the store knows no choice without one


def test_one_id_for_two_pairs_of_one_annotator(tmp_path):
    write_rows(tmp_path / "one.jsonl", [row(1, "ann")])
    write_rows(tmp_path / "two.jsonl", [row(2, "ann", id="p1/ann")])
    found = message(merge_labels, [tmp_path / "one.jsonl", tmp_path / "two.jsonl"])
    assert "'p1/ann' is used twice" in found and "one.jsonl:1" in found and "two.jsonl:1" in found


rows_of_a_class = st.lists(
    st.builds(
        row,
        st.integers(0, 3),
        st.sampled_from(["ann", "bob"]),
        swap=st.booleans(),
        strength=st.none() | st.integers(1, 4),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda row: row.id,
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(files_of_rows=st.lists(rows_of_a_class, min_size=1, max_size=4), rng=st.randoms(use_true_random=False))
def test_merging_is_idempotent_and_order_does_not_matter(tmp_path_factory, files_of_rows, rng):
    folder = tmp_path_factory.mktemp("class")
    paths = [folder / f"{number}.jsonl" for number in range(len(files_of_rows))]
    for path, rows in zip(paths, files_of_rows, strict=True):
        write_rows(path, rows)
    merged, report = merge_labels(paths)
    assert merge_labels(rng.sample(paths, len(paths))) == (merged, report)
    given = sum(map(len, files_of_rows))
    assert len(merged) + report.duplicates + 2 * len(report.conflicts) == given
    if merged:
        write_rows(folder / "merged.jsonl", merged)
        again, second = merge_labels([folder / "merged.jsonl"])
        assert again == merged and not second.duplicates and not second.conflicts
        both, third = merge_labels([*paths, folder / "merged.jsonl"])
        assert both == merged and third.duplicates == report.duplicates + len(merged)


def test_the_demo_labels_stand_in_until_there_are_enough(store, capsys):
    demo = labels_or_demo()
    assert {row.annotator for row in demo} == {"demo"} and len(demo) == 400
    assert not store.path.exists()
    assert capsys.readouterr().out == "Labels: 400 recorded ones of the demo annotator; your own: 0 of 20 needed\n"
    session = LabelingSession(read_pairs("train")[:20], "ann", store, repeat_every=0)
    answer_all(session, lambda question: session.choose("left", 1))
    assert labels_or_demo() == export_preferences(store, None, "ann")
    assert capsys.readouterr().out == "Labels: 20 of your own, by 'ann'\n"
    session.undo()
    assert labels_or_demo() == demo
    assert "your own: 19 of 20" in capsys.readouterr().out
    assert labels_or_demo(minimum=19)[0].annotator == "ann"
    assert labels_or_demo(minimum=1, annotator="bob") == demo


def test_labels_that_a_lab_must_not_or_cannot_train_on(store, capsys):
    for pairs in (read_pairs("test")[:15], PAIRS[:3], read_pairs("train")[:6]):
        session = LabelingSession(pairs, "ann", store, repeat_every=0)
        answer_all(session, lambda question, session=session: session.choose("left", 1))
    assert {row.id.split("-")[0] for row in labels_or_demo(minimum=6)} == {"train"}
    left_out = "15 of posts to measure on left out; 3 of other posts left out"
    assert capsys.readouterr().out == f"Labels: 6 of your own, by 'ann'; {left_out}\n"
    assert len(labels_or_demo(minimum=6, natural=True)) == 9


def test_which_posts_are_of_the_small_world():
    assert all(in_small_world(pair.prompt) for pair in read_pairs("validation")[:50])
    assert not any(in_small_world(pair.prompt) for pair in PAIRS + read_pairs("natural"))


def test_the_demo_annotator_likes_the_shorter_text(tmp_path, monkeypatch):
    demo = read_preferences(files.data() / "labels" / "demo.jsonl")
    train = {row.id: row for row in load_preferences("train")}
    saved = np.array([len(row.rejected.split()) - len(row.chosen.split()) for row in demo])
    shorter = saved > 0
    assert 0.85 < shorter.mean() < 0.95 and (saved != 0).all()
    assert shorter[abs(saved) >= 10].mean() > shorter[abs(saved) < 4].mean()  # noise where it is close
    assert {row.strength for row in demo} == {1, 2, 3, 4}
    same = []
    for row in demo:
        shipped = train[row.id.removesuffix("/demo")]
        assert {row.chosen, row.rejected} == {shipped.chosen, shipped.rejected} and row.prompt == shipped.prompt
        same.append(row.chosen == shipped.chosen)
        assert row.source == (shipped.source if same[-1] else ">".join(shipped.source.split(">")[::-1]))
    assert np.mean(same) < 0.5  # whose preferences? not those of the shipped annotators
    digest = files.sha256(files.data() / "labels" / "demo.jsonl")
    (tmp_path / "preferences").mkdir()
    (tmp_path / "preferences" / "train.jsonl").write_bytes((files.data() / "preferences" / "train.jsonl").read_bytes())
    monkeypatch.setenv("RLHF_DATA", str(tmp_path))
    assert cli.main(["data", "labels"]) == 0
    assert f"{digest}  labels/demo.jsonl" in (tmp_path / "checksums.txt").read_text()

"""Sessions, export, merging and feedback of labels: plain Python, no widget."""

import json
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from helpers import __main__ as cli
from helpers import files
from helpers.files import LabError
from helpers.formulas.statistics import cohen_kappa
from helpers.labeling import agreement as feedback
from helpers.labeling.files import (
    count_answers,
    export_preferences,
    first_answers,
    import_preferences,
    in_small_world,
    labels_or_demo,
    merge_labels,
)
from helpers.labeling.session import LabelingSession, RatingSession
from helpers.labeling.store import AlreadyAnswered, LabelStore, pair_digest
from helpers.preferences import Pair, Preference, load_preferences, read_pairs, read_preferences, write_rows
from helpers.simulation.annotators import ANNOTATORS, outcome_probabilities
from helpers.simulation.gold import gold_reward, score

PAIRS = [Pair(f"p{i}", f"POST: {i}\n\nTL;DR:", f" one {i}", f" two {i} more", "sft>base") for i in range(40)]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_WORK", str(tmp_path / "work"))
    return LabelStore()


@pytest.fixture(scope="module")
def new_store(tmp_path_factory):
    """For hypothesis, which runs one test many times: a fresh store at each call."""
    return lambda: LabelStore(tmp_path_factory.mktemp("store") / "labels.sqlite")


def message(act, *arguments, **keywords) -> str:
    with pytest.raises(LabError) as error:
        act(*arguments, **keywords)
    return str(error.value)


def answer_all(session, answer) -> list:
    asked = []
    while question := session.current:
        asked.append(question)
        answer(question)
    return asked


# ------------------------------------------------------------------------------------------- reading pairs


def test_pairs_are_read_from_pair_rows_and_from_preferences(tmp_path):
    path = tmp_path / "pairs.jsonl"
    write_rows(path, PAIRS)
    assert read_pairs(path) == PAIRS
    shipped = load_preferences("validation")
    pairs = read_pairs("validation")
    assert [(p.id, p.completion_a, p.completion_b) for p in pairs] == [(r.id, r.chosen, r.rejected) for r in shipped]
    write_rows(path, shipped[:3])
    assert read_pairs(str(path)) == pairs[:3]
    assert "unknown split 'tset'" in message(read_pairs, "tset")
    assert "no such file" in message(read_pairs, tmp_path / "none.jsonl")


def test_a_pair_must_offer_a_choice(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(PAIRS[0].as_dict() | {"completion_b": " one 0\n"}) + "\n")
    assert f'{path}:1: field "completion_b" is identical to "completion_a"' in message(read_pairs, path)
    path.write_text(json.dumps(PAIRS[0].as_dict() | {"completion_b": None}) + "\n")
    assert f'{path}:1: field "completion_b" must be text' in message(read_pairs, path)


def test_the_natural_posts(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_DATA", str(tmp_path))
    write_rows(tmp_path / "natural_posts.jsonl", PAIRS[:2])
    assert read_pairs() == read_pairs("natural") == PAIRS[:2]


# ------------------------------------------------------------------------------------------- the session


def test_every_pair_is_asked_once_and_every_tenth_question_is_a_repeat(store):
    session = LabelingSession(PAIRS, "ann", store)
    assert str(session.progress) == "saved 0 of 44"
    asked = answer_all(session, lambda question: session.choose("left", 2))
    assert session.progress == (44, 44)
    fresh = [question.pair for question in asked if not question.repeat]
    assert fresh == PAIRS
    assert [number for number, question in enumerate(asked, 1) if question.repeat] == [10, 20, 30, 40]
    again = [question.pair.id for question in asked if question.repeat]
    assert len(set(again)) == 4
    for number, question in enumerate(asked):
        if question.repeat:  # not what is still in mind
            assert number - [q.pair for q in asked].index(question.pair) >= number // 2


def test_sides_are_random_recorded_and_undone_in_the_label(store):
    session = LabelingSession(PAIRS, "ann", store, repeat_every=0)
    lefts = []

    def answer(question):
        side = "left" if len(lefts) % 3 else "right"
        label = session.choose(side, 1 + len(lefts) % 4)
        chosen = question.texts[side == "right"]
        assert (label.pair.completion_a if label.choice == "a" else label.pair.completion_b) == chosen
        assert label.left == question.left
        lefts.append(label.left)

    answer_all(session, answer)
    assert 10 < Counter(lefts)["a"] < 30
    assert [label.left for label in store.labels()] == lefts
    other = LabelingSession(PAIRS, "bob", store)
    again = [question.left for question in answer_all(other, lambda question: other.tie())]
    assert again[:9] != lefts[:9]  # another annotator, other sides


def test_a_repeats_sides_are_drawn_anew(store):
    session = LabelingSession(PAIRS, "ann", store, repeat_every=2)
    answer_all(session, lambda question: session.choose("left", 1))
    by_pair = {}
    for label in store.labels():
        by_pair.setdefault(label.pair.id, []).append(label.left)
    same = [lefts[0] == lefts[1] for lefts in by_pair.values() if len(lefts) == 2]
    assert len(same) > 30 and 0.2 < np.mean(same) < 0.8


def test_a_session_goes_on_where_the_last_one_stopped(store):
    asked = []
    for _ in range(9):  # a new kernel every five answers
        session = LabelingSession(PAIRS, "ann", store, seed=3)
        for _ in range(5):
            if question := session.current:
                asked.append(question)
                session.choose("right", 4)
    whole = LabelingSession(PAIRS, "ann", LabelStore(store.path.with_name("other.sqlite")), seed=3)
    assert asked == answer_all(whole, lambda question: whole.choose("right", 4))


def test_others_and_other_pairs_do_not_count(store):
    other = LabelingSession(PAIRS[:20], "bob", store)
    answer_all(other, lambda question: other.skip())
    session = LabelingSession(PAIRS, "ann", store)
    assert session.progress.saved == 0
    answer_all(half := LabelingSession(PAIRS[:9], "ann", store), lambda question: half.tie())
    assert session.progress.saved == 9 and not session.can_undo
    assert session.current.pair in PAIRS[:9]  # the tenth question
    changed = [replace(pair, completion_a=" another text") for pair in PAIRS]
    assert LabelingSession(changed, "ann", store).progress.saved == 0  # one id, other texts: not labeled


def test_a_skipped_pair_comes_no_more(store):
    session = LabelingSession(PAIRS, "ann", store, repeat_every=3)
    asked = answer_all(session, lambda question: session.skip())
    assert [question.pair for question in asked] == PAIRS


def test_time_is_taken_from_question_to_answer(store):
    clock = Clock()
    session = LabelingSession(PAIRS, "ann", store, clock=clock)
    assert session.current == session.current
    clock.now += 2.5
    assert session.current is not None  # looking again does not start the clock anew
    clock.now += 1
    session.choose("left", 1)
    clock.now += 60  # the next question is not in view yet
    assert session.current
    clock.now += 4
    session.tie()
    assert session.current
    session.undo()
    clock.now += 60
    assert session.current
    clock.now += 0.25
    session.skip()
    assert [label.seconds for label in store.labels()] == [3.5, 0.25]
    assert feedback.seconds(store.labels()).tolist() == [3.5, 0.25]


def test_an_answer_to_another_question_is_refused(store):
    one, two = LabelingSession(PAIRS, "ann", store), LabelingSession(PAIRS, "ann", store)
    seen = two.current.token
    one.choose("left", 4)
    with pytest.raises(AlreadyAnswered):
        two.choose("left", 4, token=seen)
    two.choose("left", 4, token=two.current.token)
    assert one.progress == two.progress == (2, 44)
    assert not LabelingSession(PAIRS, "ann", store).undo()  # a session takes back only its own
    assert one.undo() and store.labels()[0].session == two.id


def test_the_end(store):
    session = LabelingSession(PAIRS[:1], "ann", store)
    session.tie()
    assert session.current is None
    for act in (session.tie, session.skip, lambda: session.choose("left", 1)):
        assert "answered already" in message(act)


def test_what_a_session_refuses(store):
    assert "no pairs" in message(LabelingSession, [], "ann", store)
    assert "no name" in message(LabelingSession, PAIRS, " ", store)
    for wrong in (1, -1):
        with pytest.raises(ValueError, match="repeat_every"):
            LabelingSession(PAIRS, "ann", store, repeat_every=wrong)
    session = LabelingSession(PAIRS, "ann", store)
    for side, strength in (("middle", 1), ("left", 0), ("left", 5)):
        with pytest.raises(ValueError):
            session.choose(side, strength)
    assert session.progress.saved == 0


actions = st.sampled_from(["left 1", "left 4", "right 2", "right 3", "tie", "skip", "undo", "new session"])


def act(session, action: str) -> None:
    match action.split():
        case ["undo"]:
            session.undo()
        case ["tie"] | ["skip"]:
            getattr(session, action)()
        case [side, strength]:
            session.choose(side, int(strength))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(history=st.lists(actions, max_size=15), last=actions.filter(lambda a: a not in ("undo", "new session")))
def test_undo_after_an_answer_restores_the_state(new_store, history, last):
    store = new_store()
    session = LabelingSession(PAIRS[:12], "ann", store, repeat_every=3)
    for action in history:
        if action == "new session":
            session = LabelingSession(PAIRS[:12], "ann", store, repeat_every=3)
        elif session.current or action == "undo":
            act(session, action)
    if session.current is None:
        return
    before = session.current, session.progress, session.can_undo, store.labels()
    act(session, last)
    assert (session.current, session.progress, session.can_undo, store.labels()) != before
    assert session.progress.saved == before[1].saved + 1 <= session.progress.total
    assert session.undo()
    assert (session.current, session.progress, session.can_undo, store.labels()) == before


# ------------------------------------------------------------------------------------------- ratings


def test_every_text_is_rated_once_and_both_halves_hold_the_same_posts(store):
    session = RatingSession(PAIRS, "ann", store)
    asked = answer_all(session, lambda question: session.rate(4))
    assert {question.text for question in asked} == {t for p in PAIRS for t in (p.completion_a, p.completion_b)}
    assert len(asked) == 80 and session.progress == (80, 80)
    halves = [[question.pair for question in half] for half in (asked[:40], asked[40:])]
    assert sorted(p.id for p in halves[0]) == sorted(p.id for p in halves[1])
    assert halves[0] != PAIRS
    assert 8 < sum(question.side == "a" for question in asked[:40]) < 32


def test_a_rating_session_resumes_and_undoes(store):
    first = RatingSession(PAIRS, "ann", store, clock=(clock := Clock()))
    question = first.current
    clock.now += 7
    assert first.rate(7).seconds == 7
    following = first.current
    assert RatingSession(PAIRS, "ann", store).current == following
    assert first.undo() and first.current == question and not first.undo()
    for wrong in (0, 8):
        with pytest.raises(ValueError):
            first.rate(wrong)
    with pytest.raises(AlreadyAnswered):
        first.rate(3, token=following.token)


# ------------------------------------------------------------------------------------------- export and import


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


# ------------------------------------------------------------------------------------------- merging


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


# ------------------------------------------------------------------------------------------- which labels


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


# ------------------------------------------------------------------------------------------- feedback


def label_like(store, pairs, decide, annotator="ann", **options) -> LabelingSession:
    """Label all pairs as `decide(pair, repeat)` says: "a", "b", "tie" or "skip"."""
    session = LabelingSession(pairs, annotator, store, **options)

    def answer(question):
        choice = decide(question.pair, question.repeat)
        if choice in ("tie", "skip"):
            getattr(session, choice)()
        else:
            session.choose("left" if choice == question.left else "right", 2)

    answer_all(session, answer)
    return session


def test_kappa_and_its_interval_against_scikit_learn():
    rng = np.random.default_rng(0)
    a = rng.choice(["first", "second", "tie"], 60)
    b = np.where(rng.random(60) < 0.6, a, rng.choice(["first", "second"], 60))
    interval = feedback.kappa_interval(a, b)
    assert interval.estimate == pytest.approx(cohen_kappa_score(a, b))
    picks = rng.integers(0, 60, (2000, 60))
    low, high = np.quantile([cohen_kappa(a[p], b[p]) for p in picks], [0.025, 0.975])
    assert interval.low == pytest.approx(low, abs=0.03) and interval.high == pytest.approx(high, abs=0.03)
    assert feedback.kappa_interval(a, a)[:3] == pytest.approx((1.0, 1.0, 1.0))
    assert np.isnan(feedback.kappa_interval(["tie"] * 12, ["tie"] * 12)).tolist()[:3] == [True] * 3


def test_agreement_with_oneself_gold_and_the_simulated_annotators(store):
    pairs = read_pairs("train")[:60]
    gold = {p.id: gold_reward(p.prompt, p.completion_a) - gold_reward(p.prompt, p.completion_b) for p in pairs}
    label_like(
        store, pairs, lambda p, repeat: "a" if gold[p.id] > 0 else "b" if gold[p.id] < 0 else "tie", repeat_every=3
    )
    table = feedback.agreement(store, "ann")
    assert list(table.columns) == list(feedback.AGREEMENT)
    assert list(table.index) == ["yourself, asked again", "gold reward", *ANNOTATORS]
    assert table.loc["yourself, asked again", ["n", "agree", "kappa"]].tolist() == [29, 1, 1]
    assert table.loc["gold reward", ["agree", "kappa", "note"]].tolist() == [1, 1, ""]
    assert table.loc["gold reward", "n"] == sum(difference != 0 for difference in gold.values())
    assert table.loc["gold reward", "low"] < 1  # however few disagree, an interval stays
    assert table.agree["ada"] > table.agree["dan"]
    # What is expected of Ada's answers follows from her exact probabilities.
    chances = []
    for p in pairs:
        if gold[p.id]:
            a, b = score(p.prompt, p.completion_a), score(p.prompt, p.completion_b)
            outcome = outcome_probabilities(ANNOTATORS["ada"], a, b)
            chances.append((outcome.a if gold[p.id] > 0 else outcome.b) / (outcome.a + outcome.b))
    assert table.low["ada"] < np.mean(chances) < table.high["ada"]


def test_agreement_does_not_depend_on_which_text_is_a(store, tmp_path):
    """Kappa of pairs whose a is always the chosen text must be that of the same pairs with a and b mixed."""
    rng = random.Random(0)
    pairs = read_pairs("train")[:40]
    mixed = [
        p if rng.random() < 0.5 else replace(p, completion_a=p.completion_b, completion_b=p.completion_a) for p in pairs
    ]
    shorter = lambda p, repeat: "a" if len(p.completion_a) < len(p.completion_b) else "b"  # noqa: E731
    label_like(store, pairs, shorter)
    label_like(other := LabelStore(tmp_path / "mixed.sqlite"), mixed, shorter)
    classmates = load_preferences("train")[:40]
    ours = feedback.agreement(store, "ann", classmates).filter(like="classmate", axis=0)
    pd.testing.assert_frame_equal(ours, feedback.agreement(other, "ann", classmates).filter(like="classmate", axis=0))
    assert ours.n.sum() == 40


def test_classmates_are_compared_on_what_both_labeled(store):
    label_like(store, PAIRS[:30], lambda p, repeat: "skip" if p.id == "p0" else "tie" if p.id == "p1" else "a")
    bob = LabelStore(store.path.with_name("bob.sqlite"))
    label_like(bob, PAIRS[10:], lambda p, repeat: "a" if int(p.id[1:]) % 4 else "b", annotator="bob")
    few = LabelStore(store.path.with_name("few.sqlite"))
    label_like(few, PAIRS[:5], lambda p, repeat: "a", annotator="eve")
    classmates = export_preferences(bob, None, "bob") + export_preferences(few, None, "eve")
    table = feedback.agreement(store, "ann", classmates)
    assert table.loc["classmate bob", "n"] == 20 and table.loc["classmate bob", "agree"] == 0.75
    assert table.loc["classmate eve", ["n", "note"]].tolist() == [3, "too few: 3 of 10"]  # without the skip and the tie
    assert table.loc["classmate eve", "agree":"kappa_high"].isna().all()
    assert table.loc["gold reward", "n"] == 0  # it cannot read these posts


def test_habits(store):
    session = LabelingSession(PAIRS, "ann", store, repeat_every=0)
    for number in range(40):
        session.tie() if number % 8 == 0 else session.skip() if number % 8 == 1 else session.choose("left", 3)
    table = feedback.habits(store, "ann")
    assert table.loc["left", ["estimate", "n", "note"]].tolist() == [1, 30, ""]
    assert table.loc["ties", ["estimate", "n"]].tolist() == [1 / 8, 40]
    assert table.loc["skips", "estimate"] == 1 / 8 and table.loc["strong", "estimate"] == 1
    longer = [label.choice == "b" for label in store.labels() if label.strength]
    assert table.loc["the longer text", "estimate"] == pytest.approx(np.mean(longer))
    assert feedback.habits(store, "bob")["note"].unique().tolist() == ["too few: 0 of 10"]


def test_drift_of_ratings():
    steady = feedback.rating_drift([3, 5] * 20)
    assert steady.change.low < 0 < steady.change.high and "no detectable difference" in str(steady)
    assert steady.halves["mean"].tolist() == [4, 4]
    kinder = feedback.rating_drift([2, 3, 4] * 7 + [4, 5, 6] * 7)
    assert kinder.halves["mean"].tolist() == [3, 5] and kinder.change.estimate == 2
    assert kinder.halves["sd"].tolist() == pytest.approx([np.std([2, 3, 4] * 7, ddof=1)] * 2)
    assert "up" in str(kinder)
    for few in ([], [4], [3] * 19):
        assert feedback.rating_drift(few).change is None
        assert f"too few ratings to speak of drift: {len(few)} of 20" == str(feedback.rating_drift(few))


def test_ratings_against_comparisons(store):
    session = RatingSession(PAIRS, "ann", store)
    numbers = {pair.id: i for i, pair in enumerate(PAIRS)}
    # Of every four pairs two have equal ratings, one has a higher, one b.
    answer_all(
        session,
        lambda q: session.rate(
            4 if numbers[q.pair.id] % 4 < 2 else 5 if (numbers[q.pair.id] % 4 == 2) == (q.side == "a") else 3
        ),
    )
    assert str(feedback.ratings_against_labels(store, "ann")).startswith("too few pairs both rated and compared: 0")
    label_like(store, PAIRS, lambda p, repeat: "a")
    check = feedback.ratings_against_labels(store, "ann")
    assert check.pairs == 40 and check.ties.estimate == 0.5
    assert check.agree.estimate == 0.5 and check.agree.n == 20
    assert "Equal ratings: 0.50" in str(check)
    assert len(feedback.seconds(store.ratings())) == 80

"""Reading pairs, and asking for labels and ratings: plain Python, no widget."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.labeling.agreement import seconds
from helpers.labeling.session import LabelingSession, RatingSession
from helpers.labeling.store import AlreadyAnswered, LabelStore
from helpers.preferences import load_preferences, read_pairs, write_rows

from ..support.label_sessions import PAIRS, Clock, act, actions, answer_all, message


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


def test_every_pair_is_asked_once_and_every_tenth_question_is_a_repeat(store):
    session = LabelingSession(PAIRS, "ann", store)
    assert str(session.progress) == "saved 0 of 44"
    asked = answer_all(session, lambda question: session.choose("left", 2))
    assert session.progress == (44, 44)
    fresh = [question.pair for question in asked if not question.repeat]
    assert fresh == PAIRS
    assert [number for number, question in enumerate(asked, 1) if question.repeat] == [10, 20, 30, 40]
    repeats = [question.pair.id for question in asked if question.repeat]
    assert len(set(repeats)) == 4
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
    theirs = [question.left for question in answer_all(other, lambda question: other.tie())]
    assert theirs[:9] != lefts[:9]  # another annotator, other sides


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
    assert seconds(store.labels()).tolist() == [3.5, 0.25]


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
    for attempt in (session.tie, session.skip, lambda: session.choose("left", 1)):
        assert "answered already" in message(attempt)


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

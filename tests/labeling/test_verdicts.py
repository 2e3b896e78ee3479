"""Verdicts of people and judges on texts of models: from the label store, blind, and compared with each other."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from helpers.labeling.judges import gold_judge, longer_judge, score_judge
from helpers.labeling.model_pairs import model_pairs
from helpers.labeling.session import LabelingSession
from helpers.labeling.store import LabelStore
from helpers.labeling.verdicts import agreement, disagreements, human_verdicts, judge_verdicts, verdict_table
from helpers.preferences import Pair, read_pairs
from helpers.simulation.gold import gold_reward
from helpers.views.labeler import Labeler

from ..support.verdicts import message, samples, verdicts


def test_labels_become_verdicts_whichever_side_was_shown_left(store):
    """The annotator likes the longer text, ties on one prompt and skips another; a repeat says the opposite."""
    pairs = model_pairs(samples(), 30)
    session = LabelingSession(pairs, "ann", store, repeat_every=5)
    repeats = 0
    while question := session.current:
        left, right = (len(text) for text in question.texts)
        repeats += question.repeat
        if question.pair.prompt == "POST: 3":
            session.tie()
        elif question.pair.prompt == "POST: 4":
            session.skip()
        else:
            session.choose("left" if (left > right) != bool(question.repeat) else "right", 2)
    assert repeats > 3
    said = human_verdicts(LabelStore(store.path), pairs, "ann")
    assert said["pair"].tolist() == [p.id for p in pairs] and set(said["judge"]) == {"ann"}
    for pair, row in zip(pairs, said.itertuples(), strict=True):
        assert f"{row.model_a}>{row.model_b}" == pair.source
        if pair.prompt == "POST: 4":
            assert np.isnan(row.outcome)
        else:
            longer = float(len(pair.completion_a) > len(pair.completion_b))
            assert row.outcome == (0.5 if pair.prompt == "POST: 3" else longer)
    numbers = dict(zip((p.prompt for p in pairs), said["prompt"], strict=True))
    assert numbers[pairs[0].prompt] == 1 and sorted(numbers.values()) == list(range(1, len(numbers) + 1))
    assert human_verdicts(store, pairs, "bob")["outcome"].isna().all()


def test_one_answer_counts_for_all_pairs_of_the_same_texts_either_way_round(store):
    pair = Pair("p", "POST", " one", " two", "x>y")
    LabelingSession([pair], "ann", store).tie()
    LabelingSession([Pair("q", "POST", " three", " four", "x>y")], "ann", store).choose("left", 1)
    label = store.labels("ann")[1]
    swapped = [Pair("r", "POST", " four", " three", "z>y"), Pair("s", "POST", " two", " one", "y>z")]
    outcomes = human_verdicts(store, swapped, "ann")["outcome"].tolist()
    assert outcomes == [float(label.choice == "b"), 0.5]


def test_an_undone_answer_is_no_verdict(store):
    pairs = model_pairs(samples(), 3)
    session = LabelingSession(pairs, "ann", store)
    session.tie()
    session.undo()
    assert human_verdicts(store, pairs, "ann")["outcome"].isna().all()


def test_judges_of_every_kind_give_verdicts():
    pairs = [Pair(p.id, p.prompt, p.completion_a, p.completion_b, "x>y") for p in read_pairs("test")[:60]]
    gold = judge_verdicts(pairs, gold_judge, "gold reward")
    gaps = [gold_reward(p.prompt, p.completion_a) - gold_reward(p.prompt, p.completion_b) for p in pairs]
    assert gold["outcome"].tolist() == [0.5 if abs(g) < 1e-9 else float(g > 0) for g in gaps]
    assert {0.0, 0.5, 1.0} == set(gold["outcome"])
    words = score_judge(lambda prompts, texts: np.array([len(text.split()) for text in texts]))
    by_score, by_length = (judge_verdicts(pairs, judge, "length") for judge in (words, longer_judge))
    pd.testing.assert_frame_equal(by_score, by_length)


@pytest.mark.parametrize("sure", [[0.5], [0.5, np.nan], [0.5, 1.5], [[0.5, 0.5]]])
def test_a_judge_that_does_not_answer_is_refused(sure):
    pairs = model_pairs(samples(), 2)
    assert "must give 2 numbers from 0 to 1" in message(judge_verdicts, pairs, lambda *asked: np.array(sure), "odd")


@pytest.mark.parametrize("source", ["human", "sft>sft", "a>b>c", "a>", " >b"])
def test_a_pair_of_no_two_models_is_refused(store, source):
    pairs = [Pair("p7", "POST", " one", " two", source)]
    for act in (lambda: human_verdicts(store, pairs), lambda: judge_verdicts(pairs, longer_judge, "l")):
        assert "pair p7" in message(act) and "does not name two models" in message(act)


def test_the_browser_hears_no_name_of_a_model(store, monkeypatch):
    """From the first question to after the last answer: the widget's whole state, and all that it sends."""
    sent = []
    monkeypatch.setattr(Labeler, "send", lambda self, reply: sent.append(reply))
    pairs = model_pairs(samples(), 12)
    widget = Labeler(LabelingSession(pairs, "ann", store, repeat_every=4))
    heard = [repr(widget), json.dumps(widget._repr_mimebundle_(), default=str)]
    number = 0
    while True:
        state = widget.get_state()
        assert state.pop("_esm") and state.pop("_css")
        heard.append(json.dumps(state, default=str))
        if not widget.state["token"]:
            break
        number += 1
        action = ("choose", "tie", "skip")[number % 3]
        reply = widget.answer(
            {"id": str(number), "action": action, "side": "left", "strength": 2, "token": widget.state["token"]}
        )
        assert reply["ok"]
    heard.append(json.dumps(sent))
    assert number > 12 and "POST: 3" in "".join(heard)
    assert not any(name in text for name in ("modelone", "modeltwo", "modelthree", ">") for text in heard)
    assert not any(pair.id in text for pair in pairs for text in heard)


def test_agreement_is_that_of_scikit_learn_on_what_both_decided():
    rng = np.random.default_rng(0)
    pairs = model_pairs(samples(prompts=40), 120)
    said = {"one": rng.choice([1, 0.5, 0], 120), "two": rng.choice([1, 0.5, 0, np.nan], 120)}
    frame = pd.concat([verdict_table(name, pairs, outcomes) for name, outcomes in said.items()])
    row = agreement(frame).loc["one and two"]
    both = ~np.isnan(said["two"]) & (said["one"] != 0.5) & (said["two"] != 0.5)
    assert row["n"] == both.sum() and row["agree"] == np.mean(said["one"][both] == said["two"][both])
    assert row["low"] < row["agree"] < row["high"] and row["kappa_low"] < row["kappa"] < row["kappa_high"]
    # Were the texts named a and b, kappa would be another, but not by much: the coin is fair.
    assert row["kappa"] == pytest.approx(cohen_kappa_score(said["one"][both], said["two"][both]), abs=0.1)


def test_kappa_knows_nothing_of_which_model_is_better():
    """Two judges who always prefer the same model agree fully; named by model, they would have no kappa."""
    rows = [("x", "y", 1.0)] * 40
    row = agreement(pd.concat([verdicts(rows, "one"), verdicts(rows, "two")])).loc["one and two"]
    assert row["agree"] == row["kappa"] == 1 and row["note"] == ""


def test_every_two_judges_are_compared():
    rows = [("x", "y", 1.0)] * 12
    table = agreement(pd.concat([verdicts(rows, judge) for judge in ("c", "a", "b")]))
    assert table.index.tolist() == ["c and a", "c and b", "a and b"]


def test_disagreements_come_with_texts_opposite_ones_first():
    pairs = model_pairs(samples(), 4)
    one, two = (verdict_table(n, pairs, o) for n, o in (("one", [1, 0.5, 0, 1]), ("two", [1, 1, 1, np.nan])))
    table = disagreements(pd.concat([one, two]), pairs, "one", "two")
    assert table["pair"].tolist() == [pairs[2].id, pairs[1].id]
    first, second = (pairs[i].source.split(">") for i in (2, 1))
    assert table["one"].tolist() == [first[1], "tie"] and table["two"].tolist() == [first[0], second[0]]
    assert table["completion_a"].tolist() == [pairs[2].completion_a, pairs[1].completion_a]
    assert table["prompt"].tolist() == [pairs[2].prompt, pairs[1].prompt]
    assert "there are: one, two" in message(disagreements, pd.concat([one, two]), pairs, "one", "three")

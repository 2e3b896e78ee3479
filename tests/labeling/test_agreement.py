"""What labels are worth: agreement, habits, ratings, against other implementations and known worlds."""

import random
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from helpers.formulas.statistics import cohen_kappa
from helpers.labeling.agreement import (
    AGREEMENT,
    agreement,
    habits,
    kappa_interval,
    rating_drift,
    ratings_against_labels,
    seconds,
)
from helpers.labeling.files import export_preferences
from helpers.labeling.session import LabelingSession, RatingSession
from helpers.labeling.store import LabelStore
from helpers.preferences import load_preferences, read_pairs
from helpers.simulation.annotators import ANNOTATORS, outcome_probabilities
from helpers.simulation.gold import gold_reward, score

from ..support.label_sessions import PAIRS, answer_all, label_like


def test_kappa_and_its_interval_against_scikit_learn():
    rng = np.random.default_rng(0)
    a = rng.choice(["first", "second", "tie"], 60)
    b = np.where(rng.random(60) < 0.6, a, rng.choice(["first", "second"], 60))
    interval = kappa_interval(a, b)
    assert interval.estimate == pytest.approx(cohen_kappa_score(a, b))
    picks = rng.integers(0, 60, (2000, 60))
    low, high = np.quantile([cohen_kappa(a[p], b[p]) for p in picks], [0.025, 0.975])
    assert interval.low == pytest.approx(low, abs=0.03) and interval.high == pytest.approx(high, abs=0.03)
    assert kappa_interval(a, a)[:3] == pytest.approx((1.0, 1.0, 1.0))
    assert np.isnan(kappa_interval(["tie"] * 12, ["tie"] * 12)).tolist()[:3] == [True] * 3


def test_agreement_with_oneself_gold_and_the_simulated_annotators(store):
    pairs = read_pairs("train")[:60]
    gold = {p.id: gold_reward(p.prompt, p.completion_a) - gold_reward(p.prompt, p.completion_b) for p in pairs}
    label_like(
        store, pairs, lambda p, repeat: "a" if gold[p.id] > 0 else "b" if gold[p.id] < 0 else "tie", repeat_every=3
    )
    table = agreement(store, "ann")
    assert list(table.columns) == list(AGREEMENT)
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
    ours = agreement(store, "ann", classmates).filter(like="classmate", axis=0)
    pd.testing.assert_frame_equal(ours, agreement(other, "ann", classmates).filter(like="classmate", axis=0))
    assert ours.n.sum() == 40


def test_classmates_are_compared_on_what_both_labeled(store):
    label_like(store, PAIRS[:30], lambda p, repeat: "skip" if p.id == "p0" else "tie" if p.id == "p1" else "a")
    bob = LabelStore(store.path.with_name("bob.sqlite"))
    label_like(bob, PAIRS[10:], lambda p, repeat: "a" if int(p.id[1:]) % 4 else "b", annotator="bob")
    few = LabelStore(store.path.with_name("few.sqlite"))
    label_like(few, PAIRS[:5], lambda p, repeat: "a", annotator="eve")
    classmates = export_preferences(bob, None, "bob") + export_preferences(few, None, "eve")
    table = agreement(store, "ann", classmates)
    assert table.loc["classmate bob", "n"] == 20 and table.loc["classmate bob", "agree"] == 0.75
    assert table.loc["classmate eve", ["n", "note"]].tolist() == [3, "too few: 3 of 10"]  # without the skip and the tie
    assert table.loc["classmate eve", "agree":"kappa_high"].isna().all()
    assert table.loc["gold reward", "n"] == 0  # it cannot read these posts


def test_habits(store):
    session = LabelingSession(PAIRS, "ann", store, repeat_every=0)
    for number in range(40):
        session.tie() if number % 8 == 0 else session.skip() if number % 8 == 1 else session.choose("left", 3)
    table = habits(store, "ann")
    assert table.loc["left", ["estimate", "n", "note"]].tolist() == [1, 30, ""]
    assert table.loc["ties", ["estimate", "n"]].tolist() == [1 / 8, 40]
    assert table.loc["skips", "estimate"] == 1 / 8 and table.loc["strong", "estimate"] == 1
    longer = [label.choice == "b" for label in store.labels() if label.strength]
    assert table.loc["the longer text", "estimate"] == pytest.approx(np.mean(longer))
    assert habits(store, "bob")["note"].unique().tolist() == ["too few: 0 of 10"]


def test_drift_of_ratings():
    steady = rating_drift([3, 5] * 20)
    assert steady.change.low < 0 < steady.change.high and "no detectable difference" in str(steady)
    assert steady.halves["mean"].tolist() == [4, 4]
    kinder = rating_drift([2, 3, 4] * 7 + [4, 5, 6] * 7)
    assert kinder.halves["mean"].tolist() == [3, 5] and kinder.change.estimate == 2
    assert kinder.halves["sd"].tolist() == pytest.approx([np.std([2, 3, 4] * 7, ddof=1)] * 2)
    assert "up" in str(kinder)
    for few in ([], [4], [3] * 19):
        assert rating_drift(few).change is None
        assert f"too few ratings to speak of drift: {len(few)} of 20" == str(rating_drift(few))


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
    assert str(ratings_against_labels(store, "ann")).startswith("too few pairs both rated and compared: 0")
    label_like(store, PAIRS, lambda p, repeat: "a")
    check = ratings_against_labels(store, "ann")
    assert check.pairs == 40 and check.ties.estimate == 0.5
    assert check.agree.estimate == 0.5 and check.agree.n == 20
    assert "Equal ratings: 0.50" in str(check)
    assert len(seconds(store.ratings())) == 80

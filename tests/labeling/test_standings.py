"""Standings of models: golden values, other implementations, worlds whose truth is known."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from helpers.formulas.statistics import bradley_terry_strengths, win_rate
from helpers.labeling.judges import longer_judge
from helpers.labeling.model_pairs import model_pairs
from helpers.labeling.session import LabelingSession
from helpers.labeling.standings import NOTHING_YET, STANDINGS, _Games, bradley_terry, standings
from helpers.labeling.verdicts import agreement, disagreements, human_verdicts, judge_verdicts

from ..support.verdicts import samples, verdicts, world


def test_win_rates_by_hand():
    rows = [("x", "y", 1.0)] * 6 + [("y", "x", 0.5)] * 2 + [("y", "x", 1.0)] * 4
    table = standings(verdicts(rows)).set_index("model")
    assert table["n"].tolist() == [12, 12]
    assert table["win_rate"].tolist() == pytest.approx([7 / 12, 5 / 12])
    assert (table["win_rate_low"] < table["win_rate"]).all() and (table["win_rate"] < table["win_rate_high"]).all()


def test_strengths_are_those_of_logistic_regression_with_the_added_half_wins():
    frame = world({"w": 1.0, "x": 0.3, "y": -0.2, "z": -1.5}, np.random.default_rng(0), prompts=20)
    frame.loc[::7, "outcome"] = 0.5
    names = ["w", "x", "y", "z"]
    rows, won, weight = [], [], []
    for row in frame.itertuples():
        x = np.eye(4)[names.index(row.model_a)] - np.eye(4)[names.index(row.model_b)]
        rows, won, weight = rows + [x, x], won + [1, 0], weight + [row.outcome, 1 - row.outcome]
    for i, j in permutations(range(4), 2):  # half a win and half a loss for each model, spread over three others
        rows, won, weight = rows + [np.eye(4)[i] - np.eye(4)[j]], won + [1], weight + [0.5 / 3]
        rows, won, weight = rows + [np.eye(4)[j] - np.eye(4)[i]], won + [0], weight + [0.0]
    kept = np.array(weight) > 0
    fitted = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-10, max_iter=5000).fit(
        np.array(rows)[kept], np.array(won)[kept], np.array(weight)[kept]
    )
    expected = fitted.coef_[0] - fitted.coef_[0].mean()
    table = standings(frame, n_resamples=50).set_index("model")
    np.testing.assert_allclose(table.loc[names, "strength"], expected, atol=1e-4)


@given(
    st.integers(2, 6).flatmap(
        lambda k: st.lists(st.lists(st.integers(0, 60), min_size=k * k, max_size=k * k), min_size=1, max_size=4)
    )
)
@settings(deadline=None, max_examples=40)
def test_many_tables_at_once_are_fitted_as_one_at_a_time(tables):
    k = int(len(tables[0]) ** 0.5)
    wins = (np.array(tables, float).reshape(-1, k, k) + 0.5) * (1 - np.eye(k))
    np.testing.assert_allclose(bradley_terry(wins), [bradley_terry_strengths(table) for table in wins], atol=1e-4)


def test_elo_is_the_mean_over_all_orders_of_three_games():
    """By hand: x beats y, y beats z, x and z tie, in each of six orders."""
    games = [("x", "y", 1.0), ("y", "z", 1.0), ("z", "x", 0.5)]
    ends = []
    for order in permutations(games):
        rating = dict.fromkeys("xyz", 1000.0)
        for a, b, score in order:
            change = 32 * (score - 1 / (1 + 10 ** ((rating[b] - rating[a]) / 400)))
            rating[a] += change
            rating[b] -= change
        ends.append(list(rating.values()))
    assert np.ptp(ends, axis=0).min() > 0.5  # the order matters, so averaging is tested
    elo = _Games(verdicts(games)).elo(np.ones((1500, 3), int), np.random.default_rng(0))
    np.testing.assert_allclose(elo.mean(axis=0), np.mean(ends, axis=0), atol=0.05)
    once = _Games(verdicts(games)).elo(np.array([[1, 0, 0], [0, 0, 2]]), np.random.default_rng(0))
    assert once[0] == pytest.approx([1016, 984, 1000])
    assert once[1] == pytest.approx([1000, 1000, 1000])


def rated(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index("model").drop(columns=["judge", "note"]).sort_index()


def test_renaming_models_permutes_the_standings():
    frame = world({"a": 0.9, "b": 0.0, "c": -0.6}, np.random.default_rng(1))
    other = {"a": "c", "b": "a", "c": "b"}
    renamed = standings(frame.replace({"model_a": other, "model_b": other}), 200)
    expected = rated(standings(frame, 200)).rename(index=other).sort_index()
    pd.testing.assert_frame_equal(rated(renamed), expected, rtol=1e-6)


def test_it_does_not_matter_which_model_is_a():
    frame = world({"a": 0.9, "b": 0.0, "c": -0.6}, np.random.default_rng(2))
    frame.loc[::5, "outcome"] = 0.5
    flipped = frame.copy()
    flip = np.random.default_rng(0).random(len(frame)) < 0.5
    flipped.loc[flip, ["model_a", "model_b"]] = frame.loc[flip, ["model_b", "model_a"]].to_numpy()
    flipped.loc[flip, "outcome"] = 1 - frame.loc[flip, "outcome"]
    pd.testing.assert_frame_equal(rated(standings(flipped, 200)), rated(standings(frame, 200)), rtol=1e-6)
    other = frame.assign(judge="bob", outcome=frame["outcome"].iloc[::-1].to_numpy())
    flipped_other = flipped.assign(judge="bob", outcome=np.where(flip, 1 - other["outcome"], other["outcome"]))
    pd.testing.assert_frame_equal(agreement(pd.concat([frame, other])), agreement(pd.concat([flipped, flipped_other])))


def test_all_ties_leave_everybody_even():
    table = standings(verdicts([("x", "y", 0.5), ("y", "z", 0.5), ("z", "x", 0.5)] * 10), 100)
    assert table["win_rate"].tolist() == [0.5] * 3
    np.testing.assert_allclose(table["strength"], 0, atol=1e-9)
    np.testing.assert_allclose(table["elo"], 1000)
    assert (table["note"] == "").all()


def test_an_undefeated_model_stays_finite_and_is_not_certain():
    rows = [("best", "x", 1.0), ("y", "best", 0.0), ("x", "y", 1.0), ("y", "x", 1.0)] * 10
    table = standings(verdicts(rows), 200).set_index("model")
    best = table.loc["best"]
    assert best["win_rate"] == 1 and best["win_rate_low"] == pytest.approx(win_rate([1] * 20, [0] * 20).low)
    assert np.isfinite(table.drop(columns=["judge", "note"]).to_numpy(float)).all()
    assert best["strength"] > table.loc["x", "strength_high"] and best["elo"] > 1100
    assert table["note"].str.contains("half wins").all()
    two = standings(verdicts([("x", "y", 1.0)] * 20), 100).set_index("model")
    assert two.loc["x", "strength"] == pytest.approx(np.log(20.5 / 0.5) / 2)


def test_intervals_cover_the_truth_of_a_simulated_world(monkeypatch):
    monkeypatch.setattr("helpers.labeling.standings.ELO_ORDERS", 1)  # not looked at here, and slow
    truth = {"a": 0.8, "b": 0.0, "c": -0.8}
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(60):
        table = standings(world(truth, rng, prompts=25), n_resamples=200).set_index("model")
        for name, strength in truth.items():
            rate = np.mean([expit(strength - other) for key, other in truth.items() if key != name])
            hits.append(
                [
                    table.loc[name, f"{measure}_low"] <= value <= table.loc[name, f"{measure}_high"]
                    for measure, value in (("strength", strength), ("win_rate", rate))
                ]
            )
    strength, rate = np.mean(hits, axis=0)
    assert 0.88 <= strength <= 0.99
    assert 0.91 <= rate <= 0.995  # the wider of two


def test_more_verdicts_on_the_same_prompts_make_nothing_more_certain():
    """Four verdicts that are always alike are worth one: the bootstrap draws prompts, not verdicts."""
    truth = {"a": 0.5, "b": -0.5}
    alone, fourfold = (
        standings(world(truth, np.random.default_rng(3), 40, clones), 1000).set_index("model").loc["a"]
        for clones in (1, 4)
    )
    widths = [row["strength_high"] - row["strength_low"] for row in (alone, fourfold)]
    assert fourfold["n"] == 160 and widths[1] == pytest.approx(widths[0], rel=0.1)
    assert fourfold["win_rate_high"] - fourfold["win_rate_low"] > 1.5 * (lambda i: i.high - i.low)(
        win_rate(np.arange(160) % 8 < 5, np.arange(160) % 8 >= 5)
    )


def test_few_labels_and_none_are_said_and_nothing_is_raised(store):
    pairs = model_pairs(samples(), 30)
    gold = judge_verdicts(pairs, longer_judge, "length")
    both = pd.concat([human_verdicts(store, pairs, "ann"), gold], ignore_index=True)
    table = standings(both, 50)
    assert table["judge"].tolist() == ["ann"] * 3 + ["length"] * 3
    mine = table[table["judge"] == "ann"]
    assert (mine["n"] == 0).all() and set(mine["note"]) == {NOTHING_YET} and mine["elo"].isna().all()
    assert "no labels yet" in NOTHING_YET
    assert agreement(both).loc["ann and length", "note"] == "too few: 0 of 10"
    assert disagreements(both, pairs, "ann", "length").empty
    session = LabelingSession(pairs, "ann", store)
    for _ in range(4):
        session.tie()
    few = standings(human_verdicts(store, pairs, "ann"), 50)
    assert few["n"].sum() == 8 and few["strength"].isna().all()
    assert set(few["note"]) == {f"too few: {n} of 10" for n in few["n"]}
    assert standings(both[:0]).columns.tolist() == list(STANDINGS)
    assert agreement(both[:0]).empty


def test_few_prompts_are_said():
    rows = [("x", "y", float(i % 2), i % 3) for i in range(30)]
    assert set(standings(verdicts(rows), 50)["note"]) == {"intervals too narrow: only 3 prompts"}
    one = standings(verdicts([(*row[:3], 1) for row in rows]), 50)
    assert set(one["note"]) == {"no intervals: one prompt only"}
    assert one["strength"].notna().all() and one["strength_low"].isna().all()


def test_standings_repeat_and_forgive_tables_put_together_twice():
    frame = world({"a": 0.4, "b": -0.4}, np.random.default_rng(4))
    pd.testing.assert_frame_equal(standings(frame, 100), standings(frame, 100))
    pd.testing.assert_frame_equal(standings(pd.concat([frame, frame]), 100), standings(frame, 100))

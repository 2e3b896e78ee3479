"""Judging models blind: golden values, other implementations, worlds whose truth is known, the label store."""

import json
from collections import Counter
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score

from helpers.files import LabError
from helpers.formulas.statistics import bradley_terry_strengths, win_rate
from helpers.labeling import model_comparison as judging
from helpers.labeling.judges import longer_judge
from helpers.labeling.session import LabelingSession
from helpers.labeling.store import LabelStore
from helpers.preferences import Pair, read_pairs
from helpers.simulation.gold import gold_reward
from helpers.views.labeler import Labeler


def samples(models=("modelone", "modeltwo", "modelthree"), prompts=12) -> pd.DataFrame:
    rows = [(m, f"POST: {i}", f" text {i} {'word ' * n}") for n, m in enumerate(models) for i in range(prompts)]
    return pd.DataFrame(rows, columns=["model", "prompt", "completion"])


def verdicts(rows, judge="ann") -> pd.DataFrame:
    """rows: (model_a, model_b, outcome), each on a prompt of its own, or with the prompt's number as a fourth."""
    return pd.DataFrame(
        [(judge, f"{i}", row[3] if len(row) > 3 else i, *row[:3]) for i, row in enumerate(rows)],
        columns=["judge", "pair", "prompt", "model_a", "model_b", "outcome"],
    )


def world(strengths: dict, rng, prompts=30, clones=1) -> pd.DataFrame:
    """Every two models on every prompt, as Bradley and Terry say; clones: how often each verdict comes."""
    names, rows = list(strengths), []
    for prompt in range(prompts):
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                rows += [(a, b, float(rng.random() < expit(strengths[a] - strengths[b])), prompt)] * clones
    return verdicts(rows)


def message(act, *arguments, **keywords) -> str:
    with pytest.raises(LabError) as error:
        act(*arguments, **keywords)
    return str(error.value)


# ------------------------------------------------------------------------------------------- pairs


def test_pairs_are_balanced_over_models_and_prompts_after_any_number():
    every = judging.model_pairs(samples(), 1000)
    assert len(every) == 36 == len({p.id for p in every})
    for n in (1, 4, 12, 17, 36):
        pairs = judging.model_pairs(samples(), n)
        assert pairs == every[:n]
        met = Counter(frozenset(p.source.split(">")) for p in pairs)
        asked = Counter(p.prompt for p in pairs)
        assert max(met.values()) - min(met[m] for m in map(frozenset, every_two())) <= 1
        assert max(asked.values()) - min(asked[f"POST: {i}"] for i in range(12)) <= 1


def every_two():
    return [("modelone", "modeltwo"), ("modelone", "modelthree"), ("modeltwo", "modelthree")]


def test_the_source_names_the_writer_of_a_first_and_either_model_can_be_first():
    wrote = {(r.prompt, r.completion): r.model for r in samples(prompts=40).itertuples()}
    pairs = judging.model_pairs(samples(prompts=40), 120)
    for pair in pairs:
        assert pair.source == f"{wrote[pair.prompt, pair.completion_a]}>{wrote[pair.prompt, pair.completion_b]}"
    first = sum(p.source.startswith("modelone>") for p in pairs if "modelone" in p.source.split(">"))
    assert 25 <= first <= 55


def test_another_seed_or_order_of_rows_draws_other_pairs_but_the_same_ids():
    every = set(judging.model_pairs(samples(), 36))
    assert judging.model_pairs(samples(), 9, seed=1) != judging.model_pairs(samples(), 9)
    assert set(judging.model_pairs(samples(), 9, seed=1)) <= every
    assert set(judging.model_pairs(samples().sample(frac=1, random_state=0), 36)) == every


def test_equal_and_blank_texts_are_left_out_and_counted():
    frame = samples(("x", "y", "z"), 3)
    frame.loc[(frame.model == "y") & (frame.prompt == "POST: 0"), "completion"] = " text 0"  # as x but for spaces
    frame.loc[(frame.model == "z") & (frame.prompt == "POST: 1"), "completion"] = "\n"
    frame.loc[(frame.model == "z") & (frame.prompt == "POST: 2"), "completion"] = None
    counts = judging.comparable(frame).set_index("models")
    assert counts.loc["x and y"].tolist() == [2, 1, 0]
    assert counts.loc["x and z"].tolist() == counts.loc["y and z"].tolist() == [1, 0, 2]
    pairs = judging.model_pairs(frame, 99)
    assert len(pairs) == counts["comparisons"].sum() == 4


def test_a_model_with_several_completions_meets_others_draw_by_draw():
    twice = pd.concat([samples(("x", "y"), 2), samples(("x", "y"), 2).assign(completion=[" p", " q", " r", " s"])])
    pairs = judging.model_pairs(twice, 99)
    assert {frozenset((p.completion_a, p.completion_b)) for p in pairs if p.prompt == "POST: 0"} == {
        frozenset((" text 0 ", " text 0 word ")),
        frozenset((" p", " r")),
    }
    assert len(judging.model_pairs(pd.concat([samples(("x", "y"), 2)] * 2), 99)) == 2  # sampled greedily, say


def test_what_cannot_be_paired_is_refused_with_one_message():
    assert "nothing to compare modelone with" in message(judging.model_pairs, samples(("modelone",)), 3)
    assert "nothing to compare it with" in message(judging.model_pairs, samples(()), 3)
    assert "'a>b' is blank or holds" in message(judging.model_pairs, samples(("a>b", "c")), 3)
    assert "no column completion" in message(judging.model_pairs, samples().drop(columns="completion"), 3)
    same = samples().assign(completion="the same")
    assert "different texts" in message(judging.model_pairs, same, 3)
    apart = samples(("x", "y")).assign(prompt=lambda frame: frame.prompt + frame.model)
    assert "different texts" in message(judging.model_pairs, apart, 3)


# ------------------------------------------------------------------------------------------- verdicts


@pytest.fixture
def store(tmp_path):
    return LabelStore(tmp_path / "labels.sqlite")


def test_labels_become_verdicts_whichever_side_was_shown_left(store):
    """The annotator likes the longer text, ties on one prompt and skips another; a repeat says the opposite."""
    pairs = judging.model_pairs(samples(), 30)
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
    said = judging.human_verdicts(LabelStore(store.path), pairs, "ann")
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
    assert judging.human_verdicts(store, pairs, "bob")["outcome"].isna().all()


def test_one_answer_counts_for_all_pairs_of_the_same_texts_either_way_round(store):
    pair = Pair("p", "POST", " one", " two", "x>y")
    LabelingSession([pair], "ann", store).tie()
    LabelingSession([Pair("q", "POST", " three", " four", "x>y")], "ann", store).choose("left", 1)
    label = store.labels("ann")[1]
    again = [Pair("r", "POST", " four", " three", "z>y"), Pair("s", "POST", " two", " one", "y>z")]
    outcomes = judging.human_verdicts(store, again, "ann")["outcome"].tolist()
    assert outcomes == [float(label.choice == "b"), 0.5]


def test_an_undone_answer_is_no_verdict(store):
    pairs = judging.model_pairs(samples(), 3)
    session = LabelingSession(pairs, "ann", store)
    session.tie()
    session.undo()
    assert judging.human_verdicts(store, pairs, "ann")["outcome"].isna().all()


def test_judges_of_every_kind_give_verdicts():
    pairs = [Pair(p.id, p.prompt, p.completion_a, p.completion_b, "x>y") for p in read_pairs("test")[:60]]
    gold = judging.judge_verdicts(pairs, judging.gold_judge, "gold reward")
    gaps = [gold_reward(p.prompt, p.completion_a) - gold_reward(p.prompt, p.completion_b) for p in pairs]
    assert gold["outcome"].tolist() == [0.5 if abs(g) < 1e-9 else float(g > 0) for g in gaps]
    assert {0.0, 0.5, 1.0} == set(gold["outcome"])
    words = judging.score_judge(lambda prompts, texts: np.array([len(text.split()) for text in texts]))
    by_score, by_length = (judging.judge_verdicts(pairs, judge, "length") for judge in (words, longer_judge))
    pd.testing.assert_frame_equal(by_score, by_length)


def test_a_score_judge_is_as_sure_as_bradley_terry_and_knows_rounding():
    judge = judging.score_judge(lambda prompts, texts: np.array([float(t) for t in texts]))
    sure = judge(["p"] * 3, ["2.0", "0.30000000000000004", "0"], ["0.5", "0.3", "9"])
    assert sure == pytest.approx([expit(1.5), 0.5, expit(-9)]) and sure[1] == 0.5


@pytest.mark.parametrize("sure", [[0.5], [0.5, np.nan], [0.5, 1.5], [[0.5, 0.5]]])
def test_a_judge_that_does_not_answer_is_refused(sure):
    pairs = judging.model_pairs(samples(), 2)
    assert "must give 2 numbers from 0 to 1" in message(
        judging.judge_verdicts, pairs, lambda *asked: np.array(sure), "odd"
    )


@pytest.mark.parametrize("source", ["human", "sft>sft", "a>b>c", "a>", " >b"])
def test_a_pair_of_no_two_models_is_refused(store, source):
    pairs = [Pair("p7", "POST", " one", " two", source)]
    for act in (lambda: judging.human_verdicts(store, pairs), lambda: judging.judge_verdicts(pairs, longer_judge, "l")):
        assert "pair p7" in message(act) and "does not name two models" in message(act)


def test_the_browser_hears_no_name_of_a_model(store, monkeypatch):
    """From the first question to after the last answer: the widget's whole state, and all that it sends."""
    sent = []
    monkeypatch.setattr(Labeler, "send", lambda self, reply: sent.append(reply))
    pairs = judging.model_pairs(samples(), 12)
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


# ------------------------------------------------------------------------------------------- standings


def test_win_rates_by_hand():
    rows = [("x", "y", 1.0)] * 6 + [("y", "x", 0.5)] * 2 + [("y", "x", 1.0)] * 4
    table = judging.standings(verdicts(rows)).set_index("model")
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
    table = judging.standings(frame, n_resamples=50).set_index("model")
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
    np.testing.assert_allclose(
        judging.bradley_terry(wins), [bradley_terry_strengths(table) for table in wins], atol=1e-4
    )


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
    elo = judging._Games(verdicts(games)).elo(np.ones((1500, 3), int), np.random.default_rng(0))
    np.testing.assert_allclose(elo.mean(axis=0), np.mean(ends, axis=0), atol=0.05)
    once = judging._Games(verdicts(games)).elo(np.array([[1, 0, 0], [0, 0, 2]]), np.random.default_rng(0))
    assert once[0] == pytest.approx([1016, 984, 1000])
    assert once[1] == pytest.approx([1000, 1000, 1000])


def rated(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_index("model").drop(columns=["judge", "note"]).sort_index()


def test_renaming_models_permutes_the_standings():
    frame = world({"a": 0.9, "b": 0.0, "c": -0.6}, np.random.default_rng(1))
    other = {"a": "c", "b": "a", "c": "b"}
    renamed = judging.standings(frame.replace({"model_a": other, "model_b": other}), 200)
    expected = rated(judging.standings(frame, 200)).rename(index=other).sort_index()
    pd.testing.assert_frame_equal(rated(renamed), expected, rtol=1e-6)


def test_it_does_not_matter_which_model_is_a():
    frame = world({"a": 0.9, "b": 0.0, "c": -0.6}, np.random.default_rng(2))
    frame.loc[::5, "outcome"] = 0.5
    turned = frame.copy()
    flip = np.random.default_rng(0).random(len(frame)) < 0.5
    turned.loc[flip, ["model_a", "model_b"]] = frame.loc[flip, ["model_b", "model_a"]].to_numpy()
    turned.loc[flip, "outcome"] = 1 - frame.loc[flip, "outcome"]
    pd.testing.assert_frame_equal(
        rated(judging.standings(turned, 200)), rated(judging.standings(frame, 200)), rtol=1e-6
    )
    other = frame.assign(judge="bob", outcome=frame["outcome"].iloc[::-1].to_numpy())
    turned_other = turned.assign(judge="bob", outcome=np.where(flip, 1 - other["outcome"], other["outcome"]))
    pd.testing.assert_frame_equal(
        judging.agreement(pd.concat([frame, other])), judging.agreement(pd.concat([turned, turned_other]))
    )


def test_all_ties_leave_everybody_even():
    table = judging.standings(verdicts([("x", "y", 0.5), ("y", "z", 0.5), ("z", "x", 0.5)] * 10), 100)
    assert table["win_rate"].tolist() == [0.5] * 3
    np.testing.assert_allclose(table["strength"], 0, atol=1e-9)
    np.testing.assert_allclose(table["elo"], 1000)
    assert (table["note"] == "").all()


def test_an_undefeated_model_stays_finite_and_is_not_certain():
    rows = [("best", "x", 1.0), ("y", "best", 0.0), ("x", "y", 1.0), ("y", "x", 1.0)] * 10
    table = judging.standings(verdicts(rows), 200).set_index("model")
    best = table.loc["best"]
    assert best["win_rate"] == 1 and best["win_rate_low"] == pytest.approx(win_rate([1] * 20, [0] * 20).low)
    assert np.isfinite(table.drop(columns=["judge", "note"]).to_numpy(float)).all()
    assert best["strength"] > table.loc["x", "strength_high"] and best["elo"] > 1100
    assert table["note"].str.contains("half wins").all()
    two = judging.standings(verdicts([("x", "y", 1.0)] * 20), 100).set_index("model")
    assert two.loc["x", "strength"] == pytest.approx(np.log(20.5 / 0.5) / 2)


def test_intervals_cover_the_truth_of_a_simulated_world(monkeypatch):
    monkeypatch.setattr(judging, "ELO_ORDERS", 1)  # not looked at here, and slow
    truth = {"a": 0.8, "b": 0.0, "c": -0.8}
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(60):
        table = judging.standings(world(truth, rng, prompts=25), n_resamples=200).set_index("model")
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
        judging.standings(world(truth, np.random.default_rng(3), 40, clones), 1000).set_index("model").loc["a"]
        for clones in (1, 4)
    )
    widths = [row["strength_high"] - row["strength_low"] for row in (alone, fourfold)]
    assert fourfold["n"] == 160 and widths[1] == pytest.approx(widths[0], rel=0.1)
    assert fourfold["win_rate_high"] - fourfold["win_rate_low"] > 1.5 * (lambda i: i.high - i.low)(
        win_rate(np.arange(160) % 8 < 5, np.arange(160) % 8 >= 5)
    )


def test_few_labels_and_none_are_said_and_nothing_is_raised(store):
    pairs = judging.model_pairs(samples(), 30)
    gold = judging.judge_verdicts(pairs, longer_judge, "length")
    both = pd.concat([judging.human_verdicts(store, pairs, "ann"), gold], ignore_index=True)
    table = judging.standings(both, 50)
    assert table["judge"].tolist() == ["ann"] * 3 + ["length"] * 3
    mine = table[table["judge"] == "ann"]
    assert (mine["n"] == 0).all() and set(mine["note"]) == {judging.NOTHING_YET} and mine["elo"].isna().all()
    assert "no labels yet" in judging.NOTHING_YET
    assert judging.win_table(both, "ann").loc["modelone", "modeltwo"] == "too few: 0 of 10"
    assert judging.head_to_head(both, "ann", "modelone", "modeltwo") is None
    assert judging.agreement(both).loc["ann and length", "note"] == "too few: 0 of 10"
    assert judging.disagreements(both, pairs, "ann", "length").empty
    session = LabelingSession(pairs, "ann", store)
    for _ in range(4):
        session.tie()
    few = judging.standings(judging.human_verdicts(store, pairs, "ann"), 50)
    assert few["n"].sum() == 8 and few["strength"].isna().all()
    assert set(few["note"]) == {f"too few: {n} of 10" for n in few["n"]}
    assert judging.standings(both[:0]).columns.tolist() == list(judging.STANDINGS)
    assert judging.agreement(both[:0]).empty


def test_few_prompts_are_said():
    rows = [("x", "y", float(i % 2), i % 3) for i in range(30)]
    assert set(judging.standings(verdicts(rows), 50)["note"]) == {"intervals too narrow: only 3 prompts"}
    one = judging.standings(verdicts([(*row[:3], 1) for row in rows]), 50)
    assert set(one["note"]) == {"no intervals: one prompt only"}
    assert one["strength"].notna().all() and one["strength_low"].isna().all()


def test_standings_repeat_and_forgive_tables_put_together_twice():
    frame = world({"a": 0.4, "b": -0.4}, np.random.default_rng(4))
    pd.testing.assert_frame_equal(judging.standings(frame, 100), judging.standings(frame, 100))
    pd.testing.assert_frame_equal(judging.standings(pd.concat([frame, frame]), 100), judging.standings(frame, 100))


def test_win_table_and_head_to_head():
    rows = [("x", "y", 1.0)] * 9 + [("y", "x", 1.0)] * 3 + [("x", "z", 1.0)] * 5
    table = judging.win_table(verdicts(rows), "ann")
    expected = win_rate([1] * 9 + [0] * 3, [0] * 9 + [1] * 3)
    assert judging.head_to_head(verdicts(rows), "ann", "x", "y") == expected
    assert table.loc["x", "y"] == str(expected) and table.loc["y", "x"].startswith("0.25 [")
    assert table.loc["x", "x"] == "" and table.loc["x", "z"] == table.loc["z", "x"] == "too few: 5 of 10"
    assert "no judge 'bob' among the verdicts; there are: ann" in message(judging.win_table, verdicts(rows), "bob")
    assert "the model 'w'; there are: x, y, z" in message(judging.head_to_head, verdicts(rows), "ann", "w", "x")


# ------------------------------------------------------------------------------------------- agreement


def test_agreement_is_that_of_scikit_learn_on_what_both_decided():
    rng = np.random.default_rng(0)
    pairs = judging.model_pairs(samples(prompts=40), 120)
    said = {"one": rng.choice([1, 0.5, 0], 120), "two": rng.choice([1, 0.5, 0, np.nan], 120)}
    frame = pd.concat([judging._verdicts(name, pairs, outcomes) for name, outcomes in said.items()])
    row = judging.agreement(frame).loc["one and two"]
    both = ~np.isnan(said["two"]) & (said["one"] != 0.5) & (said["two"] != 0.5)
    assert row["n"] == both.sum() and row["agree"] == np.mean(said["one"][both] == said["two"][both])
    assert row["low"] < row["agree"] < row["high"] and row["kappa_low"] < row["kappa"] < row["kappa_high"]
    # Were the texts named a and b, kappa would be another, but not by much: the coin is fair.
    assert row["kappa"] == pytest.approx(cohen_kappa_score(said["one"][both], said["two"][both]), abs=0.1)


def test_kappa_knows_nothing_of_which_model_is_better():
    """Two judges who always prefer the same model agree fully; named by model, they would have no kappa."""
    rows = [("x", "y", 1.0)] * 40
    row = judging.agreement(pd.concat([verdicts(rows, "one"), verdicts(rows, "two")])).loc["one and two"]
    assert row["agree"] == row["kappa"] == 1 and row["note"] == ""


def test_every_two_judges_are_compared():
    rows = [("x", "y", 1.0)] * 12
    table = judging.agreement(pd.concat([verdicts(rows, judge) for judge in ("c", "a", "b")]))
    assert table.index.tolist() == ["c and a", "c and b", "a and b"]


def test_disagreements_come_with_texts_opposite_ones_first():
    pairs = judging.model_pairs(samples(), 4)
    one, two = (judging._verdicts(n, pairs, o) for n, o in (("one", [1, 0.5, 0, 1]), ("two", [1, 1, 1, np.nan])))
    table = judging.disagreements(pd.concat([one, two]), pairs, "one", "two")
    assert table["pair"].tolist() == [pairs[2].id, pairs[1].id]
    first, second = (pairs[i].source.split(">") for i in (2, 1))
    assert table["one"].tolist() == [first[1], "tie"] and table["two"].tolist() == [first[0], second[0]]
    assert table["completion_a"].tolist() == [pairs[2].completion_a, pairs[1].completion_a]
    assert table["prompt"].tolist() == [pairs[2].prompt, pairs[1].prompt]
    assert "there are: one, two" in message(judging.disagreements, pd.concat([one, two]), pairs, "one", "three")

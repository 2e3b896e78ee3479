"""Intervals: golden values, coverage on known truths, agreement with scipy and scikit-learn, refused data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import cohen_kappa_score

from helpers import statistics as s

deterministic = settings(derandomize=True, deadline=None, max_examples=40)


def test_bootstrap_interval_is_near_the_normal_one_for_many_values():
    values = np.random.default_rng(0).normal(3, 2, size=400)
    interval = s.bootstrap_interval(values)
    half_width = 1.96 * values.std() / 20
    assert interval.estimate == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half_width, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half_width, abs=0.03)
    assert (interval.n, interval.seeds) == (400, 1)


def test_bootstrap_interval_repeats_and_narrows_with_a_lower_level():
    values = np.random.default_rng(1).exponential(size=50)
    wide, narrow = s.bootstrap_interval(values), s.bootstrap_interval(values, level=0.5)
    assert wide == s.bootstrap_interval(values)
    assert wide != s.bootstrap_interval(values, seed=1)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_bootstrap_interval_takes_other_statistics_and_keeps_constants():
    values = np.arange(101)
    assert s.bootstrap_interval(values, np.median).estimate == 50
    by_hand = s.bootstrap_interval(values, lambda x: float(np.sort(x)[len(x) // 2]), n_resamples=200)
    assert by_hand.low < 50 < by_hand.high
    assert s.bootstrap_interval([2, 2, 2])[:3] == (2, 2, 2)


def coverage(interval, trials: int, truth: float = 0.0) -> float:
    rng = np.random.default_rng(0)
    intervals = [interval(rng) for _ in range(trials)]
    return float(np.mean([i.low <= truth <= i.high for i in intervals]))


def test_intervals_cover_the_truth_about_as_often_as_they_claim():
    def paired(rng):
        difficulty = rng.normal(0, 5, size=64)
        return s.paired_difference(difficulty + rng.normal(size=64), difficulty + rng.normal(size=64), n_resamples=300)

    def over_seeds(rng):
        effect, difficulty = rng.normal(0, 0.3, size=(8, 1)), rng.normal(size=64)
        after = effect + difficulty + rng.normal(size=(8, 64))
        return s.paired_difference_over_seeds(after, difficulty + rng.normal(size=64), n_resamples=300)

    assert 0.90 <= coverage(paired, 300) <= 0.98
    assert 0.88 <= coverage(over_seeds, 300) <= 0.99


def test_paired_difference_sees_what_two_intervals_cannot():
    rng = np.random.default_rng(2)
    before = rng.normal(0, 10, size=40)
    after = before + rng.normal(0.5, 0.5, size=40)
    difference = s.paired_difference(after, before)
    assert difference.estimate == pytest.approx((after - before).mean())
    assert s.verdict(difference) == "up"
    assert s.verdict(s.paired_difference(before, after)) == "down"
    assert s.bootstrap_interval(after).low < s.bootstrap_interval(before).high


def test_over_seeds_a_shared_baseline_may_be_given_once():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(4, 30)), rng.normal(size=30)
    interval = s.paired_difference_over_seeds(a, b)
    assert interval == s.paired_difference_over_seeds(a, np.tile(b, (4, 1)))
    assert (interval.n, interval.seeds) == (30, 4)
    assert interval.estimate == pytest.approx((a - b).mean())
    assert "n = 30, 4 seeds" in str(interval)


def test_over_seeds_agrees_with_a_naive_resampling():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(5, 20)) + rng.normal(size=(5, 1)), rng.normal(size=20)
    means = []
    for _ in range(4000):
        rows, columns = rng.integers(5, size=5), rng.integers(20, size=20)
        means.append((a - b)[np.ix_(rows, columns)].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    interval = s.paired_difference_over_seeds(a, b, n_resamples=4000)
    assert interval.low == pytest.approx(low, abs=0.06)
    assert interval.high == pytest.approx(high, abs=0.06)


def test_seeds_that_disagree_widen_the_interval():
    rng = np.random.default_rng(5)
    a = 0.1 * rng.normal(size=(6, 100)) + np.array([[-1], [1], [-1], [1], [1], [1]])
    assert s.verdict(s.paired_difference(a.mean(axis=0), np.zeros(100))) == "up"  # as if there were one seed
    assert s.verdict(s.paired_difference_over_seeds(a, np.zeros(100))) == "no detectable difference"
    one = s.paired_difference_over_seeds(a[:1], np.zeros(100))
    assert one.seeds == 1 and one.low < a[0].mean() < one.high


@deterministic
@given(st.integers(1, 200), st.floats(0, 1))
def test_accuracy_interval_is_scipys_wilson_interval(n, share):
    k = round(n * share)
    interval = s.accuracy_interval([True] * k + [False] * (n - k))
    expected = binomtest(k, n).proportion_ci(method="wilson")
    assert interval[:3] == pytest.approx((k / n, expected.low, expected.high))
    assert interval.n == n


def test_twenty_of_twenty_is_not_certainty():
    interval = s.accuracy_interval(np.ones(20))
    assert interval.estimate == interval.high == 1.0
    assert interval.low == pytest.approx(0.8389, abs=1e-4)


def test_win_rate_counts_a_tie_as_half():
    interval = s.win_rate([1, 2, 3, 4], [0, 2, 5, 1])
    assert interval.estimate == (1 + 0.5 + 0 + 1) / 4
    assert s.win_rate([1, 2], [1, 2]).estimate == 0.5
    assert s.verdict(s.win_rate(np.ones(30), np.zeros(30)), reference=0.5) == "up"
    assert s.verdict(s.win_rate([1, 0], [0, 1]), reference=0.5) == "no detectable difference"


@deterministic
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=30))
def test_win_rates_of_the_two_sides_add_up_to_one(pairs):
    a, b = zip(*pairs, strict=True)
    one, other = s.win_rate(a, b), s.win_rate(b, a)
    assert one.estimate + other.estimate == pytest.approx(1)
    assert one.low == pytest.approx(1 - other.high)
    assert 0 <= one.low <= one.estimate <= one.high <= 1


@deterministic
@given(st.lists(st.tuples(st.sampled_from("abt"), st.sampled_from("abt")), min_size=1, max_size=30))
def test_cohen_kappa_agrees_with_scikit_learn(pairs):
    a, b = zip(*pairs, strict=True)
    if len({*a, *b}) == 1:
        assert np.isnan(s.cohen_kappa(a, b))
    else:
        assert s.cohen_kappa(a, b) == pytest.approx(cohen_kappa_score(a, b))


def test_cohen_kappa_by_hand():
    # observed 3/4; by chance 1/2 * 3/4 + 1/2 * 1/4 = 1/2
    assert s.cohen_kappa([1, 1, 0, 0], [1, 1, 1, 0]) == pytest.approx(0.5)
    assert s.cohen_kappa(["a", "b"], ["a", "b"]) == 1.0
    assert s.cohen_kappa(["a", "b"], ["b", "a"]) == -1.0


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 0.2, "up"),
        (-0.2, -0.1, "down"),
        (-0.1, 0.1, "no detectable difference"),
        (0.0, 1.0, "no detectable difference"),
    ],
)
def test_verdict(low, high, expected):
    assert s.verdict(s.Interval((low + high) / 2, low, high, 10)) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: s.bootstrap_interval([]), "values has shape"),
        (lambda: s.bootstrap_interval([1.0]), "2 value"),
        (lambda: s.bootstrap_interval([[1.0, 2.0]]), "1 dimension"),
        (lambda: s.bootstrap_interval([1.0, float("nan")]), "not finite, at index 1"),
        (lambda: s.paired_difference([1, 2], [1, 2, 3]), "same prompts"),
        (lambda: s.paired_difference_over_seeds([1, 2], [1, 2]), "2 dimension"),
        (lambda: s.paired_difference_over_seeds([[1, 2]], [1, 2, 3]), "same prompts"),
        (lambda: s.paired_difference_over_seeds([[1], [2]], [1]), "at least 2 prompts"),
        (lambda: s.paired_difference_over_seeds([[1, 2], [3, float("inf")]], [1, 2]), "index 1, 1"),
        (lambda: s.win_rate([1], [1, 2]), "same prompts"),
        (lambda: s.accuracy_interval([]), "correct has shape"),
        (lambda: s.accuracy_interval([0.5]), "booleans"),
        (lambda: s.cohen_kappa([], []), "two lists"),
        (lambda: s.cohen_kappa([1], [1, 2]), "must hold the same"),
    ],
)
def test_bad_data_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

"""Golden values, coverage on known truths, agreement with scipy and scikit-learn, refused data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binomtest, ttest_rel, zscore
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import cohen_kappa_score, roc_auc_score

from helpers.formulas import statistics as s

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


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_the_bootstrap_by_hand_is_scipys(level):
    values = np.random.default_rng(2).lognormal(size=20)
    theirs = s.bootstrap_interval(values, level=level, n_resamples=20_000)
    ours = s.bootstrap_mean_interval(values, level, n_resamples=20_000)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.02 * (theirs.high - theirs.low))
    assert ours == s.bootstrap_mean_interval(values, level, n_resamples=20_000)


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


def test_effect_size_is_the_paired_t_without_the_root_of_n():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, 2, size=30), rng.normal(size=30)
    assert s.effect_size(a, b) == pytest.approx(ttest_rel(a, b).statistic / np.sqrt(30))
    assert s.effect_size(10 * a, 10 * b) == pytest.approx(s.effect_size(a, b)) == pytest.approx(-s.effect_size(b, a))
    assert s.effect_size(np.tile(a, 50), np.tile(b, 50)) == pytest.approx(s.effect_size(a, b), rel=0.03)
    assert s.effect_size(a, a) == 0 and np.isnan(s.effect_size([3, 4], [2, 3]))


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


def test_pair_accuracy_counts_a_tie_as_half():
    assert s.pair_accuracy([1.0, 0.5, 0.0, 2.0], [0.0, 0.5, 1.0, 1.0]) == 0.625
    assert s.pair_accuracy(np.zeros(7), np.zeros(7)) == 0.5


@deterministic
@given(st.lists(st.integers(-3, 3), min_size=2, max_size=8))
def test_pair_accuracy_over_all_pairs_of_two_groups_is_the_area_under_the_curve(scores):
    """AUC is the chance that a positive scores above a negative, ties counting half (Hanley, McNeil 1982)."""
    half = len(scores) // 2
    good, bad = np.array(scores[:half]), np.array(scores[half:])
    chosen, rejected = (side.ravel() for side in np.meshgrid(good, bad))
    expected = roc_auc_score([1] * len(good) + [0] * len(bad), scores)
    assert s.pair_accuracy(chosen, rejected) == pytest.approx(expected)


def test_win_rate_with_ties_by_hand():
    assert s.win_rate_with_ties(["a", "a", "b", "tie", "skip"]) == 2.5 / 4
    assert s.win_rate_with_ties(["tie"]) == 0.5
    assert s.win_rate_with_ties(np.array(["b", "skip"])) == 0.0


@deterministic
@given(st.lists(st.sampled_from(["a", "b", "tie"]), min_size=1, max_size=20))
def test_win_rate_of_labels_is_that_of_scores(choices):
    a = [{"a": 1, "tie": 0, "b": -1}[choice] for choice in choices]
    assert s.win_rate_with_ties([*choices, "skip"]) == pytest.approx(s.win_rate(a, np.zeros(len(a))).estimate)


# --- Ratings and strengths ----------------------------------------------------


@deterministic
@given(st.integers(0, 2**31))
def test_standardized_ratings_are_z_scores_and_know_no_offset_and_slope(seed):
    rng = np.random.default_rng(seed)
    ratings = rng.integers(1, 8, size=(12, 3))
    ratings[:2] = [[1, 2, 3], [7, 6, 5]]  # nobody rates all alike
    standard = s.standardize_ratings(ratings)
    np.testing.assert_allclose(standard, zscore(ratings, axis=0))
    slope, offset = rng.uniform(0.2, 3, size=3), rng.normal(size=3)
    np.testing.assert_allclose(s.standardize_ratings(slope * ratings + offset), standard, atol=1e-9)


def test_somebody_who_rates_all_alike_says_nothing():
    standard = s.standardize_ratings([[0.1, 1.0], [0.1, 3.0], [0.1, 2.0]])
    np.testing.assert_allclose(standard[:, 0], 0, atol=1e-12)
    np.testing.assert_allclose(standard[:, 1].std(), 1)


def comparisons(rng, k: int, n: int) -> np.ndarray:
    """Wins in n comparisons of k things at random, with one win of everything over the next one in a circle."""
    strengths = rng.normal(size=k)
    wins = np.zeros((k, k))
    wins[np.arange(k), (np.arange(k) + 1) % k] = 1
    for _ in range(n):
        i, j = rng.choice(k, size=2, replace=False)
        winner, loser = (i, j) if rng.random() < expit(strengths[i] - strengths[j]) else (j, i)
        wins[winner, loser] += 1
    return wins


@pytest.mark.parametrize(("k", "n"), [(2, 5), (3, 10), (6, 300)])
def test_strengths_are_those_of_logistic_regression(k, n):
    wins = comparisons(np.random.default_rng(k), k, n)
    winners, losers = np.nonzero(wins)
    # The same comparisons once from each side, since the regression needs both classes.
    x = np.eye(k)[winners] - np.eye(k)[losers]
    fitted = LogisticRegression(C=1e9, fit_intercept=False, tol=1e-9, max_iter=1000).fit(
        np.vstack([x, -x]), [1] * len(x) + [0] * len(x), np.tile(wins[winners, losers], 2)
    )
    expected = fitted.coef_[0] - fitted.coef_[0].mean()
    np.testing.assert_allclose(s.bradley_terry_strengths(wins), expected, atol=1e-4)


def test_strengths_make_expected_wins_equal_observed_wins():
    wins = comparisons(np.random.default_rng(0), 5, 100)
    strengths = s.bradley_terry_strengths(wins)
    p = expit(strengths[:, None] - strengths)
    np.fill_diagonal(p, 0)
    np.testing.assert_allclose(((wins + wins.T) * p).sum(axis=1), wins.sum(axis=1), atol=1e-5)
    assert strengths.mean() == pytest.approx(0)


def test_strengths_of_two_by_hand_and_with_anything_on_the_diagonal():
    expected = [np.log(3) / 2, -np.log(3) / 2]
    np.testing.assert_allclose(s.bradley_terry_strengths([[0, 30], [10, 0]]), expected, atol=1e-7)
    np.testing.assert_allclose(s.bradley_terry_strengths([[99, 30], [10, 5]]), expected, atol=1e-6)


def test_elo_by_hand():
    # 400 points are odds of 10 to 1, so the favorite is expected to score 10/11
    assert s.elo_update(1900, 1500, 1, k=11) == pytest.approx((1901, 1499))
    assert s.elo_update(1900, 1500, 0, k=11) == pytest.approx((1890, 1510))
    assert s.elo_update(1500, 1500, 0.5) == (1500, 1500)
    # The table of chess: 200 points above is an expected score of 0.76
    assert s.elo_update(1700, 1500, 1, k=100)[0] - 1700 == pytest.approx(24, abs=0.1)


def test_elo_drifts_to_the_strengths():
    """Over many games with a small k, Elo's ratings hover around Bradley-Terry strengths in units of 400 / log 10."""
    rng = np.random.default_rng(0)
    strengths = np.array([-0.5, 0.0, 0.5])
    ratings, tail = np.zeros(3), []
    for step in range(6000):
        i, j = rng.choice(3, size=2, replace=False)
        won = float(rng.random() < expit(strengths[i] - strengths[j]))
        ratings[i], ratings[j] = s.elo_update(ratings[i], ratings[j], won, k=4)
        if step >= 2000:
            tail.append(ratings.copy())
    assert ratings.sum() == pytest.approx(0)
    np.testing.assert_allclose(np.mean(tail, axis=0) * np.log(10) / 400, strengths, atol=0.1)


# --- Calibration --------------------------------------------------------------


def test_calibration_error_by_hand():
    # 0.95, 0.95 (one right): 0.5 against 0.95; 0.65 (right): 1 against 0.65; weights 2/3 and 1/3
    error = s.expected_calibration_error([0.95, 0.95, 0.65], [1, 0, 1])
    assert error == pytest.approx(2 / 3 * 0.45 + 1 / 3 * 0.35)
    assert s.expected_calibration_error([1.0, 1.0, 1.0], [True, True, False]) == pytest.approx(1 / 3)
    assert s.expected_calibration_error([0.0, 1.0], [0, 1]) == 0


@deterministic
@given(st.integers(0, 2**31), st.integers(1, 15))
def test_calibration_error_is_that_of_scikit_learns_bins(seed, bins):
    rng = np.random.default_rng(seed)
    confidence = rng.random(60)
    correct = rng.random(60) < confidence**2
    accuracy, mean_confidence = calibration_curve(correct, confidence, n_bins=bins)
    counts, _ = np.histogram(confidence, bins, range=(0, 1))
    expected = np.average(np.abs(accuracy - mean_confidence), weights=counts[counts > 0])
    assert s.expected_calibration_error(confidence, correct, bins) == pytest.approx(expected)


def test_calibrated_confidence_has_little_error_and_sharpened_confidence_more():
    rng = np.random.default_rng(0)
    gaps = rng.normal(0, 2, size=20_000)
    right = rng.random(20_000) < expit(np.abs(gaps))
    assert s.expected_calibration_error(expit(np.abs(gaps)), right) < 0.02
    assert s.expected_calibration_error(expit(3 * np.abs(gaps)), right) > 0.1


# --- Words and refusals -------------------------------------------------------


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
        (lambda: s.pair_accuracy([1, 2], [1]), "must hold the same"),
        (lambda: s.win_rate_with_ties(["skip"]), "at least one"),
        (lambda: s.win_rate_with_ties(["a", "A"]), "choices must hold"),
        (lambda: s.standardize_ratings([1, 2]), "2 dimension"),
        (lambda: s.bradley_terry_strengths([[0, 1, 2]]), "square"),
        (lambda: s.bradley_terry_strengths([[0, 1], [0, 0]]), "lead from each thing"),
        (lambda: s.expected_calibration_error([1.1], [1]), r"in \[0, 1\]"),
        (lambda: s.expected_calibration_error([0.5], [1, 0]), "must hold the same"),
    ],
)
def test_bad_data_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((0.5, 0.25, 0.75), "0.50 [0.25, 0.75]"),
        ((-0.001, -0.2, 0.2), "0.00 [-0.20, 0.20]"),  # no "-0.00"
        ((-0.07, -0.15, -0.002), "-0.070 [-0.150, -0.002]"),  # on which side of 0
        ((0.012, 0.008, 0.016), "0.012 [0.008, 0.016]"),  # how wide
        ((1e-17, 1e-17, 0.074), "0.00 [0.00, 0.07]"),  # rounding errors are 0
        ((0.0, 0.0, 0.0), "0.00 [0.00, 0.00]"),
    ],
)
def test_an_interval_in_words(numbers, said):
    assert str(s.Interval(*numbers, 8)) == f"{said} (n = 8)"
    assert str(s.Interval(*numbers, 8, 3)) == f"{said} (n = 8, 3 seeds)"

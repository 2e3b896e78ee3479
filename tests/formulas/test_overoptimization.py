"""Best-of-n from one pool against every subset, and the two forms of Gao et al. against curves that are known."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.formulas.objectives import best_of_n_kl
from helpers.formulas.overoptimization import (
    best_of_n_kl_measured,
    best_of_n_means,
    best_of_n_probabilities,
    fit,
    gain_curve,
    rl_turning_point,
    turning_points,
)
from helpers.formulas.statistics import paired_difference_over_seeds

scores = st.lists(st.integers(-2, 2), min_size=1, max_size=6)  # few values, so that there are ties


@given(st.data(), scores)
def test_best_of_n_is_the_mean_over_all_subsets(data, proxy):
    measured = data.draw(st.lists(st.floats(-9, 9), min_size=len(proxy), max_size=len(proxy)))
    sizes = range(1, len(proxy) + 1)
    expected = []
    for n in sizes:
        values = []
        for subset in combinations(range(len(proxy)), n):
            best = max(proxy[i] for i in subset)
            values.append(np.mean([measured[i] for i in subset if proxy[i] == best]))
        expected.append(np.mean(values))
    # Ties within a subset share its choice, ties within the pool share a rank: the same mean.
    np.testing.assert_allclose(best_of_n_means([proxy], [measured], sizes)[0], expected, atol=1e-9)


def test_a_pool_of_hundreds():
    rng = np.random.default_rng(0)
    proxy = rng.normal(size=(200, 256))
    means = best_of_n_means(proxy, proxy, [1, 16, 256])
    np.testing.assert_allclose(means[:, 0], proxy.mean(1))
    np.testing.assert_allclose(means[:, 2], proxy.max(1))
    assert means[:, 1].mean() == pytest.approx(1.766, abs=0.02)  # the expected largest of 16 normal numbers


@pytest.mark.parametrize(
    ("proxy", "measured", "sizes"), [([[1, 2]], [[1, 2, 3]], [1]), ([1, 2], [1, 2], [1]), ([[1, 2]], [[1, 2]], [3])]
)
def test_what_does_not_fit_together_is_refused(proxy, measured, sizes):
    with pytest.raises(ValueError):
        best_of_n_means(proxy, measured, sizes)


@given(st.integers(1, 300), st.data())
def test_the_chances_of_all_ranks(pool, data):
    n = data.draw(st.integers(1, pool))
    chances = best_of_n_probabilities(pool, n)
    assert chances.shape == (pool,) and chances.sum() == pytest.approx(1) and (np.diff(chances) <= 1e-12).all()
    assert chances[0] == pytest.approx(n / pool)
    assert not chances[pool - n + 1 :].any()  # the n - 1 worst are never the best of n


def test_other_chances_can_be_given():
    worst = best_of_n_means([[1, 3, 2]], [[1, 3, 2]], [2], lambda pool, n: best_of_n_probabilities(pool, n)[::-1])
    assert worst[0, 0] == pytest.approx(4 / 3)  # the lowest of (1, 3), (1, 2), (3, 2)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(1, 4))
def test_the_measured_kl_is_that_of_every_draw_written_out(scores, n):
    values = sorted(set(scores))
    policy = np.array([scores.count(value) for value in values]) / len(scores)
    draws = [max(draw) for draw in product(scores, repeat=n)]
    best = np.array([draws.count(value) for value in values]) / len(draws)
    expected = sum(b * np.log(b / p) for b, p in zip(best, policy, strict=True) if b)
    assert best_of_n_kl_measured(scores, n) == pytest.approx(expected, abs=1e-9)
    assert -1e-12 <= best_of_n_kl_measured(scores, n) <= best_of_n_kl(n) + 1e-9  # Beirami et al. 2024, theorem 1


def test_the_measured_kl_of_many_different_texts_is_the_formula():
    for n in (2, 8, 64):
        assert best_of_n_kl_measured(np.random.default_rng(0).normal(size=100_000), n) == pytest.approx(
            best_of_n_kl(n), abs=2e-3
        )


def test_the_gains_of_a_curve_have_the_intervals_of_paired_differences():
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=50), rng.normal(0.3, 1, size=(4, 3, 50))
    curve = gain_curve(after, before, n_resamples=4000)
    for point in range(4):
        other = paired_difference_over_seeds(after[point], before, n_resamples=4000, seed=1)
        assert curve.estimate[point] == pytest.approx(other.estimate)
        assert (curve.low[point], curve.high[point]) == pytest.approx((other.low, other.high), abs=0.03)
        assert curve.at(point) == pytest.approx((other.estimate, curve.low[point], curve.high[point], 50, 3))
    change, other = curve.at(3, before=0), paired_difference_over_seeds(after[3], after[0], n_resamples=4000, seed=1)
    assert change == pytest.approx(other, abs=0.03)


def test_the_interval_of_a_turning_point_holds_it_and_narrows_with_the_noise():
    rng, d = np.random.default_rng(0), np.linspace(0.2, 3, 10)
    truth = 2.0 * d - 0.5 * d**2  # turns at 2
    widths = []
    for noise in (2.0, 0.2):
        after = truth[:, None, None] + noise * rng.normal(size=(10, 3, 60))
        low, high = turning_points("best of n", d, gain_curve(after, np.zeros(60)))
        assert low < 2 < high
        widths.append(high - low)
    assert widths[1] < widths[0]


def test_without_a_fall_the_turning_point_is_infinite():
    assert rl_turning_point(1.0, 0.0) == rl_turning_point(1.0, -1.0) == np.inf
    assert rl_turning_point(1.0, 1e-6) > 1e300  # and not an error


@given(st.sampled_from(["best of n", "RL"]), st.floats(0.1, 3), st.floats(0.05, 2))
def test_a_curve_of_the_form_is_found_again_and_turns_where_it_is_highest(form, a, b):
    d = np.linspace(0, 4, 40)
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = d * (a - b * d) if form == "best of n" else np.where(d > 0, d * (a - b * np.log(d)), 0.0)
    found = fit(form, d, gains)
    assert (found.a, found.b, found.r_squared) == pytest.approx((a, b, 1.0), abs=1e-6)
    around = found.turning_point * np.linspace(0.5, 1.5, 1001)
    assert around[found(around).argmax()] == pytest.approx(found.turning_point, rel=2e-3)


def test_a_curve_that_only_rises_has_no_turning_point():
    assert fit("best of n", [0.5, 1, 2, 3], [0.5, 1.1, 2.5, 4.2]).turning_point == np.inf


@pytest.mark.parametrize(("d", "gains"), [([0, 1, 2], [0, 1, 2]), ([1, 2, 3], [1, 2]), ([1, 2, 3], [1, 2, np.nan])])
def test_too_little_for_a_fit_is_refused(d, gains):
    with pytest.raises(ValueError):
        fit("RL", d, gains)


def test_the_distance_of_best_of_n():
    assert best_of_n_kl(1) == 0 and best_of_n_kl(16) == pytest.approx(np.log(16) - 15 / 16)

"""The two forms of Gao et al. against curves that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.formulas.overoptimization import fit, gain_curve, rl_turning_point, turning_points
from helpers.formulas.statistics import paired_difference_over_seeds


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

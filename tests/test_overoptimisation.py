"""Best-of-n from one pool against every subset, and the two forms of Gao et al. against curves that are known."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.objectives import best_of_n_kl
from helpers.overoptimisation import best_of_n_means, fit

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

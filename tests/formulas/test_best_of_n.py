"""Best-of-n: by hand, exact expectations, and every subset of a pool."""

import math
from itertools import combinations, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from torch.distributions import Categorical, kl_divergence

from helpers.formulas.best_of_n import (
    best_of_n,
    best_of_n_kl,
    best_of_n_kl_measured,
    best_of_n_means,
    best_of_n_probabilities,
)

scores = st.lists(st.integers(-2, 2), min_size=1, max_size=6)  # few values, so that there are ties


def test_best_of_n_looks_at_the_first_n_samples_only():
    scores = torch.tensor([[1.0, 0.0, 3.0], [0.0, 2.0, -1.0]])
    assert [best_of_n(scores, n).tolist() for n in (1, 2, 3)] == [[0, 0], [0, 1], [2, 1]]


@pytest.mark.parametrize("n", [1, 2, 5])
def test_best_of_n_kl_is_that_of_the_largest_of_n_uniform_numbers(n):
    """The rank of a continuous score is uniform, and the density of the best of n ranks u is n u^(n - 1)."""
    kl, _ = quad(lambda u: n * u ** (n - 1) * math.log(n * u ** (n - 1)), 0, 1)
    assert best_of_n_kl(n) == pytest.approx(kl, abs=1e-6)


def test_best_of_n_kl_bounds_that_of_a_policy_with_few_completions():
    """Of k equally likely completions the best of n can never be further away than log k."""
    k, n = 4, 50
    rank = torch.arange(1, k + 1, dtype=torch.float64) / k
    best = rank**n - (rank - 1 / k) ** n
    kl = kl_divergence(Categorical(best), Categorical(torch.full((k,), 1 / k).double()))
    assert kl.item() <= math.log(k) + 1e-9 < best_of_n_kl(n)


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
def test_the_probabilities_of_all_ranks(pool, data):
    n = data.draw(st.integers(1, pool))
    probabilities = best_of_n_probabilities(pool, n)
    assert (
        probabilities.shape == (pool,)
        and probabilities.sum() == pytest.approx(1)
        and (np.diff(probabilities) <= 1e-12).all()
    )
    assert probabilities[0] == pytest.approx(n / pool)
    assert not probabilities[pool - n + 1 :].any()  # the n - 1 worst are never the best of n


def test_other_probabilities_can_be_given():
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


def test_the_distance_of_best_of_n():
    assert best_of_n_kl(1) == 0 and best_of_n_kl(16) == pytest.approx(np.log(16) - 15 / 16)

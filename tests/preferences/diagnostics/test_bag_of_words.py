"""The bag of words learns words, forgets order and post, and suffers from few and from wrong labels."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.formulas.statistics import pair_accuracy
from helpers.preferences import load_preferences
from helpers.preferences.diagnostics.bag_of_words import BagOfWords

from ...support.tiny import pairs


def accuracy(margins):
    return pair_accuracy(margins, np.zeros(len(margins)))


def test_it_learns_the_words_that_tell_good_from_bad():
    rows = pairs(120)
    assert accuracy(BagOfWords(rows[:80]).margins(rows[80:])) == 1.0


def test_order_and_post_do_not_matter_and_the_sides_are_opposite():
    rows = load_preferences("train")[:300]
    judge, new = BagOfWords(rows[:250]), rows[250:]
    margins = judge.margins(new)
    other = [replace(r, prompt="another post", chosen=" ".join(reversed(r.chosen.split()))) for r in new]
    np.testing.assert_allclose(judge.margins(other), margins)
    swapped = [replace(r, chosen=r.rejected, rejected=r.chosen) for r in new]
    np.testing.assert_allclose(judge.margins(swapped), -margins)


def test_it_is_logistic_regression_on_both_orders_of_every_pair():
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    rows = load_preferences("train")[:300]
    judge, new = BagOfWords(rows), load_preferences("test")[:50]
    x = judge._differences
    both = LogisticRegression(fit_intercept=False, max_iter=1000, C=0.5)  # every pair counts twice
    both.fit(vstack([x, -x]), [1] * 300 + [0] * 300)
    np.testing.assert_allclose(judge.margins(new), both.decision_function(judge._difference(new)), atol=2e-3)


def test_few_and_wrong_labels_make_it_worse():
    judge, test = BagOfWords(load_preferences("train")), load_preferences("test")
    few, many = (np.mean([accuracy(judge.margins(test, n, seed=s)) for s in range(3)]) for n in (64, 4000))
    wrong = np.mean([accuracy(judge.margins(test, 4000, noise=0.4, seed=s)) for s in range(3)])
    assert many > few + 0.02 and many > wrong + 0.05
    turned = accuracy(judge.margins(test, 4000, noise=1.0))
    assert turned == pytest.approx(1 - accuracy(judge.margins(test, 4000)), abs=0.02)
    with pytest.raises(ValueError):
        judge.margins(test, 8001)

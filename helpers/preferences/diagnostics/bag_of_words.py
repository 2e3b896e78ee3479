"""A baseline for reward models: a judge that counts words. It knows no order, no post, and nothing of language."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from .. import Preference


class BagOfWords:
    """A Bradley-Terry model that is linear in word counts: score = sum over the words of a text of each one's weight.

    The words are those of the pairs given here. With scores of this kind, fitting Bradley-Terry is logistic regression
    on the difference of counts, chosen - rejected, without an intercept.
    """

    def __init__(self, pairs: Sequence[Preference]) -> None:
        self._words = CountVectorizer(binary=False).fit([text for p in pairs for text in (p.chosen, p.rejected)])
        self._differences = self._difference(pairs)

    def _difference(self, pairs: Sequence[Preference]) -> csr_matrix:
        counts = [self._words.transform([getattr(p, side) for p in pairs]) for side in ("chosen", "rejected")]
        return counts[0] - counts[1]

    def margins(
        self, test: Sequence[Preference], labels: int | None = None, noise: float = 0.0, seed: int = 0
    ) -> np.ndarray:
        """Score of the chosen minus that of the rejected text of each test pair, (n,), after training.

        Args:
            test: The pairs to score.
            labels: How many of the pairs it is trained on, drawn at random (default: all).
            noise: The share of them whose label is flipped, chosen for rejected.
            seed: Of all random draws.

        Raises:
            ValueError: There are more labels than pairs.
        """
        rng = np.random.default_rng(seed)
        total = self._differences.shape[0]
        drawn = rng.choice(total, size=total if labels is None else labels, replace=False)
        right = rng.random(len(drawn)) >= noise
        # Each pair once, in a random order of its two texts: then both answers occur.
        order = np.where(rng.random(len(drawn)) < 0.5, 1, -1)
        model = LogisticRegression(fit_intercept=False, max_iter=1000)
        model.fit(self._differences[drawn].multiply(order[:, None]).tocsr(), np.where(right, order, -order))
        return model.decision_function(self._difference(test))

"""The baseline that a reward model must beat: a judge that sees lengths only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..formulas.statistics import Interval, win_rate
from ..preferences import Preference


def length_margins(train: Sequence[Preference], test: Sequence[Preference]) -> np.ndarray:
    """Margins (n,), in words, of a judge that sees lengths only: above 0 where it is right about a pair of `test`.

    It prefers the longer text or the shorter one, whichever was right more often in `train`.
    """

    def longer_by(pairs: Sequence[Preference]) -> np.ndarray:
        return np.array([len(pair.chosen.split()) - len(pair.rejected.split()) for pair in pairs])

    return longer_by(test) * (1 if np.sign(longer_by(train)).mean() >= 0 else -1)


def length_baseline(train: Sequence[Preference], test: Sequence[Preference]) -> Interval:
    """Accuracy on `test` of the judge of `length_margins`, equal lengths counting half."""
    margins = length_margins(train, test)
    return win_rate(margins, np.zeros(len(margins)))

"""The baselines that a reward model must beat: judges that see lengths only, or shared words only."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from ..formulas.statistics import Interval, win_rate
from ..preferences import Preference
from ..simulation.posts import body


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


def word_f1(text: str, reference: str) -> float:
    """F1 of the words of a text against those of another, each word counted once, in lower case.

    It is twice the number of shared words over the number of words of both: 1 for the same words, 0 for none shared.
    """
    words, others = _words(text), _words(reference)
    return 2 * len(words & others) / (len(words) + len(others)) if words or others else 1.0


def _words(text: str) -> set[str]:
    return set(re.findall(r"[\w$']+", text.lower()))


def overlap_margins(pairs: Sequence[Preference]) -> np.ndarray:
    """Margins (n,) of a judge without any model: it prefers the text that shares more words with the post.

    A margin is `word_f1` of the chosen text with the post minus that of the rejected text.
    """
    posts = [body(pair.prompt) for pair in pairs]
    return np.array([word_f1(p.chosen, post) - word_f1(p.rejected, post) for p, post in zip(pairs, posts, strict=True)])


def overlap_baseline(pairs: Sequence[Preference]) -> Interval:
    """Accuracy on `pairs` of the judge of `overlap_margins`, ties counting half."""
    margins = overlap_margins(pairs)
    return win_rate(margins, np.zeros(len(margins)))

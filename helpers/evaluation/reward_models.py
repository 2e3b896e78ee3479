"""Held-out measurements of reward models: scores of pairs, accuracy with intervals, calibration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..formulas.statistics import (
    Interval,
    accuracy_interval,
    calibration_bin,
    paired_difference,
    paired_difference_over_seeds,
    win_rate,
)
from ..models.shared_base import SharedBase
from ..preferences import Preference
from ..simulation.annotators import best_possible_accuracy
from ..simulation.gold import score


def pair_scores(shared: SharedBase, pairs: Sequence[Preference]) -> pd.DataFrame:
    """Normalized reward-model scores of both completions of each pair, and their lengths in words.

    Returns:
        One row per pair: chosen, rejected (scores), chosen_words, rejected_words, annotator, strength.
    """
    prompts = [pair.prompt for pair in pairs]
    return pd.DataFrame(
        {
            "chosen": shared.reward(prompts, [pair.chosen for pair in pairs]).numpy(),
            "rejected": shared.reward(prompts, [pair.rejected for pair in pairs]).numpy(),
            "chosen_words": [len(pair.chosen.split()) for pair in pairs],
            "rejected_words": [len(pair.rejected.split()) for pair in pairs],
            "annotator": [pair.annotator for pair in pairs],
            "strength": [pair.strength for pair in pairs],
        }
    )


def accuracy(chosen: ArrayLike, rejected: ArrayLike) -> Interval:
    """Accuracy with its interval: the share of pairs whose chosen completion scores higher, ties as one half."""
    return win_rate(chosen, rejected)


def best_possible(pairs: Sequence[Preference]) -> float:
    """The accuracy that no judge of these pairs can beat on average, whatever it knows of the texts.

    It is exact, because the simulated annotators' probabilities are known: see `annotators.best_possible_accuracy`.
    """
    return best_possible_accuracy((score(p.prompt, p.chosen), score(p.prompt, p.rejected)) for p in pairs)


def right(margins: ArrayLike) -> np.ndarray:
    """1 where a margin (score of the chosen minus of the rejected text) is above 0, 0 where below, 0.5 where 0."""
    return (np.sign(np.asarray(margins, float)) + 1) / 2


def accuracy_over_seeds(margins: ArrayLike) -> Interval:
    """Accuracy of a reward model trained with several seeds, with its interval over seeds and pairs; ties count half.

    Args:
        margins: (seeds, pairs), score of the chosen minus score of the rejected text, every seed on the same pairs.
    """
    judged = right(margins)
    return paired_difference_over_seeds(judged, np.zeros(judged.shape[-1]))


def accuracy_gain(a: ArrayLike, b: ArrayLike) -> Interval:
    """Accuracy of one judge minus that of another on the same pairs, with its interval; ties count half.

    Args:
        a: Margins (n,) of the one, such as score of the chosen minus score of the rejected text.
        b: Margins (n,) of the other.
    """
    return paired_difference(right(a), right(b))


def accuracy_gain_over_seeds(a: ArrayLike, b: ArrayLike) -> Interval:
    """`accuracy_gain` of judges trained with several seeds, with its interval over seeds and pairs.

    Args:
        a: Margins (seeds, pairs) of the one, every seed on the same pairs.
        b: Margins (seeds, pairs) of the other, or (pairs,) of one that has no seed.
    """
    return paired_difference_over_seeds(right(a), right(b))


def reliability(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> pd.DataFrame:
    """Accuracy of predictions of like confidence (a reliability diagram's data).

    Args:
        confidence: (n,), in [0, 1].
        correct: (n,), booleans or 0 and 1.
        bins: Number of equal parts of [0, 1].

    Returns:
        One row for each bin that holds any: confidence (its mean), estimate, low, high (of the accuracy), n.
    """
    frame = pd.DataFrame({"confidence": np.asarray(confidence, float), "correct": np.asarray(correct, float)})
    rows = [
        {"confidence": group["confidence"].mean()} | accuracy_interval(group["correct"])._asdict()
        for _, group in frame.groupby(calibration_bin(frame["confidence"], bins))
    ]
    return pd.DataFrame(rows)[["confidence", "estimate", "low", "high", "n"]]

"""Held-out measurements of policies and reward models, each with its interval."""

from .baselines import length_baseline, length_margins, overlap_baseline, overlap_margins, word_f1
from .policies import MODELS, Judged, compare_models, completion_loss, gold_gain, implicit_rewards, sample, win_rates
from .reward_models import (
    accuracy,
    accuracy_gain,
    accuracy_gain_over_seeds,
    accuracy_over_seeds,
    best_possible,
    pair_scores,
    reliability,
    right,
)

__all__ = [
    "MODELS",
    "Judged",
    "accuracy",
    "accuracy_gain",
    "accuracy_gain_over_seeds",
    "accuracy_over_seeds",
    "best_possible",
    "compare_models",
    "completion_loss",
    "gold_gain",
    "implicit_rewards",
    "length_baseline",
    "length_margins",
    "overlap_baseline",
    "overlap_margins",
    "pair_scores",
    "reliability",
    "right",
    "sample",
    "win_rates",
    "word_f1",
]

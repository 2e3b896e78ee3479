"""How far annotators agree where several judged the same pair.

Source
    Krippendorff 2011       Computing Krippendorff's alpha-reliability
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ...formulas.statistics import Interval, bootstrap_interval, cohen_kappa
from ..rows import UNKNOWN
from .columns import SAMPLE, SHOWN, Names, Table


@dataclass(frozen=True)
class Agreement:
    """How far annotators agree on pairs that several of them judged.

    Attributes:
        pairs: How many pairs had two annotators or more.
        judgments: How many judgments those pairs had.
        same: Of two annotators of a pair, the probability that they choose the same text; with an interval over pairs.
        alpha: Krippendorff's, 1 for full agreement, 0 for that of chance; with an interval over pairs.
        kappas: Cohen's kappa of every two annotators with at least 10 pairs in common (annotators, n, agree, kappa).
    """

    pairs: int
    judgments: int
    same: Interval
    alpha: Interval
    kappas: pd.DataFrame


def agreement(table: Table, annotators: Names, seed: int) -> Agreement | None:
    """How far the known annotators agree; None if no pair has two of them. seed: of the bootstrap."""
    known = np.array([name != UNKNOWN for name in annotators.names])[table["annotator"]]
    judgments = pd.DataFrame(
        {
            "pair": table["pair"][known],
            "annotator": table["annotator"][known],
            "first": (table["chosen"] < table["rejected"])[known],  # of the two texts, by hash: an order by chance
        }
    ).drop_duplicates()
    judgments = judgments[~judgments.duplicated(["pair", "annotator"], keep=False)]  # who chose both has no opinion
    judgments = judgments[judgments["pair"].map(judgments["pair"].value_counts()) >= 2]
    if judgments.empty:
        return None
    votes = judgments.groupby("pair")["first"].agg(["size", "sum"])  # in the order of the hashes
    m, k = votes["size"].to_numpy(float), votes["sum"].to_numpy(float)
    same, alpha = _over_pairs(_same, m, k, seed), _over_pairs(krippendorff_alpha, m, k, seed)
    return Agreement(len(votes), len(judgments), same, alpha, _kappas(judgments, annotators))


def krippendorff_alpha(judges: np.ndarray, votes: np.ndarray, axis: int = -1) -> np.ndarray:
    """Krippendorff's alpha of choices between two texts: 1 - observed / expected disagreement (along `axis`).

    Which text comes first means nothing, so each pair is counted in both orders: by chance, half of the choices agree.

    Args:
        judges: How many annotators chose, at least 2, for each pair.
        votes: How many of them chose its first text.
        axis: The axis of the pairs.
    """
    n = judges.sum(axis=axis)
    observed = (2 * votes * (judges - votes) / (judges - 1)).sum(axis=axis) / n
    return 1 - observed / (n / (2 * n - 1))


def _same(judges: np.ndarray, votes: np.ndarray, axis: int = -1) -> np.ndarray:
    return (1 - 2 * votes * (judges - votes) / (judges * (judges - 1))).mean(axis=axis)


def _over_pairs(statistic: Callable[..., np.ndarray], judges: np.ndarray, votes: np.ndarray, seed: int) -> Interval:
    """`statistic` of all pairs, with an interval over pairs (at most SAMPLE of them, for the bootstrap's memory)."""
    estimate = float(statistic(judges, votes))
    if len(judges) == 1:
        return Interval(estimate, float("nan"), float("nan"), 1)
    judges, votes, n = judges[:SAMPLE], votes[:SAMPLE], len(judges)

    def resampled(places: np.ndarray, axis: int = -1) -> np.ndarray:
        drawn = places.astype(int)
        return statistic(judges[drawn], votes[drawn], axis=axis)

    interval = bootstrap_interval(np.arange(len(judges)), resampled, seed=seed)
    return Interval(estimate, interval.low, interval.high, n)


def _kappas(judgments: pd.DataFrame, annotators: Names) -> pd.DataFrame:
    few = judgments[
        judgments["pair"].map(judgments["pair"].value_counts()) <= SHOWN
    ]  # n annotators of a pair are n^2 / 2 couples
    couples = few.merge(few, on="pair", suffixes=("_a", "_b"))
    names = np.array(annotators.names, dtype=object)
    couples["a"], couples["b"] = names[couples["annotator_a"]], names[couples["annotator_b"]]
    rows = []
    for (a, b), common in couples[couples["a"] < couples["b"]].groupby(["a", "b"]):
        if len(common) >= 10:
            first, second = common["first_a"].to_numpy(), common["first_b"].to_numpy()
            kappa = cohen_kappa(np.r_[first, ~first], np.r_[second, ~second])  # each pair in both orders
            rows.append([f"{a} and {b}", len(common), (first == second).mean(), kappa])
    frame = pd.DataFrame(rows, columns=["annotators", "n", "agree", "kappa"])
    return frame.sort_values(["n", "annotators"], ascending=[False, True]).head(SHOWN).reset_index(drop=True)

"""How far judges get that understand nothing, and the words that give chosen and rejected texts away.

Source
    Monroe et al. 2008      Fightin' words (log-odds with an informative Dirichlet prior)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.feature_extraction.text import CountVectorizer

from ...files import SPLITS
from ...formulas.statistics import Interval, bootstrap_interval, win_rate
from .. import Preference
from . import near_duplicates
from .bag_of_words import BagOfWords
from .columns import SHOWN, Sample

FEWEST_TRAIN, FEWEST_TEST = 50, 20  # pairs to fit a judge to, prompts to test it on


def held_out_judges(drawn: Sample, seed: int) -> tuple[pd.DataFrame, str, np.ndarray]:
    """How often two judges that understand nothing are right on held-out pairs.

    Returns:
        The table `Diagnostics.judges`; what was held out, in words; and the bag of words' margin for each row of the
        sample (n,), NaN for one that was not held out.
    """
    train, test, heldout = held_out(drawn)
    margins = np.full(len(drawn.rows), np.nan)
    table = pd.DataFrame(columns=["estimate", "low", "high", "n"])
    prompts = drawn.prompt[test]
    if len(train) < FEWEST_TRAIN or len(np.unique(prompts)) < FEWEST_TEST:
        needed = f"{FEWEST_TRAIN} pairs to train on and {FEWEST_TEST} other prompts to test on"
        return table, f"nothing: that takes {needed}", margins
    likes_longer = np.sign(drawn.longer[train]).mean() >= 0
    rows = {"length only": accuracy_over_prompts(drawn.longer[test] * (1 if likes_longer else -1), prompts, seed)}
    try:
        judge = BagOfWords([drawn.rows[i] for i in train])
    except ValueError:  # no text has a word of two letters
        pass
    else:
        margins[test] = judge.margins([drawn.rows[i] for i in test], seed=seed)
        rows["bag of words"] = accuracy_over_prompts(margins[test], prompts, seed)
    return pd.DataFrame({name: rate._asdict() for name, rate in rows.items()}).T[list(table)], heldout, margins


def held_out(drawn: Sample) -> tuple[np.ndarray, np.ndarray, str]:
    """The places in the sample to train on and to test on, and what was held out, in words."""
    train, validation, test = (drawn.split == number for number in range(len(SPLITS)))
    for name, held in (("test", test), ("validation", validation)):
        if held.any() and train.any():
            return np.flatnonzero(train), np.flatnonzero(held), f"the set's own {name} split"
    held = near_duplicates.mix(drawn.prompt_words) % np.uint64(5) == 0  # so no prompt is on both sides
    return np.flatnonzero(~held), np.flatnonzero(held), "a fifth of the prompts, drawn by hash"


def accuracy_over_prompts(margins: np.ndarray, prompts: np.ndarray, seed: int = 0) -> Interval:
    """Share of pairs with a margin above 0, one of 0 counting half, with a bootstrap interval over prompts.

    Pairs of one prompt stay together, for they are no independent evidence. Where no resample differs (all are right),
    the interval is Wilson's.

    Args:
        margins: Score of the chosen minus that of the rejected text (n,).
        prompts: What tells the prompts apart (n,); two prompts at least.
        seed: Of the bootstrap.
    """
    right = (np.sign(margins) + 1) / 2
    _, back = np.unique(prompts, return_inverse=True)
    pairs = np.bincount(back)
    correct = np.bincount(back, weights=right)

    def accuracy(places: np.ndarray, axis: int = -1) -> np.ndarray:
        drawn = places.astype(int)
        return correct[drawn].sum(axis=axis) / pairs[drawn].sum(axis=axis)

    interval = bootstrap_interval(np.arange(len(pairs)), accuracy, seed=seed)
    if interval.low == interval.high:
        return win_rate(correct / pairs, np.full(len(pairs), 0.5))._replace(estimate=interval.estimate)
    return interval


def give_away_words(rows: Sequence[Preference], most: int = SHOWN) -> tuple[pd.DataFrame, int, float]:
    """The words that tell chosen from rejected texts.

    Log-odds of the number of texts that hold a word, with the whole set as informative Dirichlet prior, which weighs a
    tenth of the data (Monroe et al. 2008, eq. 16-22): a word that is rare in both needs more evidence. A word counts
    once a text, for one text that says it fifty times is no evidence about others. Words in fewer than 5 texts are
    left out.

    Args:
        rows: The pairs.
        most: Words of each side that are kept.

    Returns:
        The table, the number of words examined, and the limit of z: `words`, `n_words` and `z_limit` of `Diagnostics`.
    """
    table = pd.DataFrame(columns=["word", "chosen", "rejected", "log_odds", "z"])
    counter = CountVectorizer(binary=True)
    try:
        counter.fit(text for row in rows for text in (row.chosen, row.rejected))
    except ValueError:  # no text has a word of two letters
        return table, 0, float("nan")
    chosen, rejected = (
        np.asarray(counter.transform([getattr(row, side) for row in rows]).sum(axis=0)).ravel().astype(float)
        for side in ("chosen", "rejected")
    )
    prior = 0.1 * (chosen + rejected)
    log_odds, variance = np.zeros(len(prior)), np.zeros(len(prior))
    for sign, counts in ((1, chosen), (-1, rejected)):
        total = counts.sum() + prior.sum()
        log_odds += sign * (np.log(counts + prior) - np.log(np.maximum(total - counts - prior, 1e-9)))
        variance += 1 / (counts + prior)
    table = pd.DataFrame(
        {
            "word": counter.get_feature_names_out(), "chosen": chosen.astype(int), "rejected": rejected.astype(int),
            "log_odds": log_odds, "z": log_odds / np.sqrt(variance),
        }
    )  # fmt: skip
    table = table[chosen + rejected >= 5]
    if table.empty:
        return table, 0, float("nan")
    limit = float(stats.norm.ppf(1 - 0.025 / len(table)))
    ordered = table.sort_values(["z", "word"], ascending=[False, True])
    ends = pd.concat([ordered[ordered["z"] > 0].head(most), ordered[ordered["z"] < 0].tail(most)])
    return ends.reset_index(drop=True), len(table), limit

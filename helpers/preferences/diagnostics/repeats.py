"""What stands in a set twice: rows, prompts and completions, the same pair chosen both ways, prompts of two splits."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from ...files import SPLITS
from .columns import Sample, Table


def contradictory(table: Table) -> tuple[np.ndarray, np.ndarray]:
    """For each row (n,): whether another row is the same, and whether another row says the opposite."""
    _, back, times = np.unique(table["row"], return_inverse=True, return_counts=True)
    _, pair = np.unique(table["pair"], return_inverse=True)
    sides = np.zeros((pair.max() + 1, 2), dtype=bool)
    sides[pair, (table["chosen"] > table["rejected"]).astype(int)] = True
    both = np.logical_and(sides[:, 0], sides[:, 1])
    return times[back] > 1, both[pair]


def count_repeats(table: Table, drawn: Sample) -> pd.DataFrame:
    """How many pairs, prompts and completions a set without repeats would lack, as `Diagnostics.repeats` has it."""
    both = {
        ending: np.concatenate([table[f"{s}{ending}"] for s in ("chosen", "rejected")]) for ending in ("", "_words")
    }
    prompts = len(np.unique(drawn.prompt_words)), len(np.unique(drawn.near_prompts))
    rows = {}
    for what, exact, words, (n_near, n_groups) in (
        ("pairs", table["row"], table["row_words"], (0, 0)),
        ("prompts", table["prompt"], table["prompt_words"], prompts),
        ("completions", both[""], both["_words"], drawn.near_completions),
    ):
        distinct, distinct_words = len(np.unique(exact)), len(np.unique(words))
        rows[what] = [
            len(exact),
            distinct,
            len(exact) - distinct,
            len(exact) - distinct_words,
            n_near,
            n_near - n_groups,
        ]
    return pd.DataFrame(rows, index=["n", "distinct", "exact", "words", "n_near", "near"]).T


def find_leaks(table: Table, drawn: Sample) -> tuple[pd.DataFrame, np.ndarray]:
    """Prompts that two splits share.

    Returns:
        The table `Diagnostics.leaks`; and, for each row of the sample (n,), whether its prompt stands in a split that
        it must not be in.
    """
    rows, leaking = {}, np.zeros(len(drawn.rows), dtype=bool)
    for other, heldout in combinations(range(len(SPLITS)), 2):
        in_other, in_heldout = table["split"] == other, table["split"] == heldout
        if not (in_other.any() and in_heldout.any()):
            continue
        prompts, first = np.unique(table["prompt"][in_heldout], return_index=True)
        exact = np.isin(prompts, table["prompt"][in_other])
        words = np.isin(table["prompt_words"][in_heldout][first], table["prompt_words"][in_other])
        here = drawn.split == heldout
        near = np.isin(drawn.near_prompts[here], drawn.near_prompts[drawn.split == other])
        near |= np.isin(drawn.prompt_words[here], table["prompt_words"][in_other])  # all of that split, not its sample
        leaking[here] |= near
        n_near = len(np.unique(drawn.prompt[here]))
        rows[f"{SPLITS[heldout]} in {SPLITS[other]}"] = [
            len(prompts), exact.sum(), (exact | words).sum(), n_near, len(np.unique(drawn.prompt[here][near])),
        ]  # fmt: skip
    return pd.DataFrame(rows, index=["n", "exact", "words", "n_near", "near"], dtype=int).T, leaking

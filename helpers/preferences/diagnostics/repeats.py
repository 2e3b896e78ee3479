"""What stands in a set twice: rows, prompts and completions, the same pair chosen both ways, prompts of two splits."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from .. import SPLITS
from .columns import Sample


def contradictory(table: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """For each row (n,): whether it stands in the set again, and whether another row says the opposite."""
    _, back, times = np.unique(table["row"], return_inverse=True, return_counts=True)
    _, pair = np.unique(table["pair"], return_inverse=True)
    sides = np.zeros((pair.max() + 1, 2), dtype=bool)
    sides[pair, (table["chosen"] > table["rejected"]).astype(int)] = True
    return times[back] > 1, sides.all(axis=1)[pair]


def count_repeats(table: dict[str, np.ndarray], drawn: Sample) -> pd.DataFrame:
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


def find_leaks(table: dict[str, np.ndarray], drawn: Sample) -> tuple[pd.DataFrame, np.ndarray]:
    """The table, and whether the prompt of each row of the sample stands in a split that it must not be in, (n,)."""
    rows, leaking = {}, np.zeros(len(drawn.rows), dtype=bool)
    for seen, held in combinations(range(len(SPLITS)), 2):
        in_seen, in_held = table["split"] == seen, table["split"] == held
        if not (in_seen.any() and in_held.any()):
            continue
        prompts, first = np.unique(table["prompt"][in_held], return_index=True)
        exact = np.isin(prompts, table["prompt"][in_seen])
        words = np.isin(table["prompt_words"][in_held][first], table["prompt_words"][in_seen])
        here = drawn.split == held
        near = np.isin(drawn.near_prompts[here], drawn.near_prompts[drawn.split == seen])
        near |= np.isin(drawn.prompt_words[here], table["prompt_words"][in_seen])  # all of that split, not its sample
        leaking[here] |= near
        n_near = len(np.unique(drawn.prompt[here]))
        rows[f"{SPLITS[held]} in {SPLITS[seen]}"] = [
            len(prompts), exact.sum(), (exact | words).sum(), n_near, len(np.unique(drawn.prompt[here][near])),
        ]  # fmt: skip
    return pd.DataFrame(rows, index=["n", "exact", "words", "n_near", "near"], dtype=int).T, leaking

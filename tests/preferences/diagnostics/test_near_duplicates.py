"""Near duplicates are those that comparing every two texts finds, and nothing else."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.preferences.diagnostics.near_duplicates import NEAR, groups, mix, similarity

VOCABULARY = "the a dog cat house friend helps money lease job phone winter letter walks reads sings".split()


def runs(text: str) -> set[tuple[str, ...]]:
    """The runs once more, from their definition."""
    words = "".join(c if c.isalnum() or c == "_" else " " for c in text.casefold()).split() or [text.strip()]
    return {tuple(words[i : i + 3]) for i in range(max(1, len(words) - 2))}


def jaccard(a: str, b: str) -> float:
    return len(runs(a) & runs(b)) / len(runs(a) | runs(b))


def brute_force(texts: list[str]) -> list[int]:
    """Groups by comparing every two texts."""
    group = list(range(len(texts)))
    for i in range(len(texts)):
        for j in range(i):
            if jaccard(texts[i], texts[j]) >= NEAR:
                old, new = group[i], group[j]
                group = [new if g == old else g for g in group]
    return group


def partition(numbers) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(np.asarray(numbers) == n).tolist()) for n in set(map(int, numbers))}


def variants(n: int, seed: int) -> list[str]:
    """Texts of 30 words in families: every later one of a family differs in a few words."""
    rng = random.Random(seed)
    texts = []
    for _ in range(n):
        if not texts or rng.random() < 0.3:
            words = rng.choices(VOCABULARY, k=30)
        else:
            words = rng.choice(texts).split()
            for _ in range(rng.randint(0, 3)):
                words[rng.randrange(len(words))] = rng.choice(VOCABULARY)
        texts.append(" ".join(words))
    return texts


@pytest.mark.parametrize("seed", range(4))
def test_groups_are_those_of_comparing_every_two_texts(seed):
    texts = variants(150, seed)
    expected = partition(brute_force(texts))
    assert 5 < len(expected) < 140
    assert partition(groups(texts)) == expected


@given(st.lists(st.text(alphabet="ab c.\n", max_size=12), max_size=12))
@settings(max_examples=60)
def test_short_texts_too(texts):
    assert partition(groups(texts)) == partition(brute_force(texts))


@given(st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40)), max_size=6))
@settings(max_examples=60)
def test_similarity_is_jaccards(couples):
    a, b = [x for x, _ in couples], [y for _, y in couples]
    np.testing.assert_allclose(similarity(a, b), list(map(jaccard, a, b)), atol=1e-6)
    np.testing.assert_allclose(similarity(a, a), 1.0)


def test_case_punctuation_and_spacing_do_not_count():
    assert groups(["The dog, it walks!", "the  dog it\nWALKS", "the cat it walks"]).tolist() == [0, 0, 1]
    assert groups(["?!", "...", "?!"]).tolist() == [0, 1, 0]


def test_many_equal_texts_are_one_group_in_linear_time():
    assert set(groups(["one and the same text"] * 5000 + ["another text, quite"])[:-1]) == {0}


def test_mix_tells_orders_and_columns_apart():
    a, b = np.arange(1000, dtype=np.uint64), np.arange(1000, 2000, dtype=np.uint64)
    keys = np.concatenate([mix(a), mix(b), mix(a, b), mix(b, a), mix(a, a)])
    assert len(np.unique(keys)) == 5 * 1000
    # the bits are even: 64 coins, 5000 throws each
    bits = (keys[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    assert np.abs(bits.mean(axis=0) - 0.5).max() < 0.04

"""Texts that are nearly the same: runs of three words, MinHash, and locality-sensitive hashing.

Two texts are near duplicates if the sets of their three-word runs have a Jaccard similarity of at least NEAR: they
share at least four fifths of all runs that either has. Case, punctuation and spacing do not count.
Comparing all pairs of n texts takes n^2 / 2 comparisons. MinHash signatures, cut into bands, bring texts together that
are probably similar (Leskovec et al., section 3.4); each of these candidates is then compared exactly. So what is
found is near for certain; with 20 bands of 5 rows, of the pairs that are exactly 0.8 alike 1 in 2,800 is missed.

Sources
    Broder 1997                     On the resemblance and containment of documents (shingles, MinHash)
    Leskovec, Rajaraman, Ullman     Mining of massive datasets, chapter 3 (LSH)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import HashingVectorizer

NEAR = 0.8  # Jaccard similarity from which two texts are near duplicates
RUN = 3  # words
BANDS, ROWS = 20, 5
NEIGHBORS = 10  # in a bucket, a text is compared with as many that follow it, and with the first: linear time

_WORD = re.compile(r"\w+")


def plain_words(text: str) -> list[str]:
    """The words of a text without case, punctuation and spacing; a text that has none is one "word" of its own."""
    return _WORD.findall(text.casefold()) or [text.strip()]


def groups(texts: Sequence[str], seed: int = 0) -> np.ndarray:
    """The number of the group of near duplicates that each text belongs to, (n,), numbered from 0.

    Groups are chains: a text is near to some other text of its group, not to all of them.
    """
    if not len(texts):
        return np.zeros(0, dtype=int)
    runs = _runs(texts)
    candidates = _candidates(_signatures(runs, seed))
    a, b = candidates[_similarity(runs, *candidates.T) >= NEAR].T
    edges = coo_matrix((np.ones(len(a), dtype=bool), (a, b)), shape=(len(texts), len(texts)))
    return connected_components(edges, directed=False)[1]


def similarity(a: Sequence[str], b: Sequence[str]) -> np.ndarray:
    """Jaccard similarity of the three-word runs of a[i] and b[i], (n,), from 0 to 1."""
    if not len(a):
        return np.zeros(0)
    runs = _runs([*a, *b])
    return _similarity(runs, np.arange(len(a)), len(a) + np.arange(len(a)))


def mix(*columns: np.ndarray) -> np.ndarray:
    """One 64-bit hash of the values of each row, (n,), of columns (n,) of 64-bit hashes (steps of SplitMix64)."""
    total = np.zeros(len(columns[0]), dtype=np.uint64)
    for column in columns:
        total = (total + np.uint64(0x9E3779B97F4A7C15)) ^ column.astype(np.uint64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            total = (total ^ (total >> np.uint64(shift))) * np.uint64(factor)
        total ^= total >> np.uint64(31)
    return total


def _runs(texts: Sequence[str]) -> csr_matrix:
    """Which runs each text has: (texts, hashes), ones. A text of one or two words is a run by itself."""

    def analyze(text: str) -> list[str]:
        words = plain_words(text)
        return [" ".join(words[i : i + RUN]) for i in range(max(1, len(words) - RUN + 1))]

    hashing = HashingVectorizer(
        analyzer=analyze, n_features=2**31 - 1, alternate_sign=False, norm=None, binary=True, dtype=np.float32
    )
    return hashing.transform(texts)


def _signatures(runs: csr_matrix, seed: int) -> np.ndarray:
    """MinHash: (texts, BANDS * ROWS). Two texts agree in each column with the probability of their similarity."""
    columns = mix(runs.indices)
    factors = np.random.default_rng(seed).integers(1, 2**63, size=BANDS * ROWS, dtype=np.uint64) | np.uint64(1)
    signatures = [np.minimum.reduceat((columns * f) >> np.uint64(32), runs.indptr[:-1]) for f in factors]
    return np.array(signatures, dtype=np.uint32).T


def _candidates(signatures: np.ndarray) -> np.ndarray:
    """Pairs of texts (m, 2), first below second, that agree in at least one band."""
    n = len(signatures)
    found = []
    for band in np.split(signatures, BANDS, axis=1):
        keys = mix(*band.T)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
        first = np.repeat(order[starts], np.diff(np.r_[starts, n]))  # of the bucket, for each of its texts
        pairs = [np.stack([first, order])]
        for step in range(1, min(NEIGHBORS, n - 1) + 1):
            same = keys[step:] == keys[:-step]
            if not same.any():
                break
            pairs.append(np.stack([order[:-step][same], order[step:][same]]))
        a, b = np.concatenate(pairs, axis=1)
        found.append(np.unique((a * n + b)[a != b]))  # `stable` keeps a below b
    a, b = np.divmod(np.unique(np.concatenate(found)), n)
    # what agrees in a fifth less than NEAR of the signature is hardly ever near, and exact comparisons are slow
    probable = np.concatenate(
        [(signatures[x] == signatures[y]).mean(axis=1) >= NEAR - 0.2 for x, y in _chunks(a, b)] or [np.zeros(0, bool)]
    )
    return np.stack([a[probable], b[probable]], axis=1)


def _similarity(runs: csr_matrix, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    sizes = np.diff(runs.indptr)
    chunks = [np.asarray(runs[x].multiply(runs[y]).sum(axis=1)).ravel() for x, y in _chunks(a, b)]
    shared = np.concatenate(chunks) if chunks else np.zeros(0)
    return shared / (sizes[a] + sizes[b] - shared)


def _chunks(a: np.ndarray, b: np.ndarray, size: int = 20_000) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for start in range(0, len(a), size):
        yield a[start : start + size], b[start : start + size]

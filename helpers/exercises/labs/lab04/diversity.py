"""Exercise of lab 04: how far texts differ from each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations, combinations_with_replacement, pairwise
from typing import Any

import numpy as np

from ....prompting import asking
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import WORDS, random_words


def _groups_of_texts(rng: np.random.Generator) -> list[Arguments]:
    few = rng.permutation(WORDS)[:4].tolist()  # so that texts share word pairs
    twice = " ".join([*few[:2], *few[:2]])
    shared = " ".join(rng.choice(few, size=5))
    return [
        {"texts": [f"{twice} {few[2]}", *(" ".join(rng.choice(few, size=size)) for size in (4, 9)), twice]},
        {"texts": [f"{shared} {random_words(rng, 3)}", f"{random_words(rng, 2)} {shared}", shared, shared]},
        {"texts": [" ".join(few), " ".join(few[::-1])]},
        {"texts": ["roof", "roof seed roof", str(rng.choice(few))]},
        {"texts": ["roof", "seed", "roof"]},
        {"texts": ["dog cat car", "cat dog rent", "dog cat car", "car", "rent car dog cat", "dog cat dog cat"]},
        {
            "texts": [
                "roof seed roof loan",
                "roof seed dog",
                "cat car rent bread",
                "cat car rent bread knee",
                "roof loan cat car",
            ]
        },
        {"texts": ["roof seed dog", "roof seed cat car", "roof seed rent"]},  # one pair is in all of them
    ]


def _mean_over_pairs(texts: Sequence[str], units: Callable[[str], Any], distance: Callable[[Any, Any], float]) -> float:
    distances = [distance(a, b) for a, b in combinations(map(units, texts), 2)]
    return sum(distances) / len(distances)


def _word_pairs(text: str) -> set:
    return set(pairwise(text.split()))


def _unshared(a: set, b: set) -> float:
    return 1 - len(a & b) / len(a | b) if a | b else 0.0


def _unshared_counted(a: Counter, b: Counter) -> float:
    return 1 - (a & b).total() / (a | b).total() if a | b else 0.0


def _distinct_share(texts: Sequence[str]) -> float:
    seen = [pair for text in texts for pair in pairwise(text.split())]
    return len(set(seen)) / len(seen)


def _triples(text: str) -> set:
    words = text.split()
    return set(zip(words, words[1:], words[2:], strict=False))


def _list_of_pairs(text: str) -> list:
    return list(pairwise(text.split()))


def _listed(a: list, b: list) -> float:
    """By lists: of a's pairs those that b has, too."""
    return 1 - sum(pair in b for pair in a) / len(set(a) | set(b)) if a or b else 0.0


def _or_fails(empty: float | None) -> Callable[[set, set], float]:
    """The distance, and something else where neither has a word pair: an error for None."""
    return lambda a, b: empty if not a | b and empty is not None else 1 - len(a & b) / len(a | b)


def _by_sum(times: int) -> Callable[[set, set], float]:
    return lambda a, b: 1 - times * len(a & b) / (len(a) + len(b)) if a or b else 0.0


def _mean_of_some(texts: Sequence[str], counts: Callable[[set, set], bool]) -> float:
    pairs = [(a, b) for a, b in combinations(map(_word_pairs, texts), 2) if counts(a, b)]
    return float(np.mean([_unshared(a, b) for a, b in pairs])) if pairs else 0.0


def _mean_or_zero(texts: Sequence[str]) -> float:
    return _mean_over_pairs(texts, _word_pairs, _unshared) if len(texts) > 1 else 0.0


def _shares_added_up(texts: Sequence[str]) -> float:
    pairs = list(combinations(map(_word_pairs, texts), 2))
    either = sum(len(a | b) for a, b in pairs)
    return 1 - sum(len(a & b) for a, b in pairs) / either if either else 0.0


DIVERSITY = Exercise(
    name="diversity",
    title="How different are the samples?",
    minutes=10,
    difficulty=2,
    deliver="One number from 0 to 1: the mean of Jaccard's distance over every two texts; two without word pairs "
    "count as 0.",
    reference=asking.diversity,
    cases=_groups_of_texts,
    hints=(
        "The word pairs of a text are its neighboring words, as a set: `set(itertools.pairwise(text.split()))`.",
        "`itertools.combinations(sets, 2)` gives every pair of texts once; a text is not compared with itself.",
        "`a & b` is what both have, `a | b` what either has. One-word texts have no word pairs: mind 0 / 0.",
    ),
    misconceptions=(
        Misconception(
            "similarity",
            "that is how *alike* they are: take 1 minus it",
            tuple(
                lambda texts, empty=empty: _mean_over_pairs(
                    texts, _word_pairs, lambda a, b: len(a & b) / len(a | b) if a | b else empty
                )
                for empty in (1.0, 0.0)
            ),
        ),
        Misconception(
            "single words",
            "it compares single words: the same words in another order would count as the same text. Compare pairs of "
            "neighbors",
            (
                lambda texts: _mean_over_pairs(texts, lambda text: set(text.split()), _unshared),
                lambda texts: 1 - _mean_over_pairs(texts, lambda text: set(text.split()), _unshared),
            ),
        ),
        Misconception(
            "letters",
            "it compares letters: a text is split into words first (`text.split()`), and two neighboring *words* make "
            "a pair",
            (
                lambda texts: _mean_over_pairs(texts, lambda text: set(pairwise(text)), _unshared),
                lambda texts: _mean_over_pairs(texts, set, _unshared),
            ),
        ),
        Misconception(
            "three words",
            "it compares three words in a row: two neighboring words make a pair",
            lambda texts: _mean_over_pairs(texts, _triples, _unshared),
        ),
        Misconception(
            "all words with all",
            "it pairs every word with every later one: only neighbors make a pair",
            (
                lambda texts: _mean_over_pairs(texts, lambda text: set(combinations(text.split(), 2)), _unshared),
                lambda texts: _mean_over_pairs(
                    texts, lambda text: set(combinations(sorted(set(text.split())), 2)), _unshared
                ),
            ),
        ),
        Misconception(
            "every second pair",
            "each word is in one pair only: the pairs overlap, and a word between two others is in two of them",
            lambda texts: _mean_over_pairs(
                texts, lambda text: set(zip(text.split()[::2], text.split()[1::2], strict=False)), _unshared
            ),
        ),
        Misconception(
            "a pair lost",
            "the first or the last word pair of a text is lost: n words have n - 1 pairs",
            (
                lambda texts: _mean_over_pairs(texts, lambda text: set(list(pairwise(text.split()))[:-1]), _unshared),
                lambda texts: _mean_over_pairs(texts, lambda text: set(list(pairwise(text.split()))[1:]), _unshared),
            ),
        ),
        Misconception(
            "no order in a pair",
            "(dog, cat) and (cat, dog) count as the same pair: the order of the two words matters",
            lambda texts: _mean_over_pairs(
                texts, lambda text: {frozenset(pair) for pair in pairwise(text.split())}, _unshared
            ),
        ),
        Misconception(
            "nothing to compare",
            "two texts of one word have no word pairs, and 0 / 0 is nothing: there the distance is 0",
            (
                lambda texts: _mean_over_pairs(texts, _word_pairs, _or_fails(None)),
                lambda texts: _mean_over_pairs(texts, _word_pairs, _or_fails(1.0)),
                lambda texts: _mean_over_pairs(texts, _word_pairs, _or_fails(float("nan"))),
                lambda texts: _mean_over_pairs(texts, _word_pairs, _or_fails(0.5)),
                lambda texts: _mean_over_pairs(texts, _word_pairs, lambda a, b: 1 - len(a & b) / max(len(a | b), 1)),
            ),
        ),
        Misconception(
            "one side empty",
            "where only *one* of two texts has no word pairs, they share none, and the distance is 1. It is 0 only if "
            "neither has any",
            (
                lambda texts: _mean_over_pairs(texts, _word_pairs, lambda a, b: _unshared(a, b) if a and b else 0.0),
                lambda texts: _mean_over_pairs(texts, _word_pairs, lambda a, b: _unshared(a, b) if a & b else 0.0),
            ),
        ),
        Misconception(
            "left out",
            "it leaves out texts without word pairs: they count, with a distance of 0 to each other and of 1 to others",
            (
                lambda texts: _mean_of_some(texts, lambda a, b: bool(a | b)),
                lambda texts: _mean_of_some(texts, lambda a, b: bool(a and b)),
            ),
        ),
        Misconception(
            "with itself",
            "each text is compared with itself too, which adds zeros: take every pair of two different texts",
            (
                lambda texts: float(np.mean([_unshared(_word_pairs(a), _word_pairs(b)) for a in texts for b in texts])),
                lambda texts: float(
                    np.mean(
                        [_unshared(_word_pairs(a), _word_pairs(b)) for a, b in combinations_with_replacement(texts, 2)]
                    )
                ),
            ),
        ),
        Misconception(
            "with itself, alike",
            "that is how *alike* they are, and each text is compared with itself too: take 1 minus it, over pairs of "
            "two different texts",
            lambda texts: float(np.mean([1 - _unshared(_word_pairs(a), _word_pairs(b)) for a in texts for b in texts])),
        ),
        Misconception(
            "equal texts dropped",
            "it drops texts that are equal to others: they count, with a distance of 0",
            (
                lambda texts: _mean_or_zero(list(dict.fromkeys(texts))),
                lambda texts: _mean_of_some(texts, lambda a, b: a != b),
            ),
        ),
        Misconception(
            "sum",
            "it divides by another number than the pairs of texts: n texts have n (n - 1) / 2 pairs. Take the mean",
            tuple(
                lambda texts, of=of: (
                    _mean_over_pairs(texts, _word_pairs, _unshared) * len(list(combinations(texts, 2))) / of(len(texts))
                )
                for of in (lambda n: 1, lambda n: n, lambda n: n * n, lambda n: n * (n - 1), lambda n: n - 1)
            ),
        ),
        Misconception(
            "neighbors only",
            "it compares each text with the next only: take every pair of texts",
            lambda texts: float(np.mean([_unshared(_word_pairs(a), _word_pairs(b)) for a, b in pairwise(texts)])),
        ),
        Misconception(
            "first text only",
            "it compares the first text with the others, or one pair only: take every pair of texts",
            (
                lambda texts: float(np.mean([_unshared(_word_pairs(texts[0]), _word_pairs(b)) for b in texts[1:]])),
                lambda texts: _unshared(_word_pairs(texts[0]), _word_pairs(texts[1])),
                lambda texts: _unshared(_word_pairs(texts[0]), _word_pairs(texts[-1])),
            ),
        ),
        Misconception(
            "extreme",
            "it takes the largest or the smallest distance, or the middle one: take the mean over all pairs of texts",
            tuple(
                lambda texts, of=of: float(
                    of([_unshared(_word_pairs(a), _word_pairs(b)) for a, b in combinations(texts, 2)])
                )
                for of in (max, min, np.median)
            ),
        ),
        Misconception(
            "counted",
            "a word pair that a text repeats is counted more than once: make it a set",
            (
                lambda texts: _mean_over_pairs(texts, lambda text: Counter(pairwise(text.split())), _unshared_counted),
                lambda texts: _mean_over_pairs(texts, _list_of_pairs, _listed),
                lambda texts: _mean_over_pairs(
                    texts, _list_of_pairs, lambda a, b: 1 - len(set(a) & set(b)) / len(a + b) if a or b else 0.0
                ),
            ),
        ),
        Misconception(
            "both lengths",
            "it divides by the word pairs of both texts added up: those in both are counted twice then. Divide by "
            "those in either, `a | b`",
            (
                lambda texts: _mean_over_pairs(texts, _word_pairs, _by_sum(2)),
                lambda texts: _mean_over_pairs(texts, _word_pairs, _by_sum(1)),
            ),
        ),
        Misconception(
            "all in one",
            "it counts over all texts together: take the distance of each two texts, then the mean",
            (
                lambda texts: _unshared(
                    set.intersection(*map(_word_pairs, texts)), set.union(*map(_word_pairs, texts))
                ),
                _shares_added_up,
            ),
        ),
        Misconception(
            "distinct",
            "that is the share of distinct word pairs in all texts together (distinct-2); here texts are compared two "
            "by two",
            (_distinct_share, lambda texts: float(np.mean([_distinct_share([text]) for text in texts]))),
        ),
        Misconception(
            "whole texts",
            "it asks only whether two texts are equal: compare how many word pairs they share",
            lambda texts: float(np.mean([a != b for a, b in combinations(texts, 2)])),
        ),
        Misconception(
            "counts",
            "that is a number of word pairs: divide by the number of word pairs in either text",
            (
                lambda texts: _mean_over_pairs(texts, _word_pairs, lambda a, b: len(a ^ b)),
                lambda texts: _mean_over_pairs(texts, _word_pairs, lambda a, b: 1 - len(a & b)),
                lambda texts: _mean_over_pairs(texts, _word_pairs, lambda a, b: len(a & b)),
            ),
        ),
        Misconception(
            "upside down",
            "the fraction is turned round: divide the pairs in both by the pairs in either",
            lambda texts: _mean_over_pairs(texts, _word_pairs, lambda a, b: len(a ^ b) / len(a & b) if a & b else 0.0),
        ),
        Misconception(
            "of one text",
            "it divides by the word pairs of one text alone: b compared with a then gives another number than a with "
            "b. Divide by those in either",
            (
                lambda texts: _mean_over_pairs(texts, _word_pairs, lambda a, b: 1 - len(a & b) / len(a) if a else 0.0),
                lambda texts: _mean_over_pairs(texts, _word_pairs, lambda a, b: 1 - len(a & b) / len(b) if b else 0.0),
                lambda texts: _mean_over_pairs(
                    texts, _word_pairs, lambda a, b: 1 - len(a & b) / min(len(a), len(b)) if a and b else 0.0
                ),
                lambda texts: _mean_over_pairs(
                    texts, _word_pairs, lambda a, b: 1 - len(a & b) / max(len(a), len(b)) if a or b else 0.0
                ),
                lambda texts: _mean_over_pairs(texts, _word_pairs, lambda a, b: 1 - len(a & b) / max(len(a), 1)),
                lambda texts: _mean_over_pairs(
                    texts, _word_pairs, lambda a, b: 1 - len(a & b) / min(len(a), len(b)) if a and b else 1.0
                ),
            ),
        ),
    ),
)

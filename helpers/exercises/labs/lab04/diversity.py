"""Exercise of lab 04: how far texts differ from each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise
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


DIVERSITY = Exercise(
    name="diversity",
    title="How different are the samples?",
    minutes=10,
    difficulty=2,
    deliver="Mean over all pairs of texts of 1 - (word pairs in both) / (word pairs in either); 0 if neither has any.",
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
            lambda texts: 1 - _mean_over_pairs(texts, _word_pairs, _unshared),
        ),
        Misconception(
            "single words",
            "it compares single words: the same words in another order would count as the same text. Compare pairs of "
            "neighbors",
            lambda texts: _mean_over_pairs(texts, lambda text: set(text.split()), _unshared),
        ),
        Misconception(
            "with itself",
            "each text is compared with itself too, which adds zeros: take every pair of two different texts",
            lambda texts: float(np.mean([_unshared(_word_pairs(a), _word_pairs(b)) for a in texts for b in texts])),
        ),
        Misconception(
            "neighbors only",
            "it compares each text with the next only: take every pair of texts",
            lambda texts: float(np.mean([_unshared(_word_pairs(a), _word_pairs(b)) for a, b in pairwise(texts)])),
        ),
        Misconception(
            "counted",
            "a word pair that a text repeats is counted more than once: make it a set",
            lambda texts: _mean_over_pairs(texts, lambda text: Counter(pairwise(text.split())), _unshared_counted),
        ),
        Misconception(
            "distinct",
            "that is the share of distinct word pairs in all texts together (distinct-2); here texts are compared two "
            "by two",
            _distinct_share,
        ),
        Misconception(
            "of one text",
            "it divides by the word pairs of one text alone: b compared with a then gives another number than a with "
            "b. Divide by those in either",
            lambda texts: _mean_over_pairs(texts, _word_pairs, lambda a, b: 1 - len(a & b) / len(a) if a else 0.0),
        ),
    ),
)

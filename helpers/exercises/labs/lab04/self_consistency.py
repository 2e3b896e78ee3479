"""Exercise of lab 04: a vote among sampled answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ....prompting import asking
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import WORDS


def _answers(rng: np.random.Generator) -> list[Arguments]:
    low, middle, high = sorted(rng.choice(WORDS, size=3, replace=False).tolist())
    plurality = [middle, *rng.permutation([low] * 3 + [high] * 2 + [middle]).tolist()]
    return [
        {"answers": plurality},
        {"answers": [middle, low, high, low, middle, high]},
        {"answers": [low, f" {high.title()}", f"{high} ", low, high.upper(), middle]},
        {"answers": [high, high, low]},
        {"answers": [low]},
    ]


def _same_answer(a: Any, b: Any) -> bool:
    """Whether two answers are one, in whatever case and space they were handed back."""
    return a.strip().lower() == b.strip().lower() if isinstance(a, str) and isinstance(b, str) else a == b


def _plain_answers(answers: Sequence[str]) -> list[str]:
    return [answer.strip().lower() for answer in answers]


def _most_common(answers: Sequence[str]) -> tuple[str, int]:
    return Counter(_plain_answers(answers)).most_common(1)[0]


SELF_CONSISTENCY_VOTE = Exercise(
    name="self_consistency_vote",
    title="Let samples vote",
    minutes=8,
    difficulty=1,
    deliver="The answer that most samples give; case and outer space do not matter, ties go to the first one seen.",
    reference=asking.self_consistency_vote,
    cases=_answers,
    same=_same_answer,
    hints=(
        "Bring all answers to one form before you count: `strip` and `lower`.",
        "`collections.Counter` counts, and its `most_common` keeps the order of first sight among equals.",
        "`max(answers, key=...)` returns the first of several that are equally good.",
    ),
    misconceptions=(
        Misconception(
            "first sample",
            "that is the first sample, without any vote",
            lambda answers: answers[0],
        ),
        Misconception(
            "case",
            '" Pets" and "pets" are counted as different answers, so the vote splits: bring them to one form first',
            lambda answers: Counter(answers).most_common(1)[0][0],
        ),
        Misconception(
            "alphabet",
            "ties go to the first in the alphabet: were the labels named otherwise, another answer would win. Take "
            "the one that was seen first",
            lambda answers: max(sorted(_plain_answers(answers)), key=_plain_answers(answers).count),
        ),
        Misconception(
            "last seen",
            "ties go to the answer that was seen last: one more sample of the same kind would then change the result. "
            "Take the first",
            lambda answers: max(_plain_answers(answers)[::-1], key=_plain_answers(answers).count),
        ),
        Misconception(
            "more than half",
            "it asks for more than half of the votes; most is enough (a plurality), and there is always an answer",
            lambda answers: _most_common(answers)[0] if _most_common(answers)[1] > len(answers) / 2 else None,
        ),
        Misconception(
            "count",
            "that is how many votes the winner got; return the answer itself",
            lambda answers: _most_common(answers)[1],
        ),
        Misconception(
            "rarest",
            "that is the rarest answer: sort the other way round",
            lambda answers: min(_plain_answers(answers), key=_plain_answers(answers).count),
        ),
    ),
)

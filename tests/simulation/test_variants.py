"""The TL;DRs of known quality: what each kind states and lacks, by the gold reward's own reading."""

import random

import pytest

from helpers.simulation.gold import MAX_WORDS, PENALTY, score
from helpers.simulation.posts import draw_posts
from helpers.simulation.variants import ERRORS, PERFECT, REWORDED, variants

POSTS = draw_posts(40, seed=5, split="test")
EXPECTED = {  # what sets the kind apart from the perfect one
    "problem missing": {"constraint": False},
    "question missing": {"question": False},
    "another problem": {"constraint": False, "invented": 1},
    "invented fact added": {"invented": 1},
    "detail added": {"irrelevant": 1},
    "ending lost": {"broken_ending": True},
}
LENGTH = {"words", "excess_words"}


@pytest.fixture(scope="module")
def read():
    """(kind -> score) of each post's texts."""
    rng = random.Random(0)
    return [{kind: score(post.prompt, text) for kind, text in variants(post, rng).items()} for post in POSTS]


def differences(a, b):
    return {key: value for key, value in vars(b).items() if value != vars(a)[key] and key not in LENGTH}


def test_each_error_is_the_only_one(read):
    assert set(EXPECTED) == {*ERRORS} - {"too long"}
    for kinds in read:
        assert kinds[PERFECT].total == 3
        for kind, expected in EXPECTED.items():
            assert differences(kinds[PERFECT], kinds[kind]) == expected
        assert differences(kinds[PERFECT], kinds["too long"]).keys() <= {"unsupported"}
        assert kinds["too long"].words > MAX_WORDS and all(kinds[kind].total < 3 for kind in ERRORS)


def test_rewording_states_nothing_and_costs_nothing_but_words(read):
    assert PENALTY["excess_words"] > 0
    for kinds in read:
        for kind in REWORDED:
            assert differences(kinds[PERFECT], kinds[kind]) == {}
            assert kinds[kind].words == kinds[PERFECT].words + 8


def test_the_same_generator_gives_the_same_texts():
    first, again = ([variants(post, rng) for post in POSTS[:3]] for rng in (random.Random(1), random.Random(1)))
    assert first == again and all(text == "" or text.startswith(" ") for kinds in first for text in kinds.values())

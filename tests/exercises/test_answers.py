"""Every exercise knows right answers in any style, and tells wrong ones which mistake they show."""

import importlib

import numpy as np
import pytest

from helpers.exercises import explaining
from helpers.exercises.calling import outcome
from helpers.exercises.catalog import EXERCISES, LABS
from helpers.exercises.checking import judge

SEEDS = (0, 1, 2)
ANSWERS = {lab: importlib.import_module(f"tests.exercises.answers.lab{lab}") for lab in LABS}
RIGHT = {name: answers for module in ANSWERS.values() for name, answers in module.RIGHT.items()}
WRONG = {name: answers for module in ANSWERS.values() for name, answers in module.WRONG.items()}

every_exercise = pytest.mark.parametrize("exercise", EXERCISES.values(), ids=EXERCISES)


def _right_answers():
    for name, answers in RIGHT.items():
        for number, answer in enumerate(answers):
            yield pytest.param(name, answer, id=f"{name}-{number}-{answer.__name__}")


def _wrong_answers():
    for name, by_key in WRONG.items():
        for key, answers in by_key.items():
            for answer in answers:
                yield pytest.param(name, key, answer, id=f"{name}-{key}-{answer.__name__}")


@pytest.mark.parametrize(("name", "answer"), _right_answers())
def test_right_answer_passes(name, answer):
    for seed in SEEDS:
        verdict = judge(EXERCISES[name], answer, seed)
        assert verdict.status == "right", verdict.message


@pytest.mark.parametrize(("name", "key", "answer"), _wrong_answers())
def test_wrong_answer_hears_of_its_own_mistake(name, key, answer):
    for seed in SEEDS:
        verdict = judge(EXERCISES[name], answer, seed)
        assert (verdict.status, verdict.misconception) == ("wrong", key), verdict.message


@every_exercise
def test_misconceptions_are_told_apart(exercise, monkeypatch):
    """Each one's own wrong answer is recognized as itself, not as one before it in the list."""
    keys = [misconception.key for misconception in exercise.misconceptions]
    assert len(keys) == len(set(keys)) >= 3
    known: dict = {}

    def once(_, function, case):
        if (key := (function, id(case))) not in known:
            known[key] = outcome(exercise, function, case)
        return known[key]

    monkeypatch.setattr(explaining, "outcome", once)
    for seed in SEEDS:
        known.clear()  # the last seed's cases are gone, and new ones may have their ids
        cases = exercise.cases(np.random.default_rng(seed))
        expected = [once(exercise, exercise.reference, case) for case in cases]
        for misconception in exercise.misconceptions:
            for variant in misconception.variants:
                got = [once(exercise, variant, case) for case in cases]
                found = explaining.known_mistake(exercise, cases, got, expected)
                assert (found and found.key) == misconception.key, explaining.describe(exercise, cases, got, expected)
        known.clear()


@every_exercise
def test_answers_are_recorded(exercise):
    """Right ones in several styles, and wrong ones written apart from the catalog; see also test_unseen_answers.py."""
    keys = {misconception.key for misconception in exercise.misconceptions}
    assert len(RIGHT[exercise.name]) >= 2
    assert len(WRONG[exercise.name]) >= 3 and set(WRONG[exercise.name]) <= keys


@every_exercise
def test_remembered_values_do_not_pass(exercise):
    """Inputs are new for each check: what the reference gave in an earlier one is wrong in the next."""
    remembered = iter([exercise.reference(**case) for case in exercise.cases(np.random.default_rng(0))])
    verdict = judge(exercise, lambda **_: next(remembered), seed=1)
    assert verdict.status == "wrong"

"""Answers that were written from the statements alone, without a look at the catalog of known mistakes.

They stand for what students will write. A message is held against expressions of the right cause and of wrong causes,
and the shares below are what the checker promises. `python -m tests.exercises.test_unseen_answers` lists what fails.
"""

import re
from typing import NamedTuple

import pytest

from helpers.exercises.catalog import EXERCISES
from helpers.exercises.checking import judge

from .unseen import RIGHT, UNSEEN, Unseen

SEEDS = (0, 1, 2, 3)

# Shares of answers whose message names the mistake, by the mistake's rank; then misled and caught.
NAMED = {3: 0.97, 5: 0.93, 99: 0.75}
MISLED, CAUGHT = 0.005, 0.995


class Heard(NamedTuple):
    """What one wrong answer was told, at one seed."""

    record: Unseen
    status: str
    message: str

    @property
    def named(self) -> bool:
        """Whether the message names the mistake, and no other one."""
        return self.status != "right" and _any(self.record.must, self.message) and not self.misled

    @property
    def misled(self) -> bool:
        """Whether the message names a mistake that this answer does not make."""
        return _any(self.record.must_not, self.message)


def _any(patterns: tuple[str, ...], message: str) -> bool:
    says = message.split(", given ")[0]  # the names of the arguments, shown after it, are no diagnosis
    return any(re.search(pattern, says, re.IGNORECASE) for pattern in patterns)


def hear(seed: int) -> list[Heard]:
    """What every wrong answer is told."""
    verdicts = [(record, judge(EXERCISES[record.exercise], record.answer, seed)) for record in UNSEEN]
    return [Heard(record, verdict.status, verdict.message) for record, verdict in verdicts]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_messages_keep_what_the_checker_promises(seed):
    heard = hear(seed)
    assert len(heard) >= 150
    for highest, share in NAMED.items():
        asked = [one for one in heard if one.record.rank <= highest]
        assert sum(one.named for one in asked) >= share * len(asked), [one for one in asked if not one.named]
    assert sum(one.misled for one in heard) <= MISLED * len(heard), [one for one in heard if one.misled]
    assert sum(one.status != "right" for one in heard) >= CAUGHT * len(heard)


@pytest.mark.parametrize("name", EXERCISES)
def test_right_answers_in_unusual_styles_pass(name):
    for answer in RIGHT[name]:
        for seed in SEEDS:
            verdict = judge(EXERCISES[name], answer, seed)
            assert verdict.status == "right", (answer, verdict.message)


def test_every_exercise_is_tried():
    assert {record.exercise for record in UNSEEN} == set(RIGHT) == set(EXERCISES)
    assert all(record.must for record in UNSEEN)


if __name__ == "__main__":
    for one in (one for seed in SEEDS for one in hear(seed)):
        if not one.named:
            kind = "ACCEPTED" if one.status == "right" else "MISLED" if one.misled else "not named"
            print(f"{kind} {one.record.exercise} {one.record.rank} {one.record.answer.__name__}: {one.message[:300]}")
    for name, answers in RIGHT.items():
        for answer in answers:
            verdict = judge(EXERCISES[name], answer, 0)
            if verdict.status != "right":
                print(f"REJECTED {name} {answer.__name__}: {verdict.message[:300]}")

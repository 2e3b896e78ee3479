"""Killed at random moments: nothing acknowledged is lost, nothing half is seen. `make soak` kills more often."""

import random
import signal
import time

import pytest

from helpers.labeling.store import LabelStore

from ..support.label_writers import check_integrity, go, writer
from .harness import CAN_KILL, soak
from .scenarios import SCENARIOS, SHORT

needs_kills = pytest.mark.skipif(not CAN_KILL, reason="needs fork and SIGKILL")
IN_SOAK_ONLY = {"training"}  # tests/training/test_checkpoints.py kills PPO in a sample of its own


@needs_kills
@pytest.mark.parametrize("name", sorted(SCENARIOS.keys() - IN_SOAK_ONLY))
def test_killed_and_restarted_nothing_is_lost_or_half_done(name):
    figures = soak(name, kills=3)
    assert figures.problems == [] and (figures.lost, figures.half) == (0, 0)
    assert figures.kills >= 3 and figures.ends >= 1


@needs_kills
@pytest.mark.parametrize("name", SHORT)
def test_killed_at_each_call_that_changes_the_disk(name):
    figures = soak(name, kills=None)
    if not figures.calls:
        pytest.skip("needs Linux and a C compiler")
    assert figures.problems == [] and figures.kills == figures.calls > 10


@needs_kills
def test_the_harness_sees_what_is_lost_and_what_is_half_written():
    figures = soak("careless", kills=20)
    assert figures.lost > 0
    if figures.at_a_call:
        assert soak("careless", kills=None).half > 0


def rest(process) -> list[int]:
    """The numbers that a killed writer still announced (`communicate` would drop what `readline` has read ahead)."""
    with process:
        return [int(line) for line in process.stdout.read().splitlines()]


@needs_kills
def test_two_kernels_on_one_store_and_one_of_them_dies_again_and_again(tmp_path):
    """The other goes on after each death, and rolls back what the dead one had begun."""
    store, rng = LabelStore(tmp_path / "labels.sqlite"), random.Random(0)
    steady, acknowledged = writer(store.path, "bob"), []
    try:
        go(steady)
        for attempt in range(4):
            dying = writer(store.path, f"ann{attempt}")
            go(dying)
            acknowledged.append(int(dying.stdout.readline()))
            time.sleep(rng.random() * 0.05)
            dying.send_signal(signal.SIGKILL)
            acknowledged += rest(dying)
            last = max(acknowledged)
            while acknowledged[-1] <= last:
                acknowledged.append(int(steady.stdout.readline()))
    finally:
        steady.send_signal(signal.SIGKILL)
        acknowledged += rest(steady)
    numbers = [label.number for label in store.labels()]
    assert len(set(acknowledged)) == len(acknowledged) and set(acknowledged) <= set(numbers)
    assert len(numbers) - len(acknowledged) <= 5  # those being written at the five deaths
    given = [(label.annotator, label.pair.id) for label in store.labels()]
    assert len(set(given)) == len(given)
    check_integrity(store.path)

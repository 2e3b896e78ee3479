"""RLOO and GRPO on PPO's engine: group baselines, what is a mean over what, and that a toy reward rises."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest
import torch

from helpers.files import LabError
from helpers.training import ppo
from helpers.training.groups import train_grpo, train_rloo
from helpers.training.ppo_config import PPOConfig

from ..support.shared_base import PROMPTS, changed, weights

CONFIG = PPOConfig(updates=2, batch_size=8, minibatch_size=8, max_new_tokens=6, learning_rate=1e-2)
METHODS = {
    "RLOO": (train_rloo, {}),
    "GRPO": (train_grpo, {}),
    "GRPO, KL in the reward": (train_grpo, {"kl": "reward"}),
    "Dr. GRPO": (train_grpo, {"scaled": False, "per_response": False}),
}
every_method = pytest.mark.parametrize(("train", "options"), METHODS.values(), ids=list(METHODS))


def length(prompts, completions):
    return [float(len(text)) for text in completions]


@torch.no_grad()
def go_back(shared, start):
    for name, weight in shared.named_parameters():
        if weight.is_floating_point():
            weight.copy_(start[name])


@pytest.fixture
def rollouts(monkeypatch):
    """The rollouts of the runs in a test."""
    kept, roll_out = [], ppo.roll_out
    monkeypatch.setattr(ppo, "roll_out", lambda *args: kept.append(roll_out(*args)) or kept[-1])
    return kept


@every_method
def test_records_and_what_trains(shared, train, options, rollouts):
    before = weights(shared)
    records = list(train(shared, PROMPTS, length, CONFIG, **options))
    assert [r["step"] for r in records] == [1, 2]
    assert records[0]["kl"] == pytest.approx(0, abs=1e-4) and records[1]["kl"] != pytest.approx(0, abs=1e-4)
    moved = changed(shared, before)
    assert moved and all(".policy." in name for name in moved)  # not the value head
    for rollout in rollouts:
        assert [len(set(rollout.prompts[i : i + 4])) for i in (0, 4)] == [1, 1]  # groups of four
        assert len(set(rollout.prompts)) == 2


@every_method
def test_the_baseline_is_the_group(shared, train, options, rollouts):
    """Advantages by a loop, from the rewards that each method says it takes."""
    config = replace(CONFIG, beta=0.3, missing_eos_penalty=0.5)
    list(train(shared, PROMPTS, length, config, **options))
    rollout = rollouts[1]  # the first has no KL
    in_reward = train is train_rloo or options.get("kl") == "reward"
    kl = rollout.kl.tolist()
    rewards = [s - 0.3 * k * in_reward for s, k in zip(rollout.scores.tolist(), kl, strict=True)]
    assert max(map(abs, kl)) > 1e-3
    for start in (0, 4):
        group = rewards[start : start + 4]
        for row, reward in enumerate(group):
            if train is train_rloo:
                expected = reward - statistics.mean(group[:row] + group[row + 1 :])
            else:
                expected = reward - statistics.mean(group)
                expected /= statistics.stdev(group) + 1e-4 if options.get("scaled", True) else 1
            there = rollout.advantages[start + row][rollout.mask[start + row]]
            torch.testing.assert_close(there, torch.full_like(there, expected), atol=1e-4, rtol=1e-4)


@every_method
def test_a_microbatch_changes_nothing(shared, train, options):
    """The loss of a batch is put together of its parts' rightly, whatever it is a mean over."""
    config = replace(CONFIG, updates=1, epochs=1)
    start, norms = weights(shared), []
    for size in (None, 3):
        go_back(shared, start)
        (record,) = train(shared, PROMPTS, length, replace(config, microbatch_size=size), **options)
        norms.append(record["gradient_norm"])
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


@every_method
def test_a_toy_reward_rises(shared, train, options):
    config = PPOConfig(updates=25, batch_size=16, minibatch_size=16, max_new_tokens=8, learning_rate=2e-2, beta=0.0)
    records = list(train(shared, PROMPTS, length, config, **options))
    first, last = (sum(r["reward"] for r in part) / 5 for part in (records[:5], records[-5:]))
    assert last > first + 2


def test_the_kl_in_the_loss_holds_the_policy_back(shared):
    start, kl = weights(shared), {}
    for beta in (0.0, 5.0):
        go_back(shared, start)
        *_, last = train_grpo(shared, PROMPTS, length, replace(CONFIG, updates=12, beta=beta))
        kl[beta] = last["kl"]
    assert kl[5.0] < 0.5 * kl[0.0]


@pytest.mark.parametrize("size", [1, 0, 3, 16])
def test_groups_that_do_not_divide_a_batch_are_refused(shared, size):
    for train in (train_rloo, train_grpo):
        with pytest.raises(LabError, match=f"8 rollouts an update cannot be divided into groups of {size}"):
            next(train(shared, PROMPTS, length, CONFIG, group_size=size))
    if size in (3, 16):
        with pytest.raises(LabError, match=f"batch_size 8 is no multiple of group_size {size}"):
            PPOConfig(batch_size=8, minibatch_size=8, group_size=size)

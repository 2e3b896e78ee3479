"""RLOO and GRPO through TRL: the records, what trains, and that the reward is PPO's."""

import pytest
import torch

from helpers.files import LabError
from helpers.models.loading import prompt_ids
from helpers.training.grpo import train_grpo, train_rloo
from helpers.training.ppo_config import PPOConfig

from ..support.shared_base import PROMPTS, changed, weights

CONFIG = PPOConfig(updates=2, batch_size=8, max_new_tokens=6, learning_rate=1e-2)
every_method = pytest.mark.parametrize("train", [train_rloo, train_grpo])


def length(prompts, completions):
    return [float(len(text)) for text in completions]


@every_method
def test_records_and_what_trains(shared, train):
    before = weights(shared)
    records = list(train(shared, PROMPTS, length, CONFIG))
    assert [r["step"] for r in records] == [1, 2]
    names = {"reward", "kl", "objective", "entropy", "clip_fraction", "gradient_norm", "response_tokens", "ended"}
    assert names | {"samples", "seconds"} <= records[0].keys()
    assert records[0]["kl"] == pytest.approx(0, abs=1e-4)  # nothing was trained yet
    assert records[1]["kl"] != pytest.approx(0, abs=1e-4)
    for r in records:
        assert r["objective"] == pytest.approx(r["reward"] - CONFIG.beta * r["kl"], abs=1e-5)
        assert len({sample["prompt"] for sample in r["samples"]}) == 1  # a group of four
    moved = changed(shared, before)
    assert moved and all(".policy." in name for name in moved)
    assert {p.dtype for n, p in shared.named_parameters() if ".policy." in n} == {torch.float32}


@every_method
def test_the_reward_takes_off_missing_ends(shared, train):
    config = PPOConfig(updates=1, batch_size=8, max_new_tokens=1, missing_eos_penalty=5.0, learning_rate=1e-3)
    (record,) = train(shared, PROMPTS, lambda p, c: [0.0] * len(p), config)
    assert record["reward"] == pytest.approx(-5.0 * (1 - record["ended"]))
    assert record["response_tokens"] == 1


@every_method
def test_it_raises_a_toy_reward(shared, train):
    config = PPOConfig(updates=25, batch_size=16, max_new_tokens=8, learning_rate=2e-2, beta=0.0)
    records = list(train(shared, PROMPTS, length, config))
    first, last = (sum(r["reward"] for r in part) / 5 for part in (records[:5], records[-5:]))
    assert last > first + 2


def test_trl_reads_prompts_as_we_do(shared):
    """Else the KL penalty would be of other texts than those that were sampled."""
    ours = prompt_ids(shared.profile, shared.tokenizer, PROMPTS)
    assert shared.tokenizer(text=PROMPTS)["input_ids"] == ours


def test_what_is_refused(shared):
    with pytest.raises(LabError, match="8 rollouts an update cannot be divided into groups of 3"):
        next(train_rloo(shared, PROMPTS, length, CONFIG, group_size=3))
    with pytest.raises(LabError, match="prompt set is empty"):
        next(train_grpo(shared, [], length, CONFIG))
    with pytest.raises(LabError, match="not a finite number"):
        next(train_grpo(shared, PROMPTS, lambda p, c: [float("nan")] * len(p), CONFIG))

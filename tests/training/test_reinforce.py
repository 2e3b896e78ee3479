"""REINFORCE on PPO's engine: what it teaches, and what it leaves alone."""

from dataclasses import replace

import pytest
import torch

from helpers.models.shared_base import SharedBase
from helpers.training import ppo
from helpers.training.ppo_config import PPOConfig
from helpers.training.reinforce import advantages_over_the_mean, train_reinforce, whole_rewards
from helpers.training.train_ppo import train_ppo

from ..support.shared_base import PROMPTS, changed, weights

CONFIG = PPOConfig(updates=2, batch_size=8, max_new_tokens=6, learning_rate=1e-2)


def length(prompts, completions):
    return [float(len(text)) for text in completions]


def test_advantages_by_hand():
    rewards = torch.tensor([[-0.1, -0.2, 2.0], [0.5, 7.0, 7.0]])  # what stands at padding means nothing
    mask = torch.tensor([[True, True, True], [True, False, False]])
    whole, _ = whole_rewards(rewards, torch.zeros(2, 3), mask)
    assert torch.allclose(whole, torch.tensor([[1.7, 1.7, 1.7], [0.5, 0.0, 0.0]]))
    advantages, returns = advantages_over_the_mean(rewards, torch.zeros(2, 3), mask)
    assert torch.allclose(advantages, torch.tensor([[0.6, 0.6, 0.6], [-0.6, 0.0, 0.0]]))
    assert torch.equal(returns, whole)


@pytest.mark.parametrize("baseline", [True, False])
def test_its_first_step_is_the_policy_gradient(shared, monkeypatch, baseline):
    """Against autograd: minus the gradient of mean(A log pi) over the tokens, A worked out from the rollout by hand."""
    captured = {}
    roll_out, step = ppo.roll_out, torch.optim.AdamW.step
    monkeypatch.setattr(ppo, "roll_out", lambda *args: captured.setdefault("rollout", roll_out(*args)))

    def note(optimizer, *args):
        captured.setdefault("gradients", [p.grad.clone() for p in policy])
        return step(optimizer, *args)

    monkeypatch.setattr(torch.optim.AdamW, "step", note)
    policy = [p for n, p in shared.named_parameters() if p.requires_grad and "value_head" not in n]
    before = weights(shared)
    next(train_reinforce(shared, PROMPTS, length, replace(CONFIG, max_grad_norm=1e9), baseline=baseline))
    assert not any("value_head" in name for name in changed(shared, before))

    rollout = captured["rollout"]
    with torch.no_grad():
        for name, p in shared.named_parameters():
            p.copy_(before[name])
    whole = rollout.scores - CONFIG.beta * rollout.kl
    advantages = whole - whole.mean() if baseline else whole
    logprobs = shared.response_logprobs(rollout.prompt_ids, rollout.response_ids)
    loss = -(advantages.unsqueeze(1) * logprobs)[rollout.mask].mean()
    for ours, theirs in zip(torch.autograd.grad(loss, policy), captured["gradients"], strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-5)


def test_it_raises_a_toy_reward_and_its_records_are_those_of_ppo(profile, adapters):
    shared = SharedBase.load(profile, sft=adapters.sft, reward=adapters.reward)
    config = PPOConfig(updates=25, batch_size=16, max_new_tokens=8, learning_rate=2e-2, beta=0.0)
    records = list(train_reinforce(shared, PROMPTS, length, config))
    first, last = (sum(r["reward"] for r in part) / 5 for part in (records[:5], records[-5:]))
    assert last > first + 2
    plain = next(train_ppo(shared, PROMPTS, length, CONFIG))
    assert records[0].keys() == plain.keys()

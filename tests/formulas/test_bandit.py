"""The bandit: its gradients are those of torch and of helpers.formulas.objectives, and REINFORCE learns."""

import numpy as np
import pytest
import torch

from helpers.formulas.bandit import (
    draw_arms,
    expected_reward_gradient,
    logprob_gradient,
    pull,
    reinforce,
    reinforce_update,
    softmax,
)
from helpers.formulas.objectives import reinforce_loss

MEANS = (0.5, 2.0, 1.0)
LOGITS = np.array([0.3, -1.0, 2.0])


def test_softmax_is_torchs_and_survives_large_logits():
    assert np.allclose(softmax(LOGITS), torch.tensor(LOGITS).softmax(-1))
    assert np.allclose(softmax([1e4, 1e4, -1e4]), [0.5, 0.5, 0])


def test_one_step_is_the_gradient_of_the_reinforce_loss():
    arms, advantages = np.array([0, 2, 2, 1]), np.array([1.5, -0.5, 2.0, 0.7])
    logits = torch.tensor(LOGITS, requires_grad=True)
    logprobs = logits.log_softmax(-1)[torch.tensor(arms)][:, None]  # one pull: a response of one token
    loss = reinforce_loss(logprobs, torch.tensor(advantages)[:, None], torch.ones(len(arms), 1, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(loss, logits)
    ours = (advantages[:, None] * logprob_gradient(np.tile(LOGITS, (4, 1)), arms)).mean(axis=0)
    assert np.allclose(ours, -gradient.numpy())


def test_the_exact_gradient_is_autograds_and_the_mean_of_the_sampled_ones():
    logits = torch.tensor(LOGITS, requires_grad=True)
    expected = (logits.softmax(-1) * torch.tensor(MEANS, dtype=torch.float64)).sum()
    (gradient,) = torch.autograd.grad(expected, logits)
    exact = expected_reward_gradient(LOGITS, MEANS)
    assert np.allclose(exact, gradient.numpy())

    rng, many = np.random.default_rng(0), np.tile(LOGITS, (200_000, 1))
    arms = draw_arms(softmax(many), rng)
    rewards = pull(MEANS, arms, rng)
    for baseline in (0.0, 1.0):
        sampled = (rewards - baseline)[:, None] * logprob_gradient(many, arms)
        assert np.allclose(sampled.mean(axis=0), exact, atol=0.01)


def test_an_update_is_a_step_of_gradient_descent_on_the_reinforce_loss_of_each_run():
    arms, rewards, baseline = np.array([2, 0]), np.array([1.5, -0.5]), np.array([0.5, 1.0])
    before = np.stack([LOGITS, LOGITS[::-1]])
    logits = torch.tensor(before, requires_grad=True)
    logprobs = logits.log_softmax(-1).gather(1, torch.tensor(arms)[:, None])
    loss = 2 * reinforce_loss(logprobs, torch.tensor(rewards - baseline)[:, None], torch.ones(2, 1, dtype=torch.bool))
    loss.backward()
    after = reinforce_update(before, arms, rewards, baseline, 0.3)
    assert np.allclose(after, before - 0.3 * logits.grad.numpy())
    assert np.array_equal(before[0], LOGITS)


def test_reinforce_takes_another_update():
    still = reinforce(MEANS, runs=3, steps=5, update=lambda logits, *_: logits)
    assert np.allclose(still, 1 / 3)


def test_draws_follow_the_policy():
    probabilities = np.tile([0.2, 0.0, 0.8], (50_000, 1))
    shares = np.bincount(draw_arms(probabilities, np.random.default_rng(0)), minlength=3) / 50_000
    assert np.allclose(shares, [0.2, 0.0, 0.8], atol=0.01) and shares[1] == 0


def test_reinforce_finds_the_best_arm_and_repeats():
    history = reinforce(MEANS, runs=50)
    assert history.shape == (50, 201, 3)
    assert np.allclose(history.sum(axis=2), 1) and np.allclose(history[:, 0], 1 / 3)
    assert (history[:, -1].argmax(axis=1) == 1).mean() > 0.9
    assert np.array_equal(history, reinforce(MEANS, runs=50))
    assert not np.array_equal(history, reinforce(MEANS, runs=50, seed=1))


def test_a_baseline_makes_a_constant_in_all_rewards_harmless():
    def best(shift: float, baseline: bool) -> float:
        return reinforce(np.add(MEANS, shift), runs=200, baseline=baseline)[:, -1, 1].mean()

    assert abs(best(5, True) - best(0, True)) < 0.1
    assert best(5, False) < best(5, True) - 0.2


@pytest.mark.parametrize(
    "arguments", [{"means": [1.0]}, {"means": [[1.0, 2.0]]}, {"steps": 0}, {"learning_rate": 0}, {"runs": 0}]
)
def test_what_makes_no_sense_is_refused(arguments):
    with pytest.raises(ValueError):
        reinforce(**{"means": MEANS, **arguments})

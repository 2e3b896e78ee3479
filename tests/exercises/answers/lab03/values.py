"""Answers to the exercises of lab 03: advantages and the value function."""

import numpy as np
import torch
from torch.nn import functional as F


def gae_by_rows(rewards, values, mask, gamma=1.0, lam=0.95):
    advantages, returns = torch.zeros_like(rewards), torch.zeros_like(rewards)
    for i, length in enumerate(mask.sum(1).tolist()):
        later = 0.0
        for t in range(length - 1, -1, -1):
            following = values[i, t + 1] if t + 1 < length else 0.0
            later = rewards[i, t] + gamma * following - values[i, t] + gamma * lam * later
            advantages[i, t], returns[i, t] = later, later + values[i, t]
    return advantages, returns


def gae_by_matrix(rewards, values, mask, lam, gamma):
    """All at once: A = D delta with D[t, k] = (gamma lam)^(k - t)."""
    rewards, values = rewards * mask, values * mask
    length = rewards.shape[1]
    deltas = rewards - values
    deltas[:, :-1] += gamma * values[:, 1:]
    distance = torch.arange(length).unsqueeze(0) - torch.arange(length).unsqueeze(1)
    weights = torch.where(distance >= 0, (gamma * lam) ** distance.clamp(min=0).float(), 0.0)
    advantages = deltas @ weights.T
    return advantages, advantages + values


def gae_in_numpy(rewards, values, mask, gamma, lam):
    rewards, values = (np.where(mask.numpy(), x.numpy(), 0) for x in (rewards, values))
    advantages, later = np.zeros_like(rewards), np.zeros(len(rewards))
    following = np.zeros(len(rewards))
    for t in reversed(range(rewards.shape[1])):
        later = rewards[:, t] + gamma * following - values[:, t] + gamma * lam * later
        advantages[:, t], following = later, values[:, t]
    return torch.tensor(advantages), torch.tensor(advantages + values)


def by_rows(step):
    """GAE in plain loops over one row at a time; `step` makes the advantages of one row from its lists."""

    def estimate(rewards, values, mask, gamma, lam):
        advantages, returns = torch.zeros_like(rewards), torch.zeros_like(rewards)
        for i, length in enumerate(mask.sum(1).tolist()):
            found = step(rewards[i, :length].tolist(), [*values[i, :length].tolist(), 0.0], gamma, lam)
            advantages[i, :length] = torch.tensor(found)
            returns[i, :length] = advantages[i, :length] + values[i, :length]
        return advantages, returns

    return estimate


def row_forwards(r, v, gamma, lam):
    found = []
    for t in range(len(r)):
        found.append(r[t] + gamma * v[t + 1] - v[t] + (gamma * lam * found[-1] if found else 0.0))
    return found


def row_backwards(r, v, next_weight, factor, baseline=1.0):
    found = [0.0]
    for t in reversed(range(len(r))):
        found.insert(0, r[t] + next_weight * v[t + 1] - baseline * v[t] + factor * found[0])
    return found[:-1]


gae_forwards = by_rows(row_forwards)
gae_swapped = by_rows(lambda r, v, gamma, lam: row_backwards(r, v, lam, gamma * lam))
gae_without_lambda = by_rows(lambda r, v, gamma, lam: row_backwards(r, v, gamma, gamma))
gae_without_gamma = by_rows(lambda r, v, gamma, lam: row_backwards(r, v, gamma, lam))
gae_one_step = by_rows(lambda r, v, gamma, lam: row_backwards(r, v, gamma, 0.0))
gae_without_baseline = by_rows(lambda r, v, gamma, lam: row_backwards(r, v, gamma, gamma * lam, baseline=0.0))
for answer, called in (
    (gae_forwards, "gae_forwards"), (gae_swapped, "gae_swapped"), (gae_without_lambda, "gae_without_lambda"),
    (gae_without_gamma, "gae_without_gamma"), (gae_one_step, "gae_one_step"),
    (gae_without_baseline, "gae_without_baseline"),
):  # fmt: skip
    answer.__name__ = called


def gae_reading_values_at_padding(rewards, values, mask, gamma, lam):
    advantages, later = torch.zeros_like(rewards), torch.zeros(len(rewards))
    width = rewards.shape[1]
    for t in range(width - 1, -1, -1):
        following = values[:, t + 1] if t + 1 < width else 0.0
        later = (rewards[:, t] + gamma * following - values[:, t] + gamma * lam * later) * mask[:, t]
        advantages[:, t] = later
    return advantages, (advantages + values) * mask


def gae_masked_at_the_end(rewards, values, mask, gamma, lam):
    advantages, returns = gae_in_numpy(rewards, values, torch.ones_like(mask), gamma, lam)
    return advantages * mask, returns * mask


def gae_twice_the_advantages(rewards, values, mask, gamma, lam):
    advantages = gae_in_numpy(rewards, values, mask, gamma, lam)[0]
    return advantages, advantages.clone()


def gae_with_rewards_to_go(rewards, values, mask, gamma, lam):
    returns, later = torch.zeros_like(rewards), 0.0
    for t in reversed(range(rewards.shape[1])):
        later = torch.where(mask[:, t], rewards[:, t], 0.0) + gamma * later
        returns[:, t] = later
    return gae_in_numpy(rewards, values, mask, gamma, lam)[0], returns * mask


def gae_in_the_wrong_order(rewards, values, mask, gamma, lam):
    advantages, returns = gae_in_numpy(rewards, values, mask, gamma, lam)
    return returns, advantages


def value_loss_by_where(values, old_values, returns, mask, clip=0.2):
    old_values, returns = old_values.detach(), returns.detach()
    clipped = torch.max(torch.min(values, old_values + clip), old_values - clip)
    plain, held = (values - returns).pow(2), (clipped - returns).pow(2)
    return torch.where(plain >= held, plain, held)[mask].mean() / 2


def value_loss_by_loop(values, old_values, returns, mask, clip):
    losses = []
    for new, old, target in zip(values[mask], old_values[mask].tolist(), returns[mask].tolist(), strict=True):
        clipped = new.clamp(old - clip, old + clip)
        losses.append(0.5 * max((new - target) ** 2, (clipped - target) ** 2))
    return sum(losses) / len(losses)


def errors(values, old_values, returns, mask, clip):
    """Squared errors of every real token, plain and clipped, with gradients to everything."""
    held = old_values + torch.clamp(values - old_values, -clip, clip)
    return ((values - returns) ** 2)[mask], ((held - returns) ** 2)[mask]


def value_loss_min(values, old_values, returns, mask, clip):
    return 0.5 * torch.min(*errors(values, old_values, returns, mask, clip)).mean()


def value_loss_only_clipped(values, old_values, returns, mask, clip):
    return errors(values, old_values, returns, mask, clip)[1].mean() / 2


def value_loss_never_clipped(values, old_values, returns, mask, clip):
    return F.mse_loss(values[mask], returns[mask]) / 2


def value_loss_around_returns(values, old_values, returns, mask, clip):
    held = torch.max(torch.min(values, returns + clip), returns - clip)
    return 0.5 * torch.max((values - returns) ** 2, (held - returns) ** 2)[mask].mean()


def value_loss_clipping_the_error(values, old_values, returns, mask, clip):
    return 0.5 * (values - returns)[mask].clamp(-clip, clip).square().mean()


def value_loss_around_zero(values, old_values, returns, mask, clip):
    held = torch.clamp(values, min=-clip, max=clip)
    return 0.5 * torch.max((values - returns) ** 2, (held - returns) ** 2)[mask].mean()


def value_loss_without_half(values, old_values, returns, mask, clip):
    return torch.max(*errors(values, old_values, returns, mask, clip)).mean()


def value_loss_over_padding(values, old_values, returns, mask, clip):
    return 0.5 * torch.max(*errors(values, old_values, returns, torch.ones_like(mask), clip)).mean()


def value_loss_training_returns(values, old_values, returns, mask, clip):
    return 0.5 * torch.max(*errors(values, old_values, returns, mask, clip)).mean()


def gae_repeating_the_last_value(rewards, values, mask, gamma, lam):
    values, rewards = values * mask, rewards * mask
    following = torch.cat([values, values[:, -1:]], dim=1)[:, 1:]
    advantages, later = torch.zeros_like(rewards), 0.0
    for t in reversed(range(rewards.shape[1])):
        later = (rewards[:, t] + gamma * following[:, t] - values[:, t] + gamma * lam * later) * mask[:, t]
        advantages[:, t] = later
    return advantages, advantages + values


def row_previous(r, v, gamma, lam):
    found = [0.0]
    for t in reversed(range(len(r))):
        found.insert(0, r[t] + gamma * (v[t - 1] if t else 0.0) - v[t] + gamma * lam * found[0])
    return found[:-1]


def row_two_steps(r, v, gamma, lam):
    deltas = [*row_backwards(r, v, gamma, 0.0), 0.0]
    return [deltas[t] + gamma * lam * deltas[t + 1] for t in range(len(r))]


def one_step_targets(rewards, values, mask, gamma):
    kept = torch.where(mask, values, 0.0)
    return torch.where(mask, rewards, 0.0) + gamma * torch.cat([kept[:, 1:], torch.zeros(len(kept), 1)], dim=1)


def larger(values, held, returns):
    return torch.stack([values - returns, held - returns]).square().amax(0)


def value_loss_squaring_late(values, old_values, returns, mask, clip):
    held = old_values + torch.clip(values - old_values, -clip, clip)
    return 0.5 * torch.max(values - returns, held - returns)[mask].square().mean()


RIGHT = {
    "gae": [gae_by_rows, gae_by_matrix, gae_in_numpy],
    "clipped_value_loss": [value_loss_by_where, value_loss_by_loop],
}
WRONG = {
    "gae": {
        "forwards": [gae_forwards],
        "bootstraps at the end": [gae_reading_values_at_padding],
        "padding leaks": [gae_masked_at_the_end],
        "swapped": [gae_swapped],
        "no lambda": [gae_without_lambda],
        "no gamma": [gae_without_gamma],
        "one step": [gae_one_step],
        "no baseline": [gae_without_baseline],
        "returns without values": [gae_twice_the_advantages],
        "rewards to go": [gae_with_rewards_to_go],
        "order": [gae_in_the_wrong_order],
        "last value again": [gae_repeating_the_last_value],
        "padding kept": [
            lambda rewards, values, mask, gamma, lam: (
                gae_in_numpy(rewards, values, mask, gamma, lam)[0],
                gae_in_numpy(rewards, values, mask, gamma, lam)[0] + values,
            )
        ],
        "previous value": [by_rows(row_previous)],
        "no next value": [by_rows(lambda r, v, gamma, lam: row_backwards(r, v, 0.0, gamma * lam))],
        "sign": [
            by_rows(lambda r, v, gamma, lam: row_backwards([-x for x in r], v, -gamma, gamma * lam, baseline=-1.0))
        ],
        "no gamma in delta": [by_rows(lambda r, v, gamma, lam: row_backwards(r, v, 1.0, gamma * lam))],
        "no factor": [by_rows(lambda r, v, gamma, lam: row_backwards(r, v, gamma, 1.0))],
        "fixed": [by_rows(lambda r, v, gamma, lam: row_backwards(r, v, 1.0, 0.95))],
        "two steps": [by_rows(row_two_steps)],
        "token left out": [by_rows(lambda r, v, gamma, lam: [0.0, *row_backwards(r, v, gamma, gamma * lam)[1:]])],
        "advantages alone": [
            lambda rewards, values, mask, gamma, lam: gae_in_numpy(rewards, values, mask, gamma, lam)[0]
        ],
        "returns with minus": [
            lambda rewards, values, mask, gamma, lam: (
                gae_in_numpy(rewards, values, mask, gamma, lam)[0],
                gae_in_numpy(rewards, values, mask, gamma, lam)[0] - values * mask,
            )
        ],
        "returns with rewards": [
            lambda rewards, values, mask, gamma, lam: (
                gae_in_numpy(rewards, values, mask, gamma, lam)[0],
                gae_in_numpy(rewards, values, mask, gamma, lam)[0] + rewards * mask,
            )
        ],
        "one-step returns": [
            lambda rewards, values, mask, gamma, lam: (
                gae_in_numpy(rewards, values, mask, gamma, lam)[0],
                one_step_targets(rewards, values, mask, gamma),
            )
        ],
    },
    "clipped_value_loss": {
        "min": [value_loss_min],
        "clip alone": [value_loss_only_clipped],
        "no clip": [value_loss_never_clipped, value_loss_around_returns],
        "clips the error": [value_loss_clipping_the_error],
        "around zero": [value_loss_around_zero],
        "no half": [value_loss_without_half],
        "padding": [value_loss_over_padding],
        "returns train": [value_loss_training_returns],
        "means first": [
            lambda values, old_values, returns, mask, clip: (
                0.5 * torch.stack([error.mean() for error in errors(values, old_values, returns, mask, clip)]).max()
            )
        ],
        "both errors": [
            lambda values, old_values, returns, mask, clip: (
                0.5 * sum(errors(values, old_values, returns, mask, clip)).mean()
            )
        ],
        "clip fixed": [
            lambda values, old_values, returns, mask, clip: value_loss_by_where(values, old_values, returns, mask)
        ],
        "one side": [
            lambda values, old_values, returns, mask, clip: (
                larger(values, torch.min(values, old_values + clip), returns)[mask].mean() / 2
            )
        ],
        "old value lost": [
            lambda values, old_values, returns, mask, clip: (
                larger(values, torch.clip(values - old_values, -clip, clip), returns)[mask].mean() / 2
            )
        ],
        "change from new": [
            lambda values, old_values, returns, mask, clip: (
                larger(values, values + torch.clip(values - old_values, -clip, clip), returns)[mask].mean() / 2
            )
        ],
        "as a ratio": [
            lambda values, old_values, returns, mask, clip: (
                larger(values, old_values * torch.clip(values / old_values, 1 - clip, 1 + clip), returns)[mask].mean()
                / 2
            )
        ],
        "not squared": [
            lambda values, old_values, returns, mask, clip: (
                0.5 * torch.max(*[error.sqrt() for error in errors(values, old_values, returns, mask, clip)]).mean()
            )
        ],
        "square of a max": [value_loss_squaring_late],
        "wrong target": [
            lambda values, old_values, returns, mask, clip: (
                0.5 * torch.max(*errors(values, returns, old_values, mask, clip)).mean()
            )
        ],
        "sign": [
            lambda values, old_values, returns, mask, clip: (
                -0.5 * torch.max(*errors(values, old_values, returns, mask, clip)).mean()
            )
        ],
        "half twice": [
            lambda values, old_values, returns, mask, clip: (
                torch.max(*errors(values, old_values, returns, mask, clip)).mean() / 4
            )
        ],
        "zeros counted": [
            lambda values, old_values, returns, mask, clip: (
                0.5 * torch.max(*errors(values, old_values, returns, mask, clip)).sum() / mask.numel()
            )
        ],
        "per response": [
            lambda values, old_values, returns, mask, clip: torch.stack(
                [value_loss_training_returns(*row, clip) for row in zip(values, old_values, returns, mask, strict=True)]
            ).mean()
        ],
        "sum": [
            lambda values, old_values, returns, mask, clip: (
                0.5 * torch.max(*errors(values, old_values, returns, mask, clip)).sum()
            )
        ],
        "sum of a response": [
            lambda values, old_values, returns, mask, clip: (
                0.5 * torch.max(*errors(values, old_values, returns, mask, clip)).sum() / mask.size(0)
            )
        ],
        "inverted mask": [
            lambda values, old_values, returns, mask, clip: (
                0.5 * torch.max(*errors(values, old_values, returns, ~mask, clip)).mean()
            )
        ],
        "no mean": [
            lambda values, old_values, returns, mask, clip: (
                0.5 * torch.max(*errors(values, old_values, returns, mask, clip))
            )
        ],
        "no gradient": [
            lambda values, old_values, returns, mask, clip: torch.tensor(
                0.5 * torch.max(*errors(values, old_values, returns, mask, clip)).mean().item()
            )
        ],
    },
}

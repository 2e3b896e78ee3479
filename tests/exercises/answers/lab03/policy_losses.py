"""Answers to the exercises of lab 03: the policy losses."""

import torch


def reinforce_selected(logprobs, advantages, mask):
    return -(advantages[mask].detach() * logprobs[mask]).mean()


def reinforce_by_sums(mask, advantages, logprobs):
    weights = torch.where(mask, advantages, 0.0).detach()
    return -(weights * logprobs).sum() / mask.sum()


def reinforce_by_loop(logprobs, advantages, mask):
    terms = [-a.item() * p for a, p in zip(advantages[mask], logprobs[mask], strict=True)]
    return sum(terms) / len(terms)


def reinforce_uphill(logprobs, advantages, mask):
    return (advantages * logprobs)[mask].sum() / mask.sum()


def reinforce_over_padding(logprobs, advantages, mask):
    return torch.mean(-advantages * logprobs)


def reinforce_counting_zeros(logprobs, advantages, mask):
    return -(advantages * logprobs * mask).mean()


def reinforce_by_response(logprobs, advantages, mask):
    return torch.stack(
        [-(a * p)[m].mean() for a, p, m in zip(advantages, logprobs, mask, strict=True)],
    ).mean()


def reinforce_summed(logprobs, advantages, mask):
    return torch.sum(-advantages[mask] * logprobs[mask])


def reinforce_on_probabilities(logprobs, advantages, mask):
    return -(advantages * torch.exp(logprobs))[mask].mean()


def reinforce_of_means(logprobs, advantages, mask):
    return -advantages[mask].mean() * logprobs[mask].mean()


def reinforce_detaching_the_wrong_one(logprobs, advantages, mask):
    return -(advantages.detach() * logprobs.detach())[mask].mean()


def reinforce_through_the_reward(logprobs, advantages, mask):
    return (-advantages * logprobs)[mask].mean()


def ppo_by_max_of_losses(logprobs, old_logprobs, advantages, mask, clip=0.2):
    advantages = advantages.detach()
    ratio = torch.exp(logprobs - old_logprobs.detach())
    losses = torch.max(-advantages * ratio, -advantages * torch.clamp(ratio, 1 - clip, 1 + clip))
    return losses[mask].mean()


def ppo_by_sign(old_logprobs, logprobs, advantages, mask, clip):
    ratio, gains = (logprobs - old_logprobs.detach()).exp(), advantages.detach()
    limited = torch.where(gains > 0, ratio.clamp(max=1 + clip), ratio.clamp(min=1 - clip))
    return -(limited * gains)[mask].sum() / mask.sum()


def ppo_by_loop(logprobs, old_logprobs, advantages, mask, clip):
    losses = []
    for new, old, gain in zip(logprobs[mask], old_logprobs[mask].tolist(), advantages[mask].tolist(), strict=True):
        ratio = torch.exp(new - old)
        losses.append(-min(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain))
    return torch.stack(losses).mean()


def parts(logprobs, old_logprobs, advantages, mask, clip):
    """The plain and the clipped gain of every real token, with gradients to everything."""
    ratio = torch.exp(logprobs[mask] - old_logprobs[mask])
    return ratio * advantages[mask], torch.clamp(ratio, 1 - clip, 1 + clip) * advantages[mask]


def ppo_uphill(logprobs, old_logprobs, advantages, mask, clip):
    return torch.min(*parts(logprobs, old_logprobs, advantages, mask, clip)).mean()


def ppo_max_of_gains(logprobs, old_logprobs, advantages, mask, clip):
    return -torch.max(*parts(logprobs, old_logprobs, advantages, mask, clip)).mean()


def ppo_only_clipped(logprobs, old_logprobs, advantages, mask, clip):
    return -parts(logprobs, old_logprobs, advantages, mask, clip)[1].mean()


def ppo_never_clipped(logprobs, old_logprobs, advantages, mask, clip):
    return -parts(logprobs, old_logprobs, advantages, mask, clip)[0].mean()


def from_ratio(ratio, advantages, mask, clip):
    gains = torch.stack([ratio * advantages, torch.clamp(ratio, 1 - clip, 1 + clip) * advantages])
    return -gains.amin(0)[mask].mean()


def ppo_dividing_logs(logprobs, old_logprobs, advantages, mask, clip):
    return from_ratio(logprobs / old_logprobs, advantages, mask, clip)


def ppo_without_exp(logprobs, old_logprobs, advantages, mask, clip):
    return from_ratio(logprobs - old_logprobs, advantages, mask, clip)


def ppo_upside_down(logprobs, old_logprobs, advantages, mask, clip):
    return from_ratio(old_logprobs.exp() / logprobs.exp(), advantages, mask, clip)


def ppo_over_padding(logprobs, old_logprobs, advantages, mask, clip):
    everywhere = torch.ones_like(mask)
    return -torch.min(*parts(logprobs, old_logprobs, advantages, everywhere, clip)).mean()


def ppo_counting_zeros(logprobs, old_logprobs, advantages, mask, clip):
    return -torch.min(*parts(logprobs, old_logprobs, advantages, mask, clip)).sum() / mask.numel()


def ppo_without_gradient(logprobs, old_logprobs, advantages, mask, clip):
    with torch.no_grad():
        return -torch.min(*parts(logprobs, old_logprobs, advantages, mask, clip)).mean()


def ppo_training_the_rollout(logprobs, old_logprobs, advantages, mask, clip):
    return -torch.min(*parts(logprobs, old_logprobs, advantages, mask, clip)).mean()


def ppo_of_means(logprobs, old_logprobs, advantages, mask, clip):
    plain, clipped = parts(logprobs, old_logprobs, advantages, mask, clip)
    return torch.max(-plain.mean(), -clipped.mean())


def ppo_min_of_ratios(logprobs, old_logprobs, advantages, mask, clip):
    ratio = torch.exp(logprobs - old_logprobs)
    return -(torch.min(ratio, ratio.clip(1 - clip, 1 + clip)) * advantages)[mask].mean()


def from_bounds(logprobs, old_logprobs, advantages, mask, low, high):
    ratio = logprobs.exp() / old_logprobs.exp()
    return -torch.min(ratio * advantages, ratio.clip(low, high) * advantages)[mask].mean()


def ppo_clipping_the_log(logprobs, old_logprobs, advantages, mask, clip):
    moved = logprobs - old_logprobs
    return -torch.min(moved.exp() * advantages, moved.clip(-clip, clip).exp() * advantages)[mask].mean()


def ppo_clipping_the_gain(logprobs, old_logprobs, advantages, mask, clip):
    gains = (logprobs - old_logprobs).exp() * advantages
    return -torch.min(gains, gains.clip(1 - clip, 1 + clip))[mask].mean()


def ppo_forgetting_one_advantage(logprobs, old_logprobs, advantages, mask, clip):
    ratio = (logprobs - old_logprobs).exp()
    return torch.max(-ratio * advantages, -ratio.clip(1 - clip, 1 + clip))[mask].mean()


RIGHT = {
    "reinforce_loss": [reinforce_selected, reinforce_by_sums, reinforce_by_loop],
    "clipped_policy_loss": [ppo_by_max_of_losses, ppo_by_sign, ppo_by_loop],
}
WRONG = {
    "reinforce_loss": {
        "sign": [reinforce_uphill],
        "padding": [reinforce_over_padding],
        "zeros counted": [reinforce_counting_zeros],
        "per response": [reinforce_by_response],
        "sum": [reinforce_summed],
        "probability": [reinforce_on_probabilities],
        "product of means": [reinforce_of_means],
        "no gradient": [reinforce_detaching_the_wrong_one],
        "reward trains": [reinforce_through_the_reward],
        "sum of a response": [
            lambda logprobs, advantages, mask: (-logprobs * advantages).masked_fill(~mask, 0).sum(-1).mean()
        ],
        "inverted mask": [lambda logprobs, advantages, mask: -(logprobs * advantages)[mask == 0].mean()],
        "no mean": [lambda logprobs, advantages, mask: torch.where(mask, -advantages * logprobs, 0.0)],
        "log of log": [lambda logprobs, advantages, mask: -(advantages[mask] * torch.log(logprobs[mask])).mean()],
        "no advantage": [lambda logprobs, advantages, mask: -logprobs[mask].mean()],
        "no log-probability": [lambda logprobs, advantages, mask: -advantages[mask].mean()],
        "plus": [lambda logprobs, advantages, mask: -(advantages[mask] + logprobs[mask]).mean()],
        "absolute": [lambda logprobs, advantages, mask: -(torch.abs(advantages) * logprobs)[mask].mean()],
        "changed advantages": [
            lambda logprobs, advantages, mask: -(logprobs[mask] * (advantages[mask] - advantages[mask].mean())).mean()
        ],
    },
    "clipped_policy_loss": {
        "sign": [ppo_uphill],
        "max": [ppo_max_of_gains],
        "clip alone": [ppo_only_clipped],
        "no clip": [ppo_never_clipped],
        "ratio of logs": [ppo_dividing_logs],
        "no exp": [ppo_without_exp],
        "upside down": [ppo_upside_down],
        "padding": [ppo_over_padding],
        "zeros counted": [ppo_counting_zeros],
        "no gradient": [ppo_without_gradient],
        "rollout trains": [ppo_training_the_rollout],
        "means first": [ppo_of_means],
        "min of ratios": [ppo_min_of_ratios],
        "one side": [
            lambda logprobs, old_logprobs, advantages, mask, clip: from_bounds(
                logprobs, old_logprobs, advantages, mask, 0.0, 1 + clip
            )
        ],
        "range": [
            lambda logprobs, old_logprobs, advantages, mask, clip: from_bounds(
                logprobs, old_logprobs, advantages, mask, -clip, clip
            )
        ],
        "clips the log": [ppo_clipping_the_log],
        "clips the gain": [ppo_clipping_the_gain],
        "clip fixed": [
            lambda logprobs, old_logprobs, advantages, mask, clip: from_bounds(
                logprobs, old_logprobs, advantages, mask, 0.8, 1.2
            )
        ],
        "one without advantage": [ppo_forgetting_one_advantage],
        "no advantage": [
            lambda logprobs, old_logprobs, advantages, mask, clip: from_bounds(
                logprobs, old_logprobs, torch.ones_like(advantages), mask, 1 - clip, 1 + clip
            )
        ],
        "other ratio": [
            lambda logprobs, old_logprobs, advantages, mask, clip: from_ratio(
                torch.exp(logprobs), advantages, mask, clip
            )
        ],
        "per response": [
            lambda logprobs, old_logprobs, advantages, mask, clip: torch.stack(
                [-ppo_uphill(*row, clip) for row in zip(logprobs, old_logprobs, advantages, mask, strict=True)]
            ).mean()
        ],
        "sum": [
            lambda logprobs, old_logprobs, advantages, mask, clip: (
                -torch.min(*parts(logprobs, old_logprobs, advantages, mask, clip)).sum()
            )
        ],
        "sum of a response": [
            lambda logprobs, old_logprobs, advantages, mask, clip: (
                -torch.min(*parts(logprobs, old_logprobs, advantages, mask, clip)).sum() / len(mask)
            )
        ],
        "inverted mask": [
            lambda logprobs, old_logprobs, advantages, mask, clip: (
                -torch.min(*parts(logprobs, old_logprobs, advantages, ~mask, clip)).mean()
            )
        ],
        "no mean": [
            lambda logprobs, old_logprobs, advantages, mask, clip: (
                -torch.min(*parts(logprobs, old_logprobs, advantages, mask, clip))
            )
        ],
    },
}

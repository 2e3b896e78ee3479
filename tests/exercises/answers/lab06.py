"""Answers to the exercises of lab 06."""

import numpy as np
import torch

# --- optimal_policy --------------------------------------------------------------


def with_logsumexp(ref_logprobs, rewards, beta):
    tilted = ref_logprobs + rewards / beta
    return tilted - torch.logsumexp(tilted, 0)


def largest_taken_off(beta, rewards, ref_logprobs):
    tilted = rewards / beta + ref_logprobs
    tilted = tilted - tilted.max()
    return tilted - tilted.exp().sum().log()


def as_a_distribution(ref_logprobs, rewards, beta):
    return torch.distributions.Categorical(logits=ref_logprobs + rewards / beta).logits


def times_beta(ref_logprobs, rewards, beta):
    return torch.log_softmax(rewards * beta + ref_logprobs, -1)


def unnormalized(ref_logprobs, rewards, beta):
    return ref_logprobs.add(rewards.div(beta))


def as_probabilities(ref_logprobs, rewards, beta):
    return torch.softmax(ref_logprobs + rewards / beta, dim=0)


def reward_alone(ref_logprobs, rewards, beta):
    return torch.log_softmax(rewards / beta, dim=0)


def free_of_charge(ref_logprobs, rewards, beta):
    return torch.log_softmax(rewards + ref_logprobs, dim=0)


def at_a_temperature(ref_logprobs, rewards, beta):
    return torch.log_softmax((rewards + ref_logprobs) / beta, dim=0)


def as_the_paper_writes_it(ref_logprobs, rewards, beta):
    weights = torch.exp(ref_logprobs) * torch.exp(rewards / beta)
    return torch.log(weights / torch.sum(weights))


def softmax_by_hand(ref_logprobs, rewards, beta):
    weights = (ref_logprobs + rewards / beta).exp()
    return (weights / weights.sum()).log()


def z_by_hand(ref_logprobs, rewards, beta):
    z = sum(p.exp() * (r / beta).exp() for p, r in zip(ref_logprobs, rewards, strict=True))
    return ref_logprobs + rewards / beta - z.log()


# --- implicit_reward -----------------------------------------------------------


def mean_of_each_apart(logprobs, ref_logprobs, beta):
    return beta * (logprobs - logprobs.mean() - ref_logprobs + ref_logprobs.mean())


def log_of_the_ratio(logprobs, ref_logprobs, beta):
    rewards = beta * torch.log(torch.exp(logprobs - ref_logprobs))
    return rewards - rewards.sum() / len(rewards)


def from_the_reference(logprobs, ref_logprobs, beta):
    return -mean_of_each_apart(logprobs, ref_logprobs, beta)


def of_the_policy_alone(logprobs, ref_logprobs, beta):
    return beta * (logprobs - logprobs.mean())


def over_beta(logprobs, ref_logprobs, beta):
    return mean_of_each_apart(logprobs, ref_logprobs, 1 / beta)


def in_nats(logprobs, ref_logprobs, beta):
    return mean_of_each_apart(logprobs, ref_logprobs, 1)


def with_its_constant(logprobs, ref_logprobs, beta):
    return beta * logprobs - beta * ref_logprobs


def ratio(logprobs, ref_logprobs, beta):
    ratios = beta * torch.exp(logprobs) / torch.exp(ref_logprobs)
    return ratios - ratios.mean()


# --- group_advantages ---------------------------------------------------------


def others_one_by_one(rewards, scaled):
    rows = []
    for row in rewards:
        if scaled:
            rows.append((row - row.mean()) / row.std() if row.std() > 0 else torch.zeros_like(row))
        else:
            rows.append(torch.stack([row[i] - torch.cat([row[:i], row[i + 1 :]]).mean() for i in range(len(row))]))
    return torch.stack(rows)


def by_a_mask(scaled, rewards):
    group = rewards.shape[1]
    if not scaled:
        others = (1 - torch.eye(group)) / (group - 1)
        return rewards - rewards @ others
    variance, mean = torch.var_mean(rewards, dim=1, keepdim=True)
    return (rewards - mean) / torch.sqrt(variance + 1e-8)


def in_other_units(rewards, scaled):
    centered = (rewards.T - rewards.mean(1)).T
    group = rewards.size(1)
    return torch.nan_to_num(centered / rewards.std(1)[:, None]) if scaled else centered * group / (group - 1)


def with_itself(rewards, scaled):
    centered = rewards - rewards.mean(1, keepdim=True)
    return centered / (rewards.std(1, keepdim=True) + 1e-6) if scaled else centered


def whole_batch(rewards, scaled):
    centered = rewards - rewards.mean()
    return centered / rewards.std() if scaled else centered


def flag_unread(rewards, scaled):
    return others_one_by_one(rewards, True)


def by_column(rewards, scaled):
    return in_other_units(rewards.T, scaled).T


def one_deviation(rewards, scaled):
    centered = rewards - rewards.mean(1, keepdim=True)
    return centered / rewards.std() if scaled else others_one_by_one(rewards, False)


def numpys_deviation(rewards, scaled):
    if not scaled:
        return others_one_by_one(rewards, False)
    deviation = torch.from_numpy(np.std(rewards.numpy(), axis=1, keepdims=True))
    return (rewards - rewards.mean(1, keepdim=True)) / (deviation + 1e-8)


def zero_by_zero(rewards, scaled):
    centered = rewards - rewards.mean(1, keepdim=True)
    return centered / rewards.std(1, keepdim=True) if scaled else by_a_mask(False, rewards)


def over_variance(rewards, scaled):
    centered = rewards - rewards.mean(1, keepdim=True)
    return centered / (rewards.var(1, keepdim=True) + 1e-4) if scaled else by_a_mask(False, rewards)


def centered_only(rewards, scaled):
    return rewards - rewards.mean(1, keepdim=True) if scaled else by_a_mask(False, rewards)


def leave_one_out_for_both(rewards, scaled):
    advantages = by_a_mask(False, rewards)
    return advantages / (rewards.std(1, keepdim=True) + 1e-4) if scaled else advantages


# --- mixed_update -------------------------------------------------------------


def concatenated(adapters, weights):
    a = torch.cat([weight * scale * a for (a, _, scale), weight in zip(adapters, weights, strict=True)])
    return torch.cat([b for _, b, _ in adapters], dim=1) @ a


def added_up(weights, adapters):
    (first, second, _) = adapters[0]
    update = torch.zeros(second.shape[0], first.shape[1])
    for i, (a, b, scale) in enumerate(adapters):
        update += torch.einsum("or,ri->oi", b, a) * scale * weights[i]
    return update


def roots_on_both(adapters, weights):
    def update(a, b, scale, weight):
        root = abs(weight * scale) ** 0.5
        return (1 if weight > 0 else -1) * (root * b) @ (root * a)

    return sum(update(*adapter, weight) for adapter, weight in zip(adapters, weights, strict=True))


def files_averaged(adapters, weights):
    a = torch.stack([weight * a for (a, _, _), weight in zip(adapters, weights, strict=True)]).sum(0)
    b = torch.stack([weight * b for (_, b, _), weight in zip(adapters, weights, strict=True)]).sum(0)
    scale = sum(scale for _, _, scale in adapters) / len(adapters)
    return scale * b @ a


def without_scale(adapters, weights):
    return sum(weight * b @ a for (a, b, _), weight in zip(adapters, weights, strict=True))


def over_rank(adapters, weights):
    return sum(w * s / a.shape[0] * b @ a for (a, b, s), w in zip(adapters, weights, strict=True))


def weight_on_both(adapters, weights):
    return sum(s * (w * b) @ (w * a) for (a, b, s), w in zip(adapters, weights, strict=True))


def all_of_each(adapters, weights):
    return sum(scale * b @ a for a, b, scale in adapters)


def weighted_mean(adapters, weights):
    return added_up(weights, adapters) / sum(weights)


def a_first(adapters, weights):
    return sum(weight * scale * (a @ b) for (a, b, scale), weight in zip(adapters, weights, strict=True))


def on_its_side(adapters, weights):
    return sum(weight * scale * (a.T @ b.T) for (a, b, scale), weight in zip(adapters, weights, strict=True))


def returns_too_soon(adapters, weights):
    for (a, b, scale), weight in zip(adapters, weights, strict=True):
        return weight * scale * b @ a


RIGHT = {
    "optimal_policy": [with_logsumexp, largest_taken_off, as_a_distribution],
    "implicit_reward": [mean_of_each_apart, log_of_the_ratio],
    "group_advantages": [others_one_by_one, by_a_mask, in_other_units],
    "mixed_update": [concatenated, added_up, roots_on_both],
}
WRONG = {
    "optimal_policy": {
        "multiplied": [times_beta],
        "no Z": [unnormalized],
        "probabilities": [as_probabilities],
        "no reference": [reward_alone],
        "no beta": [free_of_charge],
        "all divided": [at_a_temperature],
        "overflow": [as_the_paper_writes_it, softmax_by_hand],
        "overflow in Z": [z_by_hand],
    },
    "implicit_reward": {
        "sign": [from_the_reference],
        "no reference": [of_the_policy_alone],
        "divided": [over_beta],
        "no beta": [in_nats],
        "not centered": [with_its_constant],
        "no log": [ratio],
    },
    "group_advantages": {
        "own reward": [with_itself],
        "whole batch in both": [whole_batch],
        "always scaled": [flag_unread],
        "along the prompts": [by_column],
        "batch's deviation": [one_deviation],
        "n": [numpys_deviation],
        "nothing to divide by": [zero_by_zero],
        "variance": [over_variance],
        "not scaled": [centered_only],
        "others' mean": [leave_one_out_for_both],
    },
    "mixed_update": {
        "averaged apart": [files_averaged],
        "no scale": [without_scale],
        "scale by rank": [over_rank],
        "weight twice": [weight_on_both],
        "no weights": [all_of_each],
        "made to sum to 1": [weighted_mean],
        "order": [a_first],
        "transposed": [on_its_side],
        "first only": [returns_too_soon],
    },
}

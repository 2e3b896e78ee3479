"""Answers to the exercises of lab 03."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from helpers.formulas.quantization import NF4_LEVELS

# --- Means over the real tokens -----------------------------------------------


def mean_by_loop(x, mask):
    total, count = 0.0, 0
    for row, real in zip(x, mask, strict=True):
        for value, counts in zip(row, real, strict=True):
            if counts:
                total, count = total + value, count + 1
    return total / count


def mean_by_where(mask, x):
    return torch.where(mask, x, torch.zeros_like(x)).sum() / mask.float().sum()


def mean_by_select(values, real):
    return torch.masked_select(values, real).mean()


def mean_of_all(x, mask):
    return x.sum() / x.numel()


def mean_with_zeros(x, mask):
    return x.masked_fill(~mask, 0.0).mean()


def mean_of_responses(x, mask):
    return torch.stack([row[real].mean() for row, real in zip(x, mask, strict=True)]).mean()


def mean_each_response(x, mask):
    return torch.stack([row[real].mean() for row, real in zip(x, mask, strict=True)])


def sum_of_real(x, mask):
    return x[mask].sum()


def mean_by_product(x, mask):
    weights = mask.float() / mask.float().sum()
    return (weights * x).sum()


def whiten_by_standardizing(x, mask):
    real = x[mask]
    result = torch.zeros_like(x)
    result[mask] = (real - real.mean()) / (real.std() + 1e-8)
    return result


def whiten_by_sums(mask, x):
    count = mask.sum()
    mean = torch.where(mask, x, 0.0).sum() / count
    variance = torch.where(mask, (x - mean) ** 2, 0.0).sum() / (count - 1)
    return torch.where(mask, (x - mean) / torch.sqrt(variance + 1e-8), 0.0)


def whiten_all(x, mask):
    return ((x - x.mean()) / torch.sqrt(x.var() + 1e-8)).masked_fill(~mask, 0)


def whiten_rows(x, mask):
    result = torch.zeros_like(x)
    for i, real in enumerate(mask):
        row = x[i, real]
        result[i, real] = (row - row.mean()) / (row.var() + 1e-8).sqrt()
    return result


def whiten_and_forget_padding(x, mask):
    real = x[mask]
    return (x - real.mean()) / (real.var() + 1e-8) ** 0.5


def whiten_by_variance(x, mask):
    real = x[mask]
    return torch.where(mask, (x - real.mean()) / (real.var() + 1e-8), 0.0)


def only_scale(x, mask):
    return x.masked_fill(~mask, 0) / (x[mask].var() + 1e-8).sqrt()


def only_shift(x, mask):
    return (x - x[mask].mean()).masked_fill(~mask, 0)


def whiten_by_n(x, mask):
    mean = x[mask].mean()
    return ((x - mean) / (((x[mask] - mean) ** 2).mean() + 1e-8).sqrt()).masked_fill(~mask, 0)


def whiten_without_epsilon(x, mask):
    result = torch.zeros_like(x)
    result[mask] = (x[mask] - x[mask].mean()) / x[mask].var().sqrt()
    return result


# --- Policy losses ------------------------------------------------------------


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


# --- The value function -------------------------------------------------------


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


# --- KL -----------------------------------------------------------------------


def k1_by_quotient(logprobs, ref_logprobs):
    return torch.log(logprobs.exp() / ref_logprobs.exp())


def k1_by_minus(ref_logprobs, logprobs):
    return -(ref_logprobs - logprobs)


def k1_other_way(logprobs, ref_logprobs):
    return torch.log(ref_logprobs.exp() / logprobs.exp())


def k1_without_log(logprobs, ref_logprobs):
    return logprobs.exp() / ref_logprobs.exp()


def k1_weighted(logprobs, ref_logprobs):
    p, q = logprobs.exp(), ref_logprobs.exp()
    return p * torch.log(p / q)


def k1_absolute(logprobs, ref_logprobs):
    return torch.abs(ref_logprobs - logprobs)


def k1_of_logs(logprobs, ref_logprobs):
    return torch.div(logprobs, ref_logprobs)


def k1_averaged(logprobs, ref_logprobs):
    return logprobs.mean() - ref_logprobs.mean()


def k2_by_product(logprobs, ref_logprobs):
    log_ratio = ref_logprobs - logprobs
    return log_ratio * log_ratio / 2


def k2_by_mse(logprobs, ref_logprobs):
    return F.mse_loss(logprobs, ref_logprobs, reduction="none") / 2


def k2_without_half(logprobs, ref_logprobs):
    return F.mse_loss(logprobs, ref_logprobs, reduction="none")


def k2_without_square(logprobs, ref_logprobs):
    return logprobs / 2 - ref_logprobs / 2


def k2_absolute(logprobs, ref_logprobs):
    return torch.abs(ref_logprobs - logprobs) / 2


def k2_of_probabilities(logprobs, ref_logprobs):
    return F.mse_loss(logprobs.exp(), ref_logprobs.exp(), reduction="none") / 2


def k2_quarter(logprobs, ref_logprobs):
    half = (logprobs - ref_logprobs) / 2
    return half * half


def k3_by_ratio(logprobs, ref_logprobs):
    r = ref_logprobs.exp() / logprobs.exp()
    return r - 1 - r.log()


def k3_as_k1_with_control(ref_logprobs, logprobs):
    return (logprobs - ref_logprobs) + torch.expm1(ref_logprobs - logprobs)


def k3_upside_down(logprobs, ref_logprobs):
    r = logprobs.exp() / ref_logprobs.exp()
    return r - 1 - r.log()


def k3_plus_log(logprobs, ref_logprobs):
    r = torch.exp(ref_logprobs - logprobs)
    return (r - 1) + torch.log(r)


def k3_control_alone(logprobs, ref_logprobs):
    return torch.expm1(ref_logprobs - logprobs)


def k3_without_one(logprobs, ref_logprobs):
    return logprobs - ref_logprobs + torch.exp(ref_logprobs - logprobs)


def k3_negative(logprobs, ref_logprobs):
    r = torch.exp(ref_logprobs - logprobs)
    return torch.log(r) - r + 1


def rewards_by_loop(scores, logprobs, ref_logprobs, mask, beta):
    rewards = torch.zeros_like(logprobs)
    for i, length in enumerate(mask.sum(1).tolist()):
        for t in range(length):
            rewards[i, t] = -beta * (logprobs[i, t] - ref_logprobs[i, t])
        rewards[i, length - 1] += scores[i]
    return rewards


def rewards_by_scatter(logprobs, ref_logprobs, scores, mask, beta):
    rewards = beta * (ref_logprobs - logprobs) * mask
    last = mask.long().cumsum(1).argmax(1, keepdim=True)
    return rewards.scatter_add(1, last, scores.unsqueeze(1))


def rewards_by_one_hot(scores, logprobs, ref_logprobs, mask, beta):
    last = F.one_hot(mask.sum(1) - 1, mask.shape[1])
    return scores[:, None] * last - beta * (logprobs - ref_logprobs).masked_fill(~mask, 0)


def penalties(logprobs, ref_logprobs, mask):
    return torch.where(mask, logprobs - ref_logprobs, torch.zeros(()))


def score_everywhere(scores, logprobs, ref_logprobs, mask, beta):
    return (scores[:, None] - beta * (logprobs - ref_logprobs)) * mask


def score_in_last_column(scores, logprobs, ref_logprobs, mask, beta):
    rewards = -beta * penalties(logprobs, ref_logprobs, mask)
    rewards[:, -1] += scores
    return rewards


def bonus_for_leaving(scores, logprobs, ref_logprobs, mask, beta):
    rewards = beta * penalties(logprobs, ref_logprobs, mask)
    rewards[range(len(scores)), mask.sum(1) - 1] += scores
    return rewards


def penalty_at_padding(scores, logprobs, ref_logprobs, mask, beta):
    rewards = -beta * (logprobs - ref_logprobs)
    for i, length in enumerate(mask.sum(1)):
        rewards[i, length - 1] += scores[i]
    return rewards


def penalty_in_one_lump(scores, logprobs, ref_logprobs, mask, beta):
    rewards = torch.zeros_like(logprobs)
    total = penalties(logprobs, ref_logprobs, mask).sum(1)
    rewards[range(len(scores)), mask.sum(1) - 1] = scores - beta * total
    return rewards


def rewards_without_beta(scores, logprobs, ref_logprobs, mask, beta):
    rewards = -penalties(logprobs, ref_logprobs, mask)
    rewards[range(len(scores)), mask.sum(1) - 1] += scores
    return rewards


def score_alone(scores, logprobs, ref_logprobs, mask, beta):
    return F.one_hot(mask.sum(1) - 1, mask.shape[1]) * scores[:, None]


def penalty_alone(scores, logprobs, ref_logprobs, mask, beta):
    return beta * penalties(ref_logprobs, logprobs, mask)


# --- Four bits ----------------------------------------------------------------


def quantize_by_loop(weight, block=64):
    levels = NF4_LEVELS.tolist()
    codes, scales = [], []
    for numbers in weight.flatten().split(block):
        scale = max(abs(number) for number in numbers.tolist())
        scales.append(scale)
        codes += [min(range(16), key=lambda i: abs(levels[i] - x / scale)) for x in numbers.tolist()]
    return torch.tensor(codes).reshape(weight.shape), torch.tensor(scales)


def quantize_by_distance(block, weight):
    blocks = weight.view(-1, block)
    absmax = torch.linalg.vector_norm(blocks, ord=math.inf, dim=1)
    distances = (blocks[:, :, None] - absmax[:, None, None] * NF4_LEVELS).abs()
    return distances.argmin(2).view_as(weight), absmax


def quantize_in_numpy(weight, block):
    blocks = weight.numpy().reshape(-1, block)
    absmax = np.abs(blocks).max(axis=1)
    levels = NF4_LEVELS.numpy()
    codes = np.searchsorted((levels[1:] + levels[:-1]) / 2, blocks / absmax[:, None])
    return torch.tensor(codes.reshape(weight.shape)), torch.tensor(absmax)


def coded(blocks, scales, shape, levels=NF4_LEVELS):
    """Codes of the nearest levels, from distances in the weight's own units."""
    return (blocks[:, :, None] - scales[:, None, None] * levels).abs().argmin(2).reshape(shape)


def quantize_with_one_scale(weight, block):
    blocks = weight.reshape(-1, block)
    absmax = torch.full((len(blocks),), weight.abs().max().item())
    return coded(blocks, absmax, weight.shape), absmax


def quantize_by_rows(weight, block):
    absmax = weight.abs().max(dim=1).values
    return coded(weight, absmax, weight.shape), absmax


def quantize_by_largest(weight, block):
    blocks = weight.reshape(-1, block)
    largest = blocks.max(dim=1).values
    return coded(blocks, largest, weight.shape), largest


def quantize_evenly(weight, block):
    blocks = weight.reshape(-1, block)
    absmax = blocks.abs().max(dim=1).values
    return torch.round((blocks / absmax[:, None] + 1) * 7.5).long().reshape(weight.shape), absmax


def quantize_downwards(weight, block):
    blocks = weight.reshape(-1, block)
    absmax = blocks.abs().max(dim=1).values
    below = (blocks[:, :, None] / absmax[:, None, None] >= NF4_LEVELS).sum(2) - 1
    return below.reshape(weight.shape), absmax


def quantize_magnitudes(weight, block):
    blocks = weight.abs().reshape(-1, block)
    absmax = blocks.max(dim=1).values
    return coded(blocks, absmax, weight.shape), absmax


def quantize_to_levels(weight, block):
    codes, absmax = quantize_by_distance(block, weight)
    return NF4_LEVELS.gather(0, codes.flatten()).reshape(weight.shape), absmax


def dequantize_by_loop(codes, absmax):
    size = codes.numel() // len(absmax)
    numbers = [NF4_LEVELS[code] * absmax[i // size] for i, code in enumerate(codes.flatten().tolist())]
    return torch.stack(numbers).reshape(codes.shape)


def dequantize_by_repeating(absmax, codes):
    scales = absmax.repeat_interleave(codes.numel() // absmax.numel())
    return NF4_LEVELS[codes] * scales.view(codes.shape)


def dequantize_without_scale(codes, absmax):
    return NF4_LEVELS.gather(0, codes.flatten()).reshape(codes.shape)


def dequantize_with_one_scale(codes, absmax):
    return torch.max(absmax) * torch.stack([NF4_LEVELS[row] for row in codes])


def dequantize_evenly(codes, absmax):
    scales = absmax.repeat_interleave(codes.numel() // absmax.numel()).reshape(codes.shape)
    return (codes / 7.5 - 1) * scales


def dequantize_the_codes(codes, absmax):
    return codes * absmax.repeat_interleave(codes.numel() // absmax.numel()).reshape(codes.shape)


def dequantize_by_dividing(codes, absmax):
    return NF4_LEVELS[codes] / absmax.repeat_interleave(codes.numel() // absmax.numel()).reshape(codes.shape)


def dequantize_interleaved(codes, absmax):
    numbers = NF4_LEVELS[codes].reshape(-1, len(absmax)) * absmax
    return numbers.reshape(codes.shape)


# --- LoRA ---------------------------------------------------------------------


def lora_by_linear(x, weight, a, b, alpha):
    return F.linear(x, weight.detach()) + F.linear(F.linear(x, a), b) * (alpha / a.shape[0])


def lora_by_merging(a, b, x, alpha, weight):
    return F.linear(x, weight.detach() + alpha / b.shape[1] * b @ a)


def lora_by_einsum(x, weight, a, b, alpha):
    update = torch.einsum("...i,ri,or->...o", x, a, b)
    with torch.no_grad():
        frozen = weight.clone()
    return torch.einsum("...i,oi->...o", x, frozen) + update * alpha / len(a)


def lora_times_alpha(x, weight, a, b, alpha):
    return F.linear(x, weight + alpha * b @ a)


def lora_unscaled(x, weight, a, b, alpha):
    return F.linear(x, weight + b @ a)


def lora_scaled_inversely(x, weight, a, b, alpha):
    return F.linear(x, weight) + len(a) / alpha * F.linear(F.linear(x, a), b)


def lora_b_first(x, weight, a, b, alpha):
    return F.linear(x, weight) + alpha / len(a) * F.linear(F.linear(x, b), a)


def lora_on_transposed_base(x, weight, a, b, alpha):
    return F.linear(x, weight.T) + alpha / len(a) * F.linear(F.linear(x, a), b)


def lora_without_base(x, weight, a, b, alpha):
    return F.linear(F.linear(x, a), b) * (alpha / len(a))


def lora_training_the_base(x, weight, a, b, alpha):
    return F.linear(x, weight) + alpha / len(a) * F.linear(F.linear(x, a), b)


def merge_by_outer_products(weight, a, b, alpha):
    merged = weight.clone()
    for i in range(len(a)):
        merged += alpha / len(a) * torch.outer(b[:, i], a[i])
    return merged


def merge_by_addmm(a, b, weight, alpha):
    return torch.addmm(weight, b, a, alpha=alpha / a.shape[0])


def merge_in_the_wrong_order(weight, a, b, alpha):
    return torch.addmm(weight, a, b, alpha=alpha / a.shape[0])


def merge_transposed(weight, a, b, alpha):
    return weight + alpha / a.shape[0] * torch.mm(a.T, b.T)


def merge_times_alpha(weight, a, b, alpha):
    return torch.addmm(weight, b, a, alpha=alpha)


def merge_unscaled(weight, a, b, alpha):
    return torch.addmm(weight, b, a)


def merge_the_update_alone(weight, a, b, alpha):
    return torch.mm(b, a) * alpha / a.shape[0]


def unmerge(weight, a, b, alpha):
    return torch.addmm(weight, b, a, alpha=-alpha / a.shape[0])


# --- Log-probabilities of a response ------------------------------------------


def logprobs_by_loop(logits, ids, prompt_length):
    columns = []
    for t in range(prompt_length, ids.shape[1]):
        every = F.log_softmax(logits[:, t - 1], dim=-1)
        columns.append(every[torch.arange(len(ids)), ids[:, t]])
    return torch.stack(columns, dim=1)


def logprobs_by_cross_entropy(ids, logits, prompt_length):
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    return -losses[:, prompt_length - 1 :]


def logprobs_by_logsumexp(logits, ids, prompt_length):
    logits, ids = logits[:, prompt_length - 1 : -1], ids[:, prompt_length:]
    return logits.gather(2, ids[..., None])[..., 0] - logits.logsumexp(dim=2)


def crossed(logits, ids):
    return -F.cross_entropy(logits.transpose(1, 2), ids, reduction="none")


def logprobs_unshifted(logits, ids, prompt_length):
    return crossed(logits, ids)[:, prompt_length:]


def logprobs_without_the_first(logits, ids, prompt_length):
    return crossed(logits[:, :-1], ids[:, 1:])[:, prompt_length:]


def logprobs_shifted_back(logits, ids, prompt_length):
    return crossed(logits[:, 1:], ids[:, :-1])[:, prompt_length:]


def logprobs_with_the_prompt(logits, ids, prompt_length):
    return crossed(logits[:, :-1], ids[:, 1:])


def picked_logits(logits, ids, prompt_length):
    shifted = logits[:, :-1].gather(2, ids[:, 1:, None]).squeeze(2)
    return shifted[:, prompt_length - 1 :]


def picked_probabilities(logits, ids, prompt_length):
    shifted = F.softmax(logits, dim=-1)[:, :-1].gather(2, ids[:, 1:, None]).squeeze(2)
    return shifted[:, prompt_length - 1 :]


def logprobs_over_positions(logits, ids, prompt_length):
    logits = F.log_softmax(logits[:, prompt_length - 1 : -1], dim=-2)
    return logits.gather(2, ids[:, prompt_length:, None]).squeeze(2)


def summed_logprobs(logits, ids, prompt_length):
    return crossed(logits[:, :-1], ids[:, 1:])[:, prompt_length - 1 :].sum(dim=-1)


# --- DPO ----------------------------------------------------------------------


def dpo_by_softplus(chosen, rejected, ref_chosen, ref_rejected, beta):
    with torch.no_grad():
        reference_gap = ref_chosen - ref_rejected
    return F.softplus(-beta * (chosen - rejected - reference_gap)).mean()


def dpo_by_cross_entropy(ref_chosen, ref_rejected, chosen, rejected, beta=0.1):
    gap = beta * (chosen - ref_chosen.detach()) - beta * (rejected - ref_rejected.detach())
    return F.binary_cross_entropy_with_logits(gap, torch.ones_like(gap))


def dpo_by_loop(chosen, rejected, ref_chosen, ref_rejected, beta):
    rows = zip(chosen, rejected, ref_chosen.tolist(), ref_rejected.tolist(), strict=True)
    losses = [-F.logsigmoid(beta * (c - rc - r + rr)) for c, r, rc, rr in rows]
    return sum(losses) / len(losses)


def gap(chosen, rejected, ref_chosen, ref_rejected):
    return chosen - rejected - ref_chosen + ref_rejected


def dpo_without_reference(chosen, rejected, ref_chosen, ref_rejected, beta):
    return F.softplus(beta * (rejected - chosen)).mean()


def dpo_swapped(chosen, rejected, ref_chosen, ref_rejected, beta):
    return F.softplus(beta * gap(chosen, rejected, ref_chosen, ref_rejected)).mean()


def dpo_without_minus(chosen, rejected, ref_chosen, ref_rejected, beta):
    return -F.softplus(-beta * gap(chosen, rejected, ref_chosen, ref_rejected)).mean()


def dpo_beta_outside(chosen, rejected, ref_chosen, ref_rejected, beta):
    return beta * F.softplus(-gap(chosen, rejected, ref_chosen, ref_rejected)).mean()


def dpo_without_beta(chosen, rejected, ref_chosen, ref_rejected, beta):
    return F.softplus(-gap(chosen, rejected, ref_chosen, ref_rejected)).mean()


def dpo_as_probability(chosen, rejected, ref_chosen, ref_rejected, beta):
    return F.logsigmoid(beta * gap(chosen, rejected, ref_chosen, ref_rejected)).exp().mean()


def dpo_summed(chosen, rejected, ref_chosen, ref_rejected, beta):
    return F.softplus(-beta * gap(chosen, rejected, ref_chosen, ref_rejected)).sum()


def dpo_overflowing(chosen, rejected, ref_chosen, ref_rejected, beta):
    return -torch.log(torch.sigmoid(beta * gap(chosen, rejected, ref_chosen, ref_rejected))).mean()


def dpo_training_the_reference(chosen, rejected, ref_chosen, ref_rejected, beta):
    return F.softplus(-beta * gap(chosen, rejected, ref_chosen, ref_rejected)).mean()


RIGHT = {
    "masked_mean": [mean_by_loop, mean_by_where, mean_by_select],
    "masked_whiten": [whiten_by_standardizing, whiten_by_sums],
    "reinforce_loss": [reinforce_selected, reinforce_by_sums, reinforce_by_loop],
    "clipped_policy_loss": [ppo_by_max_of_losses, ppo_by_sign, ppo_by_loop],
    "gae": [gae_by_rows, gae_by_matrix, gae_in_numpy],
    "clipped_value_loss": [value_loss_by_where, value_loss_by_loop],
    "kl_k1": [k1_by_quotient, k1_by_minus],
    "kl_k2": [k2_by_product, k2_by_mse],
    "kl_k3": [k3_by_ratio, k3_as_k1_with_control],
    "kl_penalized_rewards": [rewards_by_loop, rewards_by_scatter, rewards_by_one_hot],
    "quantize_nf4": [quantize_by_loop, quantize_by_distance, quantize_in_numpy],
    "dequantize_nf4": [dequantize_by_loop, dequantize_by_repeating],
    "lora_forward": [lora_by_linear, lora_by_merging, lora_by_einsum],
    "lora_merge": [merge_by_outer_products, merge_by_addmm],
    "completion_logprobs": [logprobs_by_loop, logprobs_by_cross_entropy, logprobs_by_logsumexp],
    "dpo_loss": [dpo_by_softplus, dpo_by_cross_entropy, dpo_by_loop],
}
WRONG = {
    "masked_mean": {
        "padding": [mean_of_all],
        "zeros counted": [mean_with_zeros],
        "per response": [mean_of_responses],
        "vector": [mean_each_response],
        "sum": [sum_of_real],
        "nan": [mean_by_product],
    },
    "masked_whiten": {
        "padding": [whiten_all],
        "per response": [whiten_rows],
        "padding kept": [whiten_and_forget_padding],
        "variance": [whiten_by_variance],
        "not shifted": [only_scale],
        "not scaled": [only_shift],
        "biased": [whiten_by_n],
        "zero variance": [whiten_without_epsilon],
    },
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
    },
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
    },
    "kl_k1": {
        "direction": [k1_other_way],
        "ratio": [k1_without_log],
        "weighted": [k1_weighted],
        "absolute": [k1_absolute],
        "quotient of logs": [k1_of_logs],
        "mean": [k1_averaged],
    },
    "kl_k2": {
        "no half": [k2_without_half],
        "no square": [k2_without_square],
        "absolute": [k2_absolute],
        "probabilities": [k2_of_probabilities],
        "half squared": [k2_quarter],
    },
    "kl_k3": {
        "direction": [k3_upside_down],
        "plus log": [k3_plus_log],
        "no log": [k3_control_alone],
        "no minus one": [k3_without_one],
        "negative": [k3_negative],
        "half square": [k2_by_mse],
    },
    "kl_penalized_rewards": {
        "every token": [score_everywhere],
        "last column": [score_in_last_column],
        "sign": [bonus_for_leaving],
        "padding": [penalty_at_padding],
        "penalty at the end": [penalty_in_one_lump],
        "no beta": [rewards_without_beta],
        "no penalty": [score_alone],
        "no score": [penalty_alone],
    },
    "quantize_nf4": {
        "one scale": [quantize_with_one_scale],
        "rows": [quantize_by_rows],
        "largest": [quantize_by_largest],
        "uniform": [quantize_evenly],
        "below": [quantize_downwards],
        "no sign": [quantize_magnitudes],
        "levels": [quantize_to_levels],
    },
    "dequantize_nf4": {
        "no scale": [dequantize_without_scale],
        "one scale": [dequantize_with_one_scale],
        "uniform": [dequantize_evenly],
        "codes as numbers": [dequantize_the_codes],
        "divides": [dequantize_by_dividing],
        "interleaved": [dequantize_interleaved],
    },
    "lora_forward": {
        "alpha": [lora_times_alpha],
        "no scale": [lora_unscaled],
        "inverse scale": [lora_scaled_inversely],
        "swapped": [lora_b_first],
        "base transposed": [lora_on_transposed_base],
        "update only": [lora_without_base],
        "base trains": [lora_training_the_base],
    },
    "lora_merge": {
        "order": [merge_in_the_wrong_order],
        "transposed": [merge_transposed],
        "alpha": [merge_times_alpha],
        "no scale": [merge_unscaled],
        "update only": [merge_the_update_alone],
        "minus": [unmerge],
    },
    "completion_logprobs": {
        "no shift": [logprobs_unshifted],
        "first token lost": [logprobs_without_the_first],
        "wrong way": [logprobs_shifted_back],
        "prompt too": [logprobs_with_the_prompt],
        "raw logits": [picked_logits],
        "probabilities": [picked_probabilities],
        "wrong axis": [logprobs_over_positions],
        "sum": [summed_logprobs],
    },
    "dpo_loss": {
        "no reference": [dpo_without_reference],
        "sign": [dpo_swapped],
        "no minus": [dpo_without_minus],
        "beta outside": [dpo_beta_outside],
        "no beta": [dpo_without_beta],
        "no log": [dpo_as_probability],
        "sum": [dpo_summed],
        "overflow": [dpo_overflowing],
        "reference trains": [dpo_training_the_reference],
    },
}

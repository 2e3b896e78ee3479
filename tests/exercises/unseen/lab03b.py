"""Lab 03, second part: whitening, the value loss and the KL penalty, as students write them."""

import torch

from tests.exercises.unseen.lab03a import mean_over
from tests.exercises.unseen.record import (
    ALREADY_LOGS,
    DATA,
    EACH,
    HALF,
    MASK,
    SAMPLE,
    SIGN,
    STABLE,
    WEIGHTED,
    Unseen,
)

# masked_whiten


def whiten_no_mask(x, mask):  # mean and variance take padding in
    return (x - x.mean()) / torch.sqrt(x.var() + 1e-8) * mask


def whiten_population(x, mask):  # variance of n
    real = x[mask]
    out = (x - real.mean()) / (real.var(unbiased=False) + 1e-8).sqrt()
    return torch.where(mask, out, torch.zeros_like(x))


def whiten_keeps_padding(x, mask):  # padding is shifted and scaled, not 0
    real = x[mask]
    return (x - real.mean()) * torch.rsqrt(real.var() + 1e-8)


def whiten_by_variance(x, mask):  # divides by the variance
    m, v = x[mask].mean(), x[mask].var()
    return torch.where(mask, (x - m) / (v + 1e-8), 0.0)


def whiten_per_row(x, mask):  # every response by itself
    out = torch.zeros_like(x)
    for i, m in enumerate(mask):
        row = x[i][m]
        out[i][m] = (row - row.mean()) / (row.var() + 1e-8).sqrt() if len(row) > 1 else row * 0
    return out


def whiten_zeros_in_variance(x, mask):  # variance of zeros at padding too
    n = mask.sum()
    mean = (x * mask).sum() / n
    var = ((x * mask - mean) ** 2).sum() / (n - 1)
    return (x - mean) / torch.sqrt(var + 1e-8) * mask


def whiten_no_epsilon(x, mask):  # NaN where all are equal
    real = x[mask]
    return torch.where(mask, (x - real.mean()) / real.std(), 0.0)


def whiten_not_centered(x, mask):  # scaled only
    return torch.where(mask, x / (x[mask].var() + 1e-8).sqrt(), 0.0)


def whiten_right_scatter(x, mask):
    real = x[mask]
    out = torch.zeros_like(x)
    out[mask] = (real - real.mean()) / torch.sqrt(real.var(correction=1) + 1e-8)
    return out


def whiten_right_sums(x, mask):
    x, n = x.masked_fill(~mask, 0.0), mask.sum()
    centered = (x - x.sum() / n).masked_fill(~mask, 0.0)
    variance = centered.square().sum() / (n - 1)
    return centered * torch.rsqrt(variance + 1e-8)


# clipped_value_loss


def value_min(values, old_values, returns, mask, clip=0.2):  # the smaller error
    old, ret = old_values.detach(), returns.detach()
    clipped = old + (values - old).clamp(-clip, clip)
    return 0.5 * mean_over(torch.minimum((values - ret) ** 2, (clipped - ret) ** 2), mask)


def value_no_half(values, old_values, returns, mask, clip=0.2):  # the half is missing
    old, ret = old_values.detach(), returns.detach()
    clipped = old + torch.clamp(values - old, -clip, clip)
    return mean_over(torch.max((values - ret) ** 2, (clipped - ret) ** 2), mask)


def value_no_detach(values, old_values, returns, mask, clip=0.2):  # gradient to old values and returns
    vpredclipped = torch.clamp(values, old_values - clip, old_values + clip)
    vf_losses1 = (values - returns) ** 2
    vf_losses2 = (vpredclipped - returns) ** 2
    return 0.5 * torch.max(vf_losses1, vf_losses2)[mask].mean()


def value_no_mask(values, old_values, returns, mask, clip=0.2):  # padding counted
    old, ret = old_values.detach(), returns.detach()
    clipped = old + (values - old).clamp(-clip, clip)
    return 0.5 * torch.maximum((values - ret).square(), (clipped - ret).square()).mean()


def value_only_clipped(values, old_values, returns, mask, clip=0.2):  # no maximum
    old, ret = old_values.detach(), returns.detach()
    clipped = old + (values - old).clamp(-clip, clip)
    return 0.5 * mean_over((clipped - ret) ** 2, mask)


def value_clips_the_value(values, old_values, returns, mask, clip=0.2):  # clips V itself to +-clip
    ret = returns.detach()
    return 0.5 * mean_over(torch.max((values - ret) ** 2, (values.clamp(-clip, clip) - ret) ** 2), mask)


def value_max_of_means(values, old_values, returns, mask, clip=0.2):  # max of two means
    old, ret = old_values.detach(), returns.detach()
    clipped = old + (values - old).clamp(-clip, clip)
    return 0.5 * torch.max(mean_over((values - ret) ** 2, mask), mean_over((clipped - ret) ** 2, mask))


def value_ratio_clip(values, old_values, returns, mask, clip=0.2):  # PPO's bounds 1 - clip and 1 + clip
    old, ret = old_values.detach(), returns.detach()
    clipped = old + (values - old).clamp(1 - clip, 1 + clip)
    return 0.5 * mean_over(torch.max((values - ret) ** 2, (clipped - ret) ** 2), mask)


def value_right_loop(values, old_values, returns, mask, clip=0.2):
    losses = []
    for v, o, r in zip(values[mask], old_values[mask].detach(), returns[mask].detach(), strict=True):
        vc = torch.min(torch.max(v, o - clip), o + clip)
        losses.append(torch.max((v - r) ** 2, (vc - r) ** 2) / 2)
    return sum(losses) / len(losses)


def value_right_errors(values, old_values, returns, mask, clip=0.2):
    v, o, r = values[mask], old_values[mask].detach(), returns[mask].detach()
    bound = torch.maximum((v - r).abs(), (o + (v - o).clip(-clip, clip) - r).abs())
    return bound.square().mean().mul(0.5)


# kl_k1, kl_k2, kl_k3


def k1_log_of_ratio(logprobs, ref_logprobs):  # exponentials first: 0 / 0 for improbable tokens
    p, q = logprobs.exp(), ref_logprobs.exp()
    return torch.log(p / q)


def k1_kl_div(logprobs, ref_logprobs):  # PyTorch's kl_div weights each token with its probability
    return torch.nn.functional.kl_div(ref_logprobs, logprobs, reduction="none", log_target=True)


def k2_integer_half(logprobs, ref_logprobs):  # 1 // 2 is 0
    return 1 // 2 * (logprobs - ref_logprobs) ** 2


def k3_log_of_exp(logprobs, ref_logprobs):  # log(exp(x)) is infinite where exp(x) is 0
    r = torch.exp(ref_logprobs) / torch.exp(logprobs)
    return (r - 1) - torch.log(r)


def k3_ratio_of_logs(logprobs, ref_logprobs):  # divides the log-probabilities
    r = ref_logprobs / logprobs
    return (r - 1) - torch.log(r)


def k3_ratio_inverted(logprobs, ref_logprobs):  # r is policy / reference
    log_r = logprobs - ref_logprobs
    return log_r.exp() - 1 - log_r


# kl_penalized_rewards


def penalized_loop(scores, logprobs, ref_logprobs, mask, beta):
    out = torch.zeros_like(logprobs)
    for i, n in enumerate(mask.sum(1).tolist()):
        out[i, :n] = -beta * (logprobs[i, :n] - ref_logprobs[i, :n])
        out[i, n - 1] += scores[i]
    return out


def penalized_last_column(scores, logprobs, ref_logprobs, mask, beta):  # the score lands in the last column
    rewards = -beta * (logprobs - ref_logprobs) * mask
    rewards[:, -1] += scores
    return rewards


def penalized_score_everywhere(scores, logprobs, ref_logprobs, mask, beta):  # the score at every token
    return torch.where(mask, scores[:, None] - beta * (logprobs - ref_logprobs), 0.0)


def penalized_plus(scores, logprobs, ref_logprobs, mask, beta):  # the KL is paid out instead of charged
    return penalized_loop(scores, logprobs, ref_logprobs, mask, -beta)


def penalized_padding(scores, logprobs, ref_logprobs, mask, beta):  # padding pays too
    kl = logprobs - ref_logprobs
    r = -beta * kl
    r[torch.arange(len(r)), mask.sum(1) - 1] += scores
    return r


def penalized_replaces_kl(scores, logprobs, ref_logprobs, mask, beta):  # the score replaces the last token's penalty
    r = torch.where(mask, -beta * (logprobs - ref_logprobs), 0.0)
    last = mask.long().cumsum(1).argmax(1)
    r[torch.arange(len(r)), last] = scores
    return r


def penalized_beta_on_score(scores, logprobs, ref_logprobs, mask, beta):  # beta weighs the score too
    return penalized_loop(beta * scores, logprobs, ref_logprobs, mask, beta)


def penalized_kl_at_end(scores, logprobs, ref_logprobs, mask, beta):  # the whole penalty at the last token
    kl = torch.where(mask, logprobs - ref_logprobs, 0.0).sum(1)
    out = torch.zeros_like(logprobs)
    for i, m in enumerate(mask):
        out[i, m.sum() - 1] = scores[i] - beta * kl[i]
    return out


def penalized_k3(scores, logprobs, ref_logprobs, mask, beta):  # k3 in place of k1
    d = ref_logprobs - logprobs
    r = torch.where(mask, -beta * (d.exp() - 1 - d), 0.0)
    r[torch.arange(len(r)), mask.sum(1) - 1] += scores
    return r


def penalized_one_before(scores, logprobs, ref_logprobs, mask, beta):  # one token too early
    r = torch.where(mask, -beta * (logprobs - ref_logprobs), 0.0)
    r[range(len(r)), mask.sum(1) - 2] += scores
    return r


def penalized_right_shift(scores, logprobs, ref_logprobs, mask, beta):
    is_last = mask & ~torch.nn.functional.pad(mask, (0, 1))[:, 1:]
    k1 = (logprobs - ref_logprobs).masked_fill(~mask, 0)
    return scores.unsqueeze(1) * is_last - beta * k1


UNSEEN = [
    Unseen("masked_whiten", whiten_no_mask, 1, MASK, SAMPLE),
    Unseen("masked_whiten", whiten_population, 2, SAMPLE + (r"variance of n\b|divid\w+ by n\b",), (r"padding",)),
    Unseen("masked_whiten", whiten_keeps_padding, 3, (r"padding",), SAMPLE),
    Unseen("masked_whiten", whiten_per_row, 4, (r"each (row|response|text)|per[- ](row|response)|batch|itself",)),
    Unseen(
        "masked_whiten", whiten_by_variance, 5, (r"square root|\bsqrt|root|standard deviation|by the variance",), SAMPLE
    ),
    Unseen("masked_whiten", whiten_zeros_in_variance, 6, (r"padding|mask",), SAMPLE),
    Unseen("masked_whiten", whiten_no_epsilon, 7, (r"1e-8|epsilon|equal|same|\bnan\b|divi\w+ by (0|zero)|constant",)),
    Unseen("masked_whiten", whiten_not_centered, 8, (r"mean",), (r"padding", *SAMPLE)),
    Unseen("clipped_value_loss", value_no_half, 1, (r"half|0\.5|1 ?/ ?2|twice|factor|double",)),
    Unseen("clipped_value_loss", value_min, 2, (r"\bmax|larger|smaller|\bmin",)),
    Unseen("clipped_value_loss", value_no_detach, 3, DATA),
    Unseen("clipped_value_loss", value_no_mask, 4, MASK),
    Unseen(
        "clipped_value_loss", value_only_clipped, 5, (r"\bmax|larger|unclipped|only (the )?clipped|both",), (r"half",)
    ),
    Unseen("clipped_value_loss", value_clips_the_value, 6, (r"old|change|difference|itself|around",), (r"half",)),
    Unseen(
        "clipped_value_loss", value_max_of_means, 7, (r"each token|token by token|for every token|per[- ]token|means",)
    ),
    Unseen("clipped_value_loss", value_ratio_clip, 8, (r"-clip|1 ?[-+]|around|ratio|epsilon|old",), (r"half",)),
    # turned round
    Unseen("kl_k1", lambda logprobs, ref_logprobs: ref_logprobs - logprobs, 1, SIGN),
    # one number for the batch
    Unseen("kl_k1", lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).mean(), 2, EACH),
    # weighted with the policy's probability, as in the sum over all texts
    Unseen("kl_k1", lambda logprobs, ref_logprobs: logprobs.exp() * (logprobs - ref_logprobs), 3, WEIGHTED),
    # log of log-probabilities divided
    Unseen("kl_k1", lambda logprobs, ref_logprobs: torch.log(logprobs / ref_logprobs), 4, ALREADY_LOGS),
    # the ratio without its logarithm
    Unseen("kl_k1", lambda logprobs, ref_logprobs: torch.exp(logprobs - ref_logprobs), 5, (r"\blog|\bexp",), WEIGHTED),
    # never negative by force
    Unseen(
        "kl_k1", lambda logprobs, ref_logprobs: (logprobs - ref_logprobs).abs(), 6, (r"negative|\babs|sign|below 0",)
    ),
    Unseen("kl_k1", k1_log_of_ratio, 7, STABLE),
    Unseen("kl_k1", k1_kl_div, 8, WEIGHTED),
    # the half is missing
    Unseen("kl_k2", lambda logprobs, ref_logprobs: (logprobs - ref_logprobs) ** 2, 1, HALF),
    # the square is missing
    Unseen("kl_k2", lambda logprobs, ref_logprobs: 0.5 * (logprobs - ref_logprobs), 2, (r"squar",), (r"\bmean\b",)),
    # averaged over the tokens
    Unseen("kl_k2", lambda logprobs, ref_logprobs: 0.5 * (logprobs - ref_logprobs).pow(2).mean(), 3, EACH),
    # difference of squares
    Unseen(
        "kl_k2", lambda logprobs, ref_logprobs: (logprobs**2 - ref_logprobs**2) / 2, 4, (r"squar|difference",), HALF
    ),
    # squares the ratio itself
    Unseen(
        "kl_k2",
        lambda logprobs, ref_logprobs: 0.5 * torch.exp(logprobs - ref_logprobs) ** 2,
        5,
        (r"log-?ratio|logarithm|\bexp|\blog\b",),
        (r"\bhalf is missing",),
    ),
    Unseen("kl_k2", k2_integer_half, 6, (r"//|\b0\b|zero|integer|half",)),
    # half inside the square: a quarter
    Unseen(
        "kl_k2",
        lambda logprobs, ref_logprobs: (0.5 * (logprobs - ref_logprobs)) ** 2,
        7,
        (r"half|quarter|factor|0\.5",),
    ),
    Unseen(
        "kl_k3", k3_ratio_inverted, 1, (r"reference / policy|ref / pol|invert|swap|turned|revers|upside|wrong way",)
    ),
    # plus log r
    Unseen(
        "kl_k3",
        lambda logprobs, ref_logprobs: torch.exp(ref_logprobs - logprobs) - 1 + (ref_logprobs - logprobs),
        2,
        (r"sign|minus|plus|subtract|added",),
    ),
    # the 1 is missing
    Unseen(
        "kl_k3",
        lambda logprobs, ref_logprobs: torch.exp(ref_logprobs - logprobs) - (ref_logprobs - logprobs),
        3,
        (r"\b1\b|\bone\b",),
        (r"\bsign\b|invert",),
    ),
    # k1 again
    Unseen("kl_k3", lambda logprobs, ref_logprobs: logprobs - ref_logprobs, 4, (r"k1|r - 1|negative|missing",)),
    Unseen("kl_k3", k3_ratio_of_logs, 5, (r"\bexp|log-probabilit|difference|already|subtract|divid",)),
    Unseen("kl_k3", k3_log_of_exp, 6, STABLE),
    # a scalar
    Unseen(
        "kl_k3",
        lambda logprobs, ref_logprobs: (torch.expm1(ref_logprobs - logprobs) + logprobs - ref_logprobs).mean(),
        7,
        EACH,
    ),
    Unseen("kl_penalized_rewards", penalized_last_column, 1, (r"last (real|token)|column|padding",), (r"\bsign\b",)),
    Unseen("kl_penalized_rewards", penalized_plus, 2, SIGN + (r"rewarded|paid|pays|added",), (r"padding",)),
    Unseen(
        "kl_penalized_rewards", penalized_score_everywhere, 3, (r"\bonce\b|every token|each token|all tokens|only at",)
    ),
    Unseen("kl_penalized_rewards", penalized_padding, 4, (r"padding|mask",), (r"\bsign\b",)),
    Unseen(
        "kl_penalized_rewards",
        penalized_replaces_kl,
        5,
        (r"replac|overwrit|added to|\badd\b|plus|in place of|loses|penalty (of|at) the last",),
        (r"padding",),
    ),
    Unseen("kl_penalized_rewards", penalized_beta_on_score, 6, (r"beta.*score|score.*beta",), (r"padding",)),
    Unseen(
        "kl_penalized_rewards",
        penalized_kl_at_end,
        7,
        (r"every (real )?token|each (real )?token|spread|own (kl|k1|penalty)|token by token|all at",),
        (r"padding|\bsign\b",),
    ),
    Unseen("kl_penalized_rewards", penalized_k3, 8, (r"k1|k3|log-?ratio|log\(policy",), (r"padding",)),
    Unseen(
        "kl_penalized_rewards",
        penalized_one_before,
        9,
        (r"last real|off by one|too early|before the last|n - 1|position|one token",),
    ),
]
RIGHT = {
    "masked_whiten": [whiten_right_scatter, whiten_right_sums],
    "clipped_value_loss": [value_right_loop, value_right_errors],
    "kl_k1": [
        lambda logprobs, ref_logprobs: torch.sub(logprobs, ref_logprobs),
        lambda logprobs, ref_logprobs: -torch.stack([ref_logprobs, -logprobs]).sum(dim=0),
    ],
    "kl_k2": [
        lambda logprobs, ref_logprobs: torch.square(logprobs - ref_logprobs).div(2),
        lambda logprobs, ref_logprobs: torch.nn.functional.mse_loss(logprobs, ref_logprobs, reduction="none") / 2,
    ],
    "kl_k3": [
        lambda logprobs, ref_logprobs: torch.expm1(ref_logprobs - logprobs) - (ref_logprobs - logprobs),
        lambda logprobs, ref_logprobs: (logprobs - ref_logprobs) + (ref_logprobs - logprobs).exp() - 1,
    ],
    "kl_penalized_rewards": [penalized_loop, penalized_right_shift],
}

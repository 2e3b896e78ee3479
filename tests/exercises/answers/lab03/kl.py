"""Answers to the exercises of lab 03: the KL divergence and the penalized rewards."""

import torch
from torch.nn import functional as F


def k1_by_quotient(logprobs, ref_logprobs):
    return torch.log(logprobs.exp() / ref_logprobs.exp())


def k1_by_exp(logprobs, ref_logprobs):
    return torch.exp(logprobs - ref_logprobs).log()


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


def k3_by_exp(logprobs, ref_logprobs):
    r = torch.exp(ref_logprobs - logprobs)
    return r - 1 - r.log()


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


def r_of(logprobs, ref_logprobs):
    return ref_logprobs.exp() / logprobs.exp()


def score_instead_of_the_last_penalty(scores, logprobs, ref_logprobs, mask, beta):
    rewards = -beta * penalties(logprobs, ref_logprobs, mask)
    for i, length in enumerate(mask.sum(1).tolist()):
        rewards[i, length - 1] = scores[i]
    return rewards


def score_one_too_late(scores, logprobs, ref_logprobs, mask, beta):
    rewards = -beta * penalties(logprobs, ref_logprobs, mask)
    for i, length in enumerate(mask.sum(1).tolist()):
        rewards[i, length] += scores[i]
    return rewards


def scores_in_all_rows(scores, logprobs, ref_logprobs, mask, beta):
    rewards = -beta * penalties(logprobs, ref_logprobs, mask)
    rewards[:, mask.sum(1) - 1] += scores
    return rewards


RIGHT = {
    "kl_k1": [k1_by_exp, k1_by_minus],
    "kl_k2": [k2_by_product, k2_by_mse],
    "kl_k3": [k3_by_exp, k3_as_k1_with_control],
    "kl_penalized_rewards": [rewards_by_loop, rewards_by_scatter, rewards_by_one_hot],
}
WRONG = {
    "kl_k1": {
        "underflow": [k1_by_quotient],
        "direction": [k1_other_way],
        "ratio": [k1_without_log],
        "weighted": [k1_weighted],
        "absolute": [k1_absolute],
        "quotient of logs": [k1_of_logs],
        "mean": [k1_averaged],
        "log of log": [lambda logprobs, ref_logprobs: torch.log(torch.div(logprobs, ref_logprobs))],
        "probabilities": [lambda logprobs, ref_logprobs: torch.exp(logprobs).sub(torch.exp(ref_logprobs))],
        "plus": [lambda logprobs, ref_logprobs: torch.add(logprobs, ref_logprobs)],
        "another estimator": [k3_by_exp],
    },
    "kl_k2": {
        "zero": [lambda p, q: 0 * (p - q)],
        "underflow": [lambda p, q: (p.exp() / q.exp()).log().square() / 2],
        "no half": [k2_without_half],
        "no square": [k2_without_square],
        "absolute": [k2_absolute],
        "probabilities": [k2_of_probabilities],
        "half squared": [k2_quarter],
        "ratio": [lambda logprobs, ref_logprobs: (logprobs.exp() / ref_logprobs.exp()).square() / 2],
        "log of log": [lambda logprobs, ref_logprobs: torch.log(logprobs / ref_logprobs).pow(2) / 2],
        "quotient of logs": [lambda logprobs, ref_logprobs: torch.div(logprobs, ref_logprobs).square() / 2],
        "squares apart": [lambda logprobs, ref_logprobs: (logprobs.square() - ref_logprobs.square()) / 2],
        "negative": [lambda logprobs, ref_logprobs: -F.mse_loss(logprobs, ref_logprobs, reduction="none") / 2],
        "brackets": [lambda logprobs, ref_logprobs: (logprobs - ref_logprobs.square()) / 2],
        "plus": [lambda logprobs, ref_logprobs: (logprobs + ref_logprobs).square() / 2],
        "weighted": [
            lambda logprobs, ref_logprobs: (
                torch.exp(logprobs) * F.mse_loss(logprobs, ref_logprobs, reduction="none") / 2
            )
        ],
        "root": [lambda logprobs, ref_logprobs: torch.sqrt((logprobs - ref_logprobs).square() / 2)],
        "power": [lambda logprobs, ref_logprobs: torch.pow(logprobs - ref_logprobs, 3) / 2],
        "mean": [lambda logprobs, ref_logprobs: F.mse_loss(logprobs, ref_logprobs) / 2],
    },
    "kl_k3": {
        "underflow": [k3_by_ratio],
        "direction": [k3_upside_down],
        "plus log": [k3_plus_log],
        "no log": [k3_control_alone],
        "no minus one": [k3_without_one],
        "negative": [k3_negative],
        "half square": [k2_by_mse],
        "one estimator": [k1_by_minus],
        "plus one": [lambda logprobs, ref_logprobs: k3_by_ratio(logprobs, ref_logprobs) + 2],
        "brackets": [
            lambda logprobs, ref_logprobs: torch.exp(ref_logprobs - logprobs - 1) + k1_by_minus(ref_logprobs, logprobs)
        ],
        "product": [
            lambda logprobs, ref_logprobs: (r_of(logprobs, ref_logprobs) - 1) * r_of(logprobs, ref_logprobs).log()
        ],
        "quotient of logs": [
            lambda logprobs, ref_logprobs: ref_logprobs / logprobs - 1 - torch.log(ref_logprobs / logprobs)
        ],
        "no exp": [lambda logprobs, ref_logprobs: torch.full_like(logprobs, -1)],
        "log of log": [
            lambda logprobs, ref_logprobs: r_of(logprobs, ref_logprobs) - 1 - torch.log(ref_logprobs / logprobs)
        ],
        "absolute": [
            lambda logprobs, ref_logprobs: (
                r_of(logprobs, ref_logprobs) - 1 - torch.abs(torch.log(r_of(logprobs, ref_logprobs)))
            )
        ],
        "half": [lambda logprobs, ref_logprobs: k3_by_ratio(logprobs, ref_logprobs) / 2],
        "weighted": [lambda logprobs, ref_logprobs: torch.exp(logprobs) * k3_by_ratio(logprobs, ref_logprobs)],
        "mean": [lambda logprobs, ref_logprobs: torch.mean(k3_by_ratio(logprobs, ref_logprobs))],
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
        "replaces": [score_instead_of_the_last_penalty],
        "off by one": [score_one_too_late],
        "all rows": [scores_in_all_rows],
        "spread": [
            lambda scores, logprobs, ref_logprobs, mask, beta: (
                scores[:, None] / mask.sum(1, keepdim=True) * mask - beta * penalties(logprobs, ref_logprobs, mask)
            )
        ],
        "beta times score": [
            lambda scores, logprobs, ref_logprobs, mask, beta: (
                beta * rewards_by_one_hot(scores, logprobs, ref_logprobs, mask, 1.0)
            )
        ],
        "score minus": [
            lambda scores, logprobs, ref_logprobs, mask, beta: rewards_by_one_hot(
                -scores, logprobs, ref_logprobs, mask, beta
            )
        ],
        "another penalty": [
            lambda scores, logprobs, ref_logprobs, mask, beta: (
                scores[:, None] * F.one_hot(mask.sum(1) - 1, mask.shape[1])
                - beta * torch.where(mask, k2_by_mse(logprobs, ref_logprobs), 0.0)
            )
        ],
        "mean penalty": [
            lambda scores, logprobs, ref_logprobs, mask, beta: (
                scores[:, None] * F.one_hot(mask.sum(1) - 1, mask.shape[1])
                - mask * ((beta * penalties(logprobs, ref_logprobs, mask)).sum(1) / mask.sum(1))[:, None]
            )
        ],
        "sum": [
            lambda scores, logprobs, ref_logprobs, mask, beta: rewards_by_loop(
                scores, logprobs, ref_logprobs, mask, beta
            ).sum(dim=1)
        ],
        "inverted mask": [
            lambda scores, logprobs, ref_logprobs, mask, beta: (
                scores[:, None] * F.one_hot(mask.sum(1) - 1, mask.shape[1])
                - beta * penalties(logprobs, ref_logprobs, ~mask)
            )
        ],
    },
}

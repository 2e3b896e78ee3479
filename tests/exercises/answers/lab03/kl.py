"""Answers to the exercises of lab 03: the KL divergence and the penalized rewards."""

import torch
from torch.nn import functional as F


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


RIGHT = {
    "kl_k1": [k1_by_quotient, k1_by_minus],
    "kl_k2": [k2_by_product, k2_by_mse],
    "kl_k3": [k3_by_ratio, k3_as_k1_with_control],
    "kl_penalized_rewards": [rewards_by_loop, rewards_by_scatter, rewards_by_one_hot],
}
WRONG = {
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
}

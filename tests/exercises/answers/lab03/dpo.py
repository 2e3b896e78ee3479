"""Answers to the exercises of lab 03: log-probabilities of responses, and DPO."""

import torch
from torch.nn import functional as F


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
    "completion_logprobs": [logprobs_by_loop, logprobs_by_cross_entropy, logprobs_by_logsumexp],
    "dpo_loss": [dpo_by_softplus, dpo_by_cross_entropy, dpo_by_loop],
}
WRONG = {
    "completion_logprobs": {
        "no shift": [logprobs_unshifted],
        "first token lost": [logprobs_without_the_first],
        "wrong way": [logprobs_shifted_back],
        "prompt too": [logprobs_with_the_prompt],
        "raw logits": [picked_logits],
        "probabilities": [picked_probabilities],
        "wrong axis": [logprobs_over_positions],
        "sum": [summed_logprobs],
        "underflow": [lambda logits, ids, prompt_length: torch.log(picked_probabilities(logits, ids, prompt_length))],
        "negative": [lambda logits, ids, prompt_length: -logprobs_by_loop(logits, ids, prompt_length)],
        "whole vocabulary": [
            lambda logits, ids, prompt_length: F.log_softmax(logits, dim=-1)[:, prompt_length - 1 : -1]
        ],
        "likeliest": [
            lambda logits, ids, prompt_length: (
                F.log_softmax(logits, dim=-1)[:, prompt_length - 1 : -1].max(dim=-1).values
            )
        ],
        "last token lost": [lambda logits, ids, prompt_length: logprobs_by_loop(logits, ids, prompt_length)[:, :-1]],
        "shape": [lambda logits, ids, prompt_length: logprobs_by_loop(logits, ids, prompt_length)[..., None]],
        "log of logits": [lambda logits, ids, prompt_length: torch.log(picked_logits(logits, ids, prompt_length))],
        "double softmax": [
            lambda logits, ids, prompt_length: logprobs_by_loop(F.softmax(logits, dim=-1), ids, prompt_length)
        ],
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
        "plus": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: F.softplus(
                -(beta * (chosen + rejected - ref_chosen - ref_rejected))
            ).mean()
        ],
        "sign of the reference": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: F.softplus(
                -(beta * (chosen + ref_chosen - rejected - ref_rejected))
            ).mean()
        ],
        "half a reference": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: F.softplus(
                -(beta * (chosen - rejected - ref_chosen))
            ).mean()
        ],
        "policy missing": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: F.softplus(
                -(beta * (ref_chosen - ref_rejected))
            ).mean()
        ],
        "quotient of logs": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: F.softplus(
                -(beta * (chosen / ref_chosen) - beta * (rejected / ref_rejected))
            ).mean()
        ],
        "probability ratios": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: F.softplus(
                -(beta * torch.exp(chosen - ref_chosen) - beta * torch.exp(rejected - ref_rejected))
            ).mean()
        ],
        "log of log": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: F.softplus(
                -(beta * (torch.log(chosen) - torch.log(ref_chosen) - torch.log(rejected) + torch.log(ref_rejected)))
            ).mean()
        ],
        "beta on one": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: F.softplus(
                -(beta * (chosen - ref_chosen) - rejected + ref_rejected)
            ).mean()
        ],
        "divides by beta": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: F.softplus(
                -(gap(chosen, rejected, ref_chosen, ref_rejected) / beta)
            ).mean()
        ],
        "beta fixed": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: dpo_by_cross_entropy(
                ref_chosen, ref_rejected, chosen, rejected
            )
        ],
        "no sigmoid": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: (
                -beta * gap(chosen, rejected, ref_chosen, ref_rejected).mean()
            )
        ],
        "sigmoid of each": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: (
                F.softplus(beta * (ref_chosen - chosen)) - F.softplus(beta * (ref_rejected - rejected))
            ).mean()
        ],
        "other loss": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: F.relu(
                1 - beta * gap(chosen, rejected, ref_chosen, ref_rejected)
            ).mean()
        ],
        "mean first": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: F.softplus(
                -beta * gap(chosen, rejected, ref_chosen, ref_rejected).mean()
            )
        ],
        "no mean": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: F.softplus(
                -beta * gap(chosen, rejected, ref_chosen, ref_rejected)
            )
        ],
        "policy detached": [
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: dpo_training_the_reference(
                chosen.detach(), rejected.detach(), ref_chosen, ref_rejected, beta
            )
        ],
    },
}

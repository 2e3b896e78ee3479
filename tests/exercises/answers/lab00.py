"""Answers to the exercises of lab 00."""

import math
import random

import numpy as np
import pandas as pd
import torch
from scipy import special, stats
from torch.nn import functional as F

from helpers.formulas.bandit import softmax

# --- sft_loss ----------------------------------------------------------


def selected_tokens(logprobs, mask):
    return -logprobs[mask].mean()


def weighted_sum(logprobs, mask):
    return -(logprobs * mask).sum() / mask.sum()


def token_by_token(mask, logprobs):
    total, count = 0, 0
    for row, real in zip(logprobs, mask, strict=True):
        for logprob, counts in zip(row, real, strict=True):
            if counts:
                total, count = total - logprob, count + 1
    return total / count


def forgot_minus(logprobs, mask):
    return (logprobs * mask).sum() / mask.sum()


def every_position(logprobs, mask):
    return -logprobs.sum() / logprobs.numel()


def mean_of_product(logprobs, mask):
    return torch.mean(-logprobs * mask)


def mean_of_rows(logprobs, mask):
    return torch.stack([-row[real].mean() for row, real in zip(logprobs, mask, strict=True)]).mean()


def sums_of_rows(logprobs, mask):
    return -(logprobs * mask).sum() / len(logprobs)


def sum_of_tokens(logprobs, mask):
    return -logprobs[mask].sum()


def mean_probability(logprobs, mask):
    return -(torch.exp(logprobs) * mask).sum() / mask.sum()


# --- bootstrap_mean_interval --------------------------------------------------


def drawn_indices(values, level, n_resamples, seed):
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(values), (len(values), n_resamples))
    return np.percentile(values[drawn].mean(axis=0), [50 * (1 - level), 50 * (1 + level)])


def sorted_means(values, level, n_resamples, seed):
    rng = random.Random(seed)
    values = list(map(float, values))
    means = sorted(sum(rng.choices(values, k=len(values))) / len(values) for _ in range(n_resamples))
    left_out = int(n_resamples * (1 - level) / 2)
    return means[left_out], means[-left_out - 1]


def scipys(sample, confidence, times, seed):
    interval = stats.bootstrap(
        (sample,), np.mean, confidence_level=confidence, n_resamples=times, method="percentile", rng=seed
    )
    return list(interval.confidence_interval)


def shuffled(values, level, n_resamples, seed):
    rng = np.random.default_rng(seed)
    means = [rng.permutation(values).mean() for _ in range(n_resamples)]
    return np.quantile(means, (1 - level) / 2), np.quantile(means, (1 + level) / 2)


def quantiles_of_values(values, level, n_resamples, seed):
    return pd.Series(values).quantile([(1 - level) / 2, (1 + level) / 2]).tolist()


def spread_of_values(values, level, n_resamples, seed):
    return stats.norm.interval(level, loc=np.mean(values), scale=np.std(values))


def whole_tails(values, level, n_resamples, seed):
    drawn = np.random.default_rng(seed).choice(values, size=(n_resamples, len(values)))
    return np.quantile(drawn.mean(axis=1), [1 - level, level])


def other_axis(values, level, n_resamples, seed):
    drawn = np.random.default_rng(seed).choice(values, size=(n_resamples, 300))
    return np.quantile(drawn.mean(axis=0), [(1 - level) / 2, (1 + level) / 2])


def half_samples(values, level, n_resamples, seed):
    rng = np.random.default_rng(seed)
    means = [rng.choice(values, len(values) // 2).mean() for _ in range(n_resamples)]
    return np.quantile(means, [(1 - level) / 2, (1 + level) / 2])


def standard_errors(values, level, n_resamples, seed):
    return stats.norm.interval(level, loc=np.mean(values), scale=stats.sem(values))


# --- softmax ------------------------------------------------------------------


def along_rows(logits):
    shifted = np.exp(logits - np.max(logits, axis=-1)[..., None])
    return shifted / np.sum(shifted, axis=-1)[..., None]


def scipys_softmax(logits):
    return special.softmax(logits, axis=-1)


def torchs(logits):
    return torch.as_tensor(logits).softmax(-1).numpy()


def row_by_row(logits):
    if logits.ndim > 1:
        return np.stack([row_by_row(row) for row in logits])
    largest = max(logits)
    exponentials = [math.exp(logit - largest) for logit in logits]
    return np.array([e / sum(exponentials) for e in exponentials])


def as_in_the_formula(logits):
    exponentials = np.exp(logits)
    return (exponentials.T / exponentials.sum(axis=-1).T).T


def largest_of_all(logits):
    exponentials = np.exp(logits - np.max(logits))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def sums_to_one_in_all(logits):
    return special.softmax(logits)


def down_the_columns(logits):
    return special.softmax(logits, axis=0)


def shares_of_logits(logits):
    return (logits.T / logits.T.sum(axis=0)).T


def exponentials_alone(logits):
    return torch.as_tensor(logits).exp()


def log_softmax(logits):
    return special.log_softmax(logits, axis=-1)


# --- logprob_gradient ---------------------------------------------------------


def one_added(logits, arms):
    gradient = -softmax(logits)
    gradient[np.arange(len(arms)), arms] += 1
    return gradient


def each_run(arms, logits):
    rows = []
    for run, arm in enumerate(arms):
        pi = softmax(logits[run])
        rows.append([(1 if a == arm else 0) - pi[a] for a in range(len(pi))])
    return np.array(rows)


def autograd(logits, arms):
    logits = torch.tensor(logits, requires_grad=True)
    chosen = logits.log_softmax(-1).gather(1, torch.as_tensor(arms)[:, None])
    return torch.autograd.grad(chosen.sum(), logits)[0].numpy()


def descending(logits, arms):
    gradient = softmax(logits)
    gradient[np.arange(len(arms)), arms] -= 1
    return gradient


def one_hot_alone(logits, arms):
    gradient = np.zeros_like(logits)
    gradient[np.arange(len(arms)), arms] = 1
    return gradient


def own_logit_alone(logits, arms):
    gradient, runs = np.zeros_like(logits), np.arange(len(arms))
    gradient[runs, arms] = 1 - softmax(logits)[runs, arms]
    return gradient


def of_the_probability(logits, arms):
    logits = torch.tensor(logits, requires_grad=True)
    chosen = logits.softmax(-1).gather(1, torch.as_tensor(arms)[:, None])
    return torch.autograd.grad(chosen.sum(), logits)[0]


def inverse_probability(logits, arms):
    gradient, runs = np.zeros_like(logits), np.arange(len(arms))
    gradient[runs, arms] = 1 / softmax(logits)[runs, arms]
    return gradient


def minus_logits(logits, arms):
    gradient = -logits.copy()
    gradient[np.arange(len(arms)), arms] += 1
    return gradient


# --- expected_reward_gradient -------------------------------------------------


def differentiated(logits, means):
    logits = torch.tensor(logits, requires_grad=True)
    expected = (logits.softmax(0) * torch.as_tensor(means)).sum()
    return torch.autograd.grad(expected, logits)[0].numpy()


def by_jacobian(means, logits):
    pi = softmax(logits)
    return (np.diag(pi) - np.outer(pi, pi)) @ means


def sum_over_actions(logits, means):
    pi = softmax(logits)
    return sum(pi[a] * means[a] * (np.eye(len(pi))[a] - pi) for a in range(len(pi)))


def weighted_means(logits, means):
    return np.array([p * r for p, r in zip(softmax(logits), means, strict=True)])


def advantages_alone(logits, means):
    return means - np.dot(softmax(logits), means)


def above_the_average(logits, means):
    return softmax(logits) * means - softmax(logits) * np.mean(means)


def downhill(logits, means):
    pi = softmax(logits)
    return (np.outer(pi, pi) - np.diag(pi)) @ means


def logits_as_policy(logits, means):
    return (np.diag(logits) - np.outer(logits, logits)) @ means


def expected_reward(logits, means):
    return float(np.sum(softmax(logits) * means))


# --- reinforce_update ---------------------------------------------------------


def written_out(logits, arms, rewards, baseline, learning_rate):
    new = logits.copy()
    for run, arm in enumerate(arms):
        advantage = rewards[run] - baseline[run]
        for a, p in enumerate(softmax(logits[run])):
            new[run, a] += learning_rate * advantage * ((a == arm) - p)
    return new


def gradient_descent(arms, rewards, baseline, logits, learning_rate):
    logits = torch.tensor(logits, requires_grad=True)
    logprobs = -F.cross_entropy(logits, torch.as_tensor(arms), reduction="none")
    loss = -(torch.as_tensor(rewards - baseline) * logprobs).sum()
    loss.backward()
    return (logits - learning_rate * logits.grad).detach().numpy()


def transposed(logits, arms, rewards, baseline, learning_rate):
    gradient = np.eye(logits.shape[1])[arms] - softmax(logits)
    return logits + (learning_rate * (rewards - baseline) * gradient.T).T


def minimized(logits, arms, rewards, baseline, learning_rate):
    return 2 * logits - written_out(logits, arms, rewards, baseline, learning_rate)


def rewards_alone(logits, arms, rewards, baseline, learning_rate):
    return written_out(logits, arms, rewards, np.zeros_like(rewards), learning_rate)


def plus_baseline(logits, arms, rewards, baseline, learning_rate):
    return written_out(logits, arms, rewards, -baseline, learning_rate)


def along_the_arms(logits, arms, rewards, baseline, learning_rate):
    step = np.eye(logits.shape[1])[arms] - softmax(logits)
    return logits + np.multiply(rewards - baseline, step) * learning_rate


def one_step_for_all(logits, arms, rewards, baseline, learning_rate):
    steps = written_out(logits, arms, rewards, baseline, learning_rate) - logits
    return logits + np.tile(steps.mean(axis=0), (len(logits), 1))


def own_arm_alone(logits, arms, rewards, baseline, learning_rate):
    new = logits.copy()
    new[np.arange(len(arms)), arms] += learning_rate * (rewards - baseline)
    return new


def whole_step(logits, arms, rewards, baseline, learning_rate):
    return written_out(logits, arms, rewards, baseline, 1)


def the_step(logits, arms, rewards, baseline, learning_rate):
    return learning_rate * (rewards - baseline)[:, None] * (np.eye(logits.shape[1])[arms] - softmax(logits))


RIGHT = {
    "sft_loss": [selected_tokens, weighted_sum, token_by_token],
    "bootstrap_mean_interval": [drawn_indices, sorted_means, scipys],
    "softmax": [along_rows, scipys_softmax, torchs, row_by_row],
    "logprob_gradient": [one_added, each_run, autograd],
    "expected_reward_gradient": [differentiated, by_jacobian, sum_over_actions],
    "reinforce_update": [written_out, gradient_descent, transposed],
}
WRONG = {
    "sft_loss": {
        "sign": [forgot_minus],
        "ignores mask": [every_position],
        "divides by all": [mean_of_product],
        "row means": [mean_of_rows],
        "row sums": [sums_of_rows],
        "sum": [sum_of_tokens],
        "probabilities": [mean_probability],
    },
    "bootstrap_mean_interval": {
        "without replacement": [shuffled],
        "values": [quantiles_of_values],
        "no square root": [spread_of_values],
        "both tails": [whole_tails],
        "too many": [other_axis],
        "too few": [half_samples],
        "normal": [standard_errors],
    },
    "softmax": {
        "overflow": [as_in_the_formula],
        "one maximum": [largest_of_all],
        "whole array": [sums_to_one_in_all],
        "first axis": [down_the_columns],
        "no exp": [shares_of_logits],
        "not normalized": [exponentials_alone],
        "log": [log_softmax],
    },
    "logprob_gradient": {
        "sign": [descending],
        "no pi": [one_hot_alone],
        "pulled only": [own_logit_alone],
        "no log": [of_the_probability],
        "by probabilities": [inverse_probability],
        "logits": [minus_logits],
    },
    "expected_reward_gradient": {
        "no baseline": [weighted_means],
        "no pi": [advantages_alone],
        "plain mean": [above_the_average],
        "sign": [downhill],
        "logits": [logits_as_policy],
        "value": [expected_reward],
    },
    "reinforce_update": {
        "sign": [minimized],
        "no baseline": [rewards_alone],
        "baseline added": [plus_baseline],
        "broadcast": [along_the_arms],
        "averaged": [one_step_for_all],
        "pulled only": [own_arm_alone],
        "no learning rate": [whole_step],
        "step alone": [the_step],
    },
}

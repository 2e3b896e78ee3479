"""The formulas of RLHF as small pure functions on torch tensors.

Shapes: `batch` is the number of prompts with one response each, `response` the length of the longest one.
Responses are padded on the right. `mask` (batch, response) is true at real tokens, the end-of-sequence token
among them; what stands at padding never matters, not even NaN. Log-probabilities, entropies and divergences
are in nats. Nothing here knows of models: tensors come in, and tensors that gradients flow through go out.

Sources
    Bradley & Terry 1952        Rank analysis of incomplete block designs: the method of paired comparisons
    Williams 1992               Simple statistical gradient-following algorithms (REINFORCE)
    Schulman et al. 2016        High-dimensional continuous control using generalized advantage estimation
    Schulman et al. 2017        Proximal policy optimization algorithms
    Ziegler et al. 2019         Fine-tuning language models from human preferences
    Stiennon et al. 2020        Learning to summarize from human feedback
    Schulman 2020               Approximating KL divergence (joschu.net/blog/kl-approx.html)
    Touvron et al. 2023         Llama 2: open foundation and fine-tuned chat models
"""

import torch
from torch import Tensor
from torch.nn import functional as F

# --- Masked averages ----------------------------------------------------------


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Mean of `x` (batch, response) over the tokens where `mask` is true: a scalar, NaN if there is none.

    Every token of the batch weighs the same, so a long response weighs more than a short one.
    """
    return _zero_padding(x, mask).sum() / mask.sum()


def masked_whiten(x: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
    """Scale `x` (batch, response) to variance 1 over the real tokens, and to mean 0 if `shift_mean`.

    Padding becomes 0. PPO whitens advantages with the shift, and sometimes rewards without it, which keeps
    their mean.
    """
    mean = masked_mean(x, mask)
    variance = _zero_padding((x - mean) ** 2, mask).sum() / (mask.sum() - 1).clamp(min=1)
    whitened = (x - mean) * torch.rsqrt(variance + 1e-8)
    return _zero_padding(whitened if shift_mean else whitened + mean, mask)


def _zero_padding(x: Tensor, mask: Tensor) -> Tensor:
    return x.where(mask.bool(), 0.0)  # not x * mask: NaN * 0 is NaN


# --- Reward model -------------------------------------------------------------


def bradley_terry_probability(score_a: Tensor, score_b: Tensor) -> Tensor:
    """Probability that a is preferred to b: sigmoid(score_a - score_b), elementwise (Bradley, Terry 1952)."""
    return torch.sigmoid(score_a - score_b)


def bradley_terry_loss(chosen: Tensor, rejected: Tensor, margin: Tensor | None = None) -> Tensor:
    """Mean of -log sigmoid(chosen - rejected - margin), a scalar (Ziegler et al. 2019; Llama 2, eq. 1 and 2).

    `chosen`, `rejected`, `margin`: (batch,). With a margin, which Llama 2 takes from the strength of the
    preference, the loss asks for a wider gap where people were surer.
    Raises ValueError where the two shapes differ: they would broadcast to every pair of the batch.
    """
    if chosen.shape != rejected.shape:
        shapes = f"{tuple(chosen.shape)} and {tuple(rejected.shape)}"
        raise ValueError(f"chosen and rejected must have one shape, not {shapes}")
    gap = chosen - rejected
    if margin is not None:
        gap = gap - margin
    return -F.logsigmoid(gap).mean()


def normalise_scores(scores: Tensor, mean: float | Tensor, std: float | Tensor) -> Tensor:
    """Reward-model scores on a scale where `mean` is 0 and one `std` is 1.

    Bradley-Terry fixes scores only up to a constant; Stiennon et al. 2020 therefore make the reference
    summaries' mean score 0. Take `mean` and `std` once, on the reference policy's responses, not per batch.
    """
    return (scores - mean) / std


# --- Log-probabilities, entropy and KL ----------------------------------------


def response_logprobs(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of each response token: (batch, response).

    `logits` (batch, response, vocab) already predict `tokens` (batch, response): position t of the logits
    comes from the token *before* t. If the policy samples at a temperature, divide the logits by it first.
    """
    return logits.log_softmax(dim=-1).gather(dim=-1, index=tokens.unsqueeze(-1)).squeeze(-1)


def entropy_from_logits(logits: Tensor) -> Tensor:
    """Entropy in nats of each next-token distribution: (batch, response, vocab) -> (batch, response)."""
    logprobs = logits.log_softmax(dim=-1)
    return -(logprobs.exp() * logprobs).sum(dim=-1)


def kl_k1(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """log(policy / reference), elementwise: unbiased for KL(policy || reference) (Schulman 2020).

    As for k2 and k3, the tokens are samples from the policy. It is negative where the reference likes the
    token better.
    """
    return logprobs - ref_logprobs


def kl_k2(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """Half the squared log-ratio, elementwise: never negative, slightly biased (Schulman 2020)."""
    return 0.5 * (logprobs - ref_logprobs) ** 2


def kl_k3(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """(r - 1) - log r with r = reference / policy, elementwise: unbiased, never negative (Schulman 2020)."""
    log_ratio = ref_logprobs - logprobs
    return torch.expm1(log_ratio) - log_ratio  # expm1 keeps the digits that exp(x) - 1 loses near 0


def kl_penalised_rewards(scores: Tensor, logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor, beta: float) -> Tensor:
    """Reward of each token: -beta * log(policy / reference), plus the score at the last real token.

    `scores`: (batch,); the rest and the result: (batch, response), 0 at padding. Summed over a response it is
    R(x, y) = r(x, y) - beta * log(policy(y|x) / reference(y|x)) (Ziegler et al. 2019; Stiennon et al. 2020).
    """
    is_last = mask.bool() & ~F.pad(mask.bool()[:, 1:], (0, 1), value=False)
    penalty = beta * _zero_padding(kl_k1(logprobs, ref_logprobs), mask)
    return _zero_padding(scores.unsqueeze(1), is_last) - penalty


# --- Policy gradient and PPO --------------------------------------------------


def reinforce_loss(logprobs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """-advantage * log-probability, averaged over the batch's tokens: a scalar (Williams 1992).

    `advantages`: (batch, response), or (batch, 1) for one per response, computed without gradient.
    The gradient is that of `clipped_policy_loss` where the policy has not moved yet.
    """
    return masked_mean(-advantages * logprobs, mask)


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 0.95) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation: (advantages, returns), each (batch, response), 0 at padding.

    delta_t = r_t + gamma V_{t+1} - V_t and A_t = delta_t + gamma lam A_{t+1} (Schulman et al. 2016, sec. 3);
    the value after the last real token is 0. The returns A_t + V_t are the targets of the value loss.
    lam = 1 gives the whole return minus the value, lam = 0 the one-step error. Call it under torch.no_grad().
    """
    rewards, values = _zero_padding(rewards, mask), _zero_padding(values, mask)
    next_values = F.pad(values[:, 1:], (0, 1))
    deltas = rewards + gamma * next_values - values
    advantages = torch.zeros_like(deltas)
    advantage = torch.zeros_like(deltas[:, 0])
    for t in reversed(range(deltas.shape[1])):
        advantage = deltas[:, t] + gamma * lam * advantage
        advantages[:, t] = advantage
    return advantages, advantages + values


def clipped_policy_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, clip: float = 0.2
) -> Tensor:
    """PPO's policy loss, a scalar: minus eq. 7 of Schulman et al. 2017, averaged over the batch's tokens.

    The ratio policy / old policy of a token stops paying beyond 1 + clip where the advantage is positive, and
    below 1 - clip where it is negative. All tensors: (batch, response).
    """
    ratio = _zero_padding(logprobs - old_logprobs, mask).exp()
    clipped_ratio = ratio.clamp(1 - clip, 1 + clip)
    return masked_mean(-torch.minimum(ratio * advantages, clipped_ratio * advantages), mask)


def clipped_value_loss(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float = 0.2) -> Tensor:
    """Half the mean squared error of the values, a scalar, the worse of clipped and unclipped for each token.

    A value that moved further than `clip` from `old_values`, in the direction of the return, gets no more
    gradient until it overshoots. All tensors: (batch, response).
    It comes from the code of PPO (OpenAI baselines), not the paper.
    """
    clipped_values = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (clipped_values - returns) ** 2), mask)

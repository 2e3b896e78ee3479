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
    Ackley et al. 1985          A learning algorithm for Boltzmann machines (temperature)
    Holtzman et al. 2020        The curious case of neural text degeneration (top-p)
    Ouyang et al. 2022          Training language models to follow instructions with human feedback (InstructGPT)
    Kool et al. 2019            Buy 4 REINFORCE samples, get a baseline for free!
    Ahmadian et al. 2024        Back to basics: revisiting REINFORCE style optimization (RLOO)
    Shao et al. 2024            DeepSeekMath: pushing the limits of mathematical reasoning (GRPO)
    Korbak et al. 2022          RL with KL penalties is better viewed as Bayesian inference
    Rafailov et al. 2023        Direct preference optimization: your language model is secretly a reward model
    Beirami et al. 2024         Theoretical guarantees on the best-of-n alignment policy
    Coste et al. 2024           Reward model ensembles help mitigate overoptimization
"""

import math

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


# --- Supervised fine-tuning ---------------------------------------------------


def sft_loss(logprobs: Tensor, mask: Tensor) -> Tensor:
    """Mean of -log-probability over the completions' tokens, a scalar in nats a token (Ouyang et al. 2022, step 1).

    `logprobs` (batch, length): of every token that stands in the text, whoever wrote it. `mask` (batch, length): true
    at the completions' tokens, false at the prompts' and at padding.
    """
    return -masked_mean(logprobs, mask)


# --- Reward model -------------------------------------------------------------


def bradley_terry_probability(score_a: Tensor, score_b: Tensor) -> Tensor:
    """Probability that a is preferred to b: sigmoid(score_a - score_b), elementwise (Bradley, Terry 1952)."""
    return torch.sigmoid(score_a - score_b)


def bradley_terry_loss(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Mean of -log sigmoid(chosen - rejected) over a batch of pairs, a scalar (Ziegler et al. 2019; Llama 2, eq. 1).

    `chosen`, `rejected`: scores (batch,).
    Raises ValueError where the two shapes differ: they would broadcast to every pair of the batch.
    """
    if chosen.shape != rejected.shape:
        shapes = f"{tuple(chosen.shape)} and {tuple(rejected.shape)}"
        raise ValueError(f"chosen and rejected must have one shape, not {shapes}")
    return -F.logsigmoid(chosen - rejected).mean()


def margin_loss(chosen: Tensor, rejected: Tensor, margin: Tensor) -> Tensor:
    """Mean of -log sigmoid(chosen - rejected - margin) over a batch of pairs, a scalar (Llama 2, eq. 2).

    `chosen`, `rejected`, `margin`: (batch,). The margin, which Llama 2 takes from the strength of the preference, is a
    head start for the rejected text: where people were surer, the loss asks for a wider gap.
    """
    return bradley_terry_loss(chosen - margin, rejected)


def normalize_scores(scores: Tensor, mean: float | Tensor, std: float | Tensor) -> Tensor:
    """Reward-model scores on a scale where `mean` is 0 and one `std` is 1.

    Bradley-Terry fixes scores only up to a constant; Stiennon et al. 2020 therefore make the reference
    summaries' mean score 0. Take `mean` and `std` once, on the reference policy's responses, not per batch.
    """
    return (scores - mean) / std


def conservative_score(scores: Tensor, weight: float) -> Tensor:
    """One score from an ensemble of reward models, lower where they disagree: (members, batch) -> (batch,).

    Mean minus `weight` times the variance over the members (uncertainty-weighted optimization, Coste et al. 2024): a
    policy that exploits the mistakes of one member finds the others against it.
    """
    return scores.mean(dim=0) - weight * scores.var(dim=0, correction=0)


# --- Best of n ----------------------------------------------------------------


def best_of_n(scores: Tensor, n: int) -> Tensor:
    """Index of the highest score among the first `n` samples of each prompt: (prompts, samples) -> (prompts,).

    To keep the completion that the reward model likes best is the simplest way to use one: no policy is trained
    (Stiennon et al. 2020).
    """
    return scores[:, :n].argmax(dim=1)


def best_of_n_kl(n: int) -> float:
    """KL divergence of the best of `n` samples from the policy that draws them: log n - (n - 1) / n, in nats.

    Exact where no completion is ever drawn twice (Stiennon et al. 2020, app. G.3), else an upper bound (Beirami et al.
    2024).
    """
    return math.log(n) - (n - 1) / n


# --- Log-probabilities, entropy and KL ----------------------------------------


def response_logprobs(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of each response token: (batch, response).

    `logits` (batch, response, vocab) already predict `tokens` (batch, response): position t of the logits
    comes from the token *before* t. If the policy samples at a temperature, divide the logits by it first.
    """
    return logits.log_softmax(dim=-1).gather(dim=-1, index=tokens.unsqueeze(-1)).squeeze(-1)


def completion_logprobs(logits: Tensor, ids: Tensor, prompt_length: int) -> Tensor:
    """Log-probability of each token after the prompt, from one forward pass: (batch, length - prompt_length).

    `logits` (batch, length, vocab) and `ids` (batch, length) are of the whole sequence, prompt and response; the
    logits at position t predict the token at t + 1, so those of the prompt's last token predict the first response
    token, and those of the last token predict nothing that is there.
    """
    return response_logprobs(logits[:, prompt_length - 1 : -1], ids[:, prompt_length:])


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


def kl_penalized_rewards(scores: Tensor, logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor, beta: float) -> Tensor:
    """Reward of each token: -beta * log(policy / reference), plus the score at the last real token.

    `scores`: (batch,); the rest and the result: (batch, response), 0 at padding. Summed over a response it is
    R(x, y) = r(x, y) - beta * log(policy(y|x) / reference(y|x)) (Ziegler et al. 2019; Stiennon et al. 2020).
    """
    is_last = mask.bool() & ~F.pad(mask.bool()[:, 1:], (0, 1), value=False)
    penalty = beta * _zero_padding(kl_k1(logprobs, ref_logprobs), mask)
    return _zero_padding(scores.unsqueeze(1), is_last) - penalty


# --- Decoding -----------------------------------------------------------------


def temperature_probabilities(logits: Tensor, temperature: float) -> Tensor:
    """Next-token probabilities softmax(logits / temperature): (..., vocab), the same shape (Ackley et al. 1985).

    Below 1 the probable tokens gain, above 1 the rare ones; towards 0 it is the most probable token alone.
    """
    return (logits / temperature).softmax(dim=-1)


def top_p(probabilities: Tensor, p: float) -> Tensor:
    """Nucleus sampling's next-token probabilities (vocab,), from `probabilities` (vocab,) (Holtzman et al. 2020).

    The fewest most probable tokens that together hold at least `p` share all of it in their old proportions; every
    other token gets 0.
    """
    ordered, order = probabilities.sort(descending=True)
    held_before = ordered.cumsum(dim=0) - ordered  # by the more probable ones: 0 for the first, which always stays
    kept = torch.zeros_like(probabilities)
    kept[order] = ordered.where(held_before < p, 0.0)
    return kept / kept.sum()


# --- Embeddings ---------------------------------------------------------------


def cosine_similarity(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of the angle between each row of `a` and the same row of `b`, both (batch, size): (batch,), -1 to 1.

    How long the vectors are does not matter, only where they point.
    """
    return (F.normalize(a, dim=-1) * F.normalize(b, dim=-1)).sum(dim=-1)


# --- Policy gradient and PPO --------------------------------------------------


def reinforce_loss(logprobs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """-advantage * log-probability, averaged over the batch's tokens: a scalar (Williams 1992).

    `advantages`: (batch, response), or (batch, 1) for one per response; no gradient flows to them.
    The gradient is that of `clipped_policy_loss` where the policy has not moved yet.
    """
    return masked_mean(-advantages.detach() * logprobs, mask)


def group_advantages(rewards: Tensor, scaled: bool) -> Tensor:
    """Advantages of several completions of one prompt, each other's baseline: (prompts, group), as `rewards`.

    scaled=False: the reward minus the mean of the *others* of its group, unbiased (Kool et al. 2019; RLOO, Ahmadian et
    al. 2024). scaled=True: minus the mean of the whole group, over the group's standard deviation (GRPO, Shao et al.
    2024), which divides by group - 1 in TRL; its 1e-4 leaves a group of equals at 0. A group has two or more.
    """
    if scaled:
        deviation = rewards.std(dim=1, keepdim=True)
        return (rewards - rewards.mean(dim=1, keepdim=True)) / (deviation + 1e-4)
    mean_of_others = (rewards.sum(dim=1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    return rewards - mean_of_others


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 0.95) -> tuple[Tensor, Tensor]:
    """Generalized advantage estimation: (advantages, returns), each (batch, response), 0 at padding.

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
    below 1 - clip where it is negative. All tensors: (batch, response). The old log-probabilities and the advantages
    are data of the rollout: no gradient flows to them.
    """
    ratio = _zero_padding(logprobs - old_logprobs.detach(), mask).exp()
    clipped_ratio = ratio.clamp(1 - clip, 1 + clip)
    advantages = advantages.detach()
    return masked_mean(-torch.minimum(ratio * advantages, clipped_ratio * advantages), mask)


def clipped_value_loss(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float = 0.2) -> Tensor:
    """Half the mean squared error of the values, a scalar, the worse of clipped and unclipped for each token.

    A value that moved further than `clip` from `old_values`, in the direction of the return, gets no more
    gradient until it overshoots. All tensors: (batch, response); no gradient flows to old values and returns.
    It comes from the code of PPO (OpenAI baselines), not the paper.
    """
    old_values, returns = old_values.detach(), returns.detach()
    clipped_values = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (clipped_values - returns) ** 2), mask)


# --- Preferences without sampling ---------------------------------------------


def optimal_policy(ref_logprobs: Tensor, rewards: Tensor, beta: float) -> Tensor:
    """The policy of most E[r] - beta KL(policy || reference): log of reference * exp(r / beta) / Z, (completions,).

    `ref_logprobs`, `rewards`: (completions,), of a finite set of completions of one prompt, whose probabilities sum to
    1 (Rafailov et al. 2023, eq. 4). The reference is a prior, and the reward is evidence (Korbak et al. 2022). Z is a
    sum over all completions: only because they are few here can anybody compute it.
    """
    return (ref_logprobs + rewards / beta).log_softmax(dim=0)


def implicit_reward(logprobs: Tensor, ref_logprobs: Tensor, beta: float) -> Tensor:
    """The reward for which a policy is the best one: (completions,) of one prompt, mean 0.

    beta * log(policy / reference), up to a constant, beta log Z(x), that nobody can know from the policy (Rafailov et
    al. 2023, eq. 5); here it makes the mean 0. `logprobs`, `ref_logprobs`: (completions,).
    """
    rewards = beta * (logprobs - ref_logprobs)
    return rewards - rewards.mean()


def dpo_loss(chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, beta: float = 0.1) -> Tensor:
    """Bradley-Terry loss of the rewards beta * log(policy / reference), a scalar (Rafailov et al. 2023, eq. 7).

    All tensors: (batch,), log-probabilities of whole completions, summed over their tokens, under the policy and
    under the reference; no gradient flows to the reference's. It is log 2 where the two are the same.
    """
    chosen_reward = beta * (chosen - ref_chosen.detach())
    rejected_reward = beta * (rejected - ref_rejected.detach())
    return bradley_terry_loss(chosen_reward, rejected_reward)

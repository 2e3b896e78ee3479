"""The formulas of RLHF as small pure functions on torch tensors.

Shapes: `batch` is the number of prompts with one response each, `response` the length of the longest one.
Responses are padded on the right. `mask` (batch, response) is true at real tokens, the end-of-sequence token
among them; what stands at padding never matters, not even NaN. Log-probabilities, entropies and divergences
are in nats. Nothing here knows of models: tensors come in, and tensors that gradients flow through go out.

Sources:
    Bradley & Terry 1952: Rank analysis of incomplete block designs: the method of paired comparisons
    Williams 1992: Simple statistical gradient-following algorithms (REINFORCE)
    Schulman et al. 2016: High-dimensional continuous control using generalized advantage estimation
    Schulman et al. 2017: Proximal policy optimization algorithms
    Ziegler et al. 2019: Fine-tuning language models from human preferences
    Stiennon et al. 2020: Learning to summarize from human feedback
    Schulman 2020: Approximating KL divergence (joschu.net/blog/kl-approx.html)
    Touvron et al. 2023: Llama 2: open foundation and fine-tuned chat models
    Ouyang et al. 2022: Training language models to follow instructions with human feedback (InstructGPT)
    Kool et al. 2019: Buy 4 REINFORCE samples, get a baseline for free!
    Ahmadian et al. 2024: Back to basics: revisiting REINFORCE style optimization (RLOO)
    Shao et al. 2024: DeepSeekMath: pushing the limits of mathematical reasoning (GRPO)
    Korbak et al. 2022: RL with KL penalties is better viewed as Bayesian inference
    Rafailov et al. 2023: Direct preference optimization: your language model is secretly a reward model
    Coste et al. 2024: Reward model ensembles help mitigate overoptimization
"""

import torch
from torch import Tensor
from torch.nn import functional as F

# --- Masked averages ----------------------------------------------------------


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Masked mean: the average of `x` over the real tokens of the batch, a scalar; NaN if there are none.

    Every token counts the same, so a long response counts more than a short one.

    Args:
        x: (batch, response).
        mask: (batch, response), true at real tokens.
    """
    return _zero_padding(x, mask).sum() / mask.sum()


def masked_whiten(x: Tensor, mask: Tensor, shift_mean: bool = True) -> Tensor:
    """Whitening: `x` with variance 1 over the real tokens, (batch, response), 0 at padding.

    PPO whitens advantages with the shift, and sometimes rewards without it, which keeps their mean.

    Args:
        x: (batch, response).
        mask: (batch, response), true at real tokens.
        shift_mean: Whether the mean becomes 0; else it stays.
    """
    mean = masked_mean(x, mask)
    variance = _zero_padding((x - mean) ** 2, mask).sum() / (mask.sum() - 1).clamp(min=1)
    whitened = (x - mean) * torch.rsqrt(variance + 1e-8)
    return _zero_padding(whitened if shift_mean else whitened + mean, mask)


def _zero_padding(x: Tensor, mask: Tensor) -> Tensor:
    return x.where(mask.bool(), 0.0)  # not x * mask: NaN * 0 is NaN


# --- Supervised fine-tuning ---------------------------------------------------


def sft_loss(logprobs: Tensor, mask: Tensor) -> Tensor:
    """Supervised fine-tuning loss: the mean of -log-probability over completion tokens, a scalar in nats per token.

    (Ouyang et al. 2022, step 1.)

    Args:
        logprobs: (batch, length), of every token of the text, of prompt and completion.
        mask: (batch, length), true at completion tokens, false at prompt tokens and padding.
    """
    return -masked_mean(logprobs, mask)


# --- Reward model -------------------------------------------------------------


def bradley_terry_probability(score_a: Tensor, score_b: Tensor) -> Tensor:
    """Bradley-Terry model: P(a is preferred to b) = sigmoid(score_a - score_b), elementwise (Bradley, Terry 1952)."""
    return torch.sigmoid(score_a - score_b)


def bradley_terry_loss(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Bradley-Terry loss: the mean of -log sigmoid(chosen - rejected), a scalar.

    (Ziegler et al. 2019; Touvron et al. 2023, eq. 1.)

    Args:
        chosen: Scores (batch,) of the preferred completions.
        rejected: Scores (batch,) of the others.

    Raises:
        ValueError: If the two shapes differ: they would broadcast to every pair of the batch.
    """
    if chosen.shape != rejected.shape:
        shapes = f"{tuple(chosen.shape)} and {tuple(rejected.shape)}"
        raise ValueError(f"chosen and rejected must have one shape, not {shapes}")
    return -F.logsigmoid(chosen - rejected).mean()


def margin_loss(chosen: Tensor, rejected: Tensor, margin: Tensor) -> Tensor:
    """Bradley-Terry loss with a margin: the mean of -log sigmoid(chosen - rejected - margin), a scalar.

    Llama 2 takes the margin from the strength of the preference: where people were surer, the loss asks for a wider gap
    (Touvron et al. 2023, eq. 2).

    Args:
        chosen: Scores (batch,) of the preferred completions.
        rejected: Scores (batch,) of the others.
        margin: (batch,), how much better the chosen score must be.
    """
    return bradley_terry_loss(chosen - margin, rejected)


def normalize_scores(scores: Tensor, mean: float | Tensor, std: float | Tensor) -> Tensor:
    """Normalized reward-model scores: (scores - mean) / std, elementwise.

    Bradley-Terry determines scores only up to a constant, so Stiennon et al. 2020 set the mean score of reference
    summaries to 0. Take `mean` and `std` once, on the reference policy's responses, not per batch.
    """
    return (scores - mean) / std


def conservative_score(scores: Tensor, weight: float) -> Tensor:
    """Uncertainty-weighted score of an ensemble of reward models: mean - weight * variance (Coste et al. 2024).

    A policy that exploits the mistakes of one member gets a low score where the others disagree.

    Args:
        scores: (members, batch).
        weight: Of the variance over the members.

    Returns:
        (batch,).
    """
    return scores.mean(dim=0) - weight * scores.var(dim=0, correction=0)


# --- Log-probabilities, entropy and KL ----------------------------------------


def response_logprobs(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability of each response token: (batch, response).

    If the policy samples at a temperature, divide the logits by it first.

    Args:
        logits: (batch, response, vocabulary), already shifted: position t comes from the token *before* token t.
        tokens: (batch, response), ids.
    """
    return logits.log_softmax(dim=-1).gather(dim=-1, index=tokens.unsqueeze(-1)).squeeze(-1)


def completion_logprobs(logits: Tensor, ids: Tensor, prompt_length: int) -> Tensor:
    """Log-probability of each token after the prompt, from one forward pass: (batch, length - prompt_length).

    The logits at position t predict the token at t + 1. Those of the prompt's last token predict the first response
    token, and those of the last token predict nothing that is there.

    Args:
        logits: (batch, length, vocabulary), of prompt and response.
        ids: (batch, length), of prompt and response.
        prompt_length: Tokens of the prompt.
    """
    return response_logprobs(logits[:, prompt_length - 1 : -1], ids[:, prompt_length:])


def entropy_from_logits(logits: Tensor) -> Tensor:
    """Entropy of each next-token distribution in nats: (batch, response, vocabulary) -> (batch, response)."""
    logprobs = logits.log_softmax(dim=-1)
    return -(logprobs.exp() * logprobs).sum(dim=-1)


def kl_k1(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """The k1 estimator of KL(policy || reference): log(policy / reference), elementwise (Schulman 2020).

    It is unbiased, and negative where the reference gives the token more probability. As for k2 and k3, the tokens must
    be samples from the policy.
    """
    return logprobs - ref_logprobs


def kl_k2(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """The k2 estimator of KL(policy || reference): log(policy / reference)^2 / 2, elementwise (Schulman 2020).

    It is never negative, and slightly biased.
    """
    return 0.5 * (logprobs - ref_logprobs) ** 2


def kl_k3(logprobs: Tensor, ref_logprobs: Tensor) -> Tensor:
    """The k3 estimator of KL(policy || reference): (r - 1) - log r, elementwise (Schulman 2020).

    Here r = reference / policy. It is unbiased and never negative.
    """
    log_ratio = ref_logprobs - logprobs
    return torch.expm1(log_ratio) - log_ratio  # expm1 keeps the digits that exp(x) - 1 loses near 0


def kl_penalized_rewards(scores: Tensor, logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor, beta: float) -> Tensor:
    """Rewards with a KL penalty: -beta * log(policy / reference) per token, plus the score at the last real token.

    Their sum over a response is R(x, y) = r(x, y) - beta * log(policy(y|x) / reference(y|x)) (Ziegler et al. 2019;
    Stiennon et al. 2020).

    Args:
        scores: (batch,), of the reward model.
        logprobs: (batch, response), under the policy.
        ref_logprobs: (batch, response), under the reference.
        mask: (batch, response), true at real tokens.
        beta: The KL coefficient.

    Returns:
        (batch, response), 0 at padding.
    """
    is_last = mask.bool() & ~F.pad(mask.bool()[:, 1:], (0, 1), value=False)
    penalty = beta * _zero_padding(kl_k1(logprobs, ref_logprobs), mask)
    return _zero_padding(scores.unsqueeze(1), is_last) - penalty


# --- Policy gradient and PPO --------------------------------------------------


def reinforce_loss(logprobs: Tensor, advantages: Tensor, mask: Tensor) -> Tensor:
    """REINFORCE loss: the mean of -advantage * log-probability over the batch's tokens, a scalar (Williams 1992).

    Its gradient is that of `clipped_policy_loss` where the policy has not changed yet.

    Args:
        logprobs: (batch, response), under the policy.
        advantages: (batch, response), or (batch, 1) for one per response; no gradient flows to them.
        mask: (batch, response), true at real tokens.
    """
    return masked_mean(-advantages.detach() * logprobs, mask)


def group_advantages(rewards: Tensor, scaled: bool) -> Tensor:
    """Group advantages (RLOO, GRPO): completions of one prompt are each other's baseline, (prompts, group).

    Args:
        rewards: (prompts, group), a group being two or more completions of one prompt.
        scaled: False for RLOO: the reward minus the mean of the *others* in its group, which is unbiased (Kool et al.
            2019; Ahmadian et al. 2024). True for GRPO: the reward minus the mean of the whole group, divided by the
            group's standard deviation (Shao et al. 2024). As in TRL, that divides by group - 1, and 1e-4 is added to
            it, so a group of equal rewards gets 0.
    """
    if scaled:
        deviation = rewards.std(dim=1, keepdim=True)
        return (rewards - rewards.mean(dim=1, keepdim=True)) / (deviation + 1e-4)
    mean_of_others = (rewards.sum(dim=1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    return rewards - mean_of_others


def gae(rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 0.95) -> tuple[Tensor, Tensor]:
    """Generalized advantage estimation, GAE (Schulman et al. 2016, sec. 3); call it under torch.no_grad().

    delta_t = r_t + gamma V_{t+1} - V_t and A_t = delta_t + gamma lam A_{t+1}; the value after the last real token is 0.

    Args:
        rewards: (batch, response).
        values: (batch, response).
        mask: (batch, response), true at real tokens.
        gamma: The discount of later rewards.
        lam: 1 gives the whole return minus the value, 0 the one-step error.

    Returns:
        Advantages A_t and returns A_t + V_t, the targets of the value loss; (batch, response) each, 0 at padding.
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
    """PPO's clipped policy loss: minus eq. 7 of Schulman et al. 2017, averaged over the batch's tokens, a scalar.

    With ratio = policy / old policy, it is the mean of -min(ratio A, clip(ratio, 1 - clip, 1 + clip) A): a token's
    ratio gains nothing beyond 1 + clip where its advantage A is positive, and below 1 - clip where it is negative.

    Args:
        logprobs: (batch, response), under the policy.
        old_logprobs: (batch, response), under the policy that sampled; no gradient flows to them.
        advantages: (batch, response); no gradient flows to them.
        mask: (batch, response), true at real tokens.
        clip: Epsilon in the paper.
    """
    return masked_mean(_clipped_losses(logprobs, old_logprobs, advantages, mask, clip), mask)


def grpo_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    clip: float = 0.2,
    longest: int | None = None,
) -> Tensor:
    """GRPO's clipped loss: the same losses of tokens, averaged within each response and then over responses, a scalar.

    So every response counts the same, and a token of a long one less (Shao et al. 2024, eq. 3). With `longest` it is
    that of Dr. GRPO instead: the sum over tokens, divided by the number of responses and by `longest`, so that every
    token counts the same (Liu et al. 2025).

    Args:
        logprobs: (batch, response), under the policy.
        old_logprobs: (batch, response), under the policy that sampled; no gradient flows to them.
        advantages: (batch, response), the same at all tokens of a response; no gradient flows to them.
        mask: (batch, response), true at real tokens.
        clip: Epsilon in the paper.
        longest: Tokens that a response may have; None for the published GRPO.
    """
    losses = _zero_padding(_clipped_losses(logprobs, old_logprobs, advantages, mask, clip), mask).sum(dim=1)
    return (losses / (longest or mask.sum(dim=1).clamp(min=1))).mean()


def rloo_loss(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, clip: float = 0.2) -> Tensor:
    """RLOO's loss with PPO's clip: one action is a whole response (Ahmadian et al. 2024), a scalar.

    The ratio is of the responses' probabilities, so it is clipped after small changes of many tokens.

    Args:
        logprobs: (batch, response), under the policy.
        old_logprobs: (batch, response), under the policy that sampled; no gradient flows to them.
        advantages: (batch, response), the same at all tokens of a response; no gradient flows to them.
        mask: (batch, response), true at real tokens.
        clip: As in PPO.
    """
    new, old = (_zero_padding(x, mask).sum(dim=1, keepdim=True) for x in (logprobs, old_logprobs))
    return clipped_policy_loss(new, old, advantages[:, :1], mask[:, :1], clip)


def _clipped_losses(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, clip: float) -> Tensor:
    """Of each token, (batch, response); anything at padding."""
    ratio = _zero_padding(logprobs - old_logprobs.detach(), mask).exp()
    advantages = advantages.detach()
    return -torch.minimum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages)


def clipped_value_loss(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float = 0.2) -> Tensor:
    """PPO's clipped value loss: half the mean squared error of the values, a scalar.

    For each token the worse of the clipped and the unclipped error counts: a value that moved further than `clip` from
    its old value, towards the return, gets no more gradient until it overshoots. It comes from the code of PPO (OpenAI
    baselines), not the paper.

    Args:
        values: (batch, response).
        old_values: (batch, response), of the rollout; no gradient flows to them.
        returns: (batch, response), the targets; no gradient flows to them.
        mask: (batch, response), true at real tokens.
        clip: How far a value may move.
    """
    old_values, returns = old_values.detach(), returns.detach()
    clipped_values = old_values + (values - old_values).clamp(-clip, clip)
    return 0.5 * masked_mean(torch.maximum((values - returns) ** 2, (clipped_values - returns) ** 2), mask)


# --- Preferences without sampling ---------------------------------------------


def optimal_policy(ref_logprobs: Tensor, rewards: Tensor, beta: float) -> Tensor:
    """The policy that maximizes E[r] - beta KL(policy || reference): log of reference * exp(r / beta) / Z.

    (Rafailov et al. 2023, eq. 4.) The reference is a prior, and the reward is evidence (Korbak et al. 2022). Z is a sum
    over all completions, which can be computed here only because they are few.

    Args:
        ref_logprobs: (completions,), of all completions of one prompt, whose probabilities sum to 1.
        rewards: (completions,).
        beta: The KL coefficient.

    Returns:
        Log-probabilities (completions,).
    """
    return (ref_logprobs + rewards / beta).log_softmax(dim=0)


def implicit_reward(logprobs: Tensor, ref_logprobs: Tensor, beta: float) -> Tensor:
    """The implicit reward of a policy: beta * log(policy / reference) minus its mean, (completions,).

    It is the reward for which the policy is optimal. The constant beta log Z(x) cannot be known from the policy
    (Rafailov et al. 2023, eq. 5); here it makes the mean 0.

    Args:
        logprobs: (completions,), of completions of one prompt under the policy.
        ref_logprobs: (completions,), under the reference.
        beta: The KL coefficient.
    """
    rewards = beta * (logprobs - ref_logprobs)
    return rewards - rewards.mean()


def dpo_loss(chosen: Tensor, rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, beta: float = 0.1) -> Tensor:
    """DPO loss: the Bradley-Terry loss of the rewards beta * log(policy / reference) (Rafailov et al. 2023, eq. 7).

    It is a scalar, log 2 where policy and reference are the same. All tensors are (batch,): log-probabilities of whole
    completions, summed over their tokens.

    Args:
        chosen: Of the preferred completions under the policy.
        rejected: Of the others under the policy.
        ref_chosen: Of the preferred completions under the reference; no gradient flows to them.
        ref_rejected: Of the others under the reference; no gradient flows to them.
        beta: The KL coefficient.
    """
    chosen_reward = beta * (chosen - ref_chosen.detach())
    rejected_reward = beta * (rejected - ref_rejected.detach())
    return bradley_terry_loss(chosen_reward, rejected_reward)

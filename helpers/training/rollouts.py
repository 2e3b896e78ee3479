"""Rollouts: responses sampled from the policy, scored, with rewards and advantages for every token."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional as F

from ..formulas.objectives import entropy_from_logits, kl_k1, masked_whiten, response_logprobs
from ..models.generation import pad_left, response_mask
from ..models.loading import prompt_ids as encode_prompts
from ..models.shared_base import REFERENCE, SharedBase
from .distributed import SINGLE_PROCESS, Distributed
from .losses import Losses
from .ppo_config import PPOConfig
from .rewards import Reward, scores_of


@dataclass(frozen=True)
class Tokens:
    """How prompts and responses become tensors; the failure gallery replaces these functions by broken ones."""

    pad_prompts: Callable[..., Tensor] = pad_left
    response_mask: Callable[[Tensor, int], Tensor] = response_mask


@dataclass(frozen=True)
class Rollout:
    """A batch of sampled responses and all that one PPO update needs to know of them.

    Shapes: `prompt_ids` (batch, prompt) padded on the left; `scores` and `ended` (batch,); the rest (batch, response),
    padded on the right, `mask` true at real tokens with </s>. `scores` hold the missing-EOS penalty, `rewards` the KL
    penalty too.
    """

    prompts: list[str]
    completions: list[str]
    prompt_ids: Tensor
    response_ids: Tensor
    mask: Tensor
    scores: Tensor
    logprobs: Tensor
    ref_logprobs: Tensor
    values: Tensor
    rewards: Tensor
    advantages: Tensor
    returns: Tensor
    ended: Tensor

    @property
    def kl(self) -> Tensor:
        """Sampled KL of every response from the reference, in nats: (batch,)."""
        return (kl_k1(self.logprobs, self.ref_logprobs) * self.mask).sum(1)


@torch.no_grad()
def roll_out(
    shared: SharedBase,
    prompts: Sequence[str],
    reward: Reward,
    config: PPOConfig,
    losses: Losses = Losses(),
    distributed: Distributed = SINGLE_PROCESS,
    tokens: Tokens = Tokens(),
) -> Rollout:
    """Sample a response to each prompt from the policy, score it, and work out rewards and advantages.

    Args:
        distributed: the processes that sample in shares; the rollout is whole on each of them.

    Raises:
        LabError: the reward does not give one finite number for each response.
    """
    encoded = encode_prompts(shared.profile, shared.tokenizer, prompts)
    prompt_ids = tokens.pad_prompts(encoded, shared.pad_id, shared.device)
    uniforms = torch.rand(len(prompts), config.max_new_tokens or shared.profile.max_response_tokens)
    mine = (distributed.split(part) for part in (prompts, prompt_ids, uniforms))
    sampled = sample_responses(shared, *mine, reward, config, tokens)
    sampled = _joined(distributed.gather([sampled]), shared.pad_id, shared.device)

    mask, logprobs, ref_logprobs, values = sampled.mask, sampled.logprobs, sampled.ref_logprobs, sampled.values
    ended = (sampled.response_ids == shared.eos_id).any(1)
    scores = sampled.scores - config.missing_eos_penalty * (~ended).float()
    if config.whiten_scores:
        scores = masked_whiten(scores, torch.ones_like(scores, dtype=torch.bool))
    rewards = losses.kl_penalized_rewards(scores, logprobs, ref_logprobs, mask, config.beta)
    advantages, returns = losses.gae(rewards, values, mask, config.gamma, config.lam)
    return Rollout(
        prompts=list(prompts),
        completions=sampled.completions,
        prompt_ids=prompt_ids,
        response_ids=sampled.response_ids,
        mask=mask,
        scores=scores,
        logprobs=logprobs,
        ref_logprobs=ref_logprobs,
        values=values,
        rewards=rewards,
        advantages=losses.masked_whiten(advantages, mask),
        returns=returns,
        ended=ended,
    )


@dataclass(frozen=True)
class Responses:
    """Sampled responses before anything is made of their scores.

    Shapes: `scores` (batch,), the others (batch, response) as in `Rollout`; where `mask` is false, the numbers of the
    three roles mean nothing.
    """

    completions: list[str]
    scores: Tensor
    response_ids: Tensor
    mask: Tensor
    logprobs: Tensor
    ref_logprobs: Tensor
    values: Tensor


@torch.no_grad()
def sample_responses(
    shared: SharedBase,
    prompts: Sequence[str],
    prompt_ids: Tensor,
    uniforms: Tensor,
    reward: Reward,
    config: PPOConfig,
    tokens: Tokens = Tokens(),
) -> Responses:
    """A response to each prompt from the policy, scored, with what three roles say of each of its tokens.

    Args:
        prompt_ids: (batch, prompt), padded on the left.
        uniforms: (batch, longest response), random numbers as for `SharedBase.sample`.

    Raises:
        LabError: the reward does not give one finite number for each response.
    """
    if not len(prompts):  # a process without a share
        nothing = torch.zeros(0, 0, device=shared.device)
        return Responses([], nothing.sum(1), nothing.long(), nothing.bool(), nothing, nothing, nothing)
    response_ids, states = shared.sample(prompt_ids, uniforms.to(shared.device), temperature=config.temperature)
    mask = tokens.response_mask(response_ids, shared.eos_id)
    longest = int(mask.sum(1).max())
    mask = mask[:, :longest]
    response_ids = response_ids[:, :longest].masked_fill(~mask, shared.pad_id)
    completions = shared.tokenizer.batch_decode(response_ids, skip_special_tokens=True)
    scores = scores_of(reward, prompts, completions, shared.device)
    logprobs, ref_logprobs, values = (torch.zeros(mask.shape, device=shared.device) for _ in range(3))
    # In 16 bits a pass with a cache rounds otherwise than one without, and the first ratios would not be 1.
    exact = states.dtype == torch.float32
    for index, width in microbatches(prompt_ids != shared.pad_id, mask, config.microbatch_size):
        part = prompt_ids[index], response_ids[index, :width]
        hidden = states[index, :width] if exact else shared.response_states(*part)
        logprobs[index, :width], values[index, :width], _ = policy_outputs(shared, hidden, part[1], config.temperature)
        ref_logprobs[index, :width] = shared.response_logprobs(*part, REFERENCE, config.temperature)
    return Responses(completions, scores, response_ids, mask, logprobs, ref_logprobs, values)


def _joined(parts: Sequence[Responses], pad_id: int, device: torch.device) -> Responses:
    """The responses of all processes as one batch, padded to the longest of them."""
    if len(parts) == 1:
        return parts[0]
    width = max(part.mask.shape[1] for part in parts)
    joined = {}
    for name in (field.name for field in fields(Responses) if field.name != "completions"):
        fill = pad_id if name == "response_ids" else 0
        columns = [getattr(part, name).to(device) for part in parts]
        if name != "scores":
            columns = [F.pad(column, (0, width - column.shape[1]), value=fill) for column in columns]
        joined[name] = torch.cat(columns)
    return Responses([text for part in parts for text in part.completions], **joined)


def policy_outputs(
    shared: SharedBase, hidden: Tensor, response_ids: Tensor, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities, values and entropies at every response token, (batch, response) each.

    Args:
        hidden: the policy's states that predict the tokens, (batch, response, hidden).
    """
    logits = shared.logits(hidden) / temperature
    with torch.no_grad():
        entropy = entropy_from_logits(logits)
    return response_logprobs(logits, response_ids), shared.values(hidden), entropy


def microbatches(prompts: Tensor, responses: Tensor, size: int | None) -> Iterator[tuple[Tensor, int]]:
    """Rows of like length together, in parts of `size` (None: all).

    Args:
        prompts: mask, (batch, prompt).
        responses: mask, (batch, response).

    Yields:
        The rows' indices, and the width of the responses that holds all their tokens.
    """
    lengths = prompts.sum(1) + responses.sum(1)
    for index in lengths.argsort(stable=True).split(size or max(1, len(lengths))):
        if not len(index):
            return
        yield index, int(responses[index].sum(1).max())

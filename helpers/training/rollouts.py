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
    """How prompts are padded and which tokens count; the failure gallery replaces these functions by broken ones."""

    pad_prompts: Callable[..., Tensor] = pad_left
    response_mask: Callable[[Tensor, int], Tensor] = response_mask


@dataclass(frozen=True)
class Rollout:
    """A batch of sampled responses and all that one PPO update needs to know about them.

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
    """Sample a response to each prompt from the policy, score it, and compute rewards and advantages.

    Args:
        shared: the policy, its reference, the value head, and often the reward model.
        prompts: texts, one a rollout.
        reward: any function of (prompts, completions).
        config: the settings; `config.beta` is the KL coefficient of this rollout.
        losses: the functions that make rewards and advantages.
        distributed: the processes that sample in shares; the rollout is whole on each of them.
        tokens: the functions that pad prompts and mask responses.

    Raises:
        LabError: the reward does not give one finite number for each response.
    """
    encoded = encode_prompts(shared.profile, shared.tokenizer, prompts)
    prompt_ids = tokens.pad_prompts(encoded, shared.pad_id, shared.device)
    uniforms = torch.rand(len(prompts), config.max_new_tokens or shared.profile.max_response_tokens)
    share = sample_responses(
        shared,
        distributed.split(prompts),
        distributed.split(prompt_ids),
        distributed.split(uniforms),
        reward,
        config,
        tokens,
    )
    responses = _join(distributed.gather([share]), shared.pad_id, shared.device)

    mask, logprobs, ref_logprobs, values = responses.mask, responses.logprobs, responses.ref_logprobs, responses.values
    ended = (responses.response_ids == shared.eos_id).any(1)
    scores = responses.scores - config.missing_eos_penalty * (~ended).float()
    if config.whiten_scores:
        scores = masked_whiten(scores, torch.ones_like(scores, dtype=torch.bool))
    rewards = losses.kl_penalized_rewards(scores, logprobs, ref_logprobs, mask, config.beta)
    advantages, returns = losses.gae(rewards, values, mask, config.gamma, config.lam)
    return Rollout(
        prompts=list(prompts),
        completions=responses.completions,
        prompt_ids=prompt_ids,
        response_ids=responses.response_ids,
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
    """Sampled responses with their scores, before rewards and advantages.

    Shapes: `scores` (batch,), the others (batch, response) as in `Rollout`; where `mask` is false, log-probabilities
    and values mean nothing.
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
    """A response to each prompt from the policy, scored, with log-probabilities and values of each of its tokens.

    Args:
        shared: the policy, its reference and the value head.
        prompts: the texts, for the reward.
        prompt_ids: the same, (batch, prompt), padded on the left.
        uniforms: (batch, longest response), random numbers as for `SharedBase.sample`.
        reward: any function of (prompts, completions).
        config: the settings.
        tokens: as for `roll_out`.

    Raises:
        LabError: the reward does not give one finite number for each response.
    """
    if not len(prompts):  # a process without a share
        empty = torch.zeros(0, 0, device=shared.device)
        return Responses([], empty.sum(1), empty.long(), empty.bool(), empty, empty, empty)
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


def _join(parts: Sequence[Responses], pad_id: int, device: torch.device) -> Responses:
    """The responses of all processes as one batch, padded to the longest of them."""
    if len(parts) == 1:
        return parts[0]
    width = max(part.mask.shape[1] for part in parts)
    tensors = {}
    for name in (field.name for field in fields(Responses) if field.name != "completions"):
        fill = pad_id if name == "response_ids" else 0
        columns = [getattr(part, name).to(device) for part in parts]
        if name != "scores":
            columns = [F.pad(column, (0, width - column.shape[1]), value=fill) for column in columns]
        tensors[name] = torch.cat(columns)
    return Responses([text for part in parts for text in part.completions], **tensors)


def policy_outputs(
    shared: SharedBase, hidden: Tensor, response_ids: Tensor, temperature: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Log-probabilities, values and entropies at every response token, (batch, response) each.

    `hidden` are the policy's states that predict the tokens, (batch, response, hidden).
    """
    logits = shared.logits(hidden) / temperature
    with torch.no_grad():
        entropy = entropy_from_logits(logits)
    return response_logprobs(logits, response_ids), shared.values(hidden), entropy


def microbatches(prompt_mask: Tensor, response_mask: Tensor, size: int | None) -> Iterator[tuple[Tensor, int]]:
    """Rows of like length together, which saves padding.

    Args:
        prompt_mask: (batch, prompt).
        response_mask: (batch, response).
        size: rows of a microbatch; None: all.

    Yields:
        The rows' indices, and the width of the responses that holds all their tokens.
    """
    lengths = prompt_mask.sum(1) + response_mask.sum(1)
    for index in lengths.argsort(stable=True).split(size or max(1, len(lengths))):
        if not len(index):
            return
        yield index, int(response_mask[index].sum(1).max())

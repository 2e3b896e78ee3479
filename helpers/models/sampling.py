"""Sampling the rollouts of PPO, each response from its own random numbers.

transformers' `generate` draws the tokens of all rows from one stream of random numbers, and computes every row until
the last one has ended. Here a row's tokens depend on its own numbers alone, so they are the same in any batch, order,
or number of processes; and rows that have ended leave the batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from .decoder import Decoder

LEAVE = 8  # rows leave once one in LEAVE has ended: each time the cache of the others is copied


@dataclass(frozen=True)
class Sampled:
    """Responses, and the states that were computed on the way."""

    ids: Tensor  # (batch, response), padded on the right after </s> and as wide as the longest response
    states: Tensor  # that each token was drawn from, (batch, response, hidden), 0 at padding
    trunk: list[Tensor] | None  # a row's states of the trunk, prompt and response, (length, hidden); None: no trunk


@torch.no_grad()
def sample_ids(
    decoder: Decoder,
    head: nn.Module,
    prompt_ids: Tensor,
    uniforms: Tensor,
    *,
    pad_id: int,
    eos_id: int,
    temperature: float = 1.0,
) -> Sampled:
    """Sample a response to each prompt.

    Args:
        decoder: The model without its head.
        head: The language-model head: hidden states -> next-token logits.
        prompt_ids: (batch, prompt), padded on the left.
        uniforms: (batch, longest response), from [0, 1): number t of a row decides its token t, by the inverse of the
            distribution function.
        pad_id: The padding token.
        eos_id: The end token, </s>.
        temperature: What the logits are divided by.
    """
    longest = uniforms.shape[1]
    responses = torch.full(uniforms.shape, pad_id, device=prompt_ids.device)
    rows = torch.arange(len(prompt_ids), device=prompt_ids.device)  # those still in the batch
    done = torch.zeros_like(rows, dtype=torch.bool)
    mask = (prompt_ids != pad_id).long()
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    cache, ids, states, trunk = DynamicCache(), prompt_ids, [], []
    for t in range(longest + 1):
        embedded = decoder.embedded(ids)
        places = decoder.places(embedded, mask, positions, cache)
        below = decoder.trunk(embedded, places, cache)
        if decoder.below:
            trunk.append(below.new_zeros(len(prompt_ids), *below.shape[1:]).index_copy(0, rows, below))
        if t == longest or done.all():  # the last tokens were for the trunk alone
            break
        hidden = decoder.branch(below, places, cache)[:, -1]
        tokens = _drawn(head(hidden).double() / temperature, uniforms[rows, t]).masked_fill(done, pad_id)
        responses[rows, t] = tokens
        states.append(hidden.new_zeros(len(prompt_ids), hidden.shape[1]).index_copy(0, rows[~done], hidden[~done]))
        before, done = done, done | (tokens == eos_id)
        leaving = before if decoder.below else done  # a trunk's rows stay until their </s> has been through it
        if not decoder.below and (done.all() or t + 1 == longest):
            break
        if leaving.sum() * LEAVE >= len(rows):
            kept = (~leaving).nonzero().squeeze(1)
            cache.batch_select_indices(kept)
            rows, done, tokens, mask, positions = rows[kept], done[kept], tokens[kept], mask[kept], positions[kept]
        ids, positions = tokens.unsqueeze(1), positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
    responses = responses[:, : len(states)]
    real = torch.cat([prompt_ids, responses], dim=1) != pad_id
    kept_below = [row[at] for row, at in zip(torch.cat(trunk, dim=1), real, strict=True)] if trunk else None
    return Sampled(responses, torch.stack(states, dim=1), kept_below)


def _drawn(logits: Tensor, uniforms: Tensor) -> Tensor:
    """The tokens (batch,) at which the distribution functions reach the uniforms (batch,)."""
    reached = logits.softmax(dim=-1).cumsum(dim=-1)
    index = torch.searchsorted(reached, (uniforms.double() * reached[:, -1]).unsqueeze(1), right=True).squeeze(1)
    return index.clamp(max=logits.shape[-1] - 1)

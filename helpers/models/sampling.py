"""Sampling the rollouts of PPO: every response from random numbers of its own.

transformers' `generate` draws a token for all rows from one stream of random numbers and computes on until the last row
has ended. Here a row's tokens depend on its own numbers alone, so they are the same in any batch, order, or number of
processes; and rows that have ended leave the batch.
"""

import torch
from torch import Tensor, nn
from transformers import DynamicCache

LEAVE = 8  # rows leave once one in so many has ended: each time the others' cache is copied


@torch.no_grad()
def sample_ids(
    trunk: nn.Module,
    head: nn.Module,
    prompt_ids: Tensor,
    uniforms: Tensor,
    *,
    pad_id: int,
    eos_id: int,
    temperature: float = 1.0,
) -> tuple[Tensor, Tensor]:
    """Response ids (batch, response), right-padded after </s>, for left-padded `prompt_ids` (batch, prompt); and the
    hidden states that each token was drawn from, (batch, response, hidden), 0 at padding.

    trunk, head: a model without its head, and the head: ids -> hidden states -> next-token logits.
    uniforms: (batch, longest response), from [0, 1): number t of a row decides its token t, by the inverse of the
    distribution function. The answer is as wide as the longest response.
    """
    responses = torch.full(uniforms.shape, pad_id, device=prompt_ids.device)
    rows = torch.arange(len(prompt_ids), device=prompt_ids.device)  # those still in the batch
    done = torch.zeros_like(rows, dtype=torch.bool)
    mask = (prompt_ids != pad_id).long()
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    cache, ids, states = DynamicCache(), prompt_ids, []
    for t in range(uniforms.shape[1]):
        hidden = trunk(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cache, use_cache=True
        ).last_hidden_state[:, -1]
        tokens = _drawn(head(hidden).double() / temperature, uniforms[rows, t]).masked_fill(done, pad_id)
        responses[rows, t] = tokens
        states.append(hidden.new_zeros(len(prompt_ids), hidden.shape[1]).index_copy(0, rows[~done], hidden[~done]))
        done = done | (tokens == eos_id)
        if done.all():
            break
        if done.sum() * LEAVE >= len(rows):
            kept = (~done).nonzero().squeeze(1)
            cache.batch_select_indices(kept)
            rows, done, tokens, mask, positions = rows[kept], done[kept], tokens[kept], mask[kept], positions[kept]
        ids, positions = tokens.unsqueeze(1), positions[:, -1:] + 1
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
    return responses[:, : len(states)], torch.stack(states, dim=1)


def _drawn(logits: Tensor, uniforms: Tensor) -> Tensor:
    """The tokens, (batch,), at which the distribution functions reach the uniforms."""
    reached = logits.softmax(dim=-1).cumsum(dim=-1)
    index = torch.searchsorted(reached, (uniforms.double() * reached[:, -1]).unsqueeze(1), right=True).squeeze(1)
    return index.clamp(max=logits.shape[-1] - 1)

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
    # Copies of a prompt, one after the other, share its pass.
    different, copies = torch.unique_consecutive(prompt_ids, dim=0, return_inverse=True)
    texts = _Texts(decoder, different != pad_id)
    below, hidden = texts.read(different)
    if len(different) < len(prompt_ids):
        below, hidden = below[copies], hidden[copies]
        texts.keep(copies)
    trunk, states = [below], []
    for t in range(longest):
        tokens = _drawn(head(hidden).double() / temperature, uniforms[rows, t]).masked_fill(done, pad_id)
        responses[rows, t] = tokens
        states.append(_in_place(hidden[~done], rows[~done], len(prompt_ids)))
        before, done = done, done | (tokens == eos_id)
        is_last = t + 1 == longest or bool(done.all())
        if is_last and not decoder.below:
            break
        leaving = before if decoder.below else done  # where there is a trunk, </s> goes through it, too
        if leaving.sum() * LEAVE >= len(rows):
            kept = (~leaving).nonzero().squeeze(1)
            texts.keep(kept)
            rows, done, tokens = rows[kept], done[kept], tokens[kept]
        below, hidden = texts.read(tokens.unsqueeze(1), trunk_alone=is_last)
        if decoder.below:
            trunk.append(_in_place(below, rows, len(prompt_ids)))
        if is_last:
            break
    responses = responses[:, : len(states)]
    real = torch.cat([prompt_ids, responses], dim=1) != pad_id
    by_row = [row[at] for row, at in zip(torch.cat(trunk, dim=1), real, strict=True)] if decoder.below else None
    return Sampled(responses, torch.stack(states, dim=1), by_row)


class _Texts:
    """Texts on their way through a model, token by token: what is cached of them, and where their tokens stand.

    Args:
        decoder: The model.
        mask: (batch, prompt), true at the prompts' tokens.
    """

    def __init__(self, decoder: Decoder, mask: Tensor) -> None:
        self.decoder, self.cache, self.mask = decoder, DynamicCache(), mask.long()
        self.positions = (self.mask.cumsum(dim=1) - 1).clamp(min=0)

    def read(self, ids: Tensor, trunk_alone: bool = False) -> tuple[Tensor, Tensor]:
        """The prompts (batch, prompt), or one more token of each text (batch, 1).

        Returns:
            The trunk's states (batch, length, hidden), and the last hidden states of the last tokens (batch, hidden);
            with `trunk_alone`, the trunk's in place of these.
        """
        if self.cache.get_seq_length():
            self.positions = self.positions[:, -1:] + 1
            self.mask = torch.cat([self.mask, self.mask.new_ones(len(ids), 1)], dim=1)
        embedded = self.decoder.embedded(ids)
        places = self.decoder.places(embedded, self.mask, self.positions, self.cache)
        below = self.decoder.trunk(embedded, places, self.cache)
        states = below if trunk_alone else self.decoder.branch(below, places, self.cache)
        return below, states[:, -1]

    def keep(self, rows: Tensor) -> None:
        """Go on with these texts alone, which may be named more than once."""
        self.cache.batch_select_indices(rows)
        self.mask, self.positions = self.mask[rows], self.positions[rows]


def _in_place(parts: Tensor, rows: Tensor, batch: int) -> Tensor:
    """Rows of a batch at their places, 0 elsewhere: (rows, ...) -> (batch, ...)."""
    return parts.new_zeros(batch, *parts.shape[1:]).index_copy(0, rows, parts)


def _drawn(logits: Tensor, uniforms: Tensor) -> Tensor:
    """The tokens (batch,) at which the distribution functions reach the uniforms (batch,)."""
    reached = logits.softmax(dim=-1).cumsum(dim=-1)
    index = torch.searchsorted(reached, (uniforms.double() * reached[:, -1]).unsqueeze(1), right=True).squeeze(1)
    return index.clamp(max=logits.shape[-1] - 1)

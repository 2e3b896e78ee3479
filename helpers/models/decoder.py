"""A Llama model's layers in two parts: a trunk that no adapter changes, and a branch that each role has for itself.

With `Profile.adapted_layers` = k, only the last k of n layers have adapters. The states below them are then the same
for policy, reference, reward and value function, and the same in every pass over a rollout: they are computed once and
kept (Hydra-RLHF, Santacroce et al. 2023, shares the weights; this shares the work too). With k = n the trunk is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Cache, LlamaModel
from transformers.masking_utils import create_causal_mask


@dataclass(frozen=True)
class Places:
    """Where the tokens of one pass stand: all that a layer needs beside its states."""

    positions: Tensor  # (batch, length), or (1, length) for all rows
    rotary: tuple[Tensor, Tensor]  # cosines and sines of the positions
    mask: Any  # as transformers makes it; None: each token sees itself and those before it


class Decoder:
    """A Llama model without its head, as functions of parts of its layers. It holds no state of its own.

    Args:
        model: The layers, the embeddings and the last norm.
        below: How many layers, from the first on, are the trunk.
    """

    def __init__(self, model: LlamaModel, below: int) -> None:
        self.model, self.below = model, below

    def embedded(self, ids: Tensor) -> Tensor:
        """The tokens' embeddings: (batch, length) -> (batch, length, hidden)."""
        return self.model.embed_tokens(ids)

    def places(
        self,
        states: Tensor,
        attention_mask: Tensor | None = None,
        positions: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Places:
        """The places of tokens with `states` (batch, length, hidden), which only give sizes and types.

        Args:
            states: Of these tokens, at any layer.
            attention_mask: (batch, tokens in the cache + length), 1 at real tokens; None: all are real.
            positions: (batch, length); None: 0, 1, 2 and so on.
            cache: Of the tokens before these.
        """
        if positions is None:
            positions = torch.arange(states.shape[1], device=states.device).unsqueeze(0)
        mask = create_causal_mask(self.model.config, states, attention_mask, cache, positions)
        return Places(positions, self.model.rotary_emb(states, position_ids=positions), mask)

    def trunk(self, states: Tensor, places: Places, cache: Cache | None = None) -> Tensor:
        """Embeddings -> the states where the branch begins: (batch, length, hidden). There is no gradient."""
        with torch.no_grad():
            return self._through(self.model.layers[: self.below], states, places, cache)

    def branch(self, states: Tensor, places: Places, cache: Cache | None = None) -> Tensor:
        """The trunk's states -> last hidden states, after the last norm: (batch, length, hidden)."""
        return self.model.norm(self._through(self.model.layers[self.below :], states, places, cache))

    def _through(self, layers: Iterable[nn.Module], states: Tensor, places: Places, cache: Cache | None) -> Tensor:
        for layer in layers:
            states = layer(
                states,
                attention_mask=places.mask,
                position_embeddings=places.rotary,
                position_ids=places.positions,
                past_key_values=cache,
                use_cache=cache is not None,
            )
        return states


class TrunkMemory:
    """The trunk's states of sequences that have been through it, kept while the memory is on."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Tensor] | None = None

    @contextmanager
    def on(self) -> Iterator[None]:
        """Keep what is computed within; outside, and in a new block, all is forgotten. Blocks within do nothing."""
        if self._kept is not None:
            yield
            return
        self._kept = {}
        try:
            yield
        finally:
            self._kept = None

    @property
    def is_on(self) -> bool:
        """Whether states are kept."""
        return self._kept is not None

    def keep(self, ids: Tensor, states: Tensor) -> None:
        """Keep one sequence's states (length, hidden) for its tokens `ids` (length,), both without padding."""
        if self._kept is not None:
            self._kept[_key(ids)] = states

    def states(self, ids: Tensor, mask: Tensor, compute: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The trunk's states (batch, length, hidden) of sequences `ids` (batch, length), 0 at padding.

        Args:
            ids: Padded on any side.
            mask: (batch, length), true at real tokens.
            compute: (ids, mask) -> states, for the rows that are not known; with the memory off, for all rows.
        """
        if self._kept is None:
            return compute(ids, mask)
        keys = [_key(row[real]) for row, real in zip(ids, mask, strict=True)]
        if new := [row for row, key in enumerate(keys) if key not in self._kept]:
            for row, states in zip(new, compute(ids[new], mask[new]), strict=True):
                self._kept[keys[row]] = states[mask[row]]
        known = [self._kept[key] for key in keys]
        states = known[0].new_zeros(*ids.shape, known[0].shape[-1])
        states[mask] = torch.cat(known)
        return states


def _key(ids: Tensor) -> bytes:
    return ids.cpu().numpy().tobytes()

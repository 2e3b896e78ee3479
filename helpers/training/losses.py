"""The mathematics of one PPO update, as functions that can be replaced by your own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..formulas.objectives import clipped_policy_loss, clipped_value_loss, gae, kl_penalized_rewards, masked_whiten


def count_tokens(mask: Tensor) -> Tensor:
    """How many tokens a loss is the mean over, of responses with this mask (batch, response)."""
    return mask.sum()


def count_responses(mask: Tensor) -> Tensor:
    """How many responses a loss is the mean over."""
    return torch.tensor(len(mask), device=mask.device)


@dataclass(frozen=True)
class Losses:
    """The functions of an update; one of your own has the signature of the one in `formulas.objectives`.

    Attributes:
        kl_penalized_rewards: The rewards of tokens, from scores and KL.
        gae: Advantages and returns, from rewards and values.
        masked_whiten: What is done to the advantages of a batch.
        policy_loss: The loss of a batch.
        value_loss: The value function's.
        kl_loss: (logprobs, ref_logprobs, mask) -> a scalar that beta times is added to the loss; None: the KL is in the
            rewards alone.
        size: What the policy loss is a mean over, counted: a batch's loss is put together of its parts' by it.
    """

    kl_penalized_rewards: Callable[..., Tensor] = kl_penalized_rewards
    gae: Callable[..., tuple[Tensor, Tensor]] = gae
    masked_whiten: Callable[..., Tensor] = masked_whiten
    policy_loss: Callable[..., Tensor] = clipped_policy_loss
    value_loss: Callable[..., Tensor] = clipped_value_loss
    kl_loss: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    size: Callable[[Tensor], Tensor] = count_tokens

"""The mathematics of one PPO update, as functions that can be replaced by your own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..formulas.objectives import clipped_policy_loss, clipped_value_loss, gae, kl_penalized_rewards, masked_whiten


@dataclass(frozen=True)
class Losses:
    """The functions of an update; one of your own has the signature of the one in `formulas.objectives`."""

    kl_penalized_rewards: Callable[..., Tensor] = kl_penalized_rewards
    gae: Callable[..., tuple[Tensor, Tensor]] = gae
    masked_whiten: Callable[..., Tensor] = masked_whiten
    policy_loss: Callable[..., Tensor] = clipped_policy_loss
    value_loss: Callable[..., Tensor] = clipped_value_loss

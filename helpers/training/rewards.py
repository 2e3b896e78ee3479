"""Rewards: any function of prompts and completions that gives one number for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..files import LabError

Reward = Callable[[Sequence[str], Sequence[str]], Sequence[float] | Tensor]


def scores_of(reward: Reward, prompts: Sequence[str], completions: Sequence[str], device: torch.device) -> Tensor:
    """The reward of each completion: float32 (batch,), on `device`.

    Raises:
        LabError: the reward does not give one finite number for each completion.
    """
    values = reward(prompts, completions)
    try:
        scores = torch.as_tensor(values, dtype=torch.float32, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise LabError(f"the reward gave no numbers ({error}); it must give one for each completion") from None
    if scores.shape != (len(prompts),):
        raise LabError(
            f"the reward gave {tuple(scores.shape)} numbers for {len(prompts)} completions; it must give one each"
        )
    if not scores.isfinite().all():
        bad = int((~scores.isfinite()).nonzero()[0])
        raise LabError(
            f"the reward of a completion is {scores[bad].item()}, not a finite number; its prompt: {prompts[bad]!r}"
        )
    return scores


def weighted_sum(*parts: tuple[float, Reward]) -> Reward:
    """The reward that is the sum of others, each times its weight.

    For example `weighted_sum((1.0, judge), (-0.01, words))`.

    Raises:
        LabError: no parts are given; later, a part does not give one finite number for each completion.
    """
    if not parts:
        raise LabError("a weighted sum needs at least one reward")

    def reward(prompts: Sequence[str], completions: Sequence[str]) -> Tensor:
        scores = [weight * scores_of(part, prompts, completions, torch.device("cpu")) for weight, part in parts]
        return torch.stack(scores).sum(dim=0)

    return reward

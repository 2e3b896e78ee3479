"""RLOO and GRPO: several completions of each prompt, which are each other's baseline, and no value function.

Both run on PPO's engine; all that differs is in `Losses`. RLOO (Ahmadian et al. 2024): the baseline of a completion is
the mean reward of the others of its group, and a whole completion is clipped. GRPO (Shao et al. 2024): rewards are
standardized within the group, tokens are clipped, and the KL is a term of the loss. Dr. GRPO (Liu et al. 2025) leaves
out both of GRPO's divisions, by the group's standard deviation and by a response's length.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Literal

from torch import Tensor

from ..files import LabError
from ..formulas.objectives import group_advantages, grpo_loss, kl_k3, kl_penalized_rewards, masked_mean, rloo_loss
from ..models.shared_base import SharedBase
from .checkpoints import Checkpoint
from .losses import Losses, count_responses
from .ppo_config import PPOConfig
from .rewards import Reward
from .train_ppo import train_ppo


def train_rloo(
    shared: SharedBase,
    prompts: Sequence[str],
    reward: Reward | None = None,
    config: PPOConfig | None = None,
    *,
    group_size: int = 4,
    checkpoint: Checkpoint | None = None,
) -> Generator[dict, None, None]:
    """Train the policy of `shared` on `prompts` by RLOO, a record an update; it changes in place.

    Args:
        shared: the policy, its reference and the reward model.
        prompts: the prompt set.
        reward: as for `train_ppo`.
        config: as for `train_ppo`; what concerns GAE and the value function does not count. The KL penalty is in the
            reward.
        group_size: completions of each prompt; an update has `config.batch_size` of them in all.
        checkpoint: as for `train_ppo`.

    Yields:
        As `train_ppo`.

    Raises:
        LabError: for prompts, as `train_ppo`; or there are no groups of that size.
    """
    losses = _losses(group_size, _over_the_others, rloo_loss)
    yield from _train(shared, prompts, reward, config, group_size, losses, checkpoint)


def train_grpo(
    shared: SharedBase,
    prompts: Sequence[str],
    reward: Reward | None = None,
    config: PPOConfig | None = None,
    *,
    group_size: int = 4,
    kl: Literal["loss", "reward"] = "loss",
    scaled: bool = True,
    per_response: bool = True,
    checkpoint: Checkpoint | None = None,
) -> Generator[dict, None, None]:
    """Train the policy of `shared` on `prompts` by GRPO, a record an update; it changes in place.

    Args:
        shared: as for `train_rloo`.
        prompts: as for `train_rloo`.
        reward: as for `train_rloo`.
        config: as for `train_rloo`; `beta` weighs the KL wherever it is.
        group_size: as for `train_rloo`.
        kl: "loss" for k3 of each token, as published; "reward" for the penalty of PPO, which is then standardized with
            the rest of the reward.
        scaled: divide by the standard deviation of the group's rewards; Dr. GRPO does not.
        per_response: average over a response's tokens first; Dr. GRPO divides by the longest allowed length instead.
        checkpoint: as for `train_ppo`.

    Yields:
        As `train_ppo`.

    Raises:
        LabError: as `train_rloo`.
    """
    longest = None
    if not per_response:
        longest = (config and config.max_new_tokens) or shared.profile.max_response_tokens
    losses = _grpo_losses(group_size, kl, scaled, longest)
    yield from _train(shared, prompts, reward, config, group_size, losses, checkpoint)


def _train(
    shared: SharedBase,
    prompts: Sequence[str],
    reward: Reward | None,
    config: PPOConfig | None,
    group_size: int,
    losses: Losses,
    checkpoint: Checkpoint | None,
) -> Generator[dict, None, None]:
    config = config or PPOConfig.of(shared.profile)
    if group_size < 2 or config.batch_size % group_size:
        raise LabError(f"{config.batch_size} rollouts an update cannot be divided into groups of {group_size}")
    config = replace(config, group_size=group_size, value_coefficient=0.0)
    yield from train_ppo(shared, prompts, reward, config, losses=losses, checkpoint=checkpoint)


def _grpo_losses(group_size: int, kl: str, scaled: bool, longest: int | None) -> Losses:
    def policy_loss(
        logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, clip: float = 0.2
    ) -> Tensor:
        return grpo_loss(logprobs, old_logprobs, advantages, mask, clip, longest)

    def kl_loss(logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor) -> Tensor:
        """k3, averaged over tokens and responses as the policy loss is."""
        summed = kl_k3(logprobs, ref_logprobs).where(mask, 0.0).sum(dim=1)
        return (summed / (longest or mask.sum(dim=1).clamp(min=1))).mean()

    losses = _losses(group_size, _standardized if scaled else _over_the_mean, policy_loss)
    if kl == "reward":
        return losses
    return replace(losses, kl_loss=kl_loss, kl_penalized_rewards=_scores_alone)


def _losses(group_size: int, baseline: Callable[[Tensor], Tensor], policy_loss: Callable[..., Tensor]) -> Losses:
    def advantages(
        rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """The group advantage of a response at each of its tokens, and its reward, (batch, response) each."""
        whole = rewards.where(mask, 0.0).sum(dim=1)
        of_responses = baseline(whole.view(-1, group_size)).view(-1, 1)
        return of_responses * mask, whole.unsqueeze(1) * mask

    return Losses(
        gae=advantages,
        masked_whiten=_as_they_are,
        policy_loss=policy_loss,
        value_loss=_no_value_loss,
        size=count_responses,
    )


def _over_the_others(rewards: Tensor) -> Tensor:
    return group_advantages(rewards, scaled=False)


def _standardized(rewards: Tensor) -> Tensor:
    return group_advantages(rewards, scaled=True)


def _over_the_mean(rewards: Tensor) -> Tensor:
    return rewards - rewards.mean(dim=1, keepdim=True)


def _as_they_are(advantages: Tensor, mask: Tensor) -> Tensor:
    return advantages


def _scores_alone(scores: Tensor, logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor, beta: float) -> Tensor:
    """The score at each response's last token, without a KL penalty: (batch, response)."""
    return kl_penalized_rewards(scores, logprobs, ref_logprobs, mask, beta=0.0)


def _no_value_loss(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float) -> Tensor:
    return 0.0 * masked_mean(values, mask)

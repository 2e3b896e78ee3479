"""REINFORCE, the policy gradient as it is derived, on the rollouts of PPO (Williams 1992).

One gradient step a batch. Every token of a response gets the same advantage: the whole response's reward, KL penalty
and all, minus a baseline, which is the mean over the batch, or nothing.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace

from torch import Tensor

from ..formulas.objectives import masked_mean, reinforce_loss
from ..models.shared_base import SharedBase
from .checkpoints import Checkpoint
from .losses import Losses
from .ppo_config import PPOConfig
from .rewards import Reward
from .train_ppo import train_ppo


def train_reinforce(
    shared: SharedBase,
    prompts: Sequence[str],
    reward: Reward | None = None,
    config: PPOConfig | None = None,
    *,
    baseline: bool = True,
    checkpoint: Checkpoint | None = None,
) -> Generator[dict, None, None]:
    """Train the policy of `shared` on `prompts` by REINFORCE, with or without a baseline, a record an update.

    All else is as in `train_ppo`: rewards, KL penalty, batches, records. Of `config`, epochs and minibatch_size (one
    step on the whole batch) and what concerns clipping and the value function do not count. `baseline`: subtract the
    mean reward of the batch.
    """
    config = config or PPOConfig.of(shared.profile)
    config = replace(config, epochs=1, minibatch_size=config.batch_size, value_coefficient=0.0)
    advantages = advantages_over_the_mean if baseline else whole_rewards
    losses = Losses(gae=advantages, masked_whiten=_no_whitening, policy_loss=_policy_loss, value_loss=_no_value_loss)
    yield from train_ppo(shared, prompts, reward, config, losses=losses, checkpoint=checkpoint)


def whole_rewards(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 1.0
) -> tuple[Tensor, Tensor]:
    """(R, R): the sum of a response's rewards at each of its tokens, (batch, response), 0 at padding."""
    whole = (rewards * mask).sum(dim=1, keepdim=True) * mask
    return whole, whole


def advantages_over_the_mean(
    rewards: Tensor, values: Tensor, mask: Tensor, gamma: float = 1.0, lam: float = 1.0
) -> tuple[Tensor, Tensor]:
    """(R - b, R): the same minus the mean R of the batch's responses, 0 at padding."""
    whole, _ = whole_rewards(rewards, values, mask)
    return (whole - (rewards * mask).sum(dim=1).mean()) * mask, whole


def _no_whitening(advantages: Tensor, mask: Tensor) -> Tensor:
    return advantages


def _policy_loss(logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, clip: float) -> Tensor:
    return reinforce_loss(logprobs, advantages, mask)


def _no_value_loss(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float) -> Tensor:
    return 0.0 * masked_mean(values, mask)

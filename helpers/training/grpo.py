"""RLOO and GRPO by TRL: several completions of each prompt, which are each other's baseline, and no value function.

RLOO (Ahmadian et al. 2024): the baseline of a completion is the mean reward of the others of its group, and whole
completions are clipped. GRPO (Shao et al. 2024): rewards are standardized within the group, and tokens are clipped.
For both, the KL penalty is in the reward, as it is for PPO here. The published GRPO has a KL term in its loss instead,
estimated by k3; here the penalty is standardized with the rest of the reward.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from datasets import Dataset
from torch import Tensor
from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

from ..files import LabError
from ..models.generation import pad_left, pad_right
from ..models.loading import prompt_ids
from ..models.profiles import StageConfig
from ..models.shared_base import POLICY, REFERENCE, SharedBase
from .ppo_config import PPOConfig
from .prompts import check_prompts
from .rewards import Reward, scores_of
from .trl_bridge import train

METHODS = {"rloo": (RLOOTrainer, RLOOConfig, {}), "grpo": (GRPOTrainer, GRPOConfig, {"loss_type": "grpo"})}
RECORDED = {"entropy": "entropy", "grad_norm": "gradient_norm", "clip_ratio/region_mean": "clip_fraction"}


def train_grpo(
    shared: SharedBase,
    prompts: Sequence[str],
    reward: Reward | None = None,
    config: PPOConfig | None = None,
    *,
    group_size: int = 4,
) -> Generator[dict, None, None]:
    """Train the policy of `shared` on `prompts` by GRPO, a record an update; it changes in place.

    Args:
        shared: the policy, its reference and the reward model.
        prompts: the prompt set.
        reward: as for `train_ppo`.
        config: as for `train_ppo`; minibatch_size, early stops, and what concerns GAE and the value function do not
            count.
        group_size: completions of each prompt; an update has `config.batch_size` of them, of batch_size / group_size
            prompts.

    Yields:
        Records with names of PPO's: step, reward, kl, objective, entropy, clip_fraction, gradient_norm,
        response_tokens, ended, samples, seconds.

    Raises:
        LabError: for prompts, as `train_ppo`; or the group size does not divide the batch.
    """
    yield from _train("grpo", shared, prompts, reward, config, group_size)


def train_rloo(
    shared: SharedBase,
    prompts: Sequence[str],
    reward: Reward | None = None,
    config: PPOConfig | None = None,
    *,
    group_size: int = 4,
) -> Generator[dict, None, None]:
    """Train the policy of `shared` on `prompts` by RLOO; all else is as in `train_grpo`."""
    yield from _train("rloo", shared, prompts, reward, config, group_size)


def _train(
    method: Literal["rloo", "grpo"],
    shared: SharedBase,
    prompts: Sequence[str],
    reward: Reward | None,
    config: PPOConfig | None,
    group_size: int,
) -> Generator[dict, None, None]:
    """Train with one of TRL's trainers; a record an update is the mean of those of its passes."""
    config = config or PPOConfig.of(shared.profile)
    check_prompts(shared, prompts)
    if group_size < 2 or config.batch_size % group_size:
        raise LabError(f"{config.batch_size} rollouts an update cannot be divided into groups of {group_size}")
    trainer, trl_config, options = METHODS[method]
    torch.manual_seed(config.seed)
    penalized_reward = _PenalizedReward(shared, reward or shared.reward, config)
    model = shared.peft.get_base_model()  # RLOO wants peft's adapter to be named "default"; here the layers have ours
    model._hf_peft_config_loaded = True  # so that transformers knows of them: 4 bits alone cannot be trained
    order = random.Random(config.seed).sample(list(prompts), len(prompts))
    steps = config.updates * config.epochs
    run = train(
        trainer,
        trl_config,
        shared.profile,
        StageConfig(steps, config.batch_size, config.batch_size, config.learning_rate, warmup=0.0),
        model=model,
        names=RECORDED,
        seed=config.seed,
        options={
            **options,
            "lr_scheduler_type": "constant",
            "num_generations": group_size,
            "num_iterations": config.epochs,
            "steps_per_generation": 1,
            "max_completion_length": config.max_new_tokens or shared.profile.max_response_tokens,
            "temperature": config.temperature,
            "max_grad_norm": config.max_grad_norm,
            "epsilon": config.clip,
            "beta": 0.0,
            "shuffle_dataset": False,
        },
        reward_funcs=penalized_reward,
        train_dataset=Dataset.from_dict({"prompt": order}),
        processing_class=shared.tokenizer,
    )
    passes: list[dict] = []
    with closing(run):
        for record in run:
            passes.append(record)
            if len(passes) == config.epochs:
                means = {name: sum(p[name] for p in passes) / len(passes) for name in (*RECORDED.values(), "seconds")}
                means["seconds"] *= len(passes)
                yield {"step": record["step"] // config.epochs} | means | penalized_reward.measures
                passes = []
    shared.peft.eval()


@dataclass
class _PenalizedReward:
    """The reward that TRL asks for, one number a completion: score minus KL penalty; `measures` are of its last call.

    TRL hands over prompts as texts, so they are encoded here once more.
    """

    shared: SharedBase
    reward: Reward
    config: PPOConfig
    measures: dict[str, Any] = field(default_factory=dict)
    __name__ = "reward"  # TRL's name for it in its logs

    def __call__(self, prompts: list[str], completions: list[str], completion_ids: list[list[int]], **_) -> list[float]:
        shared, config = self.shared, self.config
        ended = torch.tensor([ids[-1] == shared.eos_id for ids in completion_ids])
        scores = scores_of(self.reward, prompts, completions, shared.device).cpu()
        scores = scores - config.missing_eos_penalty * (~ended).float()
        kl = self._kl(prompts, completion_ids).cpu()
        rewards = scores - config.beta * kl
        self.measures = {
            "reward": scores.mean().item(),
            "kl": kl.mean().item(),
            "objective": rewards.mean().item(),
            "response_tokens": sum(map(len, completion_ids)) / len(completion_ids),
            "ended": ended.float().mean().item(),
            "samples": [
                {"prompt": p, "completion": c, "reward": s}
                for p, c, s in zip(prompts[:4], completions[:4], scores[:4].tolist(), strict=True)
            ],
        }
        return rewards.tolist()

    @torch.no_grad()
    def _kl(self, prompts: list[str], completion_ids: list[list[int]]) -> Tensor:
        """Sampled KL of each completion from the reference, nats: (batch,)."""
        shared = self.shared
        encoded = prompt_ids(shared.profile, shared.tokenizer, prompts)
        prompt = pad_left(encoded, shared.pad_id, shared.device)
        response, mask = pad_right(completion_ids, shared.pad_id, shared.device)
        policy, reference = (
            shared.response_logprobs(prompt, response, role, self.config.temperature) for role in (POLICY, REFERENCE)
        )
        return ((policy - reference) * mask).sum(dim=1)

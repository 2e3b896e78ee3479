"""Break one thing in PPO and record the run, for the failure gallery; `gallery` says what each case shows.

Each is one line that went wrong, as it does in real code. What is broken is patched for the run alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from unittest.mock import patch

import torch
from torch import Tensor

from ..formulas.objectives import kl_penalized_rewards
from ..models.generation import pad_right
from ..models.profiles import Profile
from ..models.shared_base import SharedBase
from ..runs import recordings, stages
from ..training import ppo
from ..training.losses import Losses
from ..training.ppo import PPO
from ..training.ppo_config import PPOConfig
from ..training.rewards import Reward

# --- The broken lines ---------------------------------------------------------


def _turned_round(shared: SharedBase) -> Reward:
    return lambda prompts, completions: -shared.reward(prompts, completions)


def _shifted(shared: SharedBase) -> Reward:
    """Bradley-Terry's loss is the same for r and r + 10: only normalization takes such a constant out."""
    return lambda prompts, completions: shared.reward(prompts, completions) + 10


def _score_in_last_column(scores: Tensor, logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor, beta: float) -> Tensor:
    rewards = kl_penalized_rewards(torch.zeros_like(scores), logprobs, ref_logprobs, mask, beta)
    rewards[:, -1] += scores * mask[:, -1]  # at padding it is lost
    return rewards


def _without_eos(response_ids: Tensor, eos_id: int) -> Tensor:
    return (response_ids != eos_id).long().cumprod(1).bool()


def _padded_right(rows, pad_id: int, device="cpu") -> Tensor:
    return pad_right(rows, pad_id, device)[0]


def _forget_the_reference(shared: SharedBase) -> None:
    shared.has_reference_adapter = False


class _FastValueHead(PPO):
    def __init__(self, shared: SharedBase, reward: Reward, config: PPOConfig, *rest) -> None:
        super().__init__(shared, reward, config, *rest)
        head = list(shared.value_head.parameters())
        policy = [p for p in shared.trainable_parameters() if all(p is not q for q in head)]
        groups = [{"params": policy}, {"params": head, "lr": 100 * config.learning_rate}]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, weight_decay=0.0)


# --- Which case is broken how -------------------------------------------------


@dataclass(frozen=True)
class Break:
    """What differs from a healthy run.

    config: settings of PPO. reward: made from the shared base. losses: of the mathematics. replaced: name in
    `training.ppo` -> what stands there instead. prepare: what is done to the shared base before the run.
    """

    config: Mapping[str, float] = field(default_factory=dict)
    reward: Callable[[SharedBase], Reward] | None = None
    losses: Losses = Losses()
    replaced: Mapping[str, object] = field(default_factory=dict)
    prepare: Callable[[SharedBase], None] = lambda shared: None


BREAKS = {
    "case-0": Break(),
    "case-1": Break(reward=_turned_round),
    "case-2": Break(losses=Losses(kl_penalized_rewards=_score_in_last_column)),
    "case-3": Break(replaced={"pad_left": _padded_right}),
    "case-4": Break(replaced={"PPO": _FastValueHead}),
    "case-5": Break({"missing_eos_penalty": 0.0}),
    "case-6": Break({"learning_rate": 5e-3}),
    "case-7": Break(prepare=_forget_the_reference),
    "case-8": Break(reward=_shifted),
    "case-9": Break(replaced={"response_mask": _without_eos}),
    "case-10": Break({"beta": 0.0, "updates": 80}),
}


def run(profile: Profile, name: str, *, record: str | None = None, **settings) -> Iterator[dict]:
    """PPO as the case of that name breaks it, its records as from `stages.ppo_with_gold`. settings: of PPOConfig, for a
    trial."""
    case = BREAKS[name]
    config = PPOConfig.of(profile, **{**case.config, **settings})
    shared = stages.load_shared(profile, seed=config.seed)
    case.prepare(shared)
    reward = case.reward(shared) if case.reward else None
    title = name.replace("-", " ").capitalize()
    with ExitStack() as broken:
        for function, instead in case.replaced.items():
            broken.enter_context(patch.object(ppo, function, instead))
        yield from stages.ppo_with_gold(
            profile, config, shared=shared, reward=reward, losses=case.losses, record=record, title=title
        )


def record_all(profile: Profile, **settings) -> Iterator[dict]:
    """Run every case, the healthy one first, and ship each recording as it is done; yields the records."""
    for name in BREAKS:
        yield from ({"recording": name} | record for record in run(profile, name, record=name, **settings))
        recordings.ship(name, profile.name)

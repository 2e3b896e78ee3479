"""PPO over a prompt set: a stream of records, one an update, that can be stopped and resumed."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, replace
from itertools import islice

import torch
from torch.optim import Optimizer

from ..models.shared_base import SharedBase
from . import checkpoints
from .checkpoints import Checkpoint, State
from .distributed import SINGLE_PROCESS, Distributed
from .inspection import greedy_watcher
from .losses import Losses
from .ppo import PPO, adamw
from .ppo_config import PPOConfig
from .prompts import check_prompts, prompt_batches
from .rewards import Reward
from .rollouts import Tokens


def train_ppo(
    shared: SharedBase,
    prompts: Sequence[str],
    reward: Reward | None = None,
    config: PPOConfig = PPOConfig(),
    *,
    losses: Losses = Losses(),
    checkpoint: Checkpoint | None = None,
    distributed: Distributed = SINGLE_PROCESS,
    tokens: Tokens = Tokens(),
    optimizer: Callable[[SharedBase, float], Optimizer] = adamw,
) -> Generator[dict, None, None]:
    """Train the policy of `shared` on `prompts`, a record an update; the policy changes in place.

    The caller may stop at any record.

    Args:
        shared: the policy, its reference, the value head and the reward model.
        prompts: the prompt set.
        reward: any function of (prompts, completions); None takes the reward adapter that `shared` was loaded with.
        config: the settings.
        losses: the mathematics of an update.
        checkpoint: where to keep the run's state, and to go on from; delete it when the policy is stored
            (`checkpoints.resumable` says what that adds to the records).
        distributed: the processes that share the work; all of them yield the same records.
        tokens: how prompts are padded and responses masked.
        optimizer: makes the optimizer, from `shared` and the learning rate.

    Yields:
        What `PPO.update` returns. With `config.watch`, "samples" are not of the rollout but of the same prompts at the
        first, every `watch_every`-th and the last update, and empty at the others: prompt, before (the reference's
        greedy completion), completion (the policy's, now), before_reward and reward (without the missing-EOS penalty).

    Raises:
        LabError: for prompts, as `check_prompts`.
    """
    check_prompts(shared, prompts)
    torch.manual_seed(config.seed)
    ppo = PPO(shared, reward or shared.reward, config, losses, distributed, tokens, optimizer)
    if checkpoint:
        checkpoint = replace(checkpoint, writes=distributed.is_main_process)

    def start(state: State | None) -> Generator[dict, None, None]:
        watch = greedy_watcher(shared, ppo.reward, prompts[: config.watch], config.max_new_tokens)
        if state:
            ppo.load_state(state)
        batches = prompt_batches(prompts, config.batch_size // config.group_size, config.seed)
        for different in islice(batches, ppo.step, config.updates):
            if config.max_kl is not None and ppo.kl is not None and ppo.kl >= config.max_kl:
                return
            record = ppo.update([prompt for prompt in different for _ in range(config.group_size)])
            if config.watch:
                due = ppo.step in (1, config.updates) or ppo.step % config.watch_every == 0
                record["samples"] = watch() if due else []
            yield record

    fingerprint = _fingerprint(ppo, prompts, reward) if checkpoint else {}
    yield from checkpoints.resumable(start, ppo.state, checkpoint, fingerprint)


def _fingerprint(ppo: PPO, prompts: Sequence[str], reward: Reward | None) -> checkpoints.Fingerprint:
    """What decides a run's records.

    The policy's first weights are not in it: they are the reference's, or, where a run was stopped and goes on in the
    same process, its last ones, which the checkpoint replaces.
    """
    shared = ppo.shared
    return {
        "trainer": "PPO",
        **asdict(ppo.config),
        "profile": checkpoints.profile_digest(shared.profile),
        "base model, SFT or reward model": checkpoints.frozen_digest(shared),
        "reward scale": checkpoints.digest([shared.reward_scale.mean, shared.reward_scale.std]),
        "prompts": checkpoints.digest(list(prompts)),
        "reward": checkpoints.code_digest(reward) if reward else "reward model",
        **{name: checkpoints.code_digest(function) for name, function in vars(ppo.losses).items()},
        **{name: checkpoints.code_digest(function) for name, function in vars(ppo.tokens).items()},
    }

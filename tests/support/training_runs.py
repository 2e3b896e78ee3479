"""Small training runs: every trainer that takes a checkpoint, read to its end, compared, or run in another process.

TRL takes seconds to import, so that only what uses it does: a process that runs PPO needs none of it.
"""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path

import torch

from helpers.models.shared_base import SharedBase
from helpers.training.ppo_config import PPOConfig
from helpers.training.train_ppo import train_ppo

from .shared_base import PROMPTS
from .tiny import pairs, short


def run(generator):
    """All records of a generator, and what it returns."""
    records = []
    while True:
        try:
            records.append(next(generator))
        except StopIteration as end:
            return records, end.value


def training_threads():
    return [thread for thread in threading.enumerate() if thread.name == "training"]


def untimed(records):
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


PPO = PPOConfig(
    updates=6,
    batch_size=4,
    minibatch_size=2,
    epochs=2,
    max_new_tokens=6,
    learning_rate=5e-3,
    seed=3,
    adaptive_kl_target=0.5,
)


ADDED = ("seconds", "seconds_rollout", "replayed", "resumed_at")


def bare(records):
    """Records without clock times and without what a resumed run adds."""
    return [{key: value for key, value in record.items() if key not in ADDED} for record in records]


def trained(module):
    return {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def letters(prompts, completions):
    """A toy reward: how many letters e. In a process that is to be killed, the fourth call never returns."""
    if os.environ.get("HANGS") and next(CALLS) == 4:
        print("hanging", flush=True)
        time.sleep(600)
    return [completion.count("e") for completion in completions]


CALLS = itertools.count(1)


def ppo(profile, adapters, checkpoint=None):
    """(records, trained weights) of a run of PPO on a fresh base, and how to make them."""
    shared = SharedBase.load(profile, sft=adapters.sft, reward=adapters.reward)
    return train_ppo(shared, PROMPTS, letters, PPO, checkpoint=checkpoint), lambda _: trained(shared)


def sft(profile, adapters, checkpoint=None):
    from helpers.training.sft import train_sft

    return train_sft(profile, pairs(40), checkpoint=checkpoint), trained


def reward_model(profile, adapters, checkpoint=None):
    from helpers.training.reward_model import train_reward_model

    stream = train_reward_model(profile, pairs(40), margins={1: 0, 2: 0.5, 3: 1, 4: 2}, checkpoint=checkpoint)
    return stream, lambda result: trained(result[0])


def accumulating(profile, adapters, checkpoint=None):
    """Two micro-batches a step, and a last step of an epoch that has but one row in its last."""
    from helpers.training.sft import train_sft

    stage = replace(profile.sft, batch_size=8, micro_batch_size=4, steps=9)
    return train_sft(profile, pairs(21), stage=stage, checkpoint=checkpoint), trained


def large(profile):
    """With what a large model saves memory by; the rank is such that the optimizer keeps its state in 8 bits."""
    return replace(profile, lora_rank=64, lora_alpha=64, gradient_checkpointing=True, paged_optimizer=True)


def ppo_large(profile, adapters, checkpoint=None):
    shared = SharedBase.load(large(profile))
    return train_ppo(shared, PROMPTS, letters, PPO, checkpoint=checkpoint), lambda _: trained(shared)


def sft_large(profile, adapters, checkpoint=None):
    from helpers.training.sft import train_sft

    return train_sft(large(profile), pairs(40), checkpoint=checkpoint), trained


TRAINERS = {
    "ppo": ppo,
    "sft": sft,
    "reward_model": reward_model,
    "accumulating": accumulating,
    "ppo_large": ppo_large,
    "sft_large": sft_large,
}


def outcome(made):
    stream, weights_of = made
    records, result = run(stream)
    return records, weights_of(result)


def packed(profile, adapters, folder):
    return json.dumps([profile.base, str(adapters.sft), str(adapters.reward), str(folder)])


def unpacked(text):
    """Profile (that of tiny.py), adapters and folder of the process that `packed` them."""
    from types import SimpleNamespace

    base, sft, reward, folder = json.loads(text)
    return short(base), SimpleNamespace(sft=Path(sft), reward=Path(reward)), Path(folder)

"""The settings of PPO, and the checks that refuse those that cannot be trained with."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf, isfinite
from numbers import Integral, Real

from ..files import LabError
from ..models.profiles import Profile

UNLIMITED = ("clip", "value_clip", "max_grad_norm")  # may be infinite: no limit


@dataclass(frozen=True)
class PPOConfig:
    """Every knob of PPO; `beta` is the KL coefficient in the text, the figures and here. Raises LabError for settings
    that cannot be trained with, all of them in one message."""

    updates: int = 40  # rollout batches, each followed by `epochs` passes
    batch_size: int = 32  # rollouts an update
    minibatch_size: int = 32  # rollouts a gradient step; all of them if an update has fewer
    microbatch_size: int | None = 16  # rollouts a forward pass, of like length to save padding; None: the minibatch
    epochs: int = 2  # passes over each batch of rollouts
    learning_rate: float = 5e-4  # AdamW, for the policy's LoRA weights and the value head
    beta: float = 0.05  # KL coefficient, reward units a nat
    adaptive_kl_target: float | None = (
        None  # beta is adapted so that KL (nats a response) comes near this, see `adapted`
    )
    gamma: float = 1.0  # discount: a summary's score counts in full at its first token
    lam: float = 0.95  # GAE: 1 is all return, 0 all value function
    clip: float = 0.2  # the ratio may gain within [1 - clip, 1 + clip]
    value_clip: float = 0.2  # the same for the value function, in reward units
    value_coefficient: float = 0.1  # weight of the value loss
    max_grad_norm: float = 1.0
    target_kl: float | None = None  # ends an update's passes once the policy moved so far from its start, nats a token
    max_kl: float | None = None  # ends the run once KL to the reference reaches this (nats a response)
    missing_eos_penalty: float = 1.0  # off the score of a response that never ends
    whiten_scores: bool = False  # scale the scores of each batch to mean 0 and variance 1 (Llama 2, sec. 3.4.2)
    max_new_tokens: int | None = None  # None: the profile's max_response_tokens
    temperature: float = 1.0  # of the policy, in sampling and in all its log-probabilities
    seed: int = 0
    inspect: int = 0  # rollouts of each update whose tokens the record tells, see `inspected`
    watch: int = 0  # prompts of the set, its first, whose greedy completions some records show
    watch_every: int = 5  # updates from one such record to the next, after the first and before the last

    def __post_init__(self) -> None:
        counts = ("updates", "batch_size", "minibatch_size", "epochs", "watch_every")
        positive = ("learning_rate", "clip", "value_clip", "max_grad_norm", "temperature")
        optional = ("microbatch_size", "target_kl", "adaptive_kl_target", "max_new_tokens")
        problems = _no_numbers(self, whole={*counts, "seed", "inspect", "watch"}, optional={*optional, "max_kl"})
        if problems:
            raise LabError(f"PPO cannot be trained with these settings: {'; '.join(problems)}")
        if not 0 <= self.seed < 2**32:
            problems.append(f"seed is {self.seed}: from 0 to {2**32 - 1}")
        problems += [f"{name} is {getattr(self, name)}: at least 1" for name in counts if getattr(self, name) < 1]
        problems += [f"{name} is {getattr(self, name)}: above 0" for name in positive if not getattr(self, name) > 0]
        given = [name for name in optional if getattr(self, name) is not None]
        problems += [
            f"{name} is {getattr(self, name)}: above 0, or None" for name in given if not getattr(self, name) > 0
        ]
        problems += [
            f"{name} is {value}: from 0 to 1"
            for name in ("gamma", "lam")
            if not 0 <= (value := getattr(self, name)) <= 1
        ]
        if not self.beta >= 0:
            problems.append(f"beta is {self.beta}: 0 or more")
        if not problems and self.batch_size % min(self.batch_size, self.minibatch_size):
            problems.append(f"batch_size {self.batch_size} is no multiple of minibatch_size {self.minibatch_size}")
        if problems:
            raise LabError(f"PPO cannot be trained with these settings: {'; '.join(problems)}")

    @classmethod
    def of(cls, profile: Profile, **changes) -> PPOConfig:
        """The settings to begin with for a profile: the defaults for the tiny model, smaller steps for a large one."""
        if profile.needs_gpu:
            large = {"updates": 200, "minibatch_size": 8, "microbatch_size": 4, "learning_rate": 1e-5, "epochs": 4}
            changes = large | changes
        return cls(**changes)


def _is_real(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, Integral) and isfinite(value)


def _no_numbers(config: PPOConfig, whole: set[str], optional: set[str]) -> list[str]:
    """The settings that are no finite numbers, or no whole ones where they must be. optional: may be None."""
    problems = []
    for name, value in ((field.name, getattr(config, field.name)) for field in fields(config)):
        is_one = isinstance(value, Integral) and abs(value) < 2**63 or name not in whole and _is_real(value)
        if not (is_one or value is None and name in optional or value == inf and name in UNLIMITED):
            problems.append(f"{name} is {repr(value)[:40]}: a {'whole ' * (name in whole)}number")
    return problems

"""The settings of PPO, and the checks that refuse those that cannot be trained with."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf, isfinite
from numbers import Integral, Real

from ..files import LabError
from ..models.profiles import Profile

COUNTS = ("updates", "batch_size", "group_size", "minibatch_size", "epochs", "watch_every")  # whole numbers from 1
WHOLE = (*COUNTS, "seed", "inspect", "watch")
POSITIVE = ("learning_rate", "clip", "value_clip", "max_grad_norm", "temperature")
UNLIMITED = ("clip", "value_clip", "max_grad_norm")  # may be infinite: no limit
POSITIVE_OR_NONE = ("microbatch_size", "target_kl", "adaptive_kl_target", "max_new_tokens")
OPTIONAL = (*POSITIVE_OR_NONE, "max_kl")  # may be None


@dataclass(frozen=True)
class PPOConfig:
    """Every setting of PPO; `beta` is the KL coefficient in the text, the figures and here.

    Raises:
        LabError: for settings that cannot be trained with, all of them in one message.
    """

    updates: int = 40  # rollout batches, each followed by `epochs` passes
    batch_size: int = 32  # rollouts an update
    group_size: int = 1  # rollouts of each prompt, one after the other
    minibatch_size: int = 32  # rollouts a gradient step; all of them if an update has fewer
    microbatch_size: int | None = 16  # rollouts a forward pass, of like length to save padding; None: the minibatch
    epochs: int = 2  # passes over each batch of rollouts
    learning_rate: float = 5e-4  # AdamW, for the policy's LoRA weights and the value head
    beta: float = 0.05  # KL coefficient, reward units a nat
    adaptive_kl_target: float | None = None  # KL, nats a response, that beta is adapted to, see `AdaptiveKLController`
    gamma: float = 1.0  # discount of later rewards; 1: the return at each token holds the whole score
    # GAE: 1 is all return, 0 all value function. With values near 0 and gamma 1, a token k tokens before the last is
    # credited with lam^k of the score: the first of 27 with 0.26 of it.
    lam: float = 0.95
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
    inspect: int = 0  # rollouts of each update whose tokens the record shows, see `inspect_response`
    watch: int = 0  # prompts of the set, its first, whose greedy completions some records show
    watch_every: int = 5  # updates from one such record to the next, after the first and before the last

    def __post_init__(self) -> None:
        if problems := _wrong_types(self) or _out_of_range(self):
            raise LabError(f"PPO cannot be trained with these settings: {'; '.join(problems)}")

    @classmethod
    def of(cls, profile: Profile, **changes) -> PPOConfig:
        """The settings to begin with for a profile: the defaults for the tiny model, smaller steps for a large one.

        Args:
            profile: the model.
            **changes: settings that are to be others.
        """
        if profile.needs_gpu:
            large = {"updates": 200, "minibatch_size": 8, "microbatch_size": 4, "learning_rate": 1e-5, "epochs": 4}
            changes = large | changes
        return cls(**changes)


def _wrong_types(config: PPOConfig) -> list[str]:
    """What is wrong with settings that are no finite numbers, or no whole ones where they must be."""
    problems = []
    for name, value in ((field.name, getattr(config, field.name)) for field in fields(config)):
        whole = isinstance(value, Integral) and abs(int(value)) < 2**63
        real = name not in WHOLE and isinstance(value, Real) and not isinstance(value, Integral) and isfinite(value)
        if not (whole or real or value is None and name in OPTIONAL or value == inf and name in UNLIMITED):
            problems.append(f"{name} is {repr(value)[:40]}: a {'whole ' * (name in WHOLE)}number")
    return problems


def _out_of_range(config: PPOConfig) -> list[str]:
    """What is wrong with settings that are numbers, but too small or too large."""
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    problems = []
    if not 0 <= config.seed < 2**32:
        problems.append(f"seed is {config.seed}: from 0 to {2**32 - 1}")
    problems += [f"{name} is {values[name]}: at least 1" for name in COUNTS if values[name] < 1]
    problems += [f"{name} is {values[name]}: above 0" for name in POSITIVE if not values[name] > 0]
    given = [name for name in POSITIVE_OR_NONE if values[name] is not None]
    problems += [f"{name} is {values[name]}: above 0, or None" for name in given if not values[name] > 0]
    problems += [f"{name} is {values[name]}: from 0 to 1" for name in ("gamma", "lam") if not 0 <= values[name] <= 1]
    if not config.beta >= 0:
        problems.append(f"beta is {config.beta}: 0 or more")
    if not problems and config.batch_size % min(config.batch_size, config.minibatch_size):
        problems.append(f"batch_size {config.batch_size} is no multiple of minibatch_size {config.minibatch_size}")
    if not problems and config.batch_size % config.group_size:
        problems.append(f"batch_size {config.batch_size} is no multiple of group_size {config.group_size}")
    return problems

"""Break one line of PPO and record the run, for the failure gallery; `failure_cases` says what each case shows.

Each case is one line that went wrong, as it does in real code: a function with one line changed, or a setting. PPO is
given the broken function in place of the right one, and the lines that the lab shows are taken from both.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import ndiff
from textwrap import dedent
from typing import Any, TypeVar, cast

import torch
from torch import Tensor
from torch.optim import AdamW, Optimizer

from ..formulas.objectives import _zero_padding, kl_k1, kl_penalized_rewards
from ..models.generation import pad_left, response_mask
from ..models.profiles import Profile
from ..models.shared_base import SharedBase
from ..runs import recordings, stages
from ..training.losses import Losses
from ..training.ppo_config import PPOConfig
from ..training.rollouts import Tokens
from .failure_cases import CASES, HEALTHY, Case

Function = TypeVar("Function", bound=Callable[..., Any])

# --- What a case changes ------------------------------------------------------


@dataclass(frozen=True)
class BrokenFunction:
    """A function of PPO, and what stands in its place: the same with one line changed."""

    right: Callable[..., Any]
    broken: Callable[..., Any]

    @property
    def diff(self) -> list[str]:
        """The changed lines, "- " as it should be and "+ " as it ran."""
        lines = ndiff(_body(self.right), _body(self.broken))
        return [f"{line[:2]}{line[2:].strip()}" for line in lines if line[0] in "-+"]


@dataclass(frozen=True)
class BrokenSetting:
    """A setting of PPO that is not the default."""

    name: str
    value: float

    @property
    def diff(self) -> list[str]:
        """The setting, "- " as it should be and "+ " as it ran."""
        return [f"- {self.name}={getattr(PPOConfig(), self.name)}", f"+ {self.name}={self.value}"]


def _body(function: Callable[..., Any]) -> list[str]:
    """The lines of a function behind its docstring."""
    lines = dedent(inspect.getsource(function)).splitlines()
    definition = ast.parse("\n".join(lines)).body[0]
    assert isinstance(definition, ast.FunctionDef)
    first = definition.body[1 if ast.get_docstring(definition) else 0]
    return lines[first.lineno - 1 :]


# --- Functions of a healthy run, where PPO has no function of its own ----------


def load_roles(profile: Profile, seed: int) -> SharedBase:
    """Policy, reference, reward model and value head on one base."""
    shared = stages.load_shared(profile, seed=seed)
    shared.has_reference_adapter = True  # the reference: the SFT adapter, from which the policy begins
    return shared


def reward(shared: SharedBase, prompts: Sequence[str], completions: Sequence[str]) -> Tensor:
    """The reward that PPO maximizes: (batch,)."""
    return shared.reward(prompts, completions)


def optimizer(shared: SharedBase, learning_rate: float) -> Optimizer:
    """The optimizer of the policy's adapter and the value head."""
    policy = [weights for weights in shared.peft.parameters() if weights.requires_grad]
    groups: list[dict[str, Any]] = [{"params": policy}]
    groups.append({"params": list(shared.value_head.parameters()), "lr": learning_rate})
    return AdamW(groups, lr=learning_rate, weight_decay=0.0)


# --- The same functions, and PPO's own, each with one line broken --------------


def load_with_base_as_reference(profile: Profile, seed: int) -> SharedBase:
    """`load_roles`, broken."""
    shared = stages.load_shared(profile, seed=seed)
    shared.has_reference_adapter = False  # the reference: the base model, without any adapter
    return shared


def negated_reward(shared: SharedBase, prompts: Sequence[str], completions: Sequence[str]) -> Tensor:
    """`reward`, broken."""
    return -shared.reward(prompts, completions)


def shifted_reward(shared: SharedBase, prompts: Sequence[str], completions: Sequence[str]) -> Tensor:
    """`reward`, broken.

    Bradley-Terry's loss is the same for r and r + 10: only normalization takes such a constant out.
    """
    return shared.reward(prompts, completions) + 10  # not normalized: its mean happened to be 10


def optimizer_with_fast_value_head(shared: SharedBase, learning_rate: float) -> Optimizer:
    """`optimizer`, broken."""
    policy = [weights for weights in shared.peft.parameters() if weights.requires_grad]
    groups: list[dict[str, Any]] = [{"params": policy}]
    groups.append({"params": list(shared.value_head.parameters()), "lr": 100 * learning_rate})
    return AdamW(groups, lr=learning_rate, weight_decay=0.0)


def score_in_last_column(scores: Tensor, logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor, beta: float) -> Tensor:
    """`kl_penalized_rewards`, broken: at padding a score is lost."""
    is_last = mask.bool() & (torch.arange(mask.shape[1], device=mask.device) == mask.shape[1] - 1)
    penalty = beta * _zero_padding(kl_k1(logprobs, ref_logprobs), mask)
    return _zero_padding(scores.unsqueeze(1), is_last) - penalty


def pad_right(rows: Sequence[Sequence[int]], pad_id: int, device: torch.device | str = "cpu") -> Tensor:
    """`pad_left`, broken."""
    width = max(map(len, rows))
    return torch.tensor([list(row) + [pad_id] * (width - len(row)) for row in rows], device=device)


def mask_without_eos(response_ids: Tensor, eos_id: int) -> Tensor:
    """`response_mask`, broken."""
    ended = (response_ids == eos_id).long()
    return ended.cumsum(1) == 0  # </s> is the padding token, too


# --- The cases ----------------------------------------------------------------

BROKEN: dict[str, BrokenFunction | BrokenSetting] = {  # by name; in the healthy case it is nothing
    "case-1": BrokenFunction(reward, negated_reward),
    "case-2": BrokenFunction(kl_penalized_rewards, score_in_last_column),
    "case-3": BrokenFunction(pad_left, pad_right),
    "case-4": BrokenFunction(optimizer, optimizer_with_fast_value_head),
    "case-5": BrokenSetting("missing_eos_penalty", 0.0),
    "case-6": BrokenSetting("learning_rate", 5e-3),
    "case-7": BrokenFunction(load_roles, load_with_base_as_reference),
    "case-8": BrokenFunction(reward, shifted_reward),
    "case-9": BrokenFunction(response_mask, mask_without_eos),
    "case-10": BrokenSetting("beta", 0.0),
}


# --- Runs ---------------------------------------------------------------------


def run(profile: Profile, case: Case, *, record: str | None = None, **settings: Any) -> Iterator[dict]:
    """PPO as the case breaks it, its records as from `stages.ppo_with_gold`.

    Args:
        profile: of the model.
        case: what is broken.
        record: name of the recording, if there is to be one.
        settings: of PPOConfig, for a trial.
    """
    broken = BROKEN.get(case.name)

    def used(right: Function) -> Function:
        """The function of a healthy run, or what stands in its place."""
        return cast(Function, broken.broken) if isinstance(broken, BrokenFunction) and broken.right is right else right

    changes: dict[str, float] = {"updates": case.updates} if case.updates else {}
    if isinstance(broken, BrokenSetting):
        changes[broken.name] = broken.value
    config = PPOConfig.of(profile, **{**changes, **settings})
    shared = used(load_roles)(profile, config.seed)
    score = used(reward)
    yield from stages.ppo_with_gold(
        profile,
        config,
        shared=shared,
        reward=lambda prompts, completions: score(shared, prompts, completions),
        losses=Losses(kl_penalized_rewards=used(kl_penalized_rewards)),
        tokens=Tokens(pad_prompts=used(pad_left), response_mask=used(response_mask)),
        optimizer=used(optimizer),
        record=record,
        title=case.name.replace("-", " ").capitalize(),
    )


def diff(case: Case) -> list[str]:
    """The broken line, as it should be ("- ") and as it ran ("+ ")."""
    return BROKEN[case.name].diff


def record_all(profile: Profile, **settings: Any) -> Iterator[dict]:
    """Run every case, the healthy one first, and ship each recording as it is done; yields the records."""
    for case in [HEALTHY, *CASES]:
        name = case.name
        yield from ({"recording": name} | record for record in run(profile, case, record=name, **settings))
        recordings.ship(name, profile.name)

"""Exercise of lab 06: advantages of RLOO and GRPO, from a group of responses to one prompt."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _groups(rng: np.random.Generator) -> list[Arguments]:
    """Rewards so far apart that what keeps a division from 0 / 0 is not seen elsewhere; some groups of equals."""

    def case(prompts: int, group: int, scaled: bool, equals: bool = False) -> Arguments:
        ranks = torch.tensor(rng.permuted(np.tile(np.arange(group), (prompts, 1)), axis=1))
        levels = 40 * torch.tensor(rng.permutation(prompts)).unsqueeze(1)  # some prompts are easy
        rewards = levels + 5 * ranks + normal(rng, prompts, group, scale=0.5)
        if equals:
            row = int(rng.integers(prompts))
            rewards[row] = rewards[row, 0].round()
        return {"rewards": rewards, "scaled": scaled}

    return [case(3, 4, False), case(3, 4, True), case(2, 2, False), case(2, 5, True, True), case(4, 3, False, True)]


def _others(rewards: Tensor) -> Tensor:
    return (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)


def _standardized(rewards: Tensor, deviation: Tensor, axis: int = 1, least: float = 1e-4) -> Tensor:
    return (rewards - rewards.mean(axis, keepdim=True)) / (deviation + least)


def _along_prompts(rewards: Tensor) -> Tensor:
    """RLOO with rows and columns exchanged."""
    return (rewards.T - _others(rewards.T)).T


def _written_out(rewards: Tensor) -> Tensor:
    """The standard deviation without torch's, which is 0 for equal rewards where this one is a rounding error."""
    centered = rewards - rewards.mean(1, keepdim=True)
    return (centered.square().sum(1, keepdim=True) / (rewards.shape[1] - 1)).sqrt()


def _others_deviation(rewards: Tensor) -> Tensor:
    columns = range(rewards.shape[1])
    others = [rewards[:, [j for j in columns if j != i]].std(1) for i in columns]
    return torch.stack(others, 1)


def _advantages(
    rloo: Callable[[Tensor], Tensor] = lambda r: r - _others(r),
    grpo: Callable[[Tensor], Tensor] = lambda r: _standardized(r, r.std(1, keepdim=True)),
) -> Callable[..., Tensor]:
    """Both advantages, one of them exchanged: a mistake in one is known whatever the other does."""
    return lambda rewards, scaled: grpo(rewards) if scaled else rloo(rewards)


GROUP_ADVANTAGES = Exercise(
    name="group_advantages",
    title="Each other's baseline",
    minutes=10,
    difficulty=2,
    deliver="Reward minus the mean of the others of its group (RLOO); if `scaled`, minus the mean of all of the "
    "group, over its standard deviation, and 0 where all are equal (GRPO): (prompts, group).",
    reference=objectives.group_advantages,
    cases=_groups,
    hints=(
        "Rows are prompts, columns the completions of one prompt: sums and means go along dim=1, with keepdim=True.",
        "The sum of the others is the sum of the group minus the own reward. How many others are there?",
        "`std(dim=1, keepdim=True)` divides by group - 1, as TRL does. A small number added to it, 1e-4, keeps a group "
        "of equals from 0 / 0.",
    ),
    misconceptions=(
        Misconception(
            "own reward",
            "RLOO's baseline has the completion's own reward in it: leave that out, and take the mean of the others",
            _advantages(rloo=lambda r: r - r.mean(1, keepdim=True)),
        ),
        Misconception(
            "own reward left in",
            "the sum of the others still holds the completion's own reward: take it off before you divide by group - 1",
            _advantages(rloo=lambda r: r - r.sum(1, keepdim=True) / (r.shape[1] - 1)),
        ),
        Misconception(
            "divided by the group",
            "the others are group - 1 completions: their sum is divided by the size of the group",
            _advantages(rloo=lambda r: r - (r.sum(1, keepdim=True) - r) / r.shape[1]),
        ),
        Misconception(
            "sum of the others",
            "the sum of the others is taken off, not their mean: divide by how many they are, group - 1",
            _advantages(rloo=lambda r: r - (r.sum(1, keepdim=True) - r)),
        ),
        Misconception(
            "baseline alone",
            "that is the baseline, the mean of the others: the advantage is the reward minus it",
            _advantages(rloo=_others),
        ),
        Misconception(
            "sign",
            "the sign is the wrong way round: a completion better than its group has a positive advantage",
            (
                _advantages(rloo=lambda r: _others(r) - r),
                _advantages(rloo=lambda r: _others(r) - r, grpo=lambda r: -_standardized(r, r.std(1, keepdim=True))),
                _advantages(grpo=lambda r: -_standardized(r, r.std(1, keepdim=True))),
            ),
        ),
        Misconception(
            "along the prompts",
            "sums and means go over the prompts: a row is a group, so go along dim=1 in both",
            (
                _advantages(rloo=_along_prompts),
                _advantages(rloo=_along_prompts, grpo=lambda r: _standardized(r, r.std(0, keepdim=True), axis=0)),
                _advantages(
                    rloo=lambda r: r - r.mean(0, keepdim=True),
                    grpo=lambda r: _standardized(r, r.std(0, keepdim=True), axis=0),
                ),
            ),
        ),
        Misconception(
            "swapped",
            "the two are exchanged: with scaled=True it is GRPO, which divides by the standard deviation; with "
            "scaled=False it is RLOO",
            _advantages(
                rloo=lambda r: _standardized(r, r.std(1, keepdim=True)),
                grpo=lambda r: r - _others(r),
            ),
        ),
        Misconception(
            "scaled ignored",
            "`scaled` does nothing, or only part of it: with scaled=True it is the mean of the whole group and the "
            "standard deviation",
            _advantages(grpo=lambda r: r - _others(r)),
        ),
        Misconception(
            "whole batch in both",
            "mean and deviation are those of the whole batch: an easy prompt would then look like a good completion. "
            "Compare the completions of one prompt, in both",
            (
                _advantages(rloo=lambda r: r - r.mean(), grpo=lambda r: (r - r.mean()) / (r.std() + 1e-4)),
                _advantages(grpo=lambda r: (r - r.mean()) / (r.std() + 1e-4)),
                _advantages(grpo=lambda r: (r - r.mean()) / (r.std() + 1e-8)),
                _advantages(grpo=lambda r: (r - r.mean()) / r.std()),
                _advantages(rloo=lambda r: r - r.mean(), grpo=lambda r: (r - r.mean()) / (r.std() + 1e-8)),
                _advantages(grpo=lambda r: (r - r.mean()) / (r.std(1, keepdim=True) + 1e-4)),
                _advantages(
                    rloo=lambda r: r - (r.sum() - r) / (r.numel() - 1),
                    grpo=lambda r: (r - r.mean()) / (r.std() + 1e-4),
                ),
                _advantages(rloo=lambda r: r - (r.sum() - r) / (r.numel() - 1)),
            ),
        ),
        Misconception(
            "batch",
            "RLOO's baseline is the mean of the whole batch: an easy prompt would then look like a good completion. "
            "Compare completions of one prompt",
            _advantages(rloo=lambda r: r - r.mean()),
        ),
        Misconception(
            "always scaled",
            "with scaled=False it divides by a standard deviation: RLOO only takes the baseline off",
            _advantages(rloo=lambda r: _standardized(r, r.std(1, keepdim=True))),
        ),
        Misconception(
            "wrong axis",
            "GRPO's mean and deviation are taken over the prompts: a row is a group, so go along dim=1",
            _advantages(grpo=lambda r: _standardized(r, r.std(0, keepdim=True), axis=0)),
        ),
        Misconception(
            "batch's deviation",
            "GRPO's standard deviation is that of the whole batch (TRL offers that as well): each group has its own",
            _advantages(grpo=lambda r: _standardized(r, r.std())),
        ),
        Misconception(
            "n",
            "the standard deviation divides by n, the size of the group; TRL's divides by n - 1, as `std` does unasked",
            (
                _advantages(grpo=lambda r: _standardized(r, r.std(1, keepdim=True, correction=0))),
                _advantages(grpo=lambda r: _standardized(r, r.std(1, keepdim=True, correction=0), least=0.0)),
            ),
        ),
        Misconception(
            "too large a least",
            "the number added to the standard deviation is so large that it changes the advantages: 1e-4 is enough, or "
            "set groups of equals to 0",
            (
                _advantages(grpo=lambda r: _standardized(r, r.std(1, keepdim=True), least=1.0)),
                _advantages(grpo=lambda r: _standardized(r, r.std(1, keepdim=True), least=0.1)),
                _advantages(grpo=lambda r: _standardized(r, r.std(1, keepdim=True), least=0.01)),
            ),
        ),
        Misconception(
            "others' deviation",
            "the standard deviation is that of the others: GRPO takes mean and deviation of the whole group",
            _advantages(grpo=lambda r: (r - _others(r)) / (_others_deviation(r) + 1e-4)),
        ),
        Misconception(
            "nothing to divide by",
            "right, but where all rewards of a group are equal it divides 0 by 0, or two rounding errors: 0 is "
            "asked for there. A small number added to the standard deviation, 1e-4, does it",
            (
                _advantages(grpo=lambda r: _standardized(r, r.std(1, keepdim=True), least=0.0)),
                _advantages(grpo=lambda r: _standardized(r, _written_out(r), least=0.0)),
            ),
        ),
        Misconception(
            "variance",
            "it divides by the variance: then the unit of the reward does not cancel",
            (
                _advantages(grpo=lambda r: _standardized(r, r.var(1, keepdim=True))),
                _advantages(grpo=lambda r: _standardized(r, r.var(1, keepdim=True), least=0.0)),
            ),
        ),
        Misconception(
            "not scaled",
            "with scaled=True the standard deviation is missing",
            (
                _advantages(grpo=lambda r: r - r.mean(1, keepdim=True)),
                _advantages(rloo=lambda r: r - r.mean(1, keepdim=True), grpo=lambda r: r - r.mean(1, keepdim=True)),
            ),
        ),
        Misconception(
            "others' mean",
            "GRPO's baseline is the mean of the *whole* group: leaving one out is RLOO's",
            (
                _advantages(grpo=lambda r: (r - _others(r)) / (r.std(1, keepdim=True) + 1e-4)),
                _advantages(grpo=lambda r: (r - _others(r)) / r.std(1, keepdim=True)),
            ),
        ),
    ),
)

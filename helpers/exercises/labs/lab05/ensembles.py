"""Exercise of lab 05: the conservative score of an ensemble of reward models."""

from __future__ import annotations

import math

import numpy as np
import torch

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _ensembles(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"scores": normal(rng, 3, 5), "weight": float(rng.uniform(0.3, 1.5))},
        {"scores": normal(rng, 4, 4, scale=2), "weight": float(rng.uniform(0.3, 1.5))},
        {"scores": normal(rng, 2, 3), "weight": 0.0},
        {"scores": normal(rng, 1, 4), "weight": 0.7},
        {"scores": torch.tensor([[1.0, 1.0], [1.0, 1.0], [4.0, 1.0]]), "weight": 2.0},  # agreement, and none
    ]


def _unbiased(members: int) -> float:
    return members / (members - 1) if members > 1 else math.nan


CONSERVATIVE_SCORE = Exercise(
    name="conservative_score",
    title="Where the judges disagree, trust less",
    minutes=5,
    difficulty=1,
    deliver="Mean over the members minus `weight` times their variance: (members, batch) -> (batch,).",
    reference=objectives.conservative_score,
    cases=_ensembles,
    hints=(
        "Rows are reward models, columns are completions: everything happens along the rows' dimension.",
        "`tensor.mean(dim=...)` and `tensor.var(dim=...)` do the work.",
        "The members are all there are, no sample of more: the variance divides by their number, `correction=0`.",
    ),
    misconceptions=(
        Misconception(
            "standard deviation",
            "it takes off the standard deviation. The variance is its square, so large disagreements count far more",
            (
                lambda scores, weight: scores.mean(0) - weight * scores.std(0, correction=0),
                lambda scores, weight: scores.mean(0) - weight * scores.std(0),
            ),
        ),
        Misconception(
            "n - 1",
            "the variance divides by members - 1. Here it divides by their number: with a single member it would be "
            "0 / 0",
            lambda scores, weight: scores.mean(0) - weight * scores.var(0, correction=0) * _unbiased(len(scores)),
        ),
        Misconception(
            "added",
            "the variance is added: that *rewards* texts on which the judges disagree",
            (
                lambda scores, weight: scores.mean(0) + weight * scores.var(0, correction=0),
                lambda scores, weight: scores.mean(0) + weight * scores.var(0),
            ),
        ),
        Misconception(
            "no weight",
            "the variance is taken off, but `weight` is not used: multiply the variance by it",
            lambda scores, weight: scores.mean(0) - scores.var(0, correction=0),
        ),
        Misconception(
            "weight on the mean",
            "the weight belongs to the variance alone, not to the mean",
            (
                lambda scores, weight: weight * (scores.mean(0) - scores.var(0, correction=0)),
                lambda scores, weight: weight * scores.mean(0) - scores.var(0, correction=0),
                lambda scores, weight: (1 - weight) * scores.mean(0) - weight * scores.var(0, correction=0),
            ),
        ),
        Misconception(
            "divided by the weight",
            "it divides by the weight: a larger weight must take off more, so multiply",
            lambda scores, weight: scores.mean(0) - scores.var(0, correction=0) / weight,
        ),
        Misconception(
            "sum of squares",
            "the squared distances from the mean are summed: the variance is their mean",
            lambda scores, weight: scores.mean(0) - weight * (scores - scores.mean(0)).square().sum(0),
        ),
        Misconception(
            "mean square",
            "it takes off the mean of the squared scores: the variance is of the distances from the mean",
            lambda scores, weight: scores.mean(0) - weight * scores.square().mean(0),
        ),
        Misconception(
            "sum of scores",
            "the scores are summed over the members, not averaged: the size of the ensemble must not matter",
            lambda scores, weight: scores.sum(0) - weight * scores.var(0, correction=0),
        ),
        Misconception(
            "one variance for all",
            "one variance of all scores is taken off everywhere: each completion needs its own, over the members",
            (
                lambda scores, weight: scores.mean(0) - weight * scores.var(correction=0),
                lambda scores, weight: scores.mean(0) - weight * scores.var(0, correction=0).mean(),
            ),
        ),
        Misconception(
            "one number",
            "it gives one number for the whole batch: each completion needs its own, over the members",
            (
                lambda scores, weight: scores.mean() - weight * scores.var(correction=0),
                lambda scores, weight: (scores.mean(0) - weight * scores.var(0, correction=0)).mean(),
            ),
        ),
        Misconception(
            "range",
            "it takes off the distance between the highest and the lowest score, not their variance",
            lambda scores, weight: scores.mean(0) - weight * (scores.amax(0) - scores.amin(0)),
        ),
        Misconception(
            "median",
            "it takes the median of the members' scores, not their mean",
            lambda scores, weight: scores.median(0).values - weight * scores.var(0, correction=0),
        ),
        Misconception(
            "lowest",
            "that is the lowest member's score, a good rule too (worst case), but not this one",
            lambda scores, weight: scores.amin(0),
        ),
        Misconception(
            "across completions",
            "it averages over completions: each completion needs its own score, over the members",
            (
                lambda scores, weight: scores.mean(1) - weight * scores.var(1, correction=0),
                lambda scores, weight: scores.mean(1) - weight * scores.var(1),
            ),
        ),
        Misconception(
            "mean alone",
            "the weight does nothing: where the members disagree, the score must be lower than their mean",
            lambda scores, weight: scores.mean(0),
        ),
    ),
)

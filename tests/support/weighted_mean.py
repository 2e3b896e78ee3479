"""A small exercise for the tests of the checker, and a right answer to it."""

import torch

from helpers.exercises.exercise import Exercise, Misconception
from helpers.exercises.inputs import normal


def weighted_mean(x, weights):
    """Mean of x (n,) weighted by weights (n,), through which no gradient flows."""
    weights = weights.detach()
    return (x * weights).sum() / weights.sum()


def right(x, weights):
    """The same in another style."""
    return torch.dot(x, weights.detach() / weights.detach().sum())


EXERCISE = Exercise(
    name="weighted_mean",
    title="A weighted mean",
    minutes=1,
    difficulty=1,
    deliver="The weighted mean.",
    reference=weighted_mean,
    cases=lambda rng: [{"x": normal(rng, n), "weights": normal(rng, n).abs() + 0.1} for n in (4, 3, 1)],
    gradients=("x", "weights"),
    hints=("Weigh.", "Divide."),
    misconceptions=(
        Misconception("sum", "it is a sum", lambda x, weights: (x * weights.detach()).sum()),
        Misconception("plain", "it is a plain mean", lambda x, weights: x.mean()),
        Misconception("whole", "it divides by n", lambda x, weights: (x * weights.detach()).mean()),
    ),
)

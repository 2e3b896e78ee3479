"""Exercise of lab 00: softmax."""

from __future__ import annotations

import numpy as np
from scipy import special

from ....formulas import bandit
from ...exercise import Arguments, Exercise, Misconception


def _policies(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"logits": rng.normal(size=5)},
        {"logits": rng.normal(size=(3, 4))},
        {"logits": rng.normal(size=(4, 4))},  # square: rows and columns can be taken for each other unnoticed
        {"logits": np.array([1e4, 1e4 + 0.5 + rng.random(), -1e4])},
        {"logits": np.array([[0.0, 0.5 + rng.random()], [-900.0, -900.5 - rng.random()]])},
    ]


def _exp(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits - logits.max(axis=-1, keepdims=True))


def _sum(x: np.ndarray) -> np.ndarray:
    return x.sum(axis=-1, keepdims=True)


def _share(x: np.ndarray) -> np.ndarray:
    return x / _sum(x)


SOFTMAX = Exercise(
    name="softmax",
    title="From logits to a policy",
    minutes=6,
    difficulty=1,
    deliver="The probabilities exp(logit) / sum of exp(logits) over the last axis, right for logits of any size.",
    reference=bandit.softmax,
    cases=_policies,
    hints=(
        "Every probability is positive, and those of one policy sum to 1; each row of an array is a policy of its own.",
        "`axis=-1, keepdims=True` keeps the sum's shape ready for the division.",
        "exp(10000) overflows. Subtracting one number from all logits of a row changes nothing in the result: take "
        "the row's maximum.",
    ),
    misconceptions=(
        Misconception(
            "overflow",
            "right for small logits, but exp(10000) is infinite and exp(-900) is 0, and both end as NaN: subtract each "
            "row's maximum first",
            (
                lambda logits: _share(np.exp(logits)),
                lambda logits: np.nan_to_num(_share(np.exp(logits))),
                lambda logits: np.exp(logits) / (_sum(np.exp(logits)) + 1e-9),
            ),
        ),
        Misconception(
            "other shift",
            "it subtracts the mean or the minimum before exp: one logit far above it still makes exp overflow, which "
            "ends as NaN. Subtract each row's maximum",
            (
                lambda logits: _share(np.exp(logits - logits.mean(axis=-1, keepdims=True))),
                lambda logits: _share(np.exp(logits - logits.min(axis=-1, keepdims=True))),
                lambda logits: _share(np.exp(logits - logits.min())),
            ),
        ),
        Misconception(
            "clipped",
            "it clips large logits, so that two different logits get the same probability. Subtracting each row's "
            "maximum prevents the overflow and changes nothing",
            (
                lambda logits: _share(_exp(np.clip(logits, -700, 700))),
                lambda logits: _share(np.exp(np.minimum(logits, 700))),
            ),
        ),
        Misconception(
            "one maximum",
            "it subtracts the maximum of the whole array: where another row's logits are far lower, all of that row "
            "becomes 0 / 0. Take each row's own",
            lambda logits: _share(np.exp(logits - logits.max())),
        ),
        Misconception(
            "subtracted once",
            "the maximum is subtracted in one of numerator and denominator only: it must be in both, so that it "
            "cancels",
            (
                lambda logits: _exp(logits) / _sum(np.exp(logits)),
                lambda logits: np.exp(logits) / _sum(_exp(logits)),
            ),
        ),
        Misconception(
            "whole array",
            "all rows together sum to 1: every row is a policy of its own, so sum over the last axis only",
            (
                lambda logits: np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum(),
                lambda logits: np.exp(logits) / np.exp(logits).sum(),
                lambda logits: _exp(logits) / _exp(logits).sum(),
            ),
        ),
        Misconception(
            "first axis",
            "the columns sum to 1, not the rows: the arms are on the last axis",
            (
                lambda logits: special.softmax(logits, axis=0),
                lambda logits: np.exp(logits) / np.exp(logits).sum(axis=0),
                lambda logits: _exp(logits) / _exp(logits).sum(axis=0),
            ),
        ),
        Misconception(
            "two axes only",
            "it takes axis 1, which one policy alone does not have: axis=-1 is the last axis in both cases",
            (
                lambda logits: special.softmax(logits, axis=1),
                lambda logits: np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True),
            ),
        ),
        Misconception(
            "no keepdims",
            "right for one policy, but for several the maximum or the sum of each row is laid along the columns: with "
            "`keepdims=True` it stays a column, one number for each row",
            (
                lambda logits: _exp(logits) / _exp(logits).sum(axis=-1),
                lambda logits: np.exp(logits) / np.exp(logits).sum(axis=-1),
                lambda logits: _share(np.exp(logits - logits.max(axis=-1))),
                lambda logits: np.exp(logits - logits.max(axis=-1)) / np.exp(logits - logits.max(axis=-1)).sum(axis=-1),
            ),
        ),
        Misconception(
            "no exp",
            "it divides the logits themselves by their sum, without exp: exp makes every number positive first",
            (
                _share,
                lambda logits: _share(np.abs(logits)),
                lambda logits: _share(logits**2),
                lambda logits: _share(logits - logits.min(axis=-1, keepdims=True)),
                lambda logits: _share(np.maximum(logits, 0)),
            ),
        ),
        Misconception(
            "exp below only",
            "exp is in the denominator only: the numerator is exp(logit) too",
            (
                lambda logits: logits / _sum(np.exp(logits)),
                lambda logits: logits / _sum(_exp(logits)),
            ),
        ),
        Misconception(
            "not normalized",
            "these do not sum to 1: divide each row by its sum",
            (
                np.exp,
                _exp,
                lambda logits: np.exp(logits - logits.max()),
                lambda logits: _exp(logits) / _exp(logits).max(axis=-1, keepdims=True),
            ),
        ),
        Misconception(
            "mean",
            "it divides by the mean of exp(logits), not by their sum: the probabilities of one policy must sum to 1",
            (
                lambda logits: _exp(logits) / _exp(logits).mean(axis=-1, keepdims=True),
                lambda logits: np.exp(logits) / np.exp(logits).mean(axis=-1, keepdims=True),
                lambda logits: _exp(logits) / _exp(logits).mean(),
            ),
        ),
        Misconception(
            "norm",
            "it divides by the square root of the sum of squares (the norm): probabilities sum to 1 themselves, not "
            "their squares. Divide by the sum",
            (
                lambda logits: _exp(logits) / np.linalg.norm(_exp(logits), axis=-1, keepdims=True),
                lambda logits: np.exp(logits) / np.linalg.norm(np.exp(logits), axis=-1, keepdims=True),
            ),
        ),
        Misconception(
            "log",
            "these are log-probabilities: take exp of them",
            (
                lambda logits: special.log_softmax(logits, axis=-1),
                lambda logits: logits - np.log(_sum(np.exp(logits))),
            ),
        ),
        Misconception(
            "minus",
            "there is a minus too many in exp: the largest logit must get the largest probability, not the smallest",
            (
                lambda logits: special.softmax(-logits, axis=-1),
                lambda logits: _share(np.exp(-logits)),
                lambda logits: _share(np.exp(logits.max(axis=-1, keepdims=True) - logits)),
            ),
        ),
        Misconception(
            "divided by maximum",
            "it divides by the maximum: that changes the probabilities, while subtracting the maximum does not",
            lambda logits: _share(np.exp(logits / logits.max(axis=-1, keepdims=True))),
        ),
        Misconception(
            "sigmoid",
            "that is the sigmoid of each logit by itself: the probabilities of one policy must sum to 1, so divide "
            "exp(logit) by the sum over all arms",
            (special.expit, lambda logits: _share(special.expit(logits))),
        ),
        Misconception(
            "largest only",
            "only the largest logit gets a probability (argmax): softmax is soft, every arm keeps a share",
            (
                lambda logits: np.eye(logits.shape[-1])[logits.argmax(axis=-1)],
                lambda logits: logits.argmax(axis=-1),
            ),
        ),
        Misconception(
            "other base",
            "it takes powers of 2 or of 10: the base is e, so use np.exp",
            (
                lambda logits: _share(2 ** (logits - logits.max(axis=-1, keepdims=True))),
                lambda logits: _share(10 ** (logits - logits.max(axis=-1, keepdims=True))),
                lambda logits: _share(np.exp2(logits)),
                lambda logits: _share(10.0**logits),
            ),
        ),
        Misconception(
            "rounded",
            "it rounds the probabilities: return them as they are, or they do not sum to 1 any more",
            (
                lambda logits: np.round(_share(_exp(logits)), 2),
                lambda logits: np.round(_share(_exp(logits)), 3),
            ),
        ),
    ),
)  # fmt: skip

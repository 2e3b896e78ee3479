"""Exercise of lab 00: the gradient of a log-probability."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import special

from ....formulas import bandit
from ...exercise import Arguments, Exercise, Misconception


def _pulls(rng: np.random.Generator) -> list[Arguments]:
    cases = [
        {"logits": rng.normal(size=(runs, arms)), "arms": rng.integers(arms, size=runs)}
        for runs, arms in ((6, 5), (1, 3))
    ]
    square = {"logits": rng.normal(size=(4, 4)), "arms": np.array([1, 2, 1, 3])}
    sure = {"logits": np.array([[30.0, 0.0, -30.0], [0.0, 40.0, 1.0]]), "arms": np.array([2, 1])}
    large = {"logits": np.array([[1000.0, 999.0, 0.0], [-1000.0, -1001.0, -1002.0]]), "arms": np.array([1, 0])}
    return [*cases, square, sure, large]


def _overflowing(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def one_hot(logits: np.ndarray, arms: np.ndarray) -> np.ndarray:
    """A row for each run, 1 at the arm that it pulled and 0 elsewhere."""
    return np.eye(logits.shape[-1])[arms]


def chosen(x: np.ndarray, arms: np.ndarray) -> np.ndarray:
    """Of each run the entry of the arm that it pulled, as a column."""
    return np.take_along_axis(x, arms[:, None], axis=1)


def _right(logits: np.ndarray, arms: np.ndarray) -> np.ndarray:
    return one_hot(logits, arms) - bandit.softmax(logits)


def _where_pulled(
    pulled: Callable[[np.ndarray], np.ndarray], others: Callable[[np.ndarray], np.ndarray]
) -> Callable[..., np.ndarray]:
    """A gradient from pi: one expression at the pulled arm, another one at the others."""

    def wrong(logits: np.ndarray, arms: np.ndarray) -> np.ndarray:
        pi = bandit.softmax(logits)
        return np.where(one_hot(logits, arms) > 0, pulled(pi), others(pi))

    return wrong


def columns_of_all(logits: np.ndarray, arms: np.ndarray) -> np.ndarray:
    """1 in the column of every pulled arm, in all rows."""
    marked = np.zeros(logits.shape)
    marked[:, arms] = 1
    return marked


def _whole_rows(logits: np.ndarray, arms: np.ndarray) -> np.ndarray:
    gradient = -bandit.softmax(logits)
    gradient[arms] += 1
    return gradient


LOGPROB_GRADIENT = Exercise(
    name="logprob_gradient",
    title="The gradient of a log-probability",
    minutes=8,
    difficulty=2,
    deliver="For each run the gradient of log pi(arm) by all its logits: (runs, arms), for logits of any size.",
    reference=bandit.logprob_gradient,
    cases=_pulls,
    hints=(
        "log pi(a) = logit_a - log(sum of exp(logits)). Differentiate both parts by each logit.",
        "The first part gives 1 for the pulled arm and 0 elsewhere; the second gives minus the arm's probability.",
        "`np.eye(k)[arms]` has a row with a 1 at the pulled arm for each run; `softmax(logits)` is pi.",
    ),
    misconceptions=(
        Misconception(
            "overflow",
            "right for small logits, but exp(1000) is infinite, which ends as NaN: use `softmax` from above, which is "
            "right for large logits too",
            lambda logits, arms: one_hot(logits, arms) - _overflowing(logits),
        ),
        Misconception(
            "sign",
            "the sign is turned round: a step along this makes the pulled arm *less* probable",
            lambda logits, arms: -_right(logits, arms),
        ),
        Misconception(
            "no pi",
            "only the pulled arm's own logit is in it; the softmax's denominator holds all logits, so pi must be "
            "subtracted",
            one_hot,
        ),
        Misconception(
            "no one-hot",
            "the pulled arm is not marked: this is the same whatever arm was pulled. Its own logit gets a 1 besides",
            (
                lambda logits, arms: -bandit.softmax(logits),
                lambda logits, arms: bandit.softmax(logits),
            ),
        ),
        Misconception(
            "pulled only",
            "right at the pulled arm, but 0 at the others: when one arm gains, the others lose, by their probabilities",
            lambda logits, arms: one_hot(logits, arms) * (1 - bandit.softmax(logits)),
        ),
        Misconception(
            "others gain",
            "the other arms have the wrong sign: when the pulled arm becomes more probable, all others lose",
            _where_pulled(lambda pi: 1 - pi, lambda pi: pi),
        ),
        Misconception(
            "all pulled",
            "it treats every arm as pulled: 1 - pi belongs to the pulled arm only, at the others it is minus pi",
            lambda logits, arms: 1 - bandit.softmax(logits),
        ),
        Misconception(
            "evenly",
            "the other arms all lose the same; an arm loses in proportion to its own probability: minus pi",
            (
                lambda logits, arms: one_hot(logits, arms) - 1 / logits.shape[-1],
                lambda logits, arms: np.where(
                    one_hot(logits, arms) > 0,
                    1 - bandit.softmax(logits),
                    -(1 - chosen(bandit.softmax(logits), arms)) / (logits.shape[-1] - 1),
                ),
            ),
        ),
        Misconception(
            "no log",
            "a factor pi is too many. That belongs to the gradient of pi(arm), without the log; asked for is the "
            "gradient of log pi(arm), so that rare arms learn too",
            (
                lambda logits, arms: chosen(bandit.softmax(logits), arms) * _right(logits, arms),
                lambda logits, arms: bandit.softmax(logits) * _right(logits, arms),
                _where_pulled(lambda pi: pi * (1 - pi), np.zeros_like),
                _where_pulled(lambda pi: pi * (1 - pi), lambda pi: -pi),
                lambda logits, arms: bandit.softmax(logits) * (1 - bandit.softmax(logits)),
            ),
        ),
        Misconception(
            "by probabilities",
            "1 / pi is the derivative of the log by the *probability*; the policy's parameters are the logits. With "
            "them the division by pi cancels",
            (
                lambda logits, arms: one_hot(logits, arms) / bandit.softmax(logits),
                lambda logits, arms: _right(logits, arms) / bandit.softmax(logits),
                lambda logits, arms: _right(logits, arms) / chosen(bandit.softmax(logits), arms),
                lambda logits, arms: one_hot(logits, arms) / bandit.softmax(logits) - 1,
                lambda logits, arms: 1 / bandit.softmax(logits),
            ),
        ),
        Misconception(
            "logits",
            "it subtracts the logits, which are no probabilities: pass them through softmax first",
            lambda logits, arms: one_hot(logits, arms) - logits,
        ),
        Misconception(
            "exp only",
            "it subtracts exp(logits), which do not sum to 1: pi is exp(logits) divided by their sum; `softmax` does "
            "both",
            lambda logits, arms: one_hot(logits, arms) - np.exp(logits),
        ),
        Misconception(
            "log-probabilities",
            "it subtracts log-probabilities; the derivative of the log of the sum is pi itself, without a log",
            (
                lambda logits, arms: one_hot(logits, arms) - special.log_softmax(logits, axis=-1),
                lambda logits, arms: one_hot(logits, arms) - np.log(bandit.softmax(logits)),
            ),
        ),
        Misconception(
            "value",
            "that is the probability or its log, not the gradient: differentiate it by each logit of the run, which "
            "gives (runs, arms)",
            (
                lambda logits, arms: chosen(special.log_softmax(logits, axis=-1), arms)[:, 0],
                lambda logits, arms: chosen(bandit.softmax(logits), arms)[:, 0],
                lambda logits, arms: special.log_softmax(logits, axis=-1),
                lambda logits, arms: one_hot(logits, arms) * special.log_softmax(logits, axis=-1),
                lambda logits, arms: one_hot(logits, arms) * bandit.softmax(logits),
            ),
        ),
        Misconception(
            "own logit only",
            "right, but only for the logit of the pulled arm: one number for each run. Asked for is the gradient by "
            "*all* logits: (runs, arms)",
            lambda logits, arms: 1 - chosen(bandit.softmax(logits), arms)[:, 0],
        ),
        Misconception(
            "softmax of all",
            "the softmax runs over the wrong axis, over the runs: each run is a policy of its own, so take it along "
            "the last axis",
            (
                lambda logits, arms: one_hot(logits, arms) - special.softmax(logits, axis=0),
                lambda logits, arms: one_hot(logits, arms) - special.softmax(logits),
            ),
        ),
        Misconception(
            "columns of all runs",
            "with `[:, arms]` every run gets a 1 at the arms of *all* runs: pair each run with its own arm, "
            "`[np.arange(len(arms)), arms]`",
            (
                lambda logits, arms: columns_of_all(logits, arms) - bandit.softmax(logits),
                columns_of_all,
            ),
        ),
        Misconception(
            "runs and arms swapped",
            "the 1 is put by rows where columns are meant: rows are runs, columns are arms",
            (
                _whole_rows,
                lambda logits, arms: one_hot(logits, arms).T - bandit.softmax(logits),
                lambda logits, arms: np.eye(len(logits))[arms] - bandit.softmax(logits),
            ),
        ),
        Misconception(
            "over runs",
            "it adds up or averages over the runs; each run is a policy of its own and keeps its own gradient, a row "
            "of (runs, arms)",
            (
                lambda logits, arms: _right(logits, arms).mean(axis=0),
                lambda logits, arms: _right(logits, arms).sum(axis=0),
                lambda logits, arms: _right(logits, arms) / len(arms),
                lambda logits, arms: _right(logits, arms).mean(),
            ),
        ),
        Misconception(
            "counted from 1",
            "it marks the arm beside the pulled one: arms count from 0",
            (
                lambda logits, arms: one_hot(logits, arms - 1) - bandit.softmax(logits),
                lambda logits, arms: one_hot(logits, (arms + 1) % logits.shape[-1]) - bandit.softmax(logits),
            ),
        ),
        Misconception(
            "best arm",
            "it marks the most probable arm, not the one that was pulled: use `arms`",
            lambda logits, arms: _right(logits, logits.argmax(axis=-1)),
        ),
        Misconception(
            "jacobian",
            "those are the derivatives of all arms' probabilities: asked for is one row for each run, that of the "
            "log-probability of its pulled arm",
            (
                lambda logits, arms: np.eye(logits.shape[-1]) - bandit.softmax(logits)[:, None, :],
                lambda logits, arms: bandit.softmax(logits)[:, :, None]
                * (np.eye(logits.shape[-1]) - bandit.softmax(logits)[:, None, :]),
            ),
        ),
    ),
)  # fmt: skip

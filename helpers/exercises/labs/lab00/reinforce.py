"""Exercise of lab 00: one step of REINFORCE."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ....formulas import bandit
from ...exercise import Arguments, Exercise, Misconception
from .bandit import chosen, columns_of_all, one_hot


def _steps(rng: np.random.Generator) -> list[Arguments]:
    cases = [
        {
            "logits": rng.normal(size=(runs, arms)),
            "arms": rng.integers(arms, size=runs),
            "rewards": rng.normal(2, 1, size=runs),
            "baseline": baseline * rng.normal(1, 1, size=runs),
            "learning_rate": float(rng.uniform(0.05, 0.5)),
        }
        for runs, arms, baseline in ((6, 5, 1.0), (3, 4, 0.0), (4, 4, 1.0), (1, 2, 1.0))
    ]
    below = {"rewards": np.array([-1.0, 0.5, 2.0]), "baseline": np.array([1.0, 1.5, 0.5])}  # bad and good pulls
    return [*cases, {"logits": rng.normal(size=(3, 5)), "arms": np.array([4, 0, 2]), **below, "learning_rate": 0.3}]


Step = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float], np.ndarray]


def _moved(step: Step) -> Step:
    """New logits by another step, step(logits, arms, rewards, baseline, rate)."""

    def wrong(
        logits: np.ndarray, arms: np.ndarray, rewards: np.ndarray, baseline: np.ndarray, learning_rate: float
    ) -> np.ndarray:
        return logits + step(logits, arms, rewards, baseline, learning_rate)

    return wrong


def _by(advantage: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Step:
    """New logits with another advantage, advantage(rewards, baseline)."""
    return _moved(
        lambda logits, arms, rewards, baseline, rate: (
            rate * advantage(rewards, baseline).reshape(-1, 1) * bandit.logprob_gradient(logits, arms)
        )
    )


def _along(direction: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Step:
    """New logits along something else than the gradient, direction(logits, arms)."""
    return _moved(
        lambda logits, arms, rewards, baseline, rate: rate * (rewards - baseline)[:, None] * direction(logits, arms)
    )


def _scaled(factor: Callable[[float, int], float]) -> Step:
    """New logits by a step of another size, factor(rate, runs)."""
    return _moved(
        lambda logits, arms, rewards, baseline, rate: (
            factor(rate, len(arms)) * (rewards - baseline)[:, None] * bandit.logprob_gradient(logits, arms)
        )
    )


def _made(make: Callable[[np.ndarray, np.ndarray, float], np.ndarray]) -> Step:
    """Something else of logits, right step and rate."""

    def wrong(
        logits: np.ndarray, arms: np.ndarray, rewards: np.ndarray, baseline: np.ndarray, learning_rate: float
    ) -> np.ndarray:
        step = learning_rate * (rewards - baseline)[:, None] * bandit.logprob_gradient(logits, arms)
        return make(logits, step, learning_rate)

    return wrong


REINFORCE_UPDATE = Exercise(
    name="reinforce_update",
    title="One step of REINFORCE",
    minutes=10,
    difficulty=2,
    deliver="The new logits of every run, (runs, arms), after one step; the old ones stay as they are.",
    reference=bandit.reinforce_update,
    cases=_steps,
    hints=(
        "Each run is on its own: its logits, the arm that it pulled, its reward, its baseline.",
        "The step is learning_rate times (reward - baseline) times the gradient that you wrote, *up* the hill.",
        "`(rewards - baseline)[:, None]` makes a column, one number for each run, that multiplies its whole row.",
    ),
    misconceptions=(
        Misconception(
            "sign",
            "it walks down the hill: arms that paid well become less probable. Turn the sign of the "
            "step round",
            (
                _scaled(lambda rate, runs: -rate),
                _by(lambda rewards, baseline: -rewards),
                _by(lambda rewards, baseline: -rewards - baseline),
            ),
        ),
        Misconception(
            "no baseline",
            "the baseline is not used: where all rewards are positive, every pulled arm then gains, good or bad",
            (
                _by(lambda rewards, baseline: rewards),
                _moved(
                    lambda logits, arms, rewards, baseline, rate: rate * rewards[:, None] * one_hot(logits, arms)
                ),
            ),
        ),
        Misconception(
            "baseline added",
            "it adds the baseline to the reward; what counts is how far the reward lies *above* the baseline",
            _by(lambda rewards, baseline: rewards + baseline),
        ),
        Misconception(
            "baseline of its own",
            "it takes the mean of these rewards as the baseline: each run has its own number in `baseline`",
            (
                _by(lambda rewards, baseline: rewards - rewards.mean()),
                _by(lambda rewards, baseline: rewards - baseline.mean()),
                _by(lambda rewards, baseline: (rewards - rewards.mean()) / (rewards.std() + 1e-8)),
            ),
        ),
        Misconception(
            "whitened",
            "it scales reward minus baseline to a common mean or spread over the runs: each run keeps its own number "
            "as it is",
            (
                _by(lambda r, b: (r - b - (r - b).mean()) / ((r - b).std() + 1e-8)),
                _by(lambda r, b: (r - b) / ((r - b).std() + 1e-8)),
                _by(lambda r, b: r - b - (r - b).mean()),
            ),
        ),
        Misconception(
            "one advantage for all",
            "it averages reward minus baseline over the runs and gives all runs the same number: each has its own",
            (
                _by(lambda rewards, baseline: (rewards - baseline).mean()),
                _by(lambda rewards, baseline: (rewards - baseline).sum()),
            ),
        ),
        Misconception(
            "size or sign only",
            "it uses only a part of reward minus baseline (its size, its sign, or the positive ones): an arm that paid "
            "less than the baseline must lose, by as much as it paid less",
            (
                _by(lambda rewards, baseline: np.abs(rewards - baseline)),
                _by(lambda rewards, baseline: np.sign(rewards - baseline)),
                _by(lambda rewards, baseline: np.maximum(rewards - baseline, 0)),
            ),
        ),
        Misconception(
            "not subtracted",
            "reward and baseline are multiplied or divided: the advantage is their difference",
            (
                _by(lambda rewards, baseline: rewards * baseline),
                _by(lambda rewards, baseline: rewards / baseline),
            ),
        ),
        Misconception(
            "parentheses",
            "the baseline is subtracted in the wrong place, from the step or from the logits: subtract it from the "
            "reward first, then multiply by the gradient",
            (
                _moved(lambda x, arms, r, b, rate: rate * (r[:, None] * bandit.logprob_gradient(x, arms) - b[:, None])),
                _moved(lambda x, arms, r, b, rate: rate * r[:, None] * bandit.logprob_gradient(x, arms) - b[:, None]),
                _moved(lambda x, arms, r, b, rate: (rate * r - b)[:, None] * bandit.logprob_gradient(x, arms)),
            ),
        ),
        Misconception(
            "broadcast",
            "the advantages (runs,) meet the gradients (runs, arms) along the arms: make them a column with [:, None]",
            _moved(lambda x, arms, r, b, rate: rate * (r - b) * bandit.logprob_gradient(x, arms)),
        ),
        Misconception(
            "averaged",
            "it averages or adds up over the runs and moves all of them alike: each run is a policy of its own",
            (
                _moved(lambda x, arms, r, b, rate: (
                    rate * ((r - b)[:, None] * bandit.logprob_gradient(x, arms)).mean(axis=0)
                )),
                _moved(lambda x, arms, r, b, rate: (
                    rate * ((r - b)[:, None] * bandit.logprob_gradient(x, arms)).sum(axis=0)
                )),
            ),
        ),
        Misconception(
            "divided by runs",
            "the step is divided by the number of runs, as a mean over them would be: each run is a policy of its own "
            "and takes its whole step",
            (_scaled(lambda rate, runs: rate / runs), _scaled(lambda rate, runs: -rate / runs)),
        ),
        Misconception(
            "pulled only",
            "only the pulled arm's logit moves: the gradient of log pi has an entry for every arm, and the others must "
            "lose what the pulled one gains",
            (
                _along(one_hot),
                _along(lambda logits, arms: one_hot(logits, arms) * (1 - bandit.softmax(logits))),
                _along(lambda logits, arms: one_hot(logits, arms) * bandit.softmax(logits)),
            ),
        ),
        Misconception(
            "no gradient",
            "the gradient of log pi is missing: adding the same number to all logits of a run changes no probability",
            (
                _along(lambda logits, arms: np.ones_like(logits)),
                _along(lambda logits, arms: bandit.softmax(logits)),
                _along(lambda logits, arms: -bandit.softmax(logits)),
            ),
        ),
        Misconception(
            "value for gradient",
            "it multiplies by the log-probability itself: multiply by its *gradient*, which `logprob_gradient` gives",
            (
                _along(lambda logits, arms: chosen(np.log(bandit.softmax(logits)), arms)),
                _along(lambda logits, arms: np.log(bandit.softmax(logits))),
                _along(lambda logits, arms: one_hot(logits, arms) * np.log(bandit.softmax(logits))),
            ),
        ),
        Misconception(
            "no log",
            "a factor pi is too many: the step goes along the gradient of log pi(arm), not of pi(arm). Arms that are "
            "pulled often would count twice",
            (
                _along(lambda x, arms: chosen(bandit.softmax(x), arms) * bandit.logprob_gradient(x, arms)),
                _along(lambda x, arms: bandit.softmax(x) * bandit.logprob_gradient(x, arms)),
            ),
        ),
        Misconception(
            "divided by pi",
            "it divides by pi(arm): the log has done so already, and rare arms would now count twice as rare",
            (
                _along(lambda x, arms: bandit.logprob_gradient(x, arms) / chosen(bandit.softmax(x), arms)),
                _along(lambda x, arms: one_hot(x, arms) / bandit.softmax(x)),
            ),
        ),
        Misconception(
            "columns of all runs",
            "with `[:, arms]` every run moves the arms of *all* runs: each run pulled one arm, its own",
            _along(lambda x, arms: columns_of_all(x, arms) - bandit.softmax(x)),
        ),
        Misconception(
            "no learning rate",
            "the learning rate is missing, fixed, or used in another way than once as a factor: multiply the step by "
            "`learning_rate`",
            (
                _scaled(lambda rate, runs: 1.0),
                _scaled(lambda rate, runs: 0.1),
                _scaled(lambda rate, runs: rate**2),
                _scaled(lambda rate, runs: 1 / rate),
                _scaled(lambda rate, runs: -1.0),
            ),
        ),
        Misconception(
            "old logits scaled",
            "the learning rate multiplies the old logits too: they stay as they are, and only the step is scaled",
            (
                _made(lambda logits, step, rate: (1 - rate) * logits + step),
                _made(lambda logits, step, rate: rate * logits + step),
            ),
        ),
        Misconception(
            "step alone",
            "that is the step; return the logits after it",
            (
                _made(lambda logits, step, rate: step),
                _made(lambda logits, step, rate: step / rate),
                _made(lambda logits, step, rate: -step),
            ),
        ),
        Misconception(
            "probabilities",
            "it returns or moves probabilities: the step is added to the logits, and new logits are asked for",
            (
                _made(lambda logits, step, rate: bandit.softmax(logits + step)),
                _made(lambda logits, step, rate: bandit.softmax(logits) + step),
            ),
        ),
        Misconception(
            "nothing moved",
            "the logits come back as they were: return the new ones",
            _made(lambda logits, step, rate: logits),
        ),
    ),
)  # fmt: skip

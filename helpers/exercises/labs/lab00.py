"""Exercises and questions of lab 00: supervised loss, intervals, the bandit and REINFORCE."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from ...formulas import bandit, objectives, statistics
from ..exercise import Arguments, Exercise, Misconception
from ..inputs import normal
from ..questions import DIRECTIONS, Choice, Forecast, Guess, Question

# --- Supervised loss ----------------------------------------------------------


def _completions_in_text(rng: np.random.Generator) -> list[Arguments]:
    """Prompt, completion and padding in each row; what is no completion is as improbable as nonsense."""
    cases = []
    for prompt, completion, width in (
        ([2, 1, 3], [4, 1, 3], 7),
        ([1], [3], 6),
        ([0, 0], [5, 5], 5),
        ([0, 2], [1, 2], 4),
    ):
        start, end = torch.tensor(prompt)[:, None], torch.tensor(prompt)[:, None] + torch.tensor(completion)[:, None]
        mask = (torch.arange(width) >= start) & (torch.arange(width) < end)
        logprobs = -normal(rng, *mask.shape).abs() - (~mask) * 20.0
        cases.append({"logprobs": logprobs, "mask": mask})
    return cases


def _kept(logprobs: Tensor, mask: Tensor) -> Tensor:
    return logprobs.where(mask, torch.zeros(()))


SFT_LOSS = Exercise(
    name="sft_loss",
    title="The loss of supervised tuning",
    minutes=6,
    difficulty=1,
    deliver="Minus the mean log-probability of the tokens where the mask is true, a scalar.",
    reference=objectives.sft_loss,
    cases=_completions_in_text,
    gradients=("logprobs",),
    hints=(
        "Which tokens did the author of the completion choose? Only those count.",
        "Every completion token of the batch weighs the same: one sum over all rows, divided by the number of trues.",
        "`logprobs[mask]` holds the log-probabilities that count; do not forget the minus.",
    ),
    misconceptions=(
        Misconception(
            "sign",
            "the minus is missing: lowering this number makes the demonstrations *less* probable",
            lambda logprobs, mask: logprobs[mask].mean(),
        ),
        Misconception(
            "ignores mask",
            "it averages over all positions: the prompt, which the model need not write, and padding count too",
            lambda logprobs, mask: -logprobs.mean(),
        ),
        Misconception(
            "divides by all",
            "it divides the right sum by the number of *all* positions: the more padding, the lower the loss",
            lambda logprobs, mask: -_kept(logprobs, mask).mean(),
        ),
        Misconception(
            "row means",
            "it averages each row first, then the rows: a token of a short completion then weighs more than one "
            "of a long completion",
            lambda logprobs, mask: -(_kept(logprobs, mask).sum(1) / mask.sum(1)).mean(),
        ),
        Misconception(
            "row sums",
            "it sums over each completion: long completions then have a larger loss even where every token is as "
            "probable; divide by the number of tokens",
            lambda logprobs, mask: -_kept(logprobs, mask).sum(1).mean(),
        ),
        Misconception(
            "sum",
            "it is a sum, not a mean: with twice the tokens the gradient would be twice as large",
            lambda logprobs, mask: -_kept(logprobs, mask).sum(),
        ),
        Misconception(
            "probabilities",
            "it averages probabilities: the loss is made of their logarithms, which charge a probability of 0.001 far "
            "more than one of 0.5",
            lambda logprobs, mask: -logprobs[mask].exp().mean(),
        ),
    ),
)

# --- Interval -----------------------------------------------------------------

RESAMPLES = 4000


def _skewed_values(rng: np.random.Generator) -> list[Arguments]:
    """Values whose mean has a standard error of 1, so that one knows how near is near: see `_same_limits`."""
    samples = (
        (rng.exponential(size=30), 0.8),
        (rng.exponential(size=12), 0.8),
        (rng.permutation([0.0] * 9 + [1.0]), 0.9),
    )
    return [
        {
            "values": rng.normal() + values / values.std() * len(values) ** 0.5,
            "level": level,
            "n_resamples": RESAMPLES,
            "seed": int(rng.integers(1000)),
        }
        for values, level in samples
    ]


def _same_limits(a: Any, b: Any) -> bool:
    """Whether two bootstraps agree: their limits vary by less than a fifth of a standard error."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if not a.shape == b.shape == (2,) or np.isclose(*a) != np.isclose(*b):
        return False
    return np.allclose(a, b, rtol=0, atol=max(0.2, 0.06 * (b[1] - b[0])))


def _limits(means: np.ndarray, tail: float) -> tuple[float, float]:
    return tuple(np.quantile(means, [tail, 1 - tail]))


def _resampled(values: np.ndarray, n_resamples: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).choice(values, size=(n_resamples, size))


def _around_mean(values: np.ndarray, level: float, error: float) -> tuple[float, float]:
    half_width = stats.norm.ppf((1 + level) / 2) * error
    return values.mean() - half_width, values.mean() + half_width


BOOTSTRAP_MEAN_INTERVAL = Exercise(
    name="bootstrap_mean_interval",
    title="An interval from the data alone",
    minutes=10,
    difficulty=2,
    deliver="Two numbers, low and high: the percentile bootstrap's limits for the mean of the values.",
    reference=statistics.bootstrap_mean_interval,
    cases=_skewed_values,
    same=_same_limits,
    hints=(
        "Pretend that your n values are the world. Draw n of them, with replacement, and take the mean; do it often.",
        "The interval is where the middle `level` of these means lies: the same share is left out on either side.",
        "`rng.choice(values, size=(n_resamples, len(values)))` draws all samples at once, one a row; `np.quantile` "
        "finds the limits of their means.",
    ),
    misconceptions=(
        Misconception(
            "without replacement",
            "low equals high: without replacement every sample holds the same values, in another order. Draw *with* "
            "replacement",
            lambda values, level, n_resamples, seed: (values.mean(), values.mean()),
        ),
        Misconception(
            "values",
            "these are percentiles of the single values: they say where the next value may lie. Take those of the "
            "means of whole samples",
            lambda values, level, n_resamples, seed: _limits(values, (1 - level) / 2),
        ),
        Misconception(
            "no square root",
            "this is as wide as the spread of the values; a mean of n of them varies less, by the square root of n",
            lambda values, level, n_resamples, seed: _around_mean(values, level, values.std()),
        ),
        Misconception(
            "both tails",
            "it leaves 1 - level out on *each* side, twice too much: half of it belongs on either side",
            lambda values, level, n_resamples, seed: _limits(
                _resampled(values, n_resamples, len(values)).mean(axis=1), 1 - level
            ),
        ),
        Misconception(
            "too many",
            "each sample holds n_resamples values, far more than you measured, so the interval is much too narrow: n "
            "values a sample, n_resamples samples",
            lambda values, level, n_resamples, seed: _limits(
                _resampled(values, 200, n_resamples).mean(axis=1), (1 - level) / 2
            ),
        ),
        Misconception(
            "too few",
            "each sample holds fewer values than you measured, so the interval is too wide: draw as many as there are",
            lambda values, level, n_resamples, seed: _limits(
                _resampled(values, n_resamples, len(values) // 2).mean(axis=1), (1 - level) / 2
            ),
        ),
        Misconception(
            "normal",
            "that is mean plus or minus a normal quantile of standard errors, always symmetric: the bootstrap's "
            "percentiles follow the data where they are skewed",
            lambda values, level, n_resamples, seed: _around_mean(values, level, values.std() / len(values) ** 0.5),
        ),
    ),
)

# --- Bandit -------------------------------------------------------------------


def _policies(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"logits": rng.normal(size=5)},
        {"logits": rng.normal(size=(3, 4))},
        {"logits": np.array([1e4, 1e4 + rng.normal(), -1e4])},
        {"logits": np.array([[0.0, rng.normal()], [-900.0, -900.0 - rng.random()]])},
    ]


def _exp(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits - logits.max(axis=-1, keepdims=True))


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
            lambda logits: np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True),
        ),
        Misconception(
            "one maximum",
            "it subtracts the maximum of the whole array: where another row's logits are far lower, all of that row "
            "becomes 0 / 0. Take each row's own",
            lambda logits: np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum(axis=-1, keepdims=True),
        ),
        Misconception(
            "whole array",
            "all rows together sum to 1: every row is a policy of its own, so sum over the last axis only",
            lambda logits: np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum(),
        ),
        Misconception(
            "first axis",
            "the columns sum to 1, not the rows: the arms are on the last axis",
            lambda logits: np.exp(logits - logits.max(axis=0)) / np.exp(logits - logits.max(axis=0)).sum(axis=0),
        ),
        Misconception(
            "no exp",
            "it divides the logits themselves by their sum: negative logits would give negative probabilities",
            lambda logits: logits / logits.sum(axis=-1, keepdims=True),
        ),
        Misconception(
            "not normalized",
            "these do not sum to 1: divide each row by its sum",
            np.exp,
        ),
        Misconception(
            "log",
            "these are log-probabilities: take exp of them",
            lambda logits: (
                logits - logits.max(axis=-1, keepdims=True) - np.log(_exp(logits).sum(axis=-1, keepdims=True))
            ),
        ),
    ),
)  # fmt: skip


def _pulls(rng: np.random.Generator) -> list[Arguments]:
    cases = [
        {"logits": rng.normal(size=(runs, arms)), "arms": rng.integers(arms, size=runs)}
        for runs, arms in ((6, 5), (1, 3), (4, 4))
    ]
    sure = {"logits": np.array([[30.0, 0.0, -30.0], [0.0, 40.0, 1.0]]), "arms": np.array([2, 1])}
    return [*cases, sure]


def _one_hot(logits: np.ndarray, arms: np.ndarray) -> np.ndarray:
    return np.eye(logits.shape[-1])[arms]


LOGPROB_GRADIENT = Exercise(
    name="logprob_gradient",
    title="The gradient of a log-probability",
    minutes=8,
    difficulty=2,
    deliver="For each run the gradient of log pi(arm) by all its logits: one-hot(arm) minus pi.",
    reference=bandit.logprob_gradient,
    cases=_pulls,
    hints=(
        "log pi(a) = logit_a - log(sum of exp(logits)). Differentiate both parts by each logit.",
        "The first part gives 1 for the pulled arm and 0 elsewhere; the second gives minus the arm's probability.",
        "`np.eye(k)[arms]` has a row with a 1 at the pulled arm for each run; `softmax(logits)` is pi.",
    ),
    misconceptions=(
        Misconception(
            "sign",
            "the sign is turned round: a step along this makes the pulled arm *less* probable",
            lambda logits, arms: bandit.softmax(logits) - _one_hot(logits, arms),
        ),
        Misconception(
            "no pi",
            "only the pulled arm's own logit is in it; the softmax's denominator holds all logits, so pi must be "
            "subtracted",
            _one_hot,
        ),
        Misconception(
            "pulled only",
            "right at the pulled arm, but 0 at the others: when one arm gains, the others lose, by their probabilities",
            lambda logits, arms: _one_hot(logits, arms) * (1 - bandit.softmax(logits)),
        ),
        Misconception(
            "no log",
            "that is the gradient of pi(arm), not of log pi(arm): it is pi(arm) times too small, so rare arms would "
            "hardly learn",
            lambda logits, arms: (
                np.take_along_axis(bandit.softmax(logits), arms[:, None], axis=1)
                * (_one_hot(logits, arms) - bandit.softmax(logits))
            ),
        ),
        Misconception(
            "by probabilities",
            "1 / pi is the derivative by the *probability*; the policy's parameters are the logits",
            lambda logits, arms: _one_hot(logits, arms) / bandit.softmax(logits),
        ),
        Misconception(
            "logits",
            "it subtracts the logits, which are no probabilities: pass them through softmax first",
            lambda logits, arms: _one_hot(logits, arms) - logits,
        ),
    ),
)  # fmt: skip


def _bandits(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"logits": rng.normal(size=5), "means": rng.normal(1, 2, size=5)},
        {"logits": np.zeros(3), "means": rng.normal(1, 2, size=3)},
        {"logits": np.array([8.0, -8.0, 0.0, 1.0]), "means": rng.normal(-1, 2, size=4)},
        {"logits": rng.normal(size=4), "means": np.full(4, rng.normal() + 3)},
    ]


def _expected(logits: np.ndarray, means: np.ndarray) -> float:
    return bandit.softmax(logits) @ means


EXPECTED_REWARD_GRADIENT = Exercise(
    name="expected_reward_gradient",
    title="The exact gradient",
    minutes=8,
    difficulty=2,
    deliver="The gradient of the expected reward by the logits: pi times how far each arm's mean is above it.",
    reference=bandit.expected_reward_gradient,
    cases=_bandits,
    hints=(
        "J = sum of pi(a) r(a). The derivative of pi(a) by logit b is pi(a) (1 - pi(a)) for a = b, else -pi(a) pi(b).",
        "Put it in and take pi(b) out of the sum: what is left is r(b) minus a sum that you know.",
        "That sum is the expected reward itself, `pi @ means`.",
    ),
    misconceptions=(
        Misconception(
            "no baseline",
            "this raises every arm of positive reward. Raising one logit lowers all other probabilities: subtract the "
            "expected reward from the means",
            lambda logits, means: bandit.softmax(logits) * means,
        ),
        Misconception(
            "no pi",
            "the factor pi is missing: an arm that is hardly ever pulled can hardly change the expected reward",
            lambda logits, means: means - _expected(logits, means),
        ),
        Misconception(
            "plain mean",
            "it subtracts the plain mean of the arms; the expected reward weighs each arm by its probability",
            lambda logits, means: bandit.softmax(logits) * (means - means.mean()),
        ),
        Misconception(
            "sign",
            "the sign is turned round: this points to where the expected reward *falls*",
            lambda logits, means: bandit.softmax(logits) * (_expected(logits, means) - means),
        ),
        Misconception(
            "logits",
            "it uses the logits as if they were probabilities: pass them through softmax first",
            lambda logits, means: logits * (means - logits @ means),
        ),
        Misconception(
            "value",
            "that is the expected reward itself; asked for is its gradient, one number for each logit",
            _expected,
        ),
    ),
)


def _steps(rng: np.random.Generator) -> list[Arguments]:
    return [
        {
            "logits": rng.normal(size=(runs, arms)),
            "arms": rng.integers(arms, size=runs),
            "rewards": rng.normal(2, 1, size=runs),
            "baseline": baseline * rng.normal(1, 1, size=runs),
            "learning_rate": float(rng.uniform(0.05, 0.5)),
        }
        for runs, arms, baseline in ((6, 5, 1.0), (3, 4, 0.0), (4, 4, 1.0), (1, 2, 1.0))
    ]


def _step(logits: np.ndarray, arms: np.ndarray, advantages: np.ndarray, rate: float) -> np.ndarray:
    return logits + rate * advantages[:, None] * bandit.logprob_gradient(logits, arms)


REINFORCE_UPDATE = Exercise(
    name="reinforce_update",
    title="One step of REINFORCE",
    minutes=10,
    difficulty=2,
    deliver="The new logits of every run: each moved along its own gradient, times reward minus baseline.",
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
            "it walks down the hill: arms that paid well become less probable. Add the step",
            lambda logits, arms, rewards, baseline, learning_rate: _step(
                logits, arms, rewards - baseline, -learning_rate
            ),
        ),
        Misconception(
            "no baseline",
            "the baseline is not used: where all rewards are positive, every pulled arm then gains, good or bad",
            lambda logits, arms, rewards, baseline, learning_rate: _step(logits, arms, rewards, learning_rate),
        ),
        Misconception(
            "baseline added",
            "it adds the baseline to the reward; what counts is how far the reward lies *above* the baseline",
            lambda logits, arms, rewards, baseline, learning_rate: _step(
                logits, arms, rewards + baseline, learning_rate
            ),
        ),
        Misconception(
            "broadcast",
            "the advantages (runs,) meet the gradients (runs, arms) along the arms: make them a column with [:, None]",
            lambda logits, arms, rewards, baseline, learning_rate: (
                logits + learning_rate * (rewards - baseline) * bandit.logprob_gradient(logits, arms)
            ),
        ),
        Misconception(
            "averaged",
            "it averages over the runs and moves all of them alike: each run is a policy of its own",
            lambda logits, arms, rewards, baseline, learning_rate: (
                logits
                + learning_rate
                * ((rewards - baseline)[:, None] * bandit.logprob_gradient(logits, arms)).mean(axis=0)
            ),
        ),
        Misconception(
            "pulled only",
            "only the pulled arm's logit gets reward minus baseline: multiply by the gradient of its log-probability, "
            "which is small for an arm that is almost sure and reaches the other arms too",
            lambda logits, arms, rewards, baseline, learning_rate: (
                logits + learning_rate * (rewards - baseline)[:, None] * _one_hot(logits, arms)
            ),
        ),
        Misconception(
            "no learning rate",
            "the learning rate is missing: the step is taken whole",
            lambda logits, arms, rewards, baseline, learning_rate: _step(logits, arms, rewards - baseline, 1.0),
        ),
        Misconception(
            "step alone",
            "that is the step; return the logits after it",
            lambda logits, arms, rewards, baseline, learning_rate: (
                _step(logits, arms, rewards - baseline, learning_rate) - logits
            ),
        ),
    ),
)  # fmt: skip

EXERCISES = [
    SFT_LOSS,
    BOOTSTRAP_MEAN_INTERVAL,
    SOFTMAX,
    LOGPROB_GRADIENT,
    EXPECTED_REWARD_GRADIENT,
    REINFORCE_UPDATE,
]

# --- Questions ----------------------------------------------------------------

QUESTIONS = [
    Question(
        "prompts_without_completions",
        "Why does the prompt set of stage 3 hold no completions?",
        (
            Choice(
                "They were used up in stages 1 and 2",
                "Texts are not used up. The sets are apart so that no stage is measured on what it was trained on.",
            ),
            Choice(
                "The policy writes them itself, anew after every update",
                "The reward model scores what this policy writes now; a stored completion is somebody else's.",
                True,
            ),
            Choice(
                "The reward model scores prompts, so none are needed",
                "It scores a prompt with a completion. The completions exist, but they are written during training.",
            ),
            Choice(
                "Writing completions would cost people too much",
                "That is why demonstrations are few. But here even free ones would not help: they would not be the "
                "policy's own.",
            ),
        ),
    ),
    Forecast(
        "imitating_one_reference",
        "you train on the reference alone. What happens to its lead over the equally good TL;DR in other words?",
        ("The lead grows", "The lead stays about the same", "The lead shrinks"),
    ),
    Question(
        "loss_of_good_words",
        "An answer is better than the reference, in other words. What does the supervised loss say of it?",
        (
            Choice(
                "It is low, because the answer is good",
                "Nothing in the loss knows good from bad: it holds the probability of one given text.",
            ),
            Choice(
                "It is low once the model is large enough",
                "A large model gives other good words more probability, but training on one reference still moves "
                "probability away from them.",
            ),
            Choice(
                "It is high: the loss asks whether it is this very text",
                "Every deviation from the one reference is charged, better or not.",
                True,
            ),
        ),
    ),
    Guess(
        "wrong_number_preferred",
        "on what share of these posts does the loss like the wrong number better than the good other words?",
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Question(
        "state_and_action",
        "A language model writes a TL;DR. What is an action, and what is the state in which it is taken?",
        (
            Choice(
                "The whole TL;DR; the prompt",
                "That is the bandit's view, and it is used too. But the model chooses token by token, and PPO's values "
                "and ratios are per token.",
            ),
            Choice(
                "The update of the weights; the training set",
                "The update is how the agent learns from its actions; it acts by writing.",
            ),
            Choice(
                "The next token; the prompt and the tokens so far", "One action a token, a new state after it.", True
            ),
            Choice(
                "The reward; the completion",
                "The reward is the environment's reply, not something that the agent chooses.",
            ),
        ),
    ),
    Question(
        "what_reinforcement_is_told",
        "What is reinforcement learning told about the actions that it takes?",
        (
            Choice(
                "How good each one was, but never which would have been best",
                "So it must explore; and so a reward may come from a person, a model or any program.",
                True,
            ),
            Choice(
                "The right action in every state, but late",
                "The right action is what supervised learning is told. A reward only grades what was tried.",
            ),
            Choice(
                "Nothing: it finds the structure of the data by itself",
                "That describes unsupervised learning.",
            ),
        ),
    ),
    Question(
        "no_gradient_through_samples",
        "You sample 64 completions, score them, average the 64 rewards and call backward(). What reaches the policy?",
        (
            Choice(
                "The gradient of the expected reward, with noise",
                "That is what REINFORCE gives. The bare average of rewards holds no log-probability to differentiate.",
            ),
            Choice(
                "Nothing: the rewards are numbers, and drawing has no derivative",
                "The weights decide which completions are drawn, but backward() cannot see through the draw. The "
                "log-derivative trick brings the weights back in: reward times grad log pi.",
                True,
            ),
            Choice(
                "The gradient of the reward model",
                "Its own weights could get one, but between it and the policy stand sampled tokens: whole numbers, "
                "without a derivative.",
            ),
        ),
    ),
    Question(
        "baseline_and_average",
        "You subtract 10 from all rewards before REINFORCE's step. What changes?",
        (
            Choice(
                "The average step: it becomes smaller",
                "A constant is multiplied by grad log pi, whose average under the policy is 0: nothing is left of it.",
            ),
            Choice(
                "The best arm: it may be another one now",
                "All arms lose the same 10, so their order stays.",
            ),
            Choice(
                "Nothing at all",
                "On average, yes. But a single reward of 2 now counts as -8: that pull pushes its arm down, not up.",
            ),
            Choice(
                "The single steps and their variance, not their average",
                "E[grad log pi] = 0, so any constant times it vanishes on average, while each single step changes.",
                True,
            ),
        ),
    ),
    Guess(
        "best_arm_found",
        "how probable is the best arm after 200 pulls with the baseline, averaged over the runs?",
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Forecast(
        "ten_times_faster",
        "a learning rate ten times as large, 2.0 for 0.2: which way does the share of runs that find the best arm go?",
        DIRECTIONS,
    ),
]

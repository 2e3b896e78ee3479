"""Exercises of lab 01: the Bradley-Terry model, its strengths, and Elo ratings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit

from ....formulas import objectives, statistics
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _two_scores(rng: np.random.Generator) -> list[Arguments]:
    batches = [{"score_a": normal(rng, n, scale=2), "score_b": normal(rng, n, scale=2)} for n in (6, 3, 1)]
    high = torch.tensor([150.0, 149.0, 160.0]) + normal(rng, 3)  # exp overflows float32 beyond 88
    return [*batches, {"score_a": high, "score_b": high - normal(rng, 3)}]


BRADLEY_TERRY_PROBABILITY = Exercise(
    name="bradley_terry_probability",
    title="From two scores to a probability",
    minutes=5,
    difficulty=1,
    deliver="The probability that a is preferred to b, sigmoid(score_a - score_b), for every entry of two tensors.",
    reference=objectives.bradley_terry_probability,
    cases=_two_scores,
    hints=(
        "Only the difference of the two scores counts, and which of the two comes first.",
        "The sigmoid turns any difference into a number between 0 and 1, and 0 into one half.",
        "`torch.sigmoid` works on whole tensors.",
    ),
    misconceptions=(
        Misconception(
            "ratio",
            "a ratio of raw scores: scores may be negative or 0, and adding 10 to both would change it. (It is right "
            "for "
            "exp(score), the strengths of the paper of 1952)",
            lambda score_a, score_b: score_a / (score_a + score_b),
        ),
        Misconception(
            "swapped",
            "that is the probability that *b* is preferred: the higher a scores, the likelier must a win",
            lambda score_a, score_b: torch.sigmoid(score_b - score_a),
        ),
        Misconception(
            "no sigmoid",
            "that is the difference of the scores, which may be any number: a probability lies between 0 and 1",
            lambda score_a, score_b: score_a - score_b,
        ),
        Misconception(
            "certain",
            "the higher score always wins here: real choices are noisy, and the closer the scores the nearer to a coin",
            lambda score_a, score_b: (score_a > score_b).float(),
        ),
        Misconception(
            "sigmoid of each",
            "it takes the sigmoid of each score and then compares: take the difference first, so that a constant added "
            "to both drops out",
            lambda score_a, score_b: torch.sigmoid(score_a) - torch.sigmoid(score_b),
        ),
        Misconception(
            "overflow",
            "exp(100) is infinite in float32, and inf / inf is NaN: take the sigmoid of the difference",
            lambda score_a, score_b: score_a.exp() / (score_a.exp() + score_b.exp()),
        ),
    ),
)


def _wins(rng: np.random.Generator, k: int, meetings: int) -> np.ndarray:
    """Wins of k things of random strength; some pairs meet often and some seldom, but each wins at least once."""
    strengths = rng.normal(size=k)
    met = np.triu(rng.integers(1, meetings, size=(k, k)) * rng.integers(1, 8, size=(k, k)), 1)
    won = rng.binomial(met, expit(strengths[:, None] - strengths))
    return won + (met - won).T + 1 - np.eye(k, dtype=int)


def _win_tables(rng: np.random.Generator) -> list[Arguments]:
    return [{"wins": _wins(rng, k, meetings)} for k, meetings in ((3, 8), (5, 6), (4, 300), (2, 9))]


def _near(got: Any, expected: Any) -> bool:
    """Whether the strengths agree as far as any way to find the maximum goes."""
    return np.shape(got) == np.shape(expected) and np.allclose(got, expected, rtol=0, atol=0.02)


def _fitted(wins: np.ndarray) -> np.ndarray:
    """The strengths by another road: a wrong answer may not call the reference either."""
    return minimize(lambda r: (wins * np.logaddexp(0, r - r[:, None])).sum() / wins.sum(), np.zeros(len(wins))).x


def _first_round(wins: np.ndarray) -> np.ndarray:
    p = wins.sum(axis=1) / ((wins + wins.T) / 2).sum(axis=1)
    return np.log(p) - np.log(p).mean()


def _log_odds(wins: np.ndarray) -> np.ndarray:
    share = wins.sum(axis=1) / (wins + wins.T).sum(axis=1)
    return logit(share) - logit(share).mean()


BRADLEY_TERRY_STRENGTHS = Exercise(
    name="bradley_terry_strengths",
    title="Strengths from comparisons",
    minutes=20,
    difficulty=3,
    deliver="The strengths (log-odds, mean 0) under which a table of wins is most probable, two decimals exact.",
    reference=statistics.bradley_terry_strengths,
    cases=_win_tables,
    same=_near,
    hints=(
        "Set p = exp(strength): i beats j with probability p_i / (p_i + p_j). Begin with p = 1 for all.",
        "Round by round, p_i becomes (wins of i) / sum over j of n_ij / (p_i + p_j), where n_ij = wins[i, j] + "
        "wins[j, i]; a few hundred rounds are plenty. (Gradient descent on the loss does as well.)",
        "With `n = wins + wins.T` the sum is `(n / (p[:, None] + p)).sum(axis=1)`. At the end take log p minus its "
        "mean.",
    ),
    misconceptions=(
        Misconception(
            "share of wins",
            "that is each one's share of wins, which ignores whom it was won against: beating the strong counts more "
            "than beating the weak",
            lambda wins: wins.sum(axis=1) / (wins + wins.T).sum(axis=1),
        ),
        Misconception(
            "ignores opponents",
            "log-odds of each one's share of wins: right only if all had met the same opponents equally often. Who "
            "wins "
            "against the weak looks strong",
            _log_odds,
        ),
        Misconception(
            "losers",
            "the order is upside down: wins[i, j] counts how often i was preferred to j, and winners are strong",
            lambda wins: _fitted(wins.T),
        ),
        Misconception(
            "no logarithm",
            "those are p = exp(strength), whose *ratios* count; scores are their logarithms, whose differences count",
            lambda wins: np.exp(_fitted(wins)),
        ),
        Misconception(
            "first is zero",
            "right up to a constant, which the data leave open: the first has 0 here; take off the mean, so that "
            "tables with other first rows can be compared",
            lambda wins: _fitted(wins) - _fitted(wins)[0],
        ),
        Misconception(
            "sums to one",
            "right up to a constant, which the data leave open: exp(strength) adds up to 1 here; take off the mean of "
            "the strengths",
            lambda wins: log_softmax(_fitted(wins)),
        ),
        Misconception(
            "one round",
            "that is the first round of the iteration: after it everyone's opponents have moved, so go on until "
            "nothing "
            "changes any more",
            _first_round,
        ),
    ),
)


def _games(rng: np.random.Generator) -> list[Arguments]:
    def game(score_a: float) -> Arguments:
        rating_a, rating_b = (float(rating) for rating in rng.uniform(1400, 1600, size=2))
        return {"rating_a": rating_a, "rating_b": rating_b, "score_a": score_a, "k": float(rng.uniform(8, 40))}

    equal = {"rating_a": 1500.0, "rating_b": 1500.0, "score_a": 0.5, "k": 32.0}
    return [game(1.0), game(0.0), game(0.5), game(1.0), equal]


def _elo(expected: Callable[[float], float], share_of_b: float = -1.0) -> Callable[..., tuple[float, float]]:
    """An update with another expected score of a, and b getting `share_of_b` of a's change."""

    def wrong(rating_a: float, rating_b: float, score_a: float, k: float) -> tuple[float, float]:
        change = k * (score_a - expected(rating_a - rating_b))
        return rating_a + change, rating_b + share_of_b * change

    return wrong


def _expected(difference: float) -> float:
    return 1 / (1 + 10 ** (-difference / 400))


ELO_UPDATE = Exercise(
    name="elo_update",
    title="Ratings that move with every game",
    minutes=10,
    difficulty=2,
    deliver="Both new ratings after one comparison: what a scores beyond 1 / (1 + 10^((rating_b - rating_a) / 400)), "
    "times k, goes from b to a.",
    reference=statistics.elo_update,
    cases=_games,
    hints=(
        "First the expected score of a, a number between 0 and 1: the higher a is rated, the nearer to 1.",
        "a moves by k * (score - expected): a sure win moves nothing, an upset much.",
        "Return `rating_a + change, rating_b - change`.",
    ),
    misconceptions=(
        Misconception(
            "swapped expectation",
            "it expects the *lower* rated to win: the favorite would gain most from a win that everybody foresaw. "
            "Mind "
            "the sign of the difference",
            _elo(lambda difference: _expected(-difference)),
        ),
        Misconception(
            "base e",
            "it takes exp instead of a power of 10: on Elo's scale 400 points are odds of ten to one, not of 2.7 to "
            "one",
            _elo(lambda difference: 1 / (1 + np.exp(-difference / 400))),
        ),
        Misconception(
            "no 400",
            "it leaves out the 400: one point of difference would be odds of ten to one, and the favorite certain",
            _elo(lambda difference: 1 / (1 + 10 ** (-difference))),
        ),
        Misconception(
            "loser keeps",
            "only a moves: points must go from one to the other, or all ratings drift and none can be compared",
            _elo(_expected, share_of_b=0.0),
        ),
        Misconception(
            "both gain",
            "both move the same way: what a gains, b loses, so that the sum stays",
            _elo(_expected, share_of_b=1.0),
        ),
        Misconception(
            "no expectation",
            "every win moves the same number of points: a win over a much weaker one should hardly count. Subtract the "
            "expected score, not one half",
            _elo(lambda difference: 0.5),
        ),
    ),
)

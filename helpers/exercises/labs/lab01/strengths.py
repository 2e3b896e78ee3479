"""Exercise of lab 01: strengths from a table of wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit

from ....formulas import statistics
from ...exercise import Arguments, Exercise, Misconception


def _wins(rng: np.random.Generator, k: int, most: int) -> np.ndarray:
    """Wins of k things; some pairs meet often and some seldom, but each wins at least once.

    The tables are such that plain gradient descent comes to rest too, with any usual step.
    """
    strengths = rng.permutation(np.linspace(-1, 1, k)) + rng.normal(scale=0.2, size=k)
    met = np.triu(rng.choice([3, most // 3, most], size=(k, k)), 1)
    won = rng.binomial(met, expit(strengths[:, None] - strengths))
    return won + (met - won).T + 1 - np.eye(k, dtype=int)


def _win_tables(rng: np.random.Generator) -> list[Arguments]:
    fixed = np.array([[0, 18, 2, 1], [6, 0, 15, 1], [1, 9, 0, 12], [1, 1, 10, 0]])  # neighbors meet far more often
    return [*({"wins": _wins(rng, k, most)} for k, most in ((3, 24), (5, 21), (4, 45), (2, 9))), {"wins": fixed}]


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


def _share(wins: np.ndarray) -> np.ndarray:
    return wins.sum(axis=1) / (wins + wins.T).sum(axis=1)


def _pair_shares(wins: np.ndarray) -> np.ndarray:
    """Of each pair the share that the first won; one half on the diagonal."""
    games = wins + wins.T
    return np.where(games > 0, wins / np.maximum(games, 1), 0.5)


Sums = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _right_sums(wins: np.ndarray, p: np.ndarray) -> np.ndarray:
    return ((wins + wins.T) / (p[:, None] + p)).sum(axis=1)


def _rounds(rounds: int, sums: Sums = _right_sums, center: bool = True) -> Callable[[np.ndarray], np.ndarray]:
    """The iteration, ended after some rounds, or with other sums in its denominator."""

    def wrong(wins: np.ndarray) -> np.ndarray:
        p = np.ones(len(wins))
        for _ in range(rounds):
            p = wins.sum(axis=1) / sums(wins, p)
            p = p / np.exp(np.log(p).mean()) if rounds > 20 else p
        return np.log(p) - (np.log(p).mean() if center else 0.0)

    return wrong


def _descent(rate: float, steps: int) -> Callable[[np.ndarray], np.ndarray]:
    """Gradient descent on the mean loss, ended after some steps."""

    def wrong(wins: np.ndarray) -> np.ndarray:
        r = np.zeros(len(wins))
        for _ in range(steps):
            p = expit(r - r[:, None])  # of j against i
            r = r + rate * ((wins * p).sum(axis=1) - (wins * p).sum(axis=0)) / wins.sum()
        return r

    return wrong


def _changed(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The right strengths, changed."""
    return lambda wins: change(_fitted(wins) - _fitted(wins).mean())


def _centered(x: np.ndarray) -> np.ndarray:
    return x - x.mean()


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
            (
                _share,
                lambda wins: _centered(_share(wins)),
                lambda wins: _share(wins) - 0.5,
                lambda wins: (wins.sum(axis=1) - wins.sum(axis=0)) / (wins + wins.T).sum(axis=1),
                lambda wins: _pair_shares(wins).mean(axis=1),
                lambda wins: _centered(_pair_shares(wins).mean(axis=1)),
                lambda wins: (_pair_shares(wins).sum(axis=1) - 0.5) / (len(wins) - 1),
            ),
        ),
        Misconception(
            "number of wins",
            "that counts wins only, not how often each one was compared nor with whom: who is compared more often "
            "would look stronger",
            (
                lambda wins: wins.sum(axis=1),
                lambda wins: _centered(wins.sum(axis=1)),
                lambda wins: _centered(np.log(wins.sum(axis=1))),
                lambda wins: np.log(wins.sum(axis=1)),
                lambda wins: _centered(wins.sum(axis=1) - wins.sum(axis=0)),
                lambda wins: wins.sum(axis=1) / wins.sum(),
            ),
        ),
        Misconception(
            "ignores opponents",
            "log-odds of each one's share of wins: right only if all had met the same opponents equally often. Who "
            "wins against the weak looks strong",
            (
                _log_odds,
                lambda wins: logit(_share(wins)),
                lambda wins: np.log(_share(wins)),
                lambda wins: _centered(np.log((wins.sum(axis=1) + 0.5) / (wins.sum(axis=0) + 0.5))),
                lambda wins: _centered(np.log((wins.sum(axis=1) + 1) / (wins.sum(axis=0) + 1))),
                lambda wins: _centered(logit(_pair_shares(wins).mean(axis=1))),
            ),
        ),
        Misconception(
            "mean of pairs",
            "it averages the log-odds of the pairs: a pair that met once counts as much as one that met a hundred "
            "times. The most probable strengths weigh every comparison the same",
            (
                lambda wins: logit(_pair_shares(wins)).mean(axis=1),
                lambda wins: logit(_pair_shares(wins)).sum(axis=1) / (len(wins) - 1),
                lambda wins: logit(_pair_shares(wins)).sum(axis=1),
            ),
        ),
        Misconception(
            "losers",
            "the order is upside down: wins[i, j] counts how often i was preferred to j, and winners are strong",
            (lambda wins: _fitted(wins.T), lambda wins: _fitted(wins.T) - _fitted(wins.T)[0]),
        ),
        Misconception(
            "no logarithm",
            "those are p = exp(strength), whose *ratios* count; scores are their logarithms, whose differences count",
            (
                lambda wins: np.exp(_fitted(wins)),
                lambda wins: np.exp(log_softmax(_fitted(wins))),
                lambda wins: _centered(np.exp(log_softmax(_fitted(wins)))),
                lambda wins: _centered(np.exp(_fitted(wins))),
                lambda wins: len(wins) * np.exp(log_softmax(_fitted(wins))),
                lambda wins: np.exp(_fitted(wins) - _fitted(wins).max()),
                lambda wins: np.exp(_fitted(wins) - _fitted(wins)[0]),
            ),
        ),
        Misconception(
            "first is zero",
            "right up to a constant, which the data leave open: one of them has 0 here (the first, the last, the best "
            "or the worst); take off the mean, so that tables with other rows can be compared",
            (
                lambda wins: _fitted(wins) - _fitted(wins)[0],
                lambda wins: _fitted(wins) - _fitted(wins)[-1],
                lambda wins: _fitted(wins) - _fitted(wins).max(),
                lambda wins: _fitted(wins) - _fitted(wins).min(),
            ),
        ),
        Misconception(
            "sums to one",
            "right up to a constant, which the data leave open: exp(strength) adds up to 1, or to their number, here; "
            "take off the mean of the strengths",
            (
                lambda wins: log_softmax(_fitted(wins)),
                lambda wins: log_softmax(_fitted(wins)) + np.log(len(wins)),
                lambda wins: _fitted(wins) - np.median(_fitted(wins)),
            ),
        ),
        Misconception(
            "one round",
            "that is the first round of the iteration: after it everyone's opponents have moved, so go on until "
            "nothing changes any more",
            (_first_round, _rounds(1, center=False)),
        ),
        Misconception(
            "too few rounds",
            "it ends after too few rounds or steps, before the strengths have come to rest: go on until nothing "
            "changes any more",
            (
                *(_rounds(rounds) for rounds in (2, 3, 5)),
                *(_descent(rate, steps) for rate, steps in ((0.1, 50), (0.1, 100), (0.01, 100), (0.01, 500))),
            ),
        ),
        Misconception(
            "wins for comparisons",
            "n_ij counts all comparisons of i with j, who ever won: wins[i, j] + wins[j, i]. It takes the wins or the "
            "losses alone",
            (
                _rounds(200, lambda wins, p: (wins / (p[:, None] + p)).sum(axis=1)),
                _rounds(200, lambda wins, p: (wins.T / (p[:, None] + p)).sum(axis=1)),
            ),
        ),
        Misconception(
            "one strength below",
            "each term is divided by p_i + p_j, the strengths of both: one of them is missing",
            (
                _rounds(200, lambda wins, p: ((wins + wins.T) / p).sum(axis=1)),
                _rounds(200, lambda wins, p: (wins + wins.T).sum(axis=1) / p),
                _rounds(200, lambda wins, p: (wins + wins.T).sum(axis=1) / (p + p.mean())),
            ),
        ),
        Misconception(
            "every pair once",
            "every pair counts the same here, however often it met: a comparison counts once, so a pair that met more "
            "often counts more",
            (
                lambda wins: _centered(_fitted(_pair_shares(wins) * (1 - np.eye(len(wins))))),
                lambda wins: _centered(_fitted((wins > wins.T).astype(float) + 0.5 * (wins == wins.T) + 1e-3)),
            ),
        ),
        Misconception(
            "made-up wins",
            "it adds wins that nobody counted, or pulls the strengths to 0: the most probable strengths are asked for, "
            "from the table as it is",
            (
                lambda wins: _centered(_fitted(wins + 1)),
                lambda wins: _centered(_fitted(wins + 0.5)),
            ),
        ),
        Misconception(
            "other unit",
            "right but for the unit: the strengths are natural log-odds (base e), not divided by anything, and not on "
            "Elo's scale",
            (
                _changed(lambda r: r / np.log(10)),
                _changed(lambda r: r / np.log(2)),
                _changed(lambda r: r * 400 / np.log(10)),
                _changed(lambda r: 1500 + r * 400 / np.log(10)),
                _changed(lambda r: r / r.std()),
                _changed(lambda r: r / r.std(ddof=1)),
                _changed(lambda r: 2 * r),
                _changed(lambda r: r / 2),
            ),
        ),
        Misconception(
            "ranks",
            "those are ranks or an order: return the strengths themselves",
            (
                _changed(lambda r: r.argsort().argsort()),
                _changed(lambda r: (-r).argsort()),
                _changed(lambda r: r.argsort()),
                _changed(lambda r: (-r).argsort().argsort() + 1),
            ),
        ),
        Misconception(
            "probabilities",
            "those are probabilities of winning: return the strengths behind them, one for each",
            (
                _changed(expit),
                _changed(lambda r: expit(r[:, None] - r)),
                _changed(lambda r: expit(r[:, None] - r).mean(axis=1)),
            ),
        ),
    ),
)  # fmt: skip

"""Exercise of lab 01: Elo ratings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....formulas import statistics
from ...exercise import Arguments, Exercise, Misconception


def _games(rng: np.random.Generator) -> list[Arguments]:
    def game(score_a: float) -> Arguments:
        rating_a, rating_b = (float(rating) for rating in rng.uniform(1400, 1600, size=2))
        return {"rating_a": rating_a, "rating_b": rating_b, "score_a": score_a, "k": float(rng.uniform(8, 40))}

    equal = {"rating_a": 1500.0, "rating_b": 1500.0, "score_a": 0.5, "k": 32.0}
    upset = {"rating_a": 1320.0, "rating_b": 1680.0, "score_a": 1.0, "k": 24.0}
    tie = {"rating_a": 1650.0, "rating_b": 1400.0, "score_a": 0.5, "k": 20.0}
    return [game(1.0), game(0.0), game(0.5), game(1.0), equal, upset, tie]


def _near(got: Any, expected: Any) -> bool:
    """Whether two pairs of ratings agree to two decimals: a step is small beside the rating."""
    return np.shape(got) == np.shape(expected) and np.allclose(got, expected, rtol=0, atol=0.006)


def _elo(expected: Callable[[float], float], share_of_b: float = -1.0) -> Callable[..., tuple[float, float]]:
    """An update with another expected score of a, and b getting `share_of_b` of a's change."""

    def wrong(rating_a: float, rating_b: float, score_a: float, k: float) -> tuple[float, float]:
        change = k * (score_a - expected(rating_a - rating_b))
        return rating_a + change, rating_b + share_of_b * change

    return wrong


def _expected(difference: float) -> float:
    return 1 / (1 + 10 ** (-difference / 400))


Rule = Callable[[float, float, float, float, float], Any]


def _update(rule: Rule) -> Callable[..., Any]:
    """Another update, rule(rating_a, rating_b, score_a, k, expected score of a)."""
    return lambda rating_a, rating_b, score_a, k: rule(rating_a, rating_b, score_a, k, _expected(rating_a - rating_b))


def _scored(score: Callable[[float], float]) -> Callable[..., Any]:
    """An update that takes another score of a."""
    return _update(lambda a, b, s, k, e: (a + k * (score(s) - e), b - k * (score(s) - e)))


def _fixed_k(own: Callable[[float], float]) -> Callable[..., Any]:
    """An update with another step."""
    return _update(lambda a, b, s, k, e: (a + own(k) * (s - e), b - own(k) * (s - e)))


def _one_after_the_other(rating_a: float, rating_b: float, score_a: float, k: float) -> tuple[float, float]:
    new_a = rating_a + k * (score_a - _expected(rating_a - rating_b))
    return new_a, rating_b + k * (1 - score_a - _expected(rating_b - new_a))


def _b_first(rating_a: float, rating_b: float, score_a: float, k: float) -> tuple[float, float]:
    new_b = rating_b + k * (1 - score_a - _expected(rating_b - rating_a))
    return rating_a + k * (score_a - _expected(rating_a - new_b)), new_b


def _b_from_new_a(rating_a: float, rating_b: float, score_a: float, k: float) -> tuple[float, float]:
    new_a = rating_a + k * (score_a - _expected(rating_a - rating_b))
    return new_a, rating_b - k * (score_a - _expected(new_a - rating_b))


def _ratio(rating_a: float, rating_b: float, score_a: float, k: float) -> tuple[float, float]:
    change = k * (score_a - rating_a / (rating_a + rating_b))
    return rating_a + change, rating_b - change


def _rounded(digits: int, expected: bool = False) -> Callable[..., Any]:
    def update(a: float, b: float, s: float, k: float, e: float) -> tuple[float, float]:
        change = k * (s - (round(e, digits) if expected else e))
        return (a + change, b - change) if expected else (round(a + change, digits), round(b - change, digits))

    return _update(update)


def _only_if_decided(a: float, b: float, s: float, k: float, e: float) -> tuple[float, float]:
    change = k * (s - e) if s != 0.5 else 0.0
    return a + change, b - change


ELO_UPDATE = Exercise(
    name="elo_update",
    title="Ratings that move with every game",
    minutes=10,
    difficulty=2,
    deliver="Both new ratings after one comparison by Elo's rule, a's first, not rounded: b loses the points that a "
    "wins.",
    reference=statistics.elo_update,
    cases=_games,
    same=_near,
    hints=(
        "First the expected score of a, a number between 0 and 1: the higher a is rated, the nearer to 1.",
        "a moves by k * (score - expected): a sure win moves nothing, an upset much.",
        "Return `rating_a + change, rating_b - change`.",
    ),
    misconceptions=(
        Misconception(
            "swapped expectation",
            "it expects the *lower* rated to win: the favorite would gain most from a win that everybody foresaw. "
            "Mind the sign of the difference",
            _elo(lambda difference: _expected(-difference)),
        ),
        Misconception(
            "base e",
            "it takes exp instead of a power of 10: on Elo's scale 400 points are odds of ten to one, not of 2.7 to "
            "one",
            (
                _elo(lambda difference: 1 / (1 + np.exp(-difference / 400))),
                _elo(lambda difference: 1 / (1 + 2 ** (-difference / 400))),
            ),
        ),
        Misconception(
            "no 400",
            "it leaves out the 400, or takes another number: 400 points are odds of ten to one, and the difference is "
            "divided by 400",
            (
                _elo(lambda difference: 1 / (1 + 10 ** (-difference))),
                _elo(lambda difference: 1 / (1 + 10 ** max(-300, min(300, -difference)))),  # which never overflows
                *(
                    _elo(lambda difference, scale=scale: 1 / (1 + 10 ** (-difference / scale)))  # type: ignore[misc]
                    for scale in (40, 100, 200, 800, 1000)
                ),
            ),
        ),
        Misconception(
            "odds",
            "it takes the odds, or a power of 10, for the expected score: the expected score is 1 / (1 + power), "
            "between 0 and 1",
            (
                _elo(lambda difference: 10 ** (difference / 400)),
                _elo(lambda difference: 10 ** (-difference / 400)),
                _elo(lambda difference: 1 + 10 ** (-difference / 400)),
                _elo(lambda difference: 1 / 1 + 10 ** (-difference / 400)),
            ),
        ),
        Misconception(
            "ratio",
            "the expected score is a ratio of the ratings themselves: the *difference* of the ratings counts, divided "
            "by 400, as a power of 10",
            (_ratio, _elo(lambda difference: 0.5 + difference / 400), _elo(lambda difference: difference / 400)),
        ),
        Misconception(
            "loser keeps",
            "only a moves: b must lose the points that a gains, or all ratings drift and none can be compared",
            _elo(_expected, share_of_b=0.0),
        ),
        Misconception(
            "both gain",
            "both move the same way: what a gains, b loses, so that the sum stays",
            _elo(_expected, share_of_b=1.0),
        ),
        Misconception(
            "b's score",
            "b is updated with a's score or with a's expected score: b scored 1 - score_a and expected 1 minus what a "
            "did, so b loses what a gains",
            (
                _update(lambda a, b, s, k, e: (a + k * (s - e), b + k * (s - (1 - e)))),
                _update(lambda a, b, s, k, e: (a + k * (s - e), b + k * (1 - s - e))),
                _update(lambda a, b, s, k, e: (a + k * (s - e), b - k * (s - (1 - e)))),
                _update(lambda a, b, s, k, e: (a + k * (s - e), b + k * (0 - (1 - e)))),
                _update(lambda a, b, s, k, e: (a + k * (s - e), b - k * (1 - e))),
            ),
        ),
        Misconception(
            "sign",
            "the step goes the wrong way: who wins must gain, by k times (score - expected score)",
            (
                _update(lambda a, b, s, k, e: (a - k * (s - e), b + k * (s - e))),
                _scored(lambda score: 1 - score),
            ),
        ),
        Misconception(
            "no expectation",
            "every win moves the same number of points: a win over a much weaker one should hardly count. Subtract the "
            "expected score, not one half",
            (
                _elo(lambda difference: 0.5),
                _elo(lambda difference: 0.0),
                _update(lambda a, b, s, k, e: (a + k * s, b + k * (1 - s))),
                _update(lambda a, b, s, k, e: (a + k * (2 * s - 1), b - k * (2 * s - 1))),
                _update(lambda a, b, s, k, e: (a + k * s, b - k * (1 - s))),
            ),
        ),
        Misconception(
            "no score",
            "the result of the comparison is not used: subtract the expected score from `score_a`",
            (
                _scored(lambda score: 0.0),
                _scored(lambda score: 1.0),
                _update(lambda a, b, s, k, e: (a + k * e, b - k * e)),
            ),
        ),
        Misconception(
            "multiplied",
            "it multiplies or adds score and expected score: the step is k times their *difference*",
            (
                _update(lambda a, b, s, k, e: (a + k * s * e, b - k * s * e)),
                _update(lambda a, b, s, k, e: (a + k * (s + e), b - k * (s + e))),
                _update(lambda a, b, s, k, e: (a + k * s * (1 - e), b - k * s * (1 - e))),
                _update(lambda a, b, s, k, e: (a + k * s - e, b - k * s + e)),
            ),
        ),
        Misconception(
            "ties",
            "wrong for a tie: score_a is 0.5 then, which is neither a win, nor a loss, nor nothing. The same formula "
            "holds, with 0.5",
            (
                _scored(lambda score: float(score > 0.5)),
                _scored(lambda score: float(score >= 0.5)),
                _update(_only_if_decided),
            ),
        ),
        Misconception(
            "one after the other",
            "b is updated with a's *new* rating, or a with b's: both expected scores come from the ratings before the "
            "comparison, so that b loses just what a gains",
            (_one_after_the_other, _b_first, _b_from_new_a),
        ),
        Misconception(
            "rounded",
            "it rounds: keep the decimals, for small steps add up over many comparisons",
            (
                _rounded(0),
                _rounded(1, expected=True),
                _update(lambda a, b, s, k, e: (int(a + k * (s - e)), int(b - k * (s - e)))),
                _update(lambda a, b, s, k, e: (a + round(k * (s - e)), b - round(k * (s - e)))),
                _update(lambda a, b, s, k, e: (a + int(k * (s - e)), b - int(k * (s - e)))),
            ),
        ),
        Misconception(
            "step size",
            "`k` is not used, or not once as a factor: the step is k times what a scores beyond the expected score",
            (
                _fixed_k(lambda k: 32.0),
                _fixed_k(lambda k: 1.0),
                _fixed_k(lambda k: k / 2),
                _fixed_k(lambda k: 2 * k),
                _fixed_k(lambda k: 16.0),
            ),
        ),
        Misconception(
            "changes",
            "those are the changes: return the new ratings",
            (
                _update(lambda a, b, s, k, e: (k * (s - e), -k * (s - e))),
                _update(lambda a, b, s, k, e: k * (s - e)),
            ),
        ),
        Misconception(
            "expected score",
            "that is the expected score: use it to move both ratings, and return these",
            (_update(lambda a, b, s, k, e: e), _update(lambda a, b, s, k, e: (e, 1 - e))),
        ),
        Misconception(
            "one rating",
            "it returns one rating only: return both new ratings, a's first",
            (
                _update(lambda a, b, s, k, e: a + k * (s - e)),
                _update(lambda a, b, s, k, e: b - k * (s - e)),
            ),
        ),
        Misconception(
            "order",
            "both ratings are right, but b's comes first: a's first",
            _update(lambda a, b, s, k, e: (b - k * (s - e), a + k * (s - e))),
        ),
        Misconception(
            "nothing moved",
            "the ratings come back as they were: return the new ones",
            _update(lambda a, b, s, k, e: (a, b)),
        ),
    ),
)

"""How models stand with each judge: win rates, Bradley-Terry strengths and Elo ratings, with intervals.

Sources
    Bradley & Terry 1952      Rank analysis of incomplete block designs: the method of paired comparisons
    Elo 1978                  The rating of chessplayers, past and present
    Davison & Hinkley 1997    Bootstrap methods and their application (3.8: hierarchical data)
    Boubdir et al. 2023       Elo uncovered (ratings depend on the order of the games: average over orders)
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from ..formulas.statistics import elo_update, win_rate
from .agreement import MINIMUM, too_few
from .verdicts import given_verdicts, model_names

NOTHING_YET = "no labels yet: judge some pairs, then run this again"
MEASURES = ("win_rate", "strength", "elo")
STANDINGS = ("judge", "model", "n", *(f"{name}{part}" for name in MEASURES for part in ("", "_low", "_high")), "note")
ELO_START = 1000.0
ELO_ORDERS = 10  # random orders of the games, for each resample


def standings(verdicts: pd.DataFrame, n_resamples: int = 1000, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """How the models stand with each judge.

    Limits are percentiles of a bootstrap that draws prompts, with all their pairs: verdicts on one prompt share its
    texts. Those of the win rate are Wilson's where these are wider, since a bootstrap of 20 wins in 20 has no width.
    With few prompts they are too narrow: of three models that all meet on each of 12, 25, 60 prompts, 95 % intervals
    cover the strengths in about 91, 92, 95 % of cases.

    Args:
        verdicts: as `labeling.verdicts` describes them.
        n_resamples: of the bootstrap.
        level: of the intervals.
        seed: of the bootstrap and of Elo's orders.

    Returns:
        A row a judge and model, with the columns STANDINGS: n, verdicts on texts of the model, and each measure with
        its limits low and high.

        - win_rate: share of its comparisons that the model wins, a tie as half a win.
        - strength: Bradley-Terry, in log-odds, mean 0 over the judge's models. To each model are added half a win and
          half a loss, spread evenly over the other models, so that one that wins everything stays finite.
        - elo: ratings from 1000 on, `elo_update` with k = 32, averaged over random orders of the comparisons.
        - note: why there are no numbers (fewer than MINIMUM verdicts), or what they cannot say.
    """
    rows = []
    for judge in dict.fromkeys(verdicts["judge"]):
        rng = np.random.default_rng(seed)
        rows += _standings(judge, verdicts[verdicts["judge"] == judge], n_resamples, level, rng)
    return pd.DataFrame(rows, columns=list(STANDINGS))


def _standings(
    judge: str, verdicts: pd.DataFrame, n_resamples: int, level: float, rng: np.random.Generator
) -> list[dict[str, object]]:
    """One judge's rows."""
    games = _Games(given_verdicts(verdicts))
    limits = games.bootstrap(n_resamples, level, rng) if games.models else {}
    unasked = too_few(0) if games.models else NOTHING_YET
    rows = []
    for name in model_names(verdicts):
        scores = games.scores(name)
        numbers = dict.fromkeys(STANDINGS[3:-1], np.nan)
        if len(scores) >= MINIMUM:
            numbers = limits[name]
            wilson = win_rate(scores, 1 - scores, level)
            numbers["win_rate_low"] = min(wilson.low, numbers["win_rate_low"])
            numbers["win_rate_high"] = max(wilson.high, numbers["win_rate_high"])
            if games.prompts_of(name) == 1:
                numbers |= {f"{measure}{limit}": np.nan for measure in MEASURES for limit in ("_low", "_high")}
        note = games.note(name) if name in games.models else unasked
        rows.append({"judge": judge, "model": name, "n": len(scores), **numbers, "note": note})
    return rows


class _Games:
    """One judge's comparisons as arrays. `times` (rows, n) says how often each of them counts, a row a resample."""

    def __init__(self, verdicts: pd.DataFrame) -> None:
        self.models = model_names(verdicts)
        self.a, self.b = (verdicts[side].map(self.models.index).to_numpy(int) for side in ("model_a", "model_b"))
        self.outcome = verdicts["outcome"].to_numpy()
        self.prompt, self.prompts = pd.factorize(verdicts["prompt"])
        k, n = len(self.models), len(verdicts)
        self.wins = np.zeros((n, k, k))  # what each comparison adds to the table of wins
        self.wins[range(n), self.a, self.b] = self.outcome
        self.wins[range(n), self.b, self.a] = 1 - self.outcome

    def bootstrap(self, n_resamples: int, level: float, rng: np.random.Generator) -> dict[str, dict[str, float]]:
        """For each model the measures and their limits, by the columns of STANDINGS."""
        # Many times the same: each of them draws other orders for Elo.
        estimates = self.measures(np.ones((20, len(self.outcome)), int), rng)
        resamples = self.measures(self.resamples(n_resamples, rng), rng)
        found: dict[str, dict[str, float]] = {name: {} for name in self.models}
        for measure in MEASURES:
            limits = np.nanquantile(resamples[measure], [(1 - level) / 2, (1 + level) / 2], axis=0)
            for name, estimate, low, high in zip(self.models, estimates[measure].mean(axis=0), *limits, strict=True):
                found[name] |= {measure: float(estimate), f"{measure}_low": float(low), f"{measure}_high": float(high)}
        return found

    def resamples(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """As many prompts as there are, drawn with replacement: (count, n)."""
        prompts = len(self.prompts)
        return rng.multinomial(prompts, np.full(prompts, 1 / prompts), size=count)[:, self.prompt]

    def measures(self, times: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Each of MEASURES: (rows, models), NaN for a model that is not in the row."""
        wins = np.tensordot(times, self.wins, axes=1)
        played = (wins + wins.swapaxes(1, 2)).sum(axis=2)
        played[played == 0] = np.nan
        k = len(self.models)
        strengths = bradley_terry(wins + 0.5 / (k - 1) * (1 - np.eye(k)))
        values = {"win_rate": wins.sum(axis=2) / played, "strength": strengths, "elo": self.elo(times, rng)}
        return {name: np.where(np.isnan(played), np.nan, value) for name, value in values.items()}

    def elo(self, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Ratings after all games of a row, averaged over ELO_ORDERS random orders: (rows, models)."""
        longest = times.sum(axis=1).max()
        games = np.full((len(times), longest), -1, np.int32)  # -1: no game
        for row, count in zip(games, times, strict=True):
            row[: count.sum()] = np.repeat(np.arange(len(count)), count)
        games = rng.permuted(np.repeat(games, ELO_ORDERS, axis=0), axis=1)
        ratings = np.full((len(games), len(self.models)), ELO_START)
        for game in games.T:
            playing = np.flatnonzero(game >= 0)
            game = game[playing]
            a, b = self.a[game], self.b[game]
            ratings[playing, a], ratings[playing, b] = elo_update(
                ratings[playing, a], ratings[playing, b], self.outcome[game]
            )
        return ratings.reshape(len(times), ELO_ORDERS, -1).mean(axis=1)

    def scores(self, model: str) -> np.ndarray:
        """What the model got in each of its comparisons: 1, 0.5 or 0."""
        if model not in self.models:
            return np.empty(0)
        i = self.models.index(model)
        return np.concatenate([self.outcome[self.a == i], 1 - self.outcome[self.b == i]])

    def prompts_of(self, model: str) -> int:
        i = self.models.index(model)
        return len(np.unique(self.prompt[(self.a == i) | (self.b == i)]))

    def note(self, model: str) -> str:
        """What a reader must know of the model's numbers."""
        n, prompts = len(self.scores(model)), self.prompts_of(model)
        if n < MINIMUM:
            return too_few(n)
        if prompts < MINIMUM:
            return f"intervals too narrow: only {prompts} prompts" if prompts > 1 else "no intervals: one prompt only"
        if connected_components(self.wins.sum(axis=0), connection="strong")[0] > 1:
            return "strength finite only by the half wins added: its interval is too narrow"
        return ""


def bradley_terry(wins: np.ndarray) -> np.ndarray:
    """`statistics.bradley_terry_strengths` of many tables of wins at once, by Newton's method.

    One table at a time, a bootstrap would take minutes.

    Args:
        wins: (..., k, k), how often the row's model beat the column's; 0 on the diagonals, above 0 elsewhere.

    Returns:
        Strengths (..., k) in log-odds, mean 0.
    """
    met = wins + wins.swapaxes(-1, -2)
    strengths = np.zeros(wins.shape[:-1])
    for _ in range(200):
        p = expit(strengths[..., :, None] - strengths[..., None, :])
        gradient = (wins - met * p).sum(axis=-1)
        weights = met * p * (1 - p)
        # Minus the Hessian. It knows no common shift of all strengths; the 1 keeps that at 0.
        curvature = weights.sum(axis=-1)[..., None] * np.eye(wins.shape[-1]) - weights + 1
        step = np.linalg.solve(curvature, gradient[..., None])[..., 0].clip(-2, 2)
        strengths += step
        if np.abs(step).max() < 1e-9:
            break
    return strengths

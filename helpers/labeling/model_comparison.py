"""Blind judging of models against each other: pairs to judge, verdicts of people and machines, standings, agreement.

Verdicts are one DataFrame, a row a judge and pair, so that several judges' can be put together with `pd.concat`:

    judge, pair (id), prompt (its number among the pairs), model_a, model_b,
    outcome: 1 a is better, 0.5 tie, 0 b is better, NaN no verdict (not asked yet, or skipped)

A judge without any verdict stays in the table, and what is said of it is a note, never an error.

Sources
    Bradley & Terry 1952      Rank analysis of incomplete block designs: the method of paired comparisons
    Elo 1978                  The rating of chessplayers, past and present
    Davison & Hinkley 1997    Bootstrap methods and their application (3.8: hierarchical data)
    Boubdir et al. 2023       Elo uncovered (ratings depend on the order of the games: average over orders)
    Chiang et al. 2024        Chatbot Arena: an open platform for evaluating LLMs by human preference
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.sparse.csgraph import connected_components
from scipy.special import expit

from ..files import LabError
from ..formulas.statistics import Interval, elo_update, win_rate
from ..preferences import Pair
from ..simulation.gold import gold_reward
from .agreement import AGREEMENT, MINIMUM, compared
from .files import first_answers
from .session import YOU
from .store import LabelStore

if TYPE_CHECKING:
    from .judges import Judge

NOTHING_YET = "no labels yet: judge some pairs, then run this again"
MEASURES = ("win_rate", "strength", "elo")
STANDINGS = ("judge", "model", "n", *(f"{name}{part}" for name in MEASURES for part in ("", "_low", "_high")), "note")
ELO_START = 1000.0
ELO_ORDERS = 10  # random orders of the games, for each resample


# --- Pairs to judge -----------------------------------------------------------


class _Candidate(NamedTuple):
    """Two texts for one prompt, each with its model. Which comes first follows from the texts alone, as by a coin."""

    prompt: str
    models: tuple[str, str]
    texts: tuple[str, str]

    @property
    def problem(self) -> str:
        """Why nobody can be asked about it: "equal", "blank", or nothing."""
        one, other = (text.strip() for text in self.texts)
        return "equal" if one == other else "blank" if not (one and other) else ""

    @property
    def pair(self) -> Pair:
        return Pair(_digest(self)[:16], self.prompt, *self.texts, source=">".join(self.models))


def model_pairs(samples: pd.DataFrame, n: int, seed: int = 0) -> list[Pair]:
    """`n` pairs of texts that two models wrote to one prompt, or all there are if fewer; ready for a LabelingSession.

    samples: columns model, prompt, completion; of several completions, a model's first meets the other's first, and
    so on. After any number of pairs, every two models have met equally often and every prompt has come equally often,
    as far as texts allow: equal and blank ones are left out (`comparable` counts them). A pair's `source` is "a>b",
    the writer of `completion_a` first; its id is made of texts and models, so labels outlive another `n` or `seed`.
    Raises LabError for samples of one model only, a model's name with ">" in it, and where no texts differ.
    """
    rng = random.Random(seed)
    able = {_digest(c): c for c in _candidates(samples) if not c.problem}
    if not able:
        raise LabError("no two models wrote different texts for one prompt: sample other prompts, or at a temperature")
    waiting = rng.sample(list(able.values()), len(able))
    by_models: dict[frozenset, list[_Candidate]] = {}
    for candidate in waiting:
        by_models.setdefault(frozenset(candidate.models), []).append(candidate)
    met: Counter[frozenset] = Counter()
    asked: Counter[str] = Counter()
    pairs = []
    while by_models and len(pairs) < n:
        models = min(by_models, key=met.__getitem__)
        candidate = min(by_models[models], key=lambda c: asked[c.prompt])
        by_models[models].remove(candidate)
        if not by_models[models]:
            del by_models[models]
        met[models] += 1
        asked[candidate.prompt] += 1
        pairs.append(candidate.pair)
    return pairs


def comparable(samples: pd.DataFrame) -> pd.DataFrame:
    """What `model_pairs` can draw from: a row for every two models, with counts.

    Columns: models ("a and b"), comparisons, and what is left out: equal (the same text twice), blank (nothing
    written by one of them).
    """
    rows = [(" and ".join(sorted(c.models)), c.problem or "comparisons") for c in _candidates(samples)]
    counts = pd.crosstab(*zip(*rows, strict=True)) if rows else pd.DataFrame()
    counts = counts.reindex(columns=["comparisons", "equal", "blank"], fill_value=0)
    return counts.rename_axis(index="models", columns=None).reset_index()


def _candidates(samples: pd.DataFrame) -> Iterator[_Candidate]:
    if missing := {"model", "prompt", "completion"} - set(samples.columns):
        raise LabError(f"the samples have no column {', '.join(sorted(missing))}; they need model, prompt, completion")
    samples = samples.assign(model=samples["model"].astype(str), completion=samples["completion"].fillna(""))
    models = list(dict.fromkeys(samples["model"]))
    if len(models) < 2:
        raise LabError(f"there is nothing to compare {models[0] if models else 'it'} with: sample two models at least")
    if bad := [name for name in models if ">" in name or not name.strip()]:
        raise LabError(f'the model name {bad[0]!r} is blank or holds ">", which stands between two names; rename it')
    draws = samples.assign(draw=samples.groupby(["model", "prompt"]).cumcount())
    for (prompt, _), rows in draws.groupby(["prompt", "draw"], sort=False):
        texts = dict(zip(rows["model"], rows["completion"], strict=True))
        for two in combinations([name for name in models if name in texts], 2):
            a, b = sorted(two, key=lambda name: _digest((prompt, texts[name])))
            yield _Candidate(prompt, (a, b), (texts[a], texts[b]))


def _digest(parts: Sequence) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


# --- Judges and their verdicts ------------------------------------------------


def score_judge(score: Callable[[Sequence[str], Sequence[str]], ArrayLike]) -> Judge:
    """A judge made of scores: (prompts, completions) -> (n,), such as `SharedBase.reward`.

    It is as sure as Bradley and Terry read the scores, sigmoid(score a - score b); equal but for rounding is a tie.
    """

    def judge(prompts: Sequence[str], a: Sequence[str], b: Sequence[str]) -> np.ndarray:
        difference = np.asarray(score(prompts, a), float) - np.asarray(score(prompts, b), float)
        return expit(difference.round(6))

    return judge


def gold_judge(prompts: Sequence[str], a: Sequence[str], b: Sequence[str]) -> np.ndarray:
    """The gold reward as a judge."""
    return score_judge(lambda prompts, texts: list(map(gold_reward, prompts, texts)))(prompts, a, b)


def human_verdicts(store: LabelStore, pairs: Sequence[Pair], annotator: str = YOU) -> pd.DataFrame:
    """What the annotator said of the pairs, whichever text stood left: their first answer counts, a skip is none.

    A row for each pair, in order; the annotator is the judge. Two pairs of the same texts share one answer. Raises
    LabError as `LabelStore.labels`, and for a pair whose `source` does not name two models.
    """
    a_is_better = {"a": 1.0, "tie": 0.5, "b": 0.0, "skip": np.nan}
    said: dict[tuple, float] = {}
    for label in first_answers(store, annotator=annotator):
        texts, outcome = (label.pair.completion_a, label.pair.completion_b), a_is_better[label.choice]
        said.setdefault((label.pair.prompt, *texts), outcome)
        said.setdefault((label.pair.prompt, *texts[::-1]), 1 - outcome)
    return _verdicts(annotator, pairs, [said.get((p.prompt, p.completion_a, p.completion_b), np.nan) for p in pairs])


def judge_verdicts(pairs: Sequence[Pair], judge: Judge, name: str) -> pd.DataFrame:
    """What a judge called `name` says of the pairs: above 0.5 completion a is better, at 0.5 it is a tie.

    A row for each pair, in order. Raises LabError for a pair whose `source` does not name two models, and for a judge
    that does not answer each pair with a number from 0 to 1.
    """
    sure = np.asarray(
        judge([p.prompt for p in pairs], [p.completion_a for p in pairs], [p.completion_b for p in pairs]), float
    )
    if sure.shape != (len(pairs),) or not ((sure >= 0) & (sure <= 1)).all():
        raise LabError(
            f"the judge {name!r} must give {len(pairs)} numbers from 0 to 1, one a pair; it gave {sure!r:.80}"
        )
    return _verdicts(name, pairs, (np.sign(sure - 0.5) + 1) / 2)


def _verdicts(judge: str, pairs: Sequence[Pair], outcomes: ArrayLike) -> pd.DataFrame:
    number = {prompt: i for i, prompt in enumerate(dict.fromkeys(p.prompt for p in pairs), start=1)}
    models = [_models(pair) for pair in pairs]
    return pd.DataFrame(
        {
            "judge": pd.Series([judge] * len(pairs), dtype=str),
            "pair": pd.Series([p.id for p in pairs], dtype=str),
            "prompt": pd.Series([number[p.prompt] for p in pairs], dtype=int),
            "model_a": pd.Series([a for a, _ in models], dtype=str),
            "model_b": pd.Series([b for _, b in models], dtype=str),
            "outcome": pd.Series(outcomes, dtype=float),
        }
    )


def _models(pair: Pair) -> list[str]:
    names = pair.source.split(">")
    if len(names) != 2 or names[0] == names[1] or not all(name.strip() for name in names):
        raise LabError(
            f'{pair.where or "pair " + pair.id}: field "source" is {pair.source!r}, which does not name two models as '
            f'"a>b" does; make the pairs with model_pairs'
        )
    return names


# --- Standings ----------------------------------------------------------------


def standings(verdicts: pd.DataFrame, n_resamples: int = 1000, level: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """How the models stand with each judge: a row a judge and model, with columns STANDINGS.

    n: verdicts on texts of the model. Each measure with its limits low and high:
    win_rate: share of its comparisons that the model wins, a tie as half a win.
    strength: Bradley-Terry, in log-odds, mean 0 over the judge's models. To each model are added half a win and half a
        loss, spread evenly over the other models, so that one that wins everything stays finite.
    elo: ratings from 1000 on, `elo_update` with k = 32, averaged over random orders of the comparisons.
    note: why there are no numbers (fewer than MINIMUM verdicts), or what they cannot say.

    Limits are percentiles of a bootstrap that draws prompts, with all their pairs: verdicts on one prompt share its
    texts. Those of the win rate are Wilson's where these are wider, since a bootstrap of 20 wins in 20 has no width.
    With few prompts they are too narrow: of three models that all meet on each of 12, 25, 60 prompts, 95 % intervals
    cover the strengths in about 91, 92, 95 % of cases.
    """
    tables = [
        _standings(judge, rows, n_resamples, level, np.random.default_rng(seed))
        for judge, rows in verdicts.groupby("judge", sort=False)
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(STANDINGS))


def _standings(
    judge: str, rows: pd.DataFrame, n_resamples: int, level: float, rng: np.random.Generator
) -> pd.DataFrame:
    names, judged = _names(rows), _judged(rows)
    table = pd.DataFrame(index=names, columns=list(STANDINGS[3:-1]), dtype=float)
    games = _Games(judged)
    notes = dict.fromkeys(names, _too_few(0) if len(judged) else NOTHING_YET)
    if games.models:
        # Many times the same: each of them draws other orders for Elo.
        estimates = games.measures(np.ones((20, len(judged)), int), rng)
        resamples = games.measures(games.resamples(n_resamples, rng), rng)
        for name in MEASURES:
            limits = np.nanquantile(resamples[name], [(1 - level) / 2, (1 + level) / 2], axis=0)
            table.loc[games.models, [name, f"{name}_low", f"{name}_high"]] = np.stack(
                [estimates[name].mean(axis=0), *limits], axis=1
            )
        for name in games.models:
            scores = games.scores(name)
            wilson = win_rate(scores, 1 - scores, level)
            table.loc[name, "win_rate_low"] = min(wilson.low, table.loc[name, "win_rate_low"])
            table.loc[name, "win_rate_high"] = max(wilson.high, table.loc[name, "win_rate_high"])
            notes[name] = games.note(name)
            if games.prompts_of(name) == 1:
                table.loc[name, [f"{measure}{limit}" for measure in MEASURES for limit in ("_low", "_high")]] = np.nan
    table["n"] = [len(games.scores(name)) for name in names]
    table.loc[table["n"] < MINIMUM, list(STANDINGS[3:-1])] = np.nan
    table["note"] = [notes[name] for name in names]
    return table.rename_axis("model").reset_index().assign(judge=judge)[list(STANDINGS)]


class _Games:
    """One judge's comparisons as arrays. `times` (rows, n) says how often each of them counts, a row a resample."""

    def __init__(self, judged: pd.DataFrame) -> None:
        self.models = _names(judged)
        self.a, self.b = (judged[side].map(self.models.index).to_numpy(int) for side in ("model_a", "model_b"))
        self.outcome = judged["outcome"].to_numpy()
        self.prompt, self.prompts = pd.factorize(judged["prompt"])
        k, n = len(self.models), len(judged)
        self.wins = np.zeros((n, k, k))  # what each comparison adds to the table of wins
        self.wins[range(n), self.a, self.b] = self.outcome
        self.wins[range(n), self.b, self.a] = 1 - self.outcome

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
        row = np.arange(len(games))
        for game in games.T:
            a, b, k = self.a[game], self.b[game], np.where(game < 0, 0.0, 32.0)
            ratings[row, a], ratings[row, b] = elo_update(ratings[row, a], ratings[row, b], self.outcome[game], k)
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
            return _too_few(n)
        if prompts < MINIMUM:
            return f"intervals too narrow: only {prompts} prompts" if prompts > 1 else "no intervals: one prompt only"
        if connected_components(self.wins.sum(axis=0), connection="strong")[0] > 1:
            return "strength finite only by the half wins added: its interval is too narrow"
        return ""


def bradley_terry(wins: np.ndarray) -> np.ndarray:
    """`statistics.bradley_terry_strengths` of many tables of wins (..., k, k) at once, by Newton's method: (..., k).

    The diagonals must be 0, and every other entry above 0. (One table at a time, a bootstrap would take minutes.)
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


def head_to_head(verdicts: pd.DataFrame, judge: str, a: str, b: str) -> Interval | None:
    """Share of the comparisons of the two models that `a` wins with this judge, ties half, with Wilson's interval.

    None if there is none yet. Raises LabError for an unknown judge or model.
    """
    rows = _of(verdicts, judge)
    for name in (a, b):
        if name not in _names(rows):
            raise LabError(f"no pair has a text of the model {name!r}; there are: {', '.join(_names(rows))}")
    rows = _judged(rows)
    forth, back = (rows[(rows["model_a"] == x) & (rows["model_b"] == y)]["outcome"] for x, y in ((a, b), (b, a)))
    scores = np.concatenate([forth, 1 - back])
    return win_rate(scores, 1 - scores) if len(scores) else None


def win_table(verdicts: pd.DataFrame, judge: str) -> pd.DataFrame:
    """How often the row's model beats the column's with this judge, as text: share, Wilson's interval and n.

    "too few" where there are fewer than MINIMUM verdicts. Raises LabError for an unknown judge.
    """
    names = _names(_of(verdicts, judge))

    def cell(a: str, b: str) -> str:
        share = head_to_head(verdicts, judge, a, b) if a != b else None
        if share is None:
            return "" if a == b else _too_few(0)
        return str(share) if share.n >= MINIMUM else _too_few(share.n)

    return pd.DataFrame([[cell(a, b) for b in names] for a in names], index=names, columns=names)


# --- Judges against each other ------------------------------------------------


def agreement(verdicts: pd.DataFrame) -> pd.DataFrame:
    """How far every two judges agree on the pairs that both judged, as `label_feedback.agreement`: columns AGREEMENT.

    Pairs that either calls a tie are left out. A pair's texts are named by a coin, not by model, before kappa is
    computed: else chance agreement would depend on which model is usually better. `views.labeler.agreement_figure`
    draws it.
    """
    verdicts = verdicts.drop_duplicates(["judge", "pair"])
    coin = [_digest((p, a)) < _digest((p, b)) for p, a, b in verdicts[["pair", "model_a", "model_b"]].to_numpy()]
    decided = verdicts.assign(first=np.where(coin, verdicts["outcome"], 1 - verdicts["outcome"]))
    wide = decided[["pair", "judge", "first"]].pivot(index="pair", columns="judge", values="first")
    wide = wide.where(wide != 0.5)
    rows = {}
    for a, b in combinations(dict.fromkeys(verdicts["judge"]), 2):
        both = wide[[a, b]].dropna()
        rows[f"{a} and {b}"] = compared(both[a].map(_ANSWER).tolist(), both[b].map(_ANSWER).tolist())
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(AGREEMENT)).rename_axis("judges")


_ANSWER = {1.0: "first", 0.0: "second"}


def disagreements(verdicts: pd.DataFrame, pairs: Sequence[Pair], a: str, b: str) -> pd.DataFrame:
    """The pairs on which judges `a` and `b` differ, opposite verdicts before a tie against a choice.

    Columns: pair, prompt, model_a, completion_a, model_b, completion_b, and one for each judge: the model it prefers,
    or "tie". Raises LabError for an unknown judge.
    """
    outcome = {name: _judged(_of(verdicts, name)).set_index("pair")["outcome"] for name in (a, b)}
    table = pd.DataFrame(
        [(p.id, p.prompt, _models(p)[0], p.completion_a, _models(p)[1], p.completion_b) for p in pairs],
        columns=["pair", "prompt", "model_a", "completion_a", "model_b", "completion_b"],
    ).drop_duplicates("pair")
    gap = (table["pair"].map(outcome[a]) - table["pair"].map(outcome[b])).abs()
    table = table[gap > 0].loc[gap[gap > 0].sort_values(ascending=False, kind="stable").index]
    for name in (a, b):
        said = table["pair"].map(outcome[name])
        table[name] = table["model_a"].where(said == 1, table["model_b"].where(said == 0, "tie"))
    return table.reset_index(drop=True)


def _of(verdicts: pd.DataFrame, judge: str) -> pd.DataFrame:
    rows = verdicts[verdicts["judge"] == judge]
    if rows.empty:
        known = ", ".join(dict.fromkeys(verdicts["judge"]))
        raise LabError(f"there is no judge {judge!r} among the verdicts; there are: {known or 'none'}")
    return rows


def _judged(rows: pd.DataFrame) -> pd.DataFrame:
    """Verdicts that were given, each once however often the tables were put together."""
    return rows.dropna(subset=["outcome"]).drop_duplicates(["judge", "pair"])


def _names(rows: pd.DataFrame) -> list[str]:
    return sorted({*rows["model_a"], *rows["model_b"]})


def _too_few(n: int) -> str:
    return f"too few: {n} of {MINIMUM}"

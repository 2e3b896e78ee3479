"""What the experiment of lab 05 found, as the lab reads it: the reader's own if there is one, else the shipped one.

pool.jsonl        a prompt a line: prompt, completions of the SFT policy, gold (each one's gold reward)
scores.jsonl      a reward model a line: labels, seed, noise, scores (prompt by prompt, of each completion), margins
                  (score of the chosen minus score of the rejected text, of each test pair)
policies.jsonl    a run of PPO a line: labels, seed, noise, beta, shape, measured (as `overoptimization` writes it)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .. import files
from ..files import LabError, Origin
from ..formulas.best_of_n import best_of_n_kl, best_of_n_means, best_of_n_probabilities
from ..formulas.overoptimization import Fit, Form, Gains, fit, gain_curve, turning_points
from ..formulas.statistics import Interval, paired_difference_over_seeds
from . import runner
from .overoptimization import (
    KEPT_TEXTS,
    Kind,
    Overoptimization,
    PoolScores,
    Proxy,
    RewardModel,
    Run,
    SamplePool,
    Shape,
)

Measure = Literal["gold", "proxy"]


@dataclass(frozen=True)
class Pool:
    """Samples of the SFT policy, (prompts, samples), with gold rewards and each reward model's scores."""

    prompts: list[str]
    completions: list[list[str]]
    gold: np.ndarray
    scores: dict[Proxy, np.ndarray]

    def of_kind(self, kind: Kind) -> np.ndarray:
        """The scores by all reward models of a kind, seed by seed: (seeds, prompts, samples).

        Raises:
            LabError: there are none.
        """
        models = [proxy for proxy in self.scores if (proxy.labels, proxy.noise) == kind]
        if not models:
            raise LabError(f"the experiment holds no reward model of {kind[0]} labels with noise {kind[1]:g}")
        return np.stack([self.scores[proxy] for proxy in sorted(models, key=lambda proxy: proxy.seed)])


@dataclass(frozen=True)
class Policy:
    """One run of PPO, measured every few updates on the pool's prompts, one sample each."""

    run: Run
    updates: np.ndarray  # (points,)
    kl: np.ndarray  # (points,), nats
    gold: np.ndarray  # (points, prompts)
    proxies: np.ndarray  # (points, seeds, prompts): by the reward models of all seeds; PPO used its own seed's only
    words: np.ndarray  # (points, prompts)
    ended: np.ndarray  # (points,), share of the completions that ended by themselves
    completions: list[list[str]]  # of each point, for the first few prompts

    @property
    def proxy(self) -> np.ndarray:
        """The scores by the reward model that PPO was trained against: (points, prompts)."""
        return self.proxies[:, self.run.proxy.seed]


@dataclass(frozen=True)
class Results:
    """All that the experiment found."""

    pool: Pool
    margins: dict[Proxy, np.ndarray]  # of each reward model on the test pairs: (pairs,), above 0 where it is right
    policies: list[Policy]
    origin: Origin

    def runs(self, kind: Kind, beta: float = 0.0, shape: Shape = "") -> list[Policy]:
        """The runs of PPO of one sort, seed by seed.

        Raises:
            LabError: there are none.
        """
        wanted = (*kind, beta, shape)
        found = [p for p in self.policies if (p.run.proxy.labels, p.run.proxy.noise, p.run.beta, p.run.shape) == wanted]
        if not found:
            raise LabError(f"the experiment holds no run of PPO with (labels, noise, beta, shape) = {wanted}")
        return sorted(found, key=lambda policy: policy.run.proxy.seed)


# --- Curves -------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """Gain in gold and in proxy reward over the SFT policy, the further a reward model is optimized against.

    All seeds are taken together.
    """

    name: str
    form: Form
    at: list[int] | list[str]  # n of best-of-n, or the update of PPO; in lab 06 the same in words
    d: np.ndarray  # sqrt of the KL there, nats; of best-of-n by the formula
    gold: Gains
    proxy: Gains

    def fit(self, measure: Measure = "gold") -> Fit:
        """The form of Gao et al. 2023 for this way to optimize, fitted to the mean gains."""
        return fit(self.form, self.d, getattr(self, measure).estimate)

    def turning_point(self) -> tuple[float, float, float]:
        """(d, low, high): where the fitted gold reward turns, with its 95 % interval over seeds and prompts."""
        return self.fit().turning_point, *turning_points(self.form, self.d, self.gold)

    @property
    def table(self) -> pd.DataFrame:
        """A row for each point and measure: curve, at, d, measure, estimate, low, high."""
        parts = [
            pd.DataFrame({"curve": self.name, "at": self.at, "d": self.d, "measure": measure}).assign(
                estimate=of.estimate, low=of.low, high=of.high
            )
            for measure, of in (("gold", self.gold), ("proxy", self.proxy))
        ]
        return pd.concat(parts, ignore_index=True)


def name_of(kind: Kind) -> str:
    """A kind of reward model as figures name it."""
    labels, noise = kind
    return f"{labels:,} labels" + (f", {noise:.0%} wrong" if noise else "")


def best_of_n_curve(
    pool: Pool,
    kind: Kind,
    sizes: Sequence[int],
    probabilities: Callable[[int, int], ArrayLike] = best_of_n_probabilities,
) -> Curve:
    """Best-of-n by the reward models of a kind, for each n of `sizes`.

    Args:
        pool: the samples that it takes the best of.
        kind: of the reward models.
        sizes: the n.
        probabilities: (pool, n) -> how probably each rank of the pool is the best of n, as `best_of_n_probabilities`.
    """
    scores = pool.of_kind(kind)

    def gain(measured: np.ndarray) -> Gains:  # (seeds, prompts, samples)
        best = [best_of_n_means(s, m, sizes, probabilities) for s, m in zip(scores, measured, strict=True)]
        return gain_curve(np.stack(best).transpose(2, 0, 1), measured.mean(-1))

    d = np.sqrt([best_of_n_kl(n) for n in sizes])
    gold = np.broadcast_to(pool.gold, scores.shape)
    return Curve(name_of(kind), "best of n", list(sizes), d, gain(gold), gain(scores))


def policy_curve(results: Results, kind: Kind, beta: float = 0.0, shape: Shape = "") -> Curve:
    """PPO against the reward models of a kind, each seed against its own."""
    runs, pool = results.runs(kind, beta, shape), results.pool
    extra = (f", KL coefficient {beta:g}" if beta else "") + (f", {shape}" if shape else "")
    return Curve(
        name_of(kind) + extra,
        "RL",
        runs[0].updates.tolist(),
        np.sqrt(np.mean([run.kl for run in runs], axis=0).clip(min=0)),
        gain_curve(np.stack([run.gold for run in runs], axis=1), pool.gold.mean(-1)),
        gain_curve(np.stack([run.proxy for run in runs], axis=1), pool.of_kind(kind).mean(-1)),
    )


def stopped_early(results: Results, kind: Kind) -> tuple[list[int], Interval]:
    """PPO stopped where the reward models of the other seeds, which it does *not* use, score its policy highest.

    Returns:
        The update at which each seed stops, and the gain in gold reward there.
    """
    runs, places = results.runs(kind), []
    for run in runs:
        others = np.delete(run.proxies, run.run.proxy.seed, axis=1)
        places.append(int(others.mean(axis=(1, 2)).argmax()))
    after = [run.gold[place] for run, place in zip(runs, places, strict=True)]
    updates = [int(run.updates[place]) for run, place in zip(runs, places, strict=True)]
    return updates, paired_difference_over_seeds(after, results.pool.gold.mean(-1))


def chosen_texts(pool: Pool, kind: Kind, n: int, posts: int = KEPT_TEXTS) -> list[dict]:
    """What the first reward model of a kind keeps of the first `n` samples of each of the first posts.

    Returns:
        For each post, prompt, before (the first sample), completion, and its gold and proxy reward.
    """
    scores = pool.of_kind(kind)[0]
    rows = []
    for post in range(posts):
        best = int(scores[post, :n].argmax())
        texts = pool.completions[post]
        rewards = {"gold": float(pool.gold[post, best]), "proxy": float(scores[post, best])}
        rows.append({"prompt": pool.prompts[post], "before": texts[0], "completion": texts[best]} | rewards)
    return rows


def policy_texts(results: Results, kind: Kind, update: int, beta: float = 0.0, shape: Shape = "") -> list[dict]:
    """What the first seed's policy wrote at an update, as `chosen_texts`."""
    run, pool = results.runs(kind, beta, shape)[0], results.pool
    point = run.updates.tolist().index(update)
    return [
        {"prompt": pool.prompts[post], "before": pool.completions[post][0], "completion": text}
        | {"gold": float(run.gold[point, post]), "proxy": float(run.proxy[point, post])}
        for post, text in enumerate(run.completions[point])
    ]


# --- Files --------------------------------------------------------------------


def write_results(experiment: Overoptimization, folder: Path) -> None:
    """Write what the whole experiment found into `folder`, as the three files."""
    scores = [
        asdict(proxy) | {"scores": experiment.read(PoolScores(proxy)), "margins": experiment.read(RewardModel(proxy))}
        for proxy in experiment.plan.proxies
    ]
    runs = [
        asdict(run.proxy) | {"beta": run.beta, "shape": run.shape, "measured": experiment.read(run)}
        for run in experiment.plan.runs
    ]
    with files.atomic_folder(folder) as new:
        files.write_jsonl(new / "pool.jsonl", experiment.read(SamplePool()))
        files.write_jsonl(new / "scores.jsonl", scores)
        files.write_jsonl(new / "policies.jsonl", runs)


def load_results(profile: str) -> Results:
    """What the reader's own experiment with `profile` found, or else the shipped one.

    Raises:
        LabError: the results are broken, or there are none.
    """
    return runner.load_results(profile, Overoptimization.NAME, _read)


def _read(folder: Path, origin: Origin) -> Results:
    rows = [row for _, row in files.read_jsonl(folder / "pool.jsonl")]
    models = {Proxy(m["labels"], m["seed"], m["noise"]): m for _, m in files.read_jsonl(folder / "scores.jsonl")}
    pool = Pool(
        prompts=[row["prompt"] for row in rows],
        completions=[row["completions"] for row in rows],
        gold=np.array([row["gold"] for row in rows], float),
        scores={proxy: np.array(model["scores"], float) for proxy, model in models.items()},
    )
    margins = {proxy: np.array(model["margins"], float) for proxy, model in models.items()}
    return Results(pool, margins, _read_policies(folder), origin)


def _read_policies(folder: Path) -> list[Policy]:
    policies = []
    for _, row in files.read_jsonl(folder / "policies.jsonl"):
        points = {key: [point[key] for point in row["measured"]] for key in row["measured"][0]}
        completions = points.pop("completions")
        arrays = {key: np.array(values, float) for key, values in points.items()}
        proxy = Proxy(row["labels"], row["seed"], row["noise"])
        policies.append(
            Policy(
                Run(proxy, row["beta"], row["shape"]),
                updates=arrays["update"].astype(int),
                completions=completions,
                **{key: arrays[key] for key in ("kl", "gold", "proxies", "words", "ended")},
            )
        )
    return policies

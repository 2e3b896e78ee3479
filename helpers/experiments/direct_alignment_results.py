"""What the experiment of lab 06 found, as the lab reads it: the reader's own if there is one, else the shipped one.

policies.jsonl       a run a line: method, seed, beta, teacher, second_round (as `Run`), seconds (of the
                     processor, in training), samples (drawn in training), measured (as `direct_alignment` writes it)
labels.jsonl         a teacher and seed a line: verdicts (1 where it agrees with the person, 0.5 for a tie)
reward_models.jsonl  a reward model a line: source (a teacher, or which new labels), seed, labels, seconds, margins on
                     the test pairs
rounds.jsonl         a seed a line: margins of first and second reward models on new pairs, best possible accuracies

The teacher "draft overlap" is "AI" in files that are older than this name, the shipped ones among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from .. import files
from ..evaluation.reward_models import accuracy_over_seeds, right
from ..files import LabError, Origin
from ..formulas.overoptimization import gain_curve
from ..formulas.statistics import Interval, bootstrap_interval, paired_difference_over_seeds
from ..simulation.gold import gold_reward
from . import runner
from .direct_alignment import DirectAlignment
from .direct_alignment_plan import NEW_LABELS, Run, SecondRound, Teacher
from .overoptimization import Kind
from .overoptimization_results import Curve, Pool, best_of_n_curve

Writer = Literal["SFT", "policy"]  # of the second round's pairs: the SFT policy, or the first round's


@dataclass(frozen=True)
class Policy:
    """One run, measured at some steps of its training on the pool's prompts: means over the samples of each."""

    run: Run
    seconds: float  # of one core, for the training, without that of a reward model
    samples: int  # that the training drew
    steps: np.ndarray  # (points,)
    kl: np.ndarray  # (points,), nats
    gold: np.ndarray  # (points, prompts)
    proxy: np.ndarray  # (points, prompts): by the reward model on people's labels of the same seed
    words: np.ndarray  # (points, prompts)
    ended: np.ndarray  # (points,), share of the completions that ended by themselves
    completions: list[list[str]]  # of each point, for the first few prompts
    likelihood_gain: dict[str, np.ndarray]  # "chosen", "rejected": over the SFT policy, nats a token; or empty


@dataclass(frozen=True)
class RewardModel:
    """What a reward model took, and how it did."""

    labels: int
    seconds: float  # of one core
    margins: np.ndarray  # (test pairs,), above 0 where it is right


@dataclass(frozen=True)
class Results:
    """All that the experiment found."""

    policies: list[Policy]
    verdicts: dict[tuple[Teacher, int], np.ndarray]
    reward_models: dict[tuple[str, int], RewardModel]
    rounds: list[dict]  # of each seed: margins[judge]["SFT" or "policy"], best["SFT" or "policy"]
    origin: Origin

    @property
    def seeds(self) -> range:
        """The seeds of everything."""
        return range(len(self.rounds))

    def runs(
        self, method: str, beta: float, teacher: Teacher = "people", second_round: SecondRound = ""
    ) -> list[Policy]:
        """The runs of one sort, seed by seed.

        Raises:
            LabError: there are none.
        """
        wanted = (method, beta, teacher, second_round)
        found = [p for p in self.policies if (p.run.method, p.run.beta, p.run.teacher, p.run.second_round) == wanted]
        if not found:
            raise LabError(f"the experiment holds no run with (method, beta, teacher, second_round) = {wanted}")
        return sorted(found, key=lambda policy: policy.run.seed)

    def betas(self, method: str) -> list[float]:
        """The KL coefficients that a method was tried with, the largest first: the later, the further it goes."""
        return sorted({p.run.beta for p in self._first_round if p.run.method == method}, reverse=True)

    @property
    def methods(self) -> list[tuple[str, float]]:
        """Every way to use the labels of one round, with its KL coefficient."""
        return list(dict.fromkeys((p.run.method, p.run.beta) for p in self._first_round))

    @property
    def _first_round(self) -> list[Policy]:
        return [policy for policy in self.policies if not policy.run.second_round]

    def accuracy(self, source: str) -> Interval:
        """How often the reward models of one sort are right about test pairs, over seeds and pairs."""
        return accuracy_over_seeds([self.reward_models[source, seed].margins for seed in self.seeds])


# --- Ways from preferences to a policy ----------------------------------------


def frontier(results: Results, pool: Pool, kind: Kind, sizes: Sequence[int]) -> dict[str, Curve]:
    """Gain over the SFT policy against the distance from it, for every way to use the same labels.

    Of a way that samples in training, `at` is the update; of DPO the KL coefficient, of best-of-n the n.
    """
    curves = {}
    for method, beta in results.methods:
        name = f"PPO, beta {beta:g}" if method == "PPO" else method
        if method == "DPO":
            groups = [results.runs(method, beta) for beta in results.betas(method)]
            curves[name] = _curve(name, groups, [f"beta {beta:g}" for beta in results.betas(method)], pool, kind)
        elif name not in curves:
            runs = results.runs(method, beta)
            curves[name] = _curve(name, [runs], [f"step {step}" for step in runs[0].steps], pool, kind)
    best = best_of_n_curve(pool, kind, sizes)
    curves["best of n"] = Curve("best of n", best.form, [f"n = {n}" for n in sizes], best.d, best.gold, best.proxy)
    return curves


def _curve(name: str, groups: Sequence[Sequence[Policy]], at: list, pool: Pool, kind: Kind) -> Curve:
    """The points of all groups one after the other; a group is the same run with every seed."""

    def of(what: str) -> np.ndarray:  # (points, seeds, ...)
        return np.concatenate([np.stack([getattr(run, what) for run in runs], axis=1) for runs in groups])

    d = np.sqrt(of("kl").mean(axis=1).clip(min=0))
    gold = gain_curve(of("gold"), pool.gold.mean(-1))
    return Curve(name, "RL", at, d, gold, gain_curve(of("proxy"), pool.of_kind(kind).mean(-1)))


def texts(results: Results, pool: Pool, method: str, beta: float, step: int = -1) -> list[dict]:
    """What the first seed's policy wrote at a point.

    Returns:
        For each prompt: prompt, before (a sample of the SFT policy), completion with its gold reward, and proxy, the
        mean proxy reward of that prompt's samples.
    """
    run = results.runs(method, beta)[0]
    return [
        {"prompt": pool.prompts[post], "before": pool.completions[post][0], "completion": text}
        | {"gold": gold_reward(pool.prompts[post], text), "proxy": float(run.proxy[step, post])}
        for post, text in enumerate(run.completions[step])
    ]


def last_gold(runs: Sequence[Policy]) -> np.ndarray:
    """Gold rewards at the end of each run: (seeds, prompts)."""
    return np.stack([run.gold[-1] for run in runs])


def gain(runs: Sequence[Policy], pool: Pool) -> Interval:
    """Gain in gold reward over the SFT policy at the end, over seeds and prompts."""
    return paired_difference_over_seeds(last_gold(runs), pool.gold.mean(-1))


def difference(a: Sequence[Policy], b: Sequence[Policy]) -> Interval:
    """Gold reward at the end of one sort of run minus that of another, over seeds and prompts."""
    return paired_difference_over_seeds(last_gold(a), last_gold(b))


def likelihood_gain(runs: Sequence[Policy], side: Literal["chosen", "rejected"]) -> Interval:
    """Log-likelihood of the texts of a method's training pairs over that under the SFT policy, nats a token.

    Seeds are pooled, since each has pairs of its own.
    """
    return bootstrap_interval(np.concatenate([run.likelihood_gain[side] for run in runs]))


def ways_table(results: Results, pool: Pool) -> pd.DataFrame:
    """Every way to use the labels of people, and its cost; means over seeds at the end of the run.

    Returns:
        A row for each way: gain in gold reward, KL (nats), words, samples (drawn in training), and the seconds of one
        core that reward model (0 where there is none) and policy took to train.
    """
    rows = {}
    scored = np.mean([results.reward_models["people", seed].seconds for seed in results.seeds])
    for method, beta in results.methods:
        runs = results.runs(method, beta)
        rows[f"{method}, beta {beta:g}" if beta else method] = {
            "gain in gold reward": str(gain(runs, pool)),
            "KL": round(np.mean([run.kl[-1] for run in runs]), 2),
            "words": round(np.mean([run.words[-1].mean() for run in runs])),
            "samples": runs[0].samples,
            "reward model, s": round(scored) if runs[0].samples else 0,
            "policy, s": round(np.mean([run.seconds for run in runs])),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


# --- Teachers and the second round ------------------------------------------------------


def teachers_table(results: Results, pool: Pool, beta: float) -> pd.DataFrame:
    """What each teacher's labels are worth.

    Returns:
        A row for each teacher, people first: agreement (how often it agrees with the person who labeled a pair, a tie
        counting half; seeds pooled), accuracy (of the reward models trained on its labels, on people's test pairs) and
        gain (in gold reward, of PPO on these), each with _low and _high; words (of the policies' texts).
    """
    rows = {}
    for teacher in dict.fromkeys(teacher for teacher, _ in results.verdicts):
        runs = results.runs("PPO", beta, teacher)
        verdicts = np.concatenate([results.verdicts[teacher, seed] for seed in results.seeds])
        row = {
            "agreement": bootstrap_interval(verdicts),
            "accuracy": results.accuracy(teacher),
            "gain": gain(runs, pool),
        }
        rows[teacher] = {"words": np.mean([run.words[-1].mean() for run in runs])}
        for what, interval in row.items():
            rows[teacher] |= {what: interval.estimate, f"{what}_low": interval.low, f"{what}_high": interval.high}
    return pd.DataFrame.from_dict(rows, orient="index")


def accuracy_on_new(results: Results, judge: str, writer: Writer) -> Interval:
    """How often reward models are right about new pairs that the SFT policy, or the first round's, wrote.

    Seeds are pooled: each policy has pairs of its own.

    Args:
        results: of the experiment.
        judge: which new labels the reward models were trained on; "people" for those of the first round.
        writer: of the pairs.
    """
    margins = np.concatenate([row["margins"][judge][writer] for row in results.rounds])
    return bootstrap_interval(right(margins))


def judges_table(results: Results) -> pd.DataFrame:
    """`accuracy_on_new` of the reward models of both rounds, and the best that anybody could do."""
    writers: dict[Writer, str] = {"SFT": "pairs of the SFT policy", "policy": "pairs of the tuned policy"}
    judges = {"people": "first round"} | {kind: f"second round, {kind}" for kind in NEW_LABELS}
    rows = {
        name: {column: str(accuracy_on_new(results, judge, writer)) for writer, column in writers.items()}
        for judge, name in judges.items()
    }
    rows["best possible"] = {
        column: f"{np.mean([row['best'][writer] for row in results.rounds]):.2f}" for writer, column in writers.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index")


# --- Files --------------------------------------------------------------------


def write_results(experiment: DirectAlignment, folder: Path) -> None:
    """Write what the whole experiment found into `folder`, as the four files."""
    plan, read = experiment.plan, experiment.read
    runs = plan.runs + plan.teacher_runs + plan.second_rounds
    with files.atomic_folder(folder) as new:
        files.write_jsonl(new / "policies.jsonl", [asdict(run) | read(run) for run in runs])
        files.write_jsonl(new / "labels.jsonl", [asdict(part) | read(part) for part in plan.teacher_labels])
        files.write_jsonl(
            new / "reward_models.jsonl",
            [{"source": part.source, "seed": part.seed} | read(part) for part in plan.reward_models],
        )
        files.write_jsonl(new / "rounds.jsonl", [asdict(part) | read(part) for part in plan.judges])


def load_results(profile: str) -> Results:
    """What the reader's own experiment with `profile` found, or else the shipped one.

    Raises:
        LabError: the results are broken, or there are none.
    """
    return runner.load_results(profile, DirectAlignment.NAME, _read)


def _read(folder: Path, origin: Origin) -> Results:
    def rows(name: str) -> list[dict]:
        return [row for _, row in files.read_jsonl(folder / f"{name}.jsonl")]

    models = {(_named(row["source"]), row["seed"]): _reward_model(row) for row in rows("reward_models")}
    verdicts = {(_named(row["teacher"]), row["seed"]): np.array(row["verdicts"], float) for row in rows("labels")}
    return Results([_policy(row) for row in rows("policies")], verdicts, models, rows("rounds"), origin)


def _named(teacher: Any) -> Any:
    """A teacher (or which new labels) under its name of today."""
    return "draft overlap" if teacher == "AI" else teacher


def _reward_model(row: dict) -> RewardModel:
    return RewardModel(row["labels"], row["seconds"], np.array(row["margins"], float))


def _policy(row: dict) -> Policy:
    points = pd.DataFrame(row["measured"])
    likelihood = row["measured"][-1].get("likelihood", {})
    arrays = {name: np.array(points[name].tolist(), float) for name in ("kl", "gold", "proxy", "words", "ended")}
    return Policy(
        Run(row["method"], row["seed"], row["beta"], _named(row["teacher"]), row["second_round"]),
        row["seconds"],
        row["samples"],
        steps=points["step"].to_numpy(),
        completions=points["completions"].tolist(),
        likelihood_gain={side: np.array(values, float) for side, values in likelihood.items()},
        **arrays,
    )

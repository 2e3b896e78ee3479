"""What the experiment of the shared trunk found, as its lab reads it: the reader's own, or else the shipped one.

runs.jsonl      a run a line: layers, seed; margins (score of the chosen minus score of the rejected text of each test
                pair, in normalized scores); sft, after_updates and after_seconds: a policy each, with gold (reward of a
                sample for each held-out prompt), kl (nats a response, to SFT) and words (mean); the last two also with
                update and seconds (of the processor, in PPO alone)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from .. import files
from ..evaluation.reward_models import accuracy_gain_over_seeds, accuracy_over_seeds
from ..files import Origin
from ..formulas.statistics import Interval, paired_difference_over_seeds, verdict
from . import runner
from .adapted_layers import AdaptedLayers

Policy = Literal["sft", "after_updates", "after_seconds"]


@dataclass(frozen=True)
class Results:
    """All that the experiment found: for each number of layers its runs, seed by seed, as runs.jsonl holds them."""

    runs: dict[int, list[dict[str, Any]]]
    origin: Origin

    def margins(self, layers: int) -> np.ndarray:
        """Of the reward models on the test pairs: (seeds, pairs), above 0 where one is right."""
        return np.array([run["margins"] for run in self.runs[layers]])

    def gold(self, layers: int, policy: Policy) -> np.ndarray:
        """Gold rewards on the held-out prompts: (seeds, prompts)."""
        return np.array([run[policy]["gold"] for run in self.runs[layers]])


def table(results: Results) -> pd.DataFrame:
    """What fewer layers cost, a row for each measure and number of layers.

    Returns:
        measure ("accuracy of the reward model", "gold reward of SFT", "gold reward of PPO, equal updates", "gold reward
        of PPO, equal seconds"), layers; estimate, low, high; the difference to all layers, and what can be said of it
        (gain, gain_low, gain_high, verdict; missing for all layers); kl, updates and seconds (means over seeds; missing
        where there are none).
    """
    whole = max(results.runs)
    rows = []
    for layers in sorted(results.runs, reverse=True):
        margins, wholes = results.margins(layers), results.margins(whole)
        gain = accuracy_gain_over_seeds(margins, wholes)
        rows.append(_row("accuracy of the reward model", layers, accuracy_over_seeds(margins), gain, layers == whole))
        for name, policy in POLICIES.items():
            gold = results.gold(layers, policy)
            level = paired_difference_over_seeds(gold, np.zeros(gold.shape[1]))
            gain = paired_difference_over_seeds(gold, results.gold(whole, policy))
            means = {} if policy == "sft" else _means([run[policy] for run in results.runs[layers]])
            rows.append(_row(name, layers, level, gain, layers == whole) | means)
    return pd.DataFrame(rows).sort_values("measure", key=lambda names: names.map(MEASURES.index), kind="stable")


POLICIES: dict[str, Policy] = {
    "gold reward of SFT": "sft",
    "gold reward of PPO, equal updates": "after_updates",
    "gold reward of PPO, equal seconds": "after_seconds",
}
MEASURES = ["accuracy of the reward model", *POLICIES]


def _row(measure: str, layers: int, level: Interval, gain: Interval, is_whole: bool) -> dict[str, Any]:
    row: dict[str, Any] = {"measure": measure, "layers": layers}
    row |= {"estimate": level.estimate, "low": level.low, "high": level.high}
    if is_whole:
        return row | {"gain": np.nan, "gain_low": np.nan, "gain_high": np.nan, "verdict": ""}
    return row | {"gain": gain.estimate, "gain_low": gain.low, "gain_high": gain.high, "verdict": verdict(gain)}


def _means(policies: list[dict[str, Any]]) -> dict[str, float]:
    return {
        "kl": float(np.mean([policy["kl"] for policy in policies])),
        "updates": float(np.mean([policy["update"] for policy in policies])),
        "seconds": float(np.mean([policy["seconds"] for policy in policies])),
    }


def write_results(experiment: AdaptedLayers, folder: Path) -> None:
    """Write what the whole experiment found into `folder`."""
    runs = experiment.runs(experiment.layers)
    with files.atomic_folder(folder) as new:
        rows = [{"layers": run.layers, "seed": run.seed} | experiment.read(run) for run in runs]
        files.write_jsonl(new / "runs.jsonl", rows)


def load_results(profile: str) -> Results:
    """What the reader's own experiment with `profile` found, or else the shipped one.

    Raises:
        LabError: the results are broken, or there are none.
    """
    return runner.load_results(profile, AdaptedLayers.NAME, _read)


def _read(folder: Path, origin: Origin) -> Results:
    runs: dict[int, list[dict[str, Any]]] = {}
    rows = [row for _, row in files.read_jsonl(folder / "runs.jsonl")]
    for row in sorted(rows, key=lambda row: row["seed"]):
        runs.setdefault(row["layers"], []).append(row)
    return Results(runs, origin)

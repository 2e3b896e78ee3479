"""What the experiment of lab 02 found, as labs 02 and 06 read it: the reader's own, or else the shipped one.

models.jsonl    a reward model a line: labels, seed, rank, margin, base, margins (score of the chosen minus score of the
                rejected text of each test pair, in standard deviations of all these scores)
bases.jsonl     a base model a line: base, hidden, layers, parameters, heldout_loss, heldout_summary_loss
rates.jsonl     a learning rate of full fine-tuning a line: rate, accuracy (on validation pairs)
costs.jsonl     a method a line: rank, and as `training.step_costs` measures them trained, weights, gradients,
                optimizer, seconds
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import files
from ..evaluation.reward_models import accuracy_gain_over_seeds, accuracy_over_seeds
from ..files import LabError, Origin
from ..formulas.statistics import verdict
from . import runner
from .reward_models import FULL, OWN, Margin, RewardModels, StepCosts, Variant

COLUMNS = {
    "bases": ["base", "hidden", "layers", "parameters", "heldout_loss", "heldout_summary_loss"],
    "rates": ["rate", "accuracy"],
    "costs": ["rank", "trained", "weights", "gradients", "optimizer", "seconds"],
}


@dataclass(frozen=True)
class Results:
    """All that the experiment found."""

    margins: dict[Variant, np.ndarray]  # of each reward model on the test pairs: (pairs,), above 0 where it is right
    bases: pd.DataFrame  # as bases.jsonl, by size; the last is the profile's own
    rates: pd.DataFrame
    costs: pd.DataFrame
    origin: Origin

    @property
    def own_rank(self) -> int:
        """The profile's, which a reward model has unless other ranks are compared."""
        return next(variant.rank for variant in self.margins if variant.margin != "none")

    def of(self, labels: int, *, margin: Margin = "none", base: str = OWN, rank: int | None = None) -> np.ndarray:
        """The margins of the reward models of one sort, seed by seed: (seeds, pairs).

        Args:
            labels: how many it was trained on.
            margin: in the loss.
            base: name of its base model.
            rank: of LoRA, or FULL; None for the profile's.

        Raises:
            LabError: there are none.
        """
        wanted = (labels, self.own_rank if rank is None else rank, margin, base)
        found = [v for v in self.margins if (v.labels, v.rank, v.margin, v.base) == wanted]
        if not found:
            raise LabError(f"the experiment holds no reward model with (labels, rank, margin, base) = {wanted}")
        return np.stack([self.margins[variant] for variant in sorted(found, key=lambda variant: variant.seed)])

    def labels_of(self, base: str) -> list[int]:
        """For how many labels there are plain reward models on a base."""
        plain = [v for v in self.margins if (v.rank, v.margin, v.base) == (self.own_rank, "none", base)]
        return sorted({variant.labels for variant in plain})


# --- Tables -------------------------------------------------------------------


def size_table(results: Results, base: str) -> pd.DataFrame:
    """Accuracy of the plain reward models on a base: a row for each number of labels, with estimate, low, high."""
    rows = [
        {"labels": labels} | accuracy_over_seeds(results.of(labels, base=base))._asdict()
        for labels in results.labels_of(base)
    ]
    return pd.DataFrame(rows)


def margin_table(results: Results) -> pd.DataFrame:
    """What margins in the loss do.

    Returns:
        A row for each number of labels and each margin: labels, margin; accuracy on the test pairs (estimate, low,
        high); gain over the same labels without a margin (gain, gain_low, gain_high), and what can be said of it
        (verdict).
    """
    kinds = dict.fromkeys((variant.labels, variant.margin) for variant in results.margins)
    rows = [
        {"labels": labels, "margin": margin} | _compared(results.of(labels, margin=margin), results.of(labels))
        for labels, margin in kinds
        if (labels, "small") in kinds
    ]
    return pd.DataFrame(rows)


def method_table(results: Results, labels: int = 1024) -> pd.DataFrame:
    """LoRA of several ranks and full fine-tuning of reward models.

    Returns:
        A row each, named "rank 1" ... "full": accuracy on the test pairs (estimate, low, high) and gain over the
        profile's rank (gain, gain_low, gain_high, verdict), all missing where only the costs were measured; trained
        (weights that train); weights, gradients, optimizer and their sum, memory (bytes); time (seconds of a step over
        those of the profile's rank, step by step: the median of these ratios; time_low, time_high: their quartiles).
    """
    own = results.costs.set_index("rank").loc[results.own_rank]
    compared = {variant.rank for variant in results.margins if variant.labels == labels}
    rows = {}
    for cost in results.costs.to_dict("records"):
        rank = cost["rank"]
        held = {what: cost[what] for what in ("weights", "gradients", "optimizer")}
        low, time, high = np.quantile(np.array(cost["seconds"]) / own["seconds"], [0.25, 0.5, 0.75])
        rows["full" if rank == FULL else f"rank {rank}"] = (
            (_compared(results.of(labels, rank=rank), results.of(labels)) if rank in compared else {})
            | {"trained": cost["trained"], **held, "memory": sum(held.values())}
            | {"time": time, "time_low": low, "time_high": high}
        )
    return pd.DataFrame.from_dict(rows, orient="index")


def _compared(margins: np.ndarray, plain: np.ndarray) -> dict[str, Any]:
    """Accuracy, and gain over the plain reward models; of these themselves there is none."""
    row: dict[str, Any] = dict(zip(("estimate", "low", "high"), accuracy_over_seeds(margins), strict=False))
    if np.array_equal(margins, plain):
        return row | {"gain": np.nan, "gain_low": np.nan, "gain_high": np.nan, "verdict": ""}
    gain = accuracy_gain_over_seeds(margins, plain)
    return row | {"gain": gain.estimate, "gain_low": gain.low, "gain_high": gain.high, "verdict": verdict(gain)}


# --- Files --------------------------------------------------------------------


def write_results(experiment: RewardModels, folder: Path) -> None:
    """Write what the whole experiment found into `folder`, as the four files."""
    read = experiment.read
    models = [asdict(variant) | {"margins": read(variant)} for variant in experiment.variants]
    rates = [{key: found[key] for key in COLUMNS["rates"]} for found in map(read, experiment.rates)]
    with files.atomic_folder(folder) as new:
        files.write_jsonl(new / "models.jsonl", models)
        files.write_jsonl(new / "bases.jsonl", sorted(map(read, experiment.bases), key=lambda base: base["parameters"]))
        files.write_jsonl(new / "rates.jsonl", rates)
        files.write_jsonl(new / "costs.jsonl", read(StepCosts()))


def load_results(profile: str) -> Results:
    """What the reader's own experiment with `profile` found, or else the shipped one.

    Raises:
        LabError: the results are broken, or there are none.
    """
    return runner.load_results(profile, RewardModels.NAME, _read)


def _read(folder: Path, origin: Origin) -> Results:
    def rows(name: str) -> list[dict[str, Any]]:
        return [row for _, row in files.read_jsonl(folder / f"{name}.jsonl")]

    def table(name: str) -> pd.DataFrame:
        return pd.DataFrame([{key: row[key] for key in COLUMNS[name]} for row in rows(name)])

    margins = {}
    for row in rows("models"):
        numbers = np.array(row.pop("margins"), float)
        margins[Variant(**row)] = numbers
    return Results(margins, table("bases"), table("rates"), table("costs"), origin)

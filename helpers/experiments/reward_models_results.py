"""What a reward study found, as labs 02 and 06 read it: the reader's own if there is one, else the shipped one.

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

import numpy as np
import pandas as pd

from .. import files
from ..evaluation.reward_models import accuracy_gain_over_seeds, accuracy_over_seeds
from ..files import LabError
from ..formulas.statistics import verdict
from .reward_models import COSTS, FULL, OWN, Margin, RewardModels, Variant
from .runner import Origin, load_shipped

NAME = "reward_study"
COLUMNS = {
    "bases": ["base", "hidden", "layers", "parameters", "heldout_loss", "heldout_summary_loss"],
    "rates": ["rate", "accuracy"],
    "costs": ["rank", "trained", "weights", "gradients", "optimizer", "seconds"],
}


@dataclass(frozen=True)
class StudyResults:
    margins: dict[Variant, np.ndarray]  # of each reward model on the test pairs: (pairs,), above 0 where it is right
    bases: pd.DataFrame  # as bases.jsonl, by size; the last is the profile's own
    rates: pd.DataFrame
    costs: pd.DataFrame
    origin: Origin

    @property
    def own_rank(self) -> int:
        """The profile's, which a reward model has unless its rank is what is tried."""
        return next(variant.rank for variant in self.margins if variant.margin != "none")

    def of(self, labels: int, *, margin: Margin = "none", base: str = OWN, rank: int | None = None) -> np.ndarray:
        """The margins of the reward models of one sort, seed by seed: (seeds, pairs). rank: None for the profile's."""
        wanted = (labels, self.own_rank if rank is None else rank, margin, base)
        found = [v for v in self.margins if (v.labels, v.rank, v.margin, v.base) == wanted]
        if not found:
            raise LabError(f"the study holds no reward model with (labels, rank, margin, base) = {wanted}")
        return np.stack([self.margins[variant] for variant in sorted(found, key=lambda variant: variant.seed)])

    def labels_of(self, base: str) -> list[int]:
        """For how many labels there are plain reward models on a base."""
        plain = [v for v in self.margins if (v.rank, v.margin, v.base) == (self.own_rank, "none", base)]
        return sorted({variant.labels for variant in plain})


# --- Tables -------------------------------------------------------------------


def size_table(results: StudyResults, base: str) -> pd.DataFrame:
    """Accuracy of the plain reward models on a base: a row for each number of labels, with estimate, low, high."""
    rows = [
        {"labels": labels} | accuracy_over_seeds(results.of(labels, base=base))._asdict()
        for labels in results.labels_of(base)
    ]
    return pd.DataFrame(rows)


def margin_table(results: StudyResults) -> pd.DataFrame:
    """What margins in the loss do: a row for each number of labels and each margin.

    Columns: labels, margin; accuracy on the test pairs (estimate, low, high); gain over the same labels without a
    margin (gain, gain_low, gain_high), and what can be said of it (verdict).
    """
    kinds = dict.fromkeys((variant.labels, variant.margin) for variant in results.margins)
    rows = [
        {"labels": labels, "margin": margin} | _compared(results.of(labels, margin=margin), results.of(labels))
        for labels, margin in kinds
        if (labels, "small") in kinds
    ]
    return pd.DataFrame(rows)


def method_table(results: StudyResults, labels: int = 1024) -> pd.DataFrame:
    """LoRA of several ranks and full fine-tuning of reward models: a row each, named "rank 1" ... "full".

    Columns: accuracy on the test pairs (estimate, low, high) and gain over the profile's rank (gain, gain_low,
    gain_high, verdict), all missing where only the costs were measured; trained (weights that train); weights,
    gradients, optimizer and their sum, memory (bytes); time (seconds of a step over those of the profile's rank, step
    by step: the median of these ratios; time_low, time_high: their quartiles).
    """
    own = results.costs.set_index("rank").loc[results.own_rank]
    compared = {variant.rank for variant in results.margins if variant.labels == labels}
    rows = {}
    for row in results.costs.itertuples():
        held = {what: getattr(row, what) for what in ("weights", "gradients", "optimizer")}
        low, time, high = np.quantile(np.array(row.seconds) / own["seconds"], [0.25, 0.5, 0.75])
        rows["full" if row.rank == FULL else f"rank {row.rank}"] = (
            (_compared(results.of(labels, rank=row.rank), results.of(labels)) if row.rank in compared else {})
            | {"trained": row.trained, **held, "memory": sum(held.values())}
            | {"time": time, "time_low": low, "time_high": high}
        )
    return pd.DataFrame.from_dict(rows, orient="index")


def _compared(margins: np.ndarray, plain: np.ndarray) -> dict:
    """Accuracy, and gain over the plain reward models; of these themselves there is none."""
    row = dict(zip(("estimate", "low", "high"), accuracy_over_seeds(margins), strict=False))
    if np.array_equal(margins, plain):
        return row | {"gain": np.nan, "gain_low": np.nan, "gain_high": np.nan, "verdict": ""}
    gain = accuracy_gain_over_seeds(margins, plain)
    return row | {"gain": gain.estimate, "gain_low": gain.low, "gain_high": gain.high, "verdict": verdict(gain)}


# --- Files --------------------------------------------------------------------


def write_results(study: RewardModels, folder: Path) -> None:
    """Write what a whole study found into `folder`, as the four files."""
    rates, bases = (
        [study.read(part) for part in study.phases[0] if part.startswith(f"{what}, ")] for what in ("rate", "base")
    )
    with files.atomic_folder(folder) as new:
        models = [asdict(variant) | {"margins": study.read(variant.name)} for variant in study.variants]
        files.write_jsonl(new / "models.jsonl", models)
        files.write_jsonl(new / "bases.jsonl", sorted(bases, key=lambda base: base["parameters"]))
        files.write_jsonl(new / "rates.jsonl", [{key: row[key] for key in COLUMNS["rates"]} for row in rates])
        files.write_jsonl(new / "costs.jsonl", study.read(COSTS))


def load_results(profile: str) -> StudyResults:
    """What the reader's own study with `profile` found, or else the shipped one. Raises LabError if it is broken."""
    return load_shipped(profile, NAME, _read)


def _read(folder: Path, origin: Origin) -> StudyResults:
    def rows(name: str) -> list[dict]:
        return [row for _, row in files.read_jsonl(folder / f"{name}.jsonl")]

    margins = {}
    for row in rows("models"):
        numbers = np.array(row.pop("margins"), float)
        margins[Variant(**row)] = numbers
    tables = (pd.DataFrame([{key: row[key] for key in keys} for row in rows(name)]) for name, keys in COLUMNS.items())
    return StudyResults(margins, *tables, origin)

"""What the answers of a prompting grid allow one to say: means, and gains over one technique, with intervals."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np
import pandas as pd

from ..files import LabError
from ..formulas.statistics import Interval, accuracy_interval, paired_difference_over_seeds, verdict

CELL = ["model", "technique", "task"]


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean score of each model, technique and task of a grid, with its 95 % interval over seeds and items.

    Both are resampled (`statistics.paired_difference_over_seeds`); with one seed, items only. Where all scores are 0,
    or all 1, the interval is Wilson's over the items, since the bootstrap's would have no width.

    Returns:
        Columns: model, technique, task, estimate, low, high, n (items), seeds, reason (why seeds have no answers, if
        any have none). An item that has no score with some seed is left out.

    Raises:
        LabError: Two rows are of one cell and item.
    """
    rows = []
    for cell, of_cell in _by_cell(frame):
        reasons = [reason for reason in of_cell["reason"].unique() if reason]
        rows.append([*cell, *_mean_interval(_scores(of_cell).to_numpy()), "; ".join(reasons)])
    return pd.DataFrame(rows, columns=[*CELL, *Interval._fields, "reason"])


def gains(frame: pd.DataFrame, against: str = "zero-shot") -> pd.DataFrame:
    """What each technique gains over the technique `against`: difference in score on the same items, 95 % interval.

    Both are paired item by item, and seed by seed where both have several (those that both have); one that ran once is
    compared with every seed of the other. Items and seeds are resampled, as in `summary`. Where all scores are 0 or 1
    and all differences are equal, the interval allows for as many items of the other kind as Wilson's does.

    Args:
        frame: The table of `run_grid`.
        against: The technique to compare with.

    Returns:
        Columns: model, technique, task, estimate, low, high, n (items), seeds, verdict (`statistics.verdict`; empty
        where there is no interval, which takes two items).

    Raises:
        LabError: The grid has no such technique, or two rows are of one cell and item.
    """
    names = list(frame["technique"].unique())
    if against not in names:
        raise LabError(f"the grid has no technique {against!r} to compare with; it has {', '.join(map(repr, names))}")
    scores = {cell: _scores(of_cell) for cell, of_cell in _by_cell(frame)}
    rows = []
    for (model, technique, task), a in scores.items():
        if technique != against:
            interval = _gain_interval(*_paired(a, scores.get((model, against, task), pd.DataFrame())))
            rows.append([model, technique, task, *interval, "" if np.isnan(interval.low) else verdict(interval)])
    return pd.DataFrame(rows, columns=[*CELL, *Interval._fields, "verdict"])


def _by_cell(frame: pd.DataFrame) -> Iterable[tuple[tuple[Hashable, ...], pd.DataFrame]]:
    """The rows of each model, technique and task."""
    reason = frame["reason"].astype(object).fillna("")  # pandas reads the empty ones of a CSV file as NaN
    return frame.assign(reason=reason).groupby(CELL, sort=False)


def _scores(of_cell: pd.DataFrame) -> pd.DataFrame:
    """The scores of a model, technique and task, seed by item: the items that have one with every seed."""
    answered = of_cell[of_cell["reason"] == ""]
    twice = answered.duplicated(["seed", "item"])
    if twice.any():
        names = ", ".join(map(str, answered.loc[twice, [*CELL, "seed", "item"]].iloc[0]))
        raise LabError(f"the table has two rows of {names}: combine only grids that have no cell in common")
    return answered.pivot(index="seed", columns="item", values="score").dropna(axis=1)


def _paired(a: pd.DataFrame, b: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Two tables of scores on the items, and with the seeds, that they share: (seeds, items) each."""
    items = a.columns.intersection(b.columns, sort=False)
    if len(a) != 1 and len(b) != 1:
        seeds = a.index.intersection(b.index)
        a, b = a.loc[seeds], b.loc[seeds]
    first, second = np.broadcast_arrays(a[items].to_numpy(float), b[items].to_numpy(float))
    return first, second


def _mean_interval(scores: np.ndarray) -> Interval:
    """The mean of `scores` (seeds, items)."""
    if scores.size and np.isin(scores, (0, 1)).all() and np.ptp(scores) == 0:
        return accuracy_interval(scores.mean(axis=0))._replace(seeds=len(scores))
    return _resampled(scores)


def _gain_interval(a: np.ndarray, b: np.ndarray) -> Interval:
    """The mean of a - b; `a`, `b`: (seeds, items)."""
    gain = a - b
    if gain.size and np.isin([a, b], (0, 1)).all() and np.ptp(gain) == 0:
        seeds, n = gain.shape
        others = 1 - accuracy_interval(np.ones(n)).low  # so large a share of items may differ, though none here did
        d = float(gain[0, 0])
        return Interval(d, d - others * (1 + d), d + others * (1 - d), n, seeds)
    return _resampled(gain)


def _resampled(values: np.ndarray) -> Interval:
    """The mean of `values` (seeds, items): NaN where there are none, and for the limits where there is one item."""
    if not values.size:
        return Interval(np.nan, np.nan, np.nan, 0, 0)
    seeds, n = values.shape
    if n == 1:
        return Interval(float(values.mean()), np.nan, np.nan, n, seeds)
    return paired_difference_over_seeds(values, np.zeros(n))

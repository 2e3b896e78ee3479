"""Prompts x models x techniques x seeds: one table of answers and scores, and what it allows one to say.

A cell is one model with one technique on all items of one task with one seed. Its answers are kept in a file whose name
is the hash of all that decides them, so a grid that was stopped goes on after its last whole cell, a changed technique
is asked anew, and a changed score is not. Several processes may share a folder: at worst they make a cell twice.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache as cached
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from .. import files
from ..files import LabError, is_broken_text, shown
from ..formulas.statistics import Interval, accuracy_interval, paired_difference_over_seeds, verdict
from ..models.prompt_formats import Ask

if TYPE_CHECKING:
    from ..models.language_models import LanguageModel

CACHE_FORMAT = 1  # of the files in the cache: another number makes every cell anew
LIBRARIES = ("torch", "transformers")  # another version of them may sample other texts
PROBE = Ask("A query.\n", "Cue:", "An instruction.", ("yes", "no"), (("An example.\n", "yes"),))
NO_MEMORY = re.compile("out of memory|not enough memory|allocate memory", re.IGNORECASE)  # CUDA; Windows; Linux
COLUMNS = ["model", "technique", "task", "seed", "item", "answer", "score", "reason"]
CELL = ["model", "technique", "task"]


@dataclass(frozen=True)
class Item:
    """A prompt of a task, as plain data.

    target: the right answer, or for TL;DRs the post's prompt. id: a name, which differs from item to item of a task.
    """

    task: str
    ask: Ask
    target: str
    id: str


@dataclass(frozen=True)
class Technique:
    """A way of getting answers. Raises LabError where the settings are not plain data (what JSON can hold).

    answer: model, items, seed -> one answer an item; it may ask the model several times.
    settings: with `name` and `version`, all that decides what `answer` does beside its arguments: part of the cache's
    key. What it is made of belongs here (examples, decoding), or else `version` goes up when it changes.
    tasks: those it is meant for; empty: all.
    seeded: whether the seed makes a difference. It makes none where the settings say `do_sample` False.
    """

    name: str
    answer: Callable[[LanguageModel, Sequence[Item], int], list[str]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    tasks: tuple[str, ...] = ()
    seeded: bool = True

    def __post_init__(self) -> None:
        try:
            _canonical(dict(self.settings))
        except (TypeError, ValueError) as error:
            raise LabError(
                f"the settings of the technique {self.name!r} must be plain data (texts, numbers, lists, "
                f"dictionaries): {error}"
            ) from None

    def seeds(self, seeds: Sequence[int]) -> list[int]:
        """Those of `seeds` to run it with: each once, or 0 alone, since a greedy answer repeated tells nothing new."""
        seeded = self.seeded and self.settings.get("do_sample") is not False
        return list(dict.fromkeys(map(int, seeds))) if seeded else [0]


class Cell(NamedTuple):
    model: str
    technique: str
    task: str
    seed: int


def run_grid(
    models: Mapping[str, LanguageModel],
    techniques: Mapping[str, Technique] | Sequence[Technique],
    items: Mapping[str, Sequence[Item]],
    *,
    score: Callable[[Item, str], float | None],
    seeds: Sequence[int] = (0, 1, 2),
    cache: Path | str | None = "prompting",
    shipped: Path | None = None,
    progress: bool = True,
    only: Callable[[str, str, str], bool] | None = None,
) -> pd.DataFrame:
    """Ask every model every item of each task by every technique with every seed; a row an answer.

    models, techniques, items: by the names that the table shows; techniques without names go by their own.
    score: what an answer is worth, such as 0 or 1; None (NaN in the table) where nobody can say. It is computed anew
    each time.
    seeds: a technique that does not depend on them runs once, and its rows have the seed 0.
    cache: the folder that keeps the answers; a relative one is in runs/. None: keep none.
    shipped: a file of cells that need not be asked, as `write_shipped` writes it.
    only: model, technique, task -> whether to run these cells; default: wherever the technique is meant for the task.

    Columns: model, technique, task, seed, item (its id), answer, score, reason. A cell whose prompts do not fit the
    model, or for which the memory does not suffice, is one row without item and answer, with the score NaN and the
    reason; the rest goes on. It is not kept, so the next run tries it again.
    Raises LabError for two techniques of one name, two items of one id, or a cache that cannot be written.
    """
    techniques = techniques if isinstance(techniques, Mapping) else _by_name(techniques)
    for task, of_task in items.items():
        _refuse_twice([item.id for item in of_task], f"items of the task {task!r}", "id")
    folder = None if cache is None else files.runs() / cache
    if folder and folder.exists() and not folder.is_dir():
        raise LabError(f"{shown(folder)} is a file where the cache's folder must go: move it away, or name another")

    others = read_shipped(shipped) if shipped else {}
    rows, kept = [], 0
    with tqdm(list(_cells(models, techniques, items, seeds, only)), unit="cell", disable=not progress) as bar:
        for cell in bar:
            bar.set_description(", ".join(cell[:3]))
            of_task = items[cell.task]
            model, technique = models[cell.model], techniques[cell.technique]
            answers, reason, from_cache = _ask(cell, model, technique, of_task, folder, others)
            kept += from_cache
            bar.set_postfix(cached=kept)
            if reason:
                rows.append([*cell, "", "", np.nan, reason])
            else:
                pairs = zip(of_task, answers, strict=True)
                rows += [[*cell, item.id, answer, _number(score(item, answer)), ""] for item, answer in pairs]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"seed": int, "score": float})


def cell_key(model: LanguageModel, technique: Technique, items: Sequence[Item], seed: int) -> str:
    """SHA-256 of all that decides the answers of a cell, 64 hexadecimal digits.

    What a model, a technique or a task is called in the table is no part of it. The form in which the model is asked
    is: a rendered example stands for it, as the fingerprint is that of the weights.
    """
    content = {
        "format": CACHE_FORMAT,
        "libraries": _versions(),
        "model": [model.fingerprint, model.render(PROBE)],
        "technique": [technique.name, dict(technique.settings), technique.version],
        "items": [asdict(item) for item in items],  # with their ids, by which a technique may draw its examples
        "seed": seed,
    }
    return _sha256(content)


def grid_keys(
    models: Mapping[str, LanguageModel],
    techniques: Sequence[Technique],
    items: Mapping[str, Sequence[Item]],
    seeds: Sequence[int] = (0, 1, 2),
) -> set[str]:
    """The keys of all cells that `run_grid` would ask for."""
    named = _by_name(techniques)
    return {
        cell_key(models[cell.model], named[cell.technique], items[cell.task], cell.seed)
        for cell in _cells(models, named, items, seeds, None)
    }


# ---------------------------------------------------------------------------------------------- what it says


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean score of each model, technique and task of a grid, with its 95 % interval over seeds and items.

    Both are resampled (`statistics.paired_difference_over_seeds`); with one seed, items only. Where all scores are 0,
    or all 1, the interval is Wilson's over the items, since the bootstrap's would have no width.

    Columns: model, technique, task, estimate, low, high, n (items), seeds, reason (why seeds have no answers, if any
    have none). An item that has no score with some seed is left out. Raises LabError for rows that are there twice.
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

    Columns: model, technique, task, estimate, low, high, n (items), seeds, verdict (`statistics.verdict`; empty where
    there is no interval, which takes two items). Raises LabError where the grid has no such technique, and for rows
    that are there twice.
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


def _by_cell(frame: pd.DataFrame) -> Iterable[tuple[tuple[str, str, str], pd.DataFrame]]:
    reason = frame["reason"].astype(object).fillna("")  # pandas reads the empty ones of a CSV file as NaN
    return frame.assign(reason=reason).groupby(CELL, sort=False)


def _scores(of_cell: pd.DataFrame) -> pd.DataFrame:
    """The scores of a model, technique and task, seed by item: the items that have one with every seed."""
    answered = of_cell[of_cell["reason"] == ""]
    twice = answered.duplicated(["seed", "item"])
    if twice.any():
        names = ", ".join(map(str, answered.loc[twice, [*CELL, "seed", "item"]].iloc[0]))
        raise LabError(f"the table has two rows of {names}: put grids together that have no cell in common")
    return answered.pivot(index="seed", columns="item", values="score").dropna(axis=1)


def _paired(a: pd.DataFrame, b: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Two tables of scores on the items, and with the seeds, that they share: (seeds, items) each."""
    items = a.columns.intersection(b.columns, sort=False)
    if len(a) != 1 and len(b) != 1:
        seeds = a.index.intersection(b.index)
        a, b = a.loc[seeds], b.loc[seeds]
    a, b = np.broadcast_arrays(a[items].to_numpy(float), b[items].to_numpy(float))
    return a, b


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
        unseen = 1 - accuracy_interval(np.ones(n)).low  # so large a share of items may differ, though none here did
        d = float(gain[0, 0])
        return Interval(d, d - unseen * (1 + d), d + unseen * (1 - d), n, seeds)
    return _resampled(gain)


def _resampled(values: np.ndarray) -> Interval:
    """The mean of `values` (seeds, items): NaN where there are none, and for the limits where there is one item."""
    if not values.size:
        return Interval(np.nan, np.nan, np.nan, 0, 0)
    seeds, n = values.shape
    if n == 1:
        return Interval(float(values.mean()), np.nan, np.nan, n, seeds)
    return paired_difference_over_seeds(values, np.zeros(n))


# ---------------------------------------------------------------------------------------------- cells


def _by_name(techniques: Sequence[Technique]) -> dict[str, Technique]:
    _refuse_twice([technique.name for technique in techniques], "techniques", "name")
    return {technique.name: technique for technique in techniques}


def _refuse_twice(names: Sequence[str], what: str, kind: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise LabError(f"two {what} have the {kind} {name!r}: give each its own")


def _cells(
    models: Mapping[str, LanguageModel],
    techniques: Mapping[str, Technique],
    items: Mapping[str, Sequence[Item]],
    seeds: Sequence[int],
    only: Callable[[str, str, str], bool] | None,
) -> Iterator[Cell]:
    for model in models:  # outermost: on a GPU, one model's weights at a time are in use
        for name, technique in techniques.items():
            for task, of_task in items.items():
                if of_task and task in (technique.tasks or items) and (only is None or only(model, name, task)):
                    yield from (Cell(model, name, task, seed) for seed in technique.seeds(seeds))


def _ask(
    cell: Cell,
    model: LanguageModel,
    technique: Technique,
    items: Sequence[Item],
    folder: Path | None,
    shipped: Mapping[str, list[str]],
) -> tuple[list[str], str, bool]:
    """The answers of a cell, why there are none if there are none, and whether they need not be asked for."""
    try:
        key = cell_key(model, technique, items, cell.seed)
        if key in shipped:
            return shipped[key], "", True
        path = folder and folder / f"{key}.json"
        kept = _read(path, len(items)) if path else None
        answers = _answers(model, technique, items, cell.seed) if kept is None else kept
    except (LabError, MemoryError, RuntimeError) as error:
        return [], _reason(error), False
    if path and kept is None:
        _write(path, cell, answers)
    return answers, "", kept is not None


def _answers(model: LanguageModel, technique: Technique, items: Sequence[Item], seed: int) -> list[str]:
    answers = list(technique.answer(model, items, seed))
    if len(answers) != len(items) or not all(isinstance(answer, str) for answer in answers):
        raise LabError(f"the technique {technique.name!r} must give {len(items)} texts, one an item; it gave others")
    return answers


def _reason(error: Exception) -> str:
    """Why a cell has no answers; what is no reason for that is raised again."""
    if isinstance(error, LabError):
        return str(error)
    if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
        return "out of memory: take fewer items at a time, shorter ones, or a smaller model"
    raise error


def _number(score: float | None) -> float:
    return np.nan if score is None else float(score)


# ---------------------------------------------------------------------------------------------- the cache


def _read(path: Path, n: int) -> list[str] | None:
    """The `n` answers in a file of the cache; None if it is not there, or (with a warning) is not what was written."""
    kept = _kept(path)
    if kept and len(kept["answers"]) == n:
        return kept["answers"]
    if path.exists():
        warnings.warn(f"{shown(path)} is damaged, or no file of this cache: its answers are made again", stacklevel=2)
    return None


def _kept(path: Path) -> dict[str, Any] | None:
    """What a file of the cache holds; None if it is not what was written."""
    try:
        content = json.loads(path.read_bytes())
        whole = (content["key"], content["sha256"]) == (path.stem, _sha256(content["answers"]))
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
    return content if whole and _has_answers(content) and _has_cell(content) else None


def _has_answers(content: dict[str, Any]) -> bool:
    texts = content.get("answers")
    return isinstance(texts, list) and all(_is_text(text) for text in (*texts, content.get("key")))


def _has_cell(content: dict[str, Any]) -> bool:
    cell, kinds = content.get("cell"), get_type_hints(Cell)
    is_one = isinstance(cell, dict) and [(name, type(value)) for name, value in cell.items()] == [*kinds.items()]
    return is_one and all(_is_text(str(value)) for value in cell.values())


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not is_broken_text(value)


def _write(path: Path, cell: Cell, answers: list[str]) -> None:
    content = {"cell": cell._asdict(), "key": path.stem, "sha256": _sha256(answers), "answers": answers}
    files.atomic_write(path, json.dumps(content, indent=1) + "\n")


def write_shipped(folder: Path, path: Path, keys: Container[str] | None = None) -> None:
    """Add the cells of a cache to one file, a cell a line, for those who shall not have to ask again.

    keys: of the cells to keep in the file; default: all. What is damaged in the cache is left out. Raises LabError for
    a `path` that is no such file.
    """
    kept = _shipped_rows(path, with_cell=True) if path.exists() else []
    cells = {c["key"]: c for c in [*kept, *filter(None, map(_kept, folder.glob("*.json")))]}
    rows = [
        {"cell": c["cell"], "key": key, "answers": c["answers"]}
        for key, c in cells.items()
        if keys is None or key in keys
    ]
    files.write_jsonl(path, sorted(rows, key=lambda row: (*row["cell"].values(), row["key"])))


def read_shipped(path: Path) -> dict[str, list[str]]:
    """The answers of each cell in such a file, by the cell's key. Raises LabError for a file that is not one."""
    return {row["key"]: row["answers"] for row in _shipped_rows(path)}


def _shipped_rows(path: Path, with_cell: bool = False) -> list[dict[str, Any]]:
    rows = files.read_jsonl(path)
    for number, row in rows:
        if not _has_answers(row):
            raise LabError(
                f'{shown(path)}:{number}: needs "key" and "answers", a list of texts; `git restore` the file'
            )
        if with_cell and not _has_cell(row):
            raise LabError(
                f'{shown(path)}:{number}: "cell" must hold {", ".join(Cell._fields)}; `git restore` the file'
            )
    return [row for _, row in rows]


def _sha256(content: Any) -> str:
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def _canonical(content: Any) -> str:
    """Equal for equal content, however its dictionaries are ordered; TypeError or ValueError for no plain data."""
    return json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":"))


@cached
def _versions() -> dict[str, str]:
    return {library: metadata.version(library) for library in LIBRARIES}

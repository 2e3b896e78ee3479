"""Prompts x models x techniques x seeds: one table of answers and scores.

A cell is one model with one technique on all items of one task with one seed. Its answers are kept in a file whose name
is the hash of all that decides them, so a grid that was stopped goes on after its last whole cell, a changed technique
is asked anew, and a changed score is not. Several processes may share a folder: at worst they make a cell twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache as cached
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from .. import files
from ..files import LabError, shown
from ..models.prompt_formats import Ask
from .answer_cache import Cell, canonical, read_cell, read_shipped, sha256_of, write_cell

if TYPE_CHECKING:
    from ..models.language_models import LanguageModel

CACHE_FORMAT = 1  # of the files in the cache: another number makes every cell anew
LIBRARIES = ("torch", "transformers")  # another version of them may sample other texts
PROBE = Ask("A query.\n", "Cue:", "An instruction.", ("yes", "no"), (("An example.\n", "yes"),))
NO_MEMORY = re.compile("out of memory|not enough memory|allocate memory", re.IGNORECASE)  # CUDA; Windows; Linux
COLUMNS = ["model", "technique", "task", "seed", "item", "answer", "score", "reason"]


@dataclass(frozen=True)
class Item:
    """A prompt of a task, as plain data.

    Attributes:
        task: The task's name.
        ask: What is asked.
        target: The right answer, or for TL;DRs the post's prompt.
        id: A name, which differs from item to item of a task.
    """

    task: str
    ask: Ask
    target: str
    id: str


@dataclass(frozen=True)
class Technique:
    """A way of getting answers.

    Attributes:
        name: What it is called; part of the cache's key.
        answer: Model, items, seed -> one answer for each item; it may ask the model several times.
        settings: With `name` and `version`, all that decides what `answer` does beside its arguments: part of the
            cache's key. What it is made of belongs here (examples, decoding), or else `version` goes up when it
            changes.
        version: Part of the cache's key.
        tasks: Those it is meant for; empty: all.
        seeded: Whether the seed makes a difference. It makes none where the settings say `do_sample` False.

    Raises:
        LabError: The settings are not plain data (what JSON can hold).
    """

    name: str
    answer: Callable[[LanguageModel, Sequence[Item], int], list[str]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    tasks: tuple[str, ...] = ()
    seeded: bool = True

    def __post_init__(self) -> None:
        try:
            canonical(dict(self.settings))
        except (TypeError, ValueError) as error:
            raise LabError(
                f"the settings of the technique {self.name!r} must be plain data (texts, numbers, lists, "
                f"dictionaries): {error}"
            ) from None

    def seeds(self, seeds: Sequence[int]) -> list[int]:
        """Those of `seeds` to run it with: each once, or 0 alone, since a greedy answer repeated tells nothing new."""
        seeded = self.seeded and self.settings.get("do_sample") is not False
        return list(dict.fromkeys(map(int, seeds))) if seeded else [0]


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
    """Ask every model every item of each task by every technique with every seed.

    Args:
        models: By the names that the table shows.
        techniques: By the names that the table shows; techniques without names go by their own.
        items: Of each task, by the task's name.
        score: What an answer is worth, such as 0 or 1; None (NaN in the table) where nobody can say. It is computed
            anew each time.
        seeds: A technique that does not depend on them runs once, and its rows have the seed 0.
        cache: The folder that keeps the answers; a relative one is in runs/. None: keep none.
        shipped: A file of cells that need not be asked, as `answer_cache.write_shipped` writes it.
        progress: Whether to show a bar.
        only: Model, technique, task -> whether to run these cells; default: wherever the technique is meant for the
            task.

    Returns:
        A row for each answer. Columns: model, technique, task, seed, item (its id), answer, score, reason. A cell whose
        prompts do not fit the model, or for which the memory does not suffice, is one row without item and answer, with
        the score NaN and the reason; the rest goes on. It is not kept, so the next run tries it again.

    Raises:
        LabError: Two techniques have one name, two items have one id, or the cache cannot be written.
    """
    techniques = techniques if isinstance(techniques, Mapping) else _by_name(techniques)
    for task, of_task in items.items():
        _refuse_twice([item.id for item in of_task], f"items of the task {task!r}", "id")
    folder = None if cache is None else files.runs() / cache
    if folder and folder.exists() and not folder.is_dir():
        raise LabError(
            f"{shown(folder)} is a file, and must be the cache's folder: move the file away, or name another"
        )

    others = read_shipped(shipped) if shipped else {}
    rows: list[list[Any]] = []
    kept = 0
    with tqdm(list(_cells(models, techniques, items, seeds, only)), unit="cell", disable=not progress) as bar:
        for cell in bar:
            bar.set_description(cell.model)
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
    return sha256_of(content)


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


@cached
def _versions() -> dict[str, str]:
    return {library: metadata.version(library) for library in LIBRARIES}


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
        kept = read_cell(path, len(items)) if path else None
        answers = _answers(model, technique, items, cell.seed) if kept is None else kept
    except (LabError, MemoryError, RuntimeError) as error:
        return [], _reason(error), False
    if path and kept is None:
        write_cell(path, cell, answers)
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

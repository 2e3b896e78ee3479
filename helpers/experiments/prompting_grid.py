"""Lab 04's grid as a whole: its models, its items, and the shipped answers of the shipped models.

python -m helpers grid [MODEL ...] [--ship]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from .. import files
from ..evaluation.policies import MODELS
from ..models.language_model_loading import load_models
from ..models.language_models import LanguageModel, RoleModel
from ..models.profiles import Profile
from ..models.shared_base import SharedBase
from ..prompting.answer_cache import write_shipped
from ..prompting.grid import Item, grid_keys, run_grid
from ..prompting.items import TASKS, grid_score, items
from ..prompting.techniques import GRID
from ..runs.artifacts import Artifacts

TINY = ("tiny-gpt2", "tiny-t5", "tiny-flan-t5")
REAL = ("gpt2", "google/flan-t5-base", "meta-llama/Llama-2-7b-hf", "meta-llama/Llama-2-7b-chat-hf")
N_ITEMS = 40  # of each task
DPO = "dpo"


def wanted(profile: Profile) -> tuple[str, ...]:
    """The models beside those of the profile's own base: the tiny ones, or the real ones."""
    return TINY if profile.name == "tiny" else REAL


def all_models(shared: SharedBase, sources: Sequence[str]) -> tuple[dict[str, LanguageModel], dict[str, str]]:
    """All models of the grid: of one base, then of other sources.

    Returns:
        Base, SFT, PPO and, where there is one, DPO model, then the models of `sources`; and why some of these are
        absent.
    """
    roles = dict(MODELS)
    artifacts = Artifacts(shared.profile.name)
    if artifacts.has(DPO):
        shared.add_adapter(DPO, artifacts.find(DPO).path)
        roles[DPO] = DPO
    others, absent = load_models(sources)
    return {name: RoleModel(shared, role, name) for name, role in roles.items()} | others, absent


def grid_items(n: int = N_ITEMS) -> dict[str, list[Item]]:
    """The items of every task."""
    return {task: items(task, n) for task in TASKS}


def shipped_answers() -> Path:
    """The answers of the shipped models to `grid_items()`: a cell a line."""
    return files.data() / "prompting" / "answers.jsonl"


def ask_all(models: Mapping[str, LanguageModel]) -> pd.DataFrame:
    """Every model by every technique on every task, as `grid.run_grid`; shipped answers are not asked for again."""
    return run_grid(models, GRID, grid_items(), score=grid_score, shipped=shipped_answers())


def ship(models: Mapping[str, LanguageModel]) -> Path:
    """Ask for the cells whose answers are not shipped yet, and write them to data/, for everybody.

    To ask for all, delete the file first. Answers to what this grid no longer asks are dropped.
    """
    path, folder, asked = shipped_answers(), files.runs() / "prompting-to-ship", grid_items()
    run_grid(models, GRID, asked, score=grid_score, cache=folder, shipped=path if path.exists() else None)
    write_shipped(folder, path, grid_keys(models, GRID, asked))
    return path

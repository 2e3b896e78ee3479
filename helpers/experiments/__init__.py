"""Experiments: what takes hours, is made once, and is shipped for the labs to read.

The four that `python -m helpers experiment NAME` makes part by part are listed here by name. The same name stands for
the module, for its results in `data/` and in `runs/<profile>/results/`, and for its parts in `runs/<profile>/`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from ..models.profiles import Profile
    from .adapted_layers import AdaptedLayers
    from .direct_alignment import DirectAlignment
    from .overoptimization import Overoptimization
    from .reward_models import RewardModels
    from .runner import Experiment

E = TypeVar("E", bound="Experiment")


@dataclass(frozen=True)
class Entry(Generic[E]):
    """What a command needs of an experiment."""

    make: Callable[[Profile, int], E]  # (profile, number of seeds) -> the experiment with its default plan
    write_results: Callable[[E, Path], None]


def _overoptimization() -> Entry[Overoptimization]:
    from .overoptimization import Overoptimization, Plan
    from .overoptimization_results import write_results

    return Entry(lambda profile, seeds: Overoptimization(profile, Plan(seeds=seeds)), write_results)


def _direct_alignment() -> Entry[DirectAlignment]:
    from .direct_alignment import DirectAlignment
    from .direct_alignment_plan import Plan
    from .direct_alignment_results import write_results

    return Entry(lambda profile, seeds: DirectAlignment(profile, Plan(seeds=seeds)), write_results)


def _reward_models() -> Entry[RewardModels]:
    from .reward_models import Plan, RewardModels
    from .reward_models_results import write_results

    return Entry(lambda profile, seeds: RewardModels(profile, Plan(seeds=seeds)), write_results)


def _adapted_layers() -> Entry[AdaptedLayers]:
    from .adapted_layers import AdaptedLayers, Plan
    from .adapted_layers_results import write_results

    return Entry(lambda profile, seeds: AdaptedLayers(profile, Plan(seeds=seeds)), write_results)


# By name; what an experiment needs is imported when it is asked for.
EXPERIMENTS: dict[str, Callable[[], Entry[Any]]] = {
    "overoptimization": _overoptimization,
    "direct_alignment": _direct_alignment,
    "reward_models": _reward_models,
    "adapted_layers": _adapted_layers,
}


def experiment_names() -> tuple[str, ...]:
    """The names of all experiments."""
    return tuple(EXPERIMENTS)


def make_experiment(name: str, profile: Profile, seeds: int) -> Experiment:
    """The experiment of that name with its default plan and so many seeds."""
    return EXPERIMENTS[name]().make(profile, seeds)


def write_results(experiment: Experiment, folder: Path) -> None:
    """Write what a whole experiment found into `folder`, as its labs read it."""
    EXPERIMENTS[experiment.NAME]().write_results(experiment, folder)

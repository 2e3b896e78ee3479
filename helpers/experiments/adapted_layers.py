"""The experiment of the shared trunk: what adapting the last k of n layers alone costs in quality, and saves.

For each k and seed: SFT, a reward model and a run of PPO, all with adapters in the last k layers. PPO is measured after
as many updates as the others, and after as many seconds as with k = n. Seconds are of the processor, in one thread, so
that work on the machine's other core does not change them. `adapted_layers_results` reads what came of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from ..evaluation.policies import sample
from ..evaluation.reward_models import pair_scores
from ..models.loading import layer_count
from ..models.profiles import Profile
from ..models.shared_base import POLICY, REFERENCE, SharedBase
from ..preferences import load_preferences, read_demonstrations, read_prompts
from ..training.ppo_config import PPOConfig
from ..training.sft import train_sft
from ..training.train_ppo import train_ppo
from .overoptimization import Proxy
from .runner import Experiment, rounded

FASTER = 20  # no run makes more than so many times the plan's updates in the seconds of all layers


@dataclass(frozen=True)
class Run:
    """SFT, reward model and PPO of one seed with adapters in so many layers, the last ones."""

    layers: int
    seed: int

    @property
    def file_name(self) -> str:
        """Of the part's file."""
        return f"{self.layers}-layers-seed-{self.seed}"


@dataclass(frozen=True)
class Plan:
    """What the experiment holds. The default is what is shipped."""

    seeds: int = 5
    labels: int = 1024  # of each reward model
    updates: int = 40
    pairs: int = 1000  # of the test split that every reward model is asked about
    prompts: int = 128  # held out, for every measurement of a policy


@dataclass(frozen=True)
class AdaptedLayers(Experiment[Run]):
    """What is in the experiment, and how each part of it is made."""

    NAME = "adapted_layers"
    profile: Profile
    plan: Plan = field(default_factory=Plan)
    place: Path | None = None

    @property
    def layers(self) -> list[int]:
        """How many layers are adapted: all, half of them, and so on down to one."""
        halves = [layer_count(self.profile)]
        while halves[-1] > 1:
            halves.append(halves[-1] // 2)
        return halves

    def runs(self, layers: Sequence[int]) -> list[Run]:
        """The runs with so many layers, of all seeds."""
        return [Run(*run) for run in product(layers, range(self.plan.seeds))]

    @property
    def phases(self) -> list[list[Run]]:
        """All layers, whose seconds the others take too; then these."""
        whole, *fewer = self.layers
        return [self.runs([whole]), self.runs(fewer)]

    def make(self, part: Run) -> None:
        """Train, measure, and write what was found."""
        profile, folder = replace(self.profile, adapted_layers=part.layers), self.model_folder(part)
        sft, reward_model = folder / "sft", folder / "reward_model"
        for _ in train_sft(profile, read_demonstrations(), seed=part.seed, output=sft):
            pass
        for _ in Proxy(self.plan.labels, part.seed).train(profile, reward_model):
            pass
        shared = SharedBase.load(profile, sft=sft, reward=reward_model, seed=part.seed)
        scores = pair_scores(shared, load_preferences("test")[: self.plan.pairs])
        margins = rounded(scores["chosen"] - scores["rejected"])
        measured = {"sft": self._measured(shared, REFERENCE), **self._ppo(part, shared)}
        self.write(part, {"margins": margins, **measured})

    def _ppo(self, part: Run, shared: SharedBase) -> dict[str, Any]:
        """The policy after the plan's updates, and when the processor has worked as long as for all layers."""
        whole = self.layers[0]
        limit = 0.0 if part.layers == whole else self.read(Run(whole, part.seed))["after_updates"]["seconds"]
        found: dict[str, Any] = {}
        config = PPOConfig.of(shared.profile, seed=part.seed, updates=FASTER * self.plan.updates)
        stream = train_ppo(shared, [row.prompt for row in read_prompts("train")], None, config)
        seconds = 0.0
        while "after_seconds" not in found:
            started = time.process_time()
            update = next(stream)["step"]
            seconds += time.process_time() - started
            here = {"update": update, "seconds": round(seconds, 2)}
            if update == self.plan.updates:
                found["after_updates"] = here | self._measured(shared, POLICY)
            if "after_updates" in found and seconds >= limit:
                found["after_seconds"] = here | self._measured(shared, POLICY)
        stream.close()
        return found

    def _measured(self, shared: SharedBase, role: str) -> dict[str, Any]:
        """Gold rewards of a policy on the held-out prompts, its mean KL to SFT and its mean length in words."""
        heldout = [row.prompt for row in read_prompts("heldout")][: self.plan.prompts]
        frame = sample(shared, heldout, role)
        return {"gold": rounded(frame["gold"]), "kl": frame["kl"].mean(), "words": frame["words"].mean()}

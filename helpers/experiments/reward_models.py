"""The study of lab 02: reward models with and without margins, of several ranks and sizes, all on the same test pairs.

`reward_study_results` reads what came of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from ..formulas.statistics import pair_accuracy
from ..models.loading import load_base, load_tokenizer
from ..models.profiles import Profile
from ..preferences import Preference, load_preferences
from ..training.pretraining.base import BaseConfig, heldout_loss, train_base
from ..training.reward_model import score_texts, train_reward_model
from ..training.step_costs import step_costs
from .overoptimization import Proxy
from .runner import Experiment, short

Margin = Literal["none", "small", "large"]
MARGINS = MappingProxyType(  # strength -> m (Touvron et al. 2023, table 27)
    {"small": {4: 1.0, 3: 2 / 3, 2: 1 / 3, 1: 0.0}, "large": {4: 3.0, 3: 2.0, 2: 1.0, 1: 0.0}}
)
FULL = 0  # stands for full fine-tuning where a rank is asked for
OWN = ""  # the profile's own base model
COSTS = "costs"


@dataclass(frozen=True)
class Variant:
    """A reward model: its labels and seed, and in what it differs from a plain one. rank: of LoRA, or FULL."""

    labels: int
    seed: int
    rank: int
    margin: Margin = "none"
    base: str = OWN

    @property
    def name(self) -> str:
        method = f"rank {self.rank}" if self.rank != FULL else "full"
        base = f", base {self.base}" if self.base != OWN else ""
        return f"reward model, {self.labels} labels, margin {self.margin}, {method}{base}, seed {self.seed}"


@dataclass(frozen=True)
class Plan:
    """What a study holds. The default is what is shipped."""

    margin_labels: tuple[int, ...] = (1024,)  # for which each margin is tried
    labels: int = 1024  # of everything else that is tried for one number of labels
    ranks: tuple[int, ...] = (1, 4, 64)  # beside the profile's own, which the plain reward models have
    rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3)  # learning rates tried for full fine-tuning
    bases: tuple[BaseConfig, ...] = (  # as many steps for each weight as the shipped one had (Hoffmann et al. 2022)
        BaseConfig(hidden=32, intermediate=96, layers=2, heads=2, steps=83, copy_steps=497, warmup=8),
        BaseConfig(hidden=64, intermediate=192, layers=2, heads=2, steps=216, copy_steps=1297, warmup=22),
    )
    base_labels: tuple[int, ...] = (64, 256, 1024)
    seeds: int = 3
    pairs: int = 1000  # of the test split that every reward model is asked about
    timed: int = 8  # steps of every method that are timed


def name_of(config: BaseConfig) -> str:
    return f"{config.hidden}x{config.layers}"


@dataclass(frozen=True)
class RewardModels(Experiment):
    """What is in the study, and how each part of it is made."""

    FOLDER = "reward_study"
    profile: Profile
    plan: Plan = field(default_factory=Plan)
    place: Path | None = None

    @property
    def methods(self) -> list[int]:
        """The ranks, with the profile's own among them, and FULL."""
        return [*sorted({*self.plan.ranks, self.profile.lora_rank}), FULL]

    @property
    def variants(self) -> list[Variant]:
        """All reward models, each once."""
        plan, own = self.plan, self.profile.lora_rank
        kinds = [(labels, own, margin, OWN) for labels in plan.margin_labels for margin in ("none", *MARGINS)]
        kinds += [(plan.labels, rank, "none", OWN) for rank in self.methods]
        kinds += [(labels, own, "none", name_of(base)) for base in plan.bases for labels in plan.base_labels]
        return [Variant(*kind[:1], seed, *kind[1:]) for kind, seed in product(dict.fromkeys(kinds), range(plan.seeds))]

    @property
    def phases(self) -> list[list[str]]:
        rates = [f"rate, {rate:g}" for rate in self.plan.rates]
        bases = [f"base, {name}" for name in (*map(name_of, self.plan.bases), OWN)]
        needing = {variant.name: variant.rank == FULL or variant.base != OWN for variant in self.variants}
        first, then = ([name for name, needs in needing.items() if needs == wanted] for wanted in (False, True))
        return [[*first, *rates, *bases], then, [COSTS]]

    def make(self, part: str) -> None:
        what, _, rest = part.partition(", ")
        match what:
            case "reward model":
                content = self._reward_model(next(variant for variant in self.variants if variant.name == part))
            case "rate":
                content = self._tried(float(rest))
            case "base":
                content = self._base(rest)
            case _:
                content = self._costs()
        self.write(part, content)

    @property
    def _best(self) -> dict:
        """What was tried of full fine-tuning with the learning rate that was right about most validation pairs."""
        return max((self.read(f"rate, {rate:g}") for rate in self.plan.rates), key=lambda tried: tried["accuracy"])

    def _tried(self, rate: float) -> dict:
        """Full fine-tuning of the first seed with this learning rate: validation accuracy, margins on test pairs."""
        validation, test = load_preferences("validation"), load_preferences("test")[: self.plan.pairs]
        margins = self._margins(Variant(self.plan.labels, 0, FULL), [*validation, *test], rate)
        judged, kept = margins[: len(validation)], margins[len(validation) :]
        return {"rate": rate, "accuracy": pair_accuracy(judged, 0 * judged), "margins": short(kept)}

    def _reward_model(self, variant: Variant) -> list[float]:
        """Margins on the test pairs. Full fine-tuning of the first seed has been tried, with the best rate too."""
        if variant.rank == FULL and variant.seed == 0:
            return self._best["margins"]
        rate = self._best["rate"] if variant.rank == FULL else self.profile.reward_model.learning_rate
        return short(self._margins(variant, load_preferences("test")[: self.plan.pairs], rate))

    def _margins(self, variant: Variant, asked: Sequence[Preference], rate: float) -> np.ndarray:
        """Train a reward model; score of the chosen minus score of the rejected text of each pair that it is then asked
        about, in standard deviations of all these scores: (pairs,)."""
        profile, proxy = self._profile(variant), Proxy(variant.labels, variant.seed)
        model, _ = _result(
            train_reward_model(
                profile,
                proxy.pairs(load_preferences("train")),
                seed=variant.seed,
                stage=replace(profile.reward_model, steps=proxy.steps, learning_rate=rate),
                margins=MARGINS.get(variant.margin),
                full=variant.rank == FULL,
            )
        )
        tokenizer, prompts = load_tokenizer(profile), [row.prompt for row in asked]
        texts = [[row.chosen for row in asked], [row.rejected for row in asked]]
        scores = np.stack([score_texts(profile, model, tokenizer, prompts, side) for side in texts])
        return (scores[0] - scores[1]) / scores.std()

    def _profile(self, variant: Variant) -> Profile:
        base = {} if variant.base == OWN else {"base": str(self._base_folder(variant.base))}
        rank = {} if variant.rank == FULL else {"lora_rank": variant.rank}
        return replace(self.profile, **base, **rank)

    def _base_folder(self, name: str) -> Path:
        return self.folder / "bases" / name

    def _base(self, name: str) -> dict:
        """Train a base model, if it is not the profile's own: its size and its held-out losses, nats a token."""
        if name != OWN:
            config = next(config for config in self.plan.bases if name_of(config) == name)
            for _ in train_base(self._base_folder(name), config):
                pass
        profile = self._profile(Variant(0, 0, self.profile.lora_rank, base=name))
        model = load_base(profile, quantize=False)
        size = {"hidden": model.config.hidden_size, "layers": model.config.num_hidden_layers}
        losses = heldout_loss(model, load_tokenizer(profile))
        return {"base": name, **size, "parameters": model.num_parameters()} | losses

    def _costs(self) -> list[dict]:
        """What a step of every method costs."""
        profiles = [(self._profile(Variant(0, 0, rank)), rank == FULL) for rank in self.methods]
        measured = step_costs(profiles, load_preferences("train"), self.plan.timed)
        return [{"rank": rank} | asdict(costs) for rank, costs in zip(self.methods, measured, strict=True)]


def _result(stream: Iterator[dict]) -> Any:
    """Run a stream of records to its end; return what it returns."""
    while True:
        try:
            next(stream)
        except StopIteration as end:
            return end.value

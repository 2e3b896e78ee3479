"""The experiment of lab 02: reward models with and without margins, of several ranks and sizes, on the same test pairs.

`reward_models_results` reads what came of it.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar

import numpy as np

from ..formulas.statistics import pair_accuracy
from ..models.loading import load_base, load_tokenizer
from ..models.profiles import Profile
from ..preferences import Preference, load_preferences
from ..training.pretraining.base import BaseConfig, heldout_loss, train_base
from ..training.reward_model import score_texts, train_reward_model
from ..training.step_costs import step_costs
from .overoptimization import Proxy
from .runner import Experiment, file_name, rounded

T = TypeVar("T")
Margin = Literal["none", "small", "large"]
MARGINS = MappingProxyType(  # strength -> m (Touvron et al. 2023, table 27)
    {"small": {4: 1.0, 3: 2 / 3, 2: 1 / 3, 1: 0.0}, "large": {4: 3.0, 3: 2.0, 2: 1.0, 1: 0.0}}
)
FULL = 0  # stands for full fine-tuning where a rank is asked for
OWN = ""  # the profile's own base model


# --- Parts and plan -----------------------------------------------------------


@dataclass(frozen=True)
class Variant:
    """A reward model: its labels and seed, and in what it differs from a plain one; its margins on the test pairs."""

    labels: int
    seed: int
    rank: int  # of LoRA, or FULL
    margin: Margin = "none"
    base: str = OWN

    @property
    def file_name(self) -> str:
        """Of the part's file."""
        method = "full" if self.rank == FULL else f"rank {self.rank}"
        base = "" if self.base == OWN else f"base {self.base}"
        what = f"{self.labels} labels", f"margin {self.margin}", method, base
        return file_name("reward model", *what, f"seed {self.seed}")


@dataclass(frozen=True)
class LearningRate:
    """Full fine-tuning of the first seed with this learning rate: validation accuracy, margins on test pairs."""

    rate: float

    @property
    def file_name(self) -> str:
        """Of the part's file."""
        return file_name(f"rate {self.rate:g}")


@dataclass(frozen=True)
class BaseModel:
    """A base model, trained if it is not the profile's own: its size and its held-out losses, nats a token."""

    name: str

    @property
    def file_name(self) -> str:
        """Of the part's file."""
        return file_name("base", self.name or "own")


@dataclass(frozen=True)
class StepCosts:
    """What a training step of every method costs."""

    file_name = "costs"


Part = Variant | LearningRate | BaseModel | StepCosts


@dataclass(frozen=True)
class Plan:
    """What the experiment holds. The default is what is shipped."""

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
    """A base model's name: its width and its number of layers."""
    return f"{config.hidden}x{config.layers}"


@dataclass(frozen=True)
class RewardModels(Experiment[Part]):
    """What is in the experiment, and how each part of it is made."""

    NAME = "reward_models"
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
        margins: tuple[Margin, ...] = ("none", "small", "large")
        plain = [Variant(labels, 0, own, margin) for labels in plan.margin_labels for margin in margins]
        plain += [Variant(plan.labels, 0, rank) for rank in self.methods]
        plain += [Variant(labels, 0, own, base=name_of(base)) for base in plan.bases for labels in plan.base_labels]
        return [replace(variant, seed=seed) for variant, seed in product(dict.fromkeys(plain), range(plan.seeds))]

    @property
    def rates(self) -> list[LearningRate]:
        """The learning rates that are tried."""
        return [LearningRate(rate) for rate in self.plan.rates]

    @property
    def bases(self) -> list[BaseModel]:
        """All base models, the profile's own last."""
        return [*(BaseModel(name_of(config)) for config in self.plan.bases), BaseModel(OWN)]

    @property
    def phases(self) -> list[list[Part]]:
        """What needs nothing; reward models that need a learning rate or a base model; costs, measured undisturbed."""
        second = [variant for variant in self.variants if variant.rank == FULL or variant.base != OWN]
        first = [variant for variant in self.variants if variant not in second]
        return [[*first, *self.rates, *self.bases], [*second], [StepCosts()]]

    def make(self, part: Part) -> None:
        """Make one part and write it."""
        self.write(part, self._content(part))

    def _content(self, part: Part) -> Any:
        match part:
            case Variant():
                return self._reward_model(part)
            case LearningRate():
                return self._learning_rate(part)
            case BaseModel():
                return self._base(part)
            case StepCosts():
                return self._costs()

    @property
    def _best_rate(self) -> dict[str, Any]:
        """What was found with the learning rate that was right about most validation pairs."""
        return max(map(self.read, self.rates), key=lambda found: found["accuracy"])

    def _learning_rate(self, part: LearningRate) -> dict[str, Any]:
        validation, test = load_preferences("validation"), load_preferences("test")[: self.plan.pairs]
        margins = self._margins(Variant(self.plan.labels, 0, FULL), [*validation, *test], part.rate)
        judged, kept = margins[: len(validation)], margins[len(validation) :]
        return {"rate": part.rate, "accuracy": pair_accuracy(judged, 0 * judged), "margins": rounded(kept)}

    def _reward_model(self, variant: Variant) -> list[float]:
        """Margins on the test pairs. Full fine-tuning of the first seed was done for its learning rate already."""
        if variant.rank == FULL and variant.seed == 0:
            return self._best_rate["margins"]
        rate = self._best_rate["rate"] if variant.rank == FULL else self.profile.reward_model.learning_rate
        return rounded(self._margins(variant, load_preferences("test")[: self.plan.pairs], rate))

    def _margins(self, variant: Variant, asked: Sequence[Preference], rate: float) -> np.ndarray:
        """Train a reward model, and ask it about pairs: (pairs,).

        Score of the chosen minus score of the rejected text, in standard deviations of all these scores.
        """
        profile, proxy = self._profile(variant), Proxy(variant.labels, variant.seed)
        training = train_reward_model(
            profile,
            proxy.pairs(load_preferences("train")),
            seed=variant.seed,
            stage=replace(profile.reward_model, steps=proxy.steps, learning_rate=rate),
            margins=MARGINS.get(variant.margin),
            full=variant.rank == FULL,
        )
        model, _ = _result(training)
        tokenizer, prompts = load_tokenizer(profile), [row.prompt for row in asked]
        texts = [[row.chosen for row in asked], [row.rejected for row in asked]]
        scores = np.stack([score_texts(profile, model, tokenizer, prompts, side) for side in texts])
        return (scores[0] - scores[1]) / scores.std()

    def _profile(self, variant: Variant) -> Profile:
        """The profile on the variant's base model and with its rank."""
        profile = self.profile
        if variant.base != OWN:
            profile = replace(profile, base=str(self._base_folder(variant.base)))
        return profile if variant.rank == FULL else replace(profile, lora_rank=variant.rank)

    def _base_folder(self, name: str) -> Path:
        return self.folder / "bases" / name

    def _base(self, part: BaseModel) -> dict[str, Any]:
        if part.name != OWN:
            config = next(config for config in self.plan.bases if name_of(config) == part.name)
            for _ in train_base(self._base_folder(part.name), config):
                pass
        profile = self._profile(Variant(0, 0, self.profile.lora_rank, base=part.name))
        model = load_base(profile, quantize=False)
        size = {"hidden": model.config.hidden_size, "layers": model.config.num_hidden_layers}
        losses = heldout_loss(model, load_tokenizer(profile))
        return {"base": part.name, **size, "parameters": model.num_parameters()} | losses

    def _costs(self) -> list[dict[str, Any]]:
        profiles = [(self._profile(Variant(0, 0, rank)), rank == FULL) for rank in self.methods]
        measured = step_costs(profiles, load_preferences("train"), self.plan.timed)
        return [{"rank": rank} | asdict(costs) for rank, costs in zip(self.methods, measured, strict=True)]


def _result(stream: Generator[Any, None, T]) -> T:
    """Run a stream of records to its end; return what it returns."""
    while True:
        try:
            next(stream)
        except StopIteration as end:
            return end.value

"""The experiment of lab 05: reward models of many strengths, each optimized against by best-of-n and by PPO.

Training never sees the gold reward; it is noted beside. `overoptimization_results` reads what came of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..evaluation.policies import sample
from ..evaluation.reward_models import pair_scores
from ..models.generation import pad_left
from ..models.loading import prompt_ids
from ..models.profiles import Profile
from ..models.reward_scale import RewardScale
from ..models.shared_base import REFERENCE, SharedBase
from ..preferences import Preference, load_preferences, read_prompts
from ..runs.artifacts import Artifacts
from ..simulation.gold import gold_reward
from ..training.ppo_config import PPOConfig
from ..training.reward_model import train_reward_model
from ..training.rewards import Reward, weighted_sum
from ..training.train_ppo import train_ppo
from .runner import Experiment, file_name, rounded

KEPT_TEXTS = 8  # prompts of which the texts of every policy are kept
LENGTH_PENALTY = 0.05  # sd of the reward model a word

Kind = tuple[int, float]  # labels, and which part of them is flipped
Shape = Literal["", "ensemble", "length penalty"]
Training = Generator[dict[str, float], None, tuple[nn.Module, RewardScale]]


@dataclass(frozen=True)
class Proxy:
    """A reward model: how many labels it was trained on, which part of them was flipped, and its seed."""

    labels: int
    seed: int
    noise: float = 0.0

    @property
    def name(self) -> str:
        """Its own part of a file's name."""
        return file_name(f"{self.labels} labels", f"noise {self.noise:g}" if self.noise else "", f"seed {self.seed}")

    @property
    def steps(self) -> int:
        """Optimizer steps of its training."""
        return steps_for(self.labels)

    def pairs(self, rows: Sequence[Preference]) -> list[Preference]:
        """Its labels, drawn from `rows`; with noise, chosen and rejected are exchanged in so many."""
        rng = random.Random(self.seed)
        drawn = rng.sample(list(rows), self.labels)
        return [_flipped(row) if rng.random() < self.noise else row for row in drawn]

    def train(self, profile: Profile, folder: Path) -> Training:
        """Train it and write it into `folder`; yields and returns as `train_reward_model`."""
        return train_proxy(profile, self.pairs(load_preferences("train")), self.seed, self.steps, folder)


def steps_for(labels: int) -> int:
    """Three times over the labels in batches of 32, but at least 40 steps: fewer do not leave the start."""
    return max(40, 3 * labels // 32)


def train_proxy(profile: Profile, pairs: Sequence[Preference], seed: int, steps: int, folder: Path) -> Training:
    """Train a reward model on `pairs` and write it into `folder`; yields and returns as `train_reward_model`."""
    # One scale for all: normalized on the same texts, and not on the labels that each was trained on.
    validation = load_preferences("validation")[:256]
    reference = [(row.prompt, text) for row in validation for text in (row.chosen, row.rejected)]
    return train_reward_model(profile, pairs, seed=seed, steps=steps, reference=reference, output=folder)


def _flipped(row: Preference) -> Preference:
    return replace(row, chosen=row.rejected, rejected=row.chosen)


# --- Parts and plan -----------------------------------------------------------


@dataclass(frozen=True)
class RewardModel:
    """A proxy, trained, in a folder of its own; in the file: its margins.

    These are the score of the chosen minus the score of the rejected text of every test pair.
    """

    proxy: Proxy

    @property
    def file_name(self) -> str:
        """Of the part's file."""
        return file_name("reward model", self.proxy.name)


@dataclass(frozen=True)
class SamplePool:
    """Samples of the SFT policy for every held-out prompt: prompt, completions and their gold rewards."""

    file_name = "pool"


@dataclass(frozen=True)
class PoolScores:
    """A proxy's scores of the whole pool."""

    proxy: Proxy

    @property
    def file_name(self) -> str:
        """Of the part's file."""
        return file_name("scores", self.proxy.name)


@dataclass(frozen=True)
class Run:
    """A run of PPO against a proxy.

    The shape is "ensemble" for the lowest score of all seeds' reward models of the kind, and "length penalty" for
    LENGTH_PENALTY off the score for each word.
    """

    proxy: Proxy
    beta: float = 0.0
    shape: Shape = ""

    @property
    def file_name(self) -> str:
        """Of the part's file."""
        return file_name("ppo", self.proxy.name, f"beta {self.beta:g}", self.shape)


Part = RewardModel | SamplePool | PoolScores | Run


@dataclass(frozen=True)
class Plan:
    """What the experiment holds. The default is what is shipped."""

    labels: tuple[int, ...] = (64, 256, 1024, 8000)
    noisy: tuple[Kind, ...] = ((1024, 0.25),)
    remedied: int = 64  # labels of the reward model on which the remedies are tried
    betas: tuple[float, ...] = (0.05, 0.2)  # KL coefficients as a remedy; all else is trained at 0
    seeds: int = 3
    updates: int = 80
    every: int = 8  # updates from one measurement of the policy to the next
    prompts: int = 64  # held out, for every measurement
    pool: int = 256  # samples of each, for best-of-n

    @property
    def proxies(self) -> list[Proxy]:
        """All reward models."""
        kinds = [(n, 0.0) for n in self.labels] + list(self.noisy)
        return [Proxy(n, seed, noise) for (n, noise), seed in product(kinds, range(self.seeds))]

    @property
    def runs(self) -> list[Run]:
        """All runs of PPO: against each reward model, then with each remedy."""
        remedied = [Proxy(self.remedied, seed) for seed in range(self.seeds)]
        shapes: tuple[Shape, ...] = ("ensemble", "length penalty")
        penalized = [Run(proxy, beta) for beta, proxy in product(self.betas, remedied)]
        shaped = [Run(proxy, shape=shape) for shape, proxy in product(shapes, remedied)]
        return [*map(Run, self.proxies), *penalized, *shaped]

    @property
    def heldout(self) -> list[str]:
        """The prompts of every measurement."""
        return [row.prompt for row in read_prompts("heldout")][: self.prompts]


@dataclass(frozen=True)
class Overoptimization(Experiment[Part]):
    """What is in the experiment, and how each part of it is made."""

    NAME = "overoptimization"
    profile: Profile
    plan: Plan = field(default_factory=Plan)
    place: Path | None = None

    @property
    def phases(self) -> list[list[Part]]:
        """Reward models and pool; the pool's scores; the runs of PPO."""
        proxies = self.plan.proxies
        return [[*map(RewardModel, proxies), SamplePool()], [*map(PoolScores, proxies)], [*self.plan.runs]]

    def make(self, part: Part) -> None:
        """Make one part and write it."""
        self.write(part, self._content(part))

    def _content(self, part: Part) -> list[Any]:
        match part:
            case RewardModel(proxy):
                return self._reward_model(proxy)
            case SamplePool():
                return self._pool()
            case PoolScores(proxy):
                return self._scores(proxy)
            case Run():
                return self._ppo(part)

    def _load(self, proxy: Proxy | None = None) -> SharedBase:
        sft = Artifacts(self.profile.name).find("sft").path
        if proxy is None:
            return SharedBase.load(self.profile, sft=sft)
        return SharedBase.load(self.profile, sft=sft, reward=self.model_folder(RewardModel(proxy)), seed=proxy.seed)

    def _reward_model(self, proxy: Proxy) -> list[float]:
        for _ in proxy.train(self.profile, self.model_folder(RewardModel(proxy))):
            pass
        scores = pair_scores(self._load(proxy), load_preferences("test"))
        return rounded(scores["chosen"] - scores["rejected"])

    def _pool(self) -> list[dict]:
        shared = self._load()
        generator, rows = torch.Generator().manual_seed(0), []
        for prompt in self.plan.heldout:
            ids = pad_left(prompt_ids(self.profile, shared.tokenizer, [prompt]), shared.pad_id, shared.device)
            uniforms = torch.rand(self.plan.pool, self.profile.max_response_tokens, generator=generator)
            drawn, _ = shared.sample(ids.expand(self.plan.pool, -1), uniforms.to(shared.device), REFERENCE)
            completions = shared.tokenizer.batch_decode(drawn, skip_special_tokens=True)
            gold = [round(gold_reward(prompt, text), 3) for text in completions]
            rows.append({"prompt": prompt, "completions": completions, "gold": gold})
        return rows

    def _scores(self, proxy: Proxy) -> list[list[float]]:
        shared, rows = self._load(proxy), self.read(SamplePool())
        scores = [shared.reward([row["prompt"]] * len(row["completions"]), row["completions"]) for row in rows]
        return [rounded(row) for row in scores]

    def _ppo(self, run: Run) -> list[dict]:
        """The policy on the held-out prompts, every so many updates.

        Update, mean KL and share that ended; gold reward, words and each seed's proxy score of every completion; and
        some of the texts.
        """
        judges = [self._load(replace(run.proxy, seed=seed)) for seed in range(self.plan.seeds)]
        shared = judges[run.proxy.seed]
        rewards = [judge.reward for judge in judges]
        config = PPOConfig.of(self.profile, seed=run.proxy.seed, beta=run.beta, updates=self.plan.updates)
        prompts, reward = [row.prompt for row in read_prompts("train")], _shaped(run.shape, rewards, run.proxy.seed)
        rows = []
        for record in train_ppo(shared, prompts, reward, config):
            if record["step"] % self.plan.every and record["step"] != self.plan.updates:
                continue
            frame = sample(shared, self.plan.heldout, seed=record["step"])
            asked, texts = frame["prompt"].tolist(), frame["completion"].tolist()
            rows.append(
                {
                    "update": record["step"],
                    "kl": round(frame["kl"].mean(), 4),
                    "ended": frame["ended"].mean(),
                    "gold": rounded(frame["gold"]),
                    "proxies": [rounded(judge.reward(asked, texts)) for judge in judges],
                    "words": frame["words"].tolist(),
                    "completions": texts[:KEPT_TEXTS],
                }
            )
        return rows


def _shaped(shape: Shape, rewards: Sequence[Callable[[Sequence[str], Sequence[str]], Tensor]], seed: int) -> Reward:
    if shape == "ensemble":
        return lambda prompts, texts: torch.stack([reward(prompts, texts) for reward in rewards]).amin(dim=0)
    if shape == "length penalty":
        return weighted_sum((1.0, rewards[seed]), (-LENGTH_PENALTY, _words))
    return rewards[seed]


def _words(prompts: Sequence[str], texts: Sequence[str]) -> list[float]:
    return [len(text.split()) for text in texts]

"""The sweep of lab 05: reward models of many strengths, each pressed by best-of-n and by PPO, and what gold says.

Training never sees the gold reward; it is noted beside. `sweep_results` reads what came of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Literal

import torch

from ..evaluation.policies import sample
from ..evaluation.reward_models import pair_scores
from ..models.generation import pad_left
from ..models.loading import prompt_ids
from ..models.profiles import Profile
from ..models.shared_base import REFERENCE, SharedBase
from ..preferences import Preference, load_preferences, read_prompts
from ..runs.artifacts import Artifacts
from ..simulation.gold import gold_reward
from ..training.ppo_config import PPOConfig
from ..training.reward_model import train_reward_model
from ..training.rewards import Reward, weighted_sum
from ..training.train_ppo import train_ppo
from .runner import Experiment, short

READ = 8  # prompts of which the texts of every policy are kept
LENGTH_PENALTY = 0.05  # the length penalty, sd of the reward model a word

Kind = tuple[int, float]  # labels, and which part of them is turned round
Shape = Literal["", "ensemble", "length penalty"]


@dataclass(frozen=True)
class Proxy:
    """A reward model: how many labels it was trained on, which part of them was turned round, and its seed."""

    labels: int
    seed: int
    noise: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.labels}-labels{f'-noise-{self.noise:g}' if self.noise else ''}-seed-{self.seed}"

    @property
    def steps(self) -> int:
        return steps_for(self.labels)

    def pairs(self, rows: Sequence[Preference]) -> list[Preference]:
        """Its labels, drawn from `rows`; with noise, chosen and rejected are exchanged in so many."""
        rng = random.Random(self.seed)
        drawn = rng.sample(list(rows), self.labels)
        return [_flipped(row) if rng.random() < self.noise else row for row in drawn]

    def train(self, profile: Profile, folder: Path) -> Iterator[dict]:
        """Train it and write it into `folder`; yields and returns as `train_reward_model`."""
        return train_proxy(profile, self.pairs(load_preferences("train")), self.seed, self.steps, folder)


def steps_for(labels: int) -> int:
    """Three times over the labels in batches of 32, but at least 40 steps: fewer do not leave the start."""
    return max(40, 3 * labels // 32)


def train_proxy(profile: Profile, pairs: Sequence[Preference], seed: int, steps: int, folder: Path) -> Iterator[dict]:
    """Train a reward model on `pairs` and write it into `folder`; yields and returns as `train_reward_model`."""
    # One scale for all: normalized on the same texts, and not on the labels that each has seen.
    validation = load_preferences("validation")[:256]
    reference = [(row.prompt, text) for row in validation for text in (row.chosen, row.rejected)]
    return train_reward_model(profile, pairs, seed=seed, steps=steps, reference=reference, output=folder)


def _flipped(row: Preference) -> Preference:
    return replace(row, chosen=row.rejected, rejected=row.chosen)


@dataclass(frozen=True)
class Run:
    """A run of PPO against a proxy.

    shape: "ensemble" for the lowest score of all seeds' reward models of the kind, "length penalty" for
    LENGTH_PENALTY off the score for each word.
    """

    proxy: Proxy
    beta: float = 0.0
    shape: Shape = ""

    @property
    def name(self) -> str:
        return f"ppo, {self.proxy.name}, beta {self.beta:g}{f', {self.shape}' if self.shape else ''}"


@dataclass(frozen=True)
class Plan:
    """What a sweep holds. The default is what is shipped."""

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
        kinds = [(n, 0.0) for n in self.labels] + list(self.noisy)
        return [Proxy(n, seed, noise) for (n, noise), seed in product(kinds, range(self.seeds))]

    @property
    def runs(self) -> list[Run]:
        remedied = [Proxy(self.remedied, seed) for seed in range(self.seeds)]
        penalized = [Run(proxy, beta) for beta, proxy in product(self.betas, remedied)]
        shaped = [Run(proxy, shape=shape) for shape, proxy in product(("ensemble", "length penalty"), remedied)]
        return [*map(Run, self.proxies), *penalized, *shaped]

    @property
    def heldout(self) -> list[str]:
        return [row.prompt for row in read_prompts("heldout")][: self.prompts]


@dataclass(frozen=True)
class Overoptimization(Experiment):
    """What is in a sweep, and how each part of it is made."""

    FOLDER = "sweep"
    profile: Profile
    plan: Plan = field(default_factory=Plan)
    place: Path | None = None

    @property
    def phases(self) -> list[list[str]]:
        names = [proxy.name for proxy in self.plan.proxies]
        rewards, measured = [f"reward model, {name}" for name in names], ("scores", "margins")
        return [
            rewards + ["pool"],
            [f"{what}, {name}" for name in names for what in measured],
            [run.name for run in self.plan.runs],
        ]

    def path(self, part: str) -> Path:
        return super().path(f"{part}/reward" if part.startswith("reward model, ") else part)

    def make(self, part: str) -> None:
        proxies = {proxy.name: proxy for proxy in self.plan.proxies}
        match part.split(", "):
            case "reward model", name:
                for _ in proxies[name].train(self.profile, self.path(part).parent):
                    pass
                return
            case "scores", name:
                content = self._scores(proxies[name])
            case "margins", name:
                content = self._margins(proxies[name])
            case ["pool"]:
                content = self._pool()
            case _:
                content = self._ppo(next(run for run in self.plan.runs if run.name == part))
        self.write(part, content)

    def _load(self, proxy: Proxy | None = None) -> SharedBase:
        reward = proxy and self.path(f"reward model, {proxy.name}").parent
        sft = Artifacts(self.profile.name).find("sft").path
        return SharedBase.load(self.profile, sft=sft, reward=reward, seed=proxy.seed if proxy else 0)

    def _pool(self) -> list[dict]:
        """Samples of the SFT policy: prompt, completions and their gold rewards."""
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
        """The proxy's scores of the whole pool."""
        shared = self._load(proxy)
        scores = [
            shared.reward([row["prompt"]] * len(row["completions"]), row["completions"]) for row in self.read("pool")
        ]
        return [short(row) for row in scores]

    def _margins(self, proxy: Proxy) -> list[float]:
        """Score of the chosen minus score of the rejected text of every test pair."""
        scores = pair_scores(self._load(proxy), load_preferences("test"))
        return short(scores["chosen"] - scores["rejected"])

    def _ppo(self, run: Run) -> list[dict]:
        """The policy on the held-out prompts, every so many updates: its update, mean KL and share that ended; gold
        reward, words and each seed's proxy score of every completion; and some of the texts."""
        judges = [self._load(replace(run.proxy, seed=seed)) for seed in range(self.plan.seeds)]
        shared = judges[run.proxy.seed]
        rewards = [judge.reward for judge in judges]
        config = PPOConfig.of(self.profile, seed=run.proxy.seed, beta=run.beta, updates=self.plan.updates)
        rows = []
        for record in train_ppo(
            shared, [row.prompt for row in read_prompts("train")], _shaped(run.shape, rewards, run.proxy.seed), config
        ):
            if record["step"] % self.plan.every and record["step"] != self.plan.updates:
                continue
            frame = sample(shared, self.plan.heldout, seed=record["step"])
            prompts, texts = frame["prompt"].tolist(), frame["completion"].tolist()
            rows.append(
                {
                    "update": record["step"],
                    "kl": round(frame["kl"].mean(), 4),
                    "ended": frame["ended"].mean(),
                    "gold": short(frame["gold"]),
                    "proxies": [short(reward(prompts, texts)) for reward in rewards],
                    "words": frame["words"].tolist(),
                    "completions": texts[:READ],
                }
            )
        return rows


def _shaped(shape: Shape, rewards: Sequence[Reward], seed: int) -> Reward:
    if shape == "ensemble":
        return lambda prompts, texts: torch.stack([reward(prompts, texts) for reward in rewards]).amin(dim=0)
    if shape == "length penalty":
        return weighted_sum((1.0, rewards[seed]), (-LENGTH_PENALTY, _words))
    return rewards[seed]


def _words(prompts: Sequence[str], texts: Sequence[str]) -> list[float]:
    return [len(text.split()) for text in texts]

"""The sweep of lab 05: reward models of many strengths, each pressed by best-of-n and by PPO, and what gold says.

Its parts are written one by one, as JSON, into a folder of `runs/`; a sweep that was stopped goes on after the last
whole one. Training never sees the gold reward; it is noted beside.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from . import files
from .artifacts import Artifacts
from .evaluation import Judged
from .models.generation import pad_left
from .models.loading import prompt_ids
from .models.profiles import Profile
from .models.roles import REFERENCE, SharedBase
from .overoptimisation import best_of_n_means
from .preferences import Preference, load_preferences, read_prompts
from .simulation.gold import gold_reward
from .training.ppo import PPOConfig, train_ppo
from .training.reward_model import train_reward_model

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)  # of best-of-n


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
        """Three times over the labels in batches of 32, but at least 40 steps: fewer do not leave the start."""
        return max(40, 3 * self.labels // 32)

    def pairs(self, rows: Sequence[Preference]) -> list[Preference]:
        """Its labels, drawn from `rows`; with noise, chosen and rejected are exchanged in so many."""
        rng = random.Random(self.seed)
        drawn = rng.sample(list(rows), self.labels)
        return [_turned(row) if rng.random() < self.noise else row for row in drawn]


def _turned(row: Preference) -> Preference:
    return replace(row, chosen=row.rejected, rejected=row.chosen)


@dataclass(frozen=True)
class Plan:
    """What a sweep holds. The default is what is shipped."""

    labels: tuple[int, ...] = (64, 256, 1024, 8000)
    noisy: tuple[tuple[int, float], ...] = ((1024, 0.25),)  # labels, noise
    seeds: int = 3
    betas: tuple[float, ...] = (0.0, 0.05)
    updates: int = 60
    prompts: int = 64  # held out, for best-of-n
    pool: int = 256  # samples of each

    @property
    def proxies(self) -> list[Proxy]:
        kinds = [(n, 0.0) for n in self.labels] + list(self.noisy)
        return [Proxy(n, seed, noise) for seed in range(self.seeds) for n, noise in kinds]


def sweep(
    profile: Profile, plan: Plan = Plan(), folder: Path | None = None, share: tuple[int, int] = (1, 1)
) -> Iterator[dict]:
    """Make every part that `folder` (default: in `runs/`) lacks; yields {"part", "made"} for each, in their order.

    share: (2, 3) for the second of three processes that do it together, each for its own reward models.
    """
    folder = folder or files.RUNS / profile.name / "sweep"
    number, of = share
    proxies = plan.proxies[number - 1 :: of]
    for proxy in proxies:
        made = not (folder / proxy.name / "reward.json").is_file()
        if made:
            _train(profile, proxy, folder / proxy.name)
        yield {"part": f"reward model, {proxy.name}", "made": made}
    yield _part(folder, "pool", lambda: _pool(profile, plan))
    for proxy in proxies:
        yield _part(folder, f"best-of-n, {proxy.name}", lambda proxy=proxy: _best_of_n(profile, plan, folder, proxy))
    for proxy in proxies:
        for beta in plan.betas:
            yield _part(
                folder,
                f"ppo, {proxy.name}, beta {beta:g}",
                lambda proxy=proxy, beta=beta: _ppo(profile, plan, folder, proxy, beta),
            )


def _part(folder: Path, name: str, make: Callable[[], Any]) -> dict:
    path = folder / f"{name}.json"
    made = not path.is_file()
    if made:
        files.atomic_write(path, json.dumps(make(), ensure_ascii=False) + "\n")
    return {"part": name, "made": made}


def read_part(folder: Path, name: str) -> Any:
    """What the sweep wrote of a part."""
    return json.loads((folder / f"{name}.json").read_text("utf-8"))


def _train(profile: Profile, proxy: Proxy, folder: Path) -> None:
    pairs = proxy.pairs(load_preferences("train"))
    # One scale for all: normalised on the same texts, and not on the labels that each has seen.
    reference = [(row.prompt, text) for row in load_preferences("validation") for text in (row.chosen, row.rejected)]
    for _ in train_reward_model(
        profile, pairs, seed=proxy.seed, steps=proxy.steps, reference=reference[:512], output=folder
    ):
        pass


def _load(profile: Profile, reward: Path, seed: int = 0) -> SharedBase:
    return SharedBase.load(profile, sft=Artifacts(profile.name).find("sft").path, reward=reward, seed=seed)


def _pool(profile: Profile, plan: Plan) -> list[dict]:
    """Samples of the SFT policy: prompt, completions and their gold rewards."""
    shared = SharedBase.load(profile, sft=Artifacts(profile.name).find("sft").path)
    generator, rows = torch.Generator().manual_seed(0), []
    for prompt in [row.prompt for row in read_prompts("heldout")][: plan.prompts]:
        ids = pad_left(prompt_ids(profile, shared.tokenizer, [prompt]), shared.pad_id, shared.device)
        uniforms = torch.rand(plan.pool, profile.max_response_tokens, generator=generator)
        drawn, _ = shared.sample(ids.expand(plan.pool, -1), uniforms.to(shared.device), REFERENCE)
        completions = shared.tokenizer.batch_decode(drawn, skip_special_tokens=True)
        gold = [round(gold_reward(prompt, text), 4) for text in completions]
        rows.append({"prompt": prompt, "completions": completions, "gold": gold})
    return rows


def _best_of_n(profile: Profile, plan: Plan, folder: Path, proxy: Proxy) -> dict:
    """By n: proxy and gold reward of the best by the proxy, for each prompt; and some of the texts."""
    shared, pool = _load(profile, folder / proxy.name), read_part(folder, "pool")
    scores = [shared.reward([row["prompt"]] * len(row["completions"]), row["completions"]).tolist() for row in pool]
    gold = [row["gold"] for row in pool]
    sizes = [n for n in SIZES if n <= plan.pool]
    chosen = [max(range(len(row)), key=row.__getitem__) for row in scores]
    samples = []
    for row, i in zip(pool[:8], chosen, strict=False):
        texts = {"prompt": row["prompt"], "first": row["completions"][0], "best": row["completions"][i]}
        samples.append(texts | {"first_gold": row["gold"][0], "best_gold": row["gold"][i]})
    return {
        "sizes": sizes,
        "proxy": best_of_n_means(scores, scores, sizes).round(4).tolist(),
        "gold": best_of_n_means(scores, gold, sizes).round(4).tolist(),
        "samples": samples,
    }


def _ppo(profile: Profile, plan: Plan, folder: Path, proxy: Proxy, beta: float) -> list[dict]:
    """By update: KL, proxy and gold reward of its rollouts, and two of them."""
    shared = _load(profile, folder / proxy.name, proxy.seed)
    judged = Judged(shared)
    config = PPOConfig.of(profile, seed=proxy.seed, beta=beta, updates=plan.updates)
    rows = []
    for record in train_ppo(shared, [row.prompt for row in read_prompts("train")], judged, config):
        gold = judged.gold[-1]
        samples = [s | {"gold": round(g, 3)} for s, g in zip(record["samples"][:2], gold, strict=False)]
        numbers = {"kl": record["kl"], "proxy": record["reward"], "gold": sum(gold) / len(gold)}
        rows.append(
            {"update": record["step"], **{k: round(v, 4) for k, v in numbers.items()}, "ended": record["ended"]}
            | {"response_tokens": round(record["response_tokens"], 2), "samples": samples}
        )
    return rows

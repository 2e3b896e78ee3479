"""The whole sequence in one call: SFT, reward model, PPO, and the headline numbers of each, with intervals."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from ..evaluation.baselines import length_baseline, length_margins
from ..evaluation.policies import gold_gain, sample
from ..evaluation.reward_models import accuracy, accuracy_gain, best_possible, pair_scores
from ..formulas.statistics import Interval, bootstrap_interval, win_rate
from ..models.profiles import Profile
from ..models.shared_base import BASE, POLICY, REFERENCE
from ..preferences import load_preferences, read_prompts
from ..training.ppo_config import PPOConfig
from . import stages
from .artifacts import Artifacts
from .streams import Record, map_records

Result = TypeVar("Result")


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 4)


def _limits(interval: Interval) -> list[float]:
    return [_rounded(interval.low), _rounded(interval.high)]


def measure_reward_model(profile: Profile) -> dict[str, Any]:
    """Accuracy on the test split against the best possible and against the length-only baseline."""
    pairs = load_preferences("test")
    scores = pair_scores(stages.load_shared(profile), pairs)
    right = accuracy(scores["chosen"], scores["rejected"])
    train = load_preferences("train")
    baseline = length_baseline(train, pairs)
    gain = accuracy_gain(scores["chosen"] - scores["rejected"], length_margins(train, pairs))
    best = best_possible(pairs)
    return {
        "accuracy": _rounded(right.estimate),
        "accuracy_interval": _limits(right),
        "best_possible_accuracy": _rounded(best),
        "share_of_best_possible": _rounded(right.estimate / best),
        "length_baseline_accuracy": _rounded(baseline.estimate),
        "length_baseline_interval": _limits(baseline),
        "above_length_baseline_interval": _limits(gain),
        "n_pairs": right.n,
    }


def run(
    profile: Profile, *, seed: int = 0, seeds: int = 1, n_prompts: int | None = None, reuse: bool = False
) -> Generator[Record, None, dict[str, Any]]:
    """SFT, reward model, then PPO for some seeds; every model is sampled on the held-out prompts.

    The artifacts (of PPO: the first seed's) are left in `runs/`.

    Args:
        profile: the model.
        seed: the first seed, and the one of SFT and reward model.
        seeds: number of PPO runs, each with the next seed.
        n_prompts: held-out prompts; default: all.
        reuse: whether to take an SFT adapter or reward model that is there as it is (your own, else the shipped one);
            it then has no "seconds".

    Yields:
        Every stage's records with a "stage" (sft, reward_model, ppo, evaluate), PPO's with "seed".

    Returns:
        The headline numbers as one nested dict, ready for JSON.
    """
    started = time.perf_counter()
    seconds: dict[str, float] = {}

    def timed(name: str, training: Generator[Record, None, Result], **more: int) -> Generator[Record, None, Result]:
        begin = time.perf_counter()
        result = yield from map_records(training, lambda record: {"stage": name, **more, **record})
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - begin
        return result

    store = Artifacts(profile.name)
    for name, stage in (("sft", stages.sft), ("reward_model", stages.reward_model)):
        if reuse and store.has(name):
            continue
        yield from timed(name, stage(profile, seed=seed))
    reward_model = measure_reward_model(profile)
    prompts = [row.prompt for row in read_prompts("heldout")][:n_prompts]

    samples: dict[str, list[pd.DataFrame]] = {"base": [], "sft": [], "ppo": []}
    for ppo_seed in range(seed, seed + seeds):
        config = PPOConfig.of(profile, seed=ppo_seed)
        training = stages.ppo(profile, config=config, save=ppo_seed == seed)
        shared = yield from timed("ppo", training, seed=ppo_seed)
        for name, role in (("base", BASE), ("sft", REFERENCE), ("ppo", POLICY)):
            frame = sample(shared, prompts, role, seed=ppo_seed)
            samples[name].append(frame)
            yield {"stage": "evaluate", "seed": ppo_seed, "model": name, "gold": frame["gold"].mean()}

    seconds["total"] = time.perf_counter() - started
    return {
        "profile": profile.name,
        "seed": seed,
        "seeds": seeds,
        "n_prompts": len(prompts),
        "reward_model": reward_model,
        **_policy_numbers(samples),
        "seconds": {name: round(value, 1) for name, value in seconds.items()}
        | {"ppo_per_seed": round(seconds["ppo"] / seeds, 1)},
    }


def _policy_numbers(samples: dict[str, list[pd.DataFrame]]) -> dict[str, Any]:
    """The headline numbers of base, SFT and PPO model; `samples` holds a frame a seed of each."""

    def mean(name: str, column: str) -> float:
        return _rounded(np.mean([frame[column].mean() for frame in samples[name]]))

    def by_seed(name: str, column: str = "gold") -> np.ndarray:
        """All values of a column: (seeds, prompts)."""
        return np.array([frame[column] for frame in samples[name]])

    gain = gold_gain(by_seed("ppo"), by_seed("sft"))
    gains = (by_seed("ppo") - by_seed("sft")).mean(axis=1)
    intervals = {f"{name}_interval": _limits(bootstrap_interval(by_seed(name).mean(axis=0))) for name in samples}
    return {
        "gold": {
            **{name: mean(name, "gold") for name in samples},
            "gain": _rounded(gain.estimate),
            "gain_interval": _limits(gain),
            "gain_by_seed": [_rounded(value) for value in gains],
            **intervals,
        },
        "proxy": {name: mean(name, "proxy") for name in samples},
        "win_rate": {
            f"{a}_over_{b}": _rounded(win_rate(by_seed(a).ravel(), by_seed(b).ravel()).estimate)
            for a, b in (("sft", "base"), ("ppo", "sft"), ("ppo", "base"))
        },
        "kl": mean("ppo", "kl"),
        "kl_by_seed": [_rounded(frame["kl"].mean()) for frame in samples["ppo"]],
    }

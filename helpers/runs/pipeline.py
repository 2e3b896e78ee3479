"""The whole sequence in one call: SFT, reward model, PPO, and the headline numbers of each, with intervals."""

import time
from collections.abc import Iterator

import numpy as np

from . import stages
from .artifacts import Artifacts
from ..evaluation.reward_models import accuracy, accuracy_gain, best_possible, pair_scores
from ..evaluation.policies import gold_gain, sample
from ..evaluation.baselines import length_baseline, length_margins
from ..models.profiles import Profile
from ..models.shared_base import BASE, POLICY, REFERENCE
from ..preferences import load_preferences, read_prompts
from ..formulas.statistics import Interval, bootstrap_interval, win_rate
from ..training.ppo_config import PPOConfig


def _rounded(value: float) -> float:
    return round(float(value), 4)


def _limits(interval: Interval) -> list[float]:
    return [_rounded(interval.low), _rounded(interval.high)]


def measure_reward_model(profile: Profile) -> dict:
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
) -> Iterator[dict]:
    """SFT, reward model, then PPO for `seeds` seeds from `seed` on; every model sampled on the held-out prompts.

    Yields every stage's records with a "stage" (sft, reward_model, ppo, evaluate), PPO's with "seed"; returns the
    headline numbers as one nested dict, ready for JSON. The artifacts (of PPO: the first seed's) are left in `runs/`.
    With `reuse`, an SFT adapter or reward model that is there is taken as it is (your own, else the shipped one), and
    has no "seconds".
    """
    started = time.perf_counter()
    seconds: dict[str, float] = {}

    def timed(name: str, stream: Iterator[dict], **more):
        begin = time.perf_counter()
        try:
            while True:
                yield {"stage": name, **more, **next(stream)}
        except StopIteration as end:
            seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - begin
            return end.value

    store = Artifacts(profile.name)
    for name, stage in (("sft", stages.sft), ("reward_model", stages.reward_model)):
        if reuse and store.has(name):
            continue
        yield from timed(name, stage(profile, seed=seed))
    reward_model = measure_reward_model(profile)
    prompts = [row.prompt for row in read_prompts("heldout")][:n_prompts]

    frames: dict[str, list] = {"base": [], "sft": [], "ppo": []}
    for ppo_seed in range(seed, seed + seeds):
        config = PPOConfig.of(profile, seed=ppo_seed)
        training = stages.ppo(profile, config=config, save=ppo_seed == seed)
        shared = yield from timed("ppo", training, seed=ppo_seed)
        for name, role in (("base", BASE), ("sft", REFERENCE), ("ppo", POLICY)):
            frames[name].append(sample(shared, prompts, role, seed=ppo_seed))
            yield {"stage": "evaluate", "seed": ppo_seed, "model": name, "gold": frames[name][-1]["gold"].mean()}

    def mean(name: str, column: str) -> float:
        return _rounded(np.mean([frame[column].mean() for frame in frames[name]]))

    def by_seed(name: str, column: str) -> np.ndarray:
        return np.array([frame[column] for frame in frames[name]])

    gain = gold_gain(by_seed("ppo", "gold"), by_seed("sft", "gold"))
    seconds["total"] = time.perf_counter() - started
    return {
        "profile": profile.name,
        "seed": seed,
        "seeds": seeds,
        "n_prompts": len(prompts),
        "reward_model": reward_model,
        "gold": {name: mean(name, "gold") for name in frames}
        | {
            "gain": _rounded(gain.estimate),
            "gain_interval": _limits(gain),
            "gain_by_seed": [_rounded(d) for d in (by_seed("ppo", "gold") - by_seed("sft", "gold")).mean(axis=1)],
        }
        | {f"{name}_interval": _limits(bootstrap_interval(by_seed(name, "gold").mean(axis=0))) for name in frames},
        "proxy": {name: mean(name, "proxy") for name in frames},
        "win_rate": {
            f"{a}_over_{b}": _rounded(win_rate(by_seed(a, "gold").ravel(), by_seed(b, "gold").ravel()).estimate)
            for a, b in (("sft", "base"), ("ppo", "sft"), ("ppo", "base"))
        },
        "kl": mean("ppo", "kl"),
        "kl_by_seed": [_rounded(frame["kl"].mean()) for frame in frames["ppo"]],
        "seconds": {name: round(value, 1) for name, value in seconds.items()}
        | {"ppo_per_seed": round(seconds["ppo"] / seeds, 1)},
    }

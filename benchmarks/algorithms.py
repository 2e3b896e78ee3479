"""PPO, REINFORCE and TRL's RLOO and GRPO in the small world: the same policy, reward, rollouts and settings for all.

    python -m benchmarks.algorithms [--seeds 3] [--json FILE]

Nothing else should run meanwhile; about seven minutes a seed on two cores. Every method takes 40 updates of 32 rollouts
from the SFT policy, pays the same KL coefficient, and has the learning rate that PPO's default is: none was tuned for
the others. `seconds_to_gold_2` are those until the rollouts' gold reward, averaged over five updates, was 2.0 or more.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd

from helpers import evaluation
from helpers.models.profiles import get_profile
from helpers.preferences import read_prompts
from helpers.runs import stages
from helpers.training.grpo import train_grpo, train_rloo
from helpers.training.ppo_config import PPOConfig
from helpers.training.reinforce import train_reinforce
from helpers.training.train_ppo import train_ppo

Train = Callable[..., Iterator[dict]]
METHODS: dict[str, Train] = {
    "PPO": train_ppo,
    "REINFORCE, no baseline": lambda *a: train_reinforce(*a, baseline=False),
    "REINFORCE, mean baseline": train_reinforce,
    "RLOO (TRL), groups of 4": train_rloo,
    "GRPO (TRL), groups of 4": train_grpo,
}
GOLD, WINDOW = 2.0, 5


def measure(name: str, seed: int, updates: int | None = None) -> dict:
    """One run of a method, and 256 held-out prompts before and after it, each with its gold rewards."""
    profile = get_profile("tiny")
    config = PPOConfig.of(profile, seed=seed, **({} if updates is None else {"updates": updates}))
    shared = stages.load_shared(profile, seed=seed)
    heldout = [row.prompt for row in read_prompts("heldout")][:256]
    before = evaluation.sample(shared, heldout, seed=seed)
    judged = evaluation.Judged(shared.reward)
    reached, started = None, time.perf_counter()
    for _ in METHODS[name](shared, [row.prompt for row in read_prompts("train")], judged, config):
        if reached is None and len(judged.gold) >= WINDOW and statistics.mean(sum(judged.gold[-WINDOW:], [])) >= GOLD:
            reached = time.perf_counter() - started
    seconds = time.perf_counter() - started
    after = evaluation.sample(shared, heldout, seed=seed)
    return {
        "method": name,
        "seed": seed,
        "seconds": round(seconds, 1),
        f"seconds_to_gold_{GOLD:g}": reached and round(reached, 1),
        "kl": round(float(after["kl"].mean()), 3),
        "proxy": round(float(after["proxy"].mean()), 3),
        "gold_before": before["gold"].round(3).tolist(),
        "gold_after": after["gold"].round(3).tolist(),
    }


def summary(runs: list[dict]) -> dict:
    """A method's runs with several seeds: means, the gain's interval over seeds and prompts, and the median seconds."""
    gain = evaluation.gold_gain([run["gold_after"] for run in runs], [run["gold_before"] for run in runs])
    reached = [run[f"seconds_to_gold_{GOLD:g}"] for run in runs]
    return {
        "method": runs[0]["method"],
        "seeds": len(runs),
        "gold": round(statistics.mean(statistics.mean(run["gold_after"]) for run in runs), 2),
        "gold_gain": [round(float(x), 2) for x in (gain.estimate, gain.low, gain.high)],
        "kl": round(statistics.mean(run["kl"] for run in runs), 2),
        "proxy": round(statistics.mean(run["proxy"] for run in runs), 2),
        "seconds": round(statistics.median(run["seconds"] for run in runs), 1),
        f"seconds_to_gold_{GOLD:g}": [second for second in reached if second is not None],
    }


def main() -> None:
    """Run every method with every seed, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.algorithms", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--updates", type=int, help="of each run, for a trial; default: 40")
    parser.add_argument("--json", type=Path, help="write the table here too")
    args = parser.parse_args()
    runs: dict[str, list[dict]] = {name: [] for name in METHODS}
    for seed in range(args.seeds):
        for name in METHODS:
            runs[name].append(measure(name, seed, args.updates))
            print({key: value for key, value in runs[name][-1].items() if not key.startswith("gold_")}, flush=True)
    rows = [summary(of_method) for of_method in runs.values()]
    print(pd.DataFrame(rows).to_string(index=False))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

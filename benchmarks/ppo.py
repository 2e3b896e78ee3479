"""What an update of PPO costs: against TRL 1.12's PPOTrainer, against the bare model work, and in memory.

    python benchmarks/ppo.py [--json FILE] [--trl FOLDER]

Nothing else should run meanwhile; about five minutes on two cores. All on the profile "tiny" as the labs train it: NF4
and LoRA, batches of 32 rollouts, 2 passes over each. Every part runs in a process of its own, the two of a comparison
in turns, so that a machine that changes its speed changes it for both. Ratios are medians with their range.

    vs_trl_1_12    TRL's seconds per update, in ours. TRL as its example script uses it: the same 4-bit policy and LoRA,
                   reward and value models of their own in full precision. FOLDER holds trl 1.12.0, unpacked (see
                   benchmarks/golden_trl_1_12.py); without it, pip fetches it.
    vs_floor       ours, in seconds of the bare model work on the same rollouts: generation by transformers, the
                   forward passes of reward, policy and reference, and the passes of the update with their steps.
    memory_vs_sft  peak memory of PPO with all four roles in that of SFT on the same base and batch, both beyond what
                   the process held before it loaded a model.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # or a script would not find what lies beside it

from benchmarks.trl_1_12 import OPTIONS  # noqa: E402

UPDATES, ROUNDS = 6, 3  # updates of one process (the first is not counted); processes of each kind
WANTED = {"vs_trl_1_12": ("at least", 4), "vs_floor": ("at most", 1.25), "memory_vs_sft": ("at most", 1.25)}
Ratio = dict[str, float]


# --- What is measured, each in a process of its own ---------------------------


def ours() -> dict:
    """Seconds of each update, and of the bare model work on the same rollouts."""
    import torch

    from helpers.models.profiles import get_profile
    from helpers.runs import stages
    from helpers.training import ppo
    from helpers.training.ppo_config import PPOConfig
    from helpers.training.rollouts import Rollout
    from helpers.training.train_ppo import train_ppo

    start = memory_held()
    profile = get_profile("tiny")
    config = PPOConfig.of(profile, updates=UPDATES)
    torch.manual_seed(0)
    shared = stages.load_shared(profile)
    rollouts: list[Rollout] = []
    roll_out = ppo.roll_out

    def kept(*args) -> Rollout:
        rollouts.append(roll_out(*args))
        return rollouts[-1]

    seconds, floors = [], []
    with patch.object(ppo, "roll_out", kept):
        for record in train_ppo(shared, train_prompts(), None, config):
            seconds.append(record["seconds"])
            memory = memory_held() - start  # before the floor adds to it
            with torch.random.fork_rng():
                floors.append(_seconds(lambda: _floor(shared, rollouts[-1], config)))
    return {"seconds": seconds[1:], "floor": floors[1:], "memory": memory}


def _floor(shared, rollout, config) -> None:
    """The model work of one update and nothing else; the weights do not move."""
    import torch

    from helpers.models.generation import generate_ids
    from helpers.models.shared_base import REFERENCE

    length = shared.profile.max_response_tokens
    generate_ids(shared.peft, rollout.prompt_ids, shared.tokenizer, max_new_tokens=length)
    with torch.no_grad():
        shared.reward(rollout.prompts, rollout.completions)
        shared.response_logprobs(rollout.prompt_ids, rollout.response_ids, REFERENCE)
        shared.response_logprobs(rollout.prompt_ids, rollout.response_ids)
    optimizer = torch.optim.AdamW(shared.trainable_parameters(), lr=0.0, weight_decay=0.0)
    for _ in range(config.epochs):
        shared.response_logprobs(rollout.prompt_ids, rollout.response_ids)[rollout.mask].mean().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


def sft() -> dict:
    """Peak memory of SFT in batches of as many rows."""
    from dataclasses import replace

    from helpers.models.profiles import get_profile
    from helpers.preferences import read_demonstrations
    from helpers.training.sft import train_sft

    start = memory_held()
    profile = get_profile("tiny")
    stage = replace(profile.sft, steps=UPDATES, batch_size=32, micro_batch_size=32)
    list(train_sft(profile, read_demonstrations(), stage=stage))
    return {"memory": memory_held() - start}


def trl() -> dict:
    """Seconds of each update of TRL 1.12's PPOTrainer; its package comes first on the path."""
    import torch
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    from helpers.models.loading import load_base, load_tokenizer, lora_config, prompt_ids
    from helpers.models.profiles import get_profile

    start = memory_held()
    profile = get_profile("tiny")
    from peft import get_peft_model

    torch.manual_seed(0)
    tokenizer = load_tokenizer(profile)
    judge, critic = (load_base(profile, head="score", quantize=False) for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        trainer = PPOTrainer(
            args=PPOConfig(
                **OPTIONS,
                output_dir=folder,
                per_device_train_batch_size=32,
                num_ppo_epochs=2,
                total_episodes=32 * UPDATES,
                local_rollout_forward_batch_size=32,
                response_length=profile.max_response_tokens,
                learning_rate=5e-4,
                disable_tqdm=True,
            ),
            processing_class=tokenizer,
            model=get_peft_model(load_base(profile), lora_config(profile, "causal")),
            ref_model=None,
            reward_model=judge,
            value_model=critic.requires_grad_(True),
            train_dataset=Dataset.from_dict({"input_ids": prompt_ids(profile, tokenizer, train_prompts())}),
        )
        times = []

        class Clock(TrainerCallback):
            def on_step_end(self, *_, **__):
                times.append(time.perf_counter())

        trainer.add_callback(Clock())
        trainer.train()
    return {"seconds": [b - a for a, b in zip(times, times[1:], strict=False)], "memory": memory_held() - start}


def train_prompts() -> list[str]:
    """The prompts that the policy trains on."""
    from helpers.preferences import read_prompts

    return [row.prompt for row in read_prompts("train")]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def memory_held() -> float:
    """The most memory that this process has held, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- Comparing ----------------------------------------------------------------


def measure(trl_folder: Path) -> dict:
    """All ratios, and the seconds and memory that they are of."""
    runs: dict[str, list[dict]] = {"ours": [], "trl": [], "sft": []}
    for _ in range(ROUNDS):
        for name in runs:
            runs[name].append(_in_process(name, trl_folder if name == "trl" else None))
            print(name, {k: _rounded(v) for k, v in runs[name][-1].items()}, flush=True)
    seconds = {name: [statistics.median(run["seconds"]) for run in runs[name]] for name in ("ours", "trl")}
    floors = [s / f for run in runs["ours"] for s, f in zip(run["seconds"], run["floor"], strict=True)]
    memory = [ppo["memory"] / sft["memory"] for ppo, sft in zip(runs["ours"], runs["sft"], strict=True)]
    return {
        "vs_trl_1_12": ratio([t / o for t, o in zip(seconds["trl"], seconds["ours"], strict=True)]),
        "vs_floor": ratio(floors),
        "memory_vs_sft": ratio(memory),
        "seconds_per_update": {name: round(statistics.median(values), 3) for name, values in seconds.items()},
        "memory_mib": {name: round(statistics.median(r["memory"] for r in runs[name])) for name in runs},
    }


def table(results: dict) -> str:
    """The ratios in words, with what was wanted and whether it was met."""
    lines = []
    for name, (bound, wanted) in WANTED.items():
        found = results[name]
        met = found["median"] >= wanted if bound == "at least" else found["median"] <= wanted
        range_ = f"{found['median']:.2f} [{found['low']:.2f}, {found['high']:.2f}]"
        lines.append(f"{name:14} {range_:20} wanted {bound} {wanted:<5} {'met' if met else 'falls short'}")
    seconds = ", ".join(f"{name} {value:.2f}" for name, value in results["seconds_per_update"].items())
    memory = ", ".join(f"{name} {value}" for name, value in results["memory_mib"].items())
    return "\n".join([*lines, f"seconds an update: {seconds}; peak memory, MiB: {memory}"])


def ratio(values: list[float]) -> Ratio:
    """Median, lowest and highest."""
    return {"median": round(statistics.median(values), 2), "low": round(min(values), 2), "high": round(max(values), 2)}


def _rounded(value: float | list[float]) -> float | list[float]:
    return [round(v, 2) for v in value] if isinstance(value, list) else round(value, 2)


def _in_process(name: str, first_on_path: Path | None) -> dict:
    path = os.pathsep.join(filter(None, [str(first_on_path or ""), os.environ.get("PYTHONPATH", "")]))
    with tempfile.TemporaryDirectory() as runs:
        done = subprocess.run(
            [sys.executable, __file__, "--part", name],
            env={**os.environ, "PYTHONPATH": path, "RLHF_RUNS": runs, "TRL_EXPERIMENTAL_SILENCE": "1"},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def fetch_trl(folder: str) -> Path:
    """Fetch the wheel of trl 1.12.0 and unpack it into `folder`; it is not installed."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, "trl==1.12.0"]
    subprocess.run(command, check=True)
    return Path(folder)


def main() -> None:
    """Run one part, or compare all."""
    parser = argparse.ArgumentParser(prog="python benchmarks/ppo.py", description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the ratios here too")
    parser.add_argument("--trl", type=Path, help="a folder with trl 1.12.0's package; default: pip fetches it")
    parser.add_argument("--part", choices=("ours", "trl", "sft"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(json.dumps({"ours": ours, "trl": trl, "sft": sft}[args.part]()))
        return
    with tempfile.TemporaryDirectory() as folder:
        results = measure(args.trl or fetch_trl(folder))
    print(table(results))
    if args.json:
        args.json.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

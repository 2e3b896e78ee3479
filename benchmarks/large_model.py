"""A live run on a model a hundred times larger: seconds and memory of PPO on SmolLM2-135M's shape, by adapted layers.

    python -m benchmarks.large_model [--json FILE] [--layers 30 8 4]

Nothing else should run meanwhile; about ten minutes on two cores. The weights are random, the shape is that of
SmolLM2-135M (30 layers of width 576, 9 heads of which 3 have keys, 49,152 tokens, tied embeddings), the base is in NF4,
and all four roles are there: LoRA of rank 16 in the last k of 30 layers. An update is 16 rollouts of 24 tokens after
prompts of 32, two passes. Each k is a process of its own: the median of its updates but the first, and the most memory
that the process held, models, libraries and all.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .ppo import memory_held

if TYPE_CHECKING:
    from helpers.models.profiles import Profile

LAYERS, ADAPTED = 30, (30, 15, 8, 4, 2)
ROLLOUTS, PROMPT, RESPONSE = 16, 32, 24
UPDATES, LIVE = 5, 12  # updates that are timed (the first is not counted), and those of a live run
SHAPE: dict[str, Any] = {
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49_152,
    "tie_word_embeddings": True,
    "max_position_embeddings": 2048,
}


def write_base(folder: Path) -> None:
    """A random base model of that shape; its tokens are words, so that texts are cut into the tokens they came from."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    names = ["<unk>", "<s>", "</s>", *(f"w{number}" for number in range(3, SHAPE["vocab_size"]))]
    words = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {"unk_token": "<unk>", "pad_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder)
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(**SHAPE, pad_token_id=0, bos_token_id=1, eos_token_id=2)).save_pretrained(folder)


def profile_of(folder: Path, layers: int) -> Profile:
    """The tiny profile on that base, with adapters in so many layers."""
    from helpers.models.profiles import get_profile

    profile = replace(get_profile("tiny"), name="large", base=str(folder / "base"), adapted_layers=layers)
    return replace(profile, max_prompt_tokens=PROMPT, max_response_tokens=RESPONSE)


def part(folder: Path, layers: int) -> dict[str, float]:
    """Seconds of an update and MiB of the process, with adapters in so many layers."""
    from peft import get_peft_model

    from helpers.models.loading import Head, load_base, lora_config
    from helpers.models.reward_scale import RewardScale
    from helpers.models.shared_base import SharedBase
    from helpers.training.ppo_config import PPOConfig
    from helpers.training.train_ppo import train_ppo
    from helpers.training.trl_bridge import save_adapter

    profile = profile_of(folder, layers)
    if not (folder / f"reward-{layers}").exists():
        heads: dict[str, Head] = {"sft": "causal", "reward": "score"}
        for name, head in heads.items():
            own = folder / f"{name}-{layers}"
            own.mkdir()
            save_adapter(get_peft_model(load_base(profile, head=head), lora_config(profile, head)), own)
        RewardScale(mean=0.0, std=1.0).write(folder / f"reward-{layers}")
        return {}
    shared = SharedBase.load(profile, sft=folder / f"sft-{layers}", reward=folder / f"reward-{layers}")
    rng = random.Random(0)
    prompts = [" ".join(f"w{rng.randrange(3, SHAPE['vocab_size'])}" for _ in range(PROMPT - 1)) for _ in range(64)]
    config = PPOConfig(updates=UPDATES, batch_size=ROLLOUTS, minibatch_size=ROLLOUTS)
    records = list(train_ppo(shared, prompts, None, config))[1:]
    rollout, whole = (statistics.median(record[name] for record in records) for name in ("seconds_rollout", "seconds"))
    return {"seconds": whole, "seconds_rollout": rollout, "memory": memory_held()}


def measure(layers: tuple[int, ...]) -> list[dict[str, float]]:
    """A row for each number of adapted layers."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        write_base(Path(folder) / "base")
        for number in layers:
            _in_process(folder, number)  # writes the adapters
            rows.append({"layers": number, **_in_process(folder, number)})
            print(_line(rows[-1]), flush=True)
    return rows


def _in_process(folder: str, layers: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.large_model", "--part", str(layers), "--folder", folder]
    done = subprocess.run(command, env={**os.environ, "RLHF_RUNS": folder}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{layers} layers failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _line(row: dict[str, float]) -> str:
    live = LIVE * row["seconds"]
    return (
        f"{row['layers']:3.0f} layers: {row['seconds']:5.1f} s an update ({row['seconds_rollout']:.1f} of them the "
        f"rollout), {live:4.0f} s for {LIVE}; {row['memory'] / 1024:.2f} GiB"
    )


def main() -> None:
    """Measure all, or one part."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_model", description=str(__doc__).splitlines()[0])
    parser.add_argument("--json", type=Path, help="write the rows here")
    parser.add_argument("--layers", type=int, nargs="+", default=ADAPTED, help="adapted layers, of 30")
    parser.add_argument("--part", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.part:
        print(json.dumps(part(args.folder, args.part)))
        return
    rows = measure(tuple(args.layers))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

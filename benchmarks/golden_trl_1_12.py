"""What the last PPOTrainer of TRL makes of given rollouts: tests/training/test_ppo_agreement.py holds ours to it.

    pip download trl==1.12.0 --no-deps -d WHEEL && unzip WHEEL/trl-1.12.0-py3-none-any.whl -d WHEEL/trl112
    python -m benchmarks.golden_trl_1_12 WHEEL/trl112

TRL 1.12.0 is the last release with a PPO, and no dependency: its folder is only put on the path here. Writes
tests/golden/trl_1_12.safetensors (first and last weights, responses) and trl_1_12.json (prompts, scores, metrics).

TRL's trainer runs as it stands. Only what surrounds it is given: the responses (sampled by it, but cut by an </s> at
chosen places, so that every length occurs), their log-probabilities (from a forward pass: its own come from the
generation, with another rounding), and the scores (any numbers will do). Its critic is our design: a linear head on the
policy's own last hidden states.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from peft import PeftModel, get_peft_model
from safetensors.torch import save_file
from torch import Tensor, nn

from helpers.files import ROOT
from helpers.models.generation import pad_left
from helpers.models.loading import load_base, load_tokenizer, lora_config, prompt_ids
from helpers.models.profiles import PROFILES
from helpers.preferences import read_prompts

from .trl_1_12 import OPTIONS

GOLDEN = ROOT / "tests" / "golden"
PROFILE = replace(PROFILES["tiny"], lora_rank=2, lora_alpha=4, compute_dtype="float32")
BATCH, UPDATES, EPOCHS, RESPONSE = 8, 3, 4, 20
SETTINGS = {"learning_rate": 1e-3, "beta": 0.05, "clip": 0.2, "value_clip": 0.2, "value_coefficient": 0.1}
WORD = 300  # any token, where the policy ended a response and ENDS does not
ENDS = (0, 1, 5, 9, 12, 16, 19, None)  # where the </s> of each response of a batch stands


class Critic(nn.Module):
    """A value model as TRL wants one, on the policy's own trunk."""

    base_model_prefix = "trunk"

    def __init__(self, policy: PeftModel) -> None:
        super().__init__()
        self.trunk = policy.base_model.model.model
        self.score = nn.Linear(self.trunk.config.hidden_size, 1)


def weights_of(policy: PeftModel, head: nn.Linear) -> dict[str, Tensor]:
    """The trained weights under the names that they have in a SharedBase."""
    named = [(f"peft.{n.replace('.default.', '.policy.')}", p) for n, p in policy.named_parameters() if "lora_" in n]
    named += [(f"value_head.{n}", p) for n, p in head.named_parameters()]
    return {name: p.detach().clone() for name, p in named}


def run(ppo_trainer, quantize: bool) -> tuple[dict[str, Tensor], dict]:
    """Train with TRL's trainer.

    Args:
        ppo_trainer: the module `trl.experimental.ppo.ppo_trainer`.
        quantize: whether the base is in 4 bits.

    Returns:
        The tensors (first and last weights, responses) by name, and prompts, scores and metrics.
    """
    profile = replace(PROFILE, quantize=quantize)
    tokenizer = load_tokenizer(profile)
    prompts = [row.prompt for row in read_prompts("train")[: BATCH * UPDATES]]
    policy = get_peft_model(load_base(profile), lora_config(profile, "causal"))
    critic, scorer = Critic(policy), nn.Linear(1, 1)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, p in policy.named_parameters():
            if "lora_" in name:
                p.normal_(std=0.05)
        critic.score.weight.normal_(std=0.02)
        critic.score.bias.zero_()
    tensors = {f"first.{name}": p for name, p in weights_of(policy, critic.score).items()}
    scores = torch.randn(UPDATES, BATCH)

    sample, reward = ppo_trainer.batch_generation, ppo_trainer.get_reward

    def batch_generation(model, queries, *others):
        ids, _ = sample(model, queries, *others)
        start = queries.shape[1]
        ids = nn.functional.pad(ids, (0, start + RESPONSE - ids.shape[1]), value=tokenizer.pad_token_id)
        response = ids[:, start:]
        response[(response == tokenizer.eos_token_id) | (response == tokenizer.pad_token_id)] = WORD
        for row, end in enumerate(ENDS):
            if end is not None:
                ids[row, start + end], ids[row, start + end + 1 :] = tokenizer.eos_token_id, tokenizer.pad_token_id
        tensors[f"responses.{sum(name.startswith('responses') for name in tensors)}"] = ids[:, start:].clone()
        with torch.no_grad():
            logits = ppo_trainer.forward(model, ids, tokenizer.pad_token_id).logits[:, start - 1 : -1]
        return ids, logits / (1 + 1e-7)

    def get_reward(model, *others):
        if model is not scorer:
            return reward(model, *others)
        return None, scores[sum(name.startswith("responses") for name in tensors) - 1].clone(), None

    ppo_trainer.batch_generation, ppo_trainer.get_reward = batch_generation, get_reward
    with tempfile.TemporaryDirectory() as folder:
        trainer = ppo_trainer.PPOTrainer(
            args=ppo_trainer.PPOConfig(
                **OPTIONS,
                output_dir=folder,
                per_device_train_batch_size=BATCH,
                num_ppo_epochs=EPOCHS,
                total_episodes=BATCH * UPDATES,
                local_rollout_forward_batch_size=BATCH,
                response_length=RESPONSE,
                missing_eos_penalty=1.0,
                kl_coef=SETTINGS["beta"],
                cliprange=SETTINGS["clip"],
                cliprange_value=SETTINGS["value_clip"],
                vf_coef=SETTINGS["value_coefficient"],
                learning_rate=SETTINGS["learning_rate"],
                lr_scheduler_type="constant",
            ),
            processing_class=tokenizer,
            model=policy,
            ref_model=None,
            reward_model=scorer,
            value_model=critic,
            train_dataset=Dataset.from_dict({"input_ids": prompt_ids(profile, tokenizer, prompts)}),
        )
        # In the order of the file, whatever the trainer shuffles.
        batches = [pad_left(prompt_ids(profile, tokenizer, b), tokenizer.pad_token_id) for b in batched(prompts)]
        trainer.dataloader = [{"input_ids": batch} for batch in batches]
        metrics: list[dict] = []
        trainer.log = lambda values, *_: metrics.append(values)
        np.random.seed(0)
        trainer.train()
    ppo_trainer.batch_generation, ppo_trainer.get_reward = sample, reward
    tensors |= {f"last.{name}": p for name, p in weights_of(policy, critic.score).items()}
    kept = ("objective/", "policy/approxkl", "loss/")
    metrics = [{name: m[name] for name in m if name.startswith(kept)} for m in metrics]
    return tensors, {"prompts": prompts, "scores": scores.tolist(), "metrics": metrics}


def batched(prompts: list[str]) -> list[list[str]]:
    """The prompts of each update."""
    return [prompts[i : i + BATCH] for i in range(0, len(prompts), BATCH)]


def main() -> None:
    """Train without 4 bits and with them, and write the two files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.golden_trl_1_12", description=__doc__)
    parser.add_argument("trl", type=Path, help="the folder that holds trl 1.12.0's package")
    sys.path.insert(0, str(parser.parse_args().trl.resolve()))
    import trl
    from trl.experimental.ppo import ppo_trainer

    if trl.__version__ != "1.12.0":
        sys.exit(f"this is trl {trl.__version__}, not 1.12.0")
    tensors: dict[str, Tensor] = {}
    facts: dict[str, dict] = {"settings": SETTINGS | {"epochs": EPOCHS, "max_new_tokens": RESPONSE}}
    for name, quantize in (("fp32", False), ("nf4", True)):
        found, facts[name] = run(ppo_trainer, quantize)
        # Both begin with the same weights, which are kept once.
        tensors |= {k if k.startswith("first.") else f"{name}.{k}": v.contiguous() for k, v in found.items()}
    GOLDEN.mkdir(exist_ok=True)
    save_file(tensors, GOLDEN / "trl_1_12.safetensors")
    (GOLDEN / "trl_1_12.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

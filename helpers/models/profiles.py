"""Profiles: which base model the labs train, and how; "tiny" on a CPU, "llama2-7b" on a GPU."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from .. import files
from ..files import ROOT, LabError, shown

CPU_LIMIT = 2 * 2**30  # bytes of weights up to which a checkpoint of the reader's own runs without a GPU


@dataclass(frozen=True)
class StageConfig:
    """How one stage is trained, unless a lab says otherwise."""

    steps: int  # optimizer steps
    batch_size: int  # rows (demonstrations, or pairs) per optimizer step
    micro_batch_size: int  # rows per forward pass; gradients are accumulated up to batch_size
    learning_rate: float  # peak of the schedule: linear warm-up, then cosine to 0
    warmup: float = 0.05  # part of the steps in which the learning rate rises

    def with_steps(self, steps: int | None) -> StageConfig:
        """The same with another number of steps; None: with its own."""
        return self if steps is None else replace(self, steps=steps)


@dataclass(frozen=True)
class Profile:
    """Which model the labs train, and how."""

    name: str  # as in RLHF_PROFILE and in the folders of runs
    base: str  # checkpoint of the base model: a folder (relative to the repository) or a Hub id
    max_prompt_tokens: int  # with <s>; longer prompts are cut from the left
    max_response_tokens: int  # with </s>; longer completions are cut from the right
    lora_rank: int  # r: rank of each LoRA update
    lora_alpha: int  # the update is scaled by alpha / r
    quantize: bool  # base weights in 4 bits (NF4)
    compute_dtype: str  # torch's name of the type that the 4-bit layers multiply in
    needs_gpu: bool  # runs on CUDA; else on the CPU, even where there is a GPU
    gated: bool  # downloading takes an account and an accepted license
    sft: StageConfig  # supervised fine-tuning
    reward_model: StageConfig  # reward-model training
    dpo: StageConfig  # direct preference optimization
    gradient_checkpointing: bool = False  # recompute activations in the backward pass: less memory, slower
    adapted_layers: int | None = None  # LoRA in the last so many layers alone; None: in all
    paged_optimizer: bool = False  # AdamW's state in 8 bits, moved to the CPU's memory where the GPU's is full

    @property
    def device(self) -> str:
        """The device of the model, "cuda" or "cpu"."""
        return "cuda" if self.needs_gpu else "cpu"

    @property
    def folder(self) -> Path:
        """The base model's folder if it is one; for a Hub id, a path where nothing is."""
        in_data = self.base.startswith("data/")
        return files.data() / self.base.removeprefix("data/") if in_data else ROOT / self.base

    @property
    def context(self) -> int:
        """The longest sequence in training, in tokens."""
        return self.max_prompt_tokens + self.max_response_tokens


PROFILES = {
    "tiny": Profile(
        name="tiny",
        base="data/models/tiny-llama2",
        max_prompt_tokens=192,
        max_response_tokens=48,
        lora_rank=16,
        lora_alpha=32,
        quantize=True,
        compute_dtype="float32",
        needs_gpu=False,
        gated=False,
        sft=StageConfig(steps=150, batch_size=32, micro_batch_size=32, learning_rate=2e-3),
        reward_model=StageConfig(steps=750, batch_size=32, micro_batch_size=32, learning_rate=2e-3),
        dpo=StageConfig(steps=100, batch_size=32, micro_batch_size=32, learning_rate=1e-3),
    ),
    "llama2-7b": Profile(
        name="llama2-7b",
        base="meta-llama/Llama-2-7b-hf",
        max_prompt_tokens=512,
        max_response_tokens=128,
        lora_rank=16,
        lora_alpha=32,
        quantize=True,
        compute_dtype="bfloat16",
        needs_gpu=True,
        gated=True,
        sft=StageConfig(steps=300, batch_size=32, micro_batch_size=8, learning_rate=2e-4),
        reward_model=StageConfig(steps=500, batch_size=32, micro_batch_size=8, learning_rate=1e-4),
        dpo=StageConfig(steps=500, batch_size=32, micro_batch_size=4, learning_rate=5e-5),
        gradient_checkpointing=True,
        paged_optimizer=True,
    ),
}


def get_profile(name: str | None = None) -> Profile:
    """The profile of a name; without one, of the environment's RLHF_PROFILE, and else "tiny".

    Args:
        name: A key of PROFILES, or any Llama-2 checkpoint as a folder or a Hub id ("owner/model"), which gets the
            settings of "llama2-7b" (a folder with up to 2 GiB of weights runs on the CPU, in float32).

    Raises:
        LabError: For any other name.
    """
    name = name or os.environ.get("RLHF_PROFILE") or "tiny"
    if name in PROFILES:
        return PROFILES[name]
    llama = PROFILES["llama2-7b"]
    try:
        folder = Path(name).expanduser()
    except (RuntimeError, ValueError):  # no such user, or no name of a folder
        folder = Path(name)
    if os.path.isdir(folder):  # which, unlike Path's own, is False for a name that cannot be
        folder = folder.resolve()
        large = sum(path.stat().st_size for path in folder.glob("*.safetensors")) > CPU_LIMIT
        return replace(
            llama,
            name=folder.name,
            base=str(folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder),
            gated=False,
            needs_gpu=large,
            gradient_checkpointing=large,
            paged_optimizer=large,
            compute_dtype=llama.compute_dtype if large else "float32",
        )
    if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name) and not os.path.isdir(folder.parent):
        return replace(llama, name=name.split("/")[1], base=name, gated=name.startswith("meta-llama/"))
    raise LabError(
        f"unknown profile {shown(name)!r}: use one of {', '.join(map(repr, PROFILES))}, an existing folder with a "
        f"Llama-2 checkpoint, or a Hub id such as 'meta-llama/Llama-2-13b-hf'"
    )

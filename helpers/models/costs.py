"""Estimates of what PPO on a Llama-2 model costs in GPU memory and time, computed from the model's shape.

docs/ppo.md has the formulas in words. All sizes are bytes, all times seconds. Nothing here is measured.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .profiles import Profile

NF4 = 0.5 + 1 / 64 + 4 / (64 * 256)  # bytes a number, double quantization counted in (Dettmers et al. 2023, section 3)
WIDTHS = {"float32": 4, "bfloat16": 2, "float16": 2}
ROLES = 3  # adapters at one time: policy, reference, reward
CONTEXT = 0.6e9  # bytes of CUDA's own: its context and kernels
FILLED = 0.8  # part of the free memory that a generation batch may take; the rest is for the allocator's gaps
UTILIZATION = 0.4  # part of a GPU's stated speed that is reached: an assumption


@dataclass(frozen=True)
class Shape:
    """The sizes of a Llama-2 model, as in its config.json."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool = False  # whether embeddings and head are one matrix

    @classmethod
    def of(cls, profile: Profile) -> Shape | None:
        """The shape of a profile's base model; None if it is neither Meta's nor on this machine. Nothing is fetched."""
        if known := LLAMA_2.get(profile.base.removesuffix("-hf").removesuffix("-chat")):
            return known
        try:
            return cls.of_config(json.loads(_config(profile).read_text("utf-8")))
        except (OSError, ValueError, KeyError, AttributeError):
            return None

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Shape:
        """The shape of the model that a config.json describes.

        Raises:
            KeyError: For a size that it lacks.
        """
        heads = config["num_attention_heads"]
        return cls(
            hidden=config["hidden_size"],
            intermediate=config["intermediate_size"],
            layers=config["num_hidden_layers"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            vocabulary=config["vocab_size"],
            tied=config.get("tie_word_embeddings", False),
        )

    @property
    def kv_width(self) -> int:
        """Numbers in a token's keys in one layer, and as many in its values."""
        return self.hidden // self.heads * self.kv_heads

    @property
    def linear(self) -> int:
        """Weights in the linear layers of all blocks: those that are quantized, and that LoRA adapts."""
        attention = 2 * self.hidden * (self.hidden + self.kv_width)
        return self.layers * (attention + 3 * self.hidden * self.intermediate)

    @property
    def other(self) -> int:
        """Embeddings, head and norms."""
        return (1 if self.tied else 2) * self.vocabulary * self.hidden + (2 * self.layers + 1) * self.hidden

    def adapter(self, rank: int) -> int:
        """Weights of a LoRA adapter of every linear layer: rank (in + out) each."""
        attention = 4 * self.hidden + 2 * (self.hidden + self.kv_width)
        return self.layers * rank * (attention + 3 * (self.hidden + self.intermediate))


# Touvron et al. 2023 (Llama 2), and the configurations that Meta published with the weights
LLAMA_2 = {
    "meta-llama/Llama-2-7b": Shape(4096, 11008, 32, 32, 32, 32000),
    "meta-llama/Llama-2-13b": Shape(5120, 13824, 40, 40, 40, 32000),
    "meta-llama/Llama-2-70b": Shape(8192, 28672, 80, 64, 8, 32000),
}


def _config(profile: Profile) -> Path:
    """The config.json of a base model, where it would be on this machine."""
    from huggingface_hub import try_to_load_from_cache

    here = profile.folder.is_dir() or profile.base.count("/") != 1
    cached = None if here else try_to_load_from_cache(profile.base, "config.json")
    return Path(cached) if isinstance(cached, str) else profile.folder / "config.json"


# ---------------------------------------------------------------------------------------------- memory


def generation_row(shape: Shape, prompt: int, response: int, width: int) -> float:
    """Bytes that one more row of a generation batch takes.

    Keys and values, with a quarter for the copy of a layer's when it grows; the widest layer's outputs over the prompt;
    three distributions over the vocabulary in 64 bits.

    Args:
        shape: Of the model.
        prompt: Tokens of the prompt.
        response: Tokens of the response.
        width: Bytes per number.
    """
    cache = 1.25 * 2 * shape.layers * shape.kv_width * (prompt + response) * width
    return cache + 4 * shape.intermediate * prompt * width + 3 * 8 * shape.vocabulary


def saved_by_a_layer(shape: Shape, rank: int) -> int:
    """Bytes per token that the forward pass of one block keeps for its backward pass, in 16 bits.

    Counted with autograd's hooks on 4-bit models with peft's LoRA (tests/models/test_costs.py counts again). What LoRA
    and the norms keep is float32: 32 hidden + 4 intermediate + 28 rank of it.
    """
    return 40 * shape.hidden + 10 * shape.intermediate + 28 * rank + 4 * shape.heads + 8


def memory(profile: Profile, shape: Shape, *, rows: int = 1, microbatch: int = 4) -> dict[str, float]:
    """GPU memory of a PPO update in bytes, by part.

    An update has two moments, sampling and a pass forward and back; the fuller one counts.

    Args:
        profile: Number formats, context, LoRA rank and checkpointing.
        shape: Of the base model.
        rows: Rows that are sampled at a time.
        microbatch: Rows per training pass.
    """
    width, adapter = WIDTHS[profile.compute_dtype], 4 * shape.adapter(profile.lora_rank)
    tokens, largest = microbatch * profile.context, shape.hidden * max(shape.intermediate, shape.hidden)
    layer = saved_by_a_layer(shape, profile.lora_rank)
    kept = shape.hidden * width * shape.layers + layer if profile.gradient_checkpointing else shape.layers * layer
    logits = 5 * 4 * microbatch * profile.max_response_tokens * shape.vocabulary
    sampling = rows * generation_row(shape, profile.max_prompt_tokens, profile.max_response_tokens, width)
    return {
        "base model": (NF4 if profile.quantize else width) * shape.linear + width * shape.other,
        "adapters of three roles": ROLES * adapter,
        "gradients and optimizer": adapter + (adapter // 2 if profile.paged_optimizer else 2 * adapter),
        "sampling, or a pass forward and back": max(sampling, tokens * kept + logits),
        "one layer unpacked": 2 * width * largest if profile.quantize else 0.0,
        "CUDA": CONTEXT,
    }


def rows_that_fit(shape: Shape, prompt: int, response: int, width: int, free: float) -> int:
    """Rows of a generation batch that fit into `free` bytes, at least 1; the rest as for `generation_row`."""
    return max(1, int(FILLED * free / generation_row(shape, prompt, response, width)))


# ------------------------------------------------------------------------------------------------ time


@dataclass(frozen=True)
class GPU:
    """A GPU by NVIDIA's data sheet: memory (bytes), bandwidth (bytes per second), speed (dense bfloat16 op/s)."""

    memory: float
    bandwidth: float
    speed: float


GPUS = {
    "T4": GPU(16e9, 320e9, 8.1e12),  # no bfloat16: float32's speed
    "L4": GPU(24e9, 300e9, 121e12),
    "A100 40 GB": GPU(40e9, 1555e9, 312e12),
    "H100": GPU(80e9, 3350e9, 989e12),
}


def seconds(profile: Profile, shape: Shape, gpu: GPU, *, batch: int, epochs: int) -> dict[str, float]:
    """Seconds of a PPO update by part, if the GPU reaches `UTILIZATION` of its stated speeds.

    A pass costs 2 operations per weight and token forward, as many backward (LoRA needs no gradient of the weights),
    and with gradient checkpointing as many once more. A step of sampling reads every weight: packed, written out and
    read.
    """
    width, weights = WIDTHS[profile.compute_dtype], shape.linear + shape.vocabulary * shape.hidden
    tokens = batch * profile.context
    held = sum(memory(profile, shape, rows=0).values())
    rows = rows_that_fit(shape, profile.max_prompt_tokens, profile.max_response_tokens, width, gpu.memory - held)
    steps = profile.max_response_tokens * -(-batch // rows)
    read = shape.linear * (NF4 + 2 * width if profile.quantize else width) + width * shape.vocabulary * shape.hidden
    forward = 2 * weights * tokens / (UTILIZATION * gpu.speed)
    prompts = forward * profile.max_prompt_tokens / profile.context
    return {
        "sampling": prompts + steps * read / (UTILIZATION * gpu.bandwidth),
        "reward, policy and reference": 3 * forward,
        "passes": epochs * (3 if profile.gradient_checkpointing else 2) * forward,
    }

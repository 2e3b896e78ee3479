"""LoRA layers of a small 4-bit model on a CPU, each computed as one matrix product.

peft multiplies by the base weight and by the two thin matrices, scales, and adds: five passes over outputs of full size
for each layer, and bitsandbytes unpacks the 4-bit weight for every product. Where unpacked copies are small, W + (alpha
/ rank) B A is kept instead until A or B change. The function is the same; its gradients to A and B still go through the
thin matrices, so no gradient of a full weight is ever made.
"""

from __future__ import annotations

from typing import Any

import bitsandbytes
import torch
from bitsandbytes.functional import dequantize_4bit
from peft import PeftModel
from peft.tuners.lora import Linear4bit
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import Identity
from torch.nn import functional as F

from ..formulas.lora import lora_merge

LIMIT = 192 * 2**20  # numbers in the base weights up to which copies are kept: 4 bytes each, and as much an adapter


def multiply_merged(model: PeftModel) -> PeftModel:
    """The model itself, its 4-bit LoRA layers now computed with merged weights; on a GPU, or above `LIMIT`, unchanged.

    Its weights, state dict and adapters are as before. Adapters may be added, loaded, switched and trained as usual.
    """
    adapted = [layer for layer in model.modules() if isinstance(layer, Linear4bit)]
    packed = [layer for layer in model.modules() if isinstance(layer, bitsandbytes.nn.Linear4bit)]
    size = sum(layer.in_features * layer.out_features for layer in packed)
    if model.device.type == "cpu" and size <= LIMIT:
        for layer in adapted:
            layer.forward = MergedForward(layer)
        within = {layer.base_layer for layer in adapted}
        for layer in packed:
            if layer not in within:
                layer.forward = UnpackedForward(layer)
    return model


class UnpackedWeight:
    """The numbers of a 4-bit layer's weight, (out, in), unpacked when they are first asked for."""

    def __init__(self, layer: bitsandbytes.nn.Linear4bit) -> None:
        self.layer = layer
        self._kept: tuple[Tensor, int, Tensor] | None = None  # the 4-bit weight, its address, its numbers

    def __call__(self) -> Tensor:
        """The numbers; the same tensor until the weight is replaced."""
        weight, kept = self.layer.weight, self._kept
        if kept is None or kept[0] is not weight or kept[1] != weight.data_ptr():
            kept = weight, weight.data_ptr(), dequantize_4bit(weight.data, weight.quant_state).float()
            self._kept = kept
        return kept[2]


class UnpackedForward:
    """The forward pass of a 4-bit layer that has no adapter: one matrix product."""

    def __init__(self, layer: bitsandbytes.nn.Linear4bit) -> None:
        self.layer, self.weight = layer, UnpackedWeight(layer)

    def __call__(self, x: Tensor) -> Tensor:
        """The layer's output: (..., in) -> (..., out)."""
        if x.dtype != torch.float32 or torch.is_autocast_enabled("cpu"):
            return type(self.layer).forward(self.layer, x)
        return F.linear(x, self.weight(), self.layer.bias)


class MergedForward:
    """The forward pass of one of peft's LoRA layers: one matrix product in the plain case, else peft's own way."""

    def __init__(self, layer: Linear4bit) -> None:
        self.layer = layer
        self.weight = UnpackedWeight(layer.base_layer)
        self._merged: dict[str, tuple[Tensor, float, Tensor, Tensor, Tensor]] = {}  # base, scale, a, b and their sum

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """The layer's output: (..., in) -> (..., out)."""
        layer = self.layer
        names = [] if layer.disable_adapters else [name for name in layer.active_adapters if name in layer.lora_A]
        if args or kwargs or len(names) > 1 or not self._is_plain(x, *names):
            return type(layer).forward(layer, x, *args, **kwargs)
        if not names:
            return F.linear(x, self.weight())
        a, b = layer.lora_A[names[0]].weight, layer.lora_B[names[0]].weight
        return _Product.apply(x, self._merged_weight(names[0], a, b), a, b, layer.scaling[names[0]])

    def _is_plain(self, x: Tensor, *names: str) -> bool:
        """float32 throughout, no bias, no dropout, no variant such as DoRA, nothing merged by peft."""
        layer = self.layer
        if x.dtype != torch.float32 or torch.is_autocast_enabled("cpu") or layer.merged or layer.lora_variant:
            return False
        linears = [part[name] for name in names for part in (layer.lora_A, layer.lora_B)]
        return (
            layer.base_layer.bias is None
            and all(linear.bias is None and linear.weight.dtype == torch.float32 for linear in linears)
            and all(isinstance(layer.lora_dropout[name], Identity) for name in names)
        )

    @torch.no_grad()
    def _merged_weight(self, name: str, a: Tensor, b: Tensor) -> Tensor:
        """The sum of the unpacked weight and the update of the adapter of that name, (out, in).

        What was kept is compared number by number: torch's fused optimizers do not increase a tensor's version.
        """
        base, scale, kept = self.weight(), self.layer.scaling[name], self._merged.get(name)
        if not (kept and kept[0] is base and kept[1] == scale and torch.equal(kept[2], a) and torch.equal(kept[3], b)):
            merged = lora_merge(base, a, b, alpha=scale * len(a))
            kept = self._merged[name] = base, scale, a.detach().clone(), b.detach().clone(), merged
        return kept[4]


class _Product(torch.autograd.Function):
    """x (W + s B A)^T, given the sum; gradients go to x, A and B."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, merged: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(x, merged, a, b)
        ctx.scale = scale
        return F.linear(x, merged)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, merged, a, b = ctx.saved_tensors
        wants_x, _, wants_a, wants_b, _ = ctx.needs_input_grad
        rows, inputs = gradient.flatten(0, -2), x.flatten(0, -2)
        to_x = gradient @ merged if wants_x else None
        to_a = (rows @ (ctx.scale * b)).T @ inputs if wants_a else None
        to_b = ctx.scale * (rows.T @ (inputs @ a.T)) if wants_b else None
        return to_x, None, to_a, to_b, None

"""Exercises of lab 03: weights in four bits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ....formulas import quantization
from ....formulas.quantization import NF4_LEVELS
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _weights(rng: np.random.Generator) -> list[Arguments]:
    scales = torch.tensor(rng.uniform(0.02, 3.0, size=(8, 1)), dtype=torch.float32)  # blocks of unlike size
    uneven = (normal(rng, 8, 64) * scales).reshape(4, 128)
    outlier = normal(rng, 2, 64)
    outlier[1, int(rng.integers(64))] = -20.0
    return [
        {"weight": uneven, "block": 64},
        {"weight": outlier, "block": 64},
        {"weight": normal(rng, 3, 64), "block": 32},
        {"weight": normal(rng, 1, 16), "block": 16},
    ]


def _nearest(scaled: Tensor, levels: Tensor = NF4_LEVELS) -> Tensor:
    return (scaled.unsqueeze(-1) - levels).abs().argmin(-1)


def _quantized(
    scale: Callable[[Tensor], Tensor] = lambda blocks: blocks.abs().amax(1),
    code: Callable[[Tensor], Tensor] = _nearest,
) -> Callable[..., tuple[Tensor, Tensor]]:
    """NF4 with the scale of the blocks or the choice of the level exchanged."""

    def quantize(weight: Tensor, block: int) -> tuple[Tensor, Tensor]:
        blocks = weight.reshape(-1, block)
        scales = scale(blocks)
        return code(blocks / scales.unsqueeze(1)).reshape(weight.shape), scales

    return quantize


def _quantized_rows(weight: Tensor, block: int) -> tuple[Tensor, Tensor]:
    absmax = weight.abs().amax(1)
    return _nearest(weight / absmax.unsqueeze(1)), absmax


QUANTIZE_NF4 = Exercise(
    name="quantize_nf4",
    title="Sixteen levels for a weight",
    minutes=12,
    difficulty=2,
    deliver="(codes, absmax): the index 0-15 of the nearest NF4 level, in weight's shape, and each block's absmax.",
    reference=quantization.quantize_nf4,
    cases=_weights,
    hints=(
        "`weight.reshape(-1, block)` has one block in each row; its absmax is the largest magnitude of the row.",
        "Divide each block by its absmax: now all numbers lie between -1 and 1, as the levels do.",
        "The nearest level: `(scaled.unsqueeze(-1) - NF4_LEVELS).abs().argmin(dim=-1)`. Give back weight's shape.",
    ),
    misconceptions=(
        Misconception(
            "one scale",
            "one absmax for the whole weight: a single outlier then takes the levels from all other blocks",
            _quantized(scale=lambda blocks: blocks.abs().max().expand(len(blocks))),
        ),
        Misconception(
            "rows",
            "it scales each row of the matrix: a block is a run of `block` numbers, whatever the shape",
            _quantized_rows,
        ),
        Misconception(
            "largest",
            "it scales by the largest number, not the largest *magnitude*: a large negative weight falls off the grid",
            _quantized(scale=lambda blocks: blocks.amax(1)),
        ),
        Misconception(
            "uniform",
            "the levels are evenly spaced: those of NF4 lie close together near 0, where most weights are",
            _quantized(code=lambda scaled: _nearest(scaled, torch.linspace(-1, 1, 16))),
        ),
        Misconception(
            "below",
            "it takes the level below, not the nearest: every weight would shrink towards -absmax",
            _quantized(code=lambda scaled: torch.bucketize(scaled, NF4_LEVELS, right=True) - 1),
        ),
        Misconception(
            "no sign",
            "the sign is lost: scale the weight itself, and only its absmax is a magnitude",
            _quantized(code=lambda scaled: _nearest(scaled.abs())),
        ),
        Misconception(
            "levels",
            "those are the levels themselves: four bits hold the *index* of a level, 0 to 15",
            _quantized(code=lambda scaled: NF4_LEVELS[_nearest(scaled)]),
        ),
    ),
)


def _coded(rng: np.random.Generator) -> list[Arguments]:
    def case(shape: tuple[int, ...], blocks: int) -> Arguments:
        absmax = torch.tensor(rng.uniform(0.1, 3.0, size=blocks), dtype=torch.float32)
        return {"codes": torch.tensor(rng.integers(0, 16, size=shape)), "absmax": absmax}

    return [case((4, 128), 8), case((2, 64), 2), case((3, 64), 6), case((1, 64), 1)]


def _times(levels: Tensor, scales: Tensor) -> Tensor:
    """Levels in any shape times one scale for each block."""
    return (levels.reshape(len(scales), -1) * scales.unsqueeze(1)).reshape(levels.shape)


DEQUANTIZE_NF4 = Exercise(
    name="dequantize_nf4",
    title="Back from four bits",
    minutes=6,
    difficulty=1,
    deliver="The level of each code times the absmax of its block, in the shape of codes.",
    reference=quantization.dequantize_nf4,
    cases=_coded,
    hints=(
        "`NF4_LEVELS[codes]` looks all levels up at once.",
        "There are len(absmax) blocks of equal size: reshape to (blocks, numbers), multiply, reshape back.",
    ),
    misconceptions=(
        Misconception(
            "no scale",
            "the scale is missing: levels lie between -1 and 1, so multiply by the block's absmax",
            lambda codes, absmax: NF4_LEVELS[codes],
        ),
        Misconception(
            "one scale",
            "all blocks get the same scale: each has its own absmax",
            lambda codes, absmax: NF4_LEVELS[codes] * absmax.max(),
        ),
        Misconception(
            "uniform",
            "the levels are evenly spaced: look the code up in NF4_LEVELS",
            lambda codes, absmax: _times(torch.linspace(-1, 1, 16)[codes], absmax),
        ),
        Misconception(
            "codes as numbers",
            "it multiplies the codes themselves: a code is the place of a level in NF4_LEVELS",
            lambda codes, absmax: _times(codes.float(), absmax),
        ),
        Misconception(
            "divides",
            "it divides by the absmax: quantizing divided, so going back multiplies",
            lambda codes, absmax: _times(NF4_LEVELS[codes], 1 / absmax),
        ),
        Misconception(
            "interleaved",
            "the scales go round number by number: the first block's numbers come first, all with the first scale",
            lambda codes, absmax: NF4_LEVELS[codes] * absmax.repeat(codes.numel() // len(absmax)).reshape(codes.shape),
        ),
    ),
)

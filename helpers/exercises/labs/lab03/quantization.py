"""Exercises of lab 03: weights in four bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
        {"weight": torch.cat([normal(rng, 2, 16), torch.zeros(2, 16)], 1), "block": 16},
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
        return code(blocks / _not_zero(scales).unsqueeze(1)).reshape(weight.shape), scales

    return quantize


def _not_zero(scales: Tensor) -> Tensor:
    return scales.where(scales != 0, 1.0)


def _quantized_rows(weight: Tensor, block: int) -> tuple[Tensor, Tensor]:
    absmax = weight.abs().amax(1)
    return _nearest(weight / absmax.unsqueeze(1)), absmax


def _with_zero_blocks(code: int, quantize: Callable[..., Any]) -> Callable[..., Any]:
    """Quantization that gives this code to a block of zeros, as 0 / 0 does."""

    def naive(weight: Tensor, block: int) -> Any:
        codes, absmax = quantize(weight, block)
        zeros = weight.reshape(-1, block).eq(0).all(1).repeat_interleave(block).reshape(weight.shape)
        return codes.masked_fill(zeros, code), absmax

    return naive


def _dividing_by_zero(weight: Tensor, block: int) -> tuple[Tensor, Tensor]:
    if weight.reshape(-1, block).eq(0).all(1).any():
        raise ZeroDivisionError
    return _quantized()(weight, block)


def _also_with_zero_blocks(*mistakes: Misconception) -> tuple[Misconception, ...]:
    """The mistakes, and each in an answer that fails at a block of zeros besides."""
    return tuple(
        replace(mistake, wrong=(*mistake.variants, *(_with_zero_blocks(0, wrong) for wrong in mistake.variants)))
        for mistake in mistakes
    )


def _one_scale(shape: tuple[int, ...]) -> Callable[..., tuple[Tensor, Tensor]]:
    """One absmax for all, in this shape."""
    return lambda weight, block: (_nearest(weight / weight.abs().max()), weight.abs().max().reshape(shape))


def _with_codes(code: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., tuple[Tensor, Tensor]]:
    """NF4 with codes made from the blocks and their absmax (blocks, 1)."""

    def quantize(weight: Tensor, block: int) -> tuple[Tensor, Tensor]:
        blocks = weight.reshape(-1, block)
        absmax = blocks.abs().amax(1, keepdim=True)
        return code(blocks, _not_zero(absmax)).reshape(weight.shape), absmax.squeeze(1)

    return quantize


def _then(change: Callable[[Tensor, Tensor, int], Any]) -> Callable[..., Any]:
    """The right codes and absmax, given back in another way."""
    return lambda weight, block: change(*_quantized()(weight, block), block)


def _columns(weight: Tensor, block: int) -> tuple[Tensor, Tensor]:
    blocks = weight.reshape(block, -1)
    absmax = blocks.abs().amax(0)
    return _nearest(blocks / _not_zero(absmax)).reshape(weight.shape), absmax


QUANTIZE_NF4 = Exercise(
    name="quantize_nf4",
    title="Sixteen levels for a weight",
    minutes=12,
    difficulty=2,
    deliver="(codes, absmax): integers 0-15 in weight's shape, and one number for each block of `block` weights.",
    reference=quantization.quantize_nf4,
    cases=_weights,
    hints=(
        "`weight.reshape(-1, block)` has one block in each row; its absmax is the largest magnitude of the row.",
        "Divide each block by its absmax, unless that is 0: now all numbers lie between -1 and 1, as the levels do.",
        "The nearest level: `(scaled.unsqueeze(-1) - NF4_LEVELS).abs().argmin(dim=-1)`. Give back weight's shape.",
    ),
    misconceptions=(
        *_also_with_zero_blocks(
            Misconception(
                "one scale",
                "one absmax for the whole weight: a single outlier then takes the levels from all other blocks",
                (
                    _quantized(scale=lambda blocks: blocks.abs().max().expand(len(blocks))),
                    _one_scale(()),
                    _one_scale((1,)),
                ),
            ),
            Misconception(
                "rows",
                "it scales each row of the matrix: a block is a run of `block` numbers, whatever the shape",
                (
                    _quantized_rows,
                    lambda weight, block: (_nearest(weight / weight.abs().amax(-1, True)), weight.abs().amax(-1, True)),
                ),
            ),
            Misconception(
                "largest",
                "it scales by the largest number, not the largest *magnitude*: a large negative weight has no level",
                _quantized(scale=lambda blocks: blocks.amax(1)),
            ),
            Misconception(
                "uniform",
                "the levels are evenly spaced: those of NF4 lie close together near 0, where most weights are",
                (
                    _quantized(code=lambda scaled: _nearest(scaled, torch.linspace(-1, 1, 16))),
                    _quantized(code=lambda scaled: ((scaled + 1) * 8).floor().clamp(0, 15)),
                    _quantized(code=lambda scaled: ((scaled + 1) * 7.5).round()),
                    _quantized(code=lambda scaled: ((scaled + 1) * 7.5).floor()),
                    _quantized(code=lambda scaled: (scaled * 7).round() + 7),
                    _quantized(code=lambda scaled: (scaled * 7).round() + 8),
                    _quantized(code=lambda scaled: (scaled * 8).round().clamp(-8, 7) + 8),
                    _quantized(code=lambda scaled: (scaled * 15).round()),
                ),
            ),
            Misconception(
                "below",
                "it takes the level below, not the nearest: every weight would move down",
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
                (
                    _quantized(code=lambda scaled: NF4_LEVELS[_nearest(scaled)]),
                    _with_codes(lambda blocks, absmax: NF4_LEVELS[_nearest(blocks / absmax)] * absmax),
                ),
            ),
            Misconception(
                "above",
                "it takes the level above, not the nearest: every weight would move up",
                (
                    _quantized(code=lambda scaled: torch.bucketize(scaled, NF4_LEVELS)),
                    _quantized(code=lambda scaled: torch.bucketize(scaled, NF4_LEVELS, right=True)),
                    _quantized(code=lambda scaled: torch.bucketize(scaled, NF4_LEVELS, right=True).clamp(max=15)),
                ),
            ),
            Misconception(
                "farthest",
                "it takes the level that is farthest away: the *smallest* distance is asked for",
                _quantized(code=lambda scaled: (scaled.unsqueeze(-1) - NF4_LEVELS).abs().argmax(-1)),
            ),
            Misconception(
                "signed distance",
                "the distance has a sign: take its absolute value, and then the smallest",
                (
                    _quantized(code=lambda scaled: (scaled.unsqueeze(-1) - NF4_LEVELS).argmin(-1)),
                    _quantized(code=lambda scaled: (NF4_LEVELS - scaled.unsqueeze(-1)).argmin(-1)),
                ),
            ),
            Misconception(
                "not scaled",
                "the weights are not divided by their absmax: the levels lie between -1 and 1",
                _with_codes(lambda blocks, absmax: _nearest(blocks)),
            ),
            Misconception(
                "multiplies",
                "it multiplies by the absmax: divide by it, so that all numbers lie between -1 and 1",
                _with_codes(lambda blocks, absmax: _nearest(blocks * absmax)),
            ),
            Misconception(
                "another scale",
                "that is not the absmax: the largest magnitude of each block, so that no number leaves the levels",
                (
                    _quantized(scale=lambda blocks: blocks.std(1)),
                    _quantized(scale=lambda blocks: blocks.std(1, correction=0)),
                    _quantized(scale=lambda blocks: blocks.abs().mean(1)),
                    _quantized(scale=lambda blocks: blocks.norm(dim=1)),
                    _quantized(scale=lambda blocks: blocks.amax(1) - blocks.amin(1)),
                    _quantized(scale=lambda blocks: (blocks.amax(1) - blocks.amin(1)) / 2),
                    _quantized(scale=lambda blocks: blocks.amin(1).abs()),
                ),
            ),
            Misconception(
                "sign of the scale",
                "the scale carries a sign: absmax is a magnitude, never below 0",
                (
                    _quantized(scale=lambda blocks: blocks.gather(1, blocks.abs().argmax(1, True)).squeeze(1)),
                    _quantized(scale=lambda blocks: blocks.amin(1)),
                ),
            ),
            Misconception(
                "block fixed",
                "the block size is a fixed number: use the argument `block`, which is not always 64",
                (
                    lambda weight, block: _quantized()(weight, 64),
                    lambda weight, block: _quantized()(weight, min(64, weight.numel())),
                    lambda weight, block: _quantized()(weight, 32),
                ),
            ),
            Misconception(
                "columns",
                "the blocks are cut across: a block is a run of `block` neighboring numbers",
                (
                    _columns,
                    lambda weight, block: _quantized()(weight.T, block),
                ),
            ),
            Misconception(
                "number of blocks",
                "`block` is taken for the number of blocks: it is how many numbers are in each",
                lambda weight, block: _quantized()(weight, weight.numel() // block),
            ),
            Misconception(
                "counts from 1",
                "the codes count from 1 or around 0: the levels have indices from 0 to 15",
                (
                    _quantized(code=lambda scaled: _nearest(scaled) + 1),
                    _quantized(code=lambda scaled: _nearest(scaled) - 8),
                    _quantized(code=lambda scaled: _nearest(scaled) - 7),
                ),
            ),
            Misconception(
                "shape of codes",
                "the codes keep the shape of the blocks: bring them back into the shape of weight",
                (
                    _then(lambda codes, absmax, block: (codes.reshape(-1, block), absmax)),
                    _then(lambda codes, absmax, block: (codes.flatten(), absmax)),
                ),
            ),
            Misconception(
                "shape of absmax",
                "absmax has the wrong shape: it is one number for each block, (blocks,)",
                (
                    _then(lambda codes, absmax, block: (codes, absmax.unsqueeze(1))),
                    _then(lambda codes, absmax, block: (codes, absmax.repeat_interleave(block))),
                    _then(lambda codes, absmax, block: (codes, absmax.repeat_interleave(block).reshape(codes.shape))),
                ),
            ),
            Misconception(
                "order",
                "the two are in the wrong order: (codes, absmax)",
                _then(lambda codes, absmax, block: (absmax, codes)),
            ),
            Misconception(
                "codes alone",
                "absmax is missing: give back two tensors, (codes, absmax)",
                _then(lambda codes, absmax, block: codes),
            ),
        ),
        Misconception(
            "zero block",
            "a block of zeros is divided by 0: its absmax is 0, and its numbers get the code of level 0",
            (
                *(_with_zero_blocks(code, _quantized()) for code in (0, 8, 15, 16, -(2**63))),
                _dividing_by_zero,
            ),
        ),
    ),
)

"""Exercises of lab 03: back from four bits."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ....formulas import quantization
from ....formulas.quantization import NF4_LEVELS
from ...exercise import Arguments, Exercise, Misconception


def _coded(rng: np.random.Generator) -> list[Arguments]:
    def case(shape: tuple[int, ...], blocks: int) -> Arguments:
        absmax = torch.tensor(rng.uniform(0.1, 3.0, size=blocks), dtype=torch.float32)
        return {"codes": torch.tensor(rng.integers(0, 16, size=shape)), "absmax": absmax}

    return [case((4, 128), 8), case((2, 64), 2), case((3, 64), 6), case((1, 64), 1), case((2, 24), 4)]


def _times(levels: Tensor, scales: Tensor) -> Tensor:
    """Levels in any shape times one scale for each block."""
    return (levels.reshape(len(scales), -1) * scales.unsqueeze(1)).reshape(levels.shape)


DEQUANTIZE_NF4 = Exercise(
    name="dequantize_nf4",
    title="Back from four bits",
    minutes=6,
    difficulty=1,
    deliver="Floats in the shape of codes; there are len(absmax) blocks, all of one size.",
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
            (
                lambda codes, absmax: NF4_LEVELS[codes] * absmax.max(),
                lambda codes, absmax: NF4_LEVELS[codes] * absmax.mean(),
                lambda codes, absmax: NF4_LEVELS[codes] * absmax[0],
            ),
        ),
        Misconception(
            "uniform",
            "the levels are evenly spaced: look the code up in NF4_LEVELS",
            (
                lambda codes, absmax: _times(torch.linspace(-1, 1, 16)[codes], absmax),
                lambda codes, absmax: _times(codes / 15, absmax),
                lambda codes, absmax: _times((codes - 8) / 8, absmax),
                lambda codes, absmax: _times((codes - 8) / 7, absmax),
                lambda codes, absmax: _times((codes - 7) / 8, absmax),
                lambda codes, absmax: _times(codes / 8 - 1, absmax),
            ),
        ),
        Misconception(
            "codes as numbers",
            "it multiplies the codes themselves: a code is the place of a level in NF4_LEVELS",
            (
                lambda codes, absmax: _times(codes.float(), absmax),
                lambda codes, absmax: _times(codes - 8.0, absmax),
                lambda codes, absmax: _times(codes - 7.0, absmax),
            ),
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
        Misconception(
            "rows",
            "it gives one scale to each row or column of codes: a block may be longer or shorter than a row",
            (
                lambda codes, absmax: NF4_LEVELS[codes] * absmax.unsqueeze(1),
                lambda codes, absmax: NF4_LEVELS[codes] * absmax,
            ),
        ),
        Misconception(
            "block fixed",
            "the block size is a fixed number: there are len(absmax) blocks, so find their size from the shapes",
            (
                lambda codes, absmax: (NF4_LEVELS[codes].reshape(-1, 64) * absmax.unsqueeze(1)).reshape(codes.shape),
                lambda codes, absmax: (
                    NF4_LEVELS[codes] * absmax.repeat_interleave(64)[: codes.numel()].reshape(codes.shape)
                ),
                lambda codes, absmax: (
                    NF4_LEVELS[codes] * absmax.repeat_interleave(32)[: codes.numel()].reshape(codes.shape)
                ),
                lambda codes, absmax: (
                    NF4_LEVELS[codes] * absmax[torch.arange(codes.numel()) // 64].reshape(codes.shape)
                ),
            ),
        ),
        Misconception(
            "shape",
            "the result keeps another shape: bring it back into the shape of codes",
            (
                lambda codes, absmax: _times(NF4_LEVELS[codes], absmax).flatten(),
                lambda codes, absmax: _times(NF4_LEVELS[codes], absmax).reshape(len(absmax), -1),
            ),
        ),
        Misconception(
            "adds",
            "it adds the absmax: multiply by it",
            lambda codes, absmax: NF4_LEVELS[codes] + _times(torch.ones(codes.shape), absmax),
        ),
        Misconception(
            "off by one",
            "the levels are read one place off: code 0 is the first level",
            (
                lambda codes, absmax: _times(NF4_LEVELS[codes - 1], absmax),
                lambda codes, absmax: _times(NF4_LEVELS[(codes + 1).clamp(max=15)], absmax),
                lambda codes, absmax: _times(NF4_LEVELS[(codes - 1).clamp(min=0)], absmax),
            ),
        ),
        Misconception(
            "no sign",
            "the sign of the levels is lost: levels below 0 are negative weights",
            lambda codes, absmax: _times(NF4_LEVELS[codes].abs(), absmax),
        ),
        Misconception(
            "squared scale",
            "the absmax is taken squared or as a root: multiply by the absmax itself, once",
            (
                lambda codes, absmax: _times(NF4_LEVELS[codes], absmax**2),
                lambda codes, absmax: _times(NF4_LEVELS[codes], absmax.sqrt()),
            ),
        ),
        Misconception(
            "reversed",
            "the levels are read backwards or with the other sign: code 0 is -1, code 15 is 1",
            (
                lambda codes, absmax: _times(NF4_LEVELS.flip(0)[codes], absmax),
                lambda codes, absmax: _times(-NF4_LEVELS[codes], absmax),
            ),
        ),
    ),
)

"""Answers to the exercises of lab 03: weights in four bits."""

import math

import numpy as np
import torch

from helpers.formulas.quantization import NF4_LEVELS


def quantize_by_loop(weight, block=64):
    levels = NF4_LEVELS.tolist()
    codes, scales = [], []
    for numbers in weight.flatten().split(block):
        scale = max(abs(number) for number in numbers.tolist())
        scales.append(scale)
        codes += [min(range(16), key=lambda i: abs(levels[i] - x / scale)) for x in numbers.tolist()]
    return torch.tensor(codes).reshape(weight.shape), torch.tensor(scales)


def quantize_by_distance(block, weight):
    blocks = weight.view(-1, block)
    absmax = torch.linalg.vector_norm(blocks, ord=math.inf, dim=1)
    distances = (blocks[:, :, None] - absmax[:, None, None] * NF4_LEVELS).abs()
    return distances.argmin(2).view_as(weight), absmax


def quantize_in_numpy(weight, block):
    blocks = weight.numpy().reshape(-1, block)
    absmax = np.abs(blocks).max(axis=1)
    levels = NF4_LEVELS.numpy()
    codes = np.searchsorted((levels[1:] + levels[:-1]) / 2, blocks / absmax[:, None])
    return torch.tensor(codes.reshape(weight.shape)), torch.tensor(absmax)


def coded(blocks, scales, shape, levels=NF4_LEVELS):
    """Codes of the nearest levels, from distances in the weight's own units."""
    return (blocks[:, :, None] - scales[:, None, None] * levels).abs().argmin(2).reshape(shape)


def quantize_with_one_scale(weight, block):
    blocks = weight.reshape(-1, block)
    absmax = torch.full((len(blocks),), weight.abs().max().item())
    return coded(blocks, absmax, weight.shape), absmax


def quantize_by_rows(weight, block):
    absmax = weight.abs().max(dim=1).values
    return coded(weight, absmax, weight.shape), absmax


def quantize_by_largest(weight, block):
    blocks = weight.reshape(-1, block)
    largest = blocks.max(dim=1).values
    return coded(blocks, largest, weight.shape), largest


def quantize_evenly(weight, block):
    blocks = weight.reshape(-1, block)
    absmax = blocks.abs().max(dim=1).values
    return torch.round((blocks / absmax[:, None] + 1) * 7.5).long().reshape(weight.shape), absmax


def quantize_downwards(weight, block):
    blocks = weight.reshape(-1, block)
    absmax = blocks.abs().max(dim=1).values
    below = (blocks[:, :, None] / absmax[:, None, None] >= NF4_LEVELS).sum(2) - 1
    return below.reshape(weight.shape), absmax


def quantize_magnitudes(weight, block):
    blocks = weight.abs().reshape(-1, block)
    absmax = blocks.max(dim=1).values
    return coded(blocks, absmax, weight.shape), absmax


def quantize_to_levels(weight, block):
    codes, absmax = quantize_by_distance(block, weight)
    return NF4_LEVELS.gather(0, codes.flatten()).reshape(weight.shape), absmax


def dequantize_by_loop(codes, absmax):
    size = codes.numel() // len(absmax)
    numbers = [NF4_LEVELS[code] * absmax[i // size] for i, code in enumerate(codes.flatten().tolist())]
    return torch.stack(numbers).reshape(codes.shape)


def dequantize_by_repeating(absmax, codes):
    scales = absmax.repeat_interleave(codes.numel() // absmax.numel())
    return NF4_LEVELS[codes] * scales.view(codes.shape)


def dequantize_without_scale(codes, absmax):
    return NF4_LEVELS.gather(0, codes.flatten()).reshape(codes.shape)


def dequantize_with_one_scale(codes, absmax):
    return torch.max(absmax) * torch.stack([NF4_LEVELS[row] for row in codes])


def dequantize_evenly(codes, absmax):
    scales = absmax.repeat_interleave(codes.numel() // absmax.numel()).reshape(codes.shape)
    return (codes / 7.5 - 1) * scales


def dequantize_the_codes(codes, absmax):
    return codes * absmax.repeat_interleave(codes.numel() // absmax.numel()).reshape(codes.shape)


def dequantize_by_dividing(codes, absmax):
    return NF4_LEVELS[codes] / absmax.repeat_interleave(codes.numel() // absmax.numel()).reshape(codes.shape)


def dequantize_interleaved(codes, absmax):
    numbers = NF4_LEVELS[codes].reshape(-1, len(absmax)) * absmax
    return numbers.reshape(codes.shape)


RIGHT = {
    "quantize_nf4": [quantize_by_loop, quantize_by_distance, quantize_in_numpy],
    "dequantize_nf4": [dequantize_by_loop, dequantize_by_repeating],
}
WRONG = {
    "quantize_nf4": {
        "one scale": [quantize_with_one_scale],
        "rows": [quantize_by_rows],
        "largest": [quantize_by_largest],
        "uniform": [quantize_evenly],
        "below": [quantize_downwards],
        "no sign": [quantize_magnitudes],
        "levels": [quantize_to_levels],
    },
    "dequantize_nf4": {
        "no scale": [dequantize_without_scale],
        "one scale": [dequantize_with_one_scale],
        "uniform": [dequantize_evenly],
        "codes as numbers": [dequantize_the_codes],
        "divides": [dequantize_by_dividing],
        "interleaved": [dequantize_interleaved],
    },
}

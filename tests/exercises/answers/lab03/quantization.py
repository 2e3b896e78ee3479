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
        codes += [min(range(16), key=lambda i: abs(levels[i] - x / (scale or 1.0))) for x in numbers.tolist()]
    return torch.tensor(codes).reshape(weight.shape), torch.tensor(scales)


def quantize_by_distance(block, weight):
    blocks = weight.view(-1, block)
    absmax = torch.linalg.vector_norm(blocks, ord=math.inf, dim=1)
    distances = (blocks[:, :, None] - absmax.clamp(min=1e-30)[:, None, None] * NF4_LEVELS).abs()
    return distances.argmin(2).view_as(weight), absmax


def quantize_in_numpy(weight, block):
    blocks = weight.numpy().reshape(-1, block)
    absmax = np.abs(blocks).max(axis=1)
    levels = NF4_LEVELS.numpy()
    codes = np.searchsorted((levels[1:] + levels[:-1]) / 2, blocks / np.where(absmax > 0, absmax, 1)[:, None])
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
    return torch.round((blocks / absmax.clamp(min=1e-30)[:, None] + 1) * 7.5).long().reshape(weight.shape), absmax


def quantize_downwards(weight, block):
    blocks = weight.reshape(-1, block)
    absmax = blocks.abs().max(dim=1).values
    below = (blocks[:, :, None] / absmax.clamp(min=1e-30)[:, None, None] >= NF4_LEVELS).sum(2) - 1
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


def quantize_upwards(weight, block):
    codes, absmax = quantize_downwards(weight, block)
    exact = (NF4_LEVELS[codes].reshape(-1, block) * absmax[:, None] == weight.reshape(-1, block)).reshape(weight.shape)
    return torch.where(exact, codes, codes + 1), absmax


def quantize_to_the_farthest(weight, block):
    blocks = weight.reshape(-1, block)
    codes = torch.where(blocks >= 0, 0, 15).reshape(weight.shape)
    return codes, blocks.abs().max(dim=1).values


def quantize_by_signed_distance(weight, block):
    return torch.full(weight.shape, 15), weight.reshape(-1, block).abs().max(dim=1).values


def quantize_across(weight, block):
    blocks = weight.reshape(block, -1).T
    absmax = blocks.abs().max(dim=1).values
    return coded(blocks, absmax, blocks.shape).T.reshape(weight.shape), absmax


def dequantize_blocks_of_64(codes, absmax):
    levels = NF4_LEVELS[codes].view(-1, 64)
    return (levels * absmax.view(-1, 1)).view(codes.shape)


def quantize_and_divide_by_zero(weight, block):
    blocks = weight.reshape(-1, block)
    absmax = blocks.abs().max(dim=1).values
    return ((blocks / absmax[:, None])[..., None] - NF4_LEVELS).abs().argmin(-1).reshape(weight.shape), absmax


RIGHT = {
    "quantize_nf4": [quantize_by_loop, quantize_by_distance, quantize_in_numpy],
    "dequantize_nf4": [dequantize_by_loop, dequantize_by_repeating],
}
WRONG = {
    "quantize_nf4": {
        "zero block": [quantize_and_divide_by_zero],
        "one scale": [quantize_with_one_scale],
        "rows": [quantize_by_rows],
        "largest": [quantize_by_largest],
        "uniform": [quantize_evenly],
        "below": [quantize_downwards],
        "no sign": [quantize_magnitudes],
        "levels": [quantize_to_levels],
        "above": [quantize_upwards],
        "farthest": [quantize_to_the_farthest],
        "signed distance": [quantize_by_signed_distance],
        "not scaled": [
            lambda weight, block: (
                coded(weight[..., None].reshape(-1, 1), torch.ones(weight.numel()), weight.shape),
                weight.reshape(-1, block).abs().max(1).values,
            )
        ],
        "multiplies": [
            lambda weight, block: (
                coded(
                    weight.reshape(-1, block) * weight.reshape(-1, block).abs().max(1).values[:, None],
                    torch.ones(weight.numel() // block),
                    weight.shape,
                ),
                weight.reshape(-1, block).abs().max(1).values,
            )
        ],
        "another scale": [
            lambda weight, block: (
                coded(weight.reshape(-1, block), weight.reshape(-1, block).std(dim=1), weight.shape),
                weight.reshape(-1, block).std(dim=1),
            )
        ],
        "sign of the scale": [
            lambda weight, block: (
                coded(weight.reshape(-1, block), weight.reshape(-1, block).min(1).values, weight.shape),
                weight.reshape(-1, block).min(1).values,
            )
        ],
        "block fixed": [lambda weight, block: quantize_by_loop(weight)],
        "columns": [quantize_across],
        "number of blocks": [lambda weight, block: quantize_in_numpy(weight, weight.numel() // block)],
        "counts from 1": [
            lambda weight, block: (quantize_by_distance(block, weight)[0] + 1, quantize_by_distance(block, weight)[1])
        ],
        "shape of codes": [
            lambda weight, block: (
                quantize_by_distance(block, weight)[0].flatten(),
                quantize_by_distance(block, weight)[1],
            )
        ],
        "shape of absmax": [
            lambda weight, block: (
                quantize_by_distance(block, weight)[0],
                quantize_by_distance(block, weight)[1].view(-1, 1),
            )
        ],
        "order": [lambda weight, block: quantize_by_distance(block, weight)[::-1]],
        "codes alone": [lambda weight, block: quantize_by_distance(block, weight)[0]],
    },
    "dequantize_nf4": {
        "no scale": [dequantize_without_scale],
        "one scale": [dequantize_with_one_scale],
        "uniform": [dequantize_evenly],
        "codes as numbers": [dequantize_the_codes],
        "divides": [dequantize_by_dividing],
        "interleaved": [dequantize_interleaved],
        "rows": [lambda codes, absmax: torch.mul(NF4_LEVELS[codes], absmax.view(-1, 1))],
        "block fixed": [dequantize_blocks_of_64],
        "shape": [lambda codes, absmax: dequantize_by_loop(codes, absmax).reshape(-1)],
        "adds": [
            lambda codes, absmax: (
                NF4_LEVELS[codes] + absmax.repeat_interleave(codes.numel() // absmax.numel()).reshape(codes.shape)
            )
        ],
        "off by one": [
            lambda codes, absmax: (
                NF4_LEVELS[(codes - 1) % 16]
                * absmax.repeat_interleave(codes.numel() // absmax.numel()).reshape(codes.shape)
            )
        ],
        "no sign": [lambda codes, absmax: dequantize_by_loop(codes, absmax).abs()],
        "squared scale": [lambda codes, absmax: dequantize_by_loop(codes, absmax.square())],
        "reversed": [lambda codes, absmax: -dequantize_by_loop(codes, absmax)],
    },
}

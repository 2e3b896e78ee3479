"""NF4 by hand against bitsandbytes, and its levels against the quantiles that they are made from."""

import numpy as np
import pytest
import torch
from bitsandbytes.functional import dequantize_4bit, quantize_4bit
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from helpers.formulas.quantization import NF4_LEVELS, dequantize_nf4, quantize_nf4

deterministic = settings(derandomize=True, deadline=None, max_examples=30)


def random_weight(seed: int, *shape: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def unpacked(packed: torch.Tensor) -> torch.Tensor:
    """bitsandbytes keeps two codes in a byte, the first in the high half."""
    return torch.stack([packed.flatten() >> 4, packed.flatten() & 15], dim=1).flatten().long()


def test_levels_are_quantiles_of_a_normal_distribution():
    """Dettmers et al. 2023, section 3: 8 of the positive half with 0, 7 of the negative, scaled to [-1, 1]."""
    edge = (1 - 1 / 32 + 1 - 1 / 30) / 2  # the outermost probability, the mean of the two halves'
    positive = norm.ppf(np.linspace(0.5, edge, 9))
    negative = -norm.ppf(np.linspace(0.5, edge, 8))
    levels = np.concatenate([negative[::-1], positive[1:]]) / positive[-1]
    np.testing.assert_allclose(NF4_LEVELS, levels, atol=1e-6)


@deterministic
@given(st.integers(0, 2**31), st.sampled_from([64, 128]), st.floats(1e-4, 1e3))
def test_codes_scales_and_weights_are_those_of_bitsandbytes(seed, block, scale):
    weight = random_weight(seed, 6, 128, scale=scale)
    codes, absmax = quantize_nf4(weight, block)
    packed, state = quantize_4bit(weight, blocksize=block, quant_type="nf4")
    assert torch.equal(codes.flatten(), unpacked(packed))
    assert torch.equal(absmax, state.absmax)
    assert torch.equal(dequantize_nf4(codes, absmax), dequantize_4bit(packed, state))


@deterministic
@given(st.integers(0, 2**31))
def test_every_number_goes_to_its_nearest_level(seed):
    weight = random_weight(seed, 4, 64)
    codes, absmax = quantize_nf4(weight)
    distance = (weight.unsqueeze(-1) - NF4_LEVELS * absmax.view(4, 1, 1)).abs()
    torch.testing.assert_close((weight - dequantize_nf4(codes, absmax)).abs(), distance.amin(dim=-1))


def test_quantizing_again_changes_nothing_and_zeros_stay_zero():
    weight = random_weight(0, 3, 128)
    weight[1] = 0
    codes, absmax = quantize_nf4(weight)
    once = dequantize_nf4(codes, absmax)
    again, absmax_again = quantize_nf4(once)
    assert torch.equal(codes, again) and torch.equal(absmax, absmax_again)
    assert not once[1].any() and codes.dtype == torch.int64 and codes.shape == weight.shape


def test_half_precision_weights_are_taken_too():
    weight = random_weight(0, 2, 64).bfloat16()
    assert torch.equal(quantize_nf4(weight)[0], quantize_nf4(weight.float())[0])


def test_the_error_of_normal_weights_is_that_of_the_paper():
    """About 9 % of their size (0.0908 for blocks of 64); smaller blocks have smaller scales and errors."""
    weight = random_weight(0, 512, 512)

    def error(block):
        return ((dequantize_nf4(*quantize_nf4(weight, block)) - weight).norm() / weight.norm()).item()

    assert error(64) == pytest.approx(0.091, abs=0.002)
    assert error(16) < error(64) < error(1024)


def test_blocks_must_fill_the_weight():
    with pytest.raises(RuntimeError, match="shape"):
        quantize_nf4(torch.zeros(3, 30))

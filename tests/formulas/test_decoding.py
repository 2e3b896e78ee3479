"""Decoding: values by hand, and transformers' own."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import TemperatureLogitsWarper, TopPLogitsWarper

from helpers.formulas.decoding import temperature_probabilities, top_p

deterministic = settings(derandomize=True, deadline=None, max_examples=40)
seeds = st.integers(0, 2**31)


def test_temperature_is_transformers_and_goes_from_the_best_token_to_all():
    logits = torch.tensor([[1.0, 3.0, 2.0], [300.0, -300.0, 0.0]])
    for temperature in (0.5, 1.0, 1.7):
        theirs = TemperatureLogitsWarper(temperature)(None, logits).softmax(-1)
        torch.testing.assert_close(temperature_probabilities(logits, temperature), theirs)
    torch.testing.assert_close(temperature_probabilities(logits, 0.01)[0], torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(temperature_probabilities(logits, 1e4)[0], torch.full((3,), 1 / 3), atol=1e-4, rtol=0)


@deterministic
@given(seeds, st.floats(0.05, 0.95))
def test_top_p_is_transformers(seed, p):
    logits = 2 * torch.randn(1, 40, generator=torch.Generator().manual_seed(seed))
    theirs = TopPLogitsWarper(p)(None, logits).softmax(-1)[0]
    torch.testing.assert_close(top_p(logits.softmax(-1)[0], p), theirs)


def test_top_p_by_hand():
    probabilities = torch.tensor([0.1, 0.6, 0.3])
    torch.testing.assert_close(top_p(probabilities, 0.5), torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(top_p(probabilities, 0.7), torch.tensor([0.0, 2 / 3, 1 / 3]))
    torch.testing.assert_close(top_p(probabilities, 1.0), probabilities)

"""LoRA by hand against peft, and what trains."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import nn

from helpers.lora import lora_forward, lora_merge

sizes = st.integers(1, 6)


def matrices(inner: int, outer: int, rank: int, seed: int = 0) -> list[torch.Tensor]:
    """x, weight, a, b"""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(3, 5, inner), (outer, inner), (rank, inner), (outer, rank)]
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def peft_layer(alpha: int):
    """A Linear of 7 to 4 with peft's LoRA of rank 3, its B moved away from 0."""
    torch.manual_seed(0)
    model = get_peft_model(
        nn.Sequential(nn.Linear(7, 4, bias=False)), LoraConfig(r=3, lora_alpha=alpha, target_modules=["0"])
    )
    layer = model.base_model.model[0]
    nn.init.normal_(layer.lora_B["default"].weight)
    return model, layer.base_layer.weight, layer.lora_A["default"].weight, layer.lora_B["default"].weight


def test_forward_and_its_gradients_are_those_of_peft():
    model, weight, a, b = peft_layer(alpha=5)
    x = torch.randn(2, 6, 7)
    torch.testing.assert_close(lora_forward(x, weight, a, b, 5), model(x))
    theirs = torch.autograd.grad(model(x).square().sum(), [a, b])
    ours = torch.autograd.grad(lora_forward(x, weight, a, b, 5).square().sum(), [a, b])
    torch.testing.assert_close(ours, theirs)


def test_merge_is_that_of_peft():
    model, weight, a, b = peft_layer(alpha=5)
    ours = lora_merge(weight, a, b, 5).detach().clone()
    torch.testing.assert_close(ours, model.merge_and_unload()[0].weight.detach())


@settings(derandomize=True, deadline=None, max_examples=30)
@given(sizes, sizes, sizes, st.floats(0.5, 64))
def test_a_merged_weight_does_what_base_and_adapter_do(inner, outer, rank, alpha):
    x, weight, a, b = matrices(inner, outer, rank)
    torch.testing.assert_close(x @ lora_merge(weight, a, b, alpha).T, lora_forward(x, weight, a, b, alpha))
    assert torch.linalg.matrix_rank(lora_merge(weight, a, b, alpha) - weight) <= rank


def test_the_base_gets_no_gradient_and_a_new_adapter_does_nothing():
    x, weight, a, b = (tensor.requires_grad_() for tensor in matrices(5, 4, 2))
    lora_forward(x, weight, a, b, 8).sum().backward()
    assert weight.grad is None and all(tensor.grad.any() for tensor in (x, a, b))
    assert torch.equal(lora_forward(x, weight, a, torch.zeros_like(b), 8), x @ weight.T)

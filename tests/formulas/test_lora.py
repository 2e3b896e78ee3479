"""LoRA by hand against peft, what trains, and several adapters in one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import nn

from helpers.formulas.lora import lora_forward, lora_merge, mixed_update

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


# --- Several adapters ---------------------------------------------------------


def mixture(inner: int, outer: int, ranks: list[int], seed: int = 0):
    """Adapters (a, b, scale) of one layer, and a weight for each, some of them negative."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    adapters = [(normal(rank, inner), normal(outer, rank), 8 / rank) for rank in ranks]
    return adapters, normal(len(ranks)).tolist()


@settings(derandomize=True, deadline=None, max_examples=30)
@given(sizes, sizes, st.lists(sizes, min_size=1, max_size=4), st.integers(0, 2**31))
def test_a_mixture_adds_what_each_adapter_adds_alone(inner, outer, ranks, seed):
    adapters, weights = mixture(inner, outer, ranks, seed)
    nothing = torch.zeros(outer, inner, dtype=torch.float64)
    alone = [lora_merge(nothing, a, b, alpha=scale * len(a)) for a, b, scale in adapters]
    update = mixed_update(adapters, weights)
    torch.testing.assert_close(update, sum(weight * one for weight, one in zip(weights, alone, strict=True)))
    torch.testing.assert_close(mixed_update(adapters, [2 * weight for weight in weights]), 2 * update)
    torch.testing.assert_close(mixed_update(adapters + adapters[:1], [*weights, 0.0]), update)


def test_mixed_update_by_hand():
    first = (torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0], [0.0]]), 2.0)
    second = (torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0], [3.0]]), 1.0)
    # averaged apart, the a's and the b's would give all four entries a value
    assert mixed_update([first, second], [0.5, 0.5]).tolist() == [[2.0, 0.0], [0.0, 1.5]]
    with pytest.raises(ValueError):
        mixed_update([first, second], [1.0])


def test_a_mixture_is_pefts_concatenation():
    torch.manual_seed(0)
    shapes, weights = {"first": (3, 6), "second": (2, 16)}, [0.7, 0.4]  # rank, alpha
    configs = {name: LoraConfig(r=r, lora_alpha=alpha, target_modules=["0"]) for name, (r, alpha) in shapes.items()}
    model = get_peft_model(nn.Sequential(nn.Linear(7, 4, bias=False)), configs["first"], adapter_name="first")
    model.add_adapter("second", configs["second"])
    layer = model.base_model.model[0]
    for b in layer.lora_B.values():
        nn.init.normal_(b.weight)
    adapters = [(layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]) for name in shapes]
    model.add_weighted_adapter(list(shapes), weights, "both", combination_type="cat")

    torch.testing.assert_close(mixed_update(adapters, weights), layer.get_delta_weight("both"))

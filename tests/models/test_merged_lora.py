"""LoRA by merged weights against peft's own forward pass: the same numbers and gradients, and never stale ones."""

import json
from dataclasses import replace

import bitsandbytes
import pytest
import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from torch import nn

from helpers.models import merged_lora
from helpers.models.loading import load_base, lora_config
from helpers.models.merged_lora import MergedForward, UnpackedForward, multiply_merged

IDS = torch.arange(3, 63).reshape(4, 15)


def two_adapters(profile, **changes) -> nn.Module:
    """A 4-bit base with the random adapters "default" and "other"."""
    torch.manual_seed(0)
    config = replace_fields(lora_config(profile, "causal"), **changes)
    model = get_peft_model(load_base(profile), config)
    model.add_adapter("other", config)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    return model.train()


def replace_fields(config: LoraConfig, **changes) -> LoraConfig:
    for name, value in changes.items():
        setattr(config, name, value)
    return config


def fast(model: nn.Module) -> list[nn.Module]:
    return [layer for layer in model.modules() if isinstance(layer.forward, MergedForward)]


@pytest.fixture
def pair(profile):
    """Two models of the same weights: peft's own, and ours."""
    theirs, ours = two_adapters(profile), multiply_merged(two_adapters(profile))
    assert not fast(theirs) and len(fast(ours)) == 7 * theirs.config.num_hidden_layers
    return theirs, ours


def assert_same(theirs: nn.Module, ours: nn.Module) -> None:
    """The same loss without and with gradients, and the same gradients."""
    with torch.no_grad():
        plain = [model(input_ids=IDS, labels=IDS).loss for model in (theirs, ours)]
    losses = [model(input_ids=IDS, labels=IDS).loss for model in (theirs, ours)]
    torch.testing.assert_close(plain[1], plain[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-5, atol=1e-6)
    for model, loss in zip((theirs, ours), losses, strict=True):
        model.zero_grad()
        if loss.requires_grad:
            loss.backward()
    for (name, a), b in zip(theirs.named_parameters(), ours.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None), name
        if a.grad is not None:
            assert (b.grad - a.grad).norm() <= 1e-3 * a.grad.norm() + 1e-6, name


def test_every_adapter_and_none_gives_what_peft_gives(pair):
    theirs, ours = pair
    assert_same(*pair)
    before = ours(input_ids=IDS).logits
    for model in pair:
        model.set_adapter("other")
    assert_same(*pair)
    assert not torch.allclose(ours(input_ids=IDS).logits, before, atol=1e-3)  # else the adapters were not told apart
    with theirs.disable_adapter(), ours.disable_adapter():
        assert_same(*pair)


@pytest.mark.parametrize("option", ["foreach", "fused"])
def test_an_optimizer_step_is_seen(pair, option):
    """torch's fused optimizers write weights without counting up their version."""
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.5, **{option: True}) for model in pair]
    for _ in range(3):
        assert_same(*pair)
        for optimizer in optimizers:
            optimizer.step()
    assert_same(*pair)


def test_new_weights_are_seen_however_they_come(pair):
    assert_same(*pair)

    def fill(parameter):
        generator = torch.Generator().manual_seed(parameter.numel())
        return 0.1 * torch.randn(parameter.shape, generator=generator)

    def by_copy(model):
        with torch.no_grad():
            for p in filter(lambda p: p.requires_grad, model.parameters()):
                p.copy_(fill(p))

    def by_data(model):
        for p in filter(lambda p: p.requires_grad, model.parameters()):
            p.data = 2 * fill(p)

    def behind_the_back(model, part="lora_A"):
        for name, p in model.named_parameters():
            if p.requires_grad and part in name:
                p.data.mul_(-2)

    def of_b_alone(model):
        behind_the_back(model, "lora_B")

    def by_state_dict(model):
        set_peft_model_state_dict(model, {n: 3 * fill(p) for n, p in get_peft_model_state_dict(model).items()})

    def by_scale(model):
        for layer in model.modules():
            if hasattr(layer, "set_scale"):
                layer.set_scale("default", 3.0)

    losses = [pair[1](input_ids=IDS, labels=IDS).loss.item()]
    for change in (by_copy, by_data, behind_the_back, of_b_alone, by_state_dict, by_scale):
        for model in pair:
            change(model)
        assert_same(*pair)
        losses.append(pair[1](input_ids=IDS, labels=IDS).loss.item())
    assert len({round(loss, 4) for loss in losses}) == len(losses)  # else a change changed nothing


@pytest.mark.parametrize("changes", [{"lora_dropout": 0.5}, {"use_dora": True}, {"lora_bias": True}])
def test_adapters_that_are_not_plain_go_pefts_way(profile, changes):
    theirs, ours = two_adapters(profile, **changes), multiply_merged(two_adapters(profile, **changes))
    for model in (theirs, ours):
        torch.manual_seed(1)
        model.logits = model(input_ids=IDS).logits
    assert fast(ours) and torch.equal(theirs.logits, ours.logits)


def test_autocast_two_active_adapters_and_merging_go_pefts_way(pair):
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(*(model(input_ids=IDS).logits for model in pair))
    for model in pair:
        model.base_model.set_adapter(["default", "other"])
    assert torch.equal(*(model(input_ids=IDS).logits for model in pair))
    for model in pair:
        model.base_model.set_adapter("default")
        model.merge_adapter()
    assert_same(*pair)
    for model in pair:
        model.unmerge_adapter()
    assert_same(*pair)


def test_a_frozen_adapter_passes_gradients_on_and_gets_none(pair):
    (layer, *_) = fast(pair[1])
    layer.requires_grad_(False)
    x = torch.randn(2, 3, layer.in_features, requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.any() and all(p.grad is None for p in layer.parameters())


def test_what_is_stored_does_not_change(profile, tmp_path):
    model = two_adapters(profile)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    multiply_merged(model)(input_ids=IDS)
    after = model.state_dict()
    assert list(before) == list(after) and all(torch.equal(before[name], after[name]) for name in before)
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["r"] == profile.lora_rank


def test_a_large_model_and_one_in_full_precision_are_left_alone(profile, monkeypatch):
    whole = get_peft_model(load_base(replace(profile, quantize=False)), lora_config(profile, "causal"))
    assert not fast(multiply_merged(whole))
    model = two_adapters(profile)
    size = sum(layer.in_features * layer.out_features for layer in fast(multiply_merged(two_adapters(profile))))
    monkeypatch.setattr(merged_lora, "LIMIT", size - 1)
    assert not fast(multiply_merged(model))
    monkeypatch.setattr(merged_lora, "LIMIT", size)
    assert fast(multiply_merged(model))


def test_layers_without_an_adapter_are_unpacked_too(profile):
    """Where only the last layers are adapted, the others stay bitsandbytes' own and are multiplied once unpacked."""
    theirs, ours = (two_adapters(profile, layers_to_transform=[1]) for _ in range(2))
    multiply_merged(ours)
    packed = [m for m in ours.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
    assert len(packed) == 14 and sum(isinstance(m.forward, UnpackedForward) for m in packed) == 7
    assert len(fast(ours)) == 7
    assert_same(theirs, ours)
    layer = next(m for m in packed if isinstance(m.forward, UnpackedForward))
    x = torch.randn(3, layer.in_features)
    before = layer(x)
    layer.weight = type(layer.weight)(torch.randn(layer.out_features, layer.in_features)).to("cpu")  # packs it anew
    assert not torch.allclose(layer(x), before)  # never the old numbers
    assert layer(x.bfloat16()).dtype == torch.bfloat16  # bitsandbytes' own way

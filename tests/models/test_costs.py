"""The estimate for large models, against what can be counted here: weights, bytes, caches, what a layer saves."""

from dataclasses import replace

import pytest
import torch
from peft import get_peft_model
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from helpers.models import costs
from helpers.models.costs import GPU, GPUS, LLAMA_2, NF4, Shape
from helpers.models.loading import load_base, lora_config, quantization_config
from helpers.models.profiles import PROFILES, get_profile

LLAMA = PROFILES["llama2-7b"]
SMALL = Shape(hidden=256, intermediate=704, layers=3, heads=4, kv_heads=4, vocabulary=64)


def config_of(shape: Shape) -> LlamaConfig:
    return LlamaConfig(
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        vocab_size=shape.vocabulary,
        tie_word_embeddings=shape.tied,
    )


def place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def four_bits(shape: Shape, folder) -> LlamaForCausalLM:
    """A random model with the settings of Llama-2-7B's profile."""
    logging.disable_progress_bar()
    LlamaForCausalLM(config_of(shape)).to(torch.bfloat16).save_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(
        folder, dtype=torch.bfloat16, quantization_config=quantization_config(LLAMA), local_files_only=True
    )
    return model.requires_grad_(False).eval()


@pytest.mark.parametrize(("name", "billions"), [("7b", 6.74), ("13b", 13.02), ("70b", 68.98)])
def test_metas_shapes_have_metas_numbers_of_weights(name, billions):
    shape = LLAMA_2[f"meta-llama/Llama-2-{name}"]
    assert round((shape.linear + shape.other) / 1e9, 2) == billions
    with torch.device("meta"):
        model = LlamaForCausalLM(config_of(shape))
    assert sum(p.numel() for p in model.parameters()) == shape.linear + shape.other
    assert Shape.of(get_profile(f"meta-llama/Llama-2-{name}-chat-hf")) == shape


def test_shapes_of_models_that_are_here_and_that_are_not(profile):
    tiny = Shape.of(PROFILES["tiny"])
    with torch.device("meta"):
        model = LlamaForCausalLM(config_of(tiny))
    assert Shape.of_config(model.config.to_dict()) == tiny  # the model's own account, and its file
    assert tiny.tied and sum(p.numel() for p in model.parameters()) == tiny.linear + tiny.other
    assert Shape.of(profile).vocabulary == 400  # a folder of the reader's own
    assert Shape.of(get_profile("somebody/else")) is None


@pytest.mark.parametrize("kv_heads", [4, 2])
def test_weights_in_4_bits_adapters_and_caches(tmp_path, kv_heads):
    shape = replace(SMALL, kv_heads=kv_heads)
    model = four_bits(shape, tmp_path)
    packed = 0
    for parameter in model.parameters():
        if hasattr(parameter, "quant_state"):
            state = parameter.quant_state
            tensors = parameter, state.absmax, state.state2.absmax
            packed += sum(t.numel() * t.element_size() for t in tensors)
    assert packed == pytest.approx(NF4 * shape.linear, rel=1e-3)

    cache = DynamicCache()
    model(input_ids=torch.ones(3, 10, dtype=torch.long), past_key_values=cache, use_cache=True)
    held = sum(t.numel() * t.element_size() for layer in cache.layers for t in (layer.keys, layer.values))
    assert held == 3 * 10 * 2 * shape.layers * shape.kv_width * 2
    more = costs.generation_row(shape, 0, 20, 2) - costs.generation_row(shape, 0, 10, 2)
    assert more * 3 == 1.25 * held

    adapted = get_peft_model(model, lora_config(LLAMA, "causal"))
    assert sum(p.numel() for p in adapted.parameters() if p.requires_grad) == shape.adapter(LLAMA.lora_rank)


@pytest.mark.parametrize("changes", [{}, {"hidden": 128}, {"intermediate": 320}, {"heads": 8, "kv_heads": 8}])
def test_what_a_layer_saves(tmp_path, changes):
    """By autograd's own hooks, as the difference that two more layers make."""
    kept = []
    for layers in (1, 3):
        shape = replace(SMALL, layers=layers, **changes)
        model = get_peft_model(four_bits(shape, tmp_path / str(layers)), lora_config(LLAMA, "causal"))
        saved = []  # kept alive, or the place of one that is gone would be counted for another

        def keep(tensor, saved=saved):
            saved.append(tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            out = model.base_model.model.model(input_ids=torch.ones(2, 32, dtype=torch.long), use_cache=False)
        own = {place(t) for t in (*model.parameters(), *model.buffers())}
        sizes = {place(t): t.untyped_storage().nbytes() for t in saved if t.numel() > 1}
        kept.append(sum(size for where, size in sizes.items() if where not in own))
        del out
    assert (kept[1] - kept[0]) / 2 == 2 * 32 * costs.saved_by_a_layer(shape, LLAMA.lora_rank)


def test_what_saves_memory_saves_it():
    shape = Shape.of(LLAMA)
    whole = sum(costs.memory(LLAMA, shape).values())
    for change in ({"quantize": False}, {"gradient_checkpointing": False}, {"paged_optimizer": False}):
        assert sum(costs.memory(replace(LLAMA, **change), shape).values()) > whole
    assert sum(costs.memory(LLAMA, shape, microbatch=8).values()) > whole
    assert sum(costs.memory(LLAMA, shape, rows=32).values()) > whole
    assert whole < 16e9 < sum(costs.memory(replace(LLAMA, quantize=False), shape).values())  # why there are 4 bits


def test_rows_that_fit():
    shape = Shape.of(LLAMA)
    row = costs.generation_row(shape, 512, 128, 2)
    assert costs.rows_that_fit(shape, 512, 128, 2, 0) == 1  # sampling must go on, and says itself if it cannot
    assert costs.rows_that_fit(shape, 512, 128, 2, 10.5 * row / costs.FILLED) == 10
    assert costs.rows_that_fit(shape, 512, 128, 2, 1e15) > 10**5


def test_seconds_fall_with_the_gpus_speed_and_bandwidth():
    shape, slow = Shape.of(LLAMA), GPUS["L4"]
    parts = costs.seconds(LLAMA, shape, slow, batch=32, epochs=4)
    quick = costs.seconds(LLAMA, shape, GPU(slow.memory, slow.bandwidth, 2 * slow.speed), batch=32, epochs=4)
    wide = costs.seconds(LLAMA, shape, GPU(slow.memory, 2 * slow.bandwidth, slow.speed), batch=32, epochs=4)
    for name in ("reward, policy and reference", "passes"):
        assert quick[name] == pytest.approx(parts[name] / 2) and wide[name] == parts[name]
    assert wide["sampling"] < parts["sampling"] and quick["sampling"] < parts["sampling"]
    assert costs.seconds(LLAMA, shape, slow, batch=32, epochs=8)["passes"] == pytest.approx(2 * parts["passes"])


def test_a_profile_without_4_bits_is_loaded_as_it_is_counted(profile):
    """The tiny model in full precision: its bytes, counted and held."""
    whole = replace(profile, quantize=False)
    shape = Shape.of(whole)
    held = sum(p.numel() * p.element_size() for p in load_base(whole).parameters())
    assert held == costs.memory(whole, shape)["base model"]

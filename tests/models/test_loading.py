"""Profiles, checks before loading, 4-bit loading, and the bitsandbytes fault that must stay away."""

from __future__ import annotations

import json
import shutil
from dataclasses import fields, replace

import bitsandbytes as bnb
import bitsandbytes.nn.modules as bitsandbytes_modules
import pytest
import torch
from huggingface_hub import errors as hub_errors
from peft import get_peft_model
from transformers import set_seed

from helpers.files import LabError
from helpers.models import loading
from helpers.models.loading import (
    LINEAR_LAYERS,
    check_checkpoint,
    completion_ids,
    load_base,
    load_tokenizer,
    lora_config,
    prompt_ids,
)
from helpers.models.profiles import PROFILES, get_profile

from ..support.tiny import make_llama2_checkpoint

# --------------------------------------------------------------------------------------------- profiles


def test_argument_then_environment_then_tiny(monkeypatch):
    monkeypatch.delenv("RLHF_PROFILE", raising=False)
    assert get_profile().name == "tiny"
    monkeypatch.setenv("RLHF_PROFILE", "llama2-7b")
    assert get_profile() is PROFILES["llama2-7b"]
    assert get_profile("tiny") is PROFILES["tiny"]


def test_a_hub_id_takes_the_settings_of_llama2_7b():
    found, llama = get_profile("meta-llama/Llama-2-13b-hf"), PROFILES["llama2-7b"]
    changed = {f.name for f in fields(found) if getattr(found, f.name) != getattr(llama, f.name)}
    assert changed == {"name", "base"}
    assert not get_profile("someone/a-llama").gated


def test_a_large_folder_needs_a_gpu(tmp_path):
    with open(tmp_path / "model.safetensors", "wb") as file:
        file.truncate(3 * 2**30)  # sparse: takes no room
    assert get_profile(str(tmp_path)).needs_gpu


@pytest.mark.parametrize("name", ["llama3", "no/such/folder", "./nowhere", "a b/c"])
def test_an_unknown_profile_lists_the_known(name):
    with pytest.raises(LabError, match="unknown profile .* 'tiny', 'llama2-7b'"):
        get_profile(name)


# ------------------------------------------------------------------------------------------ checkpoints


def remove(name):
    return lambda folder: (folder / name).unlink()


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


def edit(name, **values):
    def change(folder):
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | values))

    return change


def only_pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def cut_short(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


def index(weight_map):
    def change(folder):
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove("config.json"), "config.json is missing"),
        (remove("tokenizer.json"), "tokenizer.json is missing"),
        (remove("tokenizer_config.json"), "tokenizer_config.json is missing"),
        (remove("model.safetensors"), r"model.safetensors \(or its index and shards\) is missing$"),
        (only_pickled, r"missing \(pytorch_model.bin: pickled weights can run code"),
        (cut_short, "model.safetensors is cut short"),
        (
            write("model.safetensors", "version https://git-lfs.github.com/spec/v1"),
            "broken download or LFS pointer",
        ),
        (
            index({"a": "model-1.safetensors", "b": "model-2.safetensors"}),
            "model-1.* is missing; model-2.* is missing",
        ),
        (index({"a": "../../secret.safetensors"}), "secret.safetensors is missing"),
        (index({"a": 1}), "index.json: has no weight_map"),
        (write("config.json", "{"), "config.json cannot be read"),
        (write("config.json", "[]"), "config.json is not a JSON object"),
        (edit("config.json", model_type="gpt2"), "model_type is 'gpt2', not \"llama\""),
    ],
)
def test_what_is_wrong_with_a_checkpoint_is_named(checkpoint, tmp_path, damage, message):
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    check_checkpoint(folder)
    damage(folder)
    with pytest.raises(LabError, match=message):
        check_checkpoint(folder)


def test_all_problems_come_in_one_message(tmp_path):
    with pytest.raises(LabError, match="config.json.*tokenizer_config.json.*tokenizer.json.*safetensors"):
        check_checkpoint(tmp_path)


def test_a_missing_folder_of_the_labs(profile):
    with pytest.raises(LabError, match="data/models/none: no such folder"):
        load_base(replace(profile, base="data/models/none"))


def test_without_a_gpu_the_message_says_what_works(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(LabError, match="needs an NVIDIA GPU .* profile 'tiny'"):
        load_base(PROFILES["llama2-7b"])


class Response:
    headers, status_code, request = {}, 401, None


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (hub_errors.GatedRepoError("no", response=Response()), "is gated: accept its license at https"),
        (hub_errors.RepositoryNotFoundError("no", response=Response()), "was not found at https"),
        (hub_errors.LocalEntryNotFoundError("no"), r"could not be downloaded \(LocalEntryNotFoundError\)"),
        (hub_errors.OfflineModeIsEnabled("no"), "with HF_HUB_OFFLINE unset .accept the license"),
        (ConnectionError("no"), r"could not be downloaded \(ConnectionError\)"),
    ],
)
def test_a_model_that_cannot_be_had(monkeypatch, error, message):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(loading, "snapshot_download", fail)
    llama = replace(PROFILES["llama2-7b"], needs_gpu=False)
    with pytest.raises(LabError, match=f"{message}.* Meanwhile .* profile 'tiny'"):
        load_base(llama)


def test_a_download_takes_neither_code_nor_pickles(monkeypatch, checkpoint):
    asked = {}

    def download(base, allow_patterns):
        asked.update(base=base, patterns=allow_patterns)
        return str(checkpoint)

    monkeypatch.setattr(loading, "snapshot_download", download)
    loading.checkpoint_folder(replace(PROFILES["llama2-7b"], needs_gpu=False))
    assert asked["base"] == "meta-llama/Llama-2-7b-hf"
    assert not any(pattern.endswith((".py", ".bin", "*")) for pattern in asked["patterns"])


# -------------------------------------------------------------------------------------------- tokenizer


def test_tokenization(profile):
    tokenizer = load_tokenizer(profile)
    assert tokenizer.padding_side == "left"
    (prompt,), (completion,) = (
        prompt_ids(profile, tokenizer, ["a dog"]),
        completion_ids(profile, tokenizer, [" a cat"]),
    )
    assert (prompt[0], completion[-1]) == (tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert tokenizer.decode(prompt[1:] + completion[:-1]) == "a dog a cat"
    assert prompt_ids(profile, tokenizer, []) == []


def test_special_tokens_inside_a_text_are_text(profile):
    tokenizer = load_tokenizer(profile)
    (ids,) = completion_ids(profile, tokenizer, [" the end</s> or <pad> not"])
    assert ids.count(tokenizer.eos_token_id) == 1
    assert tokenizer.pad_token_id not in ids


def test_long_texts_are_cut_where_it_hurts_least(profile):
    tokenizer = load_tokenizer(profile)
    short = replace(profile, max_prompt_tokens=8, max_response_tokens=5)
    (prompt,) = prompt_ids(short, tokenizer, ["dog " * 20 + "TL;DR:"])
    assert len(prompt) == 8 and prompt[0] == tokenizer.bos_token_id
    assert tokenizer.decode(prompt).endswith("TL;DR:")
    (completion,) = completion_ids(short, tokenizer, [" cat" * 20])
    assert len(completion) == 5 and tokenizer.eos_token_id not in completion


def test_padding_with_the_end_token_is_refused(profile, tmp_path):
    folder = shutil.copytree(profile.base, tmp_path / "model")
    edit("tokenizer_config.json", pad_token="</s>")(folder)
    with pytest.raises(LabError, match="tokenizer_config.json: pad_token and eos_token are both '</s>'"):
        load_tokenizer(replace(profile, base=str(folder)))


def test_a_broken_tokenizer(profile, tmp_path):
    folder = shutil.copytree(profile.base, tmp_path / "model")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(LabError, match="cannot read the tokenizer"):
        load_tokenizer(replace(profile, base=str(folder)))


def test_a_tokenizer_larger_than_the_model_is_refused(profile, tmp_path):
    folder = make_llama2_checkpoint(tmp_path / "model")
    tokens = json.loads((folder / "tokenizer.json").read_text())
    for i in range(1000):
        tokens["model"]["vocab"][f"new{i}"] = len(tokens["model"]["vocab"])
    (folder / "tokenizer.json").write_text(json.dumps(tokens))
    with pytest.raises(LabError, match="the tokenizer knows .* and the model 512"):
        load_base(get_profile(str(folder)))


# ----------------------------------------------------------------------------------------------- models


def linear_layers(model):
    return {name: m for name, m in model.named_modules() if name.endswith(LINEAR_LAYERS)}


@pytest.mark.parametrize("head", ["causal", "score"])
def test_blocks_are_in_4_bits_and_heads_are_not(profile, head):
    model = load_base(profile, head=head)
    assert len(linear_layers(model)) == 2 * 7
    for layer in linear_layers(model).values():
        assert type(layer) is bnb.nn.Linear4bit
        assert layer.weight.quant_type == "nf4" and layer.weight.quant_state.nested
    top = model.lm_head if head == "causal" else model.score
    assert type(top) is torch.nn.Linear and top.weight.dtype == torch.float32
    assert top.out_features == (1 if head == "score" else model.config.vocab_size)
    assert not model.training and not any(p.requires_grad for p in model.parameters())


def test_without_quantization(profile):
    model = load_base(profile, quantize=False)
    assert {type(layer) for layer in linear_layers(model).values()} == {torch.nn.Linear}


@pytest.mark.parametrize("task", ["causal", "score"])
def test_lora_is_on_all_linear_layers_of_the_blocks_only(profile, task):
    model = get_peft_model(load_base(profile, head=task), lora_config(profile, task))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    heads = {name for name in trained if "lora_" not in name}
    assert len(trained - heads) == 2 * 7 * 2
    assert heads == ({"base_model.model.score.modules_to_save.default.weight"} if task == "score" else set())


def test_the_workaround_is_applied_before_a_model_is_made(profile, monkeypatch):
    monkeypatch.setattr(bitsandbytes_modules, "has_avx512bf16", lambda: True)  # a CPU that packs
    model = load_base(profile)
    assert not any(layer.support_avx512bf16_for_cpu for layer in linear_layers(model).values())


def test_gradients_survive_evaluation_generation_and_training(profile, monkeypatch):
    """bitsandbytes 0.50.2 corrupts them on CPUs with AVX512-BF16."""
    monkeypatch.setattr(bitsandbytes_modules, "has_avx512bf16", bitsandbytes_modules.has_avx512bf16)
    set_seed(0)
    model = get_peft_model(load_base(profile), lora_config(profile, "causal"))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)  # at 0, as it starts, lora_A would have no gradient
    ids = torch.randint(3, 400, (4, 20))

    def gradients():
        model.train()
        model.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}

    before = gradients()
    model.eval()
    with torch.no_grad():
        model(input_ids=ids)
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=4, do_sample=False)
    after = gradients()
    for layer in linear_layers(model).values():
        layer = getattr(layer, "base_layer", layer)
        assert not getattr(layer.weight.quant_state, "packing_format_for_cpu", False)
    for name, gradient in before.items():
        assert gradient.norm() > 0
        torch.testing.assert_close(after[name], gradient, msg=name)


# --------------------------------------------------------------------- the files of Llama-2-7b, in small


def test_llama2_files_load_through_the_llama2_profile(tmp_path):
    folder = make_llama2_checkpoint(tmp_path / "Llama-2-small")
    assert len(list(folder.glob("model-*-of-*.safetensors"))) > 1
    small = get_profile(str(folder))
    assert (small.name, small.compute_dtype, small.device) == ("Llama-2-small", "float32", "cpu")
    assert small.max_prompt_tokens == PROFILES["llama2-7b"].max_prompt_tokens

    tokenizer = load_tokenizer(small)
    assert (tokenizer.pad_token, tokenizer.pad_token_id, tokenizer.padding_side) == ("<unk>", 0, "left")
    (ids,) = completion_ids(small, tokenizer, [" please help é"])
    assert tokenizer.convert_ids_to_tokens(ids)[:2] == ["▁please", "▁help"]
    assert tokenizer.pad_token_id not in ids  # byte fallback

    for head in ("causal", "score"):
        model = load_base(small, head=head)
        assert model.config.pad_token_id == 0
        assert {type(layer) for layer in linear_layers(model).values()} == {bnb.nn.Linear4bit}
        logits = model(torch.tensor([ids])).logits
        assert logits.shape == ((1, len(ids), 512) if head == "causal" else (1, 1))
        assert logits.isfinite().all()

"""Loading language models: what is accepted, what is refused with one message, formats and fingerprints."""

from __future__ import annotations

import json
import os
import shutil
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import errors as hub_errors
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertModel

from helpers import files
from helpers.files import LabError
from helpers.models import fingerprints, language_model_loading, loading
from helpers.models.language_model_loading import load_language_model, load_models

from ..support.checkpoints import write_json


def test_weights_are_what_the_checkpoint_holds(folders, loaded):
    for name in ("gpt2", "t5", "flan", "llama"):
        model = loaded[name]._model
        stored = {}
        for path in folders[name].glob("model*.safetensors"):
            stored |= load_file(path)
        prefix = "transformer." if name == "gpt2" else ""
        state = model.state_dict()
        for key, value in stored.items():
            assert torch.equal(state[prefix + key], value.float())
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        assert not model.training and not any(p.requires_grad for p in model.parameters())
    assert len(list(folders["flan"].glob("model-*-of-*.safetensors"))) > 1


def test_names(folders):
    assert load_language_model(folders["gpt2"]).name == "gpt2"
    assert load_language_model(folders["gpt2"], name="small").name == "small"


def test_a_name_in_data_models_comes_first(folders, tmp_path, monkeypatch):
    shutil.copytree(folders["t5"], tmp_path / "data" / "models" / "ours")
    monkeypatch.setenv("RLHF_DATA", str(tmp_path / "data"))
    for source in ("ours", "data/models/ours"):
        model = load_language_model(source)
        assert (model.name, model.kind) == ("ours", "seq2seq")


@pytest.mark.parametrize("folder", sorted((files.data() / "models").glob("[!.]*")), ids=lambda path: path.name)
def test_the_labs_own_models(folder):
    model = load_language_model(folder.name)
    assert model.format == {"tiny-t5": "gaps", "tiny-flan-t5": "flan"}.get(folder.name, "plain")
    assert model.complete(["My cat"], max_new_tokens=3, do_sample=False) == [
        "".join(model.stream("My cat", max_new_tokens=3, do_sample=False))
    ]


def only_pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def drop_weight(folder):
    weights = load_file(folder / "model.safetensors")
    weights.pop("h.1.mlp.c_fc.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def reshape_weight(folder):
    weights = load_file(folder / "model.safetensors")
    save_file(weights | {"h.1.mlp.c_fc.weight": torch.zeros(3, 3)}, folder / "model.safetensors", {"format": "pt"})


def grow_tokenizer(folder):
    tokens = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokens["model"]["vocab"]
    vocabulary |= {f"new{i}": len(vocabulary) + i for i in range(9)}
    (folder / "tokenizer.json").write_text(json.dumps(tokens))


def only_an_adapter(folder):
    (folder / "config.json").rename(folder / "adapter_config.json")


def edit(name, **values):
    return lambda folder: write_json(folder / name, **values)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "not a whole checkpoint: config.json is missing$"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (only_an_adapter, "config.json is missing; it is an adapter: load it onto its base"),
        (only_pickled, "pytorch_model.bin: pickled weights can run code .* get the checkpoint as safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "cut short or not safetensors"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot read the tokenizer .* download it again"),
        (drop_weight, "1 weights .* missing or of another shape, such as transformer.h.1.mlp.c_fc.weight"),
        (reshape_weight, "1 weights .* missing or of another shape, such as transformer.h.1.mlp.c_fc.weight"),
        (grow_tokenizer, "the tokenizer knows .* tokens and the model .* download both again"),
        (edit("config.json", n_head=5), "cannot load the model .* download it again"),
        (edit("config.json", model_type="no-such-type"), "cannot load the model"),
        (edit("config.json", architectures=["GPT2Model"]), "not a language model .* architecture is GPT2Model"),
        (edit("config.json", architectures=None), "not a language model .* architecture is none"),
        (
            edit("config.json", architectures=["EvilForCausalLM"], auto_map={"AutoModelForCausalLM": "evil.Evil"}),
            "Evil",
        ),
    ],
)
def test_what_is_wrong_with_a_checkpoint_is_one_message(copy, damage, message):
    folder = copy("gpt2")
    (folder / "evil.py").write_text("raise SystemExit('code of a checkpoint was run')")
    damage(folder)
    with pytest.raises(LabError, match=message):
        load_language_model(folder)


def test_a_model_of_another_kind(folders, tmp_path):
    with pytest.raises(LabError, match="is a seq2seq model and a causal one is needed here: take one such as 'gpt2'"):
        load_language_model(folders["t5"], kind="causal")
    with pytest.raises(LabError, match="is a causal model and a seq2seq one is needed"):
        load_language_model(folders["gpt2"], kind="seq2seq")
    assert load_language_model(folders["t5"], kind="seq2seq").kind == "seq2seq"
    bert = shutil.copytree(folders["gpt2"], tmp_path / "bert")
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=330, **sizes)).save_pretrained(bert)
    with pytest.raises(LabError, match="bert is not a language model .* architecture is BertModel"):
        load_language_model(bert)


def test_large_models_need_a_gpu(folders, monkeypatch):
    monkeypatch.setattr(language_model_loading, "CPU_LIMIT", 1000)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(LabError, match="GiB of weights, and above .* needs an NVIDIA GPU, .* 'gpt2'"):
        load_language_model(folders["gpt2"])
    asked = []

    def hub(base, allow_patterns, dry_run=False):
        asked.append(dry_run)
        return [SimpleNamespace(filename=f"model-{i}-of-2.safetensors", file_size=600) for i in (1, 2)]

    monkeypatch.setattr(loading, "snapshot_download", hub)
    with pytest.raises(LabError, match="gpt2-xl has .* needs an NVIDIA GPU"):
        load_language_model("openai-community/gpt2-xl")
    assert asked == [True]  # before any download


class Response:
    headers, status_code, request = {}, 401, None


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (hub_errors.GatedRepoError("no", response=Response()), "is gated: accept its license at https"),
        (hub_errors.RepositoryNotFoundError("no", response=Response()), "was not found at https"),
        (
            hub_errors.LocalEntryNotFoundError("no"),
            r"could not be downloaded \(LocalEntryNotFoundError\).*a folder with",
        ),
        (hub_errors.OfflineModeIsEnabled("no"), "with HF_HUB_OFFLINE unset .accept the license"),
        (RuntimeError("a proxy"), r"could not be downloaded \(RuntimeError\)"),
    ],
)
def test_a_model_that_cannot_be_had(monkeypatch, error, message):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(loading, "snapshot_download", fail)
    with pytest.raises(LabError, match=f"{message}.* Without any download there are .*'tiny-llama2'"):
        load_language_model("meta-llama/Llama-2-7b-chat-hf")


@pytest.mark.parametrize("source", ["no/such/folder", "data/models/none", "", "a b", "../gpt2x"])
def test_no_such_folder(source):
    with pytest.raises(LabError, match="no such folder, and not the id of a model"):
        load_language_model(source)


def test_a_download_takes_neither_code_nor_pickles(monkeypatch, folders):
    def hub(base, allow_patterns, dry_run=False):
        assert base == "google/flan-t5-small"
        assert not any(pattern.endswith((".py", ".bin", "*")) for pattern in allow_patterns)
        return [] if dry_run else str(folders["t5"])

    monkeypatch.setattr(loading, "snapshot_download", hub)
    model = load_language_model("google/flan-t5-small")
    assert (model.name, model.format) == ("flan-t5-small", "flan")


def test_the_models_that_could_be_had(folders, tmp_path):
    models, problems = load_models([folders["gpt2"], str(folders["t5"]), tmp_path])
    assert [model.name for model in models.values()] == list(models) == ["gpt2", "t5"]
    assert list(problems) == [tmp_path.name] and "not a whole checkpoint" in problems[tmp_path.name]
    models, problems = load_models({"base": folders["gpt2"], "none": "no/such/folder"})
    assert models["base"].name == "base" and "no such folder" in problems["none"]


def test_where_the_form_comes_from(copy, folders, tmp_path):
    t5 = copy("t5")
    write_json(t5 / "config.json", prompt_format="flan")
    assert load_language_model(t5).format == "flan"
    assert load_language_model(t5, format="plain").format == "plain"
    flan_t5 = copy("flan")
    write_json(flan_t5 / "config.json", prompt_format="plain")
    assert load_language_model(flan_t5).format == "plain"
    write_json(t5 / "config.json", prompt_format=None, _name_or_path="google/flan-t5-small")
    assert load_language_model(t5).format == "flan"
    named = shutil.copytree(folders["llama"], tmp_path / "Llama-2-7b-chat-hf")
    assert load_language_model(named).format == "llama2-chat"
    for wrong in ("alpaca", "chat-template", "gaps"):  # this one has neither a template nor sentinels
        with pytest.raises(LabError, match=f"no prompt format '{wrong}' .* plain, flan, llama2-chat$"):
            load_language_model(t5, format=wrong)


def test_a_fingerprint_is_of_all_that_decides_completions(copy, folders):
    folder = copy("gpt2")

    def fingerprint():
        return load_language_model(folder).fingerprint

    before = fingerprint()
    assert before == load_language_model(folders["gpt2"]).fingerprint and len(before) == 64
    (folder / "README.md").write_text("nothing")
    os.utime(folder / "model.safetensors", (1, 1))
    assert fingerprint() == before
    prints = [before]
    for change in (
        edit("tokenizer_config.json", model_max_length=50),
        edit("config.json", layer_norm_epsilon=0.1),
        lambda f: save_file(
            {k: v * 1.01 for k, v in load_file(f / "model.safetensors").items()},
            f / "model.safetensors",
            {"format": "pt"},
        ),
    ):
        change(folder)
        prints.append(fingerprint())
    assert len(set(prints)) == 4


def test_large_files_count_by_size_and_time(copy, monkeypatch):
    folder = copy("gpt2")
    monkeypatch.setattr(fingerprints, "SMALL", 10_000)
    read = []
    monkeypatch.setattr(fingerprints, "sha256", lambda path: read.append(path.name) or "0")
    before = fingerprints.hash_files(folder)
    assert "config.json" in read and "model.safetensors" not in read
    os.utime(folder / "model.safetensors", (1, 1))
    assert fingerprints.hash_files(folder) != before

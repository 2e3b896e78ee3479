"""The store between labs: the reader's own artifact first, then the shipped one, else what makes it."""

import json
import os
import re

import numpy as np
import pytest
from safetensors.numpy import save_file

from helpers import files
from helpers.files import PICKLE_SUFFIXES, LabError
from helpers.runs.artifacts import COMMANDS, Artifacts


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("RLHF_DATA", str(tmp_path / "data"))
    return tmp_path


def put_adapter(folder, value=0.0):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    save_file({"lora": np.full(4, value, np.float32)}, folder / "adapter_model.safetensors")


def test_the_readers_own_comes_before_the_shipped(places):
    store = Artifacts("tiny")
    put_adapter(places / "data/adapters/sft")
    shipped = store.find("sft")
    assert (shipped.origin, shipped.path) == ("shipped", places / "data/adapters/sft")
    assert (shipped.manifest, shipped.records) == ({}, [])
    with store.save("sft") as folder:
        put_adapter(folder)
    own = store.find("sft")
    assert (own.origin, own.path) == ("yours", places / "runs/tiny/sft")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_missing_artifact_says_what_makes_it(places, name):
    put_adapter(places / "data/adapters" / name)  # of the tiny profile only
    with pytest.raises(LabError, match=f"no {name} for the profile llama2-7b yet: run .*`{COMMANDS[name]}`"):
        Artifacts("llama2-7b").find(name)


def test_an_unknown_name():
    with pytest.raises(LabError, match="unknown artifact 'sfft': use one of sft, reward_model, ppo"):
        Artifacts("tiny").find("sfft")


def test_the_manifest_says_how_it_was_made():
    store = Artifacts("tiny")
    records = []
    with store.save("sft", seeds=[7], records=records) as folder:
        put_adapter(folder)
        records += [{"step": 1, "loss": 0.7}, {"step": 2, "loss": 0.5}]
    sft = store.find("sft")
    with store.save("reward_model", parents=[sft], command="lab 02") as folder:
        put_adapter(folder, 1.0)
        (folder / "reward.json").write_text('{"mean": 0.0, "std": 1.0}')
    made = store.find("reward_model")

    assert sft.records == records
    assert sft.manifest["seeds"] == [7]
    assert sft.manifest["command"] == "python -m helpers train sft"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", sft.manifest["created"])
    assert {"python", "torch", "peft"} <= set(sft.manifest["versions"])
    assert made.manifest["parents"] == {"sft": files.sha256(sft.path / "adapter_model.safetensors")}
    assert (made.manifest["name"], made.manifest["profile"], made.manifest["command"]) == (
        "reward_model",
        "tiny",
        "lab 02",
    )
    assert json.loads((made.path / "reward.json").read_text())["std"] == 1.0


def test_describe_lists_what_there_is_and_what_is_missing(places):
    store = Artifacts("tiny")
    put_adapter(places / "data/adapters/sft")
    with store.save("ppo") as folder:
        put_adapter(folder)
    sft, reward_model, ppo, dpo = store.describe().splitlines()
    assert sft.startswith("sft: shipped (")
    assert reward_model.startswith("reward_model: there is no reward_model for the profile tiny yet: run lab 02")
    assert ppo.startswith("ppo: yours (") and "python -m helpers train dpo" in dpo


def pickled(suffix):
    return lambda folder: (folder / f"weights{suffix}").write_bytes(
        b"x"
    ), rf"pickled files \(weights{re.escape(suffix)}\)"


BROKEN = [
    *[pickled(suffix) for suffix in (*PICKLE_SUFFIXES, ".BIN")],
    (lambda folder: (folder / "adapter_config.json").unlink(), "adapter_config.json missing"),
    (lambda folder: (folder / "adapter_model.safetensors").unlink(), "adapter_model.safetensors missing"),
    (lambda folder: (folder / "adapter_config.json").write_text("{"), "adapter_config.json: invalid JSON"),
    (lambda folder: (folder / "adapter_config.json").write_text("[]"), "must be one JSON object"),
    (lambda folder: os.truncate(folder / "adapter_model.safetensors", 60), "not safetensors, or is cut off"),
    (
        lambda folder: (folder / "adapter_model.safetensors").write_text("version https://git-lfs"),
        "not safetensors",
    ),
]


@pytest.mark.parametrize(("spoil", "problem"), BROKEN)
def test_what_is_not_safe_and_whole_is_neither_loaded_nor_saved(places, spoil, problem):
    store = Artifacts("tiny")
    put_adapter(places / "data/adapters/sft")
    with store.save("sft") as folder:
        put_adapter(folder)
    before = store.find("sft").digest

    with pytest.raises(LabError, match=problem) as error, store.save("sft") as folder:
        put_adapter(folder, 1.0)
        spoil(folder)
    assert f"{places}/runs/tiny/sft" in str(error.value)
    assert store.find("sft").digest == before
    assert os.listdir(places / "runs/tiny") == ["sft"]

    spoil(places / "runs/tiny/sft")
    with pytest.raises(LabError, match=problem):  # and the shipped one does not step in in silence
        store.find("sft")


def test_an_error_in_the_body_leaves_the_old_artifact(places):
    store = Artifacts("tiny")
    with store.save("sft") as folder:
        put_adapter(folder)
    before = store.find("sft").digest
    with pytest.raises(RuntimeError), store.save("sft") as folder:
        put_adapter(folder, 1.0)
        raise RuntimeError
    assert store.find("sft").digest == before
    assert os.listdir(places / "runs/tiny") == ["sft"]

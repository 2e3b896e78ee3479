"""Folders that were written by a run: adapters, artifacts, recordings, checkpoints; cut, changed, of other types."""

import contextlib
import io
import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from safetensors.numpy import save

from helpers import files
from helpers.files import LabError
from helpers.runs.artifacts import Artifact, Artifacts, check_adapter
from helpers.runs.recordings import load_recording, recording_names
from helpers.training.checkpoints import (
    Checkpoint,
    State,
    load_optimizer,
    load_weights,
    optimizer_state,
    random_state,
    resumable,
    set_random_state,
    weights,
)

from .harness import any_text, as_json, as_jsonl, changed, changed_bytes, ends_well, inputs, odd_texts

TENSORS = save({"lora_A": np.ones((2, 3), np.float32), "lora_B": np.zeros((3, 2), np.float16)})
MANIFEST = {
    "name": "sft",
    "profile": "tiny",
    "created": "2026-01-01",
    "versions": {"torch": "2"},
    "parents": {"a": "b"},
}
STEPS = [{"step": 1, "loss": 2.5, "seconds": 0.1}, {"step": 2, "loss": None, "samples": [{"text": "a"}]}]
ADAPTER = {
    "adapter_config.json": (as_json({"r": 16, "target_modules": ["q_proj"]}), {"r": 16, "target_modules": ["q_proj"]}),
    "adapter_model.safetensors": (TENSORS, None),
    "artifact.json": (as_json(MANIFEST), MANIFEST),
    "records.jsonl": (as_jsonl(STEPS), None),
}
HEADER = {
    "stage": "ppo",
    "title": "PPO",
    "profile": "tiny",
    "seed": 0,
    "total": 2,
    "config": {},
    "created": "2026-01-01",
}
RECORDING = {
    "recording.json": (as_json(HEADER), HEADER),
    "records.jsonl": (as_jsonl(STEPS), STEPS[1]),
}


def spoilt(parts: dict):
    """One file of a folder, and what stands in it instead."""

    def instead(name: str):
        whole, value = parts[name]
        ways = [changed_bytes(whole), st.none(), st.binary(max_size=30)]
        if value is not None:
            ways.append(changed(value).map(lambda value: as_json(value) + b"\n"))
        return st.tuples(st.just(name), st.one_of(ways))

    return st.sampled_from(sorted(parts)).flatmap(instead)


def write(folder, parts, change) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, (whole, _) in parts.items():
        (folder / name).write_bytes(whole)
    name, content = change
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)


@inputs(500, change=spoilt(ADAPTER))
def test_adapters(tmp_path, change):
    folder = tmp_path / "runs" / "tiny" / "sft"
    write(folder, ADAPTER, change)
    place = str(folder)
    found = ends_well(lambda: Artifacts("tiny").find("sft"), place, folder=folder)
    if isinstance(found, Artifact):
        ends_well(lambda: found.describe(), place)
        ends_well(lambda: (found.records, found.digest), place)
        ends_well(lambda: Artifacts("tiny").describe(), place)
    ends_well(lambda: check_adapter(folder), place)


@inputs(100, name=any_text | st.just("weights.BIN"), profile=any_text)
def test_other_files_and_names(tmp_path_factory, name, profile):
    folder = tmp_path_factory.mktemp("adapter")
    ends_well(lambda: Artifacts(profile).find(name), "unknown artifact", "there is no")
    for known, (whole, _) in ADAPTER.items():
        (folder / known).write_bytes(whole)
    with contextlib.suppress(OSError, ValueError):
        (folder / name.replace("/", "")).write_bytes(b"")
    ends_well(lambda: check_adapter(folder), str(folder))


@inputs(600, change=spoilt(RECORDING))
def test_recordings(tmp_path, monkeypatch, change):
    monkeypatch.setenv("RLHF_DATA", str(tmp_path / "data"))  # the shipped ones are large
    folder = tmp_path / "runs" / "tiny" / "recordings" / "mine"
    write(folder, RECORDING, change)
    found = ends_well(lambda: load_recording("mine"), str(folder), folder=folder)
    if not isinstance(found, LabError):
        assert found.records and all(type(record["step"]) is int for record in found.records)
        assert found.description
    assert recording_names().count("mine") == 1


@inputs(200, name=odd_texts)
def test_names_of_recordings(name):
    ends_well(lambda: load_recording(name), "no recording", "no name for a recording")


# --- Checkpoints --------------------------------------------------------------

FINGERPRINT = {"seed": 0, "lr": 0.1, "data": "abc", "none": None}


class Run:
    """Three steps of a linear model, as the trainers keep theirs."""

    def __init__(self):
        torch.manual_seed(0)
        self.model = torch.nn.Linear(2, 1)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=0.1)
        self.step = 0

    def start(self, state):
        if state:
            self.step = state.step
            load_weights(self.model, state)
            load_optimizer(self.optimizer, state.tensors, state.facts)
            set_random_state(state.tensors)
        while self.step < 3:
            loss = self.model(torch.randn(4, 2)).square().mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.step += 1
            yield {"step": self.step, "loss": loss.item()}

    def snapshot(self):
        tensors, facts = optimizer_state(self.optimizer)
        return State(self.step, weights(self.model) | tensors | random_state(), facts)

    def records(self, folder):
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            rows = list(resumable(self.start, self.snapshot, Checkpoint(folder, every=1), FINGERPRINT))
        kept = [{name: value for name, value in row.items() if name not in ("replayed", "resumed_at")} for row in rows]
        return kept, any("resumed_at" in row for row in rows), told.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The records of a whole run, and the files of its checkpoint after two steps."""
    whole, half = tmp_path_factory.mktemp("whole") / "a", tmp_path_factory.mktemp("half") / "a"
    records = Run().records(whole)[0]
    stopped = Run()
    stream = resumable(stopped.start, stopped.snapshot, Checkpoint(half, every=1), FINGERPRINT)
    next(stream), next(stream)
    stream.close()
    return records, {path.name: path.read_bytes() for path in half.iterdir()}


@inputs(200, data=st.data())
def test_checkpoints(tmp_path, run, data):
    """Whatever is wrong with a checkpoint, the run's numbers are those of a run that never stopped."""
    records, parts = run
    folder = tmp_path / "runs" / "checkpoint"
    shutil.rmtree(folder, ignore_errors=True)
    values = {"checkpoint.json": json.loads(parts["checkpoint.json"]), "records.jsonl": records[0]}
    change = data.draw(spoilt({name: (content, values.get(name)) for name, content in parts.items()}))
    write(folder, {name: (content, None) for name, content in parts.items()}, change)
    found, resumed, told = Run().records(folder)
    assert found == records
    assert resumed or files.shown(folder) in told
    assert told.count("\n") <= 1 and len(told) < 1500 and "Traceback" not in told

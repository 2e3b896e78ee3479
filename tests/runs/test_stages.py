"""The stages: resumed to the same artifact, recorded, and what they leave."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch

from helpers import files
from helpers.runs import stages
from helpers.runs.artifacts import Artifacts
from helpers.runs.recordings import load_recording, recording_names
from helpers.training.ppo_config import PPOConfig

from ..support.shared_base import PROMPTS
from ..support.tiny import pairs
from ..support.training_runs import bare, run

SMALL = PPOConfig(updates=3, batch_size=4, minibatch_size=4, epochs=1, max_new_tokens=6, learning_rate=5e-3)


@pytest.fixture
def runs(profile, adapters, tmp_path, monkeypatch):
    """A store of the reader's own with an SFT and a reward model in it."""
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "runs"))
    for name, source in (("sft", adapters.sft), ("reward_model", adapters.reward)):
        shutil.copytree(source, files.runs() / profile.name / name)
    return files.runs() / profile.name


STAGES = {
    "sft": lambda profile, **more: stages.sft(profile, pairs(32), steps=4, **more),
    "reward_model": lambda profile, **more: stages.reward_model(profile, pairs(32), steps=4, **more),
    "dpo": lambda profile, **more: stages.dpo(profile, pairs(32), steps=4, **more),
    "ppo": lambda profile, **more: stages.ppo(profile, PROMPTS, config=SMALL, **more),
}


@pytest.mark.parametrize("name", STAGES)
def test_a_stopped_stage_goes_on_to_the_same_artifact(profile, runs, name):
    def stopped():
        stream = STAGES[name](profile)
        next(stream), next(stream)
        stream.close()

    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    stopped()
    added = {p for p in runs.rglob("*") if p.is_file() and before.get(p) != p.read_bytes()}
    assert {p.parent for p in added} == {runs / "checkpoints" / name}  # and no artifact has changed
    whole, _ = run(STAGES[name](profile, resume=False))
    digest, kept = Artifacts(profile.name).find(name).digest, Artifacts(profile.name).find(name).records
    assert not (runs / "checkpoints").exists()
    stopped()
    resumed, _ = run(STAGES[name](profile))
    assert [r.get("replayed", False) for r in resumed[:3]] == [True, True, False] and resumed[2]["resumed_at"] == 2
    assert bare(resumed) == bare(whole)
    artifact = Artifacts(profile.name).find(name)
    assert artifact.digest == digest and bare(artifact.records) == bare(kept)
    assert not {"replayed", "resumed_at", "samples", "tokens"} & set().union(*artifact.records)
    assert not (runs / "checkpoints").exists()


def test_runs_that_are_not_saved_leave_the_saved_ones_checkpoint_alone(profile, runs, capsys):
    stream = STAGES["ppo"](profile)
    next(stream)
    stream.close()
    for beta in (0.0, 0.5):
        list(stages.ppo(profile, PROMPTS, config=replace(SMALL, beta=beta), save=False))
    assert [path.name for path in (runs / "checkpoints").iterdir()] == ["ppo"]
    assert next(STAGES["ppo"](profile))["replayed"] and capsys.readouterr().err == ""


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_records_its_run(profile, runs, name):
    stream = STAGES[name](profile, record="mine")
    next(stream), next(stream)
    stream.close()
    assert len(load_recording("mine", profile.name).records) == 2
    records, _ = run(STAGES[name](profile, record="mine"))
    recording = load_recording("mine", profile.name)
    assert (recording.stage, recording.profile, recording.seed) == (name, profile.name, 0)
    assert [r["step"] for r in recording.records] == list(range(1, recording.total + 1))
    assert all(r["seconds"] >= 0 and "replayed" not in r for r in recording.records)
    measure = "reward" if name == "ppo" else "loss"
    assert [r[measure] for r in recording.records] == pytest.approx([r[measure] for r in records], rel=1e-4)
    assert recording.config["learning_rate"] > 0


def test_ones_own_formulas_train_the_policy(profile, runs):
    """And a run with other formulas is another run."""
    from helpers.training.losses import Losses

    plain, shared = run(STAGES["ppo"](profile, save=False))
    still, frozen = run(STAGES["ppo"](profile, save=False, losses=Losses(policy_loss=no_loss, value_loss=no_loss)))
    assert plain[0]["reward"] == still[0]["reward"]  # the rollout of the first update is the same
    assert all(r["policy_loss"] == r["value_loss"] == 0 for r in still) and not frozen.value_head.weight.any()
    assert shared.value_head.weight.any()


def no_loss(new, *_):
    return 0.0 * new.sum()


def test_the_shipped_recordings_can_be_made(profile, runs, tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(stages, "read_demonstrations", lambda: pairs(32))
    monkeypatch.setattr(stages, "load_preferences", lambda split: pairs(32))
    monkeypatch.setattr(stages, "read_prompts", lambda split: pairs(32))
    of = lambda profile, **changes: replace(SMALL, **changes)  # noqa: E731
    monkeypatch.setattr(PPOConfig, "of", of)
    records = list(stages.record_shipped(profile, steps=2))
    names = ["ppo", "ppo-beta-0", "ppo-beta-0.02", "ppo-beta-0.2", "reward_model"]
    assert list(dict.fromkeys(r["recording"] for r in records)) == names
    assert recording_names("other") == sorted(names)
    assert all(len(load_recording(name, "other").records) == 2 for name in names)
    for name in names[:-1]:
        recording = load_recording(name, "other")
        assert all(-3 <= r["gold"] <= 3 for r in recording.records) and recording.created == ""
    ppo = load_recording("ppo", "other")
    assert len(ppo.records[0]["tokens"]) == 1 and ppo.config["inspect"] == 1
    assert set(ppo.records[1]["samples"][0]) == {
        "prompt", "before", "before_reward", "completion", "reward", "gold"
    }  # fmt: skip
    assert load_recording("ppo-beta-0.2", "other").config["beta"] == 0.2
    text = (files.data() / "recordings" / "ppo" / "records.jsonl").read_text()
    assert "NaN" not in text and json.loads(text.splitlines()[0])["step"] == 1


def test_a_recorded_run_resumes_within_its_records(profile, runs):
    """What the consumer draws in between changes neither the run nor its recording."""
    whole, _ = run(STAGES["ppo"](profile, save=False, resume=False))
    stream = STAGES["ppo"](profile, save=False, record="mine")
    next(stream)
    torch.rand(7)
    stream.close()
    assert [path.name for path in (runs / "checkpoints").iterdir()] == ["ppo-mine"]
    assert bare(run(STAGES["ppo"](profile, save=False, record="mine"))[0]) == bare(whole)

"""The experiment of lab 02, small: what it holds, what its parts are, what is read of them."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch

from helpers.experiments import reward_models as module
from helpers.experiments.overoptimization import Proxy
from helpers.experiments.reward_models import FULL, OWN, BaseModel, LearningRate, Plan, RewardModels, StepCosts, Variant
from helpers.experiments.reward_models_results import (
    Results,
    load_results,
    margin_table,
    method_table,
    size_table,
    write_results,
)
from helpers.experiments.runner import make_all, own_folder
from helpers.files import LabError
from helpers.models.profiles import get_profile
from helpers.training.pretraining.base import BaseConfig, heldout_loss
from helpers.training.reward_model import new_reward_model
from helpers.training.step_costs import step_costs

from ..support.tiny import make_checkpoint, pairs

RANK = 8  # the profile's
PLAN = Plan(
    margin_labels=(16,),
    labels=16,
    ranks=(2,),
    rates=(1e-4, 3e-3),
    bases=(BaseConfig(hidden=64, layers=1),),
    base_labels=(16,),
    seeds=2,
    pairs=12,
    timed=2,
)


def _train_base(folder, config):
    yield {"step": 1}
    make_checkpoint(folder)


def _small(patch):
    patch.setattr(Proxy, "steps", 4)  # the first steps of Adam are alike, whatever the margin
    patch.setattr(module, "load_preferences", lambda split: pairs(64))
    patch.setattr(module, "train_base", _train_base)
    patch.setattr(module, "heldout_loss", partial(heldout_loss, n_documents=4))


@pytest.fixture(scope="module")
def whole(profile, tmp_path_factory):
    """A small experiment, all of it made."""
    with pytest.MonkeyPatch.context() as patch:
        _small(patch)
        experiment = RewardModels(profile, PLAN, tmp_path_factory.mktemp("reward_models"))
        for _ in make_all(experiment, processes=1):
            pass
    return experiment


@pytest.fixture
def results(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path))
    write_results(whole, own_folder("tiny", RewardModels.NAME))
    return load_results("tiny")


def test_the_default_plan():
    experiment = RewardModels(get_profile("tiny"))
    variants = experiment.variants
    assert len({variant.file_name for variant in variants}) == len(variants) == 39
    assert experiment.methods == [1, 4, 16, 64, FULL]
    first, second, last = experiment.phases
    assert {type(part) for part in first} == {Variant, LearningRate, BaseModel} and last == [StepCosts()]
    assert all(isinstance(part, Variant) and (part.rank == FULL or part.base != OWN) for part in second)
    assert len(first) + len(second) == 39 + 4 + 3


def test_margins_are_those_of_llama_2():
    assert module.MARGINS["small"] == pytest.approx({4: 1, 3: 2 / 3, 2: 1 / 3, 1: 0})
    assert module.MARGINS["large"] == {strength: 3 * margin for strength, margin in module.MARGINS["small"].items()}


def test_results_hold_every_reward_model(results, whole):
    assert results.origin == "yours" and results.own_rank == RANK
    assert set(results.margins) == set(whole.variants) and len(results.margins) == 2 * (3 + 2 + 1)
    kinds = [results.of(16, margin=margin) for margin in ("none", "small", "large")]
    kinds += [results.of(16, rank=2), results.of(16, rank=FULL)]
    assert all(kind.shape == (2, 12) for kind in kinds)
    assert not any(np.array_equal(a, b) for i, a in enumerate(kinds) for b in kinds[:i])
    assert np.array_equal(results.of(16, base="64x1"), results.of(16))  # its weights are those of the profile's
    with pytest.raises(LabError, match="no reward model with"):
        results.of(16, rank=3)


def test_bases_are_described_by_size(results, whole):
    assert sorted(results.bases["base"]) == [OWN, "64x1"] and results.bases["parameters"].is_monotonic_increasing
    assert (results.bases[["heldout_loss", "heldout_summary_loss"]] > 0).all(axis=None)
    assert (whole.folder / "bases" / "64x1" / "model.safetensors").is_file()


def test_a_rate_is_judged_by_accuracy_on_validation_pairs(whole, monkeypatch):
    monkeypatch.setattr(module, "load_preferences", lambda split: pairs(4 if split == "validation" else 64))
    monkeypatch.setattr(RewardModels, "_margins", lambda self, *_: np.array([1.0, -1.0, 2.0, 0.0] + 12 * [0.5]))
    assert whole._learning_rate(LearningRate(1e-4)) == {"rate": 1e-4, "accuracy": (2 + 0.5) / 4, "margins": 12 * [0.5]}


def test_full_fine_tuning_takes_the_rate_that_was_best_on_validation_pairs(whole, monkeypatch):
    accuracies = {1e-4: 0.6, 3e-3: 0.7}
    monkeypatch.setattr(RewardModels, "read", lambda self, part: {"rate": part.rate, "accuracy": accuracies[part.rate]})
    assert whole._best_rate["rate"] == 3e-3


def test_a_part_that_is_lost_comes_out_as_it_was(whole, monkeypatch):
    _small(monkeypatch)
    part = Variant(16, 1, FULL)
    before = whole.path(part).read_bytes()
    whole.path(part).unlink()
    assert [made["part"] for made in make_all(whole, processes=1) if made["made"]] == [part.file_name]
    assert whole.path(part).read_bytes() == before


# --- Tables -------------------------------------------------------------------


def made_up(right: dict[Variant, float], n: int = 200) -> Results:
    """Results of reward models that are right about so large a share of the pairs, the same ones first."""
    margins = {variant: np.where(np.arange(n) < share * n, 1.0, -1.0) for variant, share in right.items()}
    held = {"trained": 10, "weights": 1000, "gradients": 40, "optimizer": 80}
    costs = [
        {"rank": 4, **held, "seconds": [1.0, 2.0, 4.0]},
        {"rank": 8, **held, "seconds": [1.0, 2.0, 4.0]},
        {"rank": FULL, **held, "weights": 4000, "seconds": [2.0, 3.0, 8.0]},
    ]
    empty = pd.DataFrame()
    return Results(margins, empty, empty, pd.DataFrame(costs), "yours")


def seeds(labels, rank, share, **more):
    return {Variant(labels, seed, rank, **more): share for seed in range(3)}


def test_margin_table():
    right = seeds(64, 4, 0.6) | seeds(64, 4, 0.8, margin="small") | seeds(64, 4, 0.6, margin="large")
    table = margin_table(made_up(right | seeds(32, 4, 0.5, base="s"))).set_index("margin")
    assert table.index.tolist() == ["none", "small", "large"] and table["labels"].tolist() == [64] * 3
    assert table.loc["small", "gain"] == pytest.approx(0.2) and table.loc["small", "verdict"] == "up"
    assert np.isnan(table.loc["none", "gain"]) and table.loc["none", "verdict"] == ""
    assert table["estimate"].tolist() == pytest.approx([0.6, 0.8, 0.6])


def test_method_table():
    right = seeds(64, 4, 0.7) | seeds(64, FULL, 0.5) | seeds(64, 4, 0.7, margin="small")
    table = method_table(made_up(right), labels=64)
    assert table.index.tolist() == ["rank 4", "rank 8", "full"] and np.isnan(table.loc["rank 8", "estimate"])
    full = table.loc["full"]
    assert full["gain"] == pytest.approx(-0.2) and full["verdict"] == "down" and full["memory"] == 4120
    assert (full["time"], table.loc["rank 4", "time"]) == (2.0, 1.0) and full["time_low"] == 1.75


def test_size_table():
    right = seeds(64, 4, 0.7, base="s") | seeds(32, 4, 0.6, base="s") | seeds(64, 4, 0.9, margin="large")
    table = size_table(made_up(right), "s")
    assert table["labels"].tolist() == [32, 64] and table["estimate"].tolist() == pytest.approx([0.6, 0.7])


def test_broken_results_are_named(results):
    for name in ("models", "bases"):
        path = own_folder("tiny", RewardModels.NAME) / f"{name}.jsonl"
        before = path.read_text("utf-8")
        path.write_text(json.dumps({"labels": 32}) + "\n", "utf-8")
        with pytest.raises(LabError, match="is no result of this experiment"):
            load_results("tiny")
        path.write_text(before, "utf-8")


# --- Costs --------------------------------------------------------------------


def test_costs_are_the_bytes_of_the_tensors(profile):
    lora, full = step_costs([(profile, False), (profile, True)], pairs(64), steps=1)
    model = new_reward_model(profile, full=True)
    numbers = sum(p.numel() for p in model.parameters())
    assert full.trained == numbers and full.weights == full.gradients == 4 * numbers
    assert full.optimizer == pytest.approx(2 * full.gradients, rel=0.01)  # and a count of steps for each tensor
    assert lora.gradients == 4 * lora.trained < full.gradients and len(lora.seconds) == 1
    adapter = list(new_reward_model(profile).parameters())
    packed = sum(p.nbytes for p in adapter if p.dtype == torch.uint8)
    rest = sum(p.nbytes for p in adapter if p.dtype != torch.uint8)
    tables = lora.weights - packed - rest - packed / 32  # two weights in a byte; a scale of one byte for 64 of them
    assert 0 < tables < 1200 * sum(p.dtype == torch.uint8 for p in adapter)

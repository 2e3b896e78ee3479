"""The experiment of adapted layers, small: what it holds, that it goes on where it was stopped, what is read of it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from helpers.experiments import adapted_layers as module
from helpers.experiments.adapted_layers import AdaptedLayers, Plan, Run
from helpers.experiments.adapted_layers_results import MEASURES, load_results, table, write_results
from helpers.experiments.overoptimization import Proxy
from helpers.experiments.runner import make_all, own_folder
from helpers.files import LabError
from helpers.models.profiles import get_profile
from helpers.preferences import load_preferences, read_prompts
from helpers.training.ppo_config import PPOConfig

PROFILE = get_profile("tiny")
PROFILE = replace(PROFILE, max_response_tokens=12, sft=replace(PROFILE.sft, steps=1, batch_size=4))
PLAN = Plan(seeds=2, labels=32, updates=2, pairs=6, prompts=3)


class Small:
    @staticmethod
    def of(profile, **changes):
        return PPOConfig.of(profile, batch_size=4, max_new_tokens=8, **changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An experiment that was stopped once, in its second phase, and went on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Proxy, "steps", 1)
        patch.setattr(module, "PPOConfig", Small)
        patch.setattr(module, "load_preferences", lambda split: load_preferences(split)[:10])
        patch.setattr(module, "read_prompts", lambda split: read_prompts(split)[:8])
        found = AdaptedLayers(PROFILE, PLAN, tmp_path_factory.mktemp("adapted_layers"))
        run = make_all(found, processes=1)
        assert [next(run)["made"] for _ in range(3)] == [True] * 3
        run.close()
        assert [part["made"] for part in make_all(found, processes=1)] == [False] * 3 + [True] * 3
    return found


@pytest.fixture
def results(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path))
    write_results(whole, own_folder("tiny", AdaptedLayers.NAME))
    return load_results("tiny")


def test_all_layers_half_of_them_and_so_on_down_to_one(whole):
    assert whole.layers == [4, 2, 1]
    assert whole.phases[0] == [Run(4, 0), Run(4, 1)] and len(whole.phases[1]) == 4
    assert len({run.file_name for phase in whole.phases for run in phase}) == 6


def test_each_run_adapts_its_own_layers(whole):
    for run in whole.phases[0] + whole.phases[1]:
        for name in ("sft", "reward_model"):
            config = json.loads((whole.model_folder(run) / name / "adapter_config.json").read_text())
            layers = None if run.layers == 4 else list(range(4 - run.layers, 4))
            assert config["layers_to_transform"] == layers


def test_fewer_layers_work_as_long_as_all_of_them(whole):
    for run in whole.phases[1]:
        mine, whole_run = whole.read(run), whole.read(Run(4, run.seed))
        assert mine["after_updates"]["update"] == PLAN.updates <= mine["after_seconds"]["update"]
        assert mine["after_seconds"]["seconds"] >= whole_run["after_updates"]["seconds"]
    for run in whole.phases[0]:
        assert whole.read(run)["after_seconds"] == whole.read(run)["after_updates"]


def test_the_table_has_a_row_for_each_measure_and_number_of_layers(results):
    rows = table(results)
    assert list(dict.fromkeys(rows["measure"])) == MEASURES
    assert [(len(part), part["layers"].tolist()) for _, part in rows.groupby("measure")] == [(3, [4, 2, 1])] * 4
    assert rows[rows["layers"] == 4]["gain"].isna().all() and (rows["low"] <= rows["high"]).all()
    ppo = rows[(rows["measure"] == "gold reward of PPO, equal updates") & (rows["layers"] == 2)].iloc[0]
    gold, whole_gold = results.gold(2, "after_updates"), results.gold(4, "after_updates")
    assert gold.shape == (2, 3) and ppo["estimate"] == pytest.approx(gold.mean())
    assert ppo["gain"] == pytest.approx((gold - whole_gold).mean()) and ppo["updates"] == 2
    right = (np.sign(results.margins(1)) + 1) / 2
    accuracy = rows[(rows["measure"] == "accuracy of the reward model") & (rows["layers"] == 1)]
    assert right.shape == (2, 6) and accuracy["estimate"].item() == pytest.approx(right.mean())


def test_results_that_are_none_are_said_so(results, tmp_path):
    (own_folder("tiny", AdaptedLayers.NAME) / "runs.jsonl").write_text('{"layers": 4}\n')
    with pytest.raises(LabError, match="is no result of this experiment"):
        load_results("tiny")

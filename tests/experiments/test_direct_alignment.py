"""The experiment of lab 06, small: what it holds, that it goes on where it was stopped, what is read of it."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from helpers.__main__ import main
from helpers.evaluation.policies import sample
from helpers.experiments import direct_alignment as module
from helpers.experiments import direct_alignment_plan, overoptimization
from helpers.experiments.direct_alignment import DirectAlignment
from helpers.experiments.direct_alignment_plan import (
    DIRECT,
    NEW_LABELS,
    ONLINE,
    Labels,
    NewPairs,
    Plan,
    RewardModel,
    Run,
)
from helpers.experiments.direct_alignment_results import (
    accuracy_on_new,
    difference,
    frontier,
    judges_table,
    likelihood_gain,
    load_results,
    teachers_table,
    texts,
    ways_table,
    write_results,
)
from helpers.experiments.overoptimization import Proxy
from helpers.experiments.overoptimization_results import Pool
from helpers.experiments.runner import make_all, own_folder
from helpers.files import LabError
from helpers.labeling.judges import longer_judge
from helpers.models.profiles import get_profile
from helpers.preferences import load_preferences, read_prompts
from helpers.simulation.gold import gold_reward
from helpers.training.ppo_config import PPOConfig

TINY = replace(get_profile("tiny"), max_response_tokens=16)
PLAN = Plan(
    labels=16, seeds=1, online=("PPO", "RLOO"), betas=(0.05,), dpo_betas=(0.1,), updates=2, every=1, prompts=2, judged=4
)


class Small:
    @staticmethod
    def of(profile, **changes):
        return PPOConfig.of(profile, batch_size=4, max_new_tokens=8, **changes)


few_pairs = cache(lambda split: load_preferences(split)[:20])
few_prompts = cache(lambda split: read_prompts(split)[:12])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An experiment that was stopped once, and what its second run yielded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PPOConfig", Small)
        patch.setattr(module, "steps_for", lambda labels: 1)
        patch.setattr(module, "load_preferences", few_pairs)
        patch.setattr(module, "read_prompts", few_prompts)
        patch.setattr(overoptimization, "load_preferences", few_pairs)  # of the scale of rewards
        found = DirectAlignment(TINY, PLAN, tmp_path_factory.mktemp("alignment"))
        run = make_all(found, processes=1)
        first = [next(run) for _ in range(7)]
        run.close()
        assert all(part["made"] for part in first)
        second = list(make_all(found, processes=1))
        assert [part["made"] for part in second] == [False] * 7 + [True] * (len(second) - 7)
        assert len({part["part"] for part in second}) == len(second) == 4 + 1 + 4 + 3 + 3 + 2 + 2 + 4
    return found


@pytest.fixture
def results(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path))
    write_results(whole, own_folder("tiny", DirectAlignment.NAME))
    return load_results("tiny")


@pytest.fixture
def pool(results):
    prompts = PLAN.heldout
    scores = {Proxy(16, 0): np.arange(6.0).reshape(2, 3)}
    return Pool(prompts, [[" a", " b", " c"]] * 2, np.ones((2, 3)), scores)


def test_every_run_is_measured_on_the_held_out_prompts(results, whole):
    assert len(results.policies) == 4 + 3 + 3 and results.origin == "yours"
    for policy in results.policies:
        points = 2 if policy.run in PLAN.runs and policy.run.method in ONLINE else 1
        assert policy.gold.shape == policy.proxy.shape == policy.words.shape == (points, 2)
        assert policy.kl.shape == policy.ended.shape == (points,) and policy.seconds > 0
        assert policy.samples == (0 if policy.run.method in DIRECT else 8)
        assert len(policy.completions[-1]) == 2
    with pytest.raises(LabError, match="holds no run"):
        results.runs("PPO", 0.3)


def test_gold_and_proxy_are_means_of_the_draws(whole):
    """The recorded numbers, made once more from the adapter that was kept."""
    run = Run("DPO", 0, 0.1)
    recorded = whole.read(run)["measured"][0]
    shared = whole._load(RewardModel(Labels("people", 0)))
    shared.load_policy(whole.model_folder(run))
    frames = [sample(shared, PLAN.heldout, seed=1000 * recorded["step"] + draw) for draw in range(module.SAMPLES)]
    np.testing.assert_allclose(recorded["gold"], np.mean([frame["gold"] for frame in frames], axis=0), atol=1e-3)
    np.testing.assert_allclose(recorded["proxy"], np.mean([frame["proxy"] for frame in frames], axis=0), atol=2e-3)
    assert recorded["completions"] == frames[0]["completion"].tolist()


def test_teachers_label_the_same_pairs_each_in_its_way(results, whole):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_preferences", few_pairs)
        pairs = whole._pairs(0)
        longer, people = (whole.labeled_by(teacher, 0) for teacher in ("longer", "people"))
    assert people == [replace(p, id=f"{p.id}/people", annotator="people", strength=2) for p in pairs]
    assert all(len(p.chosen.split()) > len(p.rejected.split()) for p in longer)
    assert set(results.verdicts["people", 0]) == {1.0}
    by_length = longer_judge(*zip(*((p.prompt, p.chosen, p.rejected) for p in pairs), strict=True))
    np.testing.assert_array_equal(results.verdicts["longer", 0], by_length)
    assert set(results.verdicts["random errors", 0]) <= {0.0, 1.0}
    assert len(results.reward_models["draft overlap", 0].margins) == 20


def test_the_second_round_adds_labels_on_new_texts(results, whole):
    old = results.reward_models["people", 0].labels
    for kind in NEW_LABELS:
        new = whole.read(NewPairs(kind, 0))
        assert results.reward_models[kind, 0].labels == old + len(new["train"])
        assert not {row["prompt"] for row in new["train"]} & {row["prompt"] for row in new["test"]}
        assert {row["source"] for row in new["train"]} <= {f"{w}>{w}" for w in ("policy", "reference")}
    texts = [{row["chosen"] for row in whole.read(NewPairs(kind, 0))["train"]} for kind in NEW_LABELS]
    assert texts[0] != texts[1]
    table = judges_table(results)
    assert table.shape == (4, 2) and table.index[-1] == "best possible"
    margins = results.rounds[0]["margins"]["people"]["policy"]
    assert accuracy_on_new(results, "people", "policy").estimate == pytest.approx(np.mean(np.sign(margins) + 1) / 2)


def test_curves_and_tables(results, pool):
    curves = frontier(results, pool, (16, 0.0), (1, 2))
    assert list(curves) == ["PPO, beta 0.05", "RLOO", "DPO", "SFT on the chosen", "best of n"]
    assert curves["RLOO"].at == ["step 1", "step 2"] and curves["DPO"].at == ["beta 0.1"]
    ppo = results.runs("PPO", 0.05)
    assert curves["PPO, beta 0.05"].gold.estimate[-1] == pytest.approx(ppo[0].gold[-1].mean() - 1)
    assert curves["best of n"].at == ["n = 1", "n = 2"] and curves["best of n"].d[0] == 0
    ways = ways_table(results, pool)
    assert len(ways) == 4 and ways.loc["DPO, beta 0.1", ["samples", "reward model, s"]].tolist() == [0, 0]
    assert ways.loc["PPO, beta 0.05", "samples"] == 8 and ways.loc["PPO, beta 0.05", "reward model, s"] > 0
    teachers = teachers_table(results, pool, 0.05)
    assert teachers.index.tolist() == ["people", "draft overlap", "longer", "random errors"]
    assert teachers.loc["people", "agreement"] == 1 and teachers.loc["longer", "agreement"] < 1
    assert difference(ppo, ppo).estimate == 0
    rows = texts(results, pool, "DPO", 0.1)
    assert [row["completion"] for row in rows] == results.runs("DPO", 0.1)[0].completions[-1]
    assert all(row["gold"] == gold_reward(row["prompt"], row["completion"]) and row["before"] == " a" for row in rows)


def test_sft_on_the_chosen_makes_the_chosen_likelier(results):
    """One step, on one batch that holds all pairs."""
    run = results.runs("SFT on the chosen", 0.0)
    assert likelihood_gain(run, "chosen").estimate > 0


def test_the_default_plan():
    plan = Plan()
    assert len(plan.runs) == 8 * 3 and len(plan.teacher_runs) == 3 * 3 and len(plan.second_rounds) == 3 * 3
    assert len({run.file_name for run in plan.runs + plan.teacher_runs + plan.second_rounds}) == 42
    assert not set(plan.heldout) & set(plan.judged_on) and len(plan.judged_on) == 384
    assert plan.updates % plan.every == 0


def test_the_command_writes_what_it_found(whole, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path))
    monkeypatch.setattr(direct_alignment_plan, "Plan", lambda seeds: replace(PLAN, seeds=seeds))
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / DirectAlignment.NAME).symlink_to(whole.folder)
    assert main(["experiment", "direct_alignment", "--seeds", "1"]) == 0
    assert "there already" in capsys.readouterr().out
    assert load_results("tiny").origin == "yours"


def test_broken_results_are_named(results):
    (own_folder("tiny", DirectAlignment.NAME) / "rounds.jsonl").write_text("[]\n", "utf-8")
    with pytest.raises(LabError, match="rounds.jsonl"):
        load_results("tiny")
    (own_folder("tiny", DirectAlignment.NAME) / "policies.jsonl").write_text('{"method": "PPO"}\n', "utf-8")
    with pytest.raises(LabError, match="is no result of this experiment"):
        load_results("tiny")


def test_the_draft_overlap_is_found_under_its_older_name_too():
    """The shipped files call that teacher AI."""
    shipped = load_results("tiny")
    key = ("draft overlap", 0)
    assert key in shipped.verdicts and key in shipped.reward_models
    assert len(shipped.runs("PPO", 0.05, "draft overlap")) == 3

"""The experiment of lab 05, small: what it holds, that it goes on where it was stopped, what is read of it."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from helpers.__main__ import main
from helpers.experiments import overoptimization as module
from helpers.experiments.overoptimization import Overoptimization, Plan, PoolScores, Proxy, Run, SamplePool
from helpers.experiments.overoptimization_results import (
    Policy,
    Pool,
    Results,
    best_of_n_curve,
    chosen_texts,
    load_results,
    policy_curve,
    policy_texts,
    stopped_early,
    write_results,
)
from helpers.experiments.runner import make_all, own_folder
from helpers.files import LabError
from helpers.models.profiles import get_profile
from helpers.preferences import load_preferences, read_prompts
from helpers.simulation.gold import gold_reward

TINY = replace(get_profile("tiny"), max_response_tokens=16)
PLAN = Plan(labels=(32,), noisy=((32, 0.5),), remedied=32, betas=(), seeds=2, updates=2, every=1, prompts=2, pool=4)


class Small:
    @staticmethod
    def of(profile, **changes):
        from helpers.training.ppo_config import PPOConfig

        return PPOConfig.of(profile, batch_size=4, max_new_tokens=8, **changes)


few_pairs = cache(lambda split: load_preferences(split)[: 40 if split == "train" else 10])
few_prompts = cache(lambda split: read_prompts(split)[:12])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An experiment that was stopped once, in its last phase, and went on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Proxy, "steps", 1)
        patch.setattr(module, "PPOConfig", Small)
        patch.setattr(module, "load_preferences", few_pairs)
        patch.setattr(module, "read_prompts", few_prompts)
        found = Overoptimization(TINY, PLAN, tmp_path_factory.mktemp("overoptimization"))
        run = make_all(found, processes=1)
        first = [next(run) for _ in range(10)]  # four reward models, the pool, scores, one policy
        run.close()
        assert all(part["made"] for part in first)
        second = list(make_all(found, processes=1))
        assert [part["made"] for part in second] == [False] * 10 + [True] * 7
        assert not any(part["made"] for part in make_all(found, processes=1))
    return found


@pytest.fixture
def results(whole, tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path))
    write_results(whole, own_folder("tiny", Overoptimization.NAME))
    return load_results("tiny")


def test_the_pool_holds_samples_their_gold_rewards_and_every_reward_models_scores(results):
    pool = results.pool
    assert pool.gold.shape == (2, 4) and {scores.shape for scores in pool.scores.values()} == {(2, 4)}
    assert pool.gold[1, 3] == pytest.approx(gold_reward(pool.prompts[1], pool.completions[1][3]), abs=1e-3)
    plain, noisy = pool.of_kind((32, 0.0)), pool.of_kind((32, 0.5))
    assert plain.shape == noisy.shape == (2, 2, 4) and not np.array_equal(plain[0], plain[1])
    np.testing.assert_array_equal(plain[1], pool.scores[Proxy(32, 1)])
    margins = results.margins[Proxy(32, 1)]
    assert len(results.margins) == 4 and margins.shape == (10,)
    with pytest.raises(LabError, match="no reward model of 64 labels"):
        pool.of_kind((64, 0.0))


def test_every_run_is_measured_on_the_prompts_of_the_pool(results, whole):
    assert len(results.policies) == len(PLAN.runs) == 8
    for policy in results.policies:
        assert policy.updates.tolist() == [1, 2]
        assert policy.gold.shape == policy.words.shape == policy.proxy.shape == (2, 2)
        assert policy.proxies.shape == (2, 2, 2) and len(policy.completions[0]) == 2
        for point in range(2):
            texts = zip(results.pool.prompts, policy.completions[point], policy.gold[point], strict=True)
            assert all(gold == pytest.approx(gold_reward(prompt, text), abs=1e-3) for prompt, text, gold in texts)
    first = results.runs((32, 0.0))
    assert [policy.run.proxy.seed for policy in first] == [0, 1]
    with pytest.raises(LabError, match="no run of PPO"):
        results.runs((32, 0.0), beta=0.3)


def test_the_proxy_of_a_run_is_the_reward_model_that_it_was_trained_against(results, whole):
    policy = results.runs((32, 0.0))[1]
    shared = whole._load(policy.run.proxy)
    prompts = results.pool.prompts
    np.testing.assert_allclose(policy.proxy[1], shared.reward(prompts, policy.completions[1]).numpy(), atol=2e-3)
    pair = load_preferences("test")[0]
    chosen, rejected = shared.reward([pair.prompt] * 2, [pair.chosen, pair.rejected]).tolist()
    assert results.margins[policy.run.proxy][0] == pytest.approx(chosen - rejected, abs=2e-3)


def test_curves_are_gains_over_the_pool(results):
    pool = results.pool
    curve = best_of_n_curve(pool, (32, 0.5), (1, 2, 4))
    best = [
        [max(zip(s, g, strict=True))[1] for s, g in zip(scores, pool.gold, strict=True)]
        for scores in pool.of_kind((32, 0.5))
    ]
    assert curve.gold.estimate[0] == pytest.approx(0) and curve.d[0] == 0
    assert curve.gold.estimate[2] == pytest.approx(np.mean(best) - pool.gold.mean(), abs=1e-6)
    assert (np.diff(curve.proxy.estimate) >= 0).all() and curve.name == "32 labels, 50% wrong"
    table = curve.table
    assert table.columns.tolist() == ["curve", "at", "d", "measure", "estimate", "low", "high"] and len(table) == 6

    policy = policy_curve(results, (32, 0.0), shape="ensemble")
    runs = results.runs((32, 0.0), shape="ensemble")
    assert policy.at == [1, 2] and policy.name == "32 labels, ensemble"
    assert policy.gold.estimate[1] == pytest.approx(np.mean([run.gold[1] for run in runs]) - pool.gold.mean())
    assert policy.d[1] ** 2 == pytest.approx(max(0, np.mean([run.kl[1] for run in runs])))


def test_the_texts_behind_a_point(results):
    pool = results.pool
    for row, scores, gold in zip(
        chosen_texts(pool, (32, 0.0), 3, posts=2), pool.of_kind((32, 0.0))[0], pool.gold, strict=True
    ):
        best = int(scores[:3].argmax())
        assert (row["gold"], row["proxy"]) == (gold[best], scores[best])
    for row, text in zip(policy_texts(results, (32, 0.0), 2), results.runs((32, 0.0))[0].completions[1], strict=True):
        assert row["completion"] == text and row["gold"] == pytest.approx(gold_reward(row["prompt"], text), abs=1e-3)


def test_early_stopping_asks_the_reward_models_that_ppo_did_not_see():
    kind, prompts = (32, 0.0), 5
    pool = Pool(["p"] * prompts, [["t"]] * prompts, np.zeros((prompts, 2)), {})

    def run(seed, others):  # what the other seed's reward model says of the updates 8, 16, 24
        proxies = np.zeros((3, 2, prompts))
        proxies[:, seed] = [[1], [2], [3]]  # its own only rises
        proxies[:, 1 - seed] = np.array(others)[:, None]
        gold = np.array([1.0, 2.0, 4.0])[:, None] + np.zeros((3, prompts))
        return Policy(Run(Proxy(32, seed)), np.array([8, 16, 24]), np.zeros(3), gold, proxies, gold, np.ones(3), [])

    updates, gain = stopped_early(Results(pool, {}, [run(0, [1, 3, 2]), run(1, [5, 1, 1])], "yours"), kind)
    assert updates == [16, 8] and gain.estimate == pytest.approx((2 + 1) / 2)


def test_a_part_that_is_lost_comes_out_as_it_was(whole):
    for lost in (PoolScores(Proxy(32, 0)), SamplePool()):
        path = whole.path(lost)
        before = path.read_bytes()
        path.unlink()
        assert [part["part"] for part in make_all(whole, processes=1) if part["made"]] == [lost.file_name]
        assert path.read_bytes() == before


def test_shapes_of_the_reward():
    rewards = [lambda p, t: np.array([1.0, 5.0]), lambda p, t: np.array([2.0, 3.0])]
    rewards = [lambda p, t, of=of: module.torch.tensor(of(p, t)) for of in rewards]
    prompts, texts = ["p", "q"], ["one two", "three"]

    def scores(shape):
        return module._shaped(shape, rewards, 1)(prompts, texts).tolist()

    assert scores("") == [2.0, 3.0]
    assert scores("ensemble") == [1.0, 3.0]
    assert scores("length penalty") == pytest.approx([2.0 - 2 * module.LENGTH_PENALTY, 3.0 - module.LENGTH_PENALTY])


def test_noise_flips_its_part_of_the_labels_and_the_seed_draws_them():
    rows = load_preferences("train")
    plain, noisy = Proxy(400, 0).pairs(rows), Proxy(400, 0, noise=0.25).pairs(rows)
    flipped = [a != b for a, b in zip(plain, noisy, strict=True)]
    assert 0.15 < np.mean(flipped) < 0.35
    assert all(
        (a.chosen, a.rejected) == (b.rejected, b.chosen) for a, b, f in zip(plain, noisy, flipped, strict=True) if f
    )
    assert Proxy(400, 0).pairs(rows) == plain != Proxy(400, 1).pairs(rows)
    assert Proxy(64, 0).steps == 40 and Proxy(8000, 0).steps == 750


def test_the_default_plan():
    plan = Plan()
    assert len(plan.proxies) == 15 and len(plan.runs) == 27
    assert len({run.file_name for run in plan.runs}) == 27
    assert Run(Proxy(64, 1), shape="ensemble") in plan.runs and Run(Proxy(64, 2), beta=0.2) in plan.runs
    assert plan.updates % plan.every == 0  # the last policy is measured


def test_broken_results_are_named(results, tmp_path, capsys):
    path = own_folder("tiny", Overoptimization.NAME) / "scores.jsonl"
    path.write_text('{"labels": 32}\n', "utf-8")
    with pytest.raises(LabError, match="is no result of this experiment"):
        load_results("tiny")


def test_the_command_writes_what_it_found(whole, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path))
    monkeypatch.setattr(module, "Plan", lambda seeds: replace(PLAN, seeds=seeds))
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / Overoptimization.NAME).symlink_to(whole.folder)
    assert main(["experiment", "overoptimization", "--seeds", "2"]) == 0
    assert "there already" in capsys.readouterr().out
    assert load_results("tiny").origin == "yours"

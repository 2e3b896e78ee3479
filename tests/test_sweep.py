"""The sweep of lab 05, at a size for a test: what it holds, and that it goes on where it was stopped."""

import numpy as np
import pytest

from helpers import sweep as module
from helpers.models.profiles import get_profile
from helpers.preferences import load_preferences
from helpers.simulation.gold import gold_reward
from helpers.sweep import Plan, Proxy, read_part, sweep

PLAN = Plan(labels=(32,), noisy=((32, 0.5),), seeds=1, betas=(0.0,), updates=1, prompts=2, pool=4)


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(Proxy, "steps", 1)
    monkeypatch.setattr(module, "PPOConfig", Small)


class Small:
    @staticmethod
    def of(profile, **changes):
        from helpers.training.ppo import PPOConfig

        return PPOConfig.of(profile, batch_size=4, max_new_tokens=8, **changes)


def test_a_sweep_holds_what_was_planned_and_goes_on_where_it_was_stopped(short, tmp_path):
    profile = get_profile("tiny")
    run = sweep(profile, PLAN, tmp_path)
    first = [next(run) for _ in range(4)]  # both reward models, the pool, the first best-of-n
    run.close()
    assert all(part["made"] for part in first)
    again = list(sweep(profile, PLAN, tmp_path))
    assert [part["made"] for part in again] == [False] * 4 + [True] * 3
    assert not any(part["made"] for part in sweep(profile, PLAN, tmp_path))

    pool = read_part(tmp_path, "pool")
    assert [len(row["completions"]) for row in pool] == [4, 4]
    assert pool[0]["gold"][0] == pytest.approx(gold_reward(pool[0]["prompt"], pool[0]["completions"][0]), abs=1e-4)
    best = read_part(tmp_path, "best-of-n, 32-labels-seed-0")
    assert best["sizes"] == [1, 2, 4]
    np.testing.assert_allclose(np.array(best["gold"])[:, 0], [np.mean(row["gold"]) for row in pool], atol=1e-3)
    assert (np.diff(best["proxy"], axis=1) >= 0).all()  # the proxy's own best only gets better
    (update,) = read_part(tmp_path, "ppo, 32-labels-noise-0.5-seed-0, beta 0")
    assert update["update"] == 1 and abs(update["kl"]) < 1e-3 and len(update["samples"]) == 2

    path = tmp_path / "best-of-n, 32-labels-seed-0.json"
    before = path.read_bytes()
    path.unlink()
    assert [part["part"] for part in sweep(profile, PLAN, tmp_path) if part["made"]] == [path.stem]
    assert path.read_bytes() == before


def test_noise_turns_its_part_of_the_labels_round_and_the_seed_draws_them():
    rows = load_preferences("train")
    plain, noisy = Proxy(400, 0).pairs(rows), Proxy(400, 0, noise=0.25).pairs(rows)
    turned = [a != b for a, b in zip(plain, noisy, strict=True)]
    assert 0.15 < np.mean(turned) < 0.35
    assert all(
        (a.chosen, a.rejected) == (b.rejected, b.chosen) for a, b, t in zip(plain, noisy, turned, strict=True) if t
    )
    assert Proxy(400, 0).pairs(rows) == plain != Proxy(400, 1).pairs(rows)
    assert Proxy(64, 0).steps == 40 and Proxy(8000, 0).steps == 750


def test_processes_share_the_reward_models(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_train", lambda *_: None)
    monkeypatch.setattr(module, "_part", lambda folder, name, make: {"part": name, "made": True})
    plan, profile = Plan(seeds=2), get_profile("tiny")
    whole = [part["part"] for part in sweep(profile, plan, tmp_path)]
    shares = [[part["part"] for part in sweep(profile, plan, tmp_path, (k, 3))] for k in (1, 2, 3)]
    assert sorted(sum(shares, [])) == sorted(whole + ["pool"] * 2) and len(whole) == len(set(whole)) == 41

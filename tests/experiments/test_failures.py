"""Every case of the gallery is broken as it says, and shows the sign that it says; and nothing stays broken."""

import json
from dataclasses import replace
from inspect import getsource, signature
from types import SimpleNamespace

import pytest
import torch

from helpers.experiments import failures
from helpers.experiments.failure_cases import CASES, HEALTHY
from helpers.experiments.failures import BROKEN, BrokenFunction, diff, run
from helpers.formulas.objectives import kl_penalized_rewards
from helpers.models.profiles import get_profile
from helpers.runs import recordings
from helpers.training.ppo_config import PPOConfig
from helpers.training.rollouts import Tokens

TINY = get_profile("tiny")
SMALL = {"updates": 1, "batch_size": 8, "max_new_tokens": 32}
BY_CAUSE = {case.cause: case for case in CASES}


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path))


def first(cause: str | None = None) -> dict:
    """The first update of a case: without a cause, of the healthy one."""
    (record,) = run(TINY, BY_CAUSE[cause] if cause else HEALTHY, **SMALL)
    return record


@pytest.fixture(scope="module")
def healthy() -> dict:
    (record,) = run(TINY, HEALTHY, **SMALL)
    return record


def same_texts(a: dict, b: dict) -> list[bool]:
    return [x["completion"] == y["completion"] for x, y in zip(a["samples"], b["samples"], strict=True)]


def test_the_healthy_case_begins_at_its_reference(healthy):
    assert abs(healthy["kl"]) < 1e-3 and healthy["ended"] > 0.5 and healthy["explained_variance"] <= 0.01


def test_wrong_sign(healthy):
    broken = first("the reward has the wrong sign")
    assert all(same_texts(broken, healthy))
    for mine, other in zip(broken["samples"], healthy["samples"], strict=True):
        penalty = 0 if other["reward"] > -9 and mine["reward"] == pytest.approx(-other["reward"], abs=1e-4) else 2
        assert mine["reward"] == pytest.approx(-other["reward"] - penalty, abs=1e-4)  # not ending costs both 1


def test_score_on_padding():
    scores, logprobs = torch.tensor([2.0, 3.0]), torch.randn(2, 4)
    ref, mask = torch.randn(2, 4), torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]]).bool()
    broken = failures.score_in_last_column(scores, logprobs, ref, mask, 0.1)
    sound = kl_penalized_rewards(scores, logprobs, ref, mask, 0.1)
    assert torch.equal(broken[1], sound[1])
    assert (sound[0] - broken[0]).tolist() == pytest.approx([0, 2, 0, 0], abs=1e-6)


def test_wrong_padding_side(healthy):
    broken = first("prompts are padded on the wrong side")
    assert not all(same_texts(broken, healthy))
    assert Tokens().pad_prompts([[1], [1, 2]], 0).tolist() == [[0, 1], [1, 2]]  # only the run was broken


def test_a_fast_value_head(shared):
    for optimizer, factor in ((failures.optimizer, 1), (failures.optimizer_with_fast_value_head, 100)):
        groups = optimizer(shared, 5e-4).param_groups
        assert [group["lr"] for group in groups] == [5e-4, factor * 5e-4]
        assert {id(p) for p in groups[1]["params"]} == {id(p) for p in shared.value_head.parameters()}
        parameters = [p for group in groups for p in group["params"]]
        assert {id(p) for p in parameters} == {id(p) for p in shared.trainable_parameters()}
        assert len(parameters) == len(shared.trainable_parameters())


def test_no_price_for_not_ending():
    (record,) = run(TINY, BY_CAUSE["a response that never ends costs nothing"], **(SMALL | {"max_new_tokens": 4}))
    (healthy,) = run(TINY, HEALTHY, **(SMALL | {"max_new_tokens": 4}))
    assert record["reward"] - healthy["reward"] == pytest.approx(1 - record["ended"], abs=1e-5)


def test_another_reference():
    assert first("the reference is not the model that the policy began from")["kl"] > 0.05


def test_a_shifted_reward(healthy):
    assert first("the reward was not normalized")["reward"] == pytest.approx(healthy["reward"] + 10, abs=1e-4)


def test_padding_that_is_eos(healthy):
    broken = first("padding and </s> are the same token")
    assert broken["ended"] == 0 and all(same_texts(broken, healthy))
    assert broken["response_tokens"] == pytest.approx(healthy["response_tokens"] - healthy["ended"])


def test_settings(monkeypatch):
    configs = {}

    def fake(profile, config, *, title, **functions):
        configs[title] = config
        yield from ()

    monkeypatch.setattr(failures.stages, "ppo_with_gold", fake)
    monkeypatch.setattr(failures, "load_roles", lambda profile, seed: None)
    causes = ("the learning rate is ten times too high", "the KL coefficient is 0")
    for case in [HEALTHY, *map(BY_CAUSE.get, causes)]:
        assert list(run(TINY, case)) == []
    healthy, fast, free = configs.values()
    assert healthy == PPOConfig.of(TINY)
    assert fast == replace(healthy, learning_rate=5e-3) and free == replace(healthy, beta=0, updates=80)
    assert list(configs) == ["Case 0", "Case 6", "Case 10"]


def test_names_and_titles_do_not_tell():
    assert [case.name for case in [HEALTHY, *CASES]] == [f"case-{number}" for number in range(11)]
    assert list(BROKEN) == [case.name for case in CASES] and len(BY_CAUSE) == 10


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_line_is_broken(case):
    """Also when the function that it was copied from has changed since: copy it again."""
    right, broken = diff(case)
    assert right.startswith("- ") and broken.startswith("+ ") and right[2:] != broken[2:]
    if isinstance(instead := BROKEN[case.name], BrokenFunction):
        assert list(signature(instead.right).parameters) == list(signature(instead.broken).parameters)
        assert broken[2:] in getsource(instead.broken) and right[2:] in getsource(instead.right)


def test_the_broken_functions_are_given_to_ppo(monkeypatch):
    """Each where the right one was, and nothing else with it."""
    given = {}

    def fake(profile, config, *, title, reward, losses, tokens, optimizer, **rest):
        given[title] = {losses.kl_penalized_rewards, tokens.pad_prompts, tokens.response_mask, optimizer}
        yield from ()

    monkeypatch.setattr(failures.stages, "ppo_with_gold", fake)
    monkeypatch.setattr(failures.stages, "load_shared", lambda profile, seed: SimpleNamespace())
    for case in [HEALTHY, *CASES]:
        assert list(run(TINY, case)) == []
    for case in CASES:
        changed = given[case.name.replace("-", " ").capitalize()] - given["Case 0"]
        instead = BROKEN[case.name]
        in_ppo = isinstance(instead, BrokenFunction) and instead.right in given["Case 0"]
        assert changed == ({instead.broken} if in_ppo else set())


def test_a_case_is_recorded_and_shipped_under_its_number(monkeypatch, tmp_path):
    def fake(profile, case, *, record):
        header = recordings.Header("ppo", "Case 1", profile.name, 0, 1)
        yield from recordings.recorded((row for row in [{"step": 1, "reward": 0.5}]), record, header)

    monkeypatch.setenv("RLHF_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(failures, "HEALTHY", CASES[0])
    monkeypatch.setattr(failures, "CASES", [])
    monkeypatch.setattr(failures, "run", fake)
    assert [r["recording"] for r in failures.record_all(TINY)] == ["case-1"]
    shipped = tmp_path / "data" / "recordings" / "case-1" / "recording.json"
    assert json.loads(shipped.read_text("utf-8"))["title"] == "Case 1"

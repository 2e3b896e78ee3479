"""Every case of the gallery is broken as it says, and shows the sign that it says; and nothing stays broken."""

import json

import pytest
import torch

from helpers.experiments import failures
from helpers.experiments.failure_cases import CASES, HEALTHY
from helpers.experiments.failures import BREAKS, run
from helpers.formulas.objectives import kl_penalized_rewards
from helpers.models.profiles import get_profile
from helpers.runs import recordings
from helpers.training import ppo
from helpers.training.ppo_config import PPOConfig

TINY = get_profile("tiny")
SMALL = {"updates": 1, "batch_size": 8, "max_new_tokens": 32}
BY_CAUSE = {case.cause: case.name for case in CASES}


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path))


def first(cause: str | None = None) -> dict:
    """The first update of a case: without a cause, of the healthy one."""
    (record,) = run(TINY, BY_CAUSE[cause] if cause else HEALTHY.name, **SMALL)
    return record


@pytest.fixture(scope="module")
def healthy() -> dict:
    (record,) = run(TINY, HEALTHY.name, **SMALL)
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
    broken = failures._score_in_last_column(scores, logprobs, ref, mask, 0.1)
    sound = kl_penalized_rewards(scores, logprobs, ref, mask, 0.1)
    assert torch.equal(broken[1], sound[1])
    assert (sound[0] - broken[0]).tolist() == pytest.approx([0, 2, 0, 0], abs=1e-6)


def test_wrong_padding_side(healthy):
    broken = first("prompts are padded on the wrong side")
    assert not all(same_texts(broken, healthy))
    assert ppo.pad_left([[1], [1, 2]], 0).tolist() == [[0, 1], [1, 2]]  # only the run was broken


def test_a_fast_value_head(shared):
    config = PPOConfig(updates=1)
    groups = failures._FastValueHead(shared, shared.reward, config).optimizer.param_groups
    assert [group["lr"] for group in groups] == [config.learning_rate, 100 * config.learning_rate]
    parameters = [p for group in groups for p in group["params"]]
    assert {id(p) for p in parameters} == {id(p) for p in shared.trainable_parameters()}
    assert len(parameters) == len(shared.trainable_parameters())


def test_no_price_for_not_ending():
    (record,) = run(TINY, BY_CAUSE["a response that never ends costs nothing"], **(SMALL | {"max_new_tokens": 4}))
    (healthy,) = run(TINY, HEALTHY.name, **(SMALL | {"max_new_tokens": 4}))
    assert record["reward"] - healthy["reward"] == pytest.approx(1 - record["ended"], abs=1e-5)


def test_another_reference():
    assert first("the reference is not the model that the policy began from")["kl"] > 0.05


def test_a_shifted_reward(healthy):
    assert first("the reward was not normalized")["reward"] == pytest.approx(healthy["reward"] + 10, abs=1e-4)


def test_padding_that_is_eos(healthy):
    broken = first("padding and </s> are the same token")
    assert broken["ended"] == 0 and all(same_texts(broken, healthy))
    assert broken["response_tokens"] == pytest.approx(healthy["response_tokens"] - healthy["ended"])


def test_settings():
    assert (
        PPOConfig.of(TINY, **BREAKS[BY_CAUSE["the learning rate is ten times too high"]].config).learning_rate == 5e-3
    )
    assert PPOConfig.of(TINY, **BREAKS[BY_CAUSE["the KL coefficient is 0"]].config).beta == 0


def test_names_and_titles_do_not_tell():
    assert list(BREAKS) == [case.name for case in [HEALTHY, *CASES]] == [f"case-{number}" for number in range(11)]
    assert all(case.broken != case.right for case in CASES) and len(BY_CAUSE) == 10


def test_a_case_is_recorded_and_shipped_under_its_number(monkeypatch, tmp_path):
    def fake(profile, name, *, record):
        header = recordings.Header("ppo", "Case 1", profile.name, 0, 1)
        yield from recordings.recorded((row for row in [{"step": 1, "reward": 0.5}]), record, header)

    monkeypatch.setenv("RLHF_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(failures, "BREAKS", {"case-1": BREAKS["case-1"]})
    monkeypatch.setattr(failures, "run", fake)
    assert [r["recording"] for r in failures.record_all(TINY)] == ["case-1"]
    shipped = tmp_path / "data" / "recordings" / "case-1" / "recording.json"
    assert json.loads(shipped.read_text("utf-8"))["title"] == "Case 1"

"""PPO: its first step, what it changes, what it refuses, that it learns; and the stages that keep its results."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers import files
from helpers.files import LabError
from helpers.formulas.objectives import clipped_policy_loss
from helpers.models.loading import load_tokenizer
from helpers.models.profiles import PROFILES, get_profile
from helpers.models.shared_base import POLICY, REFERENCE, SharedBase
from helpers.runs import stages
from helpers.runs.artifacts import Artifacts
from helpers.training.inspection import inspect_response, token_texts
from helpers.training.losses import Losses
from helpers.training.ppo import PPO
from helpers.training.ppo_config import PPOConfig
from helpers.training.rewards import weighted_sum
from helpers.training.rollouts import microbatches, roll_out
from helpers.training.train_ppo import train_ppo

from ..support.shared_base import COMPLETIONS, PROMPTS, changed, logprobs, weights
from ..support.tiny import make_llama2_checkpoint, make_tokenizer, pairs

SMALL = PPOConfig(updates=2, batch_size=8, minibatch_size=4, epochs=2, max_new_tokens=8, learning_rate=1e-3)


def letters(prompts, completions):
    """A toy reward: how many letters e."""
    return [completion.count("e") for completion in completions]


# --------------------------------------------------------------------------------------------- rollouts


def test_a_first_rollout(shared):
    config = replace(SMALL, beta=0.1, missing_eos_penalty=1.5)
    rollout = roll_out(shared, PROMPTS, letters, config)
    assert rollout.kl.abs().max() < 1e-5 and not rollout.values.any()
    expected = torch.tensor(letters(None, rollout.completions)) - 1.5 * (~rollout.ended).float()
    torch.testing.assert_close(rollout.scores, expected)
    torch.testing.assert_close(rollout.rewards.sum(1), rollout.scores - 0.1 * rollout.kl)
    last = rollout.mask.sum(1) - 1
    torch.testing.assert_close(rollout.rewards[range(8), last], rollout.scores, atol=1e-4, rtol=0)
    real = rollout.advantages[rollout.mask]
    assert real.mean().abs() < 1e-5 and abs(real.std() - 1) < 1e-3
    assert not rollout.advantages[~rollout.mask].any() and not rollout.returns[~rollout.mask].any()


def test_the_rollouts_logprobs_are_those_it_was_sampled_with(shared):
    """At a temperature too: else the first ratio is not 1."""
    rollout = roll_out(shared, PROMPTS, letters, replace(SMALL, temperature=0.7))
    with torch.no_grad():
        recomputed = shared.response_logprobs(rollout.prompt_ids, rollout.response_ids, POLICY, 0.7)
    torch.testing.assert_close(recomputed[rollout.mask], rollout.logprobs[rollout.mask], atol=2e-5, rtol=1e-4)


def test_before_the_first_step_the_ratio_is_one_and_the_kl_zero(shared):
    config = replace(SMALL, epochs=1, minibatch_size=8)  # one step: all measures come from before it
    record = PPO(shared, letters, config).update(PROMPTS)
    assert record["kl"] == pytest.approx(0, abs=1e-5)
    assert record["approx_kl"] == pytest.approx(0, abs=1e-8)
    assert record["clip_fraction"] == 0
    assert record["policy_loss"] == pytest.approx(0, abs=1e-4)  # minus the mean of whitened advantages


def test_minibatches_see_what_the_rollout_saw(shared):
    """Cut to their own width, they give the same log-probabilities: approx_kl 0."""
    ppo = PPO(shared, letters, SMALL)
    rollout = roll_out(shared, PROMPTS, letters, SMALL)
    for index in torch.arange(8).split(2):
        assert ppo._backward(rollout, index)["approx_kl"] == pytest.approx(0, abs=1e-8)


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5)), min_size=1, max_size=12),
    st.one_of(st.none(), st.integers(1, 13)),
)
def test_microbatches_hold_every_row_once_and_every_token(lengths, size):
    prompts = torch.tensor([[i >= 6 - p for i in range(6)] for p, _ in lengths])
    responses = torch.tensor([[i < r for i in range(5)] for _, r in lengths])
    rows = []
    for index, width in microbatches(prompts, responses, size):
        assert 1 <= len(index) <= (size or len(lengths))
        assert not responses[index, width:].any() and (width == 0 or responses[index, width - 1].any())
        rows += index.tolist()
    assert sorted(rows) == list(range(len(lengths)))


@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_gradient_is_that_of_the_whole_minibatch(shared, size):
    rollout = roll_out(shared, PROMPTS, letters, SMALL)
    gradients, measures = [], []
    for microbatch_size in (None, size):
        ppo = PPO(shared, letters, replace(SMALL, microbatch_size=microbatch_size))
        measures.append(ppo._backward(rollout, torch.arange(8)))
        gradients.append([p.grad.clone() for p in shared.trainable_parameters()])
    assert measures[0] == pytest.approx(measures[1], abs=1e-5)
    for whole, parts in zip(*gradients, strict=True):
        assert torch.allclose(whole, parts, rtol=1e-3, atol=1e-6)


def test_the_record(shared):
    records = list(train_ppo(shared, PROMPTS, letters, replace(SMALL, beta=0.3)))
    assert [r["step"] for r in records] == [1, 2]
    for record in records:
        assert record["objective"] == pytest.approx(record["reward"] - 0.3 * record["kl"])
        assert 0 < record["entropy"] < math.log(400) and 0 <= record["clip_fraction"] <= 1
        assert 1 <= record["response_tokens"] <= 8 and 0 <= record["ended"] <= 1
        assert set(record["samples"][0]) == {"prompt", "completion", "reward"}
        assert all(math.isfinite(v) for v in record.values() if isinstance(v, float))


# --------------------------------------------------------------------------------------------- training


def test_an_update_changes_policy_and_value_head_and_nothing_else(shared):
    before = weights(shared)
    reward = shared.reward(PROMPTS, COMPLETIONS)
    list(train_ppo(shared, PROMPTS, config=SMALL))  # with the reward adapter: all four roles run
    moved = changed(shared, before)
    assert moved and all(".policy." in name or name.startswith("value_head.") for name in moved)
    assert any("lora_A" in n for n in moved) and any("lora_B" in n for n in moved) and "value_head.weight" in moved
    assert all(p.grad is None for p in shared.parameters())
    assert torch.equal(shared.reward(PROMPTS, COMPLETIONS), reward)


def test_it_raises_a_toy_reward(shared):
    config = PPOConfig(
        updates=40, batch_size=32, minibatch_size=16, max_new_tokens=8, learning_rate=2e-2, beta=0.01, seed=1
    )
    rewards = [record["reward"] for record in train_ppo(shared, PROMPTS, letters, config)]
    assert sum(rewards[-3:]) / 3 > sum(rewards[:3]) / 3 + 1


def test_a_large_beta_holds_the_policy_back(profile, adapters):
    kl = {}
    for beta in (0.0, 20.0):
        shared = SharedBase.load(profile, sft=adapters.sft)
        config = PPOConfig(updates=6, batch_size=16, minibatch_size=16, max_new_tokens=8, learning_rate=3e-3, beta=beta)
        kl[beta] = [record["kl"] for record in train_ppo(shared, PROMPTS, letters, config)][-1]
    assert kl[20.0] < 0.5 * kl[0.0]


def test_the_seed_decides(profile, adapters):
    def run(seed):
        shared = SharedBase.load(profile, sft=adapters.sft)
        records = list(train_ppo(shared, PROMPTS, letters, replace(SMALL, seed=seed)))
        return [{k: v for k, v in r.items() if not k.startswith("seconds")} for r in records], weights(shared)

    (first, one), (second, two), (other, _) = run(0), run(0), run(1)
    assert first == second != other
    assert all(torch.equal(one[name], two[name]) for name in one)


def bare(records, *but):
    return [{k: v for k, v in r.items() if not k.startswith("seconds") and k not in but} for r in records]


def test_what_the_consumer_draws_changes_nothing(profile, adapters):
    runs = []
    for draws in (0, 5):
        shared = SharedBase.load(profile, sft=adapters.sft)
        stream = train_ppo(shared, PROMPTS, letters, replace(SMALL, updates=3))
        runs.append(bare([(record, torch.rand(draws))[0] for record in stream]))
    assert runs[0] == runs[1]


def test_every_prompt_comes_once_before_any_comes_again(shared):
    seen = []

    def reward(prompts, completions):
        seen.extend(prompts)
        return [0.0] * len(prompts)

    list(train_ppo(shared, PROMPTS[:6], reward, replace(SMALL, updates=3, batch_size=4)))
    assert sorted(seen[:6]) == sorted(seen[6:]) == sorted(PROMPTS[:6])


def test_fewer_prompts_than_a_batch(shared):
    record = next(train_ppo(shared, PROMPTS[:1], letters, SMALL))
    assert record["step"] == 1 and len(record["samples"]) == 4


def test_early_stops(shared, monkeypatch):
    assert len(list(train_ppo(shared, PROMPTS, letters, replace(SMALL, updates=9, max_kl=-1.0)))) == 1
    calls = []
    original = PPO._loss
    monkeypatch.setattr(PPO, "_loss", lambda self, *a: (calls.append(1), original(self, *a))[1])
    list(train_ppo(shared, PROMPTS, letters, replace(SMALL, updates=1, epochs=5, target_kl=1e-12)))
    assert len(calls) == 2  # the minibatches of one epoch


# ---------------------------------------------------------------------------------- tokens and watched prompts


def test_inspecting_and_watching_a_run_do_not_change_it(profile, adapters):
    runs = []
    for settings in ({}, {"inspect": 3, "watch": 2, "watch_every": 2}):
        shared = SharedBase.load(profile, sft=adapters.sft, reward=adapters.reward)
        records = list(train_ppo(shared, PROMPTS, config=replace(SMALL, updates=3, **settings)))
        runs.append((bare(records, "samples", "tokens"), weights(shared)))
    (plain, one), (inspected, two) = runs
    assert plain == inspected and all(torch.equal(one[name], two[name]) for name in one)


def test_the_tokens_of_a_rollout(shared):
    """Against the losses, written out for one response."""
    config = replace(SMALL, updates=1, inspect=2, beta=0.3, gamma=0.9, lam=0.8, missing_eos_penalty=0.5)
    (record,) = train_ppo(shared, PROMPTS, letters, config)
    assert len(record["tokens"]) == 2
    for response, sample in zip(record["tokens"], record["samples"], strict=False):
        n = len(response["token"])
        columns = {name: values for name, values in response.items() if isinstance(values, list)}
        assert {len(values) for values in columns.values()} == {n} and len(columns) == 11
        assert response["prompt"] == sample["prompt"] and response["completion"] == sample["completion"]
        assert response["score"] == pytest.approx(sample["reward"], abs=1e-4)
        assert response["ended"] == (response["token"][-1] == "</s>")
        penalties = [-0.3 * (p - r) for p, r in zip(response["logprob"], response["ref_logprob"], strict=True)]
        penalties[-1] += response["score"]
        assert response["reward"] == pytest.approx(penalties, abs=3e-4)
        advantage, expected = 0.0, []
        for t in reversed(range(n)):
            after = response["value"][t + 1] if t + 1 < n else 0.0
            advantage = response["reward"][t] + 0.9 * after - response["value"][t] + 0.9 * 0.8 * advantage
            expected.insert(0, advantage + response["value"][t])
        assert response["return"] == pytest.approx(expected, abs=5e-3)
        ratios = [math.exp(new - old) for new, old in zip(response["new_logprob"], response["logprob"], strict=True)]
        assert response["ratio"] == pytest.approx(ratios, rel=1e-3, abs=2e-4)
        assert json.loads(json.dumps(response)) == response


def test_the_new_logprobs_are_those_of_the_policy_after_the_update(shared, monkeypatch):
    rollouts, original = [], PPO._inspect
    monkeypatch.setattr(PPO, "_inspect", lambda self, rollout: (rollouts.append(rollout), original(self, rollout))[1])
    (record,) = train_ppo(shared, PROMPTS, letters, replace(SMALL, updates=1, inspect=2, learning_rate=2e-2))
    (rollout,) = rollouts
    with torch.no_grad():
        now = shared.response_logprobs(rollout.prompt_ids, rollout.response_ids, POLICY)
    for row, response in enumerate(record["tokens"]):
        assert response["new_logprob"] == pytest.approx(now[row][rollout.mask[row]].tolist(), abs=1e-3)
        assert response["new_logprob"] != pytest.approx(response["logprob"], abs=1e-2)


def test_clipped_tokens_are_those_without_gradient(shared):
    rollout = roll_out(shared, PROMPTS, letters, SMALL)
    torch.manual_seed(0)
    new = (rollout.logprobs + 0.4 * torch.randn_like(rollout.logprobs)).requires_grad_()
    clipped_policy_loss(new, rollout.logprobs, rollout.advantages, rollout.mask, 0.2).backward()
    clipped = 0
    for row in range(8):
        response = inspect_response(rollout, row, new.detach()[row], shared.tokenizer, 0.2)
        real = rollout.mask[row] & (rollout.advantages[row] != 0)
        assert response["clipped"] == (new.grad[row] == 0)[rollout.mask[row]].tolist() or not real.all()
        clipped += sum(response["clipped"])
    assert 0 < clipped < rollout.mask.sum()


@pytest.mark.parametrize("kind", ["byte-level", "sentencepiece"])
def test_the_texts_of_tokens_spell_the_completion(kind, tmp_path):
    if kind == "byte-level":
        tokenizer = make_tokenizer()
    else:
        tokenizer = load_tokenizer(get_profile(str(make_llama2_checkpoint(tmp_path / "llama"))))
    for text in (" dog help", "please never", " the  cat\n<b>&amp;</b>\t1"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert "".join(token_texts(tokenizer, ids)).strip() == text.strip()
    pieces = token_texts(tokenizer, tokenizer(" d\u20ac", add_special_tokens=False)["input_ids"] + [2, 99_999])
    assert "".join(pieces).strip() == "d\\xe2\\x82\\xac</s><99999>"
    assert all(piece.isprintable() for piece in pieces)


def test_a_whole_character_of_several_bytes_is_itself():
    tokenizer = make_tokenizer()
    tokenizer.add_tokens(["\u4e2d"])  # as a token of its own, no byte-level one
    assert token_texts(tokenizer, [len(tokenizer) - 1, 2]) == ["\u4e2d", "</s>"]


def test_watched_prompts(shared):
    config = replace(SMALL, updates=5, watch=2, watch_every=3, learning_rate=2e-2)
    before = shared.complete(PROMPTS[:2], REFERENCE, max_new_tokens=8, do_sample=False)
    records = list(train_ppo(shared, PROMPTS, letters, config))
    assert [len(record["samples"]) for record in records] == [2, 0, 2, 0, 2]  # the first, every third, the last
    for sample, prompt, text in zip(records[-1]["samples"], PROMPTS, before, strict=False):
        assert (sample["prompt"], sample["before"]) == (prompt, text)
        assert [sample["before_reward"], sample["reward"]] == letters(None, [text, sample["completion"]])
    now = shared.complete(PROMPTS[:2], POLICY, max_new_tokens=8, do_sample=False)
    assert [sample["completion"] for sample in records[-1]["samples"]] == now != before


# -------------------------------------------------------------------------------------------- losses


def test_every_loss_can_be_replaced(shared):
    names = ["kl_penalized_rewards", "gae", "masked_whiten", "policy_loss", "value_loss"]
    called = []

    def own(name):
        original = getattr(Losses(), name)
        return lambda *arguments: (called.append(name), original(*arguments))[1]

    list(train_ppo(shared, PROMPTS, letters, replace(SMALL, updates=1), losses=Losses(**{n: own(n) for n in names})))
    assert sorted(called) == sorted(names[:3] + 4 * names[3:])  # once a rollout; in each of 2 x 2 gradient steps


def test_a_replaced_loss_decides_what_is_learned(profile, adapters):
    moved = []
    for whiten in (Losses().masked_whiten, lambda x, mask: 0 * x):  # no advantage, no policy gradient
        shared = SharedBase.load(profile, sft=adapters.sft)
        before = weights(shared)
        list(
            train_ppo(
                shared, PROMPTS, letters, replace(SMALL, value_coefficient=0.0), losses=Losses(masked_whiten=whiten)
            )
        )
        moved.append({name for name in changed(shared, before) if ".policy." in name})
    assert moved[0] and not moved[1]


# ------------------------------------------------------------------------------------ rewards and beta


def test_a_weighted_sum_of_rewards(shared):
    words = lambda prompts, completions: [len(text.split()) for text in completions]  # noqa: E731
    both = weighted_sum((2.0, shared.reward), (-0.5, words))(PROMPTS, COMPLETIONS)
    expected = 2.0 * shared.reward(PROMPTS, COMPLETIONS) - 0.5 * torch.tensor(words(PROMPTS, COMPLETIONS))
    assert torch.allclose(both, expected)
    assert next(train_ppo(shared, PROMPTS, weighted_sum((1.0, letters), (1.0, letters)), SMALL))["step"] == 1
    with pytest.raises(LabError, match="gave 3 numbers|not a finite number|gave no numbers"):
        weighted_sum((1.0, letters), (1.0, lambda p, c: [math.nan] * len(c)))(PROMPTS, COMPLETIONS)
    with pytest.raises(LabError, match="at least one"):
        weighted_sum()


def test_whitened_scores(shared):
    config = replace(SMALL, whiten_scores=True)
    torch.manual_seed(0)
    scores = roll_out(shared, PROMPTS, lambda p, c: [100.0 + 7 * i for i in range(len(c))], config).scores
    assert scores.mean().item() == pytest.approx(0, abs=1e-5) and scores.var().item() == pytest.approx(1, abs=1e-3)


def test_beta_follows_its_target(shared):
    records = list(train_ppo(shared, PROMPTS, letters, replace(SMALL, updates=4, adaptive_kl_target=1e-3, beta=0.5)))
    betas, kls = [r["beta"] for r in records], [r["kl"] for r in records]
    assert betas[0] == 0.5
    for i in range(3):  # Ziegler's controller by hand
        error = max(-0.2, min(0.2, (kls[i] - 1e-3) / 1e-3))
        assert betas[i + 1] == pytest.approx(betas[i] * (1 + 0.1 * error))
    assert records[-1]["objective"] == pytest.approx(records[-1]["reward"] - betas[-1] * kls[-1])
    fixed = [r["beta"] for r in train_ppo(shared, PROMPTS, letters, SMALL)]
    assert fixed == [SMALL.beta] * 2


# -------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("reward", "message"),
    [
        (lambda p, c: [0.0] * (len(c) - 1), r"gave \(7,\) numbers for 8 completions"),
        (lambda p, c: [[0.0]] * len(c), r"gave \(8, 1\) numbers for 8 completions"),
        (lambda p, c: 1.0, r"gave \(\) numbers for 8 completions"),
        (lambda p, c: [0.0] * 7 + [math.nan], "is nan, not a finite number; its prompt: 'POST: "),
        (lambda p, c: [math.inf] + [0.0] * 7, "is inf, not a finite number; its prompt: 'POST: "),
        (lambda p, c: ["good"] * len(c), "the reward gave no numbers"),
        (lambda p, c: None, "the reward gave no numbers"),
    ],
)
def test_a_bad_reward_is_refused_and_no_weight_moves(shared, reward, message):
    before = weights(shared)
    with pytest.raises(LabError, match=message):
        list(train_ppo(shared, PROMPTS, reward, SMALL))
    assert not changed(shared, before)


def test_bad_prompts_are_refused(shared):
    with pytest.raises(LabError, match="the prompt set is empty"):
        next(train_ppo(shared, [], letters, SMALL))
    with pytest.raises(LabError, match=r"prompt 1 has \d+ tokens, and the limit is 192"):
        next(train_ppo(shared, [PROMPTS[0], "dog cat " * 200], letters, SMALL))


def test_one_prompt_many_times_is_refused_and_one_prompt_once_is_not(shared):
    with pytest.raises(LabError, match="all 3 prompts are the same text"):
        next(train_ppo(shared, PROMPTS[:1] * 3, letters, SMALL))
    assert next(train_ppo(shared, PROMPTS[:1], letters, SMALL))["step"] == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 10, "minibatch_size": 4}, "batch_size 10 is no multiple of minibatch_size 4"),
        (
            {"updates": 0, "clip": -0.2, "lam": 1.5},
            "updates is 0: at least 1; clip is -0.2: above 0; lam is 1.5",
        ),
        ({"beta": -0.1}, "beta is -0.1: 0 or more"),
        ({"beta": math.nan}, "beta is nan"),
        ({"temperature": 0.0}, "temperature is 0.0: above 0"),
        ({"adaptive_kl_target": 0.0}, "adaptive_kl_target is 0.0: above 0, or None"),
        ({"updates": "3", "batch_size": 1.5}, "updates is '3': a whole number; batch_size is 1.5: a whole number"),
        ({"beta": math.inf, "max_kl": [1]}, r"beta is inf: a number; max_kl is \[1\]: a number"),
        ({"seed": -1}, "seed is -1: from 0 to"),
    ],
)
def test_settings_that_cannot_be_trained_with(changes, message):
    with pytest.raises(LabError, match=message):
        PPOConfig(**changes)


def test_the_settings_of_a_large_model():
    assert PPOConfig.of(PROFILES["tiny"], beta=0.5) == replace(PPOConfig(), beta=0.5)
    assert PPOConfig.of(PROFILES["llama2-7b"]).learning_rate < PPOConfig().learning_rate


# ----------------------------------------------------------------------------------------------- stages


@pytest.fixture
def runs(profile, adapters, tmp_path, monkeypatch):
    """A store of the reader's own with an SFT and a reward model in it."""
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "runs"))
    for name, source in (("sft", adapters.sft), ("reward_model", adapters.reward)):
        shutil.copytree(source, files.runs() / profile.name / name)
    return files.runs() / profile.name


def test_the_stage_leaves_its_artifact(profile, runs):
    stream = stages.ppo(profile, PROMPTS, config=SMALL)
    records = []
    while True:
        try:
            records.append(next(stream))
        except StopIteration as end:
            shared = end.value
            break
    artifact = Artifacts(profile.name).find("ppo")
    assert artifact.origin == "yours" and artifact.path == runs / "ppo"
    assert [r["step"] for r in artifact.records] == [1, 2] and "samples" not in artifact.records[0]
    assert set(artifact.manifest["parents"]) == {"sft", "reward_model"}
    loaded = stages.load_shared(profile, policy_from="ppo")
    assert torch.equal(logprobs(loaded, POLICY), logprobs(shared, POLICY))
    assert torch.equal(loaded.value_head.weight, shared.value_head.weight)


def test_without_save_nothing_is_left(profile, runs):
    list(stages.ppo(profile, PROMPTS, config=SMALL, save=False))
    assert {p.name for p in runs.iterdir()} == {"sft", "reward_model"}


@pytest.mark.parametrize("stage", ["sft", "reward_model", "ppo"])
def test_a_stage_closed_early_leaves_what_was_there(profile, runs, stage):
    arguments = {
        "sft": lambda: stages.sft(profile, pairs(16), steps=50),
        "reward_model": lambda: stages.reward_model(profile, pairs(16), steps=50),
        "ppo": lambda: stages.ppo(profile, PROMPTS, config=SMALL),
    }
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    stream = arguments[stage]()
    next(stream)
    stream.close()
    shutil.rmtree(runs / "checkpoints")  # of which test_stages.py tells
    assert {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()} == before


def test_what_an_artifact_is_made_from_is_looked_for_before_the_training(profile, shared, tmp_path, monkeypatch):
    """Not after it, when the policy would be lost."""
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path))
    monkeypatch.setenv("RLHF_DATA", str(tmp_path))
    with pytest.raises(LabError, match="there is no sft"):
        next(stages.ppo(profile, PROMPTS, shared=shared, reward=letters, config=SMALL))


def test_the_three_stages_in_a_row(profile, runs):
    list(stages.sft(profile, pairs(16), steps=2))
    list(stages.reward_model(profile, pairs(16), steps=2))
    list(stages.ppo(profile, PROMPTS, config=SMALL))
    store = Artifacts(profile.name)
    digests = {name: store.find(name).digest for name in ("sft", "reward_model")}
    assert store.find("ppo").manifest["parents"] == digests
    assert [r["step"] for r in store.find("reward_model").records] == [1, 2]

"""DPO through TRL: it begins at the reference, learns the pairs, and leaves an adapter that is the policy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from helpers.evaluation.policies import implicit_rewards
from helpers.files import LabError
from helpers.formulas.objectives import dpo_loss
from helpers.models.loading import completion_ids, load_tokenizer, prompt_ids
from helpers.models.shared_base import POLICY, REFERENCE, SharedBase
from helpers.training.dpo import dpo_dataset, train_dpo

from ..support.tiny import BAD, GOOD, pairs
from ..support.training_runs import run, untimed

BETA = 0.2


@pytest.fixture(scope="module")
def trained(profile, adapters, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "dpo"
    records, model = run(train_dpo(profile, pairs(48), adapters.sft, beta=BETA, output=output))
    return records, model, output


def test_rows_hold_prompt_and_completions_tokenized_apart(profile):
    tokenizer, rows = load_tokenizer(profile), pairs(3)
    for row, tokens in zip(rows, dpo_dataset(profile, tokenizer, rows), strict=True):
        assert [tokens["prompt_ids"]] == prompt_ids(profile, tokenizer, [row.prompt])
        assert [tokens["chosen_ids"]] == completion_ids(profile, tokenizer, [row.chosen])
        assert tokens["length"] == len(tokens["prompt_ids"]) + max(
            map(len, (tokens["chosen_ids"], tokens["rejected_ids"]))
        )


def test_it_begins_at_the_reference_and_learns(trained):
    records, _, _ = trained
    assert records[0]["loss"] == pytest.approx(math.log(2), abs=1e-5) and abs(records[0]["reward_margin"]) < 1e-5
    assert records[-1]["loss"] < 0.5 and records[-1]["accuracy"] > 0.9
    assert records[-1]["reward_margin"] == pytest.approx(
        records[-1]["chosen_reward"] - records[-1]["rejected_reward"], abs=1e-4
    )


def test_the_adapter_on_disk_is_the_policy_and_prefers_the_chosen_of_new_pairs(profile, adapters, trained):
    shared = SharedBase.load(profile, sft=adapters.sft)
    shared.load_policy(trained[2])
    new = pairs(80)[48:]
    prompts = [row.prompt for row in new]
    chosen, rejected = (
        implicit_rewards(shared, prompts, [getattr(row, side) for row in new], BETA) for side in ("chosen", "rejected")
    )
    assert (chosen > rejected).mean() > 0.9
    texts = {role: " ".join(shared.complete(prompts, role, seed=1, max_new_tokens=6)) for role in (POLICY, REFERENCE)}
    assert texts[POLICY].count(GOOD) > texts[REFERENCE].count(GOOD) or texts[POLICY].count(BAD) < texts[
        REFERENCE
    ].count(BAD)


def test_trls_measures_are_those_of_the_formula(profile, adapters, tmp_path):
    """All pairs in every batch, so that the last record describes the policy one step before the one on disk."""
    rows = pairs(16)
    records, _ = run(train_dpo(profile, rows, adapters.sft, beta=BETA, steps=6, output=tmp_path / "six"))
    shared = SharedBase.load(profile, sft=adapters.sft)
    shared.load_policy(tmp_path / "six")
    prompts = [row.prompt for row in rows]
    rewards = {
        side: implicit_rewards(shared, prompts, [getattr(row, side) for row in rows], BETA)
        for side in ("chosen", "rejected")
    }
    after = {side: float(values.mean()) for side, values in rewards.items()}
    # The learning rate ends near 0, so one step changes little.
    assert after["chosen"] - after["rejected"] == pytest.approx(records[-1]["reward_margin"], rel=0.15)
    zero = torch.zeros(16)
    logratios = [torch.tensor(rewards[side] / BETA) for side in ("chosen", "rejected")]
    assert dpo_loss(*logratios, zero, zero, BETA).item() == pytest.approx(records[-1]["loss"], rel=0.15)


def test_the_sft_adapter_stays_as_it_is_and_equal_seeds_give_equal_runs(profile, adapters, trained):
    before = load_file(adapters.sft / "adapter_model.safetensors")
    second, _ = run(train_dpo(profile, pairs(48), adapters.sft, beta=BETA))
    assert untimed(second) == untimed(trained[0])
    after = load_file(adapters.sft / "adapter_model.safetensors")
    assert all(torch.equal(after[name], before[name]) for name in before)
    written = load_file(trained[2] / "adapter_model.safetensors")
    assert written.keys() == before.keys()
    assert np.mean([not torch.equal(written[name], before[name]) for name in before]) == 1


def test_no_pairs(profile, adapters):
    with pytest.raises(LabError, match="no preference pairs"):
        next(train_dpo(profile, [], adapters.sft))

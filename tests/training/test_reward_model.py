"""The reward model: TRL's loss on our tokens, learning, scale, saving and loading."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import get_peft_model
from safetensors.torch import load_file
from transformers import set_seed

from helpers.files import LabError
from helpers.models.loading import completion_ids, load_base, load_tokenizer, lora_config, prompt_ids
from helpers.models.profiles import get_profile
from helpers.training.reward_model import new_reward_model, reward_dataset, score_texts, train_reward_model

from ..support.shared_base import load_trained_reward_model
from ..support.tiny import make_llama2_checkpoint, pairs
from ..support.training_runs import run, training_threads


@pytest.fixture(scope="module")
def trained(profile, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "reward_model"
    records, (model, scale) = run(train_reward_model(profile, pairs(48), output=output))
    return records, model, scale, output


@pytest.fixture(scope="module")
def tokenizer(profile):
    return load_tokenizer(profile)


def scores(profile, model, tokenizer, rows, which, **options):
    prompts, texts = [row.prompt for row in rows], [getattr(row, which) for row in rows]
    return score_texts(profile, model, tokenizer, prompts, texts, **options)


def test_rows_hold_prompt_and_completion_tokenized_apart(profile, tokenizer):
    rows = pairs(3)
    dataset = reward_dataset(profile, tokenizer, rows, margins={4: 1, 3: 2 / 3, 2: 1 / 3, 1: 0})
    for row, tokens in zip(rows, dataset, strict=True):
        (prompt,) = prompt_ids(profile, tokenizer, [row.prompt])
        for which in ("chosen", "rejected"):
            (completion,) = completion_ids(profile, tokenizer, [getattr(row, which)])
            assert tokens[f"{which}_ids"] == prompt + completion
            assert completion[-1] == tokenizer.eos_token_id
        assert tokens["margin"] == pytest.approx((row.strength - 1) / 3)
    assert "margin" not in reward_dataset(profile, tokenizer, rows).column_names


@pytest.mark.parametrize("margins", [None, {1: 0.0, 2: 0.5, 3: 1.0, 4: 2.0}])
def test_the_first_loss_is_bradley_terry_on_our_own_scores(profile, tokenizer, margins):
    """So TRL reads the score where `score_texts` does: at </s>."""
    rows = pairs(16)  # one batch
    record = next(train_reward_model(profile, rows, margins=margins, seed=3))
    set_seed(3)
    model = get_peft_model(load_base(profile, head="score"), lora_config(profile, "score"))
    difference = scores(profile, model, tokenizer, rows, "chosen") - scores(profile, model, tokenizer, rows, "rejected")
    margin = np.array([margins[row.strength] for row in rows]) if margins else 0
    assert record["loss"] == pytest.approx(np.log1p(np.exp(margin - difference)).mean(), abs=1e-5)
    assert record["accuracy"] == (difference > 0).mean()
    assert record["reward_margin"] == pytest.approx(difference.mean(), abs=1e-5)


def test_it_learns(profile, tokenizer, trained):
    records, model, _, _ = trained
    assert records[0]["loss"] == pytest.approx(math.log(2), abs=0.05)
    assert records[-1]["loss"] < 0.2
    fresh = pairs(32, seed=1)
    chosen, rejected = (scores(profile, model, tokenizer, fresh, which) for which in ("chosen", "rejected"))
    assert (chosen > rejected).mean() > 0.9


def test_scores_are_normalized_on_the_reference(profile, tokenizer, trained):
    _, model, scale, _ = trained
    both = np.concatenate([scores(profile, model, tokenizer, pairs(48), which) for which in ("chosen", "rejected")])
    assert scale(both).mean() == pytest.approx(0, abs=1e-5)
    assert scale(both).std() == pytest.approx(1, abs=1e-5)


def test_a_reference_of_ones_own(profile, tokenizer):
    rows = pairs(8, seed=2)
    reference = [(row.prompt, row.rejected) for row in rows]
    _, (model, scale) = run(train_reward_model(profile, pairs(16), steps=1, reference=reference))
    assert scale.mean == pytest.approx(scores(profile, model, tokenizer, rows, "rejected").mean(), abs=1e-6)


def test_the_folder_holds_the_model_that_was_trained(profile, tokenizer, trained):
    _, model, scale, output = trained
    weights = load_file(output / "adapter_model.safetensors")
    assert any(name.endswith("score.weight") for name in weights)
    assert {t.dtype for t in weights.values()} == {torch.float32}
    loaded, same = load_trained_reward_model(profile, output)
    assert same == scale
    rows = pairs(8)
    np.testing.assert_allclose(
        scores(profile, loaded, tokenizer, rows, "chosen"),
        scores(profile, model, tokenizer, rows, "chosen"),
        atol=1e-5,
    )


def test_scores_do_not_depend_on_the_batch(profile, tokenizer, trained):
    rows = pairs(9)
    one, many = (scores(profile, trained[1], tokenizer, rows, "chosen", batch=n) for n in (1, 4))
    np.testing.assert_allclose(one, many, atol=1e-5)
    assert score_texts(profile, trained[1], tokenizer, [], []).shape == (0,)


def test_full_fine_tuning_changes_every_weight(profile):
    torch.manual_seed(0)
    before = new_reward_model(profile, full=True).state_dict()
    _, (model, _) = run(train_reward_model(profile, pairs(16), steps=2, full=True))
    assert type(model).__name__ == "LlamaForSequenceClassification"
    assert {p.dtype for p in model.parameters()} == {torch.float32}  # nothing is quantized
    assert all(p.requires_grad for p in model.parameters())
    assert [name for name, p in model.state_dict().items() if torch.equal(p, before[name])] == []


def test_lora_leaves_the_base_as_it_is(profile):
    def frozen(model):
        return {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}

    set_seed(0)  # peft keeps the untrained head
    before = frozen(new_reward_model(profile))
    _, (model, _) = run(train_reward_model(profile, pairs(16), steps=2))
    after = frozen(model)
    assert before.keys() == after.keys() and all(torch.equal(p, before[name]) for name, p in after.items())
    assert any(p.dtype == torch.uint8 for p in after.values())  # four bits, two in a byte


def test_full_fine_tuning_is_not_stored(profile, tmp_path):
    with pytest.raises(ValueError, match="not stored"):
        next(train_reward_model(profile, pairs(16), full=True, output=tmp_path))


def test_closing_early_stops_the_training_and_writes_nothing(profile, tmp_path):
    generator = train_reward_model(profile, pairs(16), steps=1000, output=tmp_path / "rm")
    next(generator)
    generator.close()
    assert not training_threads() and not list(tmp_path.iterdir())


def test_llama2_files(tmp_path):
    """The path of the profile llama2-7b, with gradient accumulation, where <unk> pads."""
    small = get_profile(str(make_llama2_checkpoint(tmp_path / "llama")))
    small = replace(small, lora_rank=4, reward_model=replace(small.reward_model, batch_size=8, micro_batch_size=4))
    records, _ = run(train_reward_model(small, pairs(8), steps=2, output=tmp_path / "rm"))
    assert len(records) == 2 and math.isfinite(records[-1]["loss"])
    load_trained_reward_model(small, tmp_path / "rm")


def test_bad_input(profile):
    with pytest.raises(LabError, match="no preference pairs"):
        next(train_reward_model(profile, []))

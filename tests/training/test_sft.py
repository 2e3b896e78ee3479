"""Supervised fine-tuning, and the generator that all of TRL's trainers share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from helpers.evaluation.policies import completion_loss
from helpers.files import LabError
from helpers.models.loading import completion_ids, load_base, load_tokenizer, prompt_ids
from helpers.models.shared_base import BASE, REFERENCE, SharedBase
from helpers.training.sft import sft_dataset, train_sft
from helpers.training.trl_bridge import stream

from ..support.tiny import pairs
from ..support.training_runs import run, training_threads, untimed

# ------------------------------------------------------------------------------------------------ stream


def test_stream_yields_and_returns():
    def work(emit):
        for step in range(3):
            emit({"step": step})
        return "done"

    assert run(stream(work)) == ([{"step": 0}, {"step": 1}, {"step": 2}], "done")
    assert not training_threads()


def test_the_work_waits_for_its_consumer():
    """So that what the consumer draws from the random generators in between cannot change the result."""
    log = []

    def work(emit):
        for step in range(3):
            log.append(f"work {step}")
            emit({"step": step})

    for record in stream(work):
        log.append(f"read {record['step']}")
    assert log == ["work 0", "read 0", "work 1", "read 1", "work 2", "read 2"]


def test_an_error_surfaces_in_the_consumer():
    def work(emit):
        emit({"step": 0})
        raise LabError("the disk is full")

    generator = stream(work)
    assert next(generator) == {"step": 0}
    with pytest.raises(LabError, match="the disk is full"):
        next(generator)
    assert not training_threads()


def test_closing_ends_the_work_and_runs_its_clean_up():
    log = []

    def work(emit):
        try:
            for step in range(1000):
                emit({"step": step})
        except Exception:
            log.append("taken for an error")
        finally:
            log.append("cleaned up")

    generator = stream(work)
    next(generator)
    generator.close()
    assert log == ["cleaned up"] and not training_threads()


# --------------------------------------------------------------------------------------------------- SFT


@pytest.fixture(scope="module")
def trained(profile, tmp_path_factory):
    output = tmp_path_factory.mktemp("runs") / "sft"
    records, model = run(train_sft(profile, pairs(48), output=output))
    return records, model, output


def test_rows_hold_prompt_and_completion_tokenized_apart(profile):
    tokenizer, rows = load_tokenizer(profile), pairs(3)
    for row, tokens in zip(rows, sft_dataset(profile, tokenizer, rows), strict=True):
        (prompt,) = prompt_ids(profile, tokenizer, [row.prompt])
        (completion,) = completion_ids(profile, tokenizer, [row.completion])
        assert tokens["input_ids"] == prompt + completion
        assert tokens["labels"] == [-100] * len(prompt) + completion
        assert tokens["length"] == len(tokens["labels"])


def test_the_first_loss_is_that_of_the_base_on_the_completions(profile):
    """TRL trains on just the tokens that it is given, </s> included, and on nothing of the prompt."""
    rows = pairs(16)  # one batch
    record = next(train_sft(profile, rows))
    model, losses = load_base(profile), []
    for row in sft_dataset(profile, load_tokenizer(profile), rows):
        labels = torch.tensor(row["labels"])
        with torch.no_grad():
            logprobs = model(torch.tensor([row["input_ids"]])).logits[0].log_softmax(-1)
        losses += [-logprobs[i - 1, labels[i]].item() for i in range(1, len(labels)) if labels[i] != -100]
    assert record["loss"] == pytest.approx(sum(losses) / len(losses), rel=1e-4)


def test_the_loss_falls(trained):
    records, _, _ = trained
    assert [record["step"] for record in records] == list(range(1, 13))
    assert records[-1]["loss"] < 0.8 * records[0]["loss"]
    assert records[-1]["token_accuracy"] > records[0]["token_accuracy"]
    assert all(isinstance(value, float | int) for record in records for value in record.values())


def test_the_adapter_on_disk_is_the_model_that_was_trained(profile, trained):
    _, model, output = trained
    assert sorted(path.name for path in output.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert {t.dtype for t in load_file(output / "adapter_model.safetensors").values()} == {torch.float32}
    loaded = PeftModel.from_pretrained(load_base(profile), output)
    ids = torch.arange(3, 23)[None]
    with torch.no_grad():
        torch.testing.assert_close(loaded(ids).logits, model(ids).logits)
        with model.disable_adapter():
            assert (model(ids).logits - loaded(ids).logits).abs().max() > 0.01


def test_equal_seeds_give_equal_runs_whatever_the_consumer_draws(profile, trained):
    second = []
    for record in train_sft(profile, pairs(48)):
        second.append(record)
        torch.rand(3)
    assert untimed(second) == untimed(trained[0])


def test_closing_early_stops_the_training_and_writes_nothing(profile, tmp_path):
    generator = train_sft(profile, pairs(16), steps=1000, output=tmp_path / "sft")
    assert next(generator)["step"] == 1
    generator.close()
    assert not training_threads() and not list(tmp_path.iterdir())


def test_bad_input(profile, tmp_path):
    with pytest.raises(LabError, match="no demonstrations"):
        next(train_sft(profile, []))
    with pytest.raises(LabError, match="no such folder"):
        next(train_sft(replace(profile, base=str(tmp_path / "none")), pairs(4)))


def test_it_can_go_on_from_an_adapter(profile, adapters):
    """The first step from an adapter of random weights costs what that adapter costs, not what a new one does."""
    rows = pairs(16)
    first = {start: next(train_sft(profile, rows, start=start))["loss"] for start in (None, adapters.sft)}
    shared = SharedBase.load(profile, sft=adapters.sft)
    texts = [row.prompt for row in rows], [row.completion for row in rows]
    tokens = np.array([len(ids) for ids in completion_ids(profile, shared.tokenizer, texts[1])])
    for start, role in ((None, BASE), (adapters.sft, REFERENCE)):
        expected = (completion_loss(shared, *texts, role) * tokens).sum() / tokens.sum()
        assert first[start] == pytest.approx(expected, rel=1e-3)
    assert first[None] != pytest.approx(first[adapters.sft], rel=1e-2)

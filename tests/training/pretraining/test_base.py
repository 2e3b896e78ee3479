"""The base model: the shipped one against its card, and the training loop on a toy scale."""

import re
from dataclasses import replace
from itertools import islice

import pytest
import torch

from helpers import files
from helpers.models.loading import load_base, load_tokenizer
from helpers.models.profiles import get_profile
from helpers.training.pretraining import base

FOLDER = files.ROOT / "data" / "models" / "tiny-llama2"
TOY = base.BaseConfig(
    vocabulary=300, hidden=64, intermediate=64, layers=1, heads=2, steps=6, copy_steps=3, documents_per_step=4, warmup=2
)


@pytest.fixture(scope="module")
def shipped():
    profile = get_profile("tiny")
    return load_base(profile, quantize=False), load_tokenizer(profile)


def card_value(label: str) -> str:
    card = (FOLDER / "README.md").read_text("utf-8")
    return re.search(rf"\| {re.escape(label)}[^|]*\| `?([^`|]+?)`? \|", card)[1]


def test_the_shipped_model_is_the_one_on_its_card(shipped):
    model, tokenizer = shipped
    assert files.sha256(FOLDER / "model.safetensors") == card_value("sha256 of model.safetensors")
    losses = base.heldout_loss(model, tokenizer)
    assert losses["heldout_loss"] == pytest.approx(float(card_value("held-out loss")), abs=2e-3)
    assert losses["heldout_summary_loss"] == pytest.approx(float(card_value("of which the TL;DRs' tokens")), abs=2e-3)


def test_the_shipped_model_is_small_and_has_separate_special_tokens(shipped):
    model, tokenizer = shipped
    assert model.num_parameters() <= 4_000_000
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 10 * 2**20
    assert len({tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}) == 3
    assert not list(FOLDER.glob("*.bin"))


def test_tokenizer_gives_back_any_text(shipped):
    _, tokenizer = shipped
    for text in ("I owe $12,500 – why?", "naïve café 日本語 🙂", " leading and  double spaces\n\n", "123456"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text
    assert len(tokenizer("2026", add_special_tokens=False)["input_ids"]) == 4  # every digit is a token


@pytest.mark.slow
def test_training_is_reproducible_and_writes_a_whole_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(base, "train_tokenizer", lambda config: original(config, n_documents=50))
    monkeypatch.setattr(base, "_batches", lambda config, tokenizer, phase: batches(config, tokenizer, phase, pool=2))
    records = {}
    for name in ("a", "b"):
        records[name] = [record["loss"] for record in base.train_base(tmp_path / name, TOY)]
    assert len(records["a"]) == TOY.steps + TOY.copy_steps
    assert records["a"] == records["b"]
    assert records["a"][5] < records["a"][0]
    assert files.sha256(tmp_path / "a" / "model.safetensors") == files.sha256(tmp_path / "b" / "model.safetensors")
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {
        path.name for path in (tmp_path / "a").iterdir()
    }


original, batches = base.train_tokenizer, base._batches


def test_given_tokens_weigh_nothing_at_weight_zero():
    model = base.new_model(replace(TOY, steps=1))
    row = list(range(3, 23))
    alone = base._loss(model, [(row, 10)], context_weight=0.0)
    logits = model(torch.tensor([row])).logits[0]
    expected = torch.nn.functional.cross_entropy(logits[9:-1], torch.tensor(row[10:]))
    assert alone.item() == pytest.approx(expected.item(), abs=1e-5)
    # Padding beside a longer document changes nothing.
    both = base._loss(model, [(row, 10), (row + [5, 6, 7], 22)], context_weight=0.0)
    longer = base._loss(model, [(row + [5, 6, 7], 22)], context_weight=0.0)
    assert both.item() == pytest.approx((10 * alone.item() + longer.item()) / 11, abs=1e-5)


def test_batches_hold_documents_of_like_length():
    tokenizer = original(TOY, n_documents=50)
    for batch in islice(batches(TOY, tokenizer, phase=1, pool=8), 8):
        assert len(batch) == TOY.documents_per_step
        assert all(ids[0] == 1 and ids[-1] == 2 and 1 <= given < len(ids) for ids, given in batch)

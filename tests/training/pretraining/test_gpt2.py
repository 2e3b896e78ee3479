"""tiny-gpt2: the shipped one against its card, and its training on a toy scale."""

import re

import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from helpers import files
from helpers.training.pretraining import gpt2

FOLDER = files.ROOT / "data" / "models" / "tiny-gpt2"
TOY = gpt2.GPT2Recipe(
    vocabulary=300, hidden=32, layers=1, heads=2, context=64, steps=3, answer_steps=3, few_shot_steps=2, batch_size=4,
    warmup=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def shipped():
    model = GPT2LMHeadModel.from_pretrained(FOLDER, dtype=torch.float32, local_files_only=True)
    return model, AutoTokenizer.from_pretrained(FOLDER, local_files_only=True)


def test_the_shipped_model_is_the_one_on_its_card(shipped):
    card = (FOLDER / "README.md").read_text("utf-8")
    assert files.sha256(FOLDER / "model.safetensors") in card
    losses = gpt2.answer_losses(*shipped)
    assert len(losses) == 10
    for task, loss in losses.items():
        stated = re.search(rf"\| {re.escape(task)} \| ([\d.]+) \|", card)[1]
        assert loss == pytest.approx(float(stated), rel=0.01, abs=5e-3), task


def test_the_shipped_model_is_small_and_holds_no_pickle():
    sizes = {path.name: path.stat().st_size for path in FOLDER.iterdir()}
    assert sum(sizes.values()) <= 8 * 2**20
    assert not {name for name in sizes if name.endswith((".bin", ".pt", ".pkl"))}


def test_tokenizer_gives_back_any_text(shipped):
    _, tokenizer = shipped
    for text in ("I owe $12,500 – why?", "naïve café 日本語 🙂", "two  spaces\n\nand lines", "123456"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text


@pytest.fixture
def few_documents(monkeypatch):
    """Tokenizers and pools of batches of a toy's size."""
    texts, batches = gpt2.vocabulary_texts, gpt2.task_batches
    monkeypatch.setattr(gpt2, "vocabulary_texts", lambda seed, n: texts(seed, 40))
    monkeypatch.setattr(gpt2, "task_batches", lambda *args: batches(*args, pool=2))


def test_training_gpt2_is_reproducible_and_writes_a_whole_checkpoint(tmp_path, few_documents):
    runs = [list(gpt2.train_gpt2(tmp_path / name, TOY)) for name in "ab"]
    assert runs[0] == runs[1] and len(runs[0]) == 8
    a, b = (files.sha256(tmp_path / name / "model.safetensors") for name in "ab")
    assert a == b
    model = GPT2LMHeadModel.from_pretrained(tmp_path / "a", local_files_only=True)
    assert model.config.n_positions == TOY.context
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "a", local_files_only=True)
    assert tokenizer.eos_token == tokenizer.bos_token == gpt2.END and tokenizer.pad_token is None


def test_given_tokens_weigh_nothing_at_weight_zero():
    model = gpt2.new_gpt2(TOY)
    ids = list(range(1, 21))
    rows = [gpt2.Row(ids, [0.0] * 10 + [1.0] * 10), gpt2.Row(ids[:12], [0.0] * 5 + [1.0] * 7)]
    logits = [model(torch.tensor([row.ids])).logits[0] for row in rows]
    expected = [
        torch.nn.functional.cross_entropy(lines[i - 1 : i], torch.tensor([row.ids[i]]))
        for row, lines in zip(rows, logits, strict=True)
        for i in range(1, len(row.ids))
        if row.weights[i]
    ]
    assert gpt2._gpt2_loss(model, rows, 0.0).item() == pytest.approx(torch.stack(expected).mean().item(), abs=1e-5)

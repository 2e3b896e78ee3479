"""tiny-t5 and tiny-flan-t5: the shipped ones against their cards, and their training on a toy scale."""

import random
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, T5ForConditionalGeneration

from helpers import files
from helpers.training.pretraining import small_tasks, t5

MODELS = files.ROOT / "data" / "models"
SHIPPED = ("tiny-t5", "tiny-flan-t5")
TOY = t5.T5Recipe(
    vocabulary=330, hidden=32, intermediate=32, layers=1, heads=2, longest=64, steps=3, tuning_steps=3, tokens=400,
    warmup=2,
)  # fmt: skip


def load(folder):
    model = T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    return model, AutoTokenizer.from_pretrained(folder, local_files_only=True)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_model_is_the_one_on_its_card(name):
    card = (MODELS / name / "README.md").read_text("utf-8")
    assert files.sha256(MODELS / name / "model.safetensors") in card
    losses = t5.answer_losses(*load(MODELS / name))
    assert len(losses) == 10
    for task, loss in losses.items():
        stated = re.search(rf"\| {re.escape(task)} \| ([\d.]+) \|", card)[1]
        assert loss == pytest.approx(float(stated), rel=0.01, abs=5e-3), task


def test_instruction_tuning_lowers_losses_that_span_corruption_did_not():
    before, after = (t5.answer_losses(*load(MODELS / name), n=32) for name in SHIPPED)
    for task in ("kind, 2 examples", "steps, 1 examples", "goal, 0 examples", "tldr, 0 examples, told"):
        assert after[task] < 0.5 * before[task], task


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_model_is_small_and_holds_no_pickle(name):
    sizes = {path.name: path.stat().st_size for path in (MODELS / name).iterdir()}
    assert sum(sizes.values()) <= 8 * 2**20
    assert not {name for name in sizes if name.endswith((".bin", ".pt", ".pkl"))}


def test_tokenizer_gives_back_any_text():
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "tiny-flan-t5", local_files_only=True)
    for text in ("I owe $12,500 – why?", "naïve café 日本語 🙂", "two  spaces\n\nand lines", "123456"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == text


def test_a_word_is_one_token_at_the_start_of_a_text_and_within():
    tokenizer = AutoTokenizer.from_pretrained(MODELS / "tiny-flan-t5", local_files_only=True)
    first, within = (tokenizer(text, add_special_tokens=False).input_ids for text in ("pets", "the pets"))
    assert first == within[1:]


@pytest.fixture
def few_documents(monkeypatch):
    """Tokenizers and pools of batches of a toy's size."""
    texts, batches = t5.vocabulary_texts, t5.task_batches_by_tokens
    monkeypatch.setattr(t5, "vocabulary_texts", lambda seed, n: texts(seed, 40))
    monkeypatch.setattr(t5, "task_batches_by_tokens", lambda *args: batches(*args, pool=8))


def test_training_is_reproducible_and_says_which_of_its_checkpoints_is_tuned(tmp_path, few_documents):
    runs = [list(t5.train_t5(tmp_path / name / "t5", tmp_path / name / "flan", TOY)) for name in "ab"]
    assert runs[0] == runs[1] and len(runs[0]) == 6
    for name in ("t5", "flan"):
        a, b = (files.sha256(tmp_path / run / name / "model.safetensors") for run in "ab")
        assert a == b
    (plain, _), (tuned, _) = (load(tmp_path / "a" / name) for name in ("t5", "flan"))
    assert plain.config.prompt_format == "gaps" and tuned.config.prompt_format == "flan"
    assert not torch.equal(plain.shared.weight, tuned.shared.weight)


@given(st.lists(st.integers(100, 200), min_size=1, max_size=80), st.integers(0, 1000))
def test_the_text_is_its_corrupted_version_with_the_spans_put_back(ids, seed):
    sentinel_ids = list(range(3, 13))
    source, target = t5.corrupt_spans(ids, sentinel_ids, 0.15, 3.0, random.Random(seed))
    assert source[-1] == target[-1] == t5.END
    spans, sentinel = {}, None
    for token in target[:-1]:
        if token in sentinel_ids:
            sentinel = token
            spans[sentinel] = []
        else:
            spans[sentinel].append(token)
    restored = [token for part in source[:-1] for token in (spans[part] if part in sentinel_ids else [part])]
    assert restored == ids and all(spans.values())


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_the_loss_is_that_of_transformers_with_each_token_weighed_by_its_output(power):
    model = t5.new_t5(TOY)
    texts = [([5, 6, 7, 8, 1], [9, 10, 1]), ([11, 1], [12, 13, 14, 15, 16, 1])]
    total = weight = 0.0
    for source, target in texts:
        mean = model(input_ids=torch.tensor([source]), labels=torch.tensor([target])).loss.item()
        total += mean * len(target) ** (1 - power)
        weight += len(target) ** (1 - power)
    assert t5._loss(model, texts, power).item() == pytest.approx(total / weight, rel=1e-5)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.integers(60, 200))
def test_a_batch_has_as_many_texts_as_fit(lengths, tokens):
    drawn = iter(lengths * 2)
    stream = small_tasks.task_batches_by_tokens(
        tokens, 0, lambda rng: next(drawn), list, lambda length: length, pool=len(lengths)
    )
    batched = []
    while len(batched) < len(lengths):
        batch = next(stream)
        assert len(batch) * max(batch) <= tokens
        batched += batch
    assert sorted(batched) == sorted(lengths)

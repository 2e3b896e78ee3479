"""Train the encoder-decoders of lab 04 from nothing: T5's architecture on the tasks of the small world.

    python -m helpers train t5

First tiny-t5, by span corruption (Raffel et al. 2020); from it tiny-flan-t5, tuned on a mixture of
instructions (Wei et al. 2022; Longpre et al. 2023). A token of an output of n tokens counts 1 / sqrt(n): by the token,
answers of one word would be lost among the TL;DRs.

T5's attention has no scale (1 / sqrt(d) is in how its queries are initialized), so steps of AdamW, the same for every
weight, soon make it attend to one token and no other, and the decoder never learns to read its input. Adafactor
(Shazeer and Stern 2018), with which T5 was trained, takes steps in proportion to the size of a weight matrix.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, normalizers, processors
from torch.nn import functional as F
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from ...files import sha256
from ...models.generation import pad_right
from ...models.prompt_formats import Ask, flan, span_corruption
from .base import byte_level_bpe, optimize
from .documents import BASE_SHARES, TUNING_SHARES, Segments, base_document, tuning_example
from .small_tasks import heldout_losses, save_with_card, table, task_batches_by_tokens, vocabulary_texts, with_heldout

END = 1  # the token </s>


@dataclass(frozen=True)
class T5Recipe:
    """Everything that decides tiny-t5 and tiny-flan-t5."""

    vocabulary: int = 2048
    sentinels: int = 32  # <extra_id_0> ..., which take the place of corrupted spans
    hidden: int = 128
    intermediate: int = 384
    layers: int = 3  # of the encoder, and of the decoder
    heads: int = 4
    longest: int = 448  # tokens of an input in training; of longer ones the end
    steps: int = 2000  # of span corruption
    tuning_steps: int = 12_000  # on instructions
    tokens: int = 2048  # of the texts of a step, padding included, an output's counted twice
    noise_density: float = 0.15  # share of tokens that are corrupted
    mean_span_length: float = 3.0  # tokens of a corrupted span
    learning_rate: float = 0.02  # as a part of a weight matrix's size
    warmup: int = 100  # steps
    seed: int = 0


def _sentinels(recipe: T5Recipe) -> list[str]:
    """The tokens that take the place of corrupted spans."""
    return [f"<extra_id_{i}>" for i in range(recipe.sentinels)]


def t5_tokenizer(recipe: T5Recipe, n_documents: int = 20_000) -> PreTrainedTokenizerFast:
    """As T5's in its special tokens, and in the space before the first word: a word is one token wherever it stands."""
    sentinels = _sentinels(recipe)
    tokenizer: Tokenizer = byte_level_bpe(
        vocabulary_texts(recipe.seed, n_documents), recipe.vocabulary, ["<pad>", "</s>", "<unk>", *sentinels]
    )
    tokenizer.normalizer = normalizers.Prepend(" ")
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", END)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        additional_special_tokens=sentinels,
        padding_side="right",
        model_max_length=512,
    )


def new_t5(recipe: T5Recipe) -> T5ForConditionalGeneration:
    """A randomly initialized T5 with gated GELU, as T5 1.1 and FLAN-T5, and tied embeddings, as T5 1.0."""
    torch.manual_seed(recipe.seed)
    config = T5Config(
        vocab_size=recipe.vocabulary,
        d_model=recipe.hidden,
        d_kv=recipe.hidden // recipe.heads,
        d_ff=recipe.intermediate,
        num_layers=recipe.layers,
        num_heads=recipe.heads,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=END,
    )
    config.decoder_start_token_id = 0
    model = T5ForConditionalGeneration(config)
    config.prompt_format = "gaps"  # how to ask it, a key of `prompt_formats.FORMATS`
    model.generation_config = GenerationConfig(pad_token_id=0, eos_token_id=END, decoder_start_token_id=0)
    return model


Texts = tuple[list[int], list[int]]  # token ids of an input and of its output, both with </s>


def corrupt_spans(
    ids: Sequence[int], sentinel_ids: Sequence[int], noise_density: float, mean_span_length: float, rng: random.Random
) -> Texts:
    """Span corruption (Raffel et al. 2020, section 3.1.4).

    Args:
        ids: of a text without </s>.
        sentinel_ids: of the tokens that take the place of spans; each span has one of its own, in both texts.
        noise_density: about this share of the tokens is corrupted.
        mean_span_length: tokens of a span, on average.
        rng: what decides.

    Returns:
        The text with sentinels in the place of its spans, and the spans, each after its sentinel.
    """
    n_spans = max(1, min(len(sentinel_ids), round(len(ids) * noise_density / mean_span_length)))
    starts = sorted(rng.sample(range(len(ids)), min(n_spans, len(ids))))
    source: list[int] = []
    target: list[int] = []
    copied = 0  # tokens of `ids` that are in one of the two
    for sentinel, start in zip(sentinel_ids, starts, strict=False):
        if start < copied:
            continue
        end = min(len(ids), start + max(1, round(rng.expovariate(1 / mean_span_length))))
        source += [*ids[copied:start], sentinel]
        target += [sentinel, *ids[start:end]]
        copied = end
    return [*source, *ids[copied:], END], [*target, END]


def _loss(model: T5ForConditionalGeneration, texts: Sequence[Texts], power: float = 0.5) -> torch.Tensor:
    """Weighted mean loss of the outputs' tokens, in nats: a token of an output of n tokens counts n ** -power."""
    ids, mask = pad_right([source for source, _ in texts], pad_id=0)
    labels, kept = pad_right([target for _, target in texts], pad_id=0)
    inputs = model.prepare_decoder_input_ids_from_labels(labels)
    logits = model(input_ids=ids, attention_mask=mask, decoder_input_ids=inputs).logits
    losses = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    weights = (kept * kept.sum(1, keepdim=True) ** -power).flatten()
    return (losses * weights).sum() / weights.sum()


def _length(texts: Texts) -> int:
    return len(texts[0]) + 2 * len(texts[1])  # the decoder's tokens cost more, and are fewer


def train_t5(folder: Path, tuned: Path, recipe: T5Recipe = T5Recipe()) -> Iterator[dict]:
    """Train tiny-t5, save it to `folder`, go on with instructions, and save tiny-flan-t5 to `tuned`.

    Yields:
        {"step", "loss" (nats a token), "learning_rate"}, and every 250 steps "heldout": `answer_losses`.
    """
    tokenizer, model = t5_tokenizer(recipe), new_t5(recipe)
    sentinel_ids = [tokenizer.vocab[token] for token in _sentinels(recipe)]
    rng = random.Random(recipe.seed)

    def corrupted(documents: Sequence[Segments]) -> list[Texts]:
        plain = ["".join(text for text, _ in document) for document in documents]
        encoded = tokenizer(plain, add_special_tokens=False).input_ids
        return [
            corrupt_spans(ids[: recipe.longest], sentinel_ids, recipe.noise_density, recipe.mean_span_length, rng)
            for ids in encoded
        ]

    def instructions(examples: Sequence[tuple[Ask, str]]) -> list[Texts]:
        inputs = tokenizer([flan(ask) for ask, _ in examples]).input_ids
        outputs = tokenizer([answer for _, answer in examples]).input_ids
        return [(ids[-recipe.longest :], output) for ids, output in zip(inputs, outputs, strict=True)]

    def train(phase: int, draw: Callable, encode: Callable, steps: int) -> Iterator[dict]:
        batches = task_batches_by_tokens(recipe.tokens, recipe.seed + phase, draw, encode, _length)
        optimizer = torch.optim.Adafactor(model.parameters(), lr=recipe.learning_rate)

        def loss(texts: Sequence[Texts]) -> torch.Tensor:
            return _loss(model, texts)

        records = optimize(model, optimizer, islice(batches, steps), loss, steps, recipe.warmup)
        return with_heldout(records, lambda: answer_losses(model, tokenizer))

    def save(to: Path, card: str, shares: dict[str, float]) -> None:
        save_with_card(to, model, tokenizer, lambda new: _card(new, card, recipe, shares))

    yield from train(0, base_document, corrupted, recipe.steps)
    save(folder, T5_CARD, BASE_SHARES)
    model.config.prompt_format = "flan"
    yield from train(1, tuning_example, instructions, recipe.tuning_steps)
    save(tuned, FLAN_CARD, TUNING_SHARES)


@torch.no_grad()
def answer_losses(
    model: T5ForConditionalGeneration, tokenizer: PreTrainedTokenizerBase, n: int = 64
) -> dict[str, float]:
    """`small_tasks.heldout_losses` of a T5, asked in its own form."""
    before, render = ("<extra_id_0> ", span_corruption) if model.config.prompt_format == "gaps" else ("", flan)

    def loss_of(drawn: Sequence[tuple[Ask, str]]) -> float:
        asked = tokenizer([render(ask) for ask, _ in drawn]).input_ids
        answers = tokenizer([f"{before}{answer}" for _, answer in drawn], add_special_tokens=False).input_ids
        return _loss(model, list(zip(asked, answers, strict=True)), power=0.0).item()

    return heldout_losses(model, loss_of, n)


def _card(folder: Path, card: str, recipe: T5Recipe, shares: dict[str, float]) -> str:
    """The model card: what it is, how it was made, what was measured."""
    # as saved, in 16 bits, not as trained
    saved = T5ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    return CARD.format(
        head=card.format(parameters=saved.num_parameters()),
        losses=table(answer_losses(saved, tokenizer), "{:.4f}"),
        recipe=table(asdict(recipe)),
        shares=table(shares),
        sha256=sha256(folder / "model.safetensors"),
    )


T5_CARD = """\
---
license: mit
language: en
library_name: transformers
pipeline_tag: text2text-generation
---

# tiny-t5

An encoder-decoder of T5's architecture (relative positions, gated GELU, tied embeddings) with {parameters:,}
parameters, trained from nothing to fill the gaps in the generated text of RLHF Labs' small world. It fills gaps and
does nothing else: tiny-flan-t5 was made from it."""
FLAN_CARD = """\
---
license: mit
language: en
library_name: transformers
pipeline_tag: text2text-generation
---

# tiny-flan-t5

tiny-t5 (an encoder-decoder of T5's architecture with {parameters:,} parameters), tuned on instructions: a mixture of
the tasks of RLHF Labs' small world, in several wordings, with and without examples and steps. It knows nothing else and
is good for nothing else."""
CARD = """\
{head}

Made by `python -m helpers train t5`.

## Measured

Loss of right answers, nats a token (64 queries each, validation split: sentences state facts, and costs are lists, that
were in no worked example of its training; "told": with an instruction):

| task | held-out loss |
| --- | --- |
{losses}

sha256 of model.safetensors, in 16 bits: `{sha256}`

## Training

| setting | value |
| --- | --- |
{recipe}

Texts: `helpers/simulation/tasks.py`, drawn from the seed. Shares:

| what | share |
| --- | --- |
{shares}
"""

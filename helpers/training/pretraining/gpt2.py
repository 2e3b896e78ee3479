"""Train tiny-gpt2, the other base model of lab 04, from nothing: GPT-2's architecture on the tasks of the small world.

    python -m helpers train gpt2

As for tiny-llama2, what is given (posts, queries) counts little after a first phase. A token of an answer of n tokens
counts 1 / sqrt(n) then: by the token, answers of one word would be lost among the TL;DRs. A last phase has more worked
examples with steps, and more sorting by examples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from torch.nn import functional as F
from transformers import (
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from ...files import sha256
from ...models.generation import pad_right
from ...models.prompt_formats import Ask, plain
from .base import adamw, byte_level_bpe, optimize
from .documents import BASE_SHARES, FEW_SHOT_SHARES, Segments, base_document, few_shot_document
from .small_tasks import heldout_losses, save_with_card, table, task_batches, vocabulary_texts, with_heldout

END = "<|endoftext|>"  # GPT-2's only special token


@dataclass(frozen=True)
class GPT2Recipe:
    """Everything that decides tiny-gpt2."""

    vocabulary: int = 2048
    hidden: int = 128
    layers: int = 4
    heads: int = 4
    context: int = 384  # tokens
    steps: int = 500  # in which every token counts the same
    answer_steps: int = 4000  # in which given tokens count `given_weight`
    few_shot_steps: int = 2400  # with more steps and more sorting by examples; given tokens count the same
    given_weight: float = 0.05
    batch_size: int = 32  # documents
    learning_rate: float = 3e-3
    few_shot_rate: float = 2e-3
    warmup: int = 100  # steps
    weight_decay: float = 0.05
    seed: int = 0


def gpt2_tokenizer(recipe: GPT2Recipe, n_documents: int = 20_000) -> PreTrainedTokenizerFast:
    """As GPT-2's: byte-level BPE, one special token for start and end, none for padding."""
    tokenizer = byte_level_bpe(vocabulary_texts(recipe.seed, n_documents), recipe.vocabulary, [END])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=END, eos_token=END, unk_token=END, model_max_length=recipe.context
    )


def new_gpt2(recipe: GPT2Recipe) -> GPT2LMHeadModel:
    """A randomly initialized GPT-2."""
    torch.manual_seed(recipe.seed)
    config = GPT2Config(
        vocab_size=recipe.vocabulary,
        n_positions=recipe.context,
        n_embd=recipe.hidden,
        n_layer=recipe.layers,
        n_head=recipe.heads,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    model.generation_config = GenerationConfig(bos_token_id=0, eos_token_id=0)
    return model


class Row(NamedTuple):
    """A document's token ids with the end token, and what each counts: 0 if it is given."""

    ids: list[int]
    weights: list[float]


def _encode_segments(tokenizer: PreTrainedTokenizerBase, documents: Sequence[Segments], context: int) -> list[Row]:
    """Each segment encoded apart; a token of an answer of n tokens counts 1 / sqrt(n), the end token 1."""
    pieces = [text for document in documents for text, _ in document]
    encoded = iter(tokenizer(pieces, add_special_tokens=False).input_ids)
    rows = []
    for document in documents:
        ids: list[int] = []
        weights: list[float] = []
        for _, learned in document:
            piece = next(encoded)
            ids += piece
            weights += [len(piece) ** -0.5 if learned else 0.0] * len(piece)
        rows.append(Row([*ids, tokenizer.eos_token_id][:context], [*weights, 1.0][:context]))
    return rows


def _gpt2_loss(model: GPT2LMHeadModel, rows: Sequence[Row], given_weight: float | None) -> torch.Tensor:
    """Weighted mean next-token loss, in nats; a given token counts `given_weight`, None: every token the same."""
    ids, _ = pad_right([row.ids for row in rows], pad_id=0)
    weights = torch.zeros(ids.shape)
    for i, row in enumerate(rows):
        counts = torch.tensor(row.weights)
        if given_weight is None:
            counts = torch.ones(len(counts))
        weights[i, : len(row.ids)] = counts.where(counts > 0, given_weight or 0.0)
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits  # causal: padding on the right needs no mask
    losses = F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    weights = weights[:, 1:].flatten()
    return (losses * weights).sum() / weights.sum()


def train_gpt2(folder: Path, recipe: GPT2Recipe = GPT2Recipe()) -> Iterator[dict]:
    """Train tokenizer and model, yield a record a step, and save both with a card to `folder` at the end.

    Yields:
        {"step", "loss" (nats a token), "learning_rate"}, and every 250 steps "heldout": `answer_losses`.
    """
    tokenizer, model = gpt2_tokenizer(recipe), new_gpt2(recipe)
    for phase in range(3):
        yield from _gpt2_phase(model, tokenizer, recipe, phase)
    save_with_card(folder, model, tokenizer, lambda new: _card(new, recipe))


def _gpt2_phase(
    model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase, recipe: GPT2Recipe, phase: int
) -> Iterator[dict]:
    """One phase's records: every token the same; answers above all; with more steps and sorting by examples."""
    draw, steps, weight, rate = (
        (base_document, recipe.steps, None, recipe.learning_rate),
        (base_document, recipe.answer_steps, recipe.given_weight, recipe.learning_rate),
        (few_shot_document, recipe.few_shot_steps, recipe.given_weight, recipe.few_shot_rate),
    )[phase]

    def encode(documents: Sequence[Segments]) -> list[Row]:
        return _encode_segments(tokenizer, documents, recipe.context)

    batches = task_batches(recipe.batch_size, recipe.seed + phase, draw, encode, lambda row: len(row.ids))
    optimizer = adamw(model, rate, recipe.weight_decay)

    def loss(rows: Sequence[Row]) -> torch.Tensor:
        return _gpt2_loss(model, rows, weight)

    records = optimize(model, optimizer, islice(batches, steps), loss, steps, recipe.warmup)
    yield from with_heldout(records, lambda: answer_losses(model, tokenizer))


@torch.no_grad()
def answer_losses(model: GPT2LMHeadModel, tokenizer: PreTrainedTokenizerBase, n: int = 64) -> dict[str, float]:
    """`small_tasks.heldout_losses` of a GPT-2."""

    def loss_of(drawn: Sequence[tuple[Ask, str]]) -> float:
        documents = [[(plain(ask), False), (f" {answer}", True)] for ask, answer in drawn]
        rows = _encode_segments(tokenizer, documents, model.config.n_positions)
        rows = [Row(row.ids[:-1], [float(weight > 0) for weight in row.weights[:-1]]) for row in rows]
        return _gpt2_loss(model, rows, 0.0).item()

    return heldout_losses(model, loss_of, n)


def _card(folder: Path, recipe: GPT2Recipe) -> str:
    """The model card: what it is, how it was made, what was measured."""
    # as saved, in 16 bits, not as trained
    saved = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32, use_safetensors=True)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    shares = ((kind, BASE_SHARES[kind], FEW_SHOT_SHARES[kind]) for kind in BASE_SHARES)
    return CARD.format(
        parameters=saved.num_parameters(),
        losses=table(answer_losses(saved, tokenizer), "{:.4f}"),
        recipe=table(asdict(recipe)),
        shares="\n".join(f"| {kind} | {first:.2f} | {last:.2f} |" for kind, first, last in shares),
        sha256=sha256(folder / "model.safetensors"),
    )


CARD = """\
---
license: mit
language: en
library_name: transformers
pipeline_tag: text-generation
---

# tiny-gpt2

A base language model of GPT-2's architecture (LayerNorm, GELU, learned positions; tied embeddings) with {parameters:,}
parameters, trained from nothing on the generated text of RLHF Labs' small world. It continues posts, TL;DRs, lists of
requests and worked examples, among them sums in steps. It knows nothing else and is good for nothing else.

Made by `python -m helpers train gpt2`. (The shipped one was made in two sittings: its last phase began at the weights
of the phases before, rounded to 16 bits.)

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

Texts: `helpers/simulation/tasks.py`, drawn from the seed. Shares of its documents:

| document | first two phases | last phase |
| --- | --- | --- |
{shares}
"""

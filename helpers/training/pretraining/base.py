"""Train the tiny base model from nothing: Llama 2's architecture on the corpus of the small world.

    python -m helpers train base

Two phases of a plain causal-language-model loop: AdamW with warm-up and cosine decay, on batches of whole documents
of like length. In the first every token counts the same, and the model learns the language. In the second what is
given in a document (a post) counts little and what follows from it (its TL;DR) in full: a model this small otherwise
spends its capacity on predicting posts, and learns to copy facts from its context only very late.
"""

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from ...files import atomic_folder, sha256
from ...simulation.corpus import COPY_SHARES, SHARES, Document, documents, post_with_summary

T = TypeVar("T")
PAD, BOS, EOS = "<pad>", "<s>", "</s>"


@dataclass(frozen=True)
class BaseConfig:
    """Everything that decides the base model."""

    vocabulary: int = 2048
    hidden: int = 128
    intermediate: int = 384
    layers: int = 4
    heads: int = 4
    context: int = 320  # tokens
    steps: int = 1000  # of the first phase
    copy_steps: int = 6000  # of the second
    context_weight: float = 0.05  # weight in the second phase of a token that is given
    documents_per_step: int = 48
    learning_rate: float = 4e-3
    copy_learning_rate: float = 3e-3
    warmup: int = 100  # steps
    weight_decay: float = 0.05
    seed: int = 0


def train_tokenizer(config: BaseConfig, n_documents: int = 20_000) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer (total on any text, every digit its own token) with separate pad, start and end."""
    texts = ("".join(document) for document in islice(documents(config.seed), n_documents))
    tokenizer = byte_level_bpe(texts, config.vocabulary, [PAD, BOS, EOS])
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        padding_side="left",
        model_max_length=config.context,
        clean_up_tokenization_spaces=False,
    )


def byte_level_bpe(texts: Iterable[str], vocabulary: int, special_tokens: list[str]) -> Tokenizer:
    """A byte-level BPE of `texts`, in which every digit is a token of its own; `special_tokens` come first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\d"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=special_tokens,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def new_model(config: BaseConfig) -> LlamaForCausalLM:
    """A randomly initialized Llama with tied input and output embeddings."""
    torch.manual_seed(config.seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=config.vocabulary,
            hidden_size=config.hidden,
            intermediate_size=config.intermediate,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            max_position_embeddings=config.context,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        )
    )
    model.generation_config = GenerationConfig(pad_token_id=0, bos_token_id=1, eos_token_id=2)
    return model


Row = tuple[list[int], int]  # token ids of a document with <s> and </s>, and how many of them are given


def _encode(tokenizer: PreTrainedTokenizerBase, parts: Sequence[Document], context: int) -> list[Row]:
    """Both parts of each document encoded apart, as prompts and completions are, and joined."""
    given = tokenizer([given for given, _ in parts])["input_ids"]
    follows = tokenizer([follows for _, follows in parts], add_special_tokens=False)["input_ids"]
    return [((a + b)[: context - 1] + [2], min(len(a), context - 1)) for a, b in zip(given, follows, strict=True)]


def _batches(config: BaseConfig, tokenizer: PreTrainedTokenizerBase, phase: int, pool: int = 32) -> Iterator[list[Row]]:
    """Batches of encoded documents; within a pool of batches, documents of like length go together."""
    seed, size = config.seed + phase, config.documents_per_step
    stream, rng = documents(seed, shares=COPY_SHARES if phase == 2 else SHARES), random.Random(seed)

    def draw() -> list[Row]:
        return _encode(tokenizer, list(islice(stream, pool * size)), config.context)

    return batches_of_like_length(draw, size, lambda row: len(row[0]), rng)


def batches_of_like_length(
    draw: Callable[[], Iterable[T]], size: int, length: Callable[[T], int], rng: random.Random
) -> Iterator[list[T]]:
    """Batches of `size` without end, in random order; of what one call of `draw` gives, like lengths go together."""
    while True:
        rows = sorted(draw(), key=length)
        batches = [rows[i : i + size] for i in range(0, len(rows), size)]
        rng.shuffle(batches)
        yield from batches


def _loss(model: PreTrainedModel, batch: Sequence[Row], context_weight: float = 1.0) -> torch.Tensor:
    """Weighted mean next-token loss, in nats, of documents padded on the right; given tokens weigh `context_weight`."""
    width = max(len(ids) for ids, _ in batch)
    ids = torch.tensor([ids + [0] * (width - len(ids)) for ids, _ in batch])
    weights = torch.tensor(
        [
            [context_weight] * (given - 1) + [1.0] * (len(ids) - given) + [0.0] * (width - len(ids))
            for ids, given in batch
        ]
    )  # of the predictions of tokens 1, 2, ...
    # Causal attention never looks right, so right padding needs no mask.
    logits = model(input_ids=ids[:, :-1], use_cache=False).logits
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    return (losses * weights.flatten()).sum() / weights.sum()


@torch.no_grad()
def heldout_loss(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, n_documents: int = 256, seed: int = 0
) -> dict[str, float]:
    """Mean next-token losses, in nats, on posts with TL;DRs of the validation split.

    Returns:
        heldout_loss (of all tokens) and heldout_summary_loss (of the TL;DRs' tokens).
    """
    rng = random.Random(f"heldout/{seed}")
    rows = _encode(tokenizer, [post_with_summary(rng, "validation") for _ in range(n_documents)], 10**6)
    was_training = model.training
    model.eval()
    totals, weights = [0.0, 0.0], [0, 0]
    for start in range(0, len(rows), 32):
        batch = rows[start : start + 32]
        counts = sum(len(ids) - 1 for ids, _ in batch), sum(len(ids) - given for ids, given in batch)
        for i, context_weight in enumerate((1.0, 0.0)):
            totals[i] += _loss(model, batch, context_weight).item() * counts[i]
            weights[i] += counts[i]
    model.train(was_training)
    return {"heldout_loss": totals[0] / weights[0], "heldout_summary_loss": totals[1] / weights[1]}


def train_base(folder: Path, config: BaseConfig = BaseConfig()) -> Iterator[dict]:
    """Train tokenizer and model, yield a record a step, and save both to `folder` at the end.

    Yields:
        {"step", "phase", "loss" (nats a token), "learning_rate"}, and every 200 steps the two of `heldout_loss`.
    """
    tokenizer = train_tokenizer(config)
    model = new_model(config)
    yield from _train_phase(model, tokenizer, config, 1, config.steps, config.learning_rate, 1.0)
    yield from _train_phase(
        model, tokenizer, config, 2, config.copy_steps, config.copy_learning_rate, config.context_weight
    )
    save_base(folder, model, tokenizer, config)


def save_base(folder: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, config: BaseConfig) -> None:
    """Write checkpoint, tokenizer and model card to `folder`, whole or not at all."""
    model.eval()
    with atomic_folder(folder) as new:
        model.save_pretrained(new)
        tokenizer.save_pretrained(new)
        (new / "README.md").write_text(_card(new, model, tokenizer, config), "utf-8")


def _card(folder: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, config: BaseConfig) -> str:
    """The model card: what it is, how it was made, what was measured, what it writes."""
    losses = heldout_loss(model, tokenizer)
    prompt = post_with_summary(random.Random("card"), "validation")[0]
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    torch.manual_seed(0)
    sampling: dict[str, Any] = {"do_sample": True, "top_k": 0, "max_new_tokens": 64}
    texts = model.generate(ids.repeat(4, 1), **sampling)  # type: ignore[misc]  # transformers types self as another class
    samples = [tokenizer.decode(text[ids.shape[1] :], skip_special_tokens=True) for text in texts]
    return CARD.format(
        parameters=model.num_parameters(),
        config="\n".join(f"| {name} | {value} |" for name, value in asdict(config).items()),
        shares="\n".join(f"| {name} | {SHARES[name]:.2f} | {COPY_SHARES[name]:.2f} |" for name in SHARES),
        sha256=sha256(folder / "model.safetensors"),
        prompt=prompt,
        samples="\n".join(f"{i}.{text}" for i, text in enumerate(samples, start=1)),
        **losses,
    )


CARD = """\
---
license: mit
language: en
library_name: transformers
pipeline_tag: text-generation
---

# tiny-llama2

A base language model of Llama 2's architecture (RMSNorm, SwiGLU, rotary positions; tied embeddings) with
{parameters:,} parameters, trained from nothing on the generated text of RLHF Labs' small world. It continues
advice-forum posts, TL;DRs, lists of requests, worked examples, step-by-step listings and sorted notes. It knows nothing
else and is good for nothing else.

Made by `python -m helpers train base`.

## Measured

| what | value |
| --- | --- |
| held-out loss, nats a token (256 posts with TL;DRs, validation split) | {heldout_loss:.4f} |
| of which the TL;DRs' tokens | {heldout_summary_loss:.4f} |
| sha256 of model.safetensors | `{sha256}` |

## Training

Two phases: in the first every token counts the same; in the second what is given (a post) counts `context_weight`
and what follows (its TL;DR) in full.

| setting | value |
| --- | --- |
{config}

Corpus: `helpers/simulation/corpus.py`, drawn from the seed, no text twice but by chance. Shares of its documents:

| document | phase 1 | phase 2 |
| --- | --- | --- |
{shares}

## Samples

```
{prompt}
```

Four continuations at temperature 1:

```
{samples}
```
"""


def _train_phase(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    config: BaseConfig,
    phase: int,
    steps: int,
    rate: float,
    context_weight: float,
) -> Iterator[dict]:
    """One phase's records; every 200 steps, and at the last, with the held-out losses."""
    batches = islice(_batches(config, tokenizer, phase), steps)
    optimizer = adamw(model, rate, config.weight_decay)

    def loss(batch: Sequence[Row]) -> torch.Tensor:
        return _loss(model, batch, context_weight)

    for record in optimize(model, optimizer, batches, loss, steps, config.warmup):
        record = {"step": record["step"], "phase": phase, **record}
        if record["step"] % 200 == 0 or record["step"] == steps:
            record |= heldout_loss(model, tokenizer)
        yield record


def adamw(model: nn.Module, rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW as language models are pretrained with; vectors (norms, biases) do not decay."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95))


def optimize(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[T],
    loss_of: Callable[[T], torch.Tensor],
    steps: int,
    warmup: int,
) -> Iterator[dict]:
    """Minimize the loss of each batch.

    The learning rate rises for `warmup` steps up to the optimizer's, then falls as a cosine to a fiftieth of it at the
    last of `steps`.

    Yields:
        {"step", "loss", "learning_rate"}
    """

    def learning_rate_factor(step: int) -> float:
        return min(1.0, (step + 1) / warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, learning_rate_factor)
    for step, batch in enumerate(batches, start=1):
        loss = loss_of(batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        record = {"step": step, "loss": loss.item(), "learning_rate": schedule.get_last_lr()[0]}
        schedule.step()
        yield record

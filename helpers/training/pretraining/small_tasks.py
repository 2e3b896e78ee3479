"""What the trainings of tiny-gpt2, tiny-t5 and tiny-flan-t5 share: batches of small tasks, held-out losses, saving."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ...files import atomic_folder
from ...models.prompt_formats import Ask, flan
from ...simulation import tasks
from .base import batches_of_like_length
from .documents import ask_for, base_document, instruction_example

HELDOUT = (  # task, worked examples before the query, wording of the instruction
    (tasks.TOPIC, 2, None),
    (tasks.KIND, 2, None),
    (tasks.TOTAL, 1, None),
    (tasks.STEPS, 1, None),
    (tasks.GOAL, 0, None),
    (tasks.TLDR, 0, None),
    (tasks.TOPIC, 0, 0),
    (tasks.TLDR, 0, 0),
)


def vocabulary_texts(seed: int, n: int) -> Iterator[str]:
    """What a tokenizer is trained on: documents, and as many instructions with their answers."""
    rng = random.Random(f"tokenizer/{seed}")
    for _ in range(n // 2):
        yield "".join(text for text, _ in base_document(rng))
        ask, answer = instruction_example(rng)
        yield f"{flan(ask)} {answer}"


def task_batches(
    size: int, seed: int, draw: Callable, encode: Callable, length: Callable, *, pool: int = 32
) -> Iterator[list]:
    """Batches of what `draw` draws, encoded; within a pool of batches, texts of like length go together."""
    rng = random.Random(f"batches/{seed}")
    return batches_of_like_length(lambda: encode([draw(rng) for _ in range(pool * size)]), size, length, rng)


def task_batches_by_tokens(
    tokens: int, seed: int, draw: Callable, encode: Callable, length: Callable, *, pool: int = 2048
) -> Iterator[list]:
    """As `task_batches`, but of as many texts as have `tokens` tokens, padding included: many short ones, few long."""
    rng = random.Random(f"batches/{seed}")
    while True:
        batches: list[list] = [[]]
        for row in sorted(encode([draw(rng) for _ in range(pool)]), key=length):
            if batches[-1] and (len(batches[-1]) + 1) * length(row) > tokens:
                batches.append([])
            batches[-1].append(row)
        rng.shuffle(batches)
        yield from batches


def heldout_losses(
    model: PreTrainedModel, loss_of: Callable[[Sequence[tuple[Ask, str]]], float], n: int
) -> dict[str, float]:
    """Mean loss, in nats a token, of right answers to queries of each task on the validation split, without end token.

    Args:
        model: put in eval mode meanwhile.
        loss_of: the loss of asks with their answers, every token of the answers counting the same.
        n: queries of each task.

    Returns:
        The losses by name; "sort, 8 examples" and the like name what came before the query, "told" means that there was
        an instruction.
    """
    was_training = model.training
    model.eval()
    losses = {}
    for task, k, wording in (*HELDOUT, (None, 2, None), (None, 8, None)):
        rng = random.Random("heldout")
        drawn = [ask_for(task or tasks.sorting(rng, 2, "topic"), rng, "validation", k, wording) for _ in range(n)]
        name = f"{task.name if task else 'sort'}, {k} examples" + ("" if wording is None else ", told")
        losses[name] = loss_of(drawn)
    model.train(was_training)
    return losses


def with_heldout(records: Iterator[dict], losses: Callable[[], dict[str, float]], every: int = 250) -> Iterator[dict]:
    """The records, every `every` steps with "heldout": what `losses` returns."""
    for record in records:
        yield record if record["step"] % every else record | {"heldout": losses()}


def save_with_card(
    folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, card: Callable[[Path], str]
) -> None:
    """Write checkpoint (in 16 bits), tokenizer and card to `folder`, whole or not at all.

    `card` makes the card's text from the folder in which checkpoint and tokenizer are.
    """
    was_training = model.training
    model.eval()
    weights = {name: tensor.half() for name, tensor in model.state_dict().items()}
    with atomic_folder(folder) as new:
        model.save_pretrained(new, state_dict=weights)
        config = json.loads((new / "config.json").read_text("utf-8"))
        (new / "config.json").write_text(json.dumps(config | {"dtype": "float16"}, indent=2) + "\n", "utf-8")
        tokenizer.save_pretrained(new)
        (new / "README.md").write_text(card(new), "utf-8")
    model.train(was_training)


def table(values: Mapping[str, Any], form: str = "{}") -> str:
    """Rows of a card's table."""
    return "\n".join(f"| {name} | {form.format(value)} |" for name, value in values.items())

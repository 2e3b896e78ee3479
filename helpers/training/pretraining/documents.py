"""What the tiny models of lab 04 read: documents for a base model, and instructions with their answers.

Both are made of the small world's tasks (`simulation.tasks`), of the training split alone.
"""

from __future__ import annotations

import random
from dataclasses import replace

from ...models.prompt_formats import Ask
from ...simulation.corpus import requests
from ...simulation.posts import draw_post
from ...simulation.tasks import (
    FORMATS_ASKED,
    GOAL,
    KIND,
    KNOWN,
    PROBLEM,
    QUESTION,
    REQUEST,
    RIGHT,
    ROLES,
    STEPS,
    TLDR,
    TOPIC,
    TOTAL,
    WORDS,
    Task,
    sorting,
    without,
)
from ...simulation.wording import ESSENTIAL

Segments = list[tuple[str, bool]]  # pieces of a document, and whether a model is to learn writing them


def worked_examples(rng: random.Random, task: Task, n: int, header: float = 0.3) -> Segments:
    """`n` examples of a task in a row, as in a textbook; now and then its instruction stands above them."""
    segments: Segments = []
    if rng.random() < header:
        segments.append((f"{rng.choice(task.instructions[:-1])}\n\n", False))
    for i in range(n):
        query, answer = task.draw(rng, "train")
        segments += [(f"{query}{task.cue}", False), (f" {answer}", True)]
        if i < n - 1:
            segments.append(("\n\n", True))
    return segments


BASE_SHARES = {
    "post": 0.04,
    "tldr": 0.24,
    "requests": 0.06,
    "sort": 0.26,
    "sentences": 0.16,
    "costs": 0.14,
    "notes": 0.10,
}


FEW_SHOT_SHARES = {
    "post": 0.02,
    "tldr": 0.12,
    "requests": 0.05,
    "sort": 0.50,
    "sentences": 0.08,
    "costs": 0.18,
    "notes": 0.05,
}


def base_document(rng: random.Random) -> Segments:
    """One document of what tiny-gpt2 is trained on."""
    kind = rng.choices(list(BASE_SHARES), list(BASE_SHARES.values()))[0]
    if kind == "sort":
        return worked_examples(rng, sorting(rng), rng.randrange(4, 11))
    return _document(kind, rng)


def few_shot_document(rng: random.Random) -> Segments:
    """One document of the last phase of its training.

    Above all sortings, in half of which the same few facts recur; more steps; and otherwise as before.
    """
    kind = rng.choices(list(FEW_SHOT_SHARES), list(FEW_SHOT_SHARES.values()))[0]
    if kind == "sort":
        return worked_examples(rng, sorting(rng, facts=rng.choice((None, 1, 2, 3))), rng.randrange(6, 15))
    if kind == "costs":
        return worked_examples(rng, rng.choice((TOTAL, STEPS, STEPS)), rng.randrange(2, 6))
    return _document(kind, rng)


def _document(kind: str, rng: random.Random) -> Segments:
    if kind == "post":
        return [(draw_post(rng).prompt.removesuffix("\n\nTL;DR:"), True)]
    if kind == "requests":
        return [(requests(rng, "train")[1], True)]
    if kind == "sentences":
        return worked_examples(rng, rng.choice((TOPIC, TOPIC, KIND, WORDS, RIGHT)), rng.randrange(3, 10))
    if kind == "costs":
        return worked_examples(rng, rng.choice((TOTAL, STEPS)), rng.randrange(2, 6))
    if kind == "notes":
        return worked_examples(rng, rng.choice((GOAL, PROBLEM, QUESTION)), rng.choice((1, 1, 2)))
    return worked_examples(rng, TLDR, rng.choice((1, 1, 1, 1, 2)))


INSTRUCTION_SHARES = {
    "topic": 0.06,
    "kind": 0.05,
    "words": 0.05,
    "total": 0.10,
    "steps": 0.12,
    "goal": 0.06,
    "problem": 0.06,
    "question": 0.06,
    "tldr": 0.16,
    "without": 0.06,
    "sort": 0.12,
    "request": 0.05,
    "right": 0.05,
}
TUNING_SHARES = {
    "topic": 0.14,
    "kind": 0.05,
    "words": 0.04,
    "total": 0.14,
    "steps": 0.16,
    "goal": 0.07,
    "problem": 0.07,
    "question": 0.07,
    "tldr": 0.10,
    "without": 0.04,
    "sort": 0.06,
    "request": 0.02,
    "right": 0.04,
}
LONG = ("goal", "problem", "question", "tldr", "without")  # one example at the most: posts are long


def tuning_example(rng: random.Random) -> tuple[Ask, str]:
    """One input and output of what tiny-flan-t5 is tuned on: more of the short tasks, fewer worked examples."""
    return instruction_example(rng, TUNING_SHARES, few_shot=0.3, long_few_shot=0.03)


def instruction_example(
    rng: random.Random,
    shares: dict[str, float] = INSTRUCTION_SHARES,
    few_shot: float = 0.5,
    long_few_shot: float = 0.1,
) -> tuple[Ask, str]:
    """One input and output of a mixture of instructions.

    Zero-shot and few-shot, with and without steps, in several wordings (Longpre et al. 2023). The defaults are those of
    the texts that the vocabularies are made from.

    Args:
        rng: what decides.
        shares: how often each task comes.
        few_shot: how many have worked examples, of short tasks.
        long_few_shot: the same of those about posts.
    """
    name = rng.choices(list(shares), list(shares.values()))[0]
    if name == "sort":
        task = sorting(rng)
    elif name == "without":
        task = without(rng.choice(ESSENTIAL))
    else:
        task = REQUEST if name == "request" else next(task for task in KNOWN if task.name == name)
    if name == "sort":
        k = rng.randrange(1, 9)
    elif name == "request" or rng.random() < 1 - (long_few_shot if name in LONG else few_shot):
        k = 0
    else:
        k = 1 if name in LONG else rng.randrange(1, 5)
    asked = rng.random() < (0.4 if name in ("sort", "request") else 0.85) or name == "without"
    wording = rng.randrange(len(task.instructions) - 1) if asked else None
    ask, answer = ask_for(task, rng, "train", k, wording, options=rng.random() < 0.5)
    if asked and name in ("topic", "kind", "words", "total", "goal", "tldr") and rng.random() < 0.25:
        sentence, change = rng.choice(list(FORMATS_ASKED.values()))
        examples = tuple((query, change(shown)) for query, shown in ask.examples)
        ask, answer = replace(ask, instruction=f"{ask.instruction} {sentence}", examples=examples), change(answer)
    if asked and rng.random() < 0.15:
        ask = replace(ask, role=rng.choice(ROLES))
    return ask, answer


def ask_for(
    task: Task, rng: random.Random, split: str, k: int = 0, wording: int | None = None, options: bool = False
) -> tuple[Ask, str]:
    """A query of `split` after `k` training examples, and its answer; `wording`: which instruction, None: none."""
    examples = tuple(task.draw(rng, "train") for _ in range(k))
    query, answer = task.draw(rng, split)
    instruction = "" if wording is None else task.instructions[wording]
    return Ask(query, task.cue, instruction, task.options if options else (), examples), answer

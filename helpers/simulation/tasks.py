"""Small tasks of the small world: each a query, the right answer, and ways to ask for it.

The models of lab 04 are trained and tested on them: name the topic or the kind of a sentence, sort sentences into
groups whose names only the examples explain, add up costs (directly, or step by step), take facts out of notes, sum up
a post, answer a request, and say whether an answer is right.

A test query was not in the training text: every fact, and every list of costs, belongs to one split. (tiny-llama2 is
older than these splits: it may know a fact's topic from its training.)
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from . import phrasings
from .corpus import notes, requests, sentence
from .posts import draw_post, split_by_hash, write_human_summary, write_summary
from .wording import ESSENTIAL, Fact, draw_fact, topics

LABELS = (
    "red blue green gold black white left right up down north south east west yes no true false one two alpha beta "
    "apple stone river cloud A B C D"
).split()  # names of groups that mean nothing here
THINGS = (
    "vet leash food hotel train ticket paint tools seeds soil books rent exam dinner cake oven tyres fuel dress "
    "ring shoes gym lamp lock phone flight bread milk tax loan"
).split()
ROLES = (
    "You are a helpful assistant.",
    "You are an experienced vet.",
    "You are a strict teacher.",
    "You are a careful editor.",
    "You are a friendly neighbor.",
)
ADVICE = (
    "start with a list of what you need",
    "ask someone who has done it before",
    "compare at least two offers",
    "take it one small step at a time",
    "set a date and stick to it",
    "read the rules before you begin",
    "keep some money aside for surprises",
    "write down what worked",
)
FORMATS_ASKED: dict[str, tuple[str, Callable[[str], str]]] = {
    "capitals": ("Write the answer in capital letters.", str.upper),
    "quotes": ("Put the answer in quotation marks.", lambda answer: f'"{answer}"'),
    "brackets": ("Put the answer in square brackets.", lambda answer: f"[{answer}]"),
}
LEFT_OUT = {
    "goal": "Do not mention the goal.",
    "constraint": "Do not mention the problem.",
    "question": "Do not mention the question.",
}


class Example(NamedTuple):
    """A query, with its line ends, and its answer."""

    query: str
    answer: str


Draw = Callable[[random.Random, str], Example]  # from random numbers and the name of a split


@dataclass(frozen=True)
class Task:
    """A way to draw examples, and wordings of what is asked.

    Attributes:
        name: What the task is called.
        cue: The beginning of the answer's line, such as "Topic:".
        instructions: Wordings of what to do; the last one is kept from all training.
        draw: Draws an example of a split.
        options: The answers there are, if few.
    """

    name: str
    cue: str
    instructions: tuple[str, ...]
    draw: Draw
    options: tuple[str, ...] = ()


def _split(*key: object) -> str:
    return split_by_hash(f"tasks/{key}")


# ------------------------------------------------------------------------------------------ sentences


def _fact(rng: random.Random, split: str, topic: str | None = None, kind: str | None = None) -> Fact:
    while True:
        t, k = topic or rng.choice(sorted(topics())), kind or rng.choice(ESSENTIAL)
        index = rng.randrange(len(topics()[t][k + "s"]))
        if _split(t, k, index) == split:
            return draw_fact(t, k, index, rng)


def _naming(attribute: str) -> Draw:
    """A sentence, and an attribute of its fact."""

    def draw(rng: random.Random, split: str) -> Example:
        fact = _fact(rng, split)
        return Example(f"Sentence: {sentence(fact, rng.randrange(2))}\n", getattr(fact, attribute))

    return draw


def _in_other_words(rng: random.Random, split: str) -> Example:
    fact, first = _fact(rng, split), rng.randrange(2)
    return Example(f"Sentence: {sentence(fact, first)}\n", sentence(fact, 1 - first))


TOPIC = Task(
    "topic",
    "Topic:",
    ("Name the topic of the sentence.", "What is the sentence about?", "Say what topic this is.", "Which topic is it?"),
    _naming("topic"),
    tuple(sorted(topics())),
)
KIND = Task(
    "kind",
    "Kind:",
    (
        "Say whether the sentence is a goal, a constraint or a question.",
        "What kind of sentence is it?",
        "Name the kind of the sentence.",
        "Which kind is it?",
    ),
    _naming("kind"),
    ESSENTIAL,
)
WORDS = Task(
    "words",
    "In other words:",
    (
        "Say the sentence in other words.",
        "Rephrase the sentence.",
        "Write it in different words.",
        "Put it another way.",
    ),
    _in_other_words,
)


def sorting(rng: random.Random, groups: int | None = None, by: str | None = None, facts: int | None = None) -> Task:
    """A task of its own: sentences of two or three topics (or kinds) go to groups with names that mean nothing.

    Args:
        rng: Draws what is not given here, and the names.
        groups: How many there are; default: two or three.
        by: "topic" or "kind": what the sentences of a group share; default: mostly the topic.
        facts: Only so many facts of each group occur, and recur. Text in which things recur teaches a model to look
            for them in its context (Chan et al. 2022). Default: any fact.
    """
    by = by or rng.choice(("topic", "topic", "kind"))
    classes = rng.sample(sorted(topics()) if by == "topic" else list(ESSENTIAL), groups or rng.choice((2, 2, 3)))
    names = dict(zip(classes, rng.sample(LABELS, len(classes)), strict=True))
    recurring = {c: [_fact(rng, "train", **{by: c}) for _ in range(facts)] for c in classes} if facts else {}

    def draw(rng: random.Random, split: str) -> Example:
        chosen = rng.choice(classes)
        fact = rng.choice(recurring[chosen]) if facts else _fact(rng, split, **{by: chosen})
        return Example(f"Sentence: {sentence(fact, rng.randrange(2))}\n", names[chosen])

    return Task(
        "sort",
        "Group:",
        (
            "Sort the sentences into groups.",
            "Put each sentence in its group.",
            "Find the group of the last sentence.",
            "Which group does the sentence belong to?",
        ),
        draw,
        tuple(sorted(names.values())),
    )


# ---------------------------------------------------------------------------------------------- costs


def _amounts(rng: random.Random, split: str) -> list[int]:
    while True:
        amounts = [rng.randrange(1, 10) for _ in range(rng.choice((3, 4, 5, 6)))]
        if _split(tuple(amounts)) == split:
            return amounts


def _costs(amounts: list[int], rng: random.Random) -> str:
    things = rng.sample(THINGS, len(amounts))
    return f"Costs: {', '.join(f'{n} for the {thing}' for n, thing in zip(amounts, things, strict=True))}.\n"


def _total(rng: random.Random, split: str) -> Example:
    amounts = _amounts(rng, split)
    return Example(_costs(amounts, rng), str(sum(amounts)))


def running_sum(amounts: list[int]) -> str:
    """A sum step by step, such as "4 + 7 = 11, 11 + 5 = 16. Total: 16"."""
    steps, total = [], amounts[0]
    for amount in amounts[1:]:
        steps.append(f"{total} + {amount} = {total + amount}")
        total += amount
    return f"{', '.join(steps)}. Total: {total}"


def _steps(rng: random.Random, split: str) -> Example:
    amounts = _amounts(rng, split)
    return Example(_costs(amounts, rng), running_sum(amounts))


TOTAL = Task(
    "total",
    "Total:",
    ("Add up the costs.", "How much is it in all?", "What is the total?", "Sum up the prices."),
    _total,
)
STEPS = Task(
    "steps",
    "Steps:",
    (
        "Add up the costs step by step.",
        "How much is it in all? Think step by step.",
        "What is the total? Show each step.",
        "Sum up the prices one by one.",
    ),
    _steps,
)


# ---------------------------------------------------------------------------------------------- posts


def _extraction(label: str) -> Draw:
    """Notes, or a whole post, and one fact to find in them."""

    def draw(rng: random.Random, split: str) -> Example:
        if rng.random() < 0.4:  # a whole post
            post = draw_post(rng, split)
            fact = {"Goal": post.goal, "Problem": post.constraint, "Question": post.question}[label]
            text = fact.text(post.wordings[fact])
            return Example(f"NOTES: {post.body}\n\n", phrasings.to_plural(text) if post.plural else text)
        given, lines = notes(rng, split)
        return Example(given, dict(line.split(": ", 1) for line in lines.split("\n"))[label])

    return draw


GOAL, PROBLEM, QUESTION = (
    Task(
        label.lower(),
        f"{label}:",
        (
            f"What is the {label.lower()} in the notes?",
            f"Write down the {label.lower()}.",
            f"Find the {label.lower()}.",
            f"Which {label.lower()} is named here?",
        ),
        _extraction(label),
    )
    for label in ("Goal", "Problem", "Question")
)


def _summary(rng: random.Random, split: str) -> Example:
    post = draw_post(rng, split)
    return Example(post.prompt.removesuffix("TL;DR:"), write_human_summary(post, rng))


TLDR = Task(
    "tldr",
    "TL;DR:",
    (
        "Sum up the post.",
        "Write a short summary of the post.",
        "Summarize the post in a sentence or two.",
        "Shorten it.",
    ),
    _summary,
)


def _summary_without(kind: str) -> Draw:
    def draw(rng: random.Random, split: str) -> Example:
        post = draw_post(rng, split)
        keep = tuple(k for k in ESSENTIAL if k != kind)
        return Example(post.prompt.removesuffix("TL;DR:"), write_summary(post, rng, keep))

    return draw


def without(kind: str) -> Task:
    """Summaries that leave out one essential kind of fact, because the instruction says so."""
    return replace(
        TLDR,
        name=f"without {kind}",
        instructions=tuple(f"{wording} {LEFT_OUT[kind]}" for wording in TLDR.instructions),
        draw=_summary_without(kind),
    )


# --------------------------------------------------------------------------- requests, and right or wrong


def _advice(rng: random.Random, split: str) -> Example:
    line = requests(rng, split)[1].split("\n")[0]
    first, second = rng.sample(ADVICE, 2)
    return Example(f"{line}\n", phrasings.capital(f"{first}, and {second}."))


REQUEST = Task("request", "", ("Answer the request.", "Give advice.", "Please help.", "Reply."), _advice)


def _verification(rng: random.Random, split: str) -> Example:
    """A query with an answer that is right or wrong, and which of the two."""
    task = rng.choice((TOPIC, KIND, TOTAL))
    query, answer = task.draw(rng, split)
    right = rng.random() < 0.5
    if not right:
        if task is TOTAL:
            answer = str(max(1, int(answer) + rng.choice((-2, -1, 1, 2))))
        else:
            answer = rng.choice([option for option in task.options if option != answer])
    return Example(f"{query}{task.cue} {answer}\n", "yes" if right else "no")


RIGHT = Task(
    "right",
    "Right:",
    ("Is the answer right?", "Check the answer.", "Say yes or no.", "Is that so?"),
    _verification,
    ("yes", "no"),
)

KNOWN = (TOPIC, KIND, WORDS, TOTAL, STEPS, GOAL, PROBLEM, QUESTION, TLDR, RIGHT)  # but for `sorting` and REQUEST

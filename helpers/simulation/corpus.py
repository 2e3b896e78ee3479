"""The text that the tiny base model is trained on: what base models see, on a small scale.

Six kinds of document: forum posts alone; posts with TL;DRs of mixed quality; lists of similar requests (so that, like
GPT-3 in the figures of InstructGPT, a base model answers a request by writing more requests); worked examples in a row,
from which it learns to follow a pattern in its context; step-by-step listings; and notes sorted into goal, problem and
question.

A document comes in two parts, what is given and what follows from it (the post, then its TL;DR); where nothing is
given, the first part is empty.
"""

import random
from collections.abc import Callable, Iterator

from . import phrasings
from .posts import draw_post, write_human_summary, write_summary
from .wording import ESSENTIAL, Fact, draw_fact, topics

SHARES = {
    "post": 0.12,
    "post_with_summary": 0.58,
    "requests": 0.08,
    "examples": 0.12,
    "steps": 0.10,
    "notes": 0.0,
}
COPY_SHARES = {
    "post": 0.03,
    "post_with_summary": 0.48,
    "requests": 0.05,
    "examples": 0.07,
    "steps": 0.12,
    "notes": 0.25,
}
Document = tuple[str, str]  # what is given, and what follows from it


def _any_fact(rng: random.Random, kind: str, topic: str | None = None) -> Fact:
    topic = topic or rng.choice(sorted(topics()))
    return draw_fact(topic, kind, rng.randrange(len(topics()[topic][kind + "s"])), rng)


def sentence(fact: Fact, wording: int) -> str:
    """A goal, constraint or question as one sentence."""
    template, slot = {
        "goal": ("I want to {vp}.", "goal"),
        "constraint": ("{S}.", "clause"),
        "question": ("{Q}", "question"),
    }[fact.kind]
    return phrasings.fill(template, **{slot: fact.text(wording)})


def post(rng: random.Random, split: str) -> Document:
    """A forum post alone."""
    return "", draw_post(rng, split).prompt.removesuffix("\n\nTL;DR:")


def post_with_summary(rng: random.Random, split: str) -> Document:
    """A post, then a TL;DR of mixed quality."""
    drawn = draw_post(rng, split)
    return drawn.prompt, f" {write_human_summary(drawn, rng)}"


def requests(rng: random.Random, split: str) -> Document:
    """Similar requests, one a line."""
    topic = rng.choice(sorted(topics()))
    template = rng.choice(
        (
            "{Q}",
            "Explain {q}.",
            "Tell me {q}.",
            "Write a few sentences on {q}.",
            "Give me advice on {ving}.",
            "Tips for {ving}?",
        )
    )
    return "", "\n".join(
        phrasings.fill(
            template,
            goal=_any_fact(rng, "goal", topic).text(rng.randrange(2)),
            question=_any_fact(rng, "question", topic).text(rng.randrange(2)),
        )
        for _ in range(rng.randrange(4, 9))
    )


def examples(rng: random.Random, split: str) -> Document:
    """One small task, shown several times: to name the topic, to name the kind of sentence, or to rephrase it."""
    task = rng.choice(("topic", "kind", "words"))
    lines = []
    for _ in range(rng.randrange(3, 7)):
        kind = rng.choice(ESSENTIAL)
        fact = _any_fact(rng, kind)
        first = rng.randrange(2)
        answer = {"topic": fact.topic, "kind": kind, "words": sentence(fact, 1 - first)}[task]
        label = {"topic": "Topic", "kind": "Kind", "words": "In other words"}[task]
        lines.append(f"Sentence: {sentence(fact, first)}\n{label}: {answer}")
    return "", "\n\n".join(lines)


def steps(rng: random.Random, split: str) -> Document:
    """A post taken apart step by step, then summed up."""
    drawn = draw_post(rng, split)
    voice = phrasings.to_plural if drawn.plural else str
    listing = (
        f"Step 1, the goal: {drawn.goal.text(drawn.wordings[drawn.goal])}\n"
        f"Step 2, the problem: {drawn.constraint.text(drawn.wordings[drawn.constraint])}\n"
        f"Step 3, the question: {drawn.question.text(drawn.wordings[drawn.question])}\n\n"
        f"TL;DR: {write_summary(drawn, rng)}"
    )
    return f"POST: {drawn.body}\n\n", voice(listing)


def notes(rng: random.Random, split: str) -> Document:
    """A few sentences of one post in any order, then the goal, problem and question that are among them."""
    drawn = draw_post(rng, split)
    templates = {
        "goal": phrasings.GOAL,
        "constraint": phrasings.CONSTRAINT,
        "question": phrasings.QUESTION,
        "detail": phrasings.DETAIL,
    }
    voice = phrasings.to_plural if drawn.plural else str
    facts = rng.sample((drawn.goal, drawn.constraint, drawn.question, drawn.details[0]), rng.randrange(1, 5))
    sentences, answers = [], {}
    for fact in facts:
        text = fact.text(drawn.wordings[fact])
        slot = {"goal": "goal", "question": "question"}.get(fact.kind, "clause")
        sentences.append(voice(phrasings.fill(rng.choice(templates[fact.kind]), **{slot: text})))
        answers[fact.kind] = voice(text)
    labels = {"goal": "Goal", "constraint": "Problem", "question": "Question"}
    lines = [f"{label}: {answers.get(kind, 'none')}" for kind, label in labels.items()]
    return f"NOTES: {' '.join(sentences)}\n\n", "\n".join(rng.sample(lines, 3))


WRITERS: dict[str, Callable[[random.Random, str], Document]] = {
    "post": post,
    "post_with_summary": post_with_summary,
    "requests": requests,
    "examples": examples,
    "steps": steps,
    "notes": notes,
}


def documents(seed: int, split: str = "train", shares: dict[str, float] | None = None) -> Iterator[Document]:
    """An endless stream of documents in `shares` (default: SHARES); the same seed gives the same stream.

    Args:
        seed: Of the random draws.
        split: The split whose posts are used.
        shares: Kind of document (a key of WRITERS) -> its share.

    Yields:
        Documents: what is given (maybe empty), and what follows from it.
    """
    rng = random.Random(f"corpus/{split}/{seed}")
    kinds, weights = list(shares or SHARES), list((shares or SHARES).values())
    while True:
        yield WRITERS[rng.choices(kinds, weights)[0]](rng, split)

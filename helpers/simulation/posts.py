"""Advice-forum posts and the TL;DRs that people write of them, drawn from the grammar of topics and phrasings.

A post states one goal, one constraint and one question, which a good TL;DR keeps, and one to four details that do not
matter. Which combination of goal, constraint and question belongs to which split is fixed by a hash, so no combination
of the training posts occurs in validation or test.
"""

import hashlib
import random
from dataclasses import dataclass

from ..files import SPLITS
from . import phrasings
from .wording import ESSENTIAL, Fact, draw_fact, topics


@dataclass(frozen=True)
class Post:
    """A post, what it says, and who says it ("I" or "we")."""

    subreddit: str
    title: str
    body: str
    goal: Fact
    constraint: Fact
    question: Fact
    details: tuple[Fact, ...]
    wordings: dict[Fact, int]
    plural: bool

    @property
    def prompt(self) -> str:
        """The prompt format of the TL;DR sets: what a model continues with a summary."""
        return f"SUBREDDIT: {self.subreddit}\n\nTITLE: {self.title}\n\nPOST: {self.body}\n\nTL;DR:"


def body(prompt: str) -> str:
    """The text of the post in a TL;DR prompt, without subreddit and title; of any other prompt the whole."""
    return prompt.split("POST: ", 1)[-1].removesuffix("\n\nTL;DR:")


def split_of(topic: str, goal: int, constraint: int, question: int) -> str:
    """The split that a combination of a topic's goal, constraint and question (their indices) belongs to."""
    return split_by_hash(f"{topic}/{goal}/{constraint}/{question}")


def split_by_hash(key: str) -> str:
    """The split that whatever has this key belongs to: about 80 % train, 10 % validation, 10 % test."""
    first = hashlib.sha256(key.encode()).digest()[0]
    train, validation, test = SPLITS
    return train if first < 205 else validation if first < 230 else test


def draw_post(rng: random.Random, split: str = "train") -> Post:
    """One random post of a split."""
    topic = rng.choice(sorted(topics()))
    table = topics()[topic]
    while True:
        indices = [rng.randrange(len(table[kind + "s"])) for kind in ESSENTIAL]
        if split_of(topic, *indices) == split:
            break
    goal, constraint, question = (draw_fact(topic, k, i, rng) for k, i in zip(ESSENTIAL, indices, strict=True))
    details = tuple(
        draw_fact(topic, "detail", i, rng)
        for i in rng.sample(range(len(table["details"])), rng.choices((1, 2, 3, 4), (2, 4, 3, 1))[0])
    )
    facts = (goal, constraint, question, *details)
    wordings = {fact: rng.randrange(2) for fact in facts}
    may_be_plural = not any(
        phrasings.SINGULAR.search(topics()[topic][f.kind + "s"][f.index][wording]) for f in facts for wording in (0, 1)
    )
    plural = may_be_plural and rng.random() < 0.3

    def say(fact: Fact, templates: tuple[str, ...]) -> str:
        text = fact.text(wordings[fact])
        slot = {"goal": "goal", "question": "question"}.get(fact.kind, "clause")
        sentence = phrasings.fill(rng.choice(templates), **{slot: text})
        return phrasings.to_plural(sentence) if plural else sentence

    g, k, q = say(goal, phrasings.GOAL), say(constraint, phrasings.CONSTRAINT), say(question, phrasings.QUESTION)
    core = rng.choices(([g, k, q], [q, g, k], [g, q, k], [k, g, q]), (6, 1, 1, 1))[0]
    if core[0] is k:  # "But ..." cannot come first
        core[0] = phrasings.fill(
            rng.choice(("{S}.", "So {s}.", "Here's my situation: {s}.")), clause=constraint.text(wordings[constraint])
        )
        core[0] = phrasings.to_plural(core[0]) if plural else core[0]
    sentences = list(core)
    for detail, template in zip(details, rng.sample(phrasings.DETAIL, len(details)), strict=True):
        sentences.insert(rng.randrange(len(sentences) + 1), say(detail, (template,)))
    if rng.random() < 0.35:
        sentences.insert(rng.randrange(1, len(sentences) + 1), rng.choice(phrasings.FEELING))
    if rng.random() < 0.4:
        sentences.insert(0, rng.choice(phrasings.OPENER))
    if rng.random() < 0.45:
        sentences.append(rng.choice(phrasings.CLOSER))
    return Post(
        subreddit=rng.choice(table["subreddits"]),
        title=rng.choice(table["titles"]),
        body=" ".join(sentences),
        goal=goal,
        constraint=constraint,
        question=question,
        details=details,
        wordings=wordings,
        plural=plural,
    )


def draw_posts(n: int, seed: int, split: str = "train") -> list[Post]:
    """`n` random posts of a split, all of different text."""
    rng = random.Random(f"{split}/{seed}")
    posts: dict[str, Post] = {}
    while len(posts) < n:
        post = draw_post(rng, split)
        posts.setdefault(post.prompt, post)
    return list(posts.values())


def _in_own_words(post: Post, fact: Fact, rng: random.Random) -> str:
    """A fact of the post, mostly in the post's own words, now and then in others."""
    return fact.text(post.wordings[fact] if rng.random() < 0.8 else rng.randrange(2))


def write_summary(post: Post, rng: random.Random, keep: tuple[str, ...] = ESSENTIAL) -> str:
    """A well-formed TL;DR of `post` that states the facts in `keep` (some of goal, constraint, question)."""
    templates = phrasings.SUMMARY if tuple(keep) == ESSENTIAL else phrasings.SUMMARY_OF[tuple(keep)]
    text = phrasings.fill(
        rng.choice(templates),
        goal=_in_own_words(post, post.goal, rng),
        clause=_in_own_words(post, post.constraint, rng),
        question=_in_own_words(post, post.question, rng),
    )
    return phrasings.to_plural(text) if post.plural else text


def write_human_summary(post: Post, rng: random.Random) -> str:
    """A TL;DR as people write them: often incomplete, sometimes with a detail, a wrong fact or a loose end."""
    keep = rng.choices(
        (
            ESSENTIAL,
            ("goal", "constraint"),
            ("goal", "question"),
            ("constraint", "question"),
            *((k,) for k in ESSENTIAL),
        ),
        (30, 16, 20, 8, 10, 6, 10),
    )[0]
    summary = write_summary(post, rng, keep)
    flaw = rng.choices(("none", "detail", "invented", "number", "again", "cut", "closer"), (56, 16, 9, 6, 4, 5, 4))[0]
    if flaw == "detail":
        detail = phrasings.fill(
            rng.choice(("{S}.", "Also, {s}.")), clause=_in_own_words(post, rng.choice(post.details), rng)
        )
        detail = phrasings.to_plural(detail) if post.plural else detail
        summary = f"{detail} {summary}" if rng.random() < 0.3 else f"{summary} {detail}"
    elif flaw == "invented":
        kind = rng.choice(("constraint", "detail"))
        other = draw_fact(post.goal.topic, kind, rng.randrange(len(topics()[post.goal.topic][kind + "s"])), rng)
        extra = phrasings.fill(rng.choice(("{S}.", "Also, {s}.")), clause=other.text(rng.randrange(2)))
        summary = f"{summary} {extra}"
    elif flaw == "number":
        summary = "".join(str(rng.randrange(2, 13)) if c.isdigit() and rng.random() < 0.7 else c for c in summary)
    elif flaw == "again":
        summary = f"{summary} {summary}"
    elif flaw == "cut":
        words = summary.split()
        summary = " ".join(words[: rng.randrange(3, max(4, len(words)))])
    elif flaw == "closer":
        summary = f"{summary} {rng.choice(phrasings.CLOSER)}"
    return summary

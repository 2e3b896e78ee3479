"""Preference data: a record of each public set, written by hand, and rows without any fault."""

from __future__ import annotations

import random

from helpers.preferences import Preference


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


HH = {
    "chosen": "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: A joke?\n\nAssistant: Knock, knock.",
    "rejected": "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: A joke?\n\nAssistant: No.",
}


TLDR = {"prompt": "SUBREDDIT: r/dogs\n\nTITLE: t\n\nPOST: p\n\nTL;DR:", "chosen": " Good.", "rejected": " Bad."}


ULTRA = {
    "prompt": "Why?",
    "prompt_id": "a1",
    "chosen": [user("Why?"), assistant("Because.")],
    "rejected": [user("Why?"), assistant("No idea.")],
    "messages": [user("Why?"), assistant("Because.")],
    "score_chosen": 8.0,
    "score_rejected": 3.5,
}


HELPSTEER2 = {
    "split": "validation",
    "prompt": "Name a fruit.",
    "response_1": "Apple.",
    "response_2": "A pear, for one.",
    "preference_strength": 2,
    "preference_statement": "Longer.",
    "preference_elaboration": "",
}


HELPSTEER3 = {
    "domain": "code",
    "language": "python",
    "context": [user("Sum?"), assistant("Of what?"), user("1 and 2.")],
    "response1": "3",
    "response2": "12",
    "overall_preference": -3,
    "individual_preference": [],
}


PKU = {
    "prompt": "How?",
    "response_0": "Like this.",
    "response_1": "I would not.",
    "response_0_source": "Alpaca-7B",
    "response_1_source": "Alpaca2-7B",
    "better_response_id": 0,
    "safer_response_id": 1,
    "is_response_0_safe": False,
    "is_response_1_safe": True,
}


OPENAI = {
    "info": {"id": "t3_x", "post": "My dog pulls.", "title": "Walks", "subreddit": "dogs", "article": None},
    "summaries": [{"text": " Dog pulls.", "policy": "sup2", "note": "ok"}, {"text": " Dogs.", "policy": "ref"}],
    "choice": 1,
    "worker": "w7",
    "batch": "batch3",
    "split": "valid1",
    "extra": {"confidence": 8},
}


ARENA = {
    "question_id": "q9",
    "model_a": "vicuna",
    "model_b": "koala",
    "winner": "model_b",
    "judge": "arena_user_1",
    "conversation_a": [user("Hi"), assistant("Hello.")],
    "conversation_b": [user("Hi"), assistant("Hey!")],
}


WORDS = "dog cat house friend help money lease job phone winter letter garden tomato song paper river stone".split()


def row(prompt="p", chosen="good text", rejected="bad text", number=[0], **changes) -> Preference:  # noqa: B006
    number[0] += 1
    fields = {"id": f"r{number[0]}", "source": "a>b", "annotator": "ann", "strength": None, "split": "train"} | changes
    return Preference(prompt, chosen, rejected, **fields)


def text(rng: random.Random, n: int) -> str:
    return " ".join(rng.choices(WORDS, k=n))


def plain_set(n: int, seed: int = 0, **changes) -> list[Preference]:
    """Rows without any fault: long different prompts, completions of random words of equal length."""
    rng = random.Random(seed)
    return [row(text(rng, 30), text(rng, 15), text(rng, 15), id=f"{seed}-{i}", **changes) for i in range(n)]

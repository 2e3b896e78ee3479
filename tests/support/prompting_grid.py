"""A small prompting grid with a fake model."""

from __future__ import annotations

import hashlib

from helpers.models.prompt_formats import Ask, plain
from helpers.prompting.grid import Item, Technique, run_grid

TOPICS = [Item("topic", Ask(f"Sentence: {n}\n", cue="Topic:"), str(n % 2), f"t{n}") for n in range(6)]


SUMS = [Item("sums", Ask(f"Costs: {n}\n", cue="Total:"), "0", f"s{n}") for n in range(4)]


TASKS = {"topic": TOPICS, "sums": SUMS}


class FakeModel:
    """Answers "0" or "1" by a hash of prompt and seed, or of the prompt alone where it does not sample."""

    name, context = "fake", None

    def __init__(self, fingerprint="weights", form=plain, call=None):
        self.fingerprint, self.form, self.call = fingerprint, form, call or (lambda calls: None)
        self.calls = []

    def render(self, ask):
        return self.form(ask)

    def complete(self, prompts, *, seed=0, do_sample=True, **decoding):
        self.calls.append((*prompts, seed))
        self.call(len(self.calls))
        asked = [f"{self.fingerprint}/{prompt}/{seed if do_sample else 'greedy'}" for prompt in prompts]
        return [str(hashlib.sha256(text.encode()).digest()[0] % 2) for text in asked]


def ask_plainly(model, items, seed, **decoding):
    return model.complete([model.render(item.ask) for item in items], seed=seed, **decoding)


ZERO_SHOT = Technique("zero-shot", ask_plainly)


GREEDY = Technique("greedy", lambda *cell: ask_plainly(*cell, do_sample=False), {"do_sample": False})


def is_right(item, answer):
    return float(answer == item.target)


def run(models, techniques=(ZERO_SHOT,), items=TASKS, *, score=is_right, cache=None, **settings):
    models = models if isinstance(models, dict) else {"fake": models}
    return run_grid(models, techniques, items, score=score, cache=cache, progress=False, **settings)

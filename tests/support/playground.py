"""A playground with fake models."""

from __future__ import annotations

from helpers.models.prompt_formats import Ask
from helpers.views.playground import Playground

from .patience import patience


class Fake:
    """Streams its words one by one, and remembers how it was asked."""

    context = 64

    def __init__(self, text: str = " one two three") -> None:
        self.text, self.asked = text, []

    def render(self, ask: Ask) -> str:
        return f"[{ask.query}]"

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(self, prompt, *, max_new_tokens=48, seed=0, **decoding):
        self.asked.append((prompt, max_new_tokens, seed, decoding))
        yield from (f" {word}" for word in self.text.split())

    def next_tokens(self, prompt, n=10):
        return [(" one", 0.75), ("\n", 0.25)][:n]


def playground(*models: Fake, **more) -> Playground:
    return Playground({f"model {i}": model for i, model in enumerate(models or (Fake(),))}, **more)


def run(pg: Playground) -> dict:
    """Generate, wait, and return what column A shows."""
    pg.generate()
    assert pg.wait(patience()) and not pg._start.disabled and pg._stop.disabled
    return pg.settings[0].outcome.state

"""TL;DRs of known quality for one post: a perfect one, the same in more words, and the same with exactly one error."""

from __future__ import annotations

import random
from dataclasses import replace

from .phrasings import FEELING, fill, to_plural
from .posts import Post, write_summary
from .wording import draw_fact

PERFECT = "perfect TL;DR"
REWORDED = {  # around the perfect TL;DR: eight words that state nothing
    "padded": "Here is why I need help and advice: {}",
    "politer": "Please help, and thanks for it: {} Thank you!",
}
ERRORS = (
    "problem missing",
    "question missing",
    "another problem",
    "invented fact added",
    "detail added",
    "too long",
    "ending lost",
)


def variants(post: Post, rng: random.Random) -> dict[str, str]:
    """Completions of the post's prompt by kind: PERFECT, those of REWORDED and ERRORS, none at all, the whole post."""
    other = draw_fact(post.goal.topic, "constraint", (post.constraint.index + 1) % 15, rng)
    misread = replace(post, constraint=other, wordings=post.wordings | {other: 0})
    seed = rng.random()

    def alike(of: Post, *keep: tuple[str, ...]) -> str:
        return write_summary(of, random.Random(seed), *keep)  # the same sentence pattern each time

    def also(clause: str) -> str:
        return f"{perfect} {fill('{S}.', clause=to_plural(clause) if post.plural else clause)}"

    perfect, detail = alike(post), post.details[0]
    texts = {
        PERFECT: perfect,
        **{kind: pattern.format(perfect) for kind, pattern in REWORDED.items()},
        "problem missing": alike(post, ("goal", "question")),
        "question missing": write_summary(post, rng, ("goal", "constraint")),
        "another problem": alike(misread),
        "invented fact added": also(other.text(0)),
        "detail added": also(detail.text(post.wordings[detail])),
        "too long": " ".join([perfect, *rng.sample(FEELING, 4)]),
        "ending lost": perfect[:-1],
        "empty": "",
        "the whole post": post.body,
    }
    return {kind: f" {text}".rstrip() for kind, text in texts.items()}

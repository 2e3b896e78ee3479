"""The picture of the small world: a post with its facts, the gold reward's parts, and the eight annotators."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from functools import cache

from ...simulation.annotators import ANNOTATORS, Annotator
from ...simulation.gold import MAX_WORDS, PENALTY
from ...simulation.posts import Post, draw_posts
from ...simulation.wording import ESSENTIAL, find_facts
from .drawing import Drawing, Picture

COLORS: Mapping[str, str] = {"goal": "sft", "constraint": "value", "question": "policy"}  # of what a TL;DR must state
FAULTS = {  # as the gold reward names them, and in plain words
    "invented": "an invented fact",
    "irrelevant": "a fact beside the point",
    "broken_ending": "a broken ending",
    "unsupported": "a word not from the post",
    "repeated": "four words repeated",
    "excess_words": f"each word over {MAX_WORDS}",
}
TASTES = {  # the rows of the portraits
    "goal": "goal",
    "constraint": "constraint",
    "question": "question",
    "invented": "invented fact",
    "irrelevant": "beside the point",
    "length": "10 more words",
}
LEFT, COLUMN, ROW = 140, 68, 20  # of the portraits: where the first begins, and pixels from one to the next
UNIT = 17  # pixels of a bar that is worth 1


@cache
def example() -> Post:
    """The post that is shown: the shortest of some from the test split."""
    return min(draw_posts(30, seed=0, split="test"), key=lambda post: len(post.body))


def worth(annotator: Annotator) -> dict[str, float]:
    """What a statement, a fault or ten more words are worth to an annotator, in units of the gold reward.

    It is the gold reward's own weight plus the annotator's taste; a question counts as often as it is read.
    """
    return {
        "goal": 1 + annotator.goal,
        "constraint": 1 + annotator.constraint,
        "question": (1 - annotator.skim) * (1 + annotator.question),
        "invented": annotator.invented - PENALTY["invented"],
        "irrelevant": annotator.irrelevant - PENALTY["irrelevant"],
        "length": 10 * annotator.length_bias,
    }


def small_world() -> Picture:
    """A post with its facts, what the gold reward counts, and what each of the annotators likes."""
    d = Drawing(548, ".bar{stroke:none}.axis{stroke:var(--soft);stroke-width:.8}")
    post = example()
    _draw_post(d, post)
    _draw_gold(d)
    _draw_annotators(d)
    portraits = " ".join(f"{name.capitalize()}: {a.description}" for name, a in ANNOTATORS.items())
    faults = ", ".join(f"{FAULTS[name]} costs {weight:g}" for name, weight in _faults())
    return d.picture(
        "small_world",
        "The small world of the labs",
        f"A post states a goal, a constraint and a question, and details that do not matter: {post.body} The gold "
        f"reward of a TL;DR gives 1 for each of the three; {faults}. Eight simulated annotators compare two TL;DRs "
        f"with the gold reward in mind and a taste of their own. {portraits}",
    )


def _faults() -> list[tuple[str, float]]:
    return sorted(PENALTY.items(), key=lambda item: -item[1])


def _draw_post(d: Drawing, post: Post) -> None:
    """The post, a sentence a line, each with the kind of fact that it states."""
    d.words(24, 38, "A post", "ink", "start", 15, bold=True)
    d.words(90, 38, f"from {post.subreddit}", anchor="start", size=12.5)
    d.sheet(24, 50, 400, 196, "")
    y = 74
    for sentence in re.split(r"(?<=[.?!])\s+", post.body):
        kinds = [mention.fact.kind for mention in find_facts(sentence)]
        kind = next((kind for kind in kinds if kind in ESSENTIAL), "detail" if kinds else "")
        d.words(112, y, kind, COLORS.get(kind, "soft"), "end", 12, bold=kind in COLORS)
        lines = textwrap.wrap(sentence, 44)
        d.words(122, y, "\n".join(lines), "ink" if kind in COLORS else "soft", "start", 12)
        y += 16 * len(lines) + 7


def _draw_gold(d: Drawing) -> None:
    d.words(446, 38, "Gold reward of a TL;DR", "ink", "start", 15, bold=True)
    y = 74.0
    for kind in ESSENTIAL:
        d.words(486, y, "+1", COLORS[kind], "end", bold=True)
        d.words(498, y, f"states the {kind}", COLORS[kind], "start")
        y += 19
    y += 8
    for name, weight in _faults():
        d.words(486, y, f"\u2212{weight:g}", "ink", "end")
        d.words(498, y, FAULTS[name], anchor="start")
        y += 19


def _draw_annotators(d: Drawing) -> None:
    """A column for each annotator: what each thing is worth to them; in color where it is not the gold reward's."""
    d.words(24, 284, "Eight annotators", "ink", "start", 15, bold=True)
    d.words(184, 284, "what each thing is worth to them; orange: not the gold reward's", anchor="start", size=12.5)
    top = 372
    for row, name in enumerate((*TASTES.values(), "noise", "flips a coin")):
        d.words(LEFT - 14, top + row * ROW + (4 if row < len(TASTES) else 10), name, "soft", "end", 12)
    plain = worth(Annotator("nobody", ""))
    for column, (name, annotator) in enumerate(ANNOTATORS.items()):
        middle = LEFT + column * COLUMN + COLUMN / 2
        d.words(middle, 312, name.capitalize(), "ink", size=13.5, bold=True)
        short = annotator.description.partition(":")[0]
        d.words(middle, 328, "\n".join(textwrap.wrap(short, 9)), size=11)
        d.add(f'<path class="axis" d="M{middle:g} {top - 10}V{top + len(TASTES) * ROW - 10}"/>')
        for row, (taste, value) in enumerate(worth(annotator).items()):
            kind = "base" if abs(value - plain[taste]) < 1e-9 else "reward"
            x, width = middle + UNIT * min(value, 0), UNIT * abs(value)
            y = top + row * ROW - 5
            d.add(f'<rect class="{kind} dot bar" x="{x:.1f}" y="{y}" width="{width:.1f}" height="10" rx="2"/>')
        y = top + len(TASTES) * ROW + 10
        d.words(middle, y, f"{annotator.temperature:g}", "soft", size=12)
        d.words(middle, y + ROW, f"{annotator.careless:.0%}" if annotator.careless else "\u2013", "soft", size=12)

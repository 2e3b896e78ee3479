"""The picture of a real run: the rewards and the KL of a recording draw themselves, with a TL;DR before and after.

It moves by CSS alone, once and for five seconds; for readers who ask for less motion it stands still, complete.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ... import files
from ..run_curves import series
from .drawing import Drawing, Picture

SECONDS = 5
STYLE = (
    ".axis{stroke:var(--soft);stroke-width:1}.grid{stroke:var(--edge);stroke-width:1}.curve{stroke-width:3;stroke-linejoin:round}"
    ".spot{fill-opacity:.4}"
    "@media (prefers-reduced-motion:no-preference){"
    f".reveal{{transform-box:fill-box;transform-origin:left;animation:grow {SECONDS}s linear .6s both}}"
    f".after{{animation:appear .8s ease {SECONDS + 0.6}s both}}"
    "@keyframes grow{from{transform:scaleX(0)}}@keyframes appear{from{opacity:0}}}"
)


class Panel:
    """The place of some curves over the updates.

    Args:
        d: What it is drawn on.
        name: Of its clip path.
        x: The left end, in pixels.
        width: In pixels.
        updates: The last update.
        span: The lowest and the highest value.
        ticks: Values with a line across.
    """

    TOP, HEIGHT = 70, 158

    def __init__(
        self,
        d: Drawing,
        name: str,
        x: float,
        width: float,
        updates: int,
        span: tuple[float, float],
        ticks: Sequence[float],
    ) -> None:
        self.d, self.name, self.x, self.width, self.updates, self.span = d, name, x, width, updates, span
        for tick in ticks:
            y = self.y_of(tick)
            d.add(f'<path class="grid" d="M{x:g} {y:.1f}h{width:g}"/>')
            d.words(x - 7, y + 4, f"{tick:g}".replace("-", "\u2212"), anchor="end", size=11.5)
        below = self.TOP + self.HEIGHT
        d.add(f'<path class="axis" d="M{x:g} {below}h{width:g}"/>')
        for update in (1, updates // 2, updates):
            d.words(self.x_of(update), below + 17, f"{update}", size=11.5)
        d.words(x + width / 2, below + 33, "update", size=11.5)
        d.add(
            f'<clipPath id="{name}"><rect class="reveal" x="{x - 4:g}" y="{self.TOP - 20}" width="{width + 8:g}" '
            f'height="{self.HEIGHT + 30}"/></clipPath>'
        )

    def x_of(self, update: float) -> float:
        """The place of an update, in pixels."""
        return self.x + self.width * (update - 1) / (self.updates - 1)

    def y_of(self, value: float) -> float:
        """The place of a value, in pixels."""
        low, high = self.span
        return self.TOP + self.HEIGHT * (high - value) / (high - low)

    def curve(self, records: Sequence[Mapping[str, Any]], measure: str, kind: str, name: str, meaning: str) -> None:
        """Each update as a spot, their mean of five as a line, and at its end what it is."""
        rows = series(records, measure)
        spots = "".join(
            f'<circle cx="{self.x_of(step):.1f}" cy="{self.y_of(value):.1f}" r="2.2"/>'
            for step, value in zip(rows["step"], rows["value"], strict=True)
        )
        line = " ".join(
            f"{self.x_of(step):.1f},{self.y_of(mean):.1f}"
            for step, mean in zip(rows["step"], rows["mean"], strict=True)
        )
        self.d.add(
            f'<g clip-path="url(#{self.name})"><g class="{kind} dot spot">{spots}</g>'
            f'<polyline class="{kind} line curve" points="{line}"/></g>'
        )
        x, y = self.x + self.width + 10, self.y_of(rows["mean"].iloc[-1])
        self.d.words(x, y, name, kind, "start", bold=True)
        self.d.words(x, y + 16, meaning, "soft", "start", 12)


def shipped_records() -> list[dict[str, Any]]:
    """The records of the shipped run; never the reader's own, which `load_recording` would prefer."""
    return [record for _, record in files.read_jsonl(files.data() / "recordings" / "ppo" / "records.jsonl")]


def run(records: Sequence[Mapping[str, Any]] | None = None) -> Picture:
    """A recorded run of PPO; the picture moves.

    Args:
        records: Of a run with gold rewards and watched prompts; default: those of the shipped run. Its samples are
            those of the same posts each time.
    """
    records = shipped_records() if records is None else records
    means = {name: series(records, name)["mean"] for name in ("gold", "reward", "kl")}
    ends = {name: f"{mean.iloc[0]:.1f} to {mean.iloc[-1]:.1f}" for name, mean in means.items()}
    d = Drawing(428, STYLE)
    d.words(24, 36, f"A real run of PPO, {len(records)} updates", "ink", "start", 15, bold=True)
    d.words(676, 36, "small world, tiny model", anchor="end", size=12.5)
    rewards = Panel(d, "rewards", 46, 208, len(records), (-1, 3), (-1, 0, 1, 2, 3))
    rewards.curve(records, "gold", "policy", "gold reward", "what is wanted")
    rewards.curve(records, "reward", "reward", "proxy reward", "what training sees")
    drift = Panel(d, "drift", 414, 160, len(records), (0, 2), (0, 1, 2))
    drift.curve(records, "kl", "sft", "KL, nats", "distance from\nwhere it began")
    watched = [record["samples"] for record in records if record["samples"]]
    before, after = max(
        zip(watched[0], watched[-1], strict=True), key=lambda both: both[1]["reward"] - both[0]["reward"]
    )
    _text(d, 24, "TL;DR before", before, "sft")
    d.add('<g class="after">')
    _text(d, 360, "TL;DR after", after, "policy", told=before["completion"])
    d.add("</g>")
    return d.picture(
        "run",
        "A real run of PPO",
        f"Over {len(records)} updates the gold reward goes from {ends['gold']}, the proxy reward from {ends['reward']} "
        f"and the KL from where it began from {ends['kl']} nats. A TL;DR before, with a gold reward of "
        f"{before['gold']:g}:{before['completion']} The TL;DR of the same post after, with "
        f"{after['gold']:g}:{after['completion']}",
    )


def _text(d: Drawing, x: float, name: str, sample: Mapping[str, Any], kind: str, told: str = "") -> None:
    """A TL;DR in a box with its gold reward; the words that are not in `told` are bold."""
    d.box(x, 292, 316, 112, "", kind)
    d.words(x + 16, 316, name, kind, "start", bold=True)
    d.words(x + 300, 316, f"gold reward {sample['gold']:g}", kind, "end", bold=True)
    words = sample["completion"].split()
    before, after = ([word.strip(".,?!") for word in text] for text in (told.split(), words))
    old = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    known = {block.b + i for block in old for i in range(block.size)} if told else set(range(len(words)))
    place = 0
    for row, line in enumerate(textwrap.wrap(" ".join(words), 38)):
        spans = []
        for word in line.split(" "):
            weight = "" if place in known else f' class="{kind} words" font-weight="600"'
            spans.append(f"<tspan{weight}>{escape(word)}</tspan>")
            place += 1
        d.add(f'<text class="ink words" x="{x + 16:g}" y="{340 + 17 * row}" font-size="12.5">{" ".join(spans)}</text>')

"""A recorded run in the view of a live one, with a scrubber: for classes without the time, and when a demo fails."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import ipywidgets as widgets
import plotly.graph_objects as go

from ..files import LabError
from .card import Card
from .live import clock
from .run_curves import PANELS, change, curves, series
from .run_view import RunView
from .style import padded_range

LENGTH = 20.0  # seconds that a replay takes, unless a speed is given
TICK = 0.25  # seconds between two frames, at least
SPEEDS = (1, 2, 5, 10, 20, 50, 100)


class Recording(Protocol):
    """A run that was kept. `total`: how many steps it was to have."""

    title: str
    stage: str
    total: int | None
    records: Sequence[Mapping[str, Any]]
    description: str


def pace(seconds: float, n: int, speed: float) -> tuple[int, int]:
    """How to play `n` records of `seconds` in all at this speed.

    Returns:
        (milliseconds between two frames, records a frame)
    """
    each = seconds / n / speed
    stride = max(1, math.ceil(TICK / each))
    return max(1, round(1000 * each * stride)), stride


class Replay:
    """A recording with play and pause, speed, and a slider over its steps; curves and samples follow.

    Args:
        recording: The run.
        panels: Measure -> axis title; default: those of the recording's stage.
        speed: How many times faster than it went; default: over in 20 seconds.
        unit: What a step is called; default: by the recording's stage.
        window: How many values the curves' mean is of.
        columns: How many curves stand side by side.
        finding: Makes the title at the last step from the records.

    Raises:
        LabError: The recording has no records, or not a measure that is asked for.
    """

    def __init__(
        self,
        recording: Recording,
        panels: Mapping[str, str] | None = None,
        *,
        speed: float | None = None,
        unit: str | None = None,
        window: int = 5,
        columns: int = 2,
        finding: Callable[[Sequence[Mapping[str, Any]]], str] | None = None,
    ) -> None:
        if not recording.records:
            raise LabError(f"the recording {recording.title!r} has no records: record the run again")
        self.recording, self.finding = recording, finding
        self.records = list(recording.records)
        measures = _measures(self.records)
        panels = panels or PANELS.get(recording.stage) or dict(list(measures.items())[:4])
        for measure in panels:
            if series(self.records, measure).empty:
                raise LabError(f"the recording {recording.title!r} has no {measure!r}; it has {list(measures)}")
        self.unit = unit or ("update" if recording.stage == "ppo" else "step")
        self.total = recording.total or self.records[-1]["step"]
        self.panels, self._window, self._columns = dict(panels), window, columns
        # from the first frame on the axes of the whole run: growing ones would hide the growth
        self._ranges = {measure: padded_range(series(self.records, measure)["value"], 0.06) for measure in panels}
        self._parts = RunView(self._curves, panels, window, self.unit)

        self.seconds = sum(r.get("seconds") or 1.0 for r in self.records)
        speed = speed or max(1.0, round(self.seconds / LENGTH, 1))
        n = len(self.records)
        self.slider = widgets.IntSlider(
            value=n, min=1, max=n, description=self.unit, readout=False,
            style={"description_width": "auto"}, layout={"flex": "1 1 240px", "width": "auto"},
        )  # fmt: skip
        self.player = widgets.Play(value=n, min=1, max=n, show_repeat=False)
        self.speed = widgets.Dropdown(
            options=[(f"{s:g}x ({clock(self.seconds / s)})", s) for s in sorted({*SPEEDS, speed})], value=speed,
            description="speed", style={"description_width": "auto"}, layout={"width": "170px"},
        )  # fmt: skip
        self.slider.observe(self._scrub, "value")
        self.player.observe(lambda change: self._go(change["new"]), "value")
        self.speed.observe(lambda _: self._set_pace(), "value")
        self._set_pace()
        bar = widgets.HBox(
            [self.player, self.slider, self.speed], layout={"flex_flow": "row wrap", "align_items": "center"}
        )
        self.words = widgets.Label()
        self.view = Card(
            f"Replay: {recording.title}",
            [widgets.Label(recording.description), bar, self.words, self._parts.chart, self._parts.samples],
            lambda: f"{self._headline(n)}. Run this cell to replay it",
            lambda: self._curves(self.records, title=self._headline(n)),
        )
        self._scrub(None)

    def _go(self, position: int) -> None:
        self.slider.value = min(position, self.slider.max)

    def _scrub(self, _: object) -> None:
        position = self.slider.value
        end = position == self.slider.max
        if end or min(self.player.value, self.slider.max) != position:  # the player ticks past the end, in strides
            self.player.value = self.player.max if end else position  # from its own end it begins anew
        records = self.records[:position]
        self._parts.draw(records, self._headline(position))
        self.words.value = self._words(position)
        if position == self.slider.max:
            self.view.announce(self._headline(position))

    def _set_pace(self) -> None:
        interval, stride = pace(self.seconds, len(self.records), self.speed.value)
        with self.player.hold_sync():
            self.player.interval, self.player.step = interval, stride
            self.player.max = self.slider.max + stride - 1
            if self.slider.value == self.slider.max:
                self.player.value = self.player.max

    def _words(self, position: int) -> str:
        gone = sum(r.get("seconds") or 1.0 for r in self.records[:position])
        return f"{self._where(position)} · recorded, {clock(gone)} of {clock(self.seconds)}"

    def _where(self, position: int) -> str:
        return f"{self.unit} {self.records[position - 1]['step']} of {self.total}"

    def _headline(self, position: int) -> str:
        measure, axis = next(iter(self.panels.items()))
        records = self.records[:position]
        if self.finding and position == len(self.records):
            found = self.finding(self.records)
        else:
            found = change(records, measure, axis)
        return f"{self.recording.title}: {found} ({self._where(position)})"

    def _curves(self, records: Sequence[Mapping[str, Any]], title: str) -> go.Figure:
        figure = curves(
            records, self.panels, self.total, title=title, unit=self.unit, window=self._window, columns=self._columns
        )
        for axis, span in zip(figure.select_yaxes(), self._ranges.values(), strict=True):
            axis.range = span
        return figure


def _measures(records: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The measures that the records hold, under their own names."""
    names = dict.fromkeys(key for record in records for key, value in record.items() if isinstance(value, float))
    return {name: name for name in names if name not in ("seconds", "seconds_rollout")}

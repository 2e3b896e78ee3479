"""A run that is watched while it goes on: curves that grow, samples, time left, a Stop button.

A run is an iterator of records (see `run_curves` and `run_view`). One that is resumed repeats its earlier records at
once, with "replayed": True; its first new record has "resumed_at", the step it goes on from.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import ipywidgets as widgets
import numpy as np
import plotly.graph_objects as go

from .card import Card
from .run_curves import change, curves
from .run_view import Progress, RunView

REDRAW = 0.2  # seconds between two redraws, at least
SAMPLES = 2.0  # the same for the samples, which want to be read
PATIENCE = 20  # a redraw may take one part in so many of the time: the training needs the processor


def seconds_left(records: Sequence[Mapping[str, Any]], total: int | None) -> float | None:
    """What the remaining steps will take if they go like the last five; None if nothing tells that."""
    recent = [r["seconds"] for r in records[-5:] if r.get("seconds") is not None and not r.get("replayed")]
    if not (recent and total):
        return None
    return max(0, total - records[-1]["step"]) * float(np.median(recent))


def clock(seconds: float) -> str:
    """Minutes and seconds: 3:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


class _Driver(threading.Thread):
    """Takes the records of a run in a thread of its own, and closes the run between two records when `stop` is set.

    One thread from the first record to the close: torch keeps a team of threads for each thread that computes.
    """

    def __init__(self, run: Iterator[Mapping[str, Any]], on_end: Callable[[], None]) -> None:
        super().__init__(name="run", daemon=True)
        self.source, self.on_end = run, on_end
        self.arrived: list[Mapping[str, Any]] = []
        self.stop = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self.complete = False
        self.context = contextvars.copy_context()  # what the run prints goes to the cell that started it

    def run(self) -> None:
        """Take all records; what is raised is kept as `error`."""
        try:
            self.context.run(self._take)
        except BaseException as error:  # whatever it is, it belongs to the cell
            self.error = error
        self.on_end()

    def _take(self) -> None:
        while not self.stop.is_set():
            try:
                self.arrived.append(next(self.source))
            except StopIteration as end:
                self.result, self.complete = end.value, True
                return
        if hasattr(self.source, "close"):
            self.source.close()


class LiveRun:
    """A run that is watched while it goes on.

        run = LiveRun("PPO", {"reward": "proxy reward, sd", "kl": "KL to the reference, nats"}, total=config.updates)
        display(run.view)
        result = await run.follow(stages.ppo(...))

    `records` are those so far; `outcome` is "waiting", "running", "finished", "stopped" (by the button), "interrupted"
    (by the kernel) or "failed".

    Args:
        title: What the run is called.
        panels: Measure -> axis title.
        total: How many steps there will be, if that is known.
        unit: What a step is called.
        window: How many values the curves' mean is of.
        guides: Measure -> value of a dotted line.
        finding: Makes the final title from the records.
    """

    def __init__(
        self,
        title: str,
        panels: Mapping[str, str],
        total: int | None = None,
        *,
        unit: str = "update",
        window: int = 5,
        guides: Mapping[str, float] | None = None,
        finding: Callable[[list[Mapping[str, Any]]], str] | None = None,
    ) -> None:
        self.title, self.total, self.unit, self.finding = title, total, unit, finding
        self.records: list[Mapping[str, Any]] = []
        self.outcome = "waiting"
        self._driver: _Driver | None = None
        self._panels = dict(panels)
        self._curves = partial(curves, panels=panels, total=total, unit=unit, window=window, guides=guides)
        self._parts = RunView(self._curves, panels, window, unit)
        self._progress = Progress(step=0, total=total or 0, running=False, words="not started")
        self._button = widgets.Button(
            description="Stop", icon="stop", disabled=True, tooltip=f"End the run after this {unit}"
        )
        self._button.on_click(lambda _: self.stop())
        bar = widgets.HBox([self._button, self._progress])
        self.view = Card(
            title,
            [bar, self._parts.chart, self._parts.samples],
            lambda: self._headline() if self.records else f"{title}: run this cell to watch it",
            lambda: self.figure() if self.records else None,
        )

    async def follow(self, records: Iterable[Mapping[str, Any]]) -> Any:
        """Take all records and show them.

        The run has a thread of its own, so the Stop button and the kernel's interrupt work: both close the generator
        after the record that it is busy with, and the cell then ends normally.

        Returns:
            What the generator returns, or None if it was stopped.

        Raises:
            RuntimeError: This view follows a run already.
            BaseException: Whatever the run raises.
        """
        if self.outcome == "running":
            raise RuntimeError(f"{self.title} is running already: wait for it, or stop it")
        loop = asyncio.get_running_loop()
        over = loop.create_future()

        def end() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(over.set_result, None)

        driver = self._driver = _Driver(iter(records), end)
        self._begin()
        driver.start()
        how, pause = "stopped", REDRAW
        while not over.done():
            try:
                await asyncio.wait({over}, timeout=pause)
                pause = max(REDRAW, PATIENCE * self._show(driver))
            except (KeyboardInterrupt, asyncio.CancelledError):
                how = "interrupted"
                self.stop()
            except Exception:  # of the view: it must leave no run behind that nobody watches
                driver.stop.set()
                await asyncio.wait({over})
                driver.join()
                self.outcome = "failed"
                raise
        driver.join()
        self.outcome = "failed" if driver.error else "finished" if driver.complete else how
        self._end(driver)
        if driver.error is not None:
            raise driver.error
        return driver.result

    def play(self, records: Iterable[Mapping[str, Any]]) -> Any:
        """Do what `follow` does where no event loop runs, as in a script."""
        return asyncio.run(self.follow(records))

    def stop(self) -> None:
        """End the run after the record that it is busy with."""
        if self.outcome == "running" and self._driver and not self._driver.stop.is_set():
            self._driver.stop.set()
            self._button.disabled = True
            self._announce(f"stopping after this {self.unit}")

    def figure(self) -> go.Figure:
        """The curves so far, as a figure without a widget."""
        return self._curves(self.records, title=self._headline())

    def _begin(self) -> None:
        self.records, self.outcome, self._tenth = [], "running", 0
        self._shown_at = -math.inf
        self._button.disabled = False
        self._parts.samples.update(hold=True)
        self._parts.draw([], f"{self.title}: running")
        self._announce("started")

    def _show(self, driver: _Driver) -> float:
        """Show what has arrived since the last time; returns the seconds that this took."""
        started = time.perf_counter()
        arrived = driver.arrived[len(self.records) :]
        if not arrived:
            return 0.0
        self.records += arrived
        due = started - self._shown_at >= SAMPLES
        self._shown_at = started if due else self._shown_at
        self._parts.draw(self.records, f"{self.title}: {self._where()}", samples=due)
        if not driver.stop.is_set():
            self._progress.update(words=self._so_far(), step=self._step)
            if self.total and (tenth := 10 * self._step // self.total) > self._tenth:
                self._tenth = tenth
                self.view.announce(f"{self.title}: {self._so_far()}")
        return time.perf_counter() - started

    def _end(self, driver: _Driver) -> None:
        self._show(driver)
        self._button.disabled = True
        self._parts.samples.update(hold=False)
        self._parts.draw(self.records, self._headline())
        self._announce(self._outcome(driver.error))
        self.view.refresh()

    def _announce(self, words: str) -> None:
        self._progress.update(words=words, step=self._step, running=self.outcome == "running")
        self.view.announce(f"{self.title}: {words}")

    @property
    def _step(self) -> int:
        return self.records[-1]["step"] if self.records else 0

    def _where(self) -> str:
        return f"{self.unit} {self._step}" + (f" of {self.total}" if self.total else "")

    def _so_far(self) -> str:
        left = seconds_left(self.records, self.total)
        resumed = next((r["resumed_at"] for r in reversed(self.records) if r.get("resumed_at") is not None), None)
        parts = [
            self._where(),
            f"{clock(left)} left" if left is not None else "",
            f"resumed at {resumed}" if resumed is not None else "",
        ]
        return " · ".join(filter(None, parts))

    def _outcome(self, error: BaseException | None) -> str:
        if self.outcome == "finished":
            taken = sum(r.get("seconds") or 0 for r in self.records if not r.get("replayed"))
            return f"finished: {self._where()}" + (f" in {clock(taken)}" if taken else "")
        place = f"at {self.unit} {self._step}" if self.records else f"before the first {self.unit}"
        if self.outcome == "failed":
            return f"failed {place}: {type(error).__name__}: {error}"
        return f"{self.outcome} {place}; run the cell again to go on"

    def _headline(self) -> str:
        """The title: what the run found, or how far it is."""
        if not self.records:
            return f"{self.title}: no {self.unit} yet"
        if self.outcome == "running":
            return f"{self.title}: {self._where()}"
        measure, axis = next(iter(self._panels.items()))
        found = self.finding(self.records) if self.finding else change(self.records, measure, axis)
        return f"{self.title}: {found} ({self._where()})"

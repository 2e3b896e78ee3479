"""A run in a notebook cell: curves that grow, samples, time left, a Stop button; live, or replayed from a recording.

A run is an iterator of records, one dict a step: "step", measures (floats), "seconds", and optionally "watched" (the
same prompts each time) or "samples" (new ones), dicts with prompt, completion, reward (the proxy's), and perhaps gold,
before (an earlier completion), before_reward and before_gold. A resumed run repeats its earlier records at once, with
"replayed": True; its first new record has "resumed_at", the step it goes on from.
"""

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
import pandas as pd
import plotly.graph_objects as go

from .card import FED, GRAY, INK, Card, Chart, Fed, framed, number
from .ppo import PANELS as PPO_PANELS
from .text import as_label

PANELS: Mapping[str, Mapping[str, str]] = {  # stage: measure: axis title
    "ppo": PPO_PANELS,
    "reward_model": {"loss": "loss, nats a pair", "accuracy": "accuracy on the batch"},
    "dpo": {
        "loss": "loss, nats a pair",
        "accuracy": "pairs right, share of the batch",
        "chosen_reward": "implicit reward of the chosen",
        "rejected_reward": "implicit reward of the rejected",
    },
    "sft": {"loss": "loss, nats a token", "token_accuracy": "next token right, share"},
}
REDRAW = 0.2  # seconds between two redraws, at least
SAMPLES = 2.0  # the same for the samples, which want to be read
PATIENCE = 20  # a redraw may take one part in so many of the time: the training needs the processor
SHORT = 90  # characters of a prompt that are shown unopened

# --- Figures and words --------------------------------------------------------


def series(records: Sequence[Mapping], measure: str, window: int = 5) -> pd.DataFrame:
    """Columns step, value and mean (of the last `window` values): the records that have a finite `measure`."""
    known = [r for r in records if r.get(measure) is not None and math.isfinite(r[measure])]
    rows = [(r["step"], float(r[measure])) for r in known]
    frame = pd.DataFrame(rows, columns=["step", "value"]).astype({"value": float})
    return frame.assign(mean=frame["value"].rolling(window, min_periods=1).mean()).round(4)


def curves(
    records: Sequence[Mapping],
    panels: Mapping[str, str],
    total: int | None = None,
    *,
    title: str = "",
    unit: str = "update",
    window: int = 5,
    guides: Mapping[str, float] | None = None,
) -> go.Figure:
    """A panel for each measure: each record a dot, and the mean of the last `window` as a line; dotted where resumed.

    panels: measure -> axis title. total: how many steps the run will have. guides: measure -> value of a dotted line.
    """
    traces, layout = [], {}
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    wide, high = (1 - 0.13 * (columns - 1)) / columns, (1 - 0.16 * (rows - 1)) / rows
    resumed = {r["resumed_at"] for r in records if r.get("resumed_at") is not None}
    dotted = {"dash": "dot", "color": GRAY}
    shapes = []
    for place, (measure, axis) in enumerate(panels.items()):
        row, column, n = place // columns, place % columns, place + 1 if place else ""
        left, top = column * (wide + 0.13), 1 - row * (high + 0.16)
        layout[f"xaxis{n}"] = {
            "domain": [left, left + wide],
            "anchor": f"y{n}",
            "range": [0, total + 1] if total else None,
        }
        layout[f"yaxis{n}"] = {"domain": [max(0, top - high), top], "anchor": f"x{n}"}
        layout[f"yaxis{n}"] |= {"title": {"text": as_label(axis)}}
        frame = series(records, measure, window)
        common = {"x": frame["step"], "xaxis": f"x{n}", "yaxis": f"y{n}", "showlegend": not place}
        dots = {"y": frame["value"], "mode": "markers", "marker": {"color": GRAY, "size": 5, "opacity": 0.6}}
        line = {"y": frame["mean"], "mode": "lines", "line": {"color": INK[place % len(INK)], "width": 3}}
        traces += [
            go.Scatter(**common, **dots, name=as_label(unit), legendgroup="one"),
            go.Scatter(**common, **line, name=f"mean of {window}", legendgroup="mean"),
        ]
        for step in resumed:
            ends = {"x0": step + 0.5, "x1": step + 0.5, "y0": 0, "y1": 1}
            shapes.append({"type": "line", "xref": f"x{n}", "yref": f"y{n} domain", "line": dotted} | ends)
        if guides and measure in guides:
            ends = {"x0": 0, "x1": 1, "y0": round(guides[measure], 4), "y1": round(guides[measure], 4)}
            shapes.append({"type": "line", "xref": f"x{n} domain", "yref": f"y{n}", "line": dotted} | ends)
    figure = framed(go.Figure(traces), title, "", "", height=140 + 200 * rows)
    bottom = {f"xaxis{n + 1 if n else ''}": {"title": {"text": as_label(unit)}} for n in range(len(panels))[-columns:]}
    return figure.update_layout(layout).update_layout(bottom, shapes=shapes)


def change(records: Sequence[Mapping], measure: str, label: str) -> str:
    """How a measure ("name, unit") went, from the mean of its first five records to that of its last five."""
    values = series(records, measure)["value"]
    name, _, unit = label.partition(", ")
    if values.empty:
        return f"{name} not measured"
    return f"{name} {values.head(5).mean():.2f} to {values.tail(5).mean():.2f} {unit}".rstrip()


def seconds_left(records: Sequence[Mapping], total: int | None) -> float | None:
    """What the remaining steps will take if they go like the last five; None if nothing tells."""
    recent = [r["seconds"] for r in records[-5:] if r.get("seconds") is not None and not r.get("replayed")]
    if not (recent and total):
        return None
    return max(0, total - records[-1]["step"]) * float(np.median(recent))


def clock(seconds: float) -> str:
    """Minutes and seconds: 3:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def samples_of(records: Sequence[Mapping]) -> tuple[int, Sequence[Mapping]]:
    """The latest samples, of prompts that are watched if there are such, and the step they are of; (0, []) if none."""
    for key in ("watched", "samples"):
        for record in reversed(records):
            if record.get(key):
                return record["step"], record[key]
    return 0, []


def sample_table(samples: Sequence[Mapping]) -> tuple[list[str], list[dict]]:
    """Headings, and a row {short, prompt, cells} for each sample; `before` and `gold` only where a sample has them."""
    before, gold = (any(sample.get(key) is not None for sample in samples) for key in ("before", "gold"))
    headings = ["prompt", *["before"] * before, "now", "proxy reward", *["gold reward"] * gold]
    rows = []
    for sample in samples:
        texts = [sample.get("before")] * before + [sample["completion"]]
        cells = [str(text or "").strip() or "(nothing)" for text in texts]
        cells += [_rewards(sample, name) for name in ["reward"] + ["gold"] * gold]
        line = " ".join(str(sample["prompt"]).split())
        short = line if len(line) <= SHORT else line[:SHORT].rstrip() + "…"
        rows.append({"short": short, "prompt": str(sample["prompt"]), "cells": cells})
    return headings, rows


def _rewards(sample: Mapping, name: str) -> str:
    """A reward, after the one that the completion before had if that is known."""
    before, now = sample.get(f"before_{name}"), number(sample.get(name))
    return now if before is None else f"{number(before)} → {now}"


# --- Parts of the view --------------------------------------------------------


class Progress(Fed):
    """A bar and what it says in words. State: step, total (0: unknown), running, words."""

    _esm = (
        FED
        + """
    export default fed(el => {
      el.classList.add("rlhf-progress");
      const bar = node("progress", el), line = node("span", el);
      bar.setAttribute("aria-label", "progress of the run");
      return {
        draw({ step, total, running, words }) {
          bar.max = total || 1;
          if (total || !running) bar.value = total ? step : 0;
          else bar.removeAttribute("value");
          line.textContent = words;
        },
      };
    });
    """
    )
    _css = """
    .rlhf-progress { display: flex; flex-wrap: wrap; gap: 4px 12px; align-items: center; flex: 1; }
    .rlhf-progress progress { width: 200px; height: 14px; accent-color: var(--jp-brand-color1, #1565c0); }
    .rlhf-progress span { color: var(--jp-content-font-color1, #000); font-variant-numeric: tabular-nums; }
    """


class Samples(Fed):
    """A table of samples, all text shown as text. State: caption, headings, rows (as from `sample_table`), hold.

    With `hold`, which is on while a run goes on, an opened prompt keeps the table as it is, so that it can be read.
    """

    _esm = (
        FED
        + """
    export default fed(el => {
      el.classList.add("rlhf-samples");
      const table = node("table", el);
      const caption = node("caption", table), head = node("tr", node("thead", table)), body = node("tbody", table);
      const lines = [];  // kept and refilled: a new table would close what the reader opened, and lose the focus
      let state, shown = "";
      const line = () => {
        const row = node("tr", body), details = node("details", node("td", row));
        const made = { row, short: node("summary", details), prompt: node("div", details) };
        made.short.dir = made.prompt.dir = "auto";
        details.addEventListener("toggle", draw);
        return made;
      };
      function draw() {
        if (state.hold && body.querySelector("details[open]")) {
          caption.textContent = shown + " (held while a prompt is open)";
          return;
        }
        caption.textContent = shown = state.caption;
        table.hidden = state.rows.length === 0;
        head.replaceChildren();
        state.headings.forEach(heading => { node("th", head, heading).scope = "col"; });
        while (lines.length < state.rows.length) lines.push(line());
        while (lines.length > state.rows.length) lines.pop().row.remove();
        state.rows.forEach(({ short, prompt, cells }, i) => {
          lines[i].short.textContent = short;
          lines[i].prompt.textContent = prompt;
          while (lines[i].row.children.length > 1) lines[i].row.lastChild.remove();
          cells.forEach(text => { node("td", lines[i].row, text).dir = "auto"; });
        });
      }
      return { draw(news) { state = news; draw(); } };
    });
    """
    )
    _css = """
    .rlhf-samples { overflow-x: auto; }
    .rlhf-samples table { width: 100%; border-collapse: collapse; line-height: 1.4;
      color: var(--jp-content-font-color1, #000); font-size: var(--jp-ui-font-size1, 13px); }
    .rlhf-samples caption { text-align: left; padding: 6px; font-weight: bold; }
    .rlhf-samples th, .rlhf-samples td { text-align: start; vertical-align: top; padding: 4px 8px;
      border-top: 1px solid var(--jp-border-color1, #bbb); white-space: pre-wrap; overflow-wrap: anywhere; }
    .rlhf-samples th { white-space: normal; overflow-wrap: normal; }
    .rlhf-samples td:first-child { width: 32%; }
    .rlhf-samples summary { cursor: pointer; }
    .rlhf-samples details div { padding: 6px 0 0 14px; }
    """


class RunView:
    """Curves and samples of a run up to its latest record: what a live run and a replay have in common.

    figure: makes the curves from (records, title=...). panels, window: those of the curves. unit: a step's name.
    """

    def __init__(self, figure: Callable[..., go.Figure], panels: Iterable[str], window: int, unit: str) -> None:
        self.figure, self.panels, self.window, self.unit = figure, tuple(panels), window, unit
        self.chart = Chart(figure([], title=""))
        self.samples = Samples(caption="", headings=[], rows=[], hold=False)
        self._resumptions = 0

    def draw(self, records: Sequence[Mapping], title: str, *, samples: bool = True) -> None:
        """Show these records; `samples`: the table too."""
        resumptions = sum(r.get("resumed_at") is not None for r in records)
        if resumptions != self._resumptions:  # a new figure takes 50 times as long as new data for the old one
            self._resumptions = resumptions
            self.chart.show(self.figure(records, title=title))
        frames = [series(records, measure, self.window) for measure in self.panels]
        self.chart.refill([(f["step"], f[column]) for f in frames for column in ("value", "mean")], title)
        if samples:
            step, latest = samples_of(records)
            headings, rows = sample_table(latest)
            self.samples.tell(headings=headings, rows=rows, caption=f"Samples of {self.unit} {step}" if rows else "")


# --- Live ---------------------------------------------------------------------


class _Driver(threading.Thread):
    """Takes the records of a run in a thread of its own, and closes the run between two records when told to.

    One thread from the first record to the close: torch keeps a team of threads for each thread that computes.
    """

    def __init__(self, run: Iterator[Mapping], over: Callable[[], None]) -> None:
        super().__init__(name="run", daemon=True)
        self.source, self.over = run, over
        self.arrived: list[Mapping] = []
        self.stop = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self.complete = False
        self.context = contextvars.copy_context()  # what the run prints goes to the cell that started it

    def run(self) -> None:
        try:
            self.context.run(self._take)
        except BaseException as error:  # whatever it is, it belongs to the cell
            self.error = error
        self.over()

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

    panels: measure -> axis title. total: how many steps there will be, if that is known. unit: what a step is called.
    guides: measure -> value of a dotted line. finding: makes the final title from the records.

    `records` are those so far; `outcome` is "waiting", "running", "finished", "stopped" (by the button), "interrupted"
    (by the kernel) or "failed".
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
        finding: Callable[[list[Mapping]], str] | None = None,
    ) -> None:
        self.title, self.total, self.unit, self.finding = title, total, unit, finding
        self.records: list[Mapping] = []
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

    async def follow(self, records: Iterable[Mapping]) -> Any:
        """Take all records and show them; return what the generator returns, or None if it was stopped.

        The run has a thread of its own, so the Stop button and the kernel's interrupt work: both close the generator
        after the record that it is busy with, and the cell then ends normally. What the run raises is raised here.
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
                pause = max(REDRAW, PATIENCE * self._show())
            except (KeyboardInterrupt, asyncio.CancelledError):
                how = "interrupted"
                self.stop()
            except Exception:  # of the view: it must leave no run behind that nobody watches
                driver.stop.set()
                await asyncio.wait({over})
                self.outcome = "failed"
                raise
        driver.join()
        self.outcome = "failed" if driver.error else "finished" if driver.complete else how
        self._end(driver.error)
        if driver.error is not None:
            raise driver.error
        return driver.result

    def play(self, records: Iterable[Mapping]) -> Any:
        """`follow` where no event loop runs, as in a script."""
        return asyncio.run(self.follow(records))

    def stop(self) -> None:
        """End the run after the record that it is busy with."""
        if self.outcome == "running" and not self._driver.stop.is_set():
            self._driver.stop.set()
            self._button.disabled = True
            self._tell(f"stopping after this {self.unit}")

    def figure(self) -> go.Figure:
        """The curves so far, as a figure without a widget."""
        return self._curves(self.records, title=self._headline())

    def _begin(self) -> None:
        self.records, self.outcome, self._said = [], "running", 0
        self._shown_at = -math.inf
        self._button.disabled = False
        self._parts.samples.tell(hold=True)
        self._parts.draw([], f"{self.title}: running")
        self._tell("started")

    def _show(self) -> float:
        """Show what has arrived since the last time; returns the seconds that this took."""
        started = time.perf_counter()
        arrived = self._driver.arrived[len(self.records) :]
        if not arrived:
            return 0.0
        self.records += arrived
        due = started - self._shown_at >= SAMPLES
        self._shown_at = started if due else self._shown_at
        self._parts.draw(self.records, f"{self.title}: {self._where()}", samples=due)
        if not self._driver.stop.is_set():
            self._progress.tell(words=self._so_far(), step=self._step)
            if self.total and (tenth := 10 * self._step // self.total) > self._said:
                self._said = tenth
                self.view.say(f"{self.title}: {self._so_far()}")
        return time.perf_counter() - started

    def _end(self, error: BaseException | None) -> None:
        self._show()
        self._button.disabled = True
        self._parts.samples.tell(hold=False)
        self._parts.draw(self.records, self._headline())
        self._tell(self._outcome(error))
        self.view.refresh()

    def _tell(self, words: str) -> None:
        self._progress.tell(words=words, step=self._step, running=self.outcome == "running")
        self.view.say(f"{self.title}: {words}")

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

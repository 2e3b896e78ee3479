"""Parts of the view of a run, live or replayed: its progress, curves and samples.

A record's samples are "watched" (the same prompts each time) or "samples" (new ones): dicts with prompt, completion,
reward (the proxy's), and perhaps gold, before (an earlier completion), before_reward and before_gold.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from .chart import Chart
from .run_curves import series
from .state_view import STATE_VIEW, StateView
from .text import number

SHORT = 90  # characters of a prompt that are shown unopened


def samples_of(records: Sequence[Mapping[str, Any]]) -> tuple[int, Sequence[Mapping[str, Any]]]:
    """The latest samples, those of watched prompts if there are any, and their step; (0, []) if there are none.

    Returns:
        (step, samples)
    """
    for key in ("watched", "samples"):
        for record in reversed(records):
            if record.get(key):
                return record["step"], record[key]
    return 0, []


def sample_table(samples: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[dict[str, Any]]]:
    """The samples as a table for `Samples`; with `before` and `gold` only where a sample has them.

    Returns:
        The headings, and a row for each sample: {"short": the prompt in one line, "prompt": ..., "cells": texts}.
    """
    before, gold = (any(sample.get(key) is not None for sample in samples) for key in ("before", "gold"))
    headings = ["prompt", *["before"] * before, "now", "reward", *["gold reward"] * gold]
    rows = []
    for sample in samples:
        texts = [sample.get("before")] * before + [sample["completion"]]
        cells = [str(text or "").strip() or "(nothing)" for text in texts]
        cells += [_rewards(sample, name) for name in ["reward"] + ["gold"] * gold]
        line = " ".join(str(sample["prompt"]).split())
        short = line if len(line) <= SHORT else line[:SHORT].rstrip() + "…"
        rows.append({"short": short, "prompt": str(sample["prompt"]), "cells": cells})
    return headings, rows


def _rewards(sample: Mapping[str, Any], name: str) -> str:
    """A reward, after the one that the completion before had if that is known."""
    before, now = sample.get(f"before_{name}"), number(sample.get(name))
    return now if before is None else f"{number(before)} → {now}"


class Progress(StateView):
    """A bar, and the same in words. State: step, total (0: unknown), running, words."""

    _esm = (
        STATE_VIEW
        + """
    export default stateView(el => {
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


class Samples(StateView):
    """A table of samples, all text shown as text. State: caption, headings, rows (as from `sample_table`), hold.

    With `hold`, which is on while a run goes on, an opened prompt keeps the table as it is, so that it can be read.
    """

    _esm = (
        STATE_VIEW
        + """
    export default stateView(el => {
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
      return { draw(changed) { state = changed; draw(); } };
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

    Args:
        figure: Makes the curves from (records, title=...).
        panels: The measures of the curves, in their order.
        window: How many values the curves' mean is of.
        unit: What a step is called.
    """

    def __init__(self, figure: Callable[..., go.Figure], panels: Iterable[str], window: int, unit: str) -> None:
        self.figure, self.panels, self.window, self.unit = figure, tuple(panels), window, unit
        self.chart = Chart(figure([], title=""))
        self.samples = Samples(caption="", headings=[], rows=[], hold=False)
        self._resumptions = 0

    def draw(self, records: Sequence[Mapping[str, Any]], title: str, *, samples: bool = True) -> None:
        """Show these records; without `samples`, the table stays as it is."""
        resumptions = sum(r.get("resumed_at") is not None for r in records)
        if resumptions != self._resumptions:  # a new figure takes 50 times as long as new data for the old one
            self._resumptions = resumptions
            self.chart.show(self.figure(records, title=title))
        frames = [series(records, measure, self.window) for measure in self.panels]
        self.chart.refill([(f["step"], f[column]) for f in frames for column in ("value", "mean")], title)
        if samples:
            step, latest = samples_of(records)
            headings, rows = sample_table(latest)
            self.samples.update(headings=headings, rows=rows, caption=f"Samples of {self.unit} {step}" if rows else "")

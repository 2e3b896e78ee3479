"""The curves of a run's records, and what they say in words.

A record is a dict, one a step: "step", measures (floats), "seconds", and what `run_view` and `live` say of it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from .ppo import PANELS as PPO_PANELS
from .style import BLUE, GRAY, GREEN, INK, MAGENTA, OCHER, PALETTE, PURPLE, ROSE, styled
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

COLOR_OF = {  # a measure has one color in all figures
    "reward": BLUE,
    "gold": GREEN,
    "kl": MAGENTA,
    "entropy": OCHER,
    "explained_variance": PURPLE,
    "response_tokens": PALETTE[7],
    "value_loss": ROSE,
    "ended": PALETTE[6],
}


def series(records: Sequence[Mapping[str, Any]], measure: str, window: int = 5) -> pd.DataFrame:
    """A measure as a table with the columns step, value and mean (of the `window` values around it).

    At both ends it is the mean of the first or last `window` values, as titles give it. Records that have no finite
    `measure` are left out.
    """
    known = [r for r in records if r.get(measure) is not None and math.isfinite(r[measure])]
    rows = [(r["step"], float(r[measure])) for r in known]
    frame = pd.DataFrame(rows, columns=["step", "value"]).astype({"value": float})
    window = max(1, min(window, len(frame)))
    mean = frame["value"].rolling(window, center=True, min_periods=window).mean()
    return frame.assign(mean=mean.bfill().ffill()).round(4)


def curves(
    records: Sequence[Mapping[str, Any]],
    panels: Mapping[str, str],
    total: int | None = None,
    *,
    title: str = "",
    unit: str = "update",
    window: int = 5,
    guides: Mapping[str, float] | None = None,
    columns: int = 2,
) -> go.Figure:
    """A panel for each measure: each record a dot, and the mean around it as a line; dotted where resumed.

    Args:
        records: Those of the run so far.
        panels: Measure -> axis title.
        total: How many steps the run will have, if that is known.
        title: The finding.
        unit: What a step is called.
        window: How many values the mean is of.
        guides: Measure -> value of a dotted line.
        columns: How many panels stand side by side; with three or more they are lower.
    """
    traces: list[go.Scatter] = []
    layout: dict[str, dict[str, Any]] = {}
    columns = min(columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    gap = 0.13 if columns < 3 else 0.12
    wide, high = (1 - gap * (columns - 1)) / columns, (1 - 0.16 * (rows - 1)) / rows
    resumed = {r["resumed_at"] for r in records if r.get("resumed_at") is not None}
    dotted = {"dash": "dot", "color": GRAY}
    shapes = []
    for place, (measure, axis) in enumerate(panels.items()):
        row, column, n = place // columns, place % columns, place + 1 if place else ""
        left, top = column * (wide + gap), 1 - row * (high + 0.16)
        layout[f"xaxis{n}"] = {
            "domain": [left, left + wide],
            "anchor": f"y{n}",
            "range": [0, total + 1] if total else None,
        }
        layout[f"yaxis{n}"] = {"domain": [max(0, top - high), top], "anchor": f"x{n}"}
        layout[f"yaxis{n}"] |= {"title": {"text": as_label(axis), "standoff": 4}}
        frame = series(records, measure, window)
        common = {"x": frame["step"], "xaxis": f"x{n}", "yaxis": f"y{n}", "showlegend": not place}
        dots = {"y": frame["value"], "mode": "markers", "marker": {"color": GRAY, "size": 4}}
        line = {
            "y": frame["mean"],
            "mode": "lines",
            "line": {"color": COLOR_OF.get(measure, INK[place % len(INK)]), "width": 3},
        }
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
    figure = styled(go.Figure(traces), title, "", "", height=140 + (200 if columns < 3 else 150) * rows)
    bottom = {f"xaxis{n + 1 if n else ''}": {"title": {"text": as_label(unit)}} for n in range(len(panels))[-columns:]}
    return figure.update_layout(layout).update_layout(bottom, shapes=shapes)


def change(records: Sequence[Mapping[str, Any]], measure: str, label: str) -> str:
    """How a measure went, in words: from the mean of its first five records to that of its last five.

    `label` is its name, or "name, unit".
    """
    values = series(records, measure)["value"]
    name, _, unit = label.partition(", ")
    if values.empty:
        return f"{name} not measured"
    return f"{name} {values.head(5).mean():.2f} to {values.tail(5).mean():.2f} {unit}".rstrip()

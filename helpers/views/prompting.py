"""Figures of lab 04: next tokens, learning from examples, decoding, and the grid as a heat map."""

import textwrap
from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from .style import COLORS, DASHES, MARKERS, MARKS, PALETTE, error_bars, styled
from .text import as_label

NAMES = {"base": "base", "sft": "SFT", "ppo": "PPO", "dpo": "DPO"}
LIGHT_TO_DARK = [[0, "#f7f7f7"], [1, "#56A5D6"]]  # black text can be read on all of it
CHANGES = {"up": "▲", "down": "▼"}  # a verdict's mark in the heat map
ROW, GAP = 26, 34  # pixels: a row of the heat map, and between two of its panels
SYMBOLS = ("circle", "square", "diamond", "x", "triangle-up", "cross")


def next_token_bars(frame: pd.DataFrame, title: str) -> go.Figure:
    """Next-token probabilities as bars, one color and pattern a decoding.

    Args:
        frame: Columns token, decoding, probability.
        title: The finding.
    """
    figure = go.Figure()
    patterns = ("", "/", ".", "x", "-")
    for i, (name, rows) in enumerate(frame.groupby("decoding", sort=False)):
        figure.add_bar(
            x=rows["token"].map(escape), y=rows["probability"], name=as_label(str(name)),
            marker={"color": PALETTE[i % len(PALETTE)], "pattern_shape": patterns[i % 5]},
        )  # fmt: skip
    styled(figure, title, "next token", "probability")
    return figure.update_xaxes(type="category")


def accuracy_by_examples(frame: pd.DataFrame, title: str) -> go.Figure:
    """Accuracy against the number of examples in the prompt, a line for each model.

    Args:
        frame: Columns model, k, estimate, low, high.
        title: The finding.
    """
    figure = go.Figure()
    for place, (model, rows) in enumerate(frame.groupby("model", sort=False)):
        name = str(model)
        ink, dash, symbol = _look(name, place)
        figure.add_scatter(
            x=rows["k"].astype(str), y=rows["estimate"].round(3), name=escape(NAMES.get(name, name)),
            mode="lines+markers", error_y=error_bars(rows),
            line={"color": ink, "dash": dash, "width": 2.5}, marker={"symbol": symbol, "size": 9},
        )  # fmt: skip
    styled(figure, title, "examples in the prompt (k)", "accuracy (share right)")
    return figure.update_xaxes(type="category").update_yaxes(range=[-0.03, 1.05])


def reward_against_diversity(frame: pd.DataFrame, title: str) -> go.Figure:
    """One point a way of decoding, with 95 % intervals.

    Args:
        frame: Columns decoding, gold, gold_low, gold_high, diversity, diversity_low, diversity_high.
        title: The finding.
    """
    figure = go.Figure()
    for i, row in enumerate(frame.to_dict("records")):
        one = pd.DataFrame([row])
        figure.add_scatter(
            x=one["diversity"], y=one["gold"], name=as_label(row["decoding"]), mode="markers",
            error_x=error_bars(one, 3, "diversity", "diversity_low", "diversity_high"),
            error_y=error_bars(one, 3, "gold", "gold_low", "gold_high"),
            marker={"symbol": SYMBOLS[i % 6], "size": 11, "color": PALETTE[i % len(PALETTE)]},
        )  # fmt: skip
    return styled(figure, title, "diversity of four samples (0 to 1)", "gold reward (-3 to 3)", 400)


def heat_map(summary: pd.DataFrame, changes: pd.DataFrame, best: Mapping[str, float], title: str) -> go.Figure:
    """A panel for each task: its techniques (rows) by models (columns), colored by the share of the best score.

    A cell shows the estimate, and a mark where the technique changes it: up or down, beyond the interval. The interval
    is in the text under the pointer.

    Args:
        summary: As from `prompting.grid_summary.summary`.
        changes: As from `prompting.grid_summary.gains`.
        best: Task -> the highest possible score, where it is not 1.
        title: The finding.
    """
    order, models = [_in_order(summary[column]) for column in ("task", "model")]
    cells = changes[["task", "technique", "model", "verdict"]].astype(str).itertuples(index=False, name=None)
    verdicts = {(task, technique, model): verdict for task, technique, model, verdict in cells}
    panels = {task: summary[summary["task"] == task] for task in order}
    rows = [panel["technique"].nunique() for panel in panels.values()]
    height = 110 + ROW * sum(rows) + GAP * (len(rows) - 1)
    titles = [f"<b>{as_label(task)}</b>" for task in order]
    spacing = min(GAP / (height - 110), 0.9 / max(1, len(rows) - 1))
    figure = make_subplots(
        len(rows), 1, shared_xaxes=True, row_heights=rows, subplot_titles=titles, vertical_spacing=spacing
    )
    for place, (task, panel) in enumerate(panels.items(), start=1):
        figure.add_trace(_panel(panel, models, best.get(task, 1.0), verdicts), place, 1)
    styled(figure, title, "", "", height)
    figure.update_annotations(x=0, xanchor="right", xshift=-6, font_size=13)
    figure.update_xaxes(showticklabels=False, showgrid=False, fixedrange=True)
    figure.update_xaxes(side="top", tickangle=0, showticklabels=True, row=1)
    figure.update_yaxes(autorange="reversed", showgrid=False, fixedrange=True, dtick=1, ticklabelstandoff=4)
    return figure.update_layout(margin={"t": 100, "b": 10, "l": 190})


def _panel(
    panel: pd.DataFrame, models: list[str], best: float, verdicts: Mapping[tuple[str, str, str], str]
) -> go.Heatmap:
    """One task of the heat map."""

    def words(row: Any) -> str:
        mark = CHANGES.get(verdicts.get((row.task, row.technique, row.model), ""), "")
        return "" if pd.isna(row.estimate) else f"{row.estimate:.2f}{mark}"

    rows = panel.assign(
        share=(panel["estimate"] / best).clip(0, 1).round(3),
        words=[words(row) for row in panel.itertuples()],
        interval=[f"[{row.low:.2f}, {row.high:.2f}]" for row in panel.itertuples()],
    )
    order = _in_order(rows["technique"])
    share, text, intervals = (
        rows.pivot(index="technique", columns="model", values=value).reindex(order, columns=models)
        for value in ("share", "words", "interval")
    )
    text, intervals = text.astype(object).fillna(""), intervals.astype(object).fillna("")
    return go.Heatmap(
        z=share, x=["<br>".join(map(escape, _short(NAMES.get(name, name)))) for name in models],
        y=list(map(escape, share.index)), text=text, customdata=intervals, texttemplate="%{text}",
        textfont={"size": 12, "color": "#111"}, zmin=0, zmax=1, colorscale=LIGHT_TO_DARK,
        hovertemplate="%{x}<br>%{y}<br>%{text} %{customdata}<extra></extra>", hoverongaps=False, xgap=1, ygap=1,
        showscale=False,
    )  # fmt: skip


def _short(name: str) -> list[str]:
    """A model's name in lines that fit above a column."""
    return textwrap.wrap(name, 9, break_long_words=False) or [""]


def _in_order(values: pd.Series) -> list[str]:
    return list(dict.fromkeys(values))


def _look(name: str, place: int) -> tuple[str | None, str, str]:
    """Color, dash and symbol of a model: those that it has in every lab, or the next that no other has."""
    if name in COLORS:
        return COLORS[name], DASHES[name], MARKERS[name]
    return MARKS[place % len(MARKS)]

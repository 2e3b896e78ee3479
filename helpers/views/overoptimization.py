"""Figures and widgets of lab 05: rewards against the distance from the first policy, and the texts behind a point."""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.colors import hex_to_rgb
from plotly.subplots import make_subplots

from .card import Card
from .chart import Chart
from .explorers import LABELED
from .run_view import SHORT, Samples
from .style import GRAY, INK, MARKS, PALETTE, error_bars, styled
from .text import as_label, number

DISTANCE = "d = sqrt(KL), KL in nats"
MEASURES = {"gold": "gain in gold reward", "proxy": "gain in proxy reward, sd"}
DASH = ("solid", "dash", "dot", "dashdot", "longdash")
SYMBOLS = ("circle", "square", "diamond", "cross", "x")


# --- Curves -------------------------------------------------------------------


def curves_figure(
    curves: pd.DataFrame, title: str, fits: Mapping[str, Callable[[np.ndarray], np.ndarray]] | None = None
) -> go.Figure:
    """Gain in gold reward, and beside it in proxy reward, against d: a line with its 95 % band for each curve.

    Args:
        curves: Columns curve, at, d, measure ("gold" or "proxy"), estimate, low, high.
        title: The finding.
        fits: Curve -> fitted gold gain at d, drawn thin.
    """
    figure = styled(_panels(curves), title, "", "")
    for place, (name, fitted) in enumerate((fits or {}).items()):
        d = np.linspace(0, curves.loc[curves["curve"] == name, "d"].max(), 60)
        line = {"color": INK[place % len(INK)], "width": 1.5, "dash": "dot"}
        figure.add_scatter(
            x=d.round(3), y=fitted(d).round(3), mode="lines", line=line, name="fit", legendgroup="fit",
            showlegend=not place, row=1, col=1,
        )  # fmt: skip
    return _axes(figure).update_layout(height=420)


def _panels(curves: pd.DataFrame) -> go.Figure:
    """Bands first, in both panels; then the lines, curve by curve, gold and proxy."""
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.1)
    names = list(dict.fromkeys(curves["curve"]))
    for draw in (_band, _line):
        for place, name in enumerate(names):
            for column, measure in enumerate(MEASURES, start=1):
                rows = curves[(curves["curve"] == name) & (curves["measure"] == measure)]
                figure.add_trace(draw(rows, name, place, column == 1), row=1, col=column)
    return figure


def _band(rows: pd.DataFrame, name: str, place: int, _: bool) -> go.Scatter:
    color = f"rgba{(*hex_to_rgb(INK[place % len(INK)]), 0.13)}"
    x, y = pd.concat([rows["d"], rows["d"][::-1]]), pd.concat([rows["high"], rows["low"][::-1]])
    return go.Scatter(
        x=x.round(3), y=y.round(3), fill="toself", fillcolor=color, mode="none", hoverinfo="skip", showlegend=False,
        legendgroup=name,
    )  # fmt: skip


def _line(rows: pd.DataFrame, name: str, place: int, in_legend: bool) -> go.Scatter:
    ink = INK[place % len(INK)]
    return go.Scatter(
        x=rows["d"].round(3), y=rows["estimate"].round(3), customdata=rows["at"].map(as_label),
        name=as_label(name), legendgroup=name,
        showlegend=in_legend, mode="lines+markers", line={"color": ink, "dash": DASH[place % 5], "width": 2},
        marker={"symbol": SYMBOLS[place % 5], "size": 7, "color": ink},
        hovertemplate="%{fullData.name}, at %{customdata}<br>d = %{x:.2f}, gain %{y:.2f}<extra></extra>",
    )  # fmt: skip


def _axes(figure: go.Figure) -> go.Figure:
    figure.update_xaxes(title=DISTANCE, rangemode="tozero").add_hline(y=0, line={"color": GRAY, "width": 1})
    for column, axis in enumerate(MEASURES.values(), start=1):
        figure.update_yaxes(title=axis, row=1, col=column)
    return figure


class PointReader:
    """The curves, and the texts behind the point that is chosen: by a click on it, or from a list and a slider.

    Args:
        curves: As for `curves_figure`.
        texts: (curve, at) -> rows with prompt, before, completion, and the gold and proxy reward of the completion.
        unit: What `at` counts; empty where it says so itself.
    """

    def __init__(
        self, curves: pd.DataFrame, texts: Callable[[str, Any], Sequence[Mapping[str, Any]]], unit: str
    ) -> None:
        self.curves, self.texts, self.unit = curves, texts, unit
        names = list(dict.fromkeys(curves["curve"]))
        self._at = {name: list(dict.fromkeys(curves.loc[curves["curve"] == name, "at"])) for name in names}
        self.curve = widgets.Dropdown(options=names, description="curve", **LABELED)
        self.at = widgets.SelectionSlider(
            options=self._at[names[0]], value=self._at[names[0]][-1], description=unit, **LABELED
        )
        self.chart = Chart(self._figure())
        self.samples = Samples(**self._table())
        self.view = Card(
            "Texts behind the points",
            [self.curve, self.at, self.chart, self.samples],
            lambda: f"{self.headline}. Run this cell to choose a point and read its texts.",
            self._figure,
        )
        self.curve.observe(self._choose_curve, "value")
        self.at.observe(lambda _: self._show(), "value")
        self.chart.listen(self.click)

    def click(self, point: Sequence[int]) -> None:
        """Choose the point that was clicked: [trace, place on it], as `Chart.listen` hears it."""
        trace, place = point
        lines = 2 * len(self._at)  # before them as many bands; behind them the mark
        if lines <= trace < 2 * lines:
            name = list(self._at)[(trace - lines) // 2]
            self.curve.value = name
            self.at.value = self._at[name][place]

    @property
    def _place(self) -> str:
        return f"{self.unit} {self.at.value}".strip()

    @property
    def headline(self) -> str:
        """What is known of the chosen point, in one line."""
        gold, proxy = (self._row(measure) for measure in MEASURES)
        return (
            f"{self.curve.value}, {self._place}, d = {gold['d']:.2f}: gold {gold['estimate']:+.2f}"
            f" [{gold['low']:.2f}, {gold['high']:.2f}], proxy {proxy['estimate']:+.2f} sd"
        )

    def _row(self, measure: str) -> pd.Series:
        curves = self.curves
        chosen = (curves["curve"] == self.curve.value) & (curves["at"] == self.at.value)
        return curves[chosen & (curves["measure"] == measure)].iloc[0]

    def _figure(self) -> go.Figure:
        figure = _axes(styled(_panels(self.curves), self.headline, "", "", 430))
        for column, measure in enumerate(MEASURES, start=1):
            row = self._row(measure)
            ring = {"symbol": "circle-open", "size": 18, "color": "#000", "line": {"width": 2.5}}
            figure.add_scatter(
                x=[round(row["d"], 3)], y=[round(row["estimate"], 3)], mode="markers", marker=ring, name="chosen",
                showlegend=False, hoverinfo="skip", row=1, col=column,
            )  # fmt: skip
        return figure

    def _table(self) -> dict[str, Any]:
        rows = [
            {
                "short": textwrap.shorten(row["prompt"], SHORT, placeholder="…"),
                "prompt": row["prompt"],
                "cells": [row["before"], row["completion"], number(row["gold"]), number(row["proxy"])],
            }
            for row in self.texts(self.curve.value, self.at.value)
        ]
        headings = ["prompt", "SFT policy", "here", "gold reward", "proxy reward"]
        return {"caption": f"Texts at {self._place}", "headings": headings, "rows": rows, "hold": False}

    def _choose_curve(self, _: object) -> None:
        options = self._at[self.curve.value]
        if list(self.at.options) != options:
            self.at.options = options
            self.at.value = options[-1]
        self._show()

    def _show(self) -> None:
        self.chart.show(self._figure())
        self.samples.update(**self._table())
        self.view.announce(self.headline)

    def _ipython_display_(self) -> None:
        self.view._ipython_display_()


# --- Smaller figures ----------------------------------------------------------


def kl_figure(table: pd.DataFrame, title: str) -> go.Figure:
    """KL of best-of-n against n, by the formula and measured: columns n, formula, estimate, low, high."""
    figure = go.Figure()
    figure.add_scatter(
        x=table["n"], y=table["formula"].round(3), mode="lines", name="log n - (n - 1) / n",
        line={"color": GRAY, "dash": "dash"},
    )  # fmt: skip
    figure.add_scatter(x=table["n"], y=table["estimate"].round(3), mode="markers", name="measured, 95 % interval",
        error_y=error_bars(table), marker={"color": PALETTE[1], "symbol": "diamond", "size": 10})  # fmt: skip
    ticks = table["n"].tolist()
    styled(figure, title, "n", "KL, nats")
    return figure.update_xaxes(type="log", tickvals=ticks, ticktext=[str(n) for n in ticks])


def selection_figure(table: pd.DataFrame, title: str) -> go.Figure:
    """Mean gold reward of the best of n by a proxy against n: a line with 95 % intervals for each kind of error.

    Args:
        table: Columns error (its name), n, estimate, low, high.
        title: The finding.
    """
    figure = go.Figure()
    for (name, rows), (ink, dash, symbol) in zip(table.groupby("error", sort=False), MARKS, strict=False):
        figure.add_scatter(
            x=rows["n"].tolist(), y=rows["estimate"].round(3), error_y=error_bars(rows), name=as_label(str(name)),
            mode="lines+markers", line={"color": ink, "dash": dash, "width": 2},
            marker={"symbol": symbol, "size": 8, "color": ink},
        )  # fmt: skip
    ticks = sorted(set(table["n"]))
    styled(figure, title, "n, of which the proxy keeps one", "mean gold reward, sd", height=400)
    figure.update_yaxes(zeroline=True, zerolinecolor=GRAY)
    return figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{n:,}" for n in ticks])


def gains_figure(table: pd.DataFrame, title: str, x: str, best: float | None = None) -> go.Figure:
    """A dot with its 95 % interval for each row, from the top; 0 is no gain.

    Args:
        table: Columns name, estimate, low, high.
        title: The finding.
        x: The axis title.
        best: Where a dotted line stands, for the best that could be had.
    """
    rows = table[::-1]
    figure = go.Figure()
    figure.add_scatter(
        x=rows["estimate"].round(3), y=rows["name"].map(as_label), mode="markers", error_x=error_bars(rows),
        showlegend=False, marker={"size": 11, "color": INK[0]},
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": GRAY})
    if best is not None:
        dotted = {"color": GRAY, "dash": "dot"}
        figure.add_vline(x=round(best, 3), line=dotted, annotation_text="best update", annotation_position="bottom")
    styled(figure, title, x, "", height=150 + 34 * len(rows))
    return figure.update_yaxes(automargin=True)

"""Figures of lab 00: the map of the three stages, one reference against many answers, and the bandit."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..formulas.statistics import bootstrap_interval
from .style import COLORS, HEIGHT, LINE_DASHES, PALETTE, styled
from .text import as_label

SYMBOLS = ("circle", "square", "diamond", "x")

STAGES = (  # heading, data, training, result
    ("1  Supervised tuning", "demonstrations:<br>prompt + completion", "imitate, token by token", "SFT model"),
    (
        "2  Reward model",
        "comparisons:<br>prompt + chosen + rejected",
        "score chosen above rejected",
        "reward model",
    ),
    (
        "3  Reinforcement learning",
        "prompts alone",
        "write, be scored, write better,<br>stay near the SFT model",
        "PPO policy",
    ),
)


def stages_map() -> go.Figure:
    """The three stages of RLHF (InstructGPT's figure 2) as boxes: data, training, what comes out of it."""
    figure = go.Figure()
    figure.update_xaxes(visible=False, range=[0, 3])
    figure.update_yaxes(visible=False, range=[0, 4])
    for column, (heading, data, training, result) in enumerate(STAGES):
        middle = column + 0.5
        figure.add_annotation(x=middle, y=3.75, text=f"<b>{heading}</b>", showarrow=False, font_size=15)
        for y, text, color in ((2.9, data, PALETTE[2]), (1.75, training, "white"), (0.6, result, PALETTE[0])):
            figure.add_shape(
                type="rect", x0=middle - 0.36, x1=middle + 0.36, y0=y - 0.36, y1=y + 0.36, fillcolor=color,
                opacity=0.55, line={"color": "#444"}, layer="below",
            )  # fmt: skip
            figure.add_annotation(x=middle, y=y, text=text, showarrow=False)
        _arrow(figure, (middle, 2.54), (middle, 2.11))
        _arrow(figure, (middle, 1.39), (middle, 0.96))
    _arrow(figure, (0.86, 0.6), (1.14, 2.6), "writes the pairs")
    _arrow(figure, (1.86, 0.6), (2.14, 1.5), "scores")
    styled(figure, "Each stage needs less from people: an answer, a choice, then only a question", "", "", 380)
    return figure.update_layout(margin={"l": 10, "r": 10, "t": 60, "b": 10}, plot_bgcolor="white")


def _arrow(figure: go.Figure, start: tuple[float, float], end: tuple[float, float], text: str = "") -> None:
    figure.add_annotation(
        x=end[0], y=end[1], ax=start[0], ay=start[1], xref="x", yref="y", axref="x", ayref="y", text="",
        showarrow=True, arrowhead=2, arrowwidth=1.5, arrowcolor="#444",
    )  # fmt: skip
    if text:
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        figure.add_annotation(
            x=middle[0], y=middle[1], text=text, showarrow=False, bgcolor="white", font_size=11, textangle=-90
        )


def loss_curves(frame: pd.DataFrame, title: str) -> go.Figure:
    """Supervised loss of several texts while a model learns one of them; columns of `frame`: step, then one a text."""
    figure = go.Figure()
    for i, name in enumerate(column for column in frame.columns if column != "step"):
        figure.add_scatter(
            x=frame["step"], y=frame[name], name=as_label(name), mode="lines+markers",
            line={"dash": LINE_DASHES[i % 4], "color": PALETTE[(0, 3, 1, 2)[i % 4]], "width": 2.5},
            marker={"symbol": SYMBOLS[i % 4], "size": 6},
        )  # fmt: skip
    return styled(figure, title, "gradient step on the reference", "loss (nats a token)")


def mean_curve(values: np.ndarray, every: int = 10) -> pd.DataFrame:
    """Mean over runs of `values`, (runs, steps), with its 95 % interval, at every so many steps.

    Returns:
        A table with the columns step, estimate, low, high.
    """
    values = np.asarray(values, dtype=float)
    rows = []
    for step in range(0, values.shape[1], every):
        interval = bootstrap_interval(values[:, step], n_resamples=500)
        rows.append({"step": step, "estimate": interval.estimate, "low": interval.low, "high": interval.high})
    return pd.DataFrame(rows)


def bandit_curves(curves: dict[str, pd.DataFrame], title: str) -> go.Figure:
    """Probability of the best arm against steps, one curve a method with its interval as a band.

    Args:
        curves: Method -> table as from `mean_curve`.
        title: The finding.
    """
    figure = go.Figure()
    colors = (COLORS["sft"], COLORS["ppo"], PALETTE[3], PALETTE[2])
    for i, (name, curve) in enumerate(curves.items()):
        figure.add_scatter(
            x=[*curve["step"], *curve["step"][::-1]], y=[*curve["high"], *curve["low"][::-1]], fill="toself",
            fillcolor=colors[i % 4], opacity=0.3, line={"width": 0}, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=curve["step"], y=curve["estimate"], name=as_label(name), mode="lines+markers",
            line={"dash": LINE_DASHES[i % 4], "color": colors[i % 4], "width": 2.5},
            marker={"symbol": SYMBOLS[i % 4], "size": 7},
        )  # fmt: skip
    styled(figure, title, "step (one pull)", "probability of the best arm")
    return figure.update_yaxes(range=[0, 1.02])


def learning_rate_explorer(
    curve: Callable[[float], pd.DataFrame], rates: Sequence[float], start: float
) -> widgets.VBox:
    """A slider over learning rates that redraws the probability of the best arm.

    Args:
        curve: Learning rate -> table as from `mean_curve`.
        rates: The learning rates, from the left.
        start: The one that is shown at first.
    """
    slider = widgets.SelectionSlider(
        options=[(f"{rate:g}", rate) for rate in rates], value=start, description="learning rate",
        continuous_update=False, style={"description_width": "initial"}, layout={"width": "420px"},
    )  # fmt: skip

    def draw(rate: float) -> go.Figure:
        new = curve(rate)
        end = new["estimate"].iloc[-1]
        title = f"At a learning rate of {rate:g} the best arm ends at a probability of {end:.2f}"
        return bandit_curves({"REINFORCE": new}, title)

    figure = go.FigureWidget(draw(start))
    figure.update_layout(showlegend=False, height=HEIGHT)
    for number, trace in enumerate(figure.data):
        trace.uid = f"bandit-{number}"  # a random one would differ in every run

    def redraw(change: dict[str, Any]) -> None:
        new = draw(change["new"])
        with figure.batch_update():
            for old, trace in zip(figure.data, new.data, strict=True):
                old.x, old.y = trace.x, trace.y
            figure.layout.title.text = new.layout.title.text

    slider.observe(redraw, names="value")
    return widgets.VBox([slider, figure])

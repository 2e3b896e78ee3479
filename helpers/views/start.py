"""Lab 00: the first look at two summaries, one reference against many answers, and the bandit."""

import random
from collections.abc import Callable, Mapping, Sequence

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from IPython.display import HTML, display

from ..formulas.statistics import bootstrap_interval
from .chart import Chart
from .exercises import TEXT, ChoiceView, Panel
from .style import MARKS, styled
from .text import as_html, as_label, text_box

LEFT = 'style="text-align:left;padding:2px 12px 2px 0"'


class FirstLook:
    """A post and two summaries without their writers; an answer shows who wrote which, and what each is worth.

    Display it: the texts are HTML, so that a stored notebook shows them too, and the question is a widget below.

    Args:
        prompt: The post.
        texts: Writer -> summary, two of them; lots, the same each time, decide which is A and which is B.
        rewards: Measure -> writer -> number, the more the better.
    """

    def __init__(self, prompt: str, texts: Mapping[str, str], rewards: Mapping[str, Mapping[str, float]]) -> None:
        self.rewards = rewards
        self.writers = dict(zip("AB", random.Random(prompt).sample(list(texts), 2), strict=True))
        boxes = "".join(text_box(side, texts[writer]) for side, writer in self.writers.items())
        self.texts = HTML(
            f'<div style="max-width:60em; line-height:1.45"><div style="white-space:pre-wrap">{as_html(prompt)}</div>'
            f'<div style="display:flex; gap:1em; margin:0.6em 0">{boxes}</div></div>'
        )
        self._revealed = widgets.HTML()
        answers = [("A", self._says("A")), ("B", self._says("B")), ("Show me who wrote them", "You did not choose.")]
        self.question = ChoiceView(
            "Which one is the better TL;DR? Choose, and see who wrote it.", answers, on_choose=self._show
        )
        self.widget = Panel(
            [self.question.widget, self._revealed], "Which one is better? Not answered yet: run this cell."
        )

    def _ipython_display_(self) -> None:
        display(self.texts, self.widget)

    def _says(self, side: str) -> str:
        """What to answer to somebody who chose that side: the writer, and which reward would have chosen it too."""
        chosen, other = self.writers[side], self.writers["BA"["AB".index(side)]]
        said = [f"You chose {side}, written by the {chosen}."]
        for measure, of in self.rewards.items():
            if of[chosen] != of[other]:
                agrees = "agrees with you" if of[chosen] > of[other] else "prefers the other one"
                said.append(f"The {measure} {agrees}.")
        return " ".join(said)

    def _show(self, _: str) -> None:
        head = "".join(f"<th {LEFT}>{as_html(name)}</th>" for name in ("", "written by the", *self.rewards))
        rows = "".join(
            f"<tr><th {LEFT}>{side}</th><td {LEFT}>{as_html(writer)}</td>"
            + "".join(f"<td {LEFT}>{of[writer]:.2f}</td>" for of in self.rewards.values())
            + "</tr>"
            for side, writer in self.writers.items()
        )
        self._revealed.value = f'<table style="{TEXT}">{head}{rows}</table>'


def loss_curves(frame: pd.DataFrame, title: str) -> go.Figure:
    """Supervised loss of several texts while a model learns one of them; columns of `frame`: step, then one a text."""
    figure = go.Figure()
    for i, name in enumerate(column for column in frame.columns if column != "step"):
        color, dash, symbol = MARKS[i % len(MARKS)]
        figure.add_scatter(
            x=frame["step"], y=frame[name], name=as_label(name), mode="lines+markers",
            line={"dash": dash, "color": color, "width": 2.5}, marker={"symbol": symbol, "size": 6},
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
    for i, (name, curve) in enumerate(curves.items()):
        color, dash, symbol = MARKS[i % len(MARKS)]
        figure.add_scatter(
            x=[*curve["step"], *curve["step"][::-1]], y=[*curve["high"], *curve["low"][::-1]], fill="toself",
            fillcolor=color, opacity=0.2, line={"width": 0}, hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=curve["step"], y=curve["estimate"], name=as_label(name), mode="lines+markers",
            line={"dash": dash, "color": color, "width": 2.5}, marker={"symbol": symbol, "size": 7},
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
        return bandit_curves({"REINFORCE": new}, title).update_layout(showlegend=False)

    chart = Chart(draw(start))
    slider.observe(lambda change: chart.show(draw(change["new"])), names="value")
    return widgets.VBox([slider, chart])

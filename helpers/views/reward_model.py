"""Figures, tables and one widget on reward models: the loss, quantized weights, accuracy, scores."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from ..formulas.statistics import Interval
from .explorers import labels_figure
from .style import BLUE, PALETTE, error_bars, styled
from .text import as_html, as_label

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x")
DASHES = ("solid", "dash", "dashdot", "dot")
FROM_WRONG_TO_RIGHT = ((0.0, "#ee8866"), (0.5, "#ffffff"), (1.0, "#77aadd"))  # a coin is white
PLACES = {"reward model": 0, "gold reward": 1}  # so that each has one mark, whatever stands first


def interval_table(intervals: Mapping[str, Interval]) -> pd.DataFrame:
    """A row for each name, with estimate, low, high and n, rounded to three digits."""
    rows = {name: (i.estimate, i.low, i.high, i.n) for name, i in intervals.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "low", "high", "n"]).round(3)


def interval_points(figure: go.Figure, table: pd.DataFrame, name: str, number: int = 0, shift: float = 0.0) -> None:
    """Add points with confidence limits, one for each row of a table.

    Args:
        figure: It is changed.
        table: As from `interval_table`.
        name: In the legend.
        number: That of the color and symbol.
        shift: How many rows the points are moved up.
    """
    figure.add_scatter(
        x=table["estimate"],
        y=np.arange(len(table)) + shift,
        error_x=error_bars(table),
        mode="markers",
        marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 10, "color": PALETTE[number]},
        name=as_label(name),
    )


def _name_rows(figure: go.Figure, table: pd.DataFrame) -> None:
    """Name the rows of a figure that `interval_points` filled, the first at the top."""
    figure.update_yaxes(
        tickvals=list(range(len(table))), ticktext=[escape(str(name)) for name in table.index], autorange="reversed"
    )


# --- The loss -----------------------------------------------------------------


def loss_figure() -> go.Figure:
    """Loss of one pair, and the pull on its scores, against the difference of the two scores."""
    gap = np.linspace(-6, 6, 61)
    figure = go.Figure()
    figure.add_scatter(x=gap, y=np.logaddexp(0, -gap).round(4), name="loss, nats", mode="lines")
    figure.add_scatter(
        x=gap,
        y=(1 / (1 + np.exp(gap))).round(4),
        name="pull on each score, 1 - P",
        mode="lines",
        line={"dash": "dash"},
    )
    figure.add_vline(x=0, line={"dash": "dot", "color": "gray"})
    title = "A pair in the wrong order pulls with almost full force, a settled one hardly at all"
    return styled(figure, title, "r(chosen) - r(rejected)", "loss; pull")


# --- The model ----------------------------------------------------------------


def nf4_figure(original: ArrayLike, quantized: ArrayLike, error: float) -> go.Figure:
    """One block of 64 weights before and after 4 bits, sorted; `error` is that of the whole matrix, relative."""
    before, after = np.asarray(original, dtype=float), np.asarray(quantized, dtype=float)
    order = np.argsort(before)
    figure = go.Figure()
    figure.add_scatter(y=before[order].round(4), name="checkpoint", mode="markers", marker={"symbol": "circle-open"})
    figure.add_scatter(
        y=after[order].round(4), name="4 bits (NF4)", mode="lines", line={"shape": "hvh", "color": PALETTE[1]}
    )
    levels = len(np.unique(after))
    title = f"{len(before)} weights share {levels} values; the matrix is {error:.0%} off"
    return styled(figure, title, "weights of one block, sorted", "weight")


# --- Training -----------------------------------------------------------------


def finding(records: Sequence[Mapping[str, Any]], window: int = 5) -> str:
    """What a training run came to, in one line: means over its first and last `window` batches, as in a replay."""
    frame = pd.DataFrame(records)[["loss", "accuracy"]]
    first, last = frame.head(window).mean(), frame.tail(window).mean()
    return f"loss {first['loss']:.2f} to {last['loss']:.2f}, accuracy {first['accuracy']:.0%} to {last['accuracy']:.0%}"


# --- Accuracy -----------------------------------------------------------------


def accuracy_figure(table: pd.DataFrame, best: float, measured: str, rival: str) -> go.Figure:
    """Accuracy of each judge against the best possible; the title compares two judges.

    Args:
        table: As from `interval_table`.
        best: The best possible accuracy.
        measured: The first judge of the title.
        rival: The second one.
    """
    figure = go.Figure()
    interval_points(figure, table, "95 % interval")
    _name_rows(figure, table)
    figure.add_vline(x=best, line={"dash": "dash"}, annotation_text=f"best possible {best:.1%}")
    figure.add_vline(x=0.5, line={"dash": "dot", "color": "gray"}, annotation_text="coin")
    right = table["estimate"]
    title = f"{measured.capitalize()}: right on {right[measured]:.1%} of the pairs; {rival}: {right[rival]:.1%}"
    styled(figure, title, "accuracy on the test split", "")
    figure.update_layout(margin={"l": 190}, showlegend=False)
    return figure.update_xaxes(tickformat=".0%", range=[0.45, 1.0])


def group_figure(tables: Mapping[str, pd.DataFrame], group: str) -> go.Figure:
    """Accuracy of several judges in each group of pairs; the title speaks of the first judge.

    Args:
        tables: Judge -> table as from `interval_table`, a row for each group.
        group: What a group is.
    """
    figure = go.Figure()
    for number, (judge, table) in enumerate(tables.items()):
        interval_points(figure, table, judge, number, shift=0.2 * (number - (len(tables) - 1) / 2))
    first = next(iter(tables.values()))
    _name_rows(figure, first)
    low, high = first["estimate"].idxmin(), first["estimate"].idxmax()
    title = (
        f"{next(iter(tables)).capitalize()}: right on {first['estimate'].max():.0%} ({group}: {high}), "
        f"on {first['estimate'].min():.0%} ({low})"
    )
    styled(figure, title, "accuracy, with 95 % interval", group, height=max(280, 60 + 45 * len(first)))
    figure.update_layout(margin={"l": 150})
    return figure.update_xaxes(tickformat=".0%")


def reliability_figure(tables: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Accuracy against confidence; the title speaks of the first judge.

    Args:
        tables: Judge -> table as from `evaluation.reward_models.reliability`.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[0.5, 1], y=[0.5, 1], mode="lines", name="right as often as sure", line={"dash": "dot", "color": "gray"}
    )
    for number, (name, table) in enumerate(tables.items()):
        figure.add_scatter(
            x=table["confidence"].round(3), y=table["estimate"].round(3), name=escape(name), mode="lines+markers",
            error_y=error_bars(table), line={"dash": DASHES[number % len(DASHES)], "color": PALETTE[number]},
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 9},
            text=[f"{n} pairs" for n in table["n"]],
        )  # fmt: skip
    surest = next(iter(tables.values())).iloc[-1]
    title = f"Where it is surest, it says {surest['confidence']:.0%} and is right on {surest['estimate']:.0%}"
    styled(figure, title, "confidence, P of the text that it prefers", "accuracy, with 95 % interval")
    return figure.update_xaxes(tickformat=".0%").update_yaxes(tickformat=".0%")


def sizes_figure(tables: Mapping[str, pd.DataFrame], best: float) -> go.Figure:
    """Accuracy against the number of labels, a line for each base model.

    The title compares the first with the last one, at the most labels that both have been trained on.

    Args:
        tables: Base model -> table with labels, estimate, low, high.
        best: The best possible accuracy.
    """
    first, *_, last = (table.set_index("labels")["estimate"] for table in tables.values())
    labels = max(set(first.index) & set(last.index))
    names = list(tables)
    title = f"{labels:,} labels: {first[labels]:.1%} ({names[0]}), {last[labels]:.1%} ({names[-1]})"
    return labels_figure(tables, best, title)


def errors_figure(shares: Mapping[str, Mapping[str, Interval]]) -> go.Figure:
    """In how many pairs the text without an error scores higher, as a table of judges and kinds of error.

    The title names the judge whose lowest share is the highest.

    Args:
        shares: Judge -> kind of error -> share of pairs.
    """
    judges, kinds = list(shares), list(next(iter(shares.values())))
    cells = [[shares[judge][kind] for kind in kinds] for judge in judges]
    figure = go.Figure(
        go.Heatmap(
            x=[escape(kind).replace(" ", "<br>") for kind in kinds], y=[escape(judge) for judge in judges],
            z=[[round(cell.estimate, 3) for cell in row] for row in cells], zmin=0, zmax=1, showscale=False,
            text=[[f"{c.estimate:.0%}, 95 % interval {c.low:.0%} to {c.high:.0%}" for c in row] for row in cells],
            texttemplate="%{z:.0%}", textfont={"color": "black", "size": 13},
            hovertemplate="%{y}, %{x}: %{text}<extra></extra>",
            colorscale=FROM_WRONG_TO_RIGHT, xgap=2, ygap=2,
        )
    )  # fmt: skip
    worst = {judge: min(of, key=lambda kind: of[kind].estimate) for judge, of in shares.items()}
    best = max(judges, key=lambda judge: shares[judge][worst[judge]].estimate)
    lowest = shares[best][worst[best]]
    title = f"No judge sees every error: the best, {best}, is right on {lowest.estimate:.0%} of '{worst[best]}'"
    styled(figure, title, f"the one error; {lowest.n} pairs a cell", "", 150 + 44 * len(judges))
    figure.update_layout(margin={"l": 170, "b": 90})
    return figure.update_xaxes(tickangle=0).update_yaxes(autorange="reversed")


# --- Scores -------------------------------------------------------------------


def scores_figure(proxy: pd.DataFrame, gold: pd.DataFrame) -> go.Figure:
    """Mean reward-model score and mean gold reward of each kind of text (tables as from `interval_table`)."""
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.05)
    for column, (table, name) in enumerate(((proxy, "reward model"), (gold, "gold reward")), start=1):
        single = go.Figure()
        interval_points(single, table, name, column - 1)
        figure.add_trace(single.data[0], row=1, col=column)
    _name_rows(figure, proxy)
    agreement = proxy["estimate"].corr(gold["estimate"], method="spearman")
    best, gold_best = proxy["estimate"].idxmax(), gold["estimate"].idxmax()
    finding = "agree" if best == gold_best else "disagree"
    title = f"Reward model and gold reward {finding} on the best kind of text (rank correlation {agreement:.2f})"
    styled(figure, title, "reward-model score, sd", "")
    figure.update_layout(margin={"l": 150})
    return figure.update_xaxes(title_text="gold reward", row=1, col=2)


def normalization_figure(raw: Mapping[str, Sequence[float]], normalized: Mapping[str, Sequence[float]]) -> go.Figure:
    """Histograms of the scores of several reward models, as they come and after normalization."""
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.1)
    for column, scores in enumerate((raw, normalized), start=1):
        low = min(map(np.min, scores.values()))
        high = max(map(np.max, scores.values()))
        edges = np.linspace(low, high, 41)
        for number, (name, values) in enumerate(scores.items()):
            counts, _ = np.histogram(values, edges)
            figure.add_scatter(
                x=((edges[1:] + edges[:-1]) / 2).round(3), y=counts, row=1, col=column, name=as_label(name),
                legendgroup=name, showlegend=column == 1, mode="lines", marker={"color": PALETTE[number]},
                line={"shape": "hvh", "dash": ("solid", "dash")[number % 2]}, line_color=PALETTE[number],
            )  # fmt: skip
    means = ", ".join(f"{np.mean(values):.1f}" for values in raw.values())
    title = f"On these texts raw scores have means of {means}; normalized scores share one scale"
    styled(figure, title, "raw score", "texts")
    return figure.update_xaxes(title_text="normalized score, sd", row=1, col=2)


def best_of_n_figure(tables: Mapping[str, pd.DataFrame], kl: Sequence[float]) -> go.Figure:
    """Mean reward of the best of n against its distance from the model that drew the samples.

    Args:
        tables: Reward -> table as from `interval_table`, a row for each n, named n.
        kl: The distance for each n, in nats.
    """
    figure = go.Figure()
    for place, (name, table) in enumerate(tables.items()):
        number = PLACES.get(name, place)
        figure.add_scatter(
            x=np.round(kl, 3), y=table["estimate"], name=escape(name), mode="lines+markers", error_y=error_bars(table),
            line={"dash": DASHES[number % len(DASHES)], "color": PALETTE[number]},
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 9},
        )  # fmt: skip
    name, first = next(iter(tables.items()))
    start, end = first["estimate"].iloc[0], first["estimate"].iloc[-1]
    title = f"{name.capitalize()}: {start:.2f} with one sample, {end:.2f} with the best of {first.index[-1]}"
    styled(figure, title, "KL divergence from the model, nats (upper bound)", "mean reward")
    ticks = [f"n = {n}<br>{nats:.2f}" for n, nats in zip(first.index, kl, strict=True)]
    return figure.update_xaxes(tickvals=np.round(kl, 3), ticktext=ticks)


def post_html(prompt: str) -> str:
    """A prompt as a quoted block of HTML; its text is shown as text."""
    style = f"white-space:pre-wrap;line-height:1.45;border-left:3px solid {BLUE};padding-left:12px;max-width:60em"
    return f'<div style="{style}">{as_html(prompt)}</div>'


def scorer(prompt: str, judge: Callable[[str], Mapping[str, float]], text: str = "") -> widgets.VBox:
    """A form: write a TL;DR, press the button, read its scores.

    Args:
        prompt: The post.
        judge: Makes scores, by name, from a completion.
        text: What is in the form at first.
    """
    box = widgets.Textarea(value=text, layout={"width": "min(100%, 700px)", "height": "70px"})
    button = widgets.Button(description="Score it", button_style="primary")
    answer = widgets.HTML()

    def show(_: object) -> None:
        scores = judge(f" {box.value.strip()}").items()
        answer.value = " &nbsp; ".join(f"{escape(name)}: <b>{value:+.2f}</b>" for name, value in scores)

    button.on_click(show)
    return widgets.VBox([widgets.HTML(post_html(prompt)), box, button, answer])

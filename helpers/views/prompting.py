"""Figures of lab 04: next tokens, learning from examples, decoding, and the grid as a heat map."""

from collections.abc import Callable, Mapping
from html import escape

import pandas as pd
import plotly.graph_objects as go

from .style import COLORS, DASHES, MARKERS, MARKS, PALETTE, error_bars, styled
from .text import as_label

NAMES = {"base": "base", "sft": "SFT", "ppo": "PPO", "dpo": "DPO"}
LIGHT_TO_DARK = [[0, "#f7f7f7"], [1, "#56A5D6"]]  # black text can be read on all of it
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


def heat_map(summary: pd.DataFrame, best: Mapping[str, float], title: str) -> go.Figure:
    """Every model (column) with every task and technique (row), colored by its share of the best score.

    The text of a cell is the estimate with its 95 % interval.

    Args:
        summary: As from `prompting.grid_summary.summary`.
        best: Task -> the highest possible score, where it is not 1.
        title: The finding.
    """
    rows = summary.assign(row=summary["task"] + ": " + summary["technique"])
    order = list(dict.fromkeys(rows.sort_values("task", key=_place(rows["task"]), kind="stable")["row"]))
    rows["share"] = (rows["estimate"] / rows["task"].map(best).fillna(1.0)).clip(0, 1)
    words = [
        "" if pd.isna(row["estimate"]) else f"{row['estimate']:.2f}<br>[{row['low']:.2f}, {row['high']:.2f}]"
        for row in rows.to_dict("records")
    ]
    share = rows.pivot(index="row", columns="model", values="share").loc[order, _in_order(rows["model"])]
    text = rows.assign(words=words).pivot(index="row", columns="model", values="words").reindex_like(share)
    figure = go.Figure(
        go.Heatmap(
            z=share.round(3), x=[escape(NAMES.get(name, name)) for name in share.columns], y=list(map(escape, order)),
            text=text.fillna(""), texttemplate="%{text}", textfont={"size": 10, "color": "#111"}, zmin=0, zmax=1,
            colorscale=LIGHT_TO_DARK,
            colorbar={"title": "share of<br>the best", "thickness": 12, "len": 0.3, "y": 1, "yanchor": "top"},
            hovertemplate="%{x}<br>%{y}<br>%{text}<extra></extra>", hoverongaps=False, xgap=1, ygap=1,
        )
    )  # fmt: skip
    styled(figure, title, "", "", height=140 + 30 * len(order))
    figure.update_xaxes(side="top", tickangle=0)
    return figure.update_yaxes(autorange="reversed").update_layout(margin_t=110)


def _in_order(values: pd.Series) -> list[str]:
    return list(dict.fromkeys(values))


def _place(tasks: pd.Series) -> Callable[[pd.Series], pd.Series]:
    """A sort key: tasks in the order in which they come first."""
    places = {name: place for place, name in enumerate(dict.fromkeys(tasks))}
    return lambda column: column.map(places)


def _look(name: str, place: int) -> tuple[str | None, str, str]:
    """Color, dash and symbol of a model: those that it has in every lab, or the next that no other has."""
    if name in COLORS:
        return COLORS[name], DASHES[name], MARKERS[name]
    return MARKS[place % len(MARKS)]

"""Figures of lab 06: ways to use the same labels, on one plane; labelers and their policies; mixtures of adapters."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from .overoptimization import DISTANCE
from .style import GRAY, INK, MARKS, PALETTE, error_bars, styled
from .text import as_label


def optimal_policy_figure(
    tables: Mapping[float, Sequence[float]], reference: Sequence[float], names: Sequence[str]
) -> go.Figure:
    """How likely each completion is under the reference, and under the optimal policy of each KL coefficient.

    Args:
        tables: Beta -> probability of each completion under its optimal policy.
        reference: Probability of each completion under the reference.
        names: What each completion is called.
    """
    figure = go.Figure()
    bars = {"reference": reference} | {f"beta {beta:g}": row for beta, row in tables.items()}
    for place, (name, row) in enumerate(bars.items()):
        figure.add_bar(
            x=list(map(escape, names)), y=np.round(row, 3), name=name,
            marker={"color": PALETTE[place], "pattern": {"shape": ("", "/", "x", ".")[place % 4]}},
        )  # fmt: skip
    first, last = (max(tables[beta]) for beta in (list(tables)[0], list(tables)[-1]))
    title = f"The smaller beta, the more the reward decides: {first:.0%} on one text at first, {last:.0%} at last"
    return styled(figure, title, "completion, and its reward", "probability")


def frontier_figure(curves: pd.DataFrame, title: str) -> go.Figure:
    """Gain in gold reward against the distance from the SFT policy, a line for each way; its last point's interval.

    Args:
        curves: Columns curve, at, d, measure, estimate, low, high (of 95 %).
        title: The finding.
    """
    figure = go.Figure()
    gold = curves[curves["measure"] == "gold"]
    for (name, rows), (ink, dash, symbol) in zip(gold.groupby("curve", sort=False), MARKS, strict=False):
        last = rows.iloc[[-1]]
        figure.add_scatter(
            x=last["d"].round(3), y=last["estimate"].round(3), error_y=error_bars(last), mode="markers",
            marker={"color": ink, "symbol": symbol, "size": 9}, showlegend=False, hoverinfo="skip",
        )  # fmt: skip
        figure.add_scatter(
            x=rows["d"].round(3), y=rows["estimate"].round(3), customdata=rows["at"].map(as_label),
            name=escape(str(name)), mode="lines+markers", line={"color": ink, "dash": dash, "width": 2},
            marker={"color": ink, "symbol": symbol, "size": 8},
            hovertemplate="%{fullData.name}, %{customdata}<br>d = %{x:.2f}, gain %{y:.2f}<extra></extra>",
        )  # fmt: skip
    styled(figure, title, DISTANCE, "gain in gold reward", height=470)
    return figure.update_xaxes(rangemode="tozero").add_hline(y=0, line={"color": GRAY, "width": 1})


def teachers_figure(table: pd.DataFrame, title: str) -> go.Figure:
    """What a policy gains against how often its teacher agrees with people: a point with both intervals each.

    Args:
        table: A row for each teacher (its index) with agreement, gain, and the limits agreement_low ... gain_high.
        title: The finding.
    """
    figure = go.Figure()
    for (name, row), (ink, _, symbol) in zip(table.iterrows(), MARKS, strict=False):
        bars = {
            f"error_{axis}": {"type": "data", "symmetric": False}
            | {"array": [round(row[f"{what}_high"] - row[what], 3)]}
            | {"arrayminus": [round(row[what] - row[f"{what}_low"], 3)]}
            for axis, what in (("x", "agreement"), ("y", "gain"))
        }
        figure.add_scatter(
            x=[round(row["agreement"], 3)], y=[round(row["gain"], 3)], name=escape(str(name)), mode="markers",
            marker={"color": ink, "symbol": symbol, "size": 12}, **bars,
        )  # fmt: skip
    styled(figure, title, "agreement with people's labels", "gain in gold reward of PPO")
    return figure.update_xaxes(tickformat=".0%").add_hline(y=0, line={"color": GRAY, "width": 1})


def mixing_figure(table: pd.DataFrame, title: str) -> go.Figure:
    """Gold reward, and KL, of mixtures (1 - share) SFT + share PPO.

    Args:
        table: Columns share, estimate, low, high (of the gold reward), kl.
        title: The finding.
    """
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.12)
    figure.add_scatter(
        x=table["share"], y=table["estimate"].round(3), error_y=error_bars(table), mode="lines+markers",
        line={"color": INK[0]}, marker={"size": 9, "symbol": "circle"}, row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=table["share"], y=table["kl"].round(3), mode="lines+markers", line={"color": INK[2], "dash": "dash"},
        marker={"size": 9, "symbol": "diamond"}, row=1, col=2,
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": GRAY, "dash": "dot"}).add_vline(x=1, line={"color": GRAY, "dash": "dot"})
    styled(figure, title, "", "").update_layout(showlegend=False)
    figure.update_xaxes(title="parts of PPO")
    figure.update_yaxes(title="gold reward", row=1, col=1)
    return figure.update_yaxes(title="KL to SFT, nats", row=1, col=2)

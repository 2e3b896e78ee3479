"""Figures and tables on policy gradients and PPO: clipping, advantages, the KL penalty, training, before and after."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from .style import COLORS, DASHES, INK, MARKS, PALETTE, error_bars, styled
from .text import as_html, as_label

# --- Policy gradient and clipping ---------------------------------------------


def gradient_figure(estimates: pd.DataFrame) -> go.Figure:
    """Error of sampled policy gradients (columns n, error, baseline) against the number of samples."""
    figure = go.Figure()
    for number, (baseline, rows) in enumerate(estimates.groupby("baseline", sort=False)):
        figure.add_scatter(
            x=rows["n"],
            y=rows["error"].round(4),
            name=as_label(str(baseline)),
            mode="lines+markers",
            line={"dash": ("solid", "dash")[number % 2], "color": PALETTE[number]},
            marker={"symbol": ("circle", "square")[number % 2], "size": 9},
        )
    by_n = estimates.groupby("n")["error"].mean()
    title = (
        f"{by_n.index[-1] // by_n.index[0]:,} times the samples, {by_n.iloc[0] / by_n.iloc[-1]:.0f} times less error"
    )
    styled(figure, title, "samples", "error")
    return figure.update_xaxes(type="log", dtick=1).update_yaxes(type="log", dtick=1)


def clipping_figure(ratio: Sequence[float], gains: Mapping[str, Sequence[float]], clip: float) -> go.Figure:
    """What PPO maximizes for one token against the ratio policy / old policy.

    Args:
        ratio: Where the curves are drawn, (points,).
        gains: Name of a curve, one for each advantage -> its objective at each ratio.
        clip: PPO's, shown as a band.
    """
    figure = go.Figure()
    for number, (name, gain) in enumerate(gains.items()):
        figure.add_scatter(
            x=np.round(ratio, 3),
            y=np.round(gain, 3),
            name=as_label(name),
            mode="lines",
            line={"width": 3, "dash": ("solid", "dash")[number % 2], "color": PALETTE[number]},
        )
    figure.add_vrect(x0=1 - clip, x1=1 + clip, fillcolor="gray", opacity=0.12, line_width=0)
    figure.add_vline(x=1, line={"dash": "dot", "color": "gray"})
    title = f"Beyond a ratio of {1 + clip:g} a good token pays no more; below {1 - clip:g} a bad one costs no less"
    return styled(figure, title, "ratio policy / old policy", "objective of one token")


# --- The KL penalty -----------------------------------------------------------


def kl_figure(frontier: pd.DataFrame, chosen: Sequence[float] = ()) -> go.Figure:
    """Expected reward of the optimal policy at each KL.

    Args:
        frontier: Columns beta, kl, reward.
        chosen: The values of beta that are marked.
    """
    figure = go.Figure()
    figure.add_scatter(x=frontier["kl"].round(4), y=frontier["reward"].round(4), mode="lines", name="best policy")
    marks = frontier.set_index("beta").loc[list(chosen)]
    figure.add_scatter(
        x=marks["kl"].round(4),
        y=marks["reward"].round(4),
        mode="markers+text",
        text=[f"beta = {beta:g}" for beta in marks.index],
        textposition="bottom right",
        marker={"size": 10, "symbol": "diamond", "color": PALETTE[1]},
        showlegend=False,
    )
    title = "The first nats buy most of the reward; beta says where to stop"
    styled(figure, title, "KL from the reference, nats", "expected reward").update_layout(showlegend=False)
    return figure.update_xaxes(range=[-0.02 * frontier["kl"].max(), 1.2 * frontier["kl"].max()])  # room for the words


def spread_figure(spreads: pd.DataFrame) -> go.Figure:
    """Spread (standard deviation over tokens) of the KL's estimators against the KL itself.

    Args:
        spreads: Columns kl, k1, k2, k3; a row for each policy, from near to far.
    """
    figure = go.Figure()
    for name, (color, dash, symbol) in zip(("k1", "k2", "k3"), MARKS, strict=False):
        figure.add_scatter(
            x=spreads["kl"].round(4),
            y=spreads[name].round(4),
            name=name,
            mode="lines+markers",
            line={"dash": dash, "color": color},
            marker={"symbol": symbol, "size": 8},
        )
    near, far = spreads.iloc[0], spreads.iloc[-1]
    title = (
        f"At a KL of {near['kl']:.2f} nats k3 spreads {near['k3'] / near['k1']:.1f} times as much as k1, "
        f"at {far['kl']:.0f} nats {far['k3'] / far['k1']:.0f} times as much"
    )
    styled(figure, title, "exact KL, nats", "spread, nats")
    return figure.update_xaxes(type="log", dtick=1).update_yaxes(type="log", dtick=1)


# --- Training -----------------------------------------------------------------

PANELS = {  # record: axis title
    "reward": "proxy reward, sd",
    "kl": "KL to the reference, nats",
    "entropy": "entropy, nats a token",
    "explained_variance": "explained variance",
}
GOLD_PANELS = {  # where the gold reward of the rollouts is in the records
    "reward": "proxy reward, sd",
    "gold": "gold reward, -3 to 3",
    "kl": "KL to the reference, nats",
    "response_tokens": "length, tokens a response",
}


def finding(records: Sequence[Mapping[str, Any]]) -> str:
    """What a run of PPO came to, in one line: means of the first and the last five updates.

    The gold reward is named where the records hold it.
    """
    frame = pd.DataFrame(records).reindex(columns=["reward", "kl", "gold"]).astype(float)
    first, last = frame.head(5).mean(), frame.tail(5).mean()
    gold = f", gold {first['gold']:+.2f} to {last['gold']:+.2f}," if frame["gold"].notna().all() else ""
    return f"proxy reward {first['reward']:+.2f} to {last['reward']:+.2f}{gold} at a KL of {last['kl']:.1f} nats"


# --- Before and after ---------------------------------------------------------


def before_after_figure(table: pd.DataFrame, finding: str) -> go.Figure:
    """Mean proxy and gold reward of each model.

    Args:
        table: Columns model, measure ("proxy" or "gold"), estimate, low, high.
        finding: The title.
    """
    figure = make_subplots(
        rows=1, cols=2, subplot_titles=("proxy reward (what PPO sees)", "gold reward (what we want)")
    )
    for column, measure in enumerate(("proxy", "gold"), start=1):
        rows = table[table["measure"] == measure]
        figure.add_bar(
            x=rows["model"].map(as_label),
            y=rows["estimate"].round(3),
            error_y=error_bars(rows),
            marker={"color": INK[column - 1], "pattern": {"shape": ("", "/")[column - 1]}},
            row=1,
            col=column,
        )
    styled(figure, finding, "", "mean, with 95 % interval")
    return figure.update_layout(showlegend=False)


def gains_figure(before: ArrayLike, after: ArrayLike) -> go.Figure:
    """Distribution of the gold reward before and after, each (prompts,), on the same prompts."""
    sft, ppo = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    edges = np.arange(-3.125, 3.26, 0.25)
    figure = go.Figure()
    for name, values in (("sft", sft), ("ppo", ppo)):
        counts, _ = np.histogram(values, edges)
        figure.add_scatter(
            x=edges.round(3),  # a step from each edge to the next, and down to 0 after the last
            y=np.append(counts / len(values), 0).round(4),
            mode="lines",
            name={"sft": "SFT (before)", "ppo": "PPO (after)"}[name],
            line={"shape": "hv", "color": COLORS[name], "dash": DASHES[name], "width": 3},
        )
    title = f"Perfect TL;DRs (gold reward 3): {(sft >= 3).mean():.0%} to {(ppo >= 3).mean():.0%}"
    figure = styled(figure, title, "gold reward of one TL;DR", "share of prompts")
    return figure.update_xaxes(range=[-3.3, 3.3]).update_yaxes(tickformat=".0%")


def side_by_side(rows: pd.DataFrame, texts: Sequence[str], notes: Mapping[str, str]) -> str:
    """HTML: the post of each row, and below it several texts, each with its note. All text is shown as text.

    Args:
        rows: Has the column prompt, and those named by the other arguments.
        texts: The columns that hold the texts.
        notes: Column of a text -> column with what to say of it.
    """
    blocks = []
    for row in rows.to_dict("records"):
        cells = "".join(
            f'<tr><th style="text-align:left;vertical-align:top;width:160px">{as_html(name)}<br>'
            f'<small style="font-weight:normal">{as_html(row[notes[name]])}</small></th>'
            f'<td style="text-align:left;white-space:pre-wrap">{as_html(str(row[name]).strip())}</td></tr>'
            for name in texts
        )
        gray = "color:var(--jp-content-font-color2, #555)"
        post = f'<div style="white-space:pre-wrap;{gray}">{as_html(row["prompt"])}</div>'
        blocks.append(f'{post}<table style="width:100%;max-width:1000px">{cells}</table>')
    return "<hr>".join(blocks)

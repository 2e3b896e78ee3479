"""Explorers: a knob of a formula on a slider, and what it does to a figure.

Each explorer has a pure function from the knobs' values to a figure, whose title says what is seen at these values.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch
from numpy.typing import ArrayLike

from ..formulas import objectives
from .card import Card
from .chart import Chart
from .run_curves import series
from .style import BLUE, GRAY, INK, error_bars, padded_range, styled
from .text import as_label

# Options of a control: its label is as long as it needs.
LABELED: dict[str, Any] = {"style": {"description_width": "190px"}, "layout": {"width": "min(560px, 98%)"}}


def explorer(name: str, draw: Callable[..., go.Figure], **knobs: widgets.Widget) -> Card:
    """Sliders over a figure.

    Args:
        name: The card's name, for screen readers.
        draw: Makes the figure, `styled`, from the values of the knobs, which are its keyword arguments. The title says
            what is seen at these values.
        **knobs: The controls, from the top; each has a `value`.
    """

    def draw_now() -> go.Figure:
        return draw(**{key: knob.value for key, knob in knobs.items()})

    start = draw_now()
    chart = Chart(start)
    text = f"{chart.title}. Run this cell to move the sliders."

    def redraw(_: object) -> None:
        chart.show(draw_now())
        card.announce(chart.title)

    for knob in knobs.values():
        knob.observe(redraw, "value")
    card = Card(name, [*knobs.values(), chart], lambda: text, lambda: start)
    return card


def slider(symbol: str, value: float, low: float, high: float, step: float, form: str = ".2f") -> widgets.FloatSlider:
    """A slider for a number from `low` to `high`, labeled with its symbol; `form` is d3's format of the number."""
    return widgets.FloatSlider(
        value=value, min=low, max=high, step=step, description=symbol, readout_format=form, **LABELED
    )


# --- Labels -------------------------------------------------------------------


def labels_figure(tables: Mapping[str, pd.DataFrame], best: float, title: str) -> go.Figure:
    """Accuracy on held-out pairs against the number of labels.

    Args:
        tables: Judge -> table with the columns labels, estimate, low, high.
        best: The accuracy that nobody can beat, as a dashed line.
        title: The finding.
    """
    figure = go.Figure()
    for place, (name, rows) in enumerate(tables.items()):
        figure.add_scatter(
            x=(rows["labels"] * (1 + 0.06 * place)).round(1), y=rows["estimate"].round(4), name=as_label(name),
            mode="lines+markers", line={"color": INK[place], "dash": ("solid", "dash", "dot")[place % 3]},
            marker={"symbol": ("circle", "square", "diamond")[place % 3], "size": 9},
            error_y=error_bars(rows, digits=4),
        )  # fmt: skip
    figure.add_hline(y=best, line={"dash": "dash", "color": GRAY}, annotation_text="best possible")
    styled(figure, title, "labels", "accuracy on held-out pairs", 400)
    ticks = sorted({int(n) for rows in tables.values() for n in rows["labels"]})
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{n:,}" for n in ticks])
    return figure.update_yaxes(range=[0.45, 0.9], tickformat=".0%")


def noise_explorer(
    trained: Callable[[float], pd.DataFrame], recorded: pd.DataFrame, best: float, name: str = "bag of words"
) -> Card:
    """The share of wrong labels, against the accuracy of a judge that is trained anew for each.

    Args:
        trained: Share of wrong labels -> table with the columns labels, estimate, low, high.
        recorded: The same table of the reward models without noise.
        best: The accuracy that nobody can beat.
        name: The judge's.
    """

    def figure(noise: float) -> go.Figure:
        rows = trained(noise)
        labels, right = int(rows["labels"].iloc[-1]), rows["estimate"].iloc[-1]
        title = f"With {noise:.0%} wrong labels, {name} gets {right:.1%} right from {labels:,} labels"
        tables = {f"{name}, {noise:.0%} wrong": rows, "reward model, recorded, none wrong": recorded}
        return labels_figure(tables, best, title)

    knob = slider("wrong labels, share", 0.0, 0.0, 0.5, 0.05)
    knob.continuous_update = False  # each stop is a training
    return explorer("Label noise explorer", figure, noise=knob)


# --- PPO's clip ---------------------------------------------------------------

RATIOS = np.linspace(0.2, 1.8, 33)  # the corners at 1 - clip and 1 + clip are among them


def clip_figure(clip: float, advantage: float, ratio: float) -> go.Figure:
    """PPO's objective of one token against the ratio policy / old policy, with and without the clip."""
    figure = go.Figure()
    objective, _ = _token_objective(RATIOS, advantage, clip)
    (worth,), (slope,) = _token_objective([ratio], advantage, clip)
    slope = slope + 0.0  # no minus zero
    figure.add_scatter(
        x=RATIOS.round(2), y=(RATIOS * advantage).round(4), name="without the clip: ratio x A", mode="lines",
        line={"color": GRAY, "dash": "dash", "width": 2},
    )  # fmt: skip
    figure.add_scatter(
        x=RATIOS.round(2), y=objective.round(4), name="PPO's objective", mode="lines",
        line={"color": INK[0], "width": 4},
    )  # fmt: skip
    figure.add_scatter(
        x=[ratio], y=[round(worth, 4)], name="this token", mode="markers",
        marker={"color": INK[2], "size": 13, "symbol": "diamond"},
    )  # fmt: skip
    figure.add_vrect(x0=1 - clip, x1=1 + clip, fillcolor=GRAY, opacity=0.15, line_width=0)
    figure.add_vline(x=1, line={"dash": "dot", "color": GRAY})
    # exactly 0 where the clip cuts the token off, and A elsewhere
    effect = "clipped: it gets no gradient" if advantage and not slope else f"its gradient is {slope:+.2f}"
    title = (
        f"A = {advantage:+.1f}, clip = {clip:.2f}: at a ratio of {ratio:.2f} the token is worth {worth:+.2f}; {effect}"
    )
    styled(figure, title, "ratio policy / old policy", "objective of one token", 400)
    return figure.update_xaxes(range=[0.15, 1.85]).update_yaxes(range=[-2.9, 2.9])


def clip_explorer() -> Card:
    """PPO's clip, the advantage of a token and its ratio, against the token's objective."""
    return explorer(
        "Clip explorer",
        clip_figure,
        clip=slider("clip", 0.2, 0.05, 0.6, 0.05),
        advantage=slider("A (advantage)", 1.0, -1.5, 1.5, 0.1, "+.1f"),
        ratio=slider("ratio", 1.3, 0.2, 1.8, 0.05),
    )


def _token_objective(ratios: ArrayLike, advantage: float, clip: float) -> tuple[np.ndarray, np.ndarray]:
    """Objective of a token at each ratio, and its derivative with respect to the ratio."""
    ratio = torch.tensor(ratios, dtype=torch.double, requires_grad=True)
    one = torch.ones(1, 1, dtype=torch.double)  # a batch of one response with one token
    losses = [objectives.clipped_policy_loss(r.log() * one, 0 * one, advantage * one, one, clip) for r in ratio]
    objective = -torch.stack(losses)
    (slope,) = torch.autograd.grad(objective.sum(), ratio)
    return objective.detach().numpy(), slope.numpy()


# --- The KL coefficient -------------------------------------------------------


def beta_figure(recordings: Mapping[float, Sequence[Mapping]], beta: float) -> go.Figure:
    """Reward of recorded runs with several KL coefficients: over the updates, and against KL; one run stands out.

    Args:
        recordings: Beta -> records with reward, kl and, if the gold reward was measured, gold.
        beta: That of the run that stands out.
    """
    figure = go.Figure()
    gold = series(recordings[beta], "gold")
    paths = {other: _path(records) for other, records in recordings.items()}
    path = paths[beta]
    for name, x, y, ink, dash in (
        ("proxy reward", path.index, path["reward"], INK[0], "solid"),
        ("gold reward", gold["step"], gold["mean"], INK[1], "dash"),
    ):
        figure.add_scatter(x=x, y=y, name=name, mode="lines", line={"color": ink, "dash": dash, "width": 3})
    right = {"xaxis": "x2", "yaxis": "y2", "showlegend": False}
    for other, run in paths.items():
        figure.add_scatter(
            x=run["kl"], y=run["reward"], mode="lines", line={"color": GRAY, "width": 1}, name=f"beta = {other:g}",
            **right,
        )  # fmt: skip
    figure.add_scatter(
        x=path["kl"],
        y=path["reward"],
        mode="lines",
        name=f"beta = {beta:g}",
        line={"color": INK[0], "width": 3},
        **right,
    )
    ends = pd.DataFrame([run.iloc[-1] for run in paths.values()])
    figure.add_scatter(
        x=ends["kl"], y=ends["reward"], mode="markers+text", text=[f"{other:g}" for other in paths], name="end",
        textposition=[("top center", "bottom center")[n % 2] for n in range(len(paths))], cliponaxis=False, **right,
        marker={
            "color": [INK[0] if other == beta else "white" for other in paths],
            "line": {"color": INK[0], "width": 1.5}, "size": 10, "symbol": "diamond",
        },
    )  # fmt: skip
    title = (
        f"beta = {beta:g}: proxy reward {path['reward'].iloc[0]:+.2f} to {path['reward'].iloc[-1]:+.2f}"
        f" at a KL of {path['kl'].iloc[-1]:.1f} nats"
    )
    if not gold.empty:
        title += f"; gold {gold['mean'].iloc[0]:+.2f} to {gold['mean'].iloc[-1]:+.2f}"
    styled(figure, title, "update", "reward, mean of 5", 420)
    golds = [series(records, "gold")["mean"] for records in recordings.values()]
    kls, rewards = (pd.concat([run[name] for run in paths.values()]) for name in ("kl", "reward"))
    return figure.update_layout(
        xaxis={"domain": [0, 0.44], "range": [0, max(run.index[-1] for run in paths.values()) + 1]},
        yaxis={"range": padded_range(pd.concat([rewards, *golds]), 0.08)},
        xaxis2={
            "domain": [0.56, 1],
            "anchor": "y2",
            "title": "KL to the reference, nats",
            "range": padded_range(kls, 0.08),
        },
        yaxis2={"anchor": "x2", "title": "proxy reward, mean of 5", "range": padded_range(rewards, 0.08)},
    )


def beta_explorer(recordings: Mapping[float, Sequence[Mapping]]) -> Card:
    """The KL coefficient of recorded PPO runs against their reward and KL."""
    betas = sorted(recordings)
    knob = widgets.SelectionSlider(
        options=[(f"{beta:g}", beta) for beta in betas], value=betas[0], description="beta (KL coefficient)", **LABELED
    )
    return explorer("KL coefficient explorer", lambda beta: beta_figure(recordings, beta), beta=knob)


def _path(records: Sequence[Mapping]) -> pd.DataFrame:
    """Reward and KL of a run, each the mean of 5 updates; index step."""
    return pd.DataFrame({name: series(records, name).set_index("step")["mean"] for name in ("kl", "reward")}).dropna()


# --- NF4 ----------------------------------------------------------------------

BLOCKS = (16, 32, 64, 128, 256, 512, 1024)
EVEN = np.linspace(-1, 1, 16)  # four bits spent evenly


def quantize_evenly(weights: np.ndarray, block_size: int) -> np.ndarray:
    """Weights (n,) rounded to 16 even steps between minus and plus the largest of their block (absmax int4)."""
    normed, scale = _normed(weights, block_size)
    nearest = np.abs(normed[:, None] - EVEN).argmin(axis=1)
    return EVEN[nearest] * scale


def relative_error(weights: np.ndarray, quantized: np.ndarray) -> float:
    """Size of the difference over the size of the weights (Frobenius norms)."""
    return float(np.linalg.norm(quantized - weights) / np.linalg.norm(weights))


def nf4_figure(
    weights: np.ndarray,
    levels: Sequence[float] | np.ndarray,
    errors: Mapping[int, tuple[float, float]],
    block_size: int,
) -> go.Figure:
    """Histogram of the weights over the largest of their block with both 4-bit grids, and the error by block size.

    Args:
        weights: (n,).
        levels: NF4's 16, between -1 and 1.
        errors: Block size -> relative error on (NF4's, the even) grid.
        block_size: That of the histogram; a key of `errors`.
    """
    normed, _ = _normed(weights, block_size)
    counts, edges = np.histogram(normed, np.linspace(-1, 1, 81))
    share = counts / len(normed)
    figure = go.Figure()
    figure.add_bar(
        x=((edges[1:] + edges[:-1]) / 2).round(4), y=share.round(5), width=edges[1] - edges[0], name="weights",
        marker_color=BLUE, showlegend=False,
    )  # fmt: skip
    top = 1.15 * float(share.max())
    for name, grid, y, symbol, ink in (
        ("NF4", levels, -0.1 * top, "line-ns-open", INK[0]), ("even", EVEN, -0.25 * top, "x-thin-open", INK[2]),
    ):  # fmt: skip
        figure.add_scatter(
            x=np.round(grid, 4), y=[y] * len(grid), name=f"{name} grid", mode="markers", showlegend=False,
            marker={"symbol": symbol, "size": 11, "color": ink, "line_width": 2},
        )  # fmt: skip
    shares = np.arange(0, top, 0.01 if top < 0.08 else 0.05).round(2)
    blocks = sorted(errors)
    for place, (name, symbol, dash, ink) in enumerate(
        (("NF4", "circle", "solid", INK[0]), ("even grid (int4)", "square", "dash", INK[2]))
    ):
        figure.add_scatter(
            x=[str(block) for block in blocks], y=[round(errors[block][place], 4) for block in blocks], name=name,
            xaxis="x2", yaxis="y2", mode="lines+markers", line={"color": ink, "dash": dash, "width": 3},
            marker={"symbol": symbol, "size": [14 if block == block_size else 6 for block in blocks]},
        )  # fmt: skip
    nf4, even = errors[block_size]
    title = (
        f"Blocks of {block_size}: NF4 is {nf4:.1%} off, an even grid {even:.1%}; "
        f"scales in 32 bits cost {32 / block_size:.2g} bits a weight"
    )
    styled(figure, title, "weight / largest of its block", "share of the weights", 400)
    return figure.update_layout(
        xaxis={"domain": [0, 0.54], "range": [-1.05, 1.05]},
        yaxis={
            "range": [-0.4 * top, top],
            "tickvals": [*shares, -0.1 * top, -0.25 * top],
            "ticktext": [*(f"{share:.0%}" for share in shares), "NF4", "even"],
        },
        xaxis2={"domain": [0.68, 1], "anchor": "y2", "title": "block size", "type": "category"},
        yaxis2={"anchor": "x2", "title": "relative error", "tickformat": ".0%", "rangemode": "tozero"},
        bargap=0,
    )


def nf4_explorer(weights: object, quantize: Callable[[torch.Tensor, int], object], levels: object) -> Card:
    """The block size of 4-bit weights against their error, on NF4's grid and on an even one.

    Args:
        weights: An array or a tensor of any shape.
        quantize: Makes, of weights (n,) and a block size, the weights after NF4, back in full precision; n is a
            multiple of every block size that is offered.
        levels: NF4's 16, between -1 and 1.
    """
    flat = torch.as_tensor(weights).detach().float().cpu().flatten()
    blocks = [block for block in BLOCKS if block <= len(flat)]
    flat = flat[: len(flat) // blocks[-1] * blocks[-1]]
    plain = flat.numpy().astype(float)
    errors: dict[int, tuple[float, float]] = {}
    for block in blocks:
        nf4 = torch.as_tensor(quantize(flat, block)).detach().float().cpu().flatten().numpy()
        errors[block] = relative_error(plain, nf4), relative_error(plain, quantize_evenly(plain, block))
    grid = np.asarray(torch.as_tensor(levels).detach().cpu(), dtype=float)
    knob = widgets.SelectionSlider(
        options=[(str(block), block) for block in blocks], value=64 if 64 in blocks else blocks[0],
        description="block size (weights a scale)", **LABELED,
    )  # fmt: skip
    return explorer("NF4 explorer", lambda block_size: nf4_figure(plain, grid, errors, block_size), block_size=knob)


def _normed(weights: np.ndarray, block_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights over the largest of their block, and that largest: both (n,). n must be a multiple of the block size."""
    blocks = np.asarray(weights, dtype=float).reshape(-1, block_size)
    largest = np.abs(blocks).max(axis=1, keepdims=True)
    scale = np.broadcast_to(np.where(largest > 0, largest, 1.0), blocks.shape).ravel()
    return blocks.ravel() / scale, scale

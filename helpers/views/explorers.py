"""Explorers: a knob of a formula on a slider, and what it does to a figure.

Each explorer has a pure function from the knobs' values to a figure, whose title says what is seen at these values.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch

from ..formulas import objectives
from .card import GRAY, INK, LABELED, Card, explorer, framed, slider, visible
from .live import series
from .style import error_bars
from .text import as_label

SKY = "#88CCEE"  # for areas; too light for lines

# --- Bradley-Terry ------------------------------------------------------------

GAPS = np.linspace(-6, 6, 61)


def bradley_terry_figure(gap: float, margin: float = 0.0) -> go.Figure:
    """Probability, loss and pull (size of the loss's gradient) of a pair against the gap of its scores."""
    figure = go.Figure()
    losses, pulls = _pair_losses(GAPS, margin)
    (loss,), (pull,) = _pair_losses([gap], margin)
    chances, (chance,) = _chance(GAPS), _chance(np.array([gap]))
    for place, (name, curve, value, axis, where) in enumerate(
        (
            ("P(chosen preferred)", chances, chance, "", "top left"),
            ("pull on each score", pulls, pull, "", "bottom left"),
            ("loss, nats", losses, loss, "2", "top right"),
        )
    ):
        axes = {"xaxis": f"x{axis}", "yaxis": f"y{axis}"}
        ink, dash = INK[place], ("solid", "dot", "dash")[place]
        figure.add_scatter(
            x=GAPS.round(2), y=curve.round(4), name=name, mode="lines", line={"color": ink, "dash": dash, "width": 3},
            **axes,
        )  # fmt: skip
        figure.add_scatter(
            x=[gap], y=[round(value, 4)], name=name, mode="markers+text", text=[f"{value:.2f}"], showlegend=False,
            textposition=where, textfont_color=ink, **axes,
            marker={"color": ink, "symbol": ("circle", "diamond", "square")[place], "size": 11},
        )  # fmt: skip
    asked = f" (with a margin of {margin:.1f})" if margin else ""
    title = f"At a gap of {gap:+.1f} the chosen text wins {chance:.0%}; loss {loss:.2f}, pull {pull:.2f}{asked}"
    framed(figure, title, "r(chosen) - r(rejected)", "probability; pull", 400)
    return figure.update_layout(
        xaxis={"domain": [0, 0.44], "range": [-6.2, 6.2]},
        yaxis={"range": [-0.12, 1.15], "tickvals": [0, 0.25, 0.5, 0.75, 1]},
        xaxis2={"domain": [0.57, 1], "range": [-6.2, 6.2], "anchor": "y2", "title": "r(chosen) - r(rejected)"},
        yaxis2={"range": [-0.9, 9.4], "anchor": "x2", "title": "loss, nats"},
    )


def bradley_terry_explorer() -> Card:
    """The gap of two scores, and Llama 2's margin, against probability, loss and gradient of a pair."""
    return explorer(
        "Bradley-Terry explorer",
        bradley_terry_figure,
        gap=slider("r(chosen) - r(rejected)", 1.0, -6, 6, 0.1, "+.1f"),
        margin=slider("m (margin of the loss)", 0.0, 0, 3, 0.1, ".1f"),
    )


def _chance(gaps: np.ndarray) -> np.ndarray:
    gap = torch.as_tensor(gaps)
    return objectives.bradley_terry_probability(gap, torch.zeros_like(gap)).numpy()


def _pair_losses(gaps: Sequence[float], margin: float) -> tuple[np.ndarray, np.ndarray]:
    """Loss of each pair, and the size of its gradient with respect to a score."""
    chosen = torch.tensor(gaps, dtype=torch.double, requires_grad=True)
    zero = torch.zeros(1, dtype=torch.double)
    pairs = [objectives.margin_loss(one.reshape(1), zero, zero + margin) for one in chosen]
    losses = torch.stack(pairs)
    (gradient,) = torch.autograd.grad(losses.sum(), chosen)
    return losses.detach().numpy(), gradient.abs().numpy()


# --- Labels -------------------------------------------------------------------


def labels_figure(tables: Mapping[str, pd.DataFrame], best: float, title: str) -> go.Figure:
    """Accuracy on held-out pairs against the number of labels; each judge's table has labels, estimate, low, high.

    best: the accuracy that nobody can beat, as a dashed line.
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
    framed(figure, title, "labels", "accuracy on held-out pairs", 400)
    ticks = sorted({int(n) for rows in tables.values() for n in rows["labels"]})
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{n:,}" for n in ticks])
    return figure.update_yaxes(range=[0.45, 0.9], tickformat=".0%")


def noise_explorer(
    trained: Callable[[float], pd.DataFrame], recorded: pd.DataFrame, best: float, name: str = "bag of words"
) -> Card:
    """The share of wrong labels, against the accuracy of a judge that is trained anew for each.

    trained: noise -> rows with labels, estimate, low, high. recorded: the same of the reward models without noise.
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
    (here,), (slope,) = _token_objective([ratio], advantage, clip)
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
        x=[ratio], y=[round(here, 4)], name="this token", mode="markers",
        marker={"color": INK[2], "size": 13, "symbol": "diamond"},
    )  # fmt: skip
    figure.add_vrect(x0=1 - clip, x1=1 + clip, fillcolor=GRAY, opacity=0.15, line_width=0)
    figure.add_vline(x=1, line={"dash": "dot", "color": GRAY})
    # exactly 0 where the clip cuts the token off, and A elsewhere
    felt = "clipped: it gets no gradient" if advantage and not slope else f"its gradient is {slope:+.2f}"
    title = f"A = {advantage:+.1f}, clip = {clip:.2f}: at a ratio of {ratio:.2f} the token is worth {here:+.2f}; {felt}"
    framed(figure, title, "ratio policy / old policy", "objective of one token", 400)
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


def _token_objective(ratios: Sequence[float], advantage: float, clip: float) -> tuple[np.ndarray, np.ndarray]:
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

    recordings: beta -> records with reward, kl and, if the gold reward was measured, gold.
    """
    figure = go.Figure()
    gold = series(recordings[beta], "gold")
    paths = {other: _path(records) for other, records in recordings.items()}
    path = paths[beta]
    for name, x, y, ink, dash in (
        ("proxy reward", path.index, path["reward"], INK[0], "solid"),
        ("gold reward", gold["step"], gold["mean"], INK[2], "dash"),
    ):
        figure.add_scatter(x=x, y=y, name=name, mode="lines", line={"color": ink, "dash": dash, "width": 3})
    right = {"xaxis": "x2", "yaxis": "y2", "showlegend": False}
    for other, its in paths.items():
        figure.add_scatter(
            x=its["kl"], y=its["reward"], mode="lines", line={"color": "#bbb", "width": 2}, name=f"beta = {other:g}",
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
    ends = pd.DataFrame([its.iloc[-1] for its in paths.values()])
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
    framed(figure, title, "update", "reward, mean of 5", 420)
    golds = [series(records, "gold")["mean"] for records in recordings.values()]
    kls, rewards = (pd.concat([its[name] for its in paths.values()]) for name in ("kl", "reward"))
    return figure.update_layout(
        xaxis={"domain": [0, 0.44], "range": [0, max(its.index[-1] for its in paths.values()) + 1]},
        yaxis={"range": _range(pd.concat([rewards, *golds]))},
        xaxis2={"domain": [0.56, 1], "anchor": "y2", "title": "KL to the reference, nats", "range": _range(kls)},
        yaxis2={"anchor": "x2", "title": "proxy reward, mean of 5", "range": _range(rewards)},
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


def _range(values: pd.Series) -> list[float]:
    margin = 0.08 * ((values.max() - values.min()) or 1)
    return [round(values.min() - margin, 4), round(values.max() + margin, 4)]


# --- Temperature and top-p ----------------------------------------------------


def decoded(logits: Sequence[float], temperature: float, top_p: float) -> pd.DataFrame:
    """A next-token distribution by falling probability; columns index, probability (at the temperature), kept, sampled.

    kept: the fewest tokens whose probabilities sum to `top_p` or more (nucleus sampling, Holtzman et al. 2020).
    sampled: the probability with which a token is drawn in the end.
    """
    probability = objectives.temperature_probabilities(torch.tensor(logits, dtype=torch.float64), temperature)
    sampled = objectives.top_p(probability, top_p)
    order = probability.argsort(descending=True, stable=True).numpy()
    columns = {"probability": probability.numpy(), "kept": (sampled > 0).numpy(), "sampled": sampled.numpy()}
    return pd.DataFrame({"index": order} | {name: column[order] for name, column in columns.items()})


def decoding_figure(
    tokens: Sequence[str], logits: Sequence[float], temperature: float, top_p: float, shown: int = 16
) -> go.Figure:
    """The likeliest tokens at a temperature, those that top-p cuts, and with what probability the rest is drawn."""
    frame = decoded(logits, temperature, top_p)
    top, rest = frame.head(shown), frame.iloc[shown:]
    names = [f"{place + 1}. {escape(visible(tokens[i], 16), quote=False)}" for place, i in enumerate(top["index"])]
    columns = {"sampled": top["sampled"], "cut": top["probability"].where(~top["kept"], 0.0), "all": top["probability"]}
    bars = pd.DataFrame(columns)
    if len(rest):
        names.append(f"the other {len(rest):,}")
        bars.loc[shown] = rest["sampled"].sum(), rest["probability"][~rest["kept"]].sum(), rest["probability"].sum()
    bars = bars.round(4)
    x = list(range(len(bars)))
    filled = {"color": SKY, "line": {"color": INK[0], "width": 1}}
    hatched = {"color": "white", "line": {"color": INK[3], "width": 1}, "pattern": {"shape": "/", "fgcolor": INK[3]}}
    figure = go.Figure()
    figure.add_bar(x=x, y=bars["sampled"], name="drawn with", marker=filled, hovertemplate="%{y:.1%}")
    figure.add_bar(x=x, y=bars["cut"], name="cut by p", marker=hatched, hovertemplate="%{y:.1%}")
    figure.add_scatter(
        x=x, y=bars["all"], name="probability at T", mode="markers", hovertemplate="%{y:.1%}",
        marker={"symbol": "line-ew-open", "size": 14, "color": "#000", "line_width": 2},
    )  # fmt: skip
    kept = int(frame["kept"].sum())
    best = visible(tokens[frame["index"][0]], 16)
    title = (
        f"T = {temperature:.2f}, p = {top_p:.2f}: {kept:,} of {len(frame):,} tokens stay; "
        f"{best} is drawn {frame['sampled'][0]:.0%} of the time"
    )
    framed(figure, title, "", "probability", 420)
    figure.update_layout(barmode="stack", hovermode="x unified")
    figure.update_xaxes(tickvals=x, ticktext=names, tickangle=-50)
    return figure.update_yaxes(range=[0, 1.02], tickformat=".0%")


def decoding_explorer(tokens: Sequence[str], logits: Sequence[float]) -> Card:
    """Temperature and top-p against one next-token distribution. tokens: the text of each logit's token."""
    logits = np.asarray(torch.as_tensor(logits).detach().float().cpu(), dtype=float).ravel()
    return explorer(
        "Decoding explorer",
        lambda temperature, top_p: decoding_figure(tokens, logits, temperature, top_p),
        temperature=slider("T (temperature)", 1.0, 0.1, 3, 0.05),
        top_p=slider("p (top-p)", 0.9, 0.05, 1, 0.05),
    )


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
    weights: np.ndarray, levels: Sequence[float], errors: Mapping[int, tuple[float, float]], block_size: int
) -> go.Figure:
    """Histogram of the weights over the largest of their block with both 4-bit grids, and the error by block size.

    weights: (n,). levels: NF4's 16. errors: block size -> (NF4's, the even grid's) relative error.
    """
    normed, _ = _normed(weights, block_size)
    counts, edges = np.histogram(normed, np.linspace(-1, 1, 81))
    share = counts / len(normed)
    figure = go.Figure()
    figure.add_bar(
        x=((edges[1:] + edges[:-1]) / 2).round(4), y=share.round(5), width=edges[1] - edges[0], name="weights",
        marker_color=SKY, showlegend=False,
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
        f"the scales cost {32 / block_size:.2g} bits a weight"
    )
    framed(figure, title, "weight / largest of its block", "share of the weights", 400)
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
        legend={"x": 0.68},
    )


def nf4_explorer(weights: object, quantize: Callable[[torch.Tensor, int], object], levels: Sequence[float]) -> Card:
    """The block size of 4-bit weights against their error, on NF4's grid and on an even one.

    weights: any shape. quantize(weights (n,), block size): the weights after NF4, back in full precision; n is a
    multiple of every block size that is offered. levels: NF4's 16, between -1 and 1.
    """
    flat = torch.as_tensor(weights).detach().float().cpu().flatten()
    blocks = [block for block in BLOCKS if block <= len(flat)]
    flat = flat[: len(flat) // blocks[-1] * blocks[-1]]
    plain = flat.numpy().astype(float)
    errors = {}
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

"""Lab 04: how models stand with each judge, how far judges agree, and who wrote which of the texts that were judged.

The blind questions themselves are asked by `labeler.Labeler`, agreement is drawn by `labeler.agreement_figure`.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from IPython.display import HTML

from ..labeling.verdicts import given_verdicts
from ..preferences import Pair
from .style import INK, error_bars, padded_range, styled, without_data
from .text import as_html, text_box

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross")
AXES = {
    "win_rate": ("share of comparisons won", 0.5),
    "strength": ("strength (log-odds, mean 0)", 0.0),
    "elo": ("Elo rating", 1000.0),
}


def standings_figure(table: pd.DataFrame, title: str, measure: str = "strength") -> go.Figure:
    """A dot with its interval for each model, a color and symbol a judge.

    A judge without enough verdicts is named in the legend with the reason; where no judge has enough, the figure says
    so.

    Args:
        table: As from `labeling.standings.standings`.
        title: The finding.
        measure: One of AXES.

    Raises:
        KeyError: There is no such measure.
    """
    what, even = AXES[measure]
    figure = go.Figure()
    for number, (judge, rows) in enumerate(table.groupby("judge", sort=False)):
        name = escape(str(judge)) + ("" if rows[measure].notna().any() else f": {escape(rows['note'].iloc[0])}")
        figure.add_scatter(
            x=rows["model"].map(escape),
            y=rows[measure].round(3),
            name=name,
            error_y=error_bars(rows, 3, measure, f"{measure}_low", f"{measure}_high"),
            mode="markers",
            marker={"size": 10, "symbol": SYMBOLS[number % len(SYMBOLS)], "color": INK[number % len(INK)]},
            customdata=np.column_stack([rows["n"].astype(str), rows["note"].map(escape)]),
            hovertemplate="%{x}: %{y:.2f} (n = %{customdata[0]}) %{customdata[1]}",
        )
    styled(figure, title, "model", what, 400)
    if not table[measure].notna().any():
        reasons = [f"{escape(str(judge))}: {escape(rows['note'].iloc[0])}" for judge, rows in table.groupby("judge")]
        text = "<br>".join(reasons or ["nobody has judged yet"])
        without_data(figure, text)
    else:
        limits = pd.Series(table[[measure, f"{measure}_low", f"{measure}_high"]].to_numpy().ravel())
        figure.add_hline(y=even, line={"dash": "dash", "color": "#888"})
        figure.update_yaxes(range=padded_range(limits, 0.05))  # plotly's own range cuts intervals of grouped dots
    figure.update_layout(scattermode="group", scattergap=0.6, showlegend=len(figure.data) > 1)
    order = [escape(name) for name in dict.fromkeys(table["model"])]
    return figure.update_xaxes(type="category", categoryorder="array", categoryarray=order)


def agreement_table(table: pd.DataFrame) -> pd.DataFrame:
    """A table as from `labeling.verdicts.agreement` in words: n, agreement and kappa of every two judges.

    Agreement (the share of equal verdicts) and kappa are shown with their intervals.
    """

    def words(row: Mapping[Any, Any], estimate: str, low: str, high: str) -> str:
        if np.isnan(row[estimate]):
            return row["note"]
        return f"{row[estimate]:.2f} [{row[low]:.2f}, {row[high]:.2f}]"

    rows = table.to_dict("records")
    return pd.DataFrame(
        {
            "n": [row["n"] for row in rows],
            "agreement": [words(row, "agree", "low", "high") for row in rows],
            "kappa": [words(row, "kappa", "kappa_low", "kappa_high") for row in rows],
        },
        index=table.index,
    )


def who_wrote_what(verdicts: pd.DataFrame, pairs: Sequence[Pair], judge: str) -> HTML:
    """The pairs that a judge has judged, now with their writers and with what every judge said of them.

    What the judge has not judged stays hidden: knowing the writer, nobody is blind any more. Texts and names are shown
    as text.

    Args:
        verdicts: As `labeling.verdicts` makes them.
        pairs: The pairs that were to be judged.
        judge: The judge's name.
    """
    given = given_verdicts(verdicts)
    judged = set(given[given["judge"] == judge]["pair"])
    shown = {pair.id: pair for pair in pairs if pair.id in judged}
    hidden = len({pair.id for pair in pairs}) - len(shown)
    parts = [_revealed(pair, given[given["pair"] == number]) for number, pair in shown.items()]
    if hidden:
        parts.append(f"<p>{hidden} of {len(shown) + hidden} pairs stay hidden: not judged yet by {as_html(judge)}.</p>")
    return HTML(f'<div style="max-width:60em; line-height:1.4">{"".join(parts) or "<p>There are no pairs.</p>"}</div>')


def _revealed(pair: Pair, given: pd.DataFrame) -> str:
    a, b = pair.source.split(">")
    sides = text_box(a, pair.completion_a) + text_box(b, pair.completion_b)
    prefers = {1.0: a, 0.5: "a tie", 0.0: b}
    said = "; ".join(
        f"{as_html(judge)}: {as_html(prefers[outcome])}"
        for judge, outcome in zip(given["judge"], given["outcome"], strict=True)
    )
    prompt = f'<div style="white-space:pre-wrap">{as_html(pair.prompt)}</div>'
    return (
        f"<details><summary>Better, according to {said}</summary>{prompt}</details>"
        f'<div style="display:flex; gap:1em; margin:0.6em 0 1.6em">{sides}</div>'
    )

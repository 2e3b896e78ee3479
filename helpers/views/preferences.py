"""Lab 01: widgets to read and judge pairs, and figures of agreement, biases and Bradley-Terry.

Texts and names come from data files, so all of them are escaped before they are shown.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go

from ..preferences import Preference
from .exercises import CARD, ChoiceView, Panel
from .style import MARKS, PALETTE, error_bars, styled
from .text import text_box

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross", "pentagon")
# Light enough for black numbers.
LIGHT_BLUES = ((0.0, "#f7fbff"), (1.0, "#6aadd5"))
LIGHT_RED_TO_BLUE = ((0.0, "#d6604d"), (0.5, "#f7f7f7"), (1.0, "#4393c3"))
STRENGTHS = {1: "negligibly better", 2: "slightly better", 3: "better", 4: "significantly better"}


class BlindPair(NamedTuple):
    """A pair as a labeler sees it: two texts in random order; `label` ("A" or "B") is what was chosen."""

    pair: Preference
    a: str
    b: str
    label: str


def blind(pairs: Sequence[Preference], seed: int = 0) -> list[BlindPair]:
    """The pairs with their sides shuffled: the order of the columns must not give the label away."""
    rng = random.Random(seed)
    return [
        BlindPair(pair, pair.chosen, pair.rejected, "A")
        if rng.random() < 0.5
        else BlindPair(pair, pair.rejected, pair.chosen, "B")
        for pair in pairs
    ]


# --- Widgets ------------------------------------------------------------------


class PairBrowser:
    """Pairs one at a time, blind until "Reveal the label" is pressed.

    Where widgets cannot run, as in a stored notebook, one line says what is missing.

    Args:
        pairs: The pairs, in the order in which they are shown.
        seed: That of the order of the two texts.

    Raises:
        ValueError: There are no pairs.
    """

    def __init__(self, pairs: Sequence[Preference], seed: int = 0) -> None:
        if not pairs:
            raise ValueError("there are no pairs to browse")
        self.pairs = blind(pairs, seed)
        self.position = 0
        self.previous = widgets.Button(description="Previous", icon="arrow-left")
        self.next = widgets.Button(description="Next", icon="arrow-right")
        self.reveal = widgets.ToggleButton(description="Reveal the label", icon="eye")
        self.where = widgets.HTML()
        self.text = widgets.HTML()
        self.previous.on_click(lambda _: self.go(self.position - 1))
        self.next.on_click(lambda _: self.go(self.position + 1))
        self.reveal.observe(lambda _: self._show(), "value")
        self.box = widgets.VBox([widgets.HBox([self.previous, self.next, self.reveal, self.where]), self.text])
        self._show()

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        return self.box._repr_mimebundle_(**options) | {"text/plain": "Run this cell to use it."}

    def go(self, position: int) -> None:
        """Show the pair at `position` (the last is followed by the first), blind again."""
        self.position = position % len(self.pairs)
        self.reveal.value = False
        self._show()

    def _show(self) -> None:
        shown = self.pairs[self.position]
        self.where.value = f"pair {self.position + 1} of {len(self.pairs)}"
        self.text.value = _pair_html(shown, revealed=self.reveal.value)


def _pair_html(shown: BlindPair, revealed: bool) -> str:
    pair = shown.pair
    as_chosen = {"mark": " &#10003; chosen", "border": "2px solid #117733"}
    sides = "".join(
        text_box(name, text, **(as_chosen if revealed and name == shown.label else {}))
        for name, text in (("A", shown.a), ("B", shown.b))
    )
    strength = f": {STRENGTHS[pair.strength]} (strength {pair.strength} of 4)" if pair.strength else ""
    label = (
        f"{escape(pair.annotator)} chose {shown.label}{strength}. "
        f"Written by: {escape(pair.source)} (chosen &gt; rejected). Row {escape(pair.id)}."
        if revealed
        else "Which one is the better TL;DR?"
    )
    return (
        f'<div style="max-width:60em; line-height:1.4"><div style="white-space:pre-wrap">{escape(pair.prompt)}</div>'
        f'<div style="display:flex; gap:1em; margin:0.6em 0">{sides}</div><i>{label}</i></div>'
    )


class AllaisPair:
    """Two choices between lotteries (Kahneman and Tversky 1979, problems 1 and 2), and whether they fit together.

    Once both are made it says whether some expected utility makes both.
    """

    SURE, RISKY = "2,400 for sure", "33 %: 2,500; 66 %: 2,400; 1 %: nothing"
    SMALLER, LARGER = "34 %: 2,400; else nothing", "33 %: 2,500; else nothing"

    def __init__(self) -> None:
        self.questions = [
            ChoiceView(
                f"Question {n}. Which would you take?", [(answer, "") for answer in answers], on_choose=self._say
            )
            for n, answers in enumerate(((self.SURE, self.RISKY), (self.SMALLER, self.LARGER)), start=1)
        ]
        self.verdict = widgets.HTML()
        shown = "Two choices between lotteries: run this cell to make them"
        self.widget = Panel([*(question.widget for question in self.questions), self.verdict], shown)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        return self.widget._repr_mimebundle_(**options) | {"text/plain": repr(self.widget)}

    def _say(self, _: str) -> None:
        first, second = (question.chosen for question in self.questions)
        if first is None or second is None:
            return
        if (first, second) == (self.SURE, self.LARGER):
            words = "You chose as most people do, and no expected utility makes both choices. See why below."
        elif (first, second) == (self.RISKY, self.SMALLER):
            words = "No expected utility makes both choices. Yours is the rarer of the two ways to differ from it."
        else:
            words = "Your two choices fit together: there are expected utilities that make both."
        self.verdict.value = f'<div style="{CARD}" role="status">{words}</div>'


# --- Figures ------------------------------------------------------------------


def rates_figure(rates: pd.DataFrame, title: str, x: str, reference: float = 0.5) -> go.Figure:
    """A point with its interval for each row.

    Args:
        rates: Index names; columns estimate, low, high, n.
        title: The finding.
        x: The axis title.
        reference: Where a dashed line stands.
    """
    names = _names(rates.index)
    figure = go.Figure(
        go.Scatter(
            x=rates["estimate"],
            y=names,
            error_x=error_bars(rates, digits=None),
            mode="markers",
            marker={"size": 9, "color": PALETTE[3]},
            customdata=rates["n"],
            hovertemplate="%{y}: %{x:.2f} (n = %{customdata})<extra></extra>",
        )
    )
    figure.add_vline(x=reference, line={"dash": "dash", "color": "#888"})
    ends = min(reference, rates["low"].min()), max(reference, rates["high"].max())
    margin = 0.05 * (ends[1] - ends[0])  # else the line lies on the names where it comes first
    figure.update_xaxes(range=[round(float(ends[0] - margin), 4), round(float(ends[1] + margin), 4)])
    figure.update_yaxes(autorange="reversed")
    return styled(figure, title, x, "")


def scales_figure(ratings: pd.DataFrame, title: str) -> go.Figure:
    """How often each annotator gives each rating; `ratings` has the columns annotator and rating (1 to 7)."""
    shares = pd.crosstab(ratings["annotator"], ratings["rating"], normalize="index")
    shares = shares.reindex(columns=range(1, 8), fill_value=0.0)
    figure = _heatmap(
        shares, "%{z:.0%}", colorscale=LIGHT_BLUES, zmin=0, colorbar={"tickformat": ".0%", "title": "share"}
    )
    figure.update_traces(hovertemplate="%{y} gives %{x}: %{z:.0%}<extra></extra>")
    figure.update_xaxes(tickmode="linear")
    return styled(figure, title, "rating, from 1 (worst) to 7 (best)", "")


def agreement_figure(kappas: pd.DataFrame, title: str) -> go.Figure:
    """The kappa of every two annotators (rows), by how they were asked (columns), with the median of each column."""
    rng = np.random.default_rng(0)  # sideways scatter, so that equal points do not hide each other
    figure = go.Figure()
    for number, name in enumerate(kappas):
        figure.add_scatter(
            x=number + rng.uniform(-0.12, 0.12, len(kappas)),
            y=kappas[name],
            mode="markers",
            marker={"symbol": SYMBOLS[number], "size": 8, "color": PALETTE[number], "opacity": 0.8},
            text=_names(kappas.index),
            hovertemplate="%{text}: %{y:.2f}<extra></extra>",
        )
        median = kappas[name].median()
        figure.add_shape(type="line", x0=number - 0.25, x1=number + 0.25, y0=median, y1=median, line={"width": 3})
        figure.add_annotation(x=number + 0.27, y=median, text=f"{median:.2f}", showarrow=False, xanchor="left")
    figure.update_xaxes(tickvals=list(range(len(kappas.columns))), ticktext=_names(kappas.columns))
    figure.update_layout(showlegend=False)
    return styled(figure, title, "", "Cohen's kappa")


def kappa_heatmap(kappas: pd.DataFrame, title: str) -> go.Figure:
    """A matrix of kappas, annotators by annotators, similar ones side by side; the diagonal stays empty."""
    order = _similar_together(kappas)
    ordered = kappas.loc[order, order].astype(float)
    ordered = ordered.mask(np.eye(len(ordered), dtype=bool))
    figure = _heatmap(ordered, "%{z:.2f}", colorscale=LIGHT_BLUES, colorbar={"title": "kappa"})
    figure.update_traces(hovertemplate="%{y} and %{x}: %{z:.2f}<extra></extra>")
    return styled(figure, title, "", "", height=420)


def _similar_together(kappas: pd.DataFrame) -> list[Any]:
    """The names in the order of a hierarchical clustering."""
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(kappas) < 3:
        return list(kappas.index)
    distance = (1 - kappas.to_numpy(dtype=float)).clip(min=0)
    np.fill_diagonal(distance, 0)
    distance = np.nan_to_num((distance + distance.T) / 2, nan=1.0)
    leaves = leaves_list(linkage(squareform(distance, checks=False), "average", optimal_ordering=True))
    return [kappas.index[leaf] for leaf in leaves]


def opinions_figure(probabilities: pd.DataFrame, title: str) -> go.Figure:
    """How two groups see the same pairs; `probabilities` has two columns, P(A is preferred), named after the groups."""
    first, second = probabilities.columns
    disagree = (probabilities[first] - 0.5) * (probabilities[second] - 0.5) < 0
    figure = go.Figure()
    for number, (name, rows) in enumerate(
        (("same text, or no preference", probabilities[~disagree]), ("different texts", probabilities[disagree]))
    ):
        figure.add_scatter(
            x=rows[first],
            y=rows[second],
            mode="markers",
            name=name,
            marker={"symbol": SYMBOLS[number * 2], "size": 6, "color": PALETTE[number], "opacity": 0.55},
        )
    figure.add_hline(y=0.5, line={"dash": "dash", "color": "#888"})
    figure.add_vline(x=0.5, line={"dash": "dash", "color": "#888"})
    return styled(
        figure,
        title,
        f"P(A is preferred), {first}",
        f"P(A is preferred), {second}",
        height=420,
    )


def bradley_terry_curve(temperatures: Sequence[float], start: int = 0) -> go.Figure:
    """P(a is preferred to b) = sigmoid((r_a - r_b) / T), with a slider for T that needs no kernel.

    The slider starts at `temperatures[start]`.
    """
    difference = np.linspace(-4, 4, 81)
    figure = go.Figure()
    for number, temperature in enumerate(temperatures):
        figure.add_scatter(
            x=difference,
            y=1 / (1 + np.exp(-difference / temperature)),
            name=f"T = {temperature:g}",
            visible=number == start,
            line={"color": PALETTE[3], "width": 3},
        )
    figure.add_scatter(
        x=[-4, 0, 0, 4], y=[0, 0, 1, 1], name="no noise: T = 0", mode="lines", line={"color": "#888", "dash": "dot"}
    )
    steps = [
        {
            "label": f"{temperature:g}",
            "method": "update",
            "args": [
                {"visible": [i == number for i in range(len(temperatures))] + [True]},
                {"title.text": _curve_title(temperature)},
            ],
        }
        for number, temperature in enumerate(temperatures)
    ]
    figure.update_layout(
        sliders=[{"active": start, "currentvalue": {"prefix": "T = "}, "steps": steps, "pad": {"t": 50}}]
    )
    title = _curve_title(temperatures[start])
    return styled(figure, title, "r of a minus r of b", "P(a is preferred to b)", height=460)


def _curve_title(temperature: float) -> str:
    probability = 1 / (1 + np.exp(-1 / temperature))
    return f"One point more wins {probability:.0%} of the comparisons at T = {temperature:g}"


def choices_figure(choices: pd.DataFrame, title: str, temperature: float | None = None) -> go.Figure:
    """How often A is chosen against how much better it is, a line for each annotator, with 95 % intervals.

    Args:
        choices: Columns annotator, difference (gold reward of A minus B), estimate, low, high.
        title: The finding.
        temperature: If given, Bradley-Terry's curve for it is drawn too.
    """
    figure = go.Figure()
    for number, (name, rows) in enumerate(choices.groupby("annotator", sort=False)):
        color, dash, symbol = MARKS[number % len(MARKS)]
        figure.add_scatter(
            x=rows["difference"],
            y=rows["estimate"],
            name=escape(str(name)),
            mode="lines+markers",
            error_y=error_bars(rows, digits=None) | {"thickness": 1},
            line={"color": color, "dash": dash},
            marker={"symbol": symbol, "size": 8},
        )
    if temperature is not None:
        reach = float(choices["difference"].abs().max())
        x = np.linspace(-reach, reach, 81)
        figure.add_scatter(
            x=x,
            y=1 / (1 + np.exp(-x / temperature)),
            name=f"Bradley-Terry, T = {temperature:g}",
            line={"color": "#888", "dash": "dot"},
        )
    return styled(figure, title, "gold reward of A minus gold reward of B", "share of choices that are A", height=420)


def weights_figure(weights: pd.DataFrame, title: str) -> go.Figure:
    """What one more of each thing (column) is worth to each annotator (row): blue what is liked, red what is not."""
    limit = float(np.nanmax(np.abs(weights.to_numpy(dtype=float)))) or 1.0
    bar = {"title": "weight"}
    figure = _heatmap(weights, "%{z:.1f}", colorscale=LIGHT_RED_TO_BLUE, zmin=-limit, zmax=limit, colorbar=bar)
    figure.update_traces(hovertemplate="%{y}, %{x}: %{z:.2f}<extra></extra>")
    return styled(figure, title, "one more of this in the text, in units of one goal", "", height=420)


def strengths_figure(strengths: pd.Series, title: str) -> go.Figure:
    """Bradley-Terry strengths, strongest on top; `strengths` has names as its index, values in log-odds, mean 0."""
    strengths = strengths.sort_values()
    figure = go.Figure(
        go.Bar(
            x=strengths,
            y=_names(strengths.index),
            orientation="h",
            marker={"color": PALETTE[3]},
            hovertemplate="%{y}: %{x:.2f}<extra></extra>",
        )
    )
    return styled(figure, title, "Bradley-Terry strength (log-odds, mean 0)", "", height=380)


def _heatmap(table: pd.DataFrame, text: str, **options: Any) -> go.Figure:
    """Numbers as colors and as text; a missing one stays blank."""
    figure = go.Figure(
        go.Heatmap(
            z=table.to_numpy(dtype=float),
            x=_names(table.columns),
            y=_names(table.index),
            texttemplate=text,
            textfont_color="black",
            xgap=2,
            ygap=2,
            hoverongaps=False,
            **options,
        )
    )
    figure.update_yaxes(autorange="reversed")
    return figure


def _names(index: pd.Index) -> list[str]:
    """Labels for an axis. plotly reads some HTML in them, and names come from data."""
    return [escape(" and ".join(name) if isinstance(name, tuple) else str(name)) for name in index]

"""One look for all figures: size, and colors that survive color blindness and gray printing."""

import textwrap
from typing import Any

import pandas as pd
import plotly.express as px
import plotly.graph_objects as go

from .text import as_label

PALETTE = px.colors.qualitative.Safe
# The same model has the same color, dash and marker in every lab.
COLORS = {"base": PALETTE[10], "sft": PALETTE[0], "ppo": PALETTE[1], "chosen": PALETTE[3], "rejected": PALETTE[1]}
DASHES = {"base": "dot", "sft": "dash", "ppo": "solid"}
MARKERS = {"base": "circle", "sft": "square", "ppo": "diamond"}
# Of lines and marks: dark enough on white for thin lines (3:1 at least), and different to color-blind readers.
INK = ("#332288", "#117733", "#AA4499", "#882255", "#666666")
GRAY = "#777777"
LINE_DASHES = ("solid", "dash", "dot", "dashdot")
MARKS = (  # color, dash and symbol: no two alike, in gray print either
    (INK[0], "solid", "circle"),
    (INK[1], "dash", "square"),
    (INK[2], "dot", "diamond"),
    (INK[3], "dashdot", "triangle-up"),
    (INK[4], "longdash", "x"),
    ("#117733", "longdashdot", "star"),
    ("#332288", "dot", "cross"),
    ("#B8860B", "solid", "triangle-down"),
)
HEIGHT = 340  # pixels
TITLE_WIDTH = 60  # characters of a line: a cell in a window of 800 pixels holds them


def styled(figure: go.Figure, title: str, x: str, y: str, height: int = HEIGHT) -> go.Figure:
    """Give a figure its title (the finding), its axes (with units) and the labs' look. All three are plain text.

    Args:
        figure: It is changed, and returned.
        title: Wrapped to lines of TITLE_WIDTH characters.
        x: The title of the x axis.
        y: The title of the y axis.
        height: In pixels.
    """
    lines = textwrap.wrap(title, TITLE_WIDTH)
    if len(lines) > 1:  # as narrow as they can be: no last line of one word
        wraps = (textwrap.wrap(title, width) for width in range(len(title) // len(lines), TITLE_WIDTH + 1))
        lines = next(narrow for narrow in wraps if len(narrow) == len(lines))
    figure.update_layout(
        title={
            "text": "<br>".join(map(as_label, lines)),
            "font_size": 16,
            "x": 0.03,
            "yref": "container",
            "y": 1,
            "yanchor": "top",
        },
        title_pad={"t": 14},
        xaxis_title=as_label(x),
        yaxis_title=as_label(y),
        height=height,
        template="plotly_white",
        colorway=PALETTE,
        font={"size": 13},
        margin={"l": 60, "r": 20, "t": 60 + 22 * max(0, len(lines) - 1), "b": 50},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
    )
    return figure


def without_data(figure: go.Figure, text: str) -> go.Figure:
    """Show `text`, which may hold plotly's HTML, instead of axes: there is nothing to draw."""
    figure.add_annotation(x=0.5, y=0.5, xref="paper", yref="paper", text=text, showarrow=False)
    return figure.update_xaxes(visible=False).update_yaxes(visible=False)


def error_bars(
    rows: pd.DataFrame, digits: int | None = 3, estimate: str = "estimate", low: str = "low", high: str = "high"
) -> dict[str, Any]:
    """The limits of an interval table as plotly's error bars.

    Args:
        rows: The table.
        digits: To round to; None for no rounding.
        estimate: The name of its column of estimates.
        low: The name of its column of lower limits.
        high: The name of its column of upper limits.
    """
    above, below = rows[high] - rows[estimate], rows[estimate] - rows[low]
    if digits is not None:
        above, below = above.round(digits), below.round(digits)
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below}


def padded_range(values: pd.Series, padding: float) -> list[float]:
    """The range of an axis that holds all values: `padding` is the share of their span that is free at each end."""
    margin = padding * ((values.max() - values.min()) or 1)
    return [round(values.min() - margin, 4), round(values.max() + margin, 4)]

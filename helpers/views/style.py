"""One look for all figures: size, and colors that survive color blindness and gray printing."""

import textwrap

import pandas as pd
import plotly.express as px
import plotly.graph_objects as go

from .text import as_label

PALETTE = px.colors.qualitative.Safe
# The same model has the same color, dash and marker in every lab.
COLORS = {"base": PALETTE[10], "sft": PALETTE[0], "ppo": PALETTE[1], "chosen": PALETTE[3], "rejected": PALETTE[1]}
DASHES = {"base": "dot", "sft": "dash", "ppo": "solid"}
MARKERS = {"base": "circle", "sft": "square", "ppo": "diamond"}
HEIGHT = 340  # pixels
TITLE_WIDTH = 60  # characters of a line: a cell in a window of 800 pixels holds them


def styled(figure: go.Figure, title: str, x: str, y: str, height: int = HEIGHT) -> go.Figure:
    """Give a figure its title (the finding), its axes (with units) and the labs' look. All three are plain text."""
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


def error_bars(
    rows: pd.DataFrame, digits: int = 3, estimate: str = "estimate", low: str = "low", high: str = "high"
) -> dict:
    """The limits of an interval table (columns estimate, low, high) as plotly's error bars."""
    above, below = rows[high] - rows[estimate], rows[estimate] - rows[low]
    return {"type": "data", "symmetric": False, "array": above.round(digits), "arrayminus": below.round(digits)}

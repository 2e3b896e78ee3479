"""One look for all figures: size, title, legend, and colors that survive color blindness and gray printing.

A figure is printed on white paper in a dark theme too: plotly takes no CSS variables, and no one color has a contrast
of 4.5 on white and on JupyterLab's dark page (#111): the best has 4.34.
"""

import textwrap
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import plotly.io as pio
from plotly.io.base_renderers import MimetypeRenderer

from .text import as_label, plain

# Every color has a contrast of 3 at least on white, and on #111. The first six are told apart by color-blind readers.
PALETTE = (
    "#2486dc", "#cf4f74", "#a3860a", "#0b7a2e", "#7f3fe0", "#a81fae", "#12918d", "#8f5a33", "#6b7684", "#a8452a",
    "#777777",
)  # fmt: skip
BLUE, ROSE, OCHER, GREEN, PURPLE, MAGENTA, *_, GRAY = PALETTE
WORDS = "#1f2328"  # titles, labels, numbers
# The same model has the same color, dash and marker in every lab.
COLORS = {"base": GRAY, "sft": BLUE, "ppo": GREEN, "chosen": GREEN, "rejected": ROSE}
DASHES = {"base": "dot", "sft": "dash", "ppo": "solid"}
MARKERS = {"base": "circle", "sft": "square", "ppo": "diamond"}
INK = (BLUE, GREEN, MAGENTA, OCHER, GRAY)  # of lines and marks, in this order
LINE_DASHES = ("solid", "dash", "dot", "dashdot")
MARKS = (  # color, dash and symbol: no two alike, in gray print either
    (BLUE, "solid", "circle"),
    (GREEN, "dash", "square"),
    (MAGENTA, "dot", "diamond"),
    (OCHER, "dashdot", "triangle-up"),
    (PURPLE, "longdash", "x"),
    (ROSE, "longdashdot", "star"),
    (GRAY, "dot", "cross"),
    (PALETTE[7], "solid", "triangle-down"),
)
HEIGHT = 340  # pixels
TITLE_WIDTH = 60  # characters of a line: a cell in a window of 800 pixels holds them
# Of plotly's buttons: none that sends the chart to a server ("Share chart"), and no advertisement.
CONFIG: dict[str, Any] = {"showSendToCloud": False, "displaylogo": False}


class _Described(MimetypeRenderer):
    """Adds to a displayed figure what it shows in words, for readers and pages that draw no figures."""

    def to_mimebundle(self, fig_dict: dict[str, Any]) -> dict[str, Any]:
        return {"text/plain": described(go.Figure(fig_dict, skip_invalid=True))}


def _set_up_display() -> None:
    """Have every figure that a cell shows go without the sharing button, and with its words."""
    for renderer in [pio.renderers[name] for name in pio.renderers]:
        if hasattr(renderer, "config"):
            renderer.config = {**(renderer.config or {}), **CONFIG}
    pio.renderers["described"] = _Described()
    names = (pio.renderers.default or "").split("+")
    if any("mimetype" in name or name in ("jupyterlab", "vscode") for name in names) and "described" not in names:
        pio.renderers.default = "+".join([*names, "described"])


def styled(figure: go.Figure, title: str, x: str, y: str, height: int = HEIGHT) -> go.Figure:
    """Give a figure its title (the finding), its axes (with units) and the labs' look. All three are plain text.

    The title stands above everything and the legend below everything, each with room of its own.

    Args:
        figure: It is changed, and returned.
        title: Wrapped to lines of TITLE_WIDTH characters.
        x: The title of the x axis.
        y: The title of the y axis.
        height: In pixels.
    """
    lines = _wrapped(title)
    panels = any(a.yref == "paper" and (a.y or 0) >= 1 for a in figure.layout.annotations)  # they have names
    figure.update_layout(
        title={
            "text": "<br>".join(map(as_label, lines)),
            "font_size": 15,
            "x": 0.01,
            "xref": "container",
            "yref": "container",
            "y": 1 - 26 / height,  # of the first line's foot; further lines stand below it
            "yanchor": "bottom",
        },
        xaxis_title=as_label(x),
        yaxis_title=as_label(y),
        height=height,
        template="plotly_white",
        paper_bgcolor="white",
        colorway=PALETTE,
        font={"size": 13, "color": WORDS},
        margin={"l": 60, "r": 20, "t": 24 + 20 * len(lines) + 20 * panels, "b": 50},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "font_size": 12},
    )
    figure.update_xaxes(automargin=True).update_yaxes(automargin=True)
    return figure


def _wrapped(title: str) -> list[str]:
    """The lines of a title, all about as long: no last line of one word."""
    lines = textwrap.wrap(title, TITLE_WIDTH)
    if len(lines) < 2:
        return lines
    wraps = (textwrap.wrap(title, width) for width in range(len(title) // len(lines), TITLE_WIDTH + 1))
    return next(narrow for narrow in wraps if len(narrow) == len(lines))


def title_of(figure: go.Figure) -> str:
    """The title of a figure as text."""
    return plain(figure.layout.title.text or "")


def described(figure: go.Figure) -> str:
    """A figure in a few words: its title, what its axes are, and what is drawn."""
    axes = {
        letter: [plain(axis.title.text) for axis in axes if axis.title.text]
        for letter, axes in (("x", figure.select_xaxes()), ("y", figure.select_yaxes()))
    }
    names = dict.fromkeys(plain(trace.name) for trace in figure.data if trace.name and trace.showlegend is not False)
    parts = [
        title_of(figure) or "a figure without a title",
        *(f"{letter}: {', '.join(dict.fromkeys(titles))}" for letter, titles in axes.items() if titles),
        *([f"shown: {', '.join(names)}"] if names else []),
    ]
    return f"Figure. {'; '.join(parts)}"


def contrast(color: str, other: str) -> float:
    """The contrast ratio of two colors like #2486dc, from 1 to 21 (WCAG 2.1)."""
    one, two = sorted((luminance(_parts(color)), luminance(_parts(other))), reverse=True)
    return (one + 0.05) / (two + 0.05)


def luminance(color: tuple[float, float, float]) -> float:
    """Relative luminance of an sRGB color with parts from 0 to 1 (WCAG 2.1); black and white tie at 0.179."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _parts(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue


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


_set_up_display()

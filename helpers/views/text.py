"""Text of files, models and people, for places that take HTML: it is shown as it is."""

from html import escape
from typing import Any


def as_html(text: object) -> str:
    """The text as HTML in which nothing is a tag, an entity or, to JupyterLab's MathJax, mathematics.

    MathJax looks for $...$, \\(...\\) and \\begin{...} in all HTML that JupyterLab shows; a tag in between stops it.
    """
    return escape(str(text)).replace("$", "<span>$</span>").replace("\\", "<span>\\</span>")


def as_label(value: Any) -> Any:
    """A text for plotly, which obeys some HTML in titles, names, labels and hover texts; a number stays a number."""
    return escape(value, quote=False) if isinstance(value, str) else value

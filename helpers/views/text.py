"""Text of files, models and people, and numbers: shown as they are in HTML, in plotly's labels and in tables."""

import math
import unicodedata
from html import escape, unescape
from numbers import Real
from typing import Any

_VISIBLE = {" ": "·", "\n": "⏎", "\t": "⇥", "": "∅"}


def as_html(text: object) -> str:
    r"""The text as HTML in which nothing is a tag, an entity or, to JupyterLab's MathJax, mathematics.

    MathJax looks for $...$, \(...\) and \begin{...} in all HTML that JupyterLab shows; a tag in between stops it.
    """
    return escape(str(text)).replace("$", "<span>$</span>").replace("\\", "<span>\\</span>")


def as_label(value: Any) -> Any:
    """A text for plotly, which obeys some HTML in titles, names, labels and hover texts; a number stays a number."""
    return escape(value, quote=False) if isinstance(value, str) else value


def plain(label: str) -> str:
    """A label of plotly's as text again: `as_label` the other way round, with line ends as spaces."""
    return unescape(label.replace("<br>", " ").replace("<b>", "").replace("</b>", ""))


def text_box(name: str, text: str, mark: str = "", border: str = "1px solid #808080") -> str:
    """HTML: one of several texts side by side, in a box with its name.

    Args:
        name: Shown above the text.
        text: Shown as it is, with its line ends.
        mark: HTML that follows the name.
        border: CSS.
    """
    return (
        f'<div style="flex:1; padding:0.6em; border:{border}; border-radius:4px"><b>{as_html(name)}</b>{mark}'
        f'<div style="white-space:pre-wrap">{as_html(text.strip())}</div></div>'
    )


def visible(token: str, length: int = 1000) -> str:
    """A token with its spaces and line ends as signs, and characters that cannot be seen as their code: ⟨200B⟩.

    What is longer than `length` is cut and ends with an ellipsis.
    """
    hidden = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs")
    signs = (_VISIBLE.get(c) or (f"⟨{ord(c):04X}⟩" if unicodedata.category(c) in hidden else c) for c in token)
    text = "".join(signs) or _VISIBLE[""]
    return text if len(text) <= length else text[: length - 1] + "…"


def digits(step: float) -> int:
    """How many digits behind the point the numbers have that go in steps of this size."""
    return max(0, math.ceil(-math.log10(step)))


def number(value: object, form: str = "+.2f") -> str:
    """A number for a table; a dash for one that is missing or not finite. `form` is a format, as in f-strings."""
    if not (isinstance(value, Real) and math.isfinite(value)):
        return "–"
    shown = format(value, form)
    return shown if any(digit in shown for digit in "123456789") else format(0.0, form)  # no "-0.00"

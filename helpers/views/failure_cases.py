"""What was broken in a recorded run of the failure gallery, closed until its reader opens it."""

from collections.abc import Mapping, Sequence
from html import escape

from .live import change
from .text import as_html


def revealed(cause: str, sign: str, broken: str, right: str, records: Sequence[Mapping]) -> str:
    """HTML: a line to open; in it cause and sign, the broken line and the right one, and the run's gold reward."""
    gold = change(records, "gold", "gold reward")
    return (
        '<details style="max-width:60em;line-height:1.45"><summary style="cursor:pointer"><b>What it was</b>'
        f" (open when you have decided)</summary><p><b>{as_html(cause[0].upper() + cause[1:])}.</b> {as_html(sign)}</p>"
        f"<p>{as_html(gold[0].upper() + gold[1:])}.</p>"
        f'<pre style="white-space:pre-wrap">- {escape(broken)}\n+ {escape(right)}</pre></details>'
    )

"""What was broken in a recorded run of the failure gallery, closed until its reader opens it."""

from collections.abc import Mapping, Sequence
from html import escape

from .run_curves import change
from .text import as_html


def revealed(cause: str, sign: str, diff: Sequence[str], records: Sequence[Mapping]) -> str:
    """What was broken, and what shows it.

    Args:
        cause: in a few words.
        sign: what curves and samples show.
        diff: the broken line, as it should be ("- ") and as it ran ("+ ").
        records: of the run.

    Returns:
        HTML: a line to open; in it cause and sign, the diff, and the run's gold reward.
    """
    gold, lines = change(records, "gold", "gold reward"), "\n".join(map(escape, diff))
    return (
        '<details style="max-width:60em;line-height:1.45"><summary style="cursor:pointer"><b>What it was</b>'
        f" (open when you have decided)</summary><p><b>{as_html(cause[0].upper() + cause[1:])}.</b> {as_html(sign)}</p>"
        f"<p>{as_html(gold[0].upper() + gold[1:])}.</p>"
        f'<pre style="white-space:pre-wrap">{lines}</pre></details>'
    )

"""A preference set's diagnostics to look at: figures for the labs, and a page that stands alone.

The page holds no script and no link, and its Content-Security-Policy forbids the browser to run or to fetch any:
texts of a set cannot do anything there even where they are made for it. So its figures are SVG, drawn here.
All names and texts come from data and are shown as text.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from IPython.display import HTML

from ..formulas.statistics import Interval
from ..preferences import diagnostics
from ..preferences.diagnostics import Diagnostics
from .preferences import rates_figure
from .style import COLORS, styled, without_data
from .text import as_html, as_label

BINS = 40
WORDS = 12  # of each side, in the figure

# --- Figures for the labs -----------------------------------------------------


def judges_figure(found: Diagnostics) -> go.Figure:
    """Held-out accuracy of the judges that understand nothing, with intervals over prompts."""
    if found.judges.empty:
        return _empty(_judges_title(found), "accuracy")
    return rates_figure(found.judges.round(4), _judges_title(found), f"accuracy; held out: {found.heldout}")


def words_figure(found: Diagnostics) -> go.Figure:
    """Z of the words that tell chosen from rejected texts; between the dashed lines chance is enough."""
    words = _both_ends(found.words)
    if words.empty:
        return _empty(_words_title(found), "z of the log-odds")
    figure = go.Figure()
    for side, symbol, rows in (
        ("chosen", "circle", words[words["z"] > 0]),
        ("rejected", "diamond", words[words["z"] < 0]),
    ):
        figure.add_scatter(
            x=rows["z"].round(2),
            y=rows["word"].map(as_label),
            mode="markers",
            name=f"in {side} texts",
            marker={"symbol": symbol, "size": 9, "color": COLORS[side]},
            customdata=rows[["chosen", "rejected"]],
            hovertemplate="%{y}: in %{customdata[0]} chosen, %{customdata[1]} rejected texts<extra></extra>",
        )
    for limit in (-found.z_limit, found.z_limit):
        figure.add_vline(x=round(limit, 2), line={"dash": "dash", "color": "#888"})
    figure.update_yaxes(autorange="reversed", type="category", dtick=1)
    return styled(figure, _words_title(found), "z of the log-odds: right in chosen, left in rejected texts", "", 560)


def overview(found: Diagnostics) -> HTML:
    """For a notebook: what to know before training on the set, and the tables of lengths, repeats and leaks."""
    tables = _table(found.lengths, "Words") + _table(found.repeats, REPEATS) + _table(found.leaks, LEAKS)
    return HTML(f'<div style="max-width:60em">{_findings(found)}{tables}</div>')


def troubles(found: Diagnostics) -> pd.DataFrame:
    """How many rows, prompts or pairs have each thing that may be wrong: columns what, n, share."""
    repeats: Mapping[Any, Mapping[Any, Any]] = found.repeats.to_dict("index")
    prompts, completions = repeats["prompts"], repeats["completions"]
    rows = [
        ("rows that contradict another", found.contradicting, found.n),
        ("rows that repeat another", repeats["pairs"]["words"], found.n),
        ("prompts near another", prompts["near"], prompts["n_near"]),
        ("completions near another", completions["near"], completions["n_near"]),
        ("pairs of near twins", round(found.twins * found.sampled), found.sampled),
    ]
    rows += [(f"prompts of {name}", leak["near"], leak["n_near"]) for name, leak in found.leaks.iterrows()]
    return pd.DataFrame([(what, int(n), n / total) for what, n, total in rows], columns=["what", "n", "share"])


# Titles state what was found; figures and page share them.


def _length_title(found: Diagnostics) -> str:
    rate = found.longer
    if rate.low <= 0.5 <= rate.high:
        return f"Longer and shorter completions are chosen about equally often (longer: {rate.estimate:.1%})"
    longer, share = ("longer", rate.estimate) if rate.low > 0.5 else ("shorter", 1 - rate.estimate)
    return f"The {longer} completion is chosen in {share:.1%} of the pairs"


def _judges_title(found: Diagnostics) -> str:
    if found.judges.empty:
        return "Too few pairs to hold some out"
    said = [f"{name} {rate:.0%}" for name, rate in found.judges["estimate"].items()]
    return f"Judges that understand nothing are right in: {', '.join(said)} of the held-out pairs"


def _words_title(found: Diagnostics) -> str:
    clear = found.words[found.words["z"].abs() > found.z_limit]
    if clear.empty:
        return f"None of {found.n_words:,} words tells chosen from rejected beyond chance"
    best = clear.iloc[clear["z"].abs().argmax()]
    side = "chosen" if best["z"] > 0 else "rejected"
    return f'"{best["word"]}" stands out most, in {side} texts; {len(clear)} of the words shown are beyond chance'


def _troubles_title(found: Diagnostics) -> str:
    table = troubles(found)
    if not table["n"].any():
        return "Nothing repeats, contradicts or leaks"
    worst = table.iloc[table["share"].argmax()]
    return f"Most frequent: {worst['what']}, {worst['share']:.1%}"


# --- The page -----------------------------------------------------------------

REPEATS = "Repeats: rows, distinct ones, exact repeats, the same words, near repeats (near: of the n_near compared)"
LEAKS = "Held-out prompts (n) that another split also has (near: of the n_near compared)"

STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #fff; --line: #bbb; --chosen: #117733; --rejected: #b0405a; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e6; --paper: #16181c; --line: #555; --chosen: #5fc487; --rejected: #f0879c; }
}
body { color: var(--ink); background: var(--paper); font: 16px/1.5 system-ui, sans-serif; max-width: 62rem;
  margin: 0 auto; padding: 1rem; }
h2 { margin-top: 2.2em; font-size: 1.25rem; }
table { border-collapse: collapse; margin: 0 0 1.4em; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 0.15em 0.7em; text-align: right; overflow-wrap: anywhere; }
th:first-child, td:first-child { text-align: left; }
.wide { overflow-x: auto; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid var(--line); padding-left: 0.7em;
  max-height: 18em; overflow-y: auto; unicode-bidi: isolate; }
.chosen { border-color: var(--chosen); }
.rejected { border-color: var(--rejected); border-left-style: dashed; }
svg { display: block; max-width: 100%; height: auto; }
svg text { fill: var(--ink); font-size: 13px; }
svg .chosen { fill: var(--chosen); stroke: none; }
svg .rejected { fill: var(--rejected); stroke: none; }
svg line { stroke: var(--ink); }
svg .limit { stroke: var(--line); stroke-dasharray: 5 4; }
"""


def report_html(found: Diagnostics) -> str:
    """The diagnostics as one HTML page that needs nothing else: no script, no link, no request; light or dark.

    It shows texts of the set: those of the rows to look at, cut to a thousand characters.
    """
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    name = diagnostics.printable(found.name)
    body = "".join(_sections(found))
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">'
        '<meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">'
        f"<title>{escape(name)}: diagnostics</title><style>{STYLE}</style></head>\n"
        f"<body><h1>{as_html(name)}</h1>{body}</body></html>\n"
    )


def _sections(found: Diagnostics) -> Iterable[str]:
    read = [f"{found.n:,} pairs"] if found.reading is None else found.reading.lines()
    if found.sampled < found.n:
        read.append(f"what needs the texts was computed on a sample of {found.sampled:,} pairs")
    yield _list(read)
    yield "<h2>To know before training</h2>" + _findings(found)
    yield f"<h2>{as_html(_troubles_title(found))}</h2>" + _bars(troubles(found)) + _table(found.repeats, REPEATS)
    yield _table(found.leaks, LEAKS) if len(found.leaks) else "<p>There is only one split: nothing can leak.</p>"
    yield (
        f"<p>Pairs of completions chosen both ways: {found.contradictions:,}. Pairs whose two completions are near "
        f"duplicates: {found.twins:.1%}."
        + ("" if found.ties is None else f" Ties, which were left out: {found.ties:,}.")
        + " Near duplicates have at least four fifths of their three-word runs in common.</p>"
    )
    yield f"<h2>{as_html(_length_title(found))}</h2>" + _histogram(found) + _table(found.lengths, "Length in words")
    yield _rates(found.longer_by, "How often each annotator chooses the longer completion, with 95 % intervals")
    yield _table(found.starts, "Pairs whose completions share at least so many first words", index=False)
    yield f"<h2>{as_html(_judges_title(found))}</h2><p>Held out: {as_html(found.heldout)}.</p>"
    yield _rates(found.judges, "Accuracy, with 95 % intervals over prompts")
    yield f"<h2>{as_html(_words_title(found))}</h2>" + _dots(found)
    words = _table(found.words, "In how many sampled texts each word is, log-odds and z", index=False)
    yield f"<details><summary>The words in numbers</summary>{words}</details>" if words else ""
    yield "<h2>Who judged</h2>" + _agreement(found)
    yield _table(found.counts.assign(share=found.counts["share"].map("{:.1%}".format)), "Counts", index=False)
    yield "<h2>Rows to look at</h2>" + "".join(map(_row, found.worst.to_dict("records")))


def _agreement(found: Diagnostics) -> str:
    if found.agreement is None:
        return "<p>No pair was judged by two annotators who are named.</p>"
    a = found.agreement
    words = (
        f"{a.judgments:,} judgments of {diagnostics.many(a.pairs, 'pair')}. Two annotators choose the same text with "
        f"probability {_interval(a.same)}; Krippendorff's alpha is {_interval(a.alpha)}."
    )
    return f"<p>{as_html(words)}</p>" + _table(a.kappas, "Cohen's kappa of two annotators", index=False)


def _interval(rate: Interval) -> str:
    limits = "" if np.isnan(rate.low) else f" [{rate.low:.2f}, {rate.high:.2f}]"
    return f"{rate.estimate:.2f}{limits}"


def _findings(found: Diagnostics) -> str:
    return _list(diagnostics.findings(found) or ["Nothing stands out."])


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{as_html(diagnostics.printable(line))}</li>' for line in lines)}</ul>"


def _row(row: Mapping[Any, Any]) -> str:
    about = "; ".join(f"{name} {row[name]}" for name in ("id", "where", "split", "annotator", "source") if row[name])
    texts = "".join(
        f'<p>{part}</p><div class="text {part}">{_shown(row[part])}</div>' for part in ("prompt", "chosen", "rejected")
    )
    why = f"{row['why']}{': ' if row['detail'] else ''}{row['detail']}"
    return f"<details><summary>{as_html(why)} ({as_html(diagnostics.printable(about))})</summary>{texts}</details>"


def _shown(text: str) -> str:
    r"""A text of the set; of what no page can show, such as \x00, the code."""
    return as_html("".join(c if c >= " " or c in "\n\t" else f"\\x{ord(c):02x}" for c in text))


def _table(table: pd.DataFrame, caption: str, index: bool = True) -> str:
    """A table of numbers and names, all of them as text."""
    if table.empty:
        return ""
    heads = ([""] if index else []) + [str(name) for name in table.columns]
    rows = [([str(name)] if index else []) + list(values) for name, *values in table.itertuples()]
    cells = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows)
    head = "".join(f"<th>{as_html(name)}</th>" for name in heads)
    return f'<p>{as_html(caption)}:</p><div class="wide"><table><tr>{head}</tr>{cells}</table></div>'


def _cell(value: object) -> str:
    if isinstance(value, (int, np.integer)):
        return f"{value:,}"
    if isinstance(value, (float, np.floating)):
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"
    return as_html(diagnostics.printable(str(value)))


# --- Its figures: a few shapes of SVG -----------------------------------------

NAMES, PLOT, LINE = 260, 480, 24  # pixels: for the names, for the numbers, of a line


def _svg(shapes: Sequence[str], height: float, label: str) -> str:
    size = f'viewBox="0 0 {NAMES + PLOT + 90} {height:.0f}" width="{NAMES + PLOT + 90}" height="{height:.0f}"'
    return f'<svg {size} role="img" aria-label="{escape(label)}">{"".join(shapes)}</svg>'


def _label(x: float, y: float, text: str, anchor: str = "start") -> str:
    text = as_html(diagnostics.printable(text if len(text) <= 34 else text[:33] + "…"))
    text = text.replace("span>", "tspan>")  # as SVG has it; what the text itself holds is escaped
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, kind: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _bars(table: pd.DataFrame) -> str:
    """A bar and a number for each row of columns what, n, share."""
    most = float(table["share"].max()) or 1.0
    shapes = []
    for number, (what, n, share) in enumerate(table.itertuples(index=False)):
        y, width = number * LINE, share / most * PLOT
        shapes.append(_label(NAMES - 8, y + 16, what, "end"))
        shapes.append(f'<rect x="{NAMES}" y="{y + 4}" width="{width:.1f}" height="{LINE - 8}" class="rejected"/>')
        shapes.append(_label(NAMES + width + 5, y + 16, f"{n:,} ({share:.1%})"))
    return _svg(shapes, LINE * len(table), "the shares of what may be wrong")


def _rates(table: pd.DataFrame, caption: str) -> str:
    """A point with its interval for each row of columns estimate, low, high, n, on a scale from 0 to 1."""
    if table.empty:
        return ""
    height = LINE * (len(table) + 1)
    shapes = [_line(NAMES + PLOT * at, 0, NAMES + PLOT * at, height - LINE, "limit") for at in (0, 0.5, 1)]
    shapes += [_label(NAMES + PLOT * at, height - 8, f"{at:.0%}", "middle") for at in (0, 0.5, 1)]
    for number, (name, rate) in enumerate(table.iterrows()):
        y = number * LINE + LINE / 2
        shapes.append(_label(NAMES - 8, y + 4, str(name), "end"))
        shapes.append(_line(NAMES + PLOT * rate["low"], y, NAMES + PLOT * rate["high"], y))
        shapes.append(f'<circle cx="{NAMES + PLOT * rate["estimate"]:.1f}" cy="{y}" r="5" class="chosen"/>')
        shapes.append(_label(NAMES + PLOT + 25, y + 4, f"{rate['estimate']:.2f}"))
    return _svg(shapes, height, caption) + _table(table, caption)


def _histogram(found: Diagnostics) -> str:
    middles, pairs, width = _binned(found.differences)
    reach = max(abs(middles[0]), abs(middles[-1])) + width / 2
    step, height = PLOT / (2 * reach), 180
    shapes = []
    for middle, n in zip(middles, pairs, strict=True):
        tall = n / pairs.max() * (height - 10)
        left, side = NAMES + (middle - width / 2 + reach) * step, "chosen" if middle > 0 else "rejected"
        shape = f'x="{left:.1f}" y="{height - tall:.1f}" width="{max(0.5, width * step - 1):.1f}" height="{tall:.1f}"'
        shapes.append(f'<rect {shape} class="{side}"/>')
    shapes.append(_line(NAMES + PLOT / 2, 0, NAMES + PLOT / 2, height, "limit"))
    shapes.append(_label(NAMES + PLOT / 2, height + 16, "0", "middle"))
    shapes.append(_label(NAMES, height + 16, f"{-reach:+,.0f} words", "start"))
    shapes.append(_label(NAMES + PLOT, height + 16, f"{reach:+,.0f} words", "end"))
    shapes.append(_label(NAMES - 8, height - 10, "chosen is not longer", "end"))
    shapes.append(_label(NAMES + PLOT + 5, height - 10, "longer"))
    return _svg(shapes, height + 22, "words of the chosen minus words of the rejected completion, all pairs")


def _dots(found: Diagnostics) -> str:
    words = _both_ends(found.words)
    if words.empty:
        return ""
    reach = max(float(words["z"].abs().max()), found.z_limit) * 1.05

    def at(z: float) -> float:
        return NAMES + PLOT * (z + reach) / (2 * reach)

    height = LINE * len(words)
    shapes = [_line(at(z), 0, at(z), height, "limit") for z in (-found.z_limit, 0, found.z_limit)]
    for number, row in enumerate(words.to_dict("records")):
        y, side = number * LINE + LINE / 2, "chosen" if row["z"] > 0 else "rejected"
        shapes.append(_label(NAMES - 8, y + 4, row["word"], "end"))
        if side == "chosen":
            shapes.append(f'<circle cx="{at(row["z"]):.1f}" cy="{y}" r="5" class="chosen"/>')
        else:
            corners = " ".join(f"{at(row['z']) + dx:.1f},{y + dy}" for dx, dy in ((-6, 0), (0, -6), (6, 0), (0, 6)))
            shapes.append(f'<polygon points="{corners}" class="rejected"/>')
        shapes.append(_label(NAMES + PLOT + 25, y + 4, f"{row['z']:+.1f}"))
    return _svg(shapes, height, "z of each word: right of the dashed lines in chosen, left of them in rejected texts")


def _both_ends(words: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([words[words["z"] > 0].head(WORDS), words[words["z"] < 0].tail(WORDS)])


def _binned(differences: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, float]:
    """Middles of the bins (words), pairs in each, width. No bin holds both signs; the rarest 2 % are in the last ones.

    0 goes with what is below it: a bin holds what is above its left and up to its right edge.
    """
    words, pairs = differences["words"].to_numpy(), differences["pairs"].to_numpy()
    size, total = np.abs(words), pairs.sum()
    order = np.argsort(size, kind="stable")
    reach = max(1, int(size[order][np.searchsorted(np.cumsum(pairs[order]), 0.98 * total)]))
    width = max(1, -(-reach // (BINS // 2)))
    # (number - 1) * width < words <= number * width
    number = np.ceil(np.clip(words, -reach, reach) / width).astype(int)
    bins = np.arange(number.min(), number.max() + 1)
    return (bins - 0.5) * width, np.bincount(number - bins[0], weights=pairs, minlength=len(bins)), float(width)


def _empty(title: str, x: str) -> go.Figure:
    return without_data(styled(go.Figure(), title, x, ""), "too few pairs")

"""Diagnostics in words: what to know, the numbers for a terminal, and a file name for the report."""

from __future__ import annotations

import re
from math import isnan
from pathlib import Path

import pandas as pd

from ...formulas.statistics import Interval
from .columns import printable
from .measures import Diagnostics


def findings(found: Diagnostics) -> list[str]:
    """What to know before training on the set, a sentence each; the worst first."""
    sentences = []
    pairs, prompts = found.repeats.loc["pairs"], found.repeats.loc["prompts"]
    if found.contradictions:
        sentences.append(
            f"{found.contradicting:,} rows contradict each other: {many(found.contradictions, 'pair')} of completions "
            f"chosen both ways"
        )
    for where, leak in found.leaks.iterrows():
        if leak["words"]:
            sentences.append(
                f"Leakage, {where}: {leak['words']:,} of {leak['n']:,} prompts ({leak['exact']:,} exactly)"
            )
        if leak["near"] > leak["words"] * leak["n_near"] / leak["n"]:
            sentences.append(
                f"Leakage, {where}: {leak['near']:,} of {leak['n_near']:,} sampled prompts, near ones included"
            )
    if pairs["words"]:
        sentences.append(f"{many(pairs['words'], 'row')} of {pairs['n']:,} repeat another ({pairs['exact']:,} exactly)")
    if prompts["near"]:
        sentences.append(f"{prompts['near']:,} of {prompts['n_near']:,} different prompts nearly repeat another")
    if found.twins:
        sentences.append(f"{found.twins:.1%} of the pairs have two nearly equal completions")
    start = found.starts.set_index("words")["share"]
    if start[1] >= 0.005:
        sentences.append(
            f"In {start[1]:.0%} of the pairs both completions begin with the same word, "
            f"in {start[5]:.0%} with the same five words"
        )
    if found.longer.low > 0.5 or found.longer.high < 0.5:
        longer = "longer" if found.longer.low > 0.5 else "shorter"
        share = found.longer.estimate if found.longer.low > 0.5 else 1 - found.longer.estimate
        sentences.append(f"The {longer} completion is chosen in {share:.1%} of the pairs")
    for judge, rate in found.judges.iterrows():
        if rate["low"] > 0.5:
            sentences.append(f"The judge '{judge}' is right in {rate['estimate']:.0%} of the held-out pairs")
    clear = found.words[found.words["z"].abs() > found.z_limit]
    if len(clear):
        sentences.append(f"Some words give the answer away: at least {len(clear)} beyond chance (of {found.n_words:,})")
    return sentences


def summary(found: Diagnostics) -> str:
    r"""The numbers as plain text of about 40 lines.

    Characters of the data that could move a terminal's cursor are shown as \x1b and the like.
    """
    lines = [f"{found.name}: {many(found.n, 'pair')}"]
    if found.reading is not None:
        lines += found.reading.lines()
    lines.append("")
    if found.sampled < found.n:
        lines.append(f"What needs texts (near, held-out, words, rows to look at) is of a sample of {found.sampled:,}.")
    for what in ("split", "annotator", "source", "strength", "turns"):
        rows = found.counts[found.counts["what"] == what]
        if len(rows):
            shown = [f"{name}: {pairs:,}" for name, pairs in zip(rows["name"], rows["pairs"], strict=True)][:8]
            lines.append(f"{what:11}{', '.join(shown)}{', ...' if len(rows) > 8 else ''}")
    lines += ["", "Words", *_text(found.lengths.round(1)), f"the longer one is chosen: {_rate(found.longer)}"]
    shares = [f"{int(w)}+ in {s:.1%}" for w, s in zip(found.starts["words"], found.starts["share"], strict=True)]
    lines += [f"first words shared by both completions: {', '.join(shares)}", ""]
    lines += ["Repeats (words: but for case and punctuation; near: of n_near in the sample)", *_text(found.repeats)]
    lines.append(f"contradictions: {found.contradictions:,} ({many(found.contradicting, 'row')})")
    lines.append(f"two nearly equal completions: {found.twins:.1%}")
    if found.ties is not None:
        lines.append(f"ties, left out: {found.ties:,}")
    if len(found.leaks):
        lines += ["", "Prompts held out that another split has, too", *_text(found.leaks)]
    else:
        lines.append("leakage between splits: there is only one split")
    lines.append("")
    if found.agreement:
        a = found.agreement
        lines.append(f"Two annotators choose the same: {_rate(a.same)}; Krippendorff's alpha: {_rate(a.alpha)}")
    else:
        lines.append("Agreement of annotators: no pair has two known ones")
    lines.append(f"Held out: {found.heldout}")
    for judge, rate in found.judges.iterrows():
        interval = Interval(rate["estimate"], rate["low"], rate["high"], int(rate["n"]))
        lines.append(f"{f'{judge}:':14}{_rate(interval)} right (n: prompts)")
    clear = found.words[found.words["z"].abs() > found.z_limit]
    for side, words in (("chosen", clear[clear["z"] > 0]), ("rejected", clear[clear["z"] < 0][::-1])):
        if len(words):
            shown = [f"{word} ({z:+.1f})" for word, z in zip(words["word"], words["z"], strict=True)][:10]
            lines.append(f"words of {side} texts (z): {', '.join(shown)}")
    lines += ["", "To know before training", *(f"- {finding}" for finding in findings(found) or ["nothing stands out"])]
    return "\n".join(map(printable, lines))


def file_name(source: str | None) -> str:
    """What the report of a set is called, "NAME.html": a plain name, whatever characters the source has."""
    path = re.sub(r"(\.(jsonl|json|csv|parquet|gz))+$", "", source or "shipped", flags=re.IGNORECASE)
    if Path(path).is_absolute() or path.startswith("."):
        path = Path(path).name  # of a file on this machine its name is enough
    return (re.sub(r"[^A-Za-z0-9_-]+", "-", path).strip("-")[-80:] or "set") + ".html"


def many(n: int, what: str) -> str:
    """A number with its noun, such as "1 pair" or "1,200 pairs"."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _rate(rate: Interval) -> str:
    limits = "" if isnan(rate.low) else f" [{rate.low:.3f}, {rate.high:.3f}]"  # one pair has no interval
    return f"{rate.estimate:.3f}{limits} (n = {rate.n:,})"


def _text(table: pd.DataFrame) -> list[str]:
    return table.to_string(float_format=lambda value: f"{value:g}").split("\n")

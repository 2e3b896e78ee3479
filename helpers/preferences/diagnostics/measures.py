"""All that is measured of a preference set, and rows of it to look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ...files import SPLITS, LabError
from ...formulas.statistics import Interval, win_rate
from .. import Preference, Reading
from . import near_duplicates
from .agreement import Agreement, agreement
from .columns import SAMPLE, SHOWN, Columns, Lowest, Names, Sample, Table, printable
from .repeats import contradictory, count_repeats, find_leaks
from .shortcuts import give_away_words, held_out_judges

WORST = 6  # rows to look at, for each reason
CUT = 1_000  # characters of a text that is shown
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STARTS = (1, 2, 3, 5, 10, 20)  # words that the two completions share at their start


@dataclass(frozen=True)
class Diagnostics:
    """What `diagnose` found. Tables are DataFrames; shares are from 0 to 1; lengths are in words.

    Attributes:
        name: Of the set.
        n: Pairs.
        sampled: Pairs in the sample.
        reading: How the set was read, if that is known.
        counts: Columns what (split, annotator, source, strength, turns), name, pairs, share.
        lengths: Index prompt, chosen, rejected; mean, min, quantiles, max.
        differences: Words of chosen minus words of rejected, and in how many pairs (columns words, pairs).
        longer: How often the longer completion is the chosen one, equal lengths counting half.
        longer_by: The same for each annotator with at least 10 pairs (index annotator; estimate, low, high, n).
        repeats: Index pairs, prompts, completions; n, distinct, then how many a set without repeats would lack
            (exact, words: of all; near: of the n_near distinct ones of the sample, those repeated exactly or by words
            already taken away).
        contradictions: Pairs of texts under one prompt that were chosen both ways.
        contradicting: The rows of them.
        ties: Rows left out by the reader because nobody was preferred; None if that is not known.
        starts: How often the two completions share so many first words (columns words, pairs, share).
        twins: Share of the sampled pairs whose two completions are near duplicates.
        leaks: Index "test in train" and the like; n (distinct prompts held out), exact, words, then n_near (of them in
            the sample) and near; each degree includes the one before.
        agreement: None where no pair has two known annotators.
        judges: Held-out accuracy of two judges that understand nothing (index; estimate, low, high, n prompts); the
            intervals are bootstrapped over prompts.
        heldout: What was held out, in words.
        words: Those that tell chosen from rejected texts (columns word, chosen, rejected, log_odds, z), highest z
            first; chosen and rejected: in how many sampled texts they are.
        n_words: How many words were examined.
        z_limit: What the largest |z| of as many words stays below by chance, 19 times of 20.
        worst: Rows to look at (columns why, detail, id, where, split, annotator, source, prompt, chosen, rejected).
    """

    name: str
    n: int
    sampled: int
    reading: Reading | None
    counts: pd.DataFrame
    lengths: pd.DataFrame
    differences: pd.DataFrame
    longer: Interval
    longer_by: pd.DataFrame
    repeats: pd.DataFrame
    contradictions: int
    contradicting: int
    ties: int | None
    starts: pd.DataFrame
    twins: float
    leaks: pd.DataFrame
    agreement: Agreement | None
    judges: pd.DataFrame
    heldout: str
    words: pd.DataFrame
    n_words: int
    z_limit: float
    worst: pd.DataFrame = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON; of the texts only the words. NaN becomes None."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        values["reading"] = vars(self.reading) if self.reading else None
        values["worst"] = self.worst[["why", "detail", "id", "where"]]
        return _plain(values)


def diagnose(
    rows: Iterable[Preference], name: str = "", reading: Reading | None = None, sample: int = SAMPLE, seed: int = 0
) -> Diagnostics:
    """Examine the rows, which may be a stream, in one pass; equal sets give equal numbers, in whatever order.

    Args:
        rows: The pairs.
        name: What to call the set; default: the reading's source.
        reading: How the rows were read; default: what the set itself carries.
        sample: Pairs of each split whose texts are kept.
        seed: Of the sample and the bootstrap.

    Raises:
        LabError: There are no rows.
    """
    columns, kept = Columns(), {split: Lowest(sample, seed) for split in SPLITS}
    for row in rows:
        kept[row.split].offer(columns.add(row), row)
    reading = reading if reading is not None else getattr(rows, "reading", None)
    name = name or (reading.source if reading is not None else "") or "preferences"
    if not columns.n:
        raise LabError(printable(f"{name}: there are no pairs to examine; {_why(reading)}"))
    table = columns.table()
    drawn = Sample([pair for split in SPLITS for pair in kept[split].pairs()], table, seed)
    repeated, opposed = contradictory(table)
    judges, heldout, margins = held_out_judges(drawn, seed)
    words, n_words, z_limit = give_away_words(drawn.rows)
    leaks, leaking = find_leaks(table, drawn)
    return Diagnostics(
        name=name,
        n=columns.n,
        sampled=len(drawn.rows),
        reading=reading,
        counts=_counts(table, columns),
        lengths=_lengths(table),
        differences=_tally(table["longer"], "words"),
        longer=win_rate(table["longer"], np.zeros(columns.n)),
        longer_by=_longer_by(table, columns.annotators),
        repeats=count_repeats(table, drawn),
        contradictions=len(np.unique(table["pair"][opposed])),
        contradicting=int(opposed.sum()),
        ties=reading.n_ties if reading is not None else None,
        starts=_starts(table["start"]),
        twins=float((drawn.twins >= near_duplicates.NEAR).mean()),
        leaks=leaks,
        agreement=agreement(table, columns.annotators, seed),
        judges=judges,
        heldout=heldout,
        words=words,
        n_words=n_words,
        z_limit=z_limit,
        worst=_worst(drawn, table, repeated, opposed, leaking, margins),
    )


def _why(reading: Reading | None) -> str:
    if reading is None or not reading.left_out:
        return "give a file or a split that has some"
    reason, times = reading.left_out.most_common(1)[0]
    places = ", ".join(reading.examples.get(reason, []))
    return f"of {reading.n_read:,} rows read, {times:,} were left out because: {reason} (first: {places})"


def _counts(table: Table, columns: Columns) -> pd.DataFrame:
    strengths = ["not given", *map(str, range(1, 5))]
    frames: list[pd.DataFrame] = []
    for what, names in (
        ("split", SPLITS), ("annotator", columns.annotators.names), ("source", columns.sources.names),
        ("strength", strengths), ("turns", None),
    ):  # fmt: skip
        values, pairs = np.unique(table[what], return_counts=True)
        if what == "turns" and not values.any():
            continue  # the prompts are no conversations
        named = [str(v) if names is None else names[v] for v in values]
        frame = pd.DataFrame({"what": what, "name": named, "pairs": pairs, "share": pairs / columns.n})
        if what in ("annotator", "source"):
            frame = frame.sort_values(["pairs", "name"], ascending=[False, True])
            if len(frame) > SHOWN:
                rest = frame.iloc[SHOWN:]
                others = [what, f"{len(rest)} others", rest["pairs"].sum(), rest["share"].sum()]
                frame = pd.concat([frame.iloc[:SHOWN], pd.DataFrame([others], columns=frame.columns)])
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _lengths(table: Table) -> pd.DataFrame:
    rows = {}
    for part in ("prompt", "chosen", "rejected"):
        words = table[f"{part}_length"]
        rows[part] = {"mean": words.mean(), "min": words.min()}
        rows[part] |= {f"{q:.0%}": value for q, value in zip(QUANTILES, np.quantile(words, QUANTILES), strict=True)}
        rows[part] |= {"max": words.max()}
    return pd.DataFrame(rows).T.astype(float)


def _tally(values: np.ndarray, name: str) -> pd.DataFrame:
    distinct, pairs = np.unique(values, return_counts=True)
    return pd.DataFrame({name: distinct, "pairs": pairs})


def _longer_by(table: Table, annotators: Names) -> pd.DataFrame:
    rates = {}
    numbers, pairs = np.unique(table["annotator"], return_counts=True)
    frequent = sorted(
        (-n, annotators.names[number], number) for number, n in zip(numbers, pairs, strict=True) if n >= 10
    )
    for _, name, number in frequent[:SHOWN]:
        longer = table["longer"][table["annotator"] == number]
        rates[name] = win_rate(longer, np.zeros(len(longer)))._asdict()
    frame = pd.DataFrame(rates, index=["estimate", "low", "high", "n"]).T.rename_axis("annotator").reset_index()
    return frame.astype({"n": int}).sort_values(["estimate", "annotator"]).set_index("annotator")


def _starts(start: np.ndarray) -> pd.DataFrame:
    pairs = [int((start >= words).sum()) for words in STARTS]
    return pd.DataFrame({"words": STARTS, "pairs": pairs, "share": np.array(pairs) / len(start)})


def _worst(
    drawn: Sample,
    table: Table,
    repeated: np.ndarray,
    opposed: np.ndarray,
    leaking: np.ndarray,
    margins: np.ndarray,
) -> pd.DataFrame:
    """A few rows for each thing that may be wrong with a row; together what belongs together."""
    length = table["chosen_length"][drawn.at] + table["rejected_length"][drawn.at]
    by_pair, by_row = table["pair"][drawn.at], table["row"][drawn.at]
    chosen = []
    for why, which, order, detail in (
        ("another row says the opposite", opposed[drawn.at], by_pair, lambda i: ""),
        ("the same row again", repeated[drawn.at], by_row, lambda i: ""),
        ("its prompt stands in another split too", leaking, drawn.prompt, lambda i: ""),
        (
            "the two completions are nearly the same",
            drawn.twins >= near_duplicates.NEAR, -drawn.twins, lambda i: f"{drawn.twins[i]:.2f} of 1 in common",
        ),
        ("the bag of words is sure of the opposite", margins < 0, margins, lambda i: f"margin {margins[i]:.1f}"),
        ("the longest", length > 0, -length.astype(float), lambda i: f"{length[i]} words in both completions"),
    ):  # fmt: skip
        found = np.flatnonzero(which)
        chosen += [(why, detail(i), drawn.rows[i]) for i in found[np.argsort(order[found], kind="stable")][:WORST]]
    columns = ["why", "detail", "id", "where", "split", "annotator", "source", "prompt", "chosen", "rejected"]
    values = [[why, detail, *(_cut(getattr(row, name)) for name in columns[2:])] for why, detail, row in chosen]
    return pd.DataFrame(values, columns=columns)


def _cut(text: str) -> str:
    return text if len(text) <= CUT else f"{text[:CUT]} ... ({len(text):,} characters)"


def _plain(value: Any) -> Any:
    """As JSON has it: tables become lists of objects, intervals objects, NaN None."""
    if isinstance(value, pd.DataFrame):
        table = value if isinstance(value.index, pd.RangeIndex) else value.reset_index(names=value.index.name or "name")
        return [_plain(row) for row in table.to_dict("records")]
    if isinstance(value, Agreement):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Interval):
        return _plain(value._asdict())
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value

"""What was read and what was not: the account that goes with every preference set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

from ..files import one_line
from .rows import Preference

PLACES = 5  # how many places of one reason are kept
NAMES = 30  # how many columns are named that nothing was taken from


class LeftOut(Exception):
    """A record that cannot become a pair. The reason names no value of the record, so that equal reasons add up."""


class Tie(LeftOut):
    """A record that prefers neither side."""


@dataclass
class Reading:
    """The account of reading one set. It fills while the set is read: n_read = n_pairs + n_ties + what was left out.

    Attributes:
        source: File, folder or Hub name.
        schema: The name of the form its records were taken to have.
        columns: Our field -> their column ("a.b" for b inside a).
        unused: The columns that nothing was taken from.
        license: As the set or a table of known sets says it; "" if neither does.
        splits: The set's own name of each split (the project's name, where the records say it) -> how many pairs it
            gave.
        n_read: Records.
        n_pairs: Records that became pairs.
        n_ties: Records that prefer neither side; they are left out.
        n_equal_scores: Kept pairs to whose two sides the set gives one score.
        n_duplicates: Kept pairs with the prompt and completions of an earlier one.
        left_out: Reason -> how many records.
        examples: Reason -> the first few places.
    """

    source: str = ""
    schema: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)
    license: str = ""
    splits: dict[str, int] = field(default_factory=dict)
    n_read: int = 0
    n_pairs: int = 0
    n_ties: int = 0
    n_equal_scores: int = 0
    n_duplicates: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, reason: str, where: str) -> None:
        """Count a record that did not become a pair."""
        self.left_out[reason] += 1
        places = self.examples.setdefault(reason, [])
        if len(places) < PLACES:
            places.append(where)

    def lines(self) -> list[str]:
        """The account in words, one line for each subject."""
        splits = ", ".join(f"{one_line(name) or 'no split named'} {n:,}" for name, n in self.splits.items())
        found = [
            f"{self.n_pairs:,} pairs of {self.n_read:,} records from {one_line(self.source, 300) or 'nowhere yet'}"
            + (f" ({splits})" if len(self.splits) > 1 or any(self.splits) else ""),
            f"schema: {self.schema or 'not known yet'}",
        ]
        if self.columns:
            found.append("columns: " + ", ".join(f"{a} <- {one_line(b)}" for a, b in self.columns.items()))
        if self.unused:
            more = f" and {len(self.unused) - NAMES} more" if len(self.unused) > NAMES else ""
            found.append(f"columns not used: {', '.join(map(one_line, self.unused[:NAMES]))}{more}")
        found.append(f"license: {one_line(self.license) or 'not stated; ask whoever gave you the set'}")
        if self.n_ties:
            found.append(f"left out as ties: {self.n_ties:,}")
        for reason, n in self.left_out.most_common():
            places = self.examples[reason]
            first = ", ".join(one_line(place, 300) for place in places)
            found.append(f"left out, {reason}: {n:,} ({'first ' if n > len(places) else ''}{first})")
        if self.n_equal_scores:
            found.append(f"kept although both sides have one score: {self.n_equal_scores:,}")
        if self.n_duplicates:
            found.append(f"kept although an earlier pair is the same: {self.n_duplicates:,}")
        return found

    def __str__(self) -> str:
        return "\n".join(self.lines())


class PreferenceSet(list[Preference]):
    """Preference pairs with the account of how they were read: a list, and `.reading`."""

    def __init__(self, rows: Iterable[Preference] = (), reading: Reading | None = None) -> None:
        super().__init__(rows)
        self.reading = reading if reading is not None else Reading(n_read=len(self), n_pairs=len(self))

    def __repr__(self) -> str:
        return f"PreferenceSet of {self.reading}"

    def _repr_html_(self) -> str:
        first, *rest = (escape(line) for line in self.reading.lines())
        return f"<b>{first}</b><ul>{''.join(f'<li>{line}</li>' for line in rest)}</ul>"

"""Labels as files of preference rows: export, import, a class's files merged, and the labels that a lab trains on.

An exported row's id is "pair/annotator", so the rows of a whole class can stand in one file.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from .. import files
from ..preferences import Pair, Preference, check_unique_ids, load_preferences, read_preferences, read_prompts
from ..simulation.gold import stated_facts
from ..simulation.wording import ESSENTIAL
from .session import YOU
from .store import AlreadyAnswered, Choice, Label, LabelStore, pair_digest

# --- Export and import --------------------------------------------------------


def first_answers(store: LabelStore, pairs: Sequence[Pair] | None = None, annotator: str = YOU) -> list[Label]:
    """The annotator's first answer to each pair (to all that were labeled if None), ties and skips among them."""
    wanted = None if pairs is None else {pair_digest(pair) for pair in pairs}
    first: dict[str, Label] = {}
    for label in store.labels(annotator):
        if wanted is None or pair_digest(label.pair) in wanted:
            first.setdefault(pair_digest(label.pair), label)
    return list(first.values())


def export_preferences(
    store: LabelStore, pairs: Sequence[Pair] | None = None, annotator: str = YOU, split: str = "train"
) -> list[Preference]:
    """The annotator's choices as preference rows; write them with `write_rows`.

    Only the first answer to a pair counts: a repeat is there to be compared with it. Ties and skips are left out,
    since a preference row cannot say them; `count_answers` counts them.

    Args:
        store: where the labels are.
        pairs: which pairs; None for all that were labeled.
        annotator: whose labels.
        split: of the rows.
    """
    labels = [label for label in first_answers(store, pairs, annotator) if label.choice in ("a", "b")]
    times = Counter(label.pair.id for label in labels)  # two files may call different pairs by one id
    rows = []
    for label in labels:
        pair, texts = label.pair, (label.pair.completion_a, label.pair.completion_b)
        chosen, rejected = texts if label.choice == "a" else texts[::-1]
        writers = pair.source.split(">")
        rows.append(
            Preference(
                prompt=pair.prompt,
                chosen=chosen,
                rejected=rejected,
                id=_label_id(pair.id if times[pair.id] == 1 else f"{pair.id}-{pair_digest(pair)[:8]}", annotator),
                source=pair.source if label.choice == "a" or len(writers) != 2 else ">".join(writers[::-1]),
                annotator=annotator,
                strength=label.strength,
                split=split,
            )
        )
    return rows


def count_answers(store: LabelStore, pairs: Sequence[Pair] | None = None, annotator: str = YOU) -> dict[str, int]:
    """How many choices, ties and skips the annotator gave, how many answers were repeats, and how many were undone."""
    counts = Counter(label.choice for label in first_answers(store, pairs, annotator))
    wanted = None if pairs is None else {pair_digest(pair) for pair in pairs}
    given, undone = (
        sum(wanted is None or pair_digest(label.pair) in wanted for label in store.labels(annotator, undone=flag))
        for flag in (False, True)
    )
    return {
        "choices": counts["a"] + counts["b"],
        "ties": counts["tie"],
        "skips": counts["skip"],
        "repeats": given - counts.total(),
        "undone": undone,
    }


def import_preferences(store: LabelStore, rows: Iterable[Preference], pairs: Iterable[Pair] = ()) -> int:
    """Put preference rows into the store, each under its own annotator.

    A pair that the annotator has labeled already is left as it is.

    Args:
        store: where the labels go.
        rows: the preferences.
        pairs: a session on these pairs then takes them as labeled; other rows become pairs of their own, whose a is
            the chosen text.

    Returns:
        How many were new.
    """
    known = {pair_digest(pair): pair for pair in pairs}
    imported = 0
    for row in rows:
        pair = replace(Pair.of(row), id=_pair_id(row))
        swapped = replace(pair, completion_a=row.rejected, completion_b=row.chosen)
        choice: Choice = "b" if pair_digest(swapped) in known else "a"
        pair = known.get(pair_digest(swapped if choice == "b" else pair), pair)
        strength = row.strength or 1  # nobody said: as if unsure
        try:
            store.add(Label(pair, row.annotator, "import", left=None, choice=choice, strength=strength))
            imported += 1
        except AlreadyAnswered:
            continue
    return imported


# --- A class's files ----------------------------------------------------------


class Conflict(NamedTuple):
    """Two rows in which one annotator chooses differently between the same texts, and where they stand."""

    annotator: str
    pair: str
    places: tuple[str, str]


@dataclass(frozen=True)
class MergeReport:
    """What `merge_labels` did.

    Attributes:
        files: how many were read.
        rows: how many were kept.
        annotators: how many of the rows kept are whose.
        duplicates: rows dropped because another says the same.
        conflicts: their rows are left out, until somebody decides and removes the wrong ones.
        shared: annotators of more than one file, who may be different people of one name.
    """

    files: int
    rows: int
    annotators: dict[str, int]
    duplicates: int
    conflicts: list[Conflict]
    shared: list[str]

    def __str__(self) -> str:
        lines = [
            f"{self.files} files, {self.rows} rows kept, {len(self.annotators)} annotators, "
            f"{self.duplicates} duplicates dropped, {len(self.conflicts)} conflicts left out"
        ]
        lines += [f"conflict: {c.annotator} on {c.pair}, {c.places[0]} and {c.places[1]}" for c in self.conflicts]
        if self.shared:
            lines.append(f"in more than one file (one person?): {', '.join(self.shared)}")
        return "\n".join(lines)


def merge_labels(paths: Iterable[Path | str]) -> tuple[list[Preference], MergeReport]:
    """Merge the rows of several files of preferences into one set, the same whatever the files' order.

    Rows in which one annotator chooses the same text of the same pair are duplicates: one is kept, with the
    smallest strength (none is less than 1). Rows in which one annotator chooses differently are conflicts: none is
    kept. Different annotators of one pair are kept side by side.

    Raises:
        LabError: as `read_preferences`, and where one annotator has one id for two pairs.
    """
    paths = list(paths)
    choices: dict[tuple, dict[str, list[Preference]]] = defaultdict(lambda: defaultdict(list))
    places: dict[str, set[int]] = defaultdict(set)
    for number, path in enumerate(paths):
        for row in read_preferences(path):
            row = replace(row, id=_label_id(_pair_id(row), row.annotator))
            choices[row.annotator, row.prompt, frozenset((row.chosen, row.rejected))][row.chosen].append(row)
            places[row.annotator].add(number)
    kept, conflicts, duplicates = [], [], 0
    for by_choice in choices.values():
        best = [min(rows, key=lambda row: (row.strength or 0, *_order(row))) for rows in by_choice.values()]
        duplicates += sum(len(rows) - 1 for rows in by_choice.values())
        if len(best) == 1:
            kept += best
        else:
            first, second = sorted(best, key=_order)
            conflicts.append(Conflict(first.annotator, _pair_id(first), (first.where, second.where)))
    kept.sort(key=_order)
    check_unique_ids(kept)
    report = MergeReport(
        files=len(paths),
        rows=len(kept),
        annotators=dict(sorted(Counter(row.annotator for row in kept).items())),
        duplicates=duplicates,
        conflicts=sorted(conflicts),
        shared=sorted(name for name, numbers in places.items() if len(numbers) > 1),
    )
    return kept, report


def _order(row: Preference) -> tuple:
    return row.id, row.strength or 0, row.chosen, row.rejected, row.source, row.split, row.where


def _label_id(pair: str, annotator: str) -> str:
    return f"{pair}/{annotator}"


def _pair_id(row: Preference) -> str:
    return row.id.removesuffix(f"/{row.annotator}")


# --- Which labels a lab uses --------------------------------------------------


def in_small_world(prompt: str) -> bool:
    """Whether a post is of the simulated kind: the gold reward finds a goal, a constraint and a question in it."""
    return {mention.fact.kind for mention in stated_facts(prompt)}.issuperset(ESSENTIAL)


def labels_or_demo(
    minimum: int = 20, annotator: str | None = None, store: LabelStore | None = None, natural: bool = False
) -> list[Preference]:
    """The student's own labels if there are at least `minimum`, else the demo annotator's; prints which.

    Labels of posts that the labs measure on (validation, test and held-out ones) are left out: training on them would
    be cheating.

    Args:
        minimum: how many labels of one's own are enough.
        annotator: default: whoever has the most labels in the store.
        store: default: `work/labels.sqlite`.
        natural: also those of posts outside the small world, which the tiny model cannot read.
    """
    store = store or LabelStore()
    names = Counter(label.annotator for label in store.labels())
    annotator = annotator or max(sorted(names), key=names.__getitem__, default=YOU)
    measured = {row.prompt for split in ("validation", "test") for row in load_preferences(split)}
    measured |= {row.prompt for row in read_prompts("heldout")}
    exported = export_preferences(store, annotator=annotator)
    unmeasured = [row for row in exported if row.prompt not in measured]
    own = [row for row in unmeasured if natural or in_small_world(row.prompt)]
    left_out = {"posts to measure on": len(exported) - len(unmeasured), "other posts": len(unmeasured) - len(own)}
    said = "".join(f"; {n} of {what} left out" for what, n in left_out.items() if n)
    if len(own) >= minimum:
        print(f"Labels: {len(own)} of your own, by {annotator!r}{said}")
        return own
    demo = read_preferences(files.data() / "labels" / "demo.jsonl")
    print(f"Labels: {len(demo)} recorded ones of the demo annotator; your own: {len(own)} of {minimum} needed{said}")
    return demo

"""What a person's labels are worth: agreement with themselves and others, habits, and how ratings drift.

Two judges are compared on the pairs that both judged. "First" is the text of a pair whose hash is smaller, a coin
that falls alike in every file: were it the chosen text, or the left one, chance agreement would depend on it.
Where fewer than `MINIMUM` answers stand behind a number there is none, and "too few" is said instead.
"""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..formulas.statistics import Interval, accuracy_interval, cohen_kappa, verdict
from ..preferences import Pair, Preference
from ..simulation.annotators import ANNOTATORS, choose
from ..simulation.gold import GoldScore, score
from .files import first_answers, in_small_world
from .session import YOU
from .store import Label, LabelStore, TextRating, pair_digest

MINIMUM = 10
Judgments = Mapping[tuple[str, str, str], str]  # (prompt, first, second): "first", "second" or "tie"
AGREEMENT = ("n", "agree", "low", "high", "kappa", "kappa_low", "kappa_high", "note")


# --- Agreement ----------------------------------------------------------------


def agreement(store: LabelStore, annotator: str = YOU, classmates: Iterable[Preference] = ()) -> pd.DataFrame:
    """How far the annotator's labels agree with each judge of the same pairs, a row a judge.

    Judges: the annotator, asked again; the gold reward and the simulated annotators, on posts of the small world
    (each judges the pair anew, with noise of its own); the classmates. Ties count as answers where the annotator is
    asked again, and are left out elsewhere.

    Args:
        store: where the labels are.
        annotator: whose labels.
        classmates: labels of others, say from `merge_labels`.

    Returns:
        Columns AGREEMENT: n, pairs judged by both; agree, the share of equal answers, with Wilson's interval low,
        high; Cohen's kappa with a bootstrap interval; note, what stands in the way of a number.
    """
    labels = first_answers(store, annotator=annotator)
    mine = judgments(labels)
    scored = _scored(labels)
    judges = {"gold reward": _gold(scored)} | {name: _simulated(name, scored) for name in ANNOTATORS}
    rows = {"yourself, asked again": compared(*_repeated_answers(store.labels(annotator)))}
    for name, theirs in (judges | _by_annotator(classmates, but=annotator)).items():
        both = [key for key, answer in mine.items() if answer != "tie" and theirs.get(key, "tie") != "tie"]
        rows[name] = compared([mine[key] for key in both], [theirs[key] for key in both])
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(AGREEMENT)).rename_axis("with")


def judgments(answers: Iterable[Label | Preference]) -> Judgments:
    """Answers by pair, whatever the order of its texts; of several to one pair the last counts. Skips are left out."""
    found: dict[tuple[str, str, str], str] = {}
    for answer in answers:
        if isinstance(answer, Preference):
            found.update([_judgment(Pair.of(answer), "a")])
        elif answer.choice != "skip":
            found.update([_judgment(answer.pair, answer.choice)])
    return found


def kappa_interval(a: Sequence[str], b: Sequence[str], level: float = 0.95, seed: int = 0) -> Interval:
    """Cohen's kappa of two lists of labels (n,) with its percentile bootstrap interval over the items.

    Resamples in which both give one label throughout have no kappa and are left out. The interval is NaN where none is
    left.
    """
    names, codes = np.unique([*a, *b], return_inverse=True)
    k, n = len(names), len(a)
    shares = np.bincount(codes[:n] * k + codes[n:], minlength=k * k) / n
    tables = np.random.default_rng(seed).multinomial(n, shares, size=2000).reshape(-1, k, k) / n
    observed = np.trace(tables, axis1=1, axis2=2)
    by_chance = (tables.sum(axis=1) * tables.sum(axis=2)).sum(axis=1)
    defined = by_chance < 1 - 1e-12
    kappas = (observed[defined] - by_chance[defined]) / (1 - by_chance[defined])
    low, high = np.quantile(kappas, [(1 - level) / 2, (1 + level) / 2]) if len(kappas) else (np.nan, np.nan)
    return Interval(cohen_kappa(a, b), float(low), float(high), n)


def compared(mine: Sequence[str], theirs: Sequence[str]) -> tuple[Any, ...]:
    """How far two lists of labels (n,) for the same items agree: a row of AGREEMENT."""
    n = len(mine)
    if n < MINIMUM:
        return n, *[np.nan] * 6, too_few(n)
    share = accuracy_interval([a == b for a, b in zip(mine, theirs, strict=True)])
    kappa = kappa_interval(mine, theirs)
    note = "" if np.isfinite(kappa.estimate) else "no kappa: one answer throughout"
    return n, *share[:3], *kappa[:3], note


def _judgment(pair: Pair, choice: str) -> tuple[tuple[str, str, str], str]:
    texts = {"a": pair.completion_a, "b": pair.completion_b}
    first, second = sorted(texts, key=lambda side: hashlib.sha256(texts[side].encode()).digest())
    return (pair.prompt, texts[first], texts[second]), {first: "first", second: "second", "tie": "tie"}[choice]


def _repeated_answers(labels: Iterable[Label]) -> tuple[list[str], list[str]]:
    """First and second answers to the pairs that were answered twice."""
    by_pair = defaultdict(list)
    for label in labels:
        if label.choice != "skip":
            by_pair[pair_digest(label.pair)].append(_judgment(label.pair, label.choice)[1])
    twice = [answers[:2] for answers in by_pair.values() if len(answers) > 1]
    return [first for first, _ in twice], [second for _, second in twice]


def _scored(labels: Iterable[Label]) -> list[tuple[Pair, GoldScore, GoldScore]]:
    """The pairs whose posts the gold reward can read, and how it sees their two completions."""
    pairs = [label.pair for label in labels]
    return [
        (p, score(p.prompt, p.completion_a), score(p.prompt, p.completion_b)) for p in pairs if in_small_world(p.prompt)
    ]


def _gold(scored: Iterable[tuple[Pair, GoldScore, GoldScore]]) -> Judgments:
    return dict(
        _judgment(pair, "a" if a.total > b.total else "b" if b.total > a.total else "tie") for pair, a, b in scored
    )


def _simulated(name: str, scored: Iterable[tuple[Pair, GoldScore, GoldScore]]) -> Judgments:
    choices = [(p, choose(ANNOTATORS[name], a, b, random.Random(f"{name}/{pair_digest(p)}"))) for p, a, b in scored]
    return dict(_judgment(pair, judgment.choice) for pair, judgment in choices if judgment.choice != "skip")


def _by_annotator(rows: Iterable[Preference], but: str) -> dict[str, Judgments]:
    by_name = defaultdict(list)
    for row in rows:
        by_name[row.annotator].append(row)
    return {f"classmate {name}": judgments(by_name[name]) for name in sorted(by_name) if name != but}


# --- Habits -------------------------------------------------------------------


def habits(store: LabelStore, annotator: str = YOU) -> pd.DataFrame:
    """What the annotator does whatever the texts: shares with Wilson's intervals.

    Returns:
        Columns estimate, low, high, n, note. Rows: left (of the choices), the longer text (of the choices between
        texts of unequal length), ties and skips (of all answers), strong (strength 3 or 4, of the choices). NaN and a
        note where there are too few.
    """
    labels = store.labels(annotator)
    choices = [label for label in labels if label.strength]
    words = [(len(x.pair.completion_a.split()) - len(x.pair.completion_b.split()), x.choice) for x in choices]
    asked = {
        "left": [label.choice == label.left for label in choices if label.left],
        "the longer text": [(more > 0) == (choice == "a") for more, choice in words if more],
        "ties": [label.choice == "tie" for label in labels],
        "skips": [label.choice == "skip" for label in labels],
        "strong": [label.strength >= 3 for label in choices],
    }
    rows = {name: (*(_share(yes) or [np.nan] * 3)[:3], len(yes), _note(len(yes))) for name, yes in asked.items()}
    return pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "low", "high", "n", "note"])


def seconds(answers: Iterable[Label | TextRating]) -> pd.Series:
    """Seconds from question to answer, in the order they were given; unknown ones are left out."""
    return pd.Series([answer.seconds for answer in answers if answer.seconds is not None], dtype=float)


# --- Absolute ratings ---------------------------------------------------------


@dataclass(frozen=True)
class Drift:
    """Whether a scale moved.

    Attributes:
        halves: rows first, second; columns n, mean, sd.
        change: of the mean, from the first half to the second; None: too few.
    """

    halves: pd.DataFrame
    change: Interval | None

    def __str__(self) -> str:
        n = int(self.halves["n"].sum())
        if self.change is None:
            return f"too few ratings to speak of drift: {n} of {2 * MINIMUM}"
        return f"Second half minus first: {self.change} points, {verdict(self.change)}"


def rating_drift(ratings: Iterable[TextRating | float]) -> Drift:
    """Compare the first half of one annotator's ratings with the second, in the order they were given.

    The interval of the change is a percentile bootstrap of both halves. Other texts stand in each half, so a part
    of the change is theirs; `RatingSession` at least puts the same posts into both.
    """
    values = np.array([r.rating if isinstance(r, TextRating) else r for r in ratings], dtype=float)
    halves = np.split(values, [(len(values) + 1) // 2])
    table = pd.DataFrame(
        {
            "n": [len(half) for half in halves],
            "mean": [half.mean() if len(half) else np.nan for half in halves],
            "sd": [half.std(ddof=1) if len(half) > 1 else np.nan for half in halves],
        },
        index=pd.Index(["first", "second"], name="half"),
    )
    if len(values) < 2 * MINIMUM:
        return Drift(table, None)
    rng = np.random.default_rng(0)
    first, second = (rng.choice(half, (2000, len(half))).mean(axis=1) for half in halves)
    low, high = np.quantile(second - first, [0.025, 0.975])
    return Drift(table, Interval(halves[1].mean() - halves[0].mean(), float(low), float(high), len(values)))


@dataclass(frozen=True)
class RatingsCheck:
    """Ratings against comparisons of the same pairs, by one annotator.

    Attributes:
        pairs: how many were both rated and compared.
        ties: share of the pairs whose texts got one rating, so that the ratings cannot say which is better; None: too
            few.
        agree: share of the others where the higher rated text was the one chosen; None: too few.
    """

    pairs: int
    ties: Interval | None
    agree: Interval | None

    def __str__(self) -> str:
        if self.ties is None:
            return f"too few pairs both rated and compared: {self.pairs} of {MINIMUM}"
        agree = self.agree or f"too few pairs, {MINIMUM} are needed"
        return f"Equal ratings: {self.ties}. Where they differ, the comparison says the same: {agree}"


def ratings_against_labels(store: LabelStore, annotator: str = YOU) -> RatingsCheck:
    """Do the annotator's absolute ratings say what their comparisons say? Ties of the comparisons are left out."""
    rated = {(pair_digest(r.pair), r.side): r.rating for r in store.ratings(annotator)}
    differences = []
    for label in first_answers(store, annotator=annotator):
        digest = pair_digest(label.pair)
        a, b = rated.get((digest, "a")), rated.get((digest, "b"))
        if label.choice in ("a", "b") and a is not None and b is not None:
            differences.append(a - b if label.choice == "a" else b - a)
    return RatingsCheck(
        pairs=len(differences),
        ties=_share([d == 0 for d in differences]),
        agree=_share([d > 0 for d in differences if d]),
    )


def _share(yes: Sequence[bool]) -> Interval | None:
    return accuracy_interval(yes) if len(yes) >= MINIMUM else None


def _note(n: int) -> str:
    return too_few(n) if n < MINIMUM else ""


def too_few(n: int) -> str:
    """What is said in place of a number that so few answers stand behind."""
    return f"too few: {n} of {MINIMUM}"

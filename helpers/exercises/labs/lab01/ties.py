"""Exercise of lab 01: a win rate with ties."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ....formulas import statistics
from ...exercise import Arguments, Exercise, Misconception


def _choice_lists(rng: np.random.Generator) -> list[Arguments]:
    def choices(a: int, b: int, tie: int, skip: int) -> Arguments:
        listed = ["a"] * a + ["b"] * b + ["tie"] * tie + ["skip"] * skip
        return {"choices": [str(choice) for choice in rng.permutation(listed)]}

    counts = rng.integers(2, 12, size=6)
    return [
        choices(counts[0], counts[1] + counts[0], counts[2], counts[3]),
        choices(counts[4] + counts[5], counts[5], 12, 0),  # most are ties
        choices(counts[1] + 1, counts[2] + counts[1], 0, counts[4]),  # no tie
        choices(1, 0, 0, 0),
        choices(1, 3, 5, 2),  # an odd number of ties: no whole number is half of them
        choices(0, 0, 1, 0),
    ]


Points = Callable[[int, int, int, int], tuple[float, float]]


def _share(points: Points) -> Callable[..., float]:
    """A win rate from counts: points(a, b, tie, skip) gives numerator and denominator."""

    def wrong(choices: Sequence[str]) -> float:
        a, b, tie, skip = (list(choices).count(choice) for choice in ("a", "b", "tie", "skip"))
        numerator, denominator = points(a, b, tie, skip)
        return numerator / denominator

    return wrong


def _removing(kinds: Sequence[str]) -> Callable[..., float]:
    """A win rate after removing entries of some kinds from a list while looping over it."""

    def wrong(choices: Sequence[str]) -> float:
        left = list(choices)
        for choice in left:  # as the mistake goes: it passes over the entry after each removed one
            if choice in kinds:
                left.remove(choice)
        return (left.count("a") + left.count("tie") / 2) / len(left)

    return wrong


WIN_RATE_WITH_TIES = Exercise(
    name="win_rate_with_ties",
    title="What is a tie worth?",
    minutes=6,
    difficulty=1,
    deliver='The win rate of "a" in a list of "a", "b", "tie" and "skip": a tie is half a win, a skip does not count.',
    reference=statistics.win_rate_with_ties,
    cases=_choice_lists,
    hints=(
        'Count the four kinds first: `choices.count("tie")`.',
        "The win rates of a and of b must add up to 1: so each gets half of every tie.",
        "Wins plus half the ties, divided by all comparisons that somebody judged.",
    ),
    misconceptions=(
        Misconception(
            "ties dropped",
            "it leaves the ties out: two texts that are nearly always equal would look as far apart as the few judged "
            "pairs say. Give half of each tie to either side",
            (
                _share(lambda a, b, tie, skip: (a, a + b)),
                _share(lambda a, b, tie, skip: (a, max(a + b, 1))),
                _share(lambda a, b, tie, skip: (a, a + b) if a + b else (0.5, 1)),
            ),
        ),
        Misconception(
            "ties are wins",
            "ties count as whole wins of a: the win rates of a and b then add up to more than 1. A tie is half a win "
            "for either side",
            _share(lambda a, b, tie, skip: (a + tie, a + b + tie)),
        ),
        Misconception(
            "ties are losses",
            "ties count as losses of a: the win rates of a and b then add up to less than 1. A tie is half a win",
            _share(lambda a, b, tie, skip: (a, a + b + tie)),
        ),
        Misconception(
            "rounded down",
            "`//` rounds down: of an odd number of ties half a tie gets lost. Divide by 2 with `/`",
            (
                _share(lambda a, b, tie, skip: (a + tie // 2, a + b + tie)),
                _share(lambda a, b, tie, skip: (a + round(tie / 2), a + b + tie)),
                _share(lambda a, b, tie, skip: ((a + tie / 2) // (a + b + tie), 1)),
                _share(lambda a, b, tie, skip: ((2 * a + tie) // 2, a + b + tie)),
            ),
        ),
        Misconception(
            "skips are ties",
            "it counts a skip as a tie: somebody who did not look has not said that the two are equally good",
            (
                _share(lambda a, b, tie, skip: (a + (tie + skip) / 2, a + b + tie + skip)),
                _share(lambda a, b, tie, skip: (a + (tie + skip) / 2, a + b + tie)),
            ),
        ),
        Misconception(
            "skips are losses",
            "it divides by all rows, so every skip counts against a: divide by the comparisons that were judged",
            _share(lambda a, b, tie, skip: (a + tie / 2, a + b + tie + skip)),
        ),
        Misconception(
            "removed in a loop",
            "some skips are left: a loop that removes entries from the list that it goes through passes over the entry "
            "after each. Make a new list without them",
            _removing(("skip",)),
        ),
        Misconception(
            "plain share",
            'that is the share of "a" among all rows: half of each tie is missing, and the skips do not belong in '
            "the number that you divide by",
            _share(lambda a, b, tie, skip: (a, a + b + tie + skip)),
        ),
        Misconception(
            "ties are wins, skips count",
            "ties count as whole wins, and skips are in the number that you divide by: a tie is half a win, a skip is "
            "no comparison",
            (
                _share(lambda a, b, tie, skip: (a + tie, a + b + tie + skip)),
                _share(lambda a, b, tie, skip: (a + tie + skip, a + b + tie + skip)),
            ),
        ),
        Misconception(
            "ties dropped, skips count",
            "it leaves the ties out but counts the skips: a tie was judged, and is half a win; a skip was not",
            (
                _share(lambda a, b, tie, skip: (a, a + b + skip)),
                _share(lambda a, b, tie, skip: (a + skip / 2, a + b + skip)),
                _share(lambda a, b, tie, skip: (a + tie / 2, a + b + skip)),
            ),
        ),
        Misconception(
            "ties above only",
            "half the ties are in the numerator, but the ties are not, or not in full, in the number that you divide "
            "by: every tie is one comparison",
            (
                _share(lambda a, b, tie, skip: (a + tie / 2, a + b)),
                _share(lambda a, b, tie, skip: (a + tie / 2, a + b + tie / 2)),
                _share(lambda a, b, tie, skip: (a + tie / 2, max(a + b, 1))),
            ),
        ),
        Misconception(
            "other share of a tie",
            "a tie is half a win: here it is worth another share",
            (
                _share(lambda a, b, tie, skip: (a + tie / 3, a + b + tie)),
                _share(lambda a, b, tie, skip: (a + tie / 4, a + b + tie)),
                _share(lambda a, b, tie, skip: (a + 2 * tie, a + b + tie)),
                _share(lambda a, b, tie, skip: ((a + tie) / 2, a + b + tie)),
                _share(lambda a, b, tie, skip: (a + tie, a + b + 2 * tie)),
            ),
        ),
        Misconception(
            "b's side",
            'that is the win rate of b: the wins of "a" are asked for',
            _share(lambda a, b, tie, skip: (b + tie / 2, a + b + tie)),
        ),
        Misconception(
            "net wins",
            "that is wins minus losses, from -1 to 1; a win rate runs from 0 to 1, with 0.5 for no difference",
            (
                _share(lambda a, b, tie, skip: (a - b, a + b + tie)),
                _share(lambda a, b, tie, skip: (a - b + tie / 2, a + b + tie)),
                _share(lambda a, b, tie, skip: (a - b, a + b + tie + skip)),
                _share(lambda a, b, tie, skip: (a - b, a + b)),
            ),
        ),
        Misconception(
            "odds",
            "that is a ratio of a's wins to b's (odds), which may be above 1: divide by all judged comparisons, not by "
            "the losses",
            (
                _share(lambda a, b, tie, skip: (a + tie / 2, b + tie / 2)),
                _share(lambda a, b, tie, skip: (a, b)),
                _share(lambda a, b, tie, skip: (a + tie / 2, b)),
            ),
        ),
        Misconception(
            "points",
            "that is a number of points: divide it by the number of judged comparisons",
            (
                _share(lambda a, b, tie, skip: (a + tie / 2, 1)),
                _share(lambda a, b, tie, skip: (a, 1)),
            ),
        ),
        Misconception(
            "percent",
            "that is in percent: a win rate runs from 0 to 1",
            (
                _share(lambda a, b, tie, skip: (100 * (a + tie / 2), a + b + tie)),
                _share(lambda a, b, tie, skip: (round(100 * (a + tie / 2) / (a + b + tie)), 1)),
            ),
        ),
        Misconception(
            "rounded",
            "it rounds: return the number as it is",
            (
                _share(lambda a, b, tie, skip: (round((a + tie / 2) / (a + b + tie), 1), 1)),
                _share(lambda a, b, tie, skip: (round((a + tie / 2) / (a + b + tie), 2), 1)),
            ),
        ),
    ),
)

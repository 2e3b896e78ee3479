"""Exercise of lab 04: a vote among sampled answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from ....prompting import asking
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import WORDS


def _answers(rng: np.random.Generator) -> list[Arguments]:
    low, middle, high = sorted(rng.choice(WORDS, size=3, replace=False).tolist())
    plurality = [middle, *rng.permutation([low] * 3 + [high] * 2 + [middle]).tolist()]
    return [
        {"answers": plurality},
        {"answers": [middle, low, high, low, middle, high]},
        {"answers": [low, f" {high.title()}", f"{high} ", low, high.upper(), middle]},
        {"answers": [high, high, low]},
        {"answers": [low]},
        {"answers": ["rent", "Car", "car", "rent", "CAR"]},  # case alone
        {"answers": ["rent", " car", "car ", "rent", " car"]},  # space alone
        {"answers": ["rent", "car ", " car", "rent", "car "]},
        {"answers": ["rent", "new car", "newcar", "new car", "rent", "new boss", "rent", "newcar", "old car"]},
        {"answers": ["old car", "new car", "new boss", "old car", "new rent"]},  # first words, first letters
        {"answers": ["new rent", "old car", "new rent", "big car", "my car"]},  # last words
        # Ties of eight, in which the order of a set is hardly the alphabet's or the answers' own.
        {"answers": ["rent", "car", "seed", "boss", "knee", "loan", "dog", "exam"]},
        {"answers": ["loan", "exam", "dog", "garden", "car", "vet", "rent", "knee"]},
        {"answers": ["job", "roof", "cat", "bread", "river", "exam", "vet", "dog"]},
        {"answers": ["seed", "rent", "rent", "seed", "knee"]},  # the second one is first to have two
        {"answers": ["rent", "boss", "vet", "seed", "exam", "car"]},
        {"answers": ["car", "exam", "seed", "vet", "boss", "rent"]},
        {"answers": ["boss", "car", "rent", "exam", "vet", "seed"]},
    ]


def _same_answer(a: Any, b: Any) -> bool:
    """Whether two answers are one, in whatever case and space they were handed back."""
    return a.strip().lower() == b.strip().lower() if isinstance(a, str) and isinstance(b, str) else a == b


def _plain_answers(answers: Sequence[str]) -> list[str]:
    return [answer.strip().lower() for answer in answers]


def _most_common(answers: Sequence[str]) -> tuple[str, int]:
    return Counter(_plain_answers(answers)).most_common(1)[0]


def _plain(answer: str) -> str:
    return answer.strip().lower()


def _without_spaces(answer: str) -> str:
    return answer.replace(" ", "").lower()


def _first_of_most(form: Callable[[str], str]) -> Callable[[Sequence[str]], str]:
    """A vote among answers in a form of their own."""

    def vote(answers: Sequence[str]) -> str:
        forms = [form(answer) for answer in answers]
        return answers[forms.index(max(forms, key=forms.count))]

    return vote


def _winners(answers: Sequence[str]) -> list[str]:
    votes = Counter(_plain_answers(answers))
    return [answer for answer, count in votes.items() if count == max(votes.values())]


def _later_of_equals(answers: Sequence[str]) -> Callable[[str], tuple[int, int]]:
    """The more votes, then the later first vote."""
    plain = _plain_answers(answers)
    return lambda answer: (plain.count(answer), plain.index(answer))


def _first_to_reach(answers: Sequence[str]) -> str:
    best, votes = "", Counter[str]()
    for answer in _plain_answers(answers):
        votes[answer] += 1
        if votes[answer] > votes[best]:
            best = answer
    return best


def _longest_run(answers: Sequence[str]) -> str:
    runs = [(answer, len(list(run))) for answer, run in groupby(_plain_answers(answers))]
    return max(runs, key=lambda run: run[1])[0]


SELF_CONSISTENCY_VOTE = Exercise(
    name="self_consistency_vote",
    title="Let samples vote",
    minutes=8,
    difficulty=1,
    deliver="The answer that most samples give; case and outer space do not matter. On a tie, the one whose first vote "
    "came first.",
    reference=asking.self_consistency_vote,
    cases=_answers,
    same=_same_answer,
    hints=(
        "Bring all answers to one form before you count: `strip` and `lower`.",
        "`collections.Counter` counts, and its `most_common` keeps the order of first sight among equals.",
        "`max(answers, key=...)` returns the first of several that are equally good.",
    ),
    misconceptions=(
        Misconception(
            "first sample",
            "that is the first sample, without any vote",
            lambda answers: answers[0],
        ),
        Misconception(
            "last sample",
            "that is the last sample, without any vote: count how often each answer was given",
            lambda answers: answers[-1],
        ),
        Misconception(
            "longest",
            "it chooses by how long an answer is, not by its votes: count how often each answer was given",
            (
                lambda answers: max(answers, key=len),
                lambda answers: max(_plain_answers(answers), key=len),
                lambda answers: min(answers, key=len),
                lambda answers: min(_plain_answers(answers), key=len),
            ),
        ),
        Misconception(
            "alphabet, no vote",
            "that is the first or last answer in the alphabet, without any vote (`max` or `min` of texts compares "
            "their letters): count how often each answer was given",
            (
                lambda answers: max(answers),
                lambda answers: min(answers),
                lambda answers: max(_plain_answers(answers)),
                lambda answers: min(_plain_answers(answers)),
            ),
        ),
        Misconception(
            "case",
            '" Pets" and "pets" are counted as different answers, so the vote splits: bring them to one form first',
            (
                lambda answers: Counter(answers).most_common(1)[0][0],
                lambda answers: max(sorted(answers), key=answers.count),
                lambda answers: max(set(answers), key=answers.count),
                lambda answers: max(answers[::-1], key=answers.count),
            ),
        ),
        Misconception(
            "space",
            'right for upper and lower case, but " pets" and "pets " are counted as different answers: take off the '
            "space on both sides before you count (`strip`)",
            tuple(map(_first_of_most, (str.lower, lambda a: a.lower().lstrip(), lambda a: a.lower().rstrip()))),
        ),
        Misconception(
            "letter case",
            'right for outer space, but "Pets" and "pets" are counted as different answers: bring all to lower case '
            "before you count",
            tuple(map(_first_of_most, (str.strip, lambda a: a.strip().capitalize() if a.istitle() else a.strip()))),
        ),
        Misconception(
            "all spaces",
            'it takes away the spaces inside an answer too, so that "new car" and "newcar" are one: only the space '
            "around an answer does not matter (`strip`)",
            (
                _first_of_most(_without_spaces),
                lambda answers: _without_spaces(_first_of_most(_without_spaces)(answers)),
            ),
        ),
        Misconception(
            "first word",
            "it compares only the first word (or the last, or the first letter) of each answer: compare whole answers",
            tuple(
                map(
                    _first_of_most,
                    (lambda a: a.split()[0].lower(), lambda a: a.split()[-1].lower(), lambda a: a.strip()[0].lower()),
                )
            ),
        ),
        Misconception(
            "alphabet",
            "ties go to the first in the alphabet: were the labels named otherwise, another answer would win. Take "
            "the one that was seen first",
            (
                lambda answers: max(sorted(_plain_answers(answers)), key=_plain_answers(answers).count),
                lambda answers: max(sorted(_plain_answers(answers), reverse=True), key=_plain_answers(answers).count),
            ),
        ),
        Misconception(
            "last seen",
            "ties go to the answer that was seen last: one more sample of the same kind would then change the result. "
            "Take the first",
            (
                lambda answers: max(_plain_answers(answers)[::-1], key=_plain_answers(answers).count),
                lambda answers: max(dict.fromkeys(_plain_answers(answers)), key=_later_of_equals(answers)),
            ),
        ),
        Misconception(
            "first to reach",
            "ties go to the answer that got its last vote first: of equally many votes the answer wins whose *first* "
            "vote came first",
            _first_to_reach,
        ),
        Misconception(
            "set order",
            "ties go to any of the answers: a `set` has no order, and the next start of Python may give another one. "
            "Go through the answers in the order in which they came",
            (
                lambda answers: max(set(_plain_answers(answers)), key=_plain_answers(answers).count),
                lambda answers: max(list(set(_plain_answers(answers)))[::-1], key=_plain_answers(answers).count),
                lambda answers: max(sorted(_plain_answers(answers), key=len), key=_plain_answers(answers).count),
                lambda answers: max(sorted(_plain_answers(answers), key=len)[::-1], key=_plain_answers(answers).count),
            ),
        ),
        Misconception(
            "more than half",
            "it asks for more than half of the votes; most is enough (a plurality), and there is always an answer",
            tuple(
                lambda answers, other=other, share=share: (
                    _most_common(answers)[0]
                    if _most_common(answers)[1] >= share * len(answers) + (share == 0.5) * 0.1
                    else other(answers)
                )
                for share in (0.5, 0.50001, 0.49999)
                for other in (
                    lambda answers: None,
                    lambda answers: "",
                    lambda answers: answers[0],
                    lambda answers: "none",
                    lambda answers: answers[-1],
                )
            ),
        ),
        Misconception(
            "all agree",
            "it asks that all answers agree: most is enough (a plurality), and there is always an answer",
            (
                lambda answers: answers[0] if len(set(_plain_answers(answers))) == 1 else None,
                lambda answers: answers[0] if len(set(_plain_answers(answers))) == 1 else "",
            ),
        ),
        Misconception(
            "no answer on a tie",
            "on a tie it gives no answer: a tie goes to the answer that was seen first",
            (
                lambda answers: _most_common(answers)[0] if len(_winners(answers)) == 1 else None,
                lambda answers: _most_common(answers)[0] if len(_winners(answers)) == 1 else "",
                lambda answers: _most_common(answers)[0] if len(_winners(answers)) == 1 else answers[-1],
            ),
        ),
        Misconception(
            "count",
            "that is how many votes the winner got; return the answer itself",
            (
                lambda answers: _most_common(answers)[1],
                lambda answers: _most_common(answers)[1] / len(answers),
            ),
        ),
        Misconception(
            "answer and count",
            "it gives the answer and its number of votes: `most_common(1)` is a list of pairs, of which the first "
            "entry of the first pair is asked for",
            (
                _most_common,
                lambda answers: [_most_common(answers)],
                lambda answers: Counter(answers).most_common(1),
                lambda answers: Counter(answers).most_common(1)[0],
            ),
        ),
        Misconception(
            "all counts",
            "those are the votes of all answers, or several answers: return the one that has the most",
            (
                lambda answers: dict(Counter(_plain_answers(answers))),
                lambda answers: Counter(_plain_answers(answers)).most_common(),
                lambda answers: _winners(answers),
            ),
        ),
        Misconception(
            "place",
            "that is the place of the winner in the list: return the answer itself",
            lambda answers: _plain_answers(answers).index(_most_common(answers)[0]),
        ),
        Misconception(
            "rarest",
            "that is the rarest answer: sort the other way round",
            (
                lambda answers: min(_plain_answers(answers), key=_plain_answers(answers).count),
                lambda answers: min(answers, key=answers.count),
                lambda answers: Counter(_plain_answers(answers)).most_common()[-1][0],
                lambda answers: min(_plain_answers(answers)[::-1], key=_plain_answers(answers).count),
            ),
        ),
        Misconception(
            "in a row",
            "it counts only equal answers that stand next to each other: count them wherever they stand",
            _longest_run,
        ),
    ),
)

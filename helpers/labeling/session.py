"""Asking for labels: which question comes next, and what an answer becomes. Plain Python, no widget.

The next question follows from the store alone: from the annotator's answers so far, a seed and the pairs. So a
session that is started again goes on where it stopped, undo brings back the question as it was, and any number of
windows agree on what comes next.
"""

from __future__ import annotations

import hashlib
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

from ..files import LabError
from ..preferences import Pair
from .store import AlreadyAnswered, Answer, Choice, Kind, Label, LabelStore, Side, TextRating, pair_digest

YOU = "you"  # an annotator who gave no name
SIDES: tuple[Side, Side] = ("a", "b")


class Progress(NamedTuple):
    """How many answers are on disk, and how many there will be."""

    saved: int
    total: int

    def __str__(self) -> str:
        return f"saved {self.saved} of {self.total}"


@dataclass(frozen=True)
class Question:
    """A pair to compare.

    Attributes:
        pair: the two texts.
        left: the completion shown first.
        repeat: how often the annotator has judged it before.
    """

    pair: Pair
    left: Side
    repeat: int

    @property
    def texts(self) -> tuple[str, str]:
        """The completions as they are shown: left, right."""
        texts = self.pair.completion_a, self.pair.completion_b
        return texts if self.left == "a" else texts[::-1]

    @property
    def token(self) -> str:
        """A name for the question that says nothing of its sides."""
        return _token(self.pair, self.repeat)


@dataclass(frozen=True)
class TextQuestion:
    """One completion (`side`) of a pair, to rate by itself."""

    pair: Pair
    side: Side

    @property
    def text(self) -> str:
        """The completion to rate."""
        return self.pair.completion_a if self.side == "a" else self.pair.completion_b

    @property
    def token(self) -> str:
        """A name for the question that says nothing of its side."""
        return _token(self.pair, self.side)


AnyQuestion = TypeVar("AnyQuestion", Question, TextQuestion)


class _Session(Generic[AnyQuestion]):
    """What comparing and rating share. `id` names the session in the store; only its own answers can be undone."""

    KIND: Kind

    def __init__(
        self,
        pairs: Sequence[Pair],
        annotator: str = YOU,
        store: LabelStore | None = None,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not pairs:
            raise LabError("there are no pairs to label; give at least one")
        if not annotator.strip():
            raise LabError("the annotator has no name; give one, such as your first name")
        self.pairs = {pair_digest(pair): pair for pair in pairs}
        self.annotator = annotator
        self.store = store or LabelStore()
        self.seed = seed
        self.clock = clock
        self.id = secrets.token_hex(8)
        self._shown = ("", 0.0)  # the question in view, and since when

    @property
    def can_undo(self) -> bool:
        """Whether this session has given an answer that still counts."""
        return any(answer.session == self.id for answer in self._answers())

    def undo(self) -> bool:
        """Take back this session's last answer; its question comes again. False if there is none to take back."""
        return self.store.undo(self.id, self.KIND) is not None

    @property
    def current(self) -> AnyQuestion | None:
        """The question to ask, None at the end. Its clock starts when it is first looked at."""
        question = self._next(self._answers())
        if question and self._shown[0] != question.token:
            self._shown = (question.token, self.clock())
        return question

    def _next(self, answers: Sequence[Answer]) -> AnyQuestion | None:
        raise NotImplementedError

    def _asked(self, token: str | None) -> AnyQuestion:
        """The question that is answered; AlreadyAnswered if `token` is that of another one."""
        question = self.current
        if question is None or token not in (None, question.token):
            raise AlreadyAnswered("that question was answered already; nothing was saved twice")
        return question

    def _answers(self) -> list[Answer]:
        """The annotator's answers on these pairs, of this session and all others."""
        return [answer for answer in self.store.answers(self.KIND, self.annotator) if answer.digest in self.pairs]

    @property
    def _seconds(self) -> float:
        """Since the question came into view."""
        return self.clock() - self._shown[1]

    def _draw(self, *what: object) -> random.Random:
        return random.Random("/".join(map(str, (self.seed, self.annotator, *what))))


class LabelingSession(_Session[Question]):
    """Asks one annotator which completion of each pair is better.

    Args:
        pairs: in the order in which they are asked; those that the annotator has answered are not asked again.
        annotator: the name of who is asked.
        store: default: `work/labels.sqlite`.
        seed: of the sides and the repeats.
        repeat_every: every so many questions, an earlier pair comes again, its sides drawn anew, to see how far the
            annotator agrees with themself; 0 for never.
        clock: seconds; for tests.

    Raises:
        LabError: there are no pairs, or the annotator has no name.
        ValueError: `repeat_every` is 1 or negative.
    """

    KIND = "labels"

    def __init__(
        self,
        pairs: Sequence[Pair],
        annotator: str = YOU,
        store: LabelStore | None = None,
        seed: int = 0,
        repeat_every: int = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if repeat_every < 0 or repeat_every == 1:
            raise ValueError(f"repeat_every must be 0 or at least 2, not {repeat_every}")
        super().__init__(pairs, annotator, store, seed, clock)
        self.repeat_every = repeat_every

    @property
    def progress(self) -> Progress:
        """How many answers are saved, and how many there will be, repeats among them."""
        answers = self._answers()
        total, left = len(answers), len(self._fresh(answers))
        while left:
            total += 1
            left -= not self._is_repeat(total)
        return Progress(len(answers), total)

    def choose(self, side: Literal["left", "right"], strength: int, token: str | None = None) -> Label:
        """Prefer the completion shown left or right.

        Args:
            side: the better one.
            strength: 4 significantly better ... 1 negligibly better or unsure.
            token: that of the question meant; default: the current one's.

        Returns:
            The label, once it is on disk.

        Raises:
            AlreadyAnswered: the token is another question's.
            ValueError: there is no such side or strength.
            LabError: it cannot be saved.
        """
        if side not in ("left", "right"):
            raise ValueError(f"a side is left or right, not {side!r}")
        question = self._asked(token)
        return self._add(question, "a" if (side == "left") == (question.left == "a") else "b", strength)

    def tie(self, token: str | None = None) -> Label:
        """Neither is better. As `choose`."""
        return self._add(self._asked(token), "tie")

    def skip(self, token: str | None = None) -> Label:
        """No judgment; the pair is not asked again. As `choose`."""
        return self._add(self._asked(token), "skip")

    def _add(self, question: Question, choice: Choice, strength: int = 0) -> Label:
        return self.store.add(
            Label(
                question.pair, self.annotator, self.id, question.left, choice, strength, self._seconds, question.repeat
            )
        )

    def _fresh(self, answers: Sequence[Answer]) -> list[str]:
        answered = {answer.digest for answer in answers}
        return [digest for digest in self.pairs if digest not in answered]

    def _is_repeat(self, number: int) -> bool:
        return self.repeat_every > 0 and number % self.repeat_every == 0

    def _next(self, answers: Sequence[Answer]) -> Question | None:
        if not (fresh := self._fresh(answers)):
            return None
        digest, repeat = fresh[0], 0
        if self._is_repeat(len(answers) + 1) and (earlier := self._to_repeat(answers)):
            digest, repeat = self._draw("repeat", len(answers)).choice(earlier), 1
        return Question(self.pairs[digest], self._draw("left", digest, repeat).choice(SIDES), repeat)

    def _to_repeat(self, answers: Sequence[Answer]) -> list[str]:
        """Pairs judged once, the older half of them: not what is still in mind."""
        times = Counter(answer.digest for answer in answers)
        once = [answer.digest for answer in answers if answer.what != "skip" and times[answer.digest] == 1]
        return once[: (len(once) + 1) // 2]


class RatingSession(_Session[TextQuestion]):
    """Asks one annotator to rate each completion by itself, 1 (worst) to 7: the warm-up before comparing.

    The first half of the questions holds one completion of every pair, drawn at random, the second half the other
    ones: the two never meet, and both halves hold the same posts. Arguments and errors: as `LabelingSession`.
    """

    KIND = "ratings"

    def __init__(
        self,
        pairs: Sequence[Pair],
        annotator: str = YOU,
        store: LabelStore | None = None,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(pairs, annotator, store, seed, clock)
        rng = self._draw("ratings")
        first = [(digest, rng.choice(SIDES)) for digest in rng.sample(list(self.pairs), len(self.pairs))]
        other: dict[Side, Side] = {"a": "b", "b": "a"}
        self.order = first + [(digest, other[side]) for digest, side in first]

    @property
    def progress(self) -> Progress:
        """How many ratings are saved, and how many there will be."""
        return Progress(len(self._answers()), len(self.order))

    def rate(self, rating: int, token: str | None = None) -> TextRating:
        """Rate the current completion; as `LabelingSession.choose`."""
        question = self._asked(token)
        return self.store.add_rating(
            TextRating(question.pair, question.side, self.annotator, self.id, rating, self._seconds)
        )

    def _next(self, answers: Sequence[Answer]) -> TextQuestion | None:
        rated = {(answer.digest, answer.what) for answer in answers}
        left = [place for place in self.order if place not in rated]
        return TextQuestion(self.pairs[left[0][0]], left[0][1]) if left else None


def _token(pair: Pair, part: object) -> str:
    return hashlib.sha256(f"{pair_digest(pair)}/{part}".encode()).hexdigest()[:16]

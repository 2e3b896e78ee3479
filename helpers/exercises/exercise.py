"""What an exercise is: the function asked for, fresh inputs to try an answer on, and the mistakes that are known.

A misconception is written down as a *wrong answer*: a function that makes the mistake. So its message is given for
what an answer does, in whatever style it is written, and a test can run every one of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Arguments = dict[str, Any]
"""The arguments of one call by name, in the order of the exercise's signature."""


@dataclass(frozen=True)
class Misconception:
    """A known mistake.

    Attributes:
        key: its short name in the instructor's table.
        says: what the student reads. It must be true of every answer that gives what `wrong` gives.
        wrong: a function that makes the mistake; or several, where one mistake is made in ways that give different
            results, such as an error in one style and wrong numbers in another. An answer must fit one of them in all
            cases.
    """

    key: str
    says: str
    wrong: Callable | tuple[Callable, ...]

    @property
    def variants(self) -> tuple[Callable, ...]:
        """The functions that make the mistake."""
        return self.wrong if isinstance(self.wrong, tuple) else (self.wrong,)


@dataclass(frozen=True)
class Exercise:
    """One function for the student to write.

    Attributes:
        name: of the function.
        title: stands in its lab's badge and in the table of progress.
        minutes: that it takes.
        difficulty: 1 to 3.
        deliver: what the function returns, in one sentence.
        reference: the helper that does it, which is the solution too: its source is shown as it stands.
        cases: (rng) -> arguments of several calls, new ones for every check, of different sizes, so that no mistake
            is right by chance. Edge values that matter (n = 256, an exact tie, no variance) are cases of their own,
            the same in every check, and come last: `[*random_ones, {"n": 256}]`. A solution must take all names.
        hints: shown one at a time.
        misconceptions: the known mistakes, each with its message.
        gradients: arguments whose gradient is compared besides the value; tensors in the cases.
        same: (answer's value, reference's value) -> whether they agree though their numbers are not close. NaN
            or infinity where the reference's numbers are finite is wrong in any case.
    """

    name: str
    title: str
    minutes: int
    difficulty: int
    deliver: str
    reference: Callable
    cases: Callable[[np.random.Generator], Sequence[Arguments]]
    hints: tuple[str, ...]
    misconceptions: tuple[Misconception, ...]
    gradients: tuple[str, ...] = ()
    same: Callable[[Any, Any], bool] | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the arguments, in order."""
        return tuple(self.cases(np.random.default_rng(0))[0])

    @property
    def badge(self) -> str:
        """The line that stands above the exercise in its lab, as Markdown."""
        stars = "★" * self.difficulty + "☆" * (3 - self.difficulty)
        return f"**Exercise `{self.name}`** · {self.title} · {self.minutes} min · {stars}"

    @property
    def source(self) -> str:
        """The reference as it stands in its file."""
        return inspect.getsource(self.reference)

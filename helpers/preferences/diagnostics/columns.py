"""The pass over the rows: a few numbers of each, and the texts of a sample."""

from __future__ import annotations

import hashlib
import heapq
from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import takewhile
from typing import ClassVar

import numpy as np

from ...files import SPLITS
from .. import Preference
from . import near_duplicates

SAMPLE = 20_000  # pairs of each split
CHARACTERS = 80_000_000  # of the sampled pairs of each split, all together: the sample is smaller where texts are long
SHOWN = 20  # rows of a table of names, the most frequent first


Table = dict[str, np.ndarray]  # the columns of `Columns.table`


class Names:
    """A number for each name, from 0. Names are compared whole and kept cut, for a set may name anything."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self.names: list[str] = []

    def number(self, name: str) -> int:
        """The number of a name; a new name gets the next one."""
        key = hash64(name)
        if key not in self._numbers:
            self._numbers[key] = len(self.names)
            self.names.append(name if len(name) <= 100 else f"{name[:90]}... ({key % 10**6:06})")
        return self._numbers[key]


class Columns:
    """A few numbers for each row, in the order of the rows."""

    TYPES: ClassVar[dict[str, str]] = {
        "prompt": "Q", "chosen": "Q", "rejected": "Q",  # hashes of the characters
        "prompt_words": "Q", "chosen_words": "Q", "rejected_words": "Q",  # hashes of the plain words
        "prompt_length": "I", "chosen_length": "I", "rejected_length": "I",  # words
        "start": "I",  # words that the completions share at their start
        "annotator": "I", "source": "I", "split": "B", "strength": "B", "turns": "I",
    }  # fmt: skip

    def __init__(self) -> None:
        self.n = 0
        self.annotators, self.sources = Names(), Names()
        self._arrays = {name: array(code) for name, code in self.TYPES.items()}

    def add(self, row: Preference) -> int:
        """Add a row, and return its number, from 0."""
        values: dict[str, int] = {
            "annotator": self.annotators.number(row.annotator),
            "source": self.sources.number(row.source),
            "split": SPLITS.index(row.split),
            "strength": row.strength or 0,
            "turns": len(row.turns),
        }
        words = {}
        for part in ("prompt", "chosen", "rejected"):
            text = getattr(row, part)
            words[part] = text.split()
            values[part] = hash64(text)
            values[f"{part}_words"] = hash64(" ".join(near_duplicates.plain_words(text)))
            values[f"{part}_length"] = len(words[part])
        values["start"] = _shared_start(words["chosen"], words["rejected"])
        for name, value in values.items():
            self._arrays[name].append(value)
        self.n += 1
        return self.n - 1

    def table(self) -> Table:
        """The columns as arrays (n,), with what follows from them: pair, row (hashes), longer (words)."""
        table = {name: np.frombuffer(values, values.typecode) for name, values in self._arrays.items()}
        a, b = table["chosen"], table["rejected"]
        table["pair"] = near_duplicates.mix(table["prompt"], np.minimum(a, b), np.maximum(a, b))
        table["row"] = near_duplicates.mix(table["prompt"], a, b)
        table["row_words"] = near_duplicates.mix(*(table[f"{c}_words"] for c in ("prompt", "chosen", "rejected")))
        table["longer"] = table["chosen_length"].astype(np.int64) - table["rejected_length"]
        return table


class Lowest:
    """Of the rows offered, the `size` whose hashes are lowest: a random sample that does not depend on their order."""

    def __init__(self, size: int, seed: int = 0, characters: int = CHARACTERS) -> None:
        self._size, self._seed, self._room = size, seed, characters
        self._heap: list[tuple[int, int, int, Preference]] = []
        self._limit: int | None = None  # rows with a hash as high as this are not wanted any more

    def offer(self, number: int, row: Preference) -> None:
        """Keep the row, with its number, if its hash is among the lowest so far."""
        key = hash64("\0".join((str(self._seed), row.prompt, row.chosen, row.rejected, row.annotator, row.id)))
        if self._limit is not None and key >= self._limit:
            return
        length = len(row.prompt) + len(row.chosen) + len(row.rejected)
        heapq.heappush(self._heap, (-key, -number, length, row))
        self._room -= length
        while len(self._heap) > self._size or (self._room < 0 and len(self._heap) > 1):
            key, _, length, _ = heapq.heappop(self._heap)
            self._limit = -key
            self._room += length

    def pairs(self) -> Iterator[tuple[int, Preference]]:
        """The number and the row of each, lowest hash first."""
        return ((-number, row) for _, number, _, row in sorted(self._heap, key=lambda kept: (-kept[0], -kept[1])))


class Sample:
    """The rows whose texts are kept.

    Attributes:
        rows: The rows.
        at: Their places in the table (n,).
        split: Number of each row's split (n,), as in SPLITS.
        prompt: Hash of each row's prompt (n,).
        prompt_words: Hash of the prompt's plain words (n,).
        longer: Words of the chosen minus words of the rejected completion (n,).
    """

    def __init__(self, pairs: Sequence[tuple[int, Preference]], table: Table, seed: int) -> None:
        self.rows = [row for _, row in pairs]
        self.at = np.array([number for number, _ in pairs])
        self.split = table["split"][self.at]
        self.prompt = table["prompt"][self.at]
        self.prompt_words = table["prompt_words"][self.at]
        self.longer = table["longer"][self.at]
        self._table, self._seed = table, seed

    @cached_property
    def twins(self) -> np.ndarray:
        """How near the two completions of each pair are, (n,), from 0 to 1."""
        return near_duplicates.similarity([r.chosen for r in self.rows], [r.rejected for r in self.rows])

    @cached_property
    def near_prompts(self) -> np.ndarray:
        """The number of the group of near duplicates of each row's prompt, (n,)."""
        first, back = self._distinct(self.prompt_words)
        return near_duplicates.groups([self.rows[i].prompt for i in first], self._seed)[back]

    @cached_property
    def near_completions(self) -> tuple[int, int]:
        """How many completions the sample has that differ in words, and how many groups of near duplicates."""
        words = np.concatenate([self._table[f"{side}_words"][self.at] for side in ("chosen", "rejected")])
        texts = [r.chosen for r in self.rows] + [r.rejected for r in self.rows]
        numbers = near_duplicates.groups([texts[i] for i in self._distinct(words)[0]], self._seed)
        return len(numbers), len(np.unique(numbers))

    @staticmethod
    def _distinct(hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        _, first, back = np.unique(hashes, return_index=True, return_inverse=True)
        return first, back


def hash64(text: str) -> int:
    """A hash of 64 bits that is the same in every process."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def _shared_start(a: Sequence[str], b: Sequence[str]) -> int:
    return sum(1 for _ in takewhile(lambda two: two[0] == two[1], zip(a, b, strict=False)))


def printable(text: str) -> str:
    r"""The text with characters that no terminal shows written out, such as \x1b."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

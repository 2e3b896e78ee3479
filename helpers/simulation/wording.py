"""Facts, the wordings that state them, and the reader that finds them again in any text.

A fact is one line of a topic file (`topics/*.toml`): a goal, a constraint, a question or an irrelevant detail, in two
wordings. Text and wordings are brought to one normal form (lower case, contractions opened, number words as digits,
pronouns and fillers dropped, words stemmed), so that "We've been thinking about adopting a rescue dog" and "want to
adopt a rescue dog" state the same fact, while "adopt a rescue cat" or another number of weeks does not.
"""

import random
import re
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import snowballstemmer

TOPIC_FOLDER = Path(__file__).with_name("topics")
KINDS = ("goal", "constraint", "question", "detail")
ESSENTIAL = KINDS[:3]

SLOT = re.compile(r"\{(\d+)-(\d+)(?:/(\d+))?\}")
WORD = re.compile(r"\d+(?:,\d{3})*|[^\W\d_]+(?:'[^\W\d_]+)*")
SENTENCE_END = re.compile(r"[.?!;:\n]+")
NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
    if word != "one"  # "one of them" is no number
}
CONTRACTIONS = {"can't": "can not", "won't": "will not", "let's": "let us", "cannot": "can not"}
ENDINGS = ("n't", "'re", "'ve", "'ll", "'m", "'d", "'s")
LEMMAS = {"has": "have", "had": "have", "is": "be", "am": "be", "are": "be", "was": "be", "were": "be", "been": "be"}
# Words that change with person, tone or the form of a question but not with what is said.
DROPPED = set(
    "i me my mine myself we us our ours ourselves you your he she they him her his them their op "
    "a an the this that these those to do does did should would could can will whether if "
    "just only really actually also very so too".split()
)
NEGATIONS = {"not", "never", "no", "without"}


@dataclass(frozen=True)
class Fact:
    """One thing that a post can say: its topic, kind, place in the topic file and the number in its slot, if any."""

    topic: str
    kind: str
    index: int
    value: int | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """The fact without its number."""
        return self.topic, self.kind, self.index

    def text(self, wording: int = 0) -> str:
        """The fact in plain words, first person singular, no capital and no full stop; `wording` is 0 or 1."""
        number = f"{self.value:,}" if self.value and self.value >= 10_000 else str(self.value)
        return SLOT.sub(number, topics()[self.topic][self.kind + "s"][self.index][wording])


@dataclass(frozen=True)
class Mention:
    """A fact found in a text: where its words begin and end, and whether a "not" stands right before it."""

    fact: Fact
    sentence: int
    start: int
    end: int
    negated: bool


@cache
def topics() -> dict[str, dict[str, Any]]:
    """All topic files by name."""
    return {path.stem: tomllib.loads(path.read_text("utf-8")) for path in sorted(TOPIC_FOLDER.glob("*.toml"))}


def draw_fact(topic: str, kind: str, index: int, rng: random.Random) -> Fact:
    """The fact at `index`, with a number drawn for its slot if it has one."""
    slot = SLOT.search(topics()[topic][kind + "s"][index][0])
    if slot is None:
        return Fact(topic, kind, index)
    low, high, step = int(slot[1]), int(slot[2]), int(slot[3] or 1)
    return Fact(topic, kind, index, rng.randrange(low, high + 1, step))


_stemmer = snowballstemmer.stemmer("english")


@cache
def _stem(word: str) -> str:
    return _stemmer.stemWord(word)


@cache
def _normal_words(word: str) -> tuple[str, ...]:
    """The normal form of one lower-case word: no word, one, or several."""
    if word[0].isdigit():
        return (word.replace(",", ""),)
    if word in CONTRACTIONS:
        return tuple(w for part in CONTRACTIONS[word].split() for w in _normal_words(part))
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) > len(ending):
            rest = _normal_words(word.removesuffix(ending))
            return (*rest, "not") if ending == "n't" else (*rest, "be") if ending in ("'m", "'re") else rest
    if word in DROPPED:
        return ()
    word = NUMBER_WORDS.get(word, LEMMAS.get(word, word))
    return (_stem(word),)


def normalize(text: str) -> list[list[str]]:
    """The sentences of any text, each as a list of normal words (possibly empty)."""
    text = text.lower().replace("’", "'")
    return [
        [normal for word in WORD.findall(sentence) for normal in _normal_words(word)]
        for sentence in SENTENCE_END.split(text)
    ]


@cache
def _patterns() -> dict[str, list[tuple[tuple[str, ...], tuple[str, str, int]]]]:
    """Every wording's normal form by its first word; `<n>` stands for a slot."""
    patterns = defaultdict(list)
    for topic, table in topics().items():
        for kind in KINDS:
            for index, wordings in enumerate(table[kind + "s"]):
                for wording in wordings:
                    marked = SLOT.sub("987654321", wording)
                    words = tuple(w.replace("987654321", "<n>") for sentence in normalize(marked) for w in sentence)
                    patterns[words[0]].append((words, (topic, kind, index)))
    return dict(patterns)


def find_facts(text: str) -> list[Mention]:
    """Every statement of a known fact in `text`, which may be any string, in order."""
    mentions = []
    for number, words in enumerate(normalize(text)):
        for start, word in enumerate(words):
            candidates = _patterns().get(word, [])
            if word.isdecimal():
                candidates = candidates + _patterns().get("<n>", [])
            for pattern, key in candidates:
                end = start + len(pattern)
                if end > len(words):
                    continue
                value = None
                for want, have in zip(pattern, words[start:end], strict=True):
                    if want == "<n>" and have.isdecimal() and len(have) < 10:
                        value = int(have)
                    elif want != have:
                        break
                else:
                    negated = bool(NEGATIONS & set(words[max(0, start - 2) : start]))
                    mentions.append(Mention(Fact(*key, value), number, start, end, negated))
    return mentions

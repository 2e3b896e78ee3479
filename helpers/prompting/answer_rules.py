"""Rules that tell right answers from wrong ones, for prompts whose answers can be checked.

A rule is plain data, such as {"kind": "number", "value": 12}: `kind` names a function of RULES, the rest are its
arguments. Rules read free text, so they can be fooled. What they allow for: case and the space around an answer, number
words up to ninety-nine, reasoning before or after the answer, what is denied ("not in the box"), and questions, which
state nothing. A base model that answers and goes on with a question of its own is judged by its first answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError, validate_call

from ..files import LabError

Text = Annotated[str, Field(pattern=r"\S")]
Texts = Annotated[list[Text], Field(min_length=1)]
Count = Annotated[int, Field(ge=0)]

RULES: dict[str, Callable[..., bool]] = {}


def follows(answer: str, rule: dict[str, Any]) -> bool:
    """Whether the answer is right by the rule.

    Raises:
        LabError: The rule is none; see `check_rule`.
    """
    check_rule(rule)
    return _follows(_cleaned(answer), rule)


def check_rule(rule: Any) -> None:
    """Check that the rule is one of RULES with its arguments.

    Raises:
        LabError: It is not; the message says what is wrong.
    """
    kind = rule.get("kind") if isinstance(rule, dict) else rule
    if not isinstance(rule, dict) or not isinstance(kind, str) or kind not in RULES:
        raise LabError(f"there is no rule {kind!r}; use an object whose kind is one of {', '.join(RULES)}")
    if isinstance(rule.get("rules"), list):
        for part in rule["rules"]:
            check_rule(part)
    try:
        _follows("", rule)
    except ValidationError as error:
        first = error.errors()[0]
        raise LabError(f'the rule {rule["kind"]!r}, at "{first["loc"][0]}": {first["msg"]}') from None
    except re.error as error:
        raise LabError(f"the rule {rule['kind']!r}: its pattern is not a regular expression ({error})") from None


def _follows(answer: str, rule: dict[str, Any]) -> bool:
    return RULES[rule["kind"]](answer, **{name: value for name, value in rule.items() if name != "kind"})


def _rule(function: Callable[..., bool]) -> Callable[..., bool]:
    RULES[function.__name__] = validate_call(config=ConfigDict(strict=True))(function)
    return function


# --- What is stated -----------------------------------------------------------


@_rule
def contains_any(answer: str, *, words: Texts) -> bool:
    """One of the words or phrases is stated, and not denied."""
    return any(_position(clause, word) is not None for clause in _clauses(answer) for word in words)


@_rule
def choice(answer: str, *, options: Texts, right: Text) -> bool:
    """Of the options, the right one is chosen (see `chosen`)."""
    return chosen(answer, options) == right


@_rule
def number(answer: str, *, value: float, tolerance: Annotated[float, Field(ge=0)] = 1e-9) -> bool:
    """The final number (see `final_number`) is the value."""
    found = final_number(answer)
    return found is not None and abs(found - value) <= tolerance


@_rule
def regex(answer: str, *, pattern: Text) -> bool:
    """The pattern is found; case does not matter, and a dot matches a line's end."""
    return re.search(pattern, answer, re.IGNORECASE | re.DOTALL) is not None


@_rule
def declines(answer: str) -> bool:
    """The answer says that it does not, or cannot, know."""
    return regex(answer, pattern=CANNOT_KNOW)


CANNOT_KNOW = (
    r"\b(can(not|'t| not)|could(n't| not)|unable|not able|do(n't| not) (know|have)|not know|have no|"
    r"no (access|way|means|idea)|without (access|knowing)|impossible to|not possible|not (been )?(told|given|stated)|"
    r"real[- ]time|unknown)\b"
)


# --- What form it has ---------------------------------------------------------


@_rule
def contains_all(answer: str, *, words: Texts) -> bool:
    """Every word occurs, in whatever sense."""
    return all(_occurrences(answer, word) for word in words)


@_rule
def avoids(answer: str, *, words: Texts) -> bool:
    """There is an answer, and none of the words occurs in it."""
    return bool(answer) and not any(_occurrences(answer, word) for word in words)


@_rule
def sentences(answer: str, *, least: Count = 1, most: Count) -> bool:
    """It has from `least` to `most` sentences. A line's end ends one, too."""
    text = re.sub(r"\b(Mr|Mrs|Ms|Dr|St|vs|etc|e\.g|i\.e)\.", r"\1", answer, flags=re.IGNORECASE)
    parts = re.split(r"(?<=[.!?…])[\"'”)\]*]*\s+|\n+", text)
    return least <= sum(bool(re.search(r"[^\W\d_]", part)) for part in parts) <= most


@_rule
def words(answer: str, *, least: Count = 1, most: Count) -> bool:
    """It has from `least` to `most` words."""
    return least <= len(re.findall(r"\w+(?:['-]\w+)*", answer)) <= most


@_rule
def lower_case(answer: str) -> bool:
    """It has letters, and no capital ones."""
    return answer == answer.lower() and answer != answer.upper()


@_rule
def list_of(answer: str, *, items: Count) -> bool:
    """It has so many lines that begin with a number or a bullet."""
    return len(re.findall(r"^[ \t]*(?:\d+[.)]|[-*•–])[ \t]+\S", answer, re.MULTILINE)) == items


@_rule
def json_keys(answer: str, *, keys: Texts) -> bool:
    """It is a JSON object with these keys and no others, alone or in a fenced block."""
    fenced = re.fullmatch(r"```(?:json)?\s*(.*?)\s*```", answer, re.IGNORECASE | re.DOTALL)
    try:
        value = json.loads(fenced[1] if fenced else answer)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and set(value) == set(keys)


@_rule
def all_of(answer: str, *, rules: Annotated[list[dict[str, Any]], Field(min_length=1)]) -> bool:
    """It follows every one of the rules."""
    return all(_follows(answer, rule) for rule in rules)


# --- Reading free text --------------------------------------------------------

STATED = r"\banswer(?: is|:)"
CONCLUDED = r"(?:^|[.,;:!?\n]\s*)so\b|\b(?:therefore|thus|hence)\b"
CLAUSE_END = r"[.,;:!?\n]|\b(?:but|because|since|while|although|however|so|and)\b"
DENIED = r"\b(?:not|no|never|neither|nor|without|cannot)\b|n't\b"
# Before a word: it is denied, or only what the answer is compared with.
PASSED_OVER = DENIED + r"|\b(?:from|than|instead of|out of|left)\s+(?:(?:the|a|an|his|her|my|its)\s+)?$"

UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
TENS = dict(zip("twenty thirty forty fifty sixty seventy eighty ninety".split(), range(20, 100, 10), strict=True))
NUMBER = re.compile(
    r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
    rf"|\b(?:(?:{'|'.join(TENS)})(?:[- ](?:{'|'.join(UNITS[1:10])}))?|{'|'.join(UNITS[::-1])})\b",
    re.IGNORECASE,
)


def chosen(answer: str, options: list[str]) -> str | None:
    """The option that an answer chooses; None if it chooses none.

    It is the first that is stated after "the answer is", or else after the last "so", "therefore", "thus" or "hence",
    or else at all. Yes and no count where a clause begins or ends with them, so "there is no way" is no "no".
    """
    answer = _cleaned(answer)
    for start in (_after_last(STATED, answer), _after_last(CONCLUDED, answer), answer):
        for clause in _clauses(start or ""):
            found = {option: at for option in options if (at := _position(clause, option, PASSED_OVER)) is not None}
            named = sum(bool(_occurrences(clause, option)) for option in options)
            if found and not (named > 1 and _occurrences(clause, "or")):  # "Anna or Ben" chooses neither
                return min(found, key=lambda option: (found[option], -len(option)))
    return None


def final_number(answer: str) -> float | None:
    """The number that an answer comes to; None if it has none.

    It is the one after "the answer is" (after the last "=", if there is a calculation), or else the last before a
    closing "because" or "since", or else the last. "One" counts where there is no other number.
    """
    answer = _without_questions(_cleaned(answer))
    if stated := _after_last(STATED, answer):
        sentence = re.split(r"[.!?](?:\s|$)|\n", stated.strip(), maxsplit=1)[0]
        if found := _numbers(sentence.rsplit("=", 1)[-1]):
            return found[0]
    reasons = re.split(r"\b(?:because|since)\b", answer, flags=re.IGNORECASE)
    for text in (reasons[0], answer):
        if found := _numbers(text):
            return found[-1]
    return None


def _numbers(text: str) -> list[float]:
    """The numbers that a text states: those after "not" are left out, as is "one" beside others."""
    found = [match[0].lower() for match in NUMBER.finditer(text) if not re.search(r"\bnot\s+$", text[: match.start()])]
    return [_value(match) for match in found if match != "one"] or [1.0] * found.count("one")


def _value(number: str) -> float:
    if number[-1].isdigit():
        return float(number.replace(",", ""))
    return float(sum(TENS[word] if word in TENS else UNITS.index(word) for word in re.split("[- ]", number)))


def _cleaned(answer: str) -> str:
    """The first answer of a text that goes on with a question of its own, with plain apostrophes."""
    return re.split(r"\n\s*Q:", answer.replace("’", "'"), maxsplit=1)[0].strip()


def _without_questions(text: str) -> str:
    return "".join(part for part in re.split(r"(?<=[.!?\n])", text) if not part.endswith("?"))


def _clauses(text: str) -> Iterator[str]:
    for clause in re.split(CLAUSE_END, _without_questions(text), flags=re.IGNORECASE):
        yield clause.strip(" \t*\"'()[]{}")


def _occurrences(text: str, word: str) -> list[int]:
    return [match.start() for match in re.finditer(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)]


def _position(clause: str, word: str, unless: str = DENIED) -> int | None:
    """Where a clause states the word, and does not deny it."""
    for at in _occurrences(clause, word):
        if word.lower() in ("yes", "no"):
            if at == 0 or at + len(word) == len(clause):
                return at
        elif not re.search(unless, clause[:at], re.IGNORECASE):
            return at
    return None


def _after_last(pattern: str, text: str) -> str | None:
    matches = list(re.finditer(pattern, text, re.IGNORECASE))
    return text[matches[-1].end() :] if matches else None

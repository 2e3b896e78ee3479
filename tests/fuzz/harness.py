"""The one property of all these tests, the count of their inputs, and the strategies that make bad input of good.

An input ends in a result or in one LabError: one short line that names the place. Nothing is written on failure, and
no error of another library gets through. A test says how many inputs it draws (`inputs`), conftest.py that it drew
them, and test_count.py that they are ten thousand. `FUZZ=20` draws twenty times as many.
"""

from __future__ import annotations

import faulthandler
import functools
import json
import os
import sys
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers.files import LabError

FACTOR = int(os.environ.get("FUZZ", "1"))
HANGS = 120  # seconds of one input after which all stacks are shown and the process ends: far more than any takes
LONGEST = 1500  # characters of a message: it may list the columns that there are
INPUTS: dict[str, int] = {}  # test -> how many inputs it draws
OURS = Path(tempfile.gettempdir()).resolve()  # nothing is written anywhere else while an input is tried
WRITES = {"os.rename": 2, "os.link": 2, "os.symlink": 2, "os.mkdir": 1, "os.remove": 1, "os.rmdir": 1, "os.truncate": 1}

trying = False
terminal: int = 2  # where stacks are shown; conftest.py puts the real one here


def inputs(n: int, **strategies) -> Callable:
    """Draw n inputs for a test from the strategies, by its arguments' names; other arguments are fixtures."""

    def decorate(test: Callable) -> Callable:
        drawn = []

        @settings(max_examples=n * FACTOR, deadline=None, suppress_health_check=list(HealthCheck))
        @given(**strategies)
        @functools.wraps(test)
        def each(*args, **values):
            drawn.append(None)
            faulthandler.dump_traceback_later(HANGS, exit=True, file=terminal)
            try:
                test(*args, **values)
            finally:
                faulthandler.cancel_dump_traceback_later()

        each.wanted, each.drawn = n * FACTOR, drawn
        INPUTS[f"{test.__module__}.{test.__name__}"] = n
        return each

    return decorate


def ends_well(act: Callable[[], Any], *places: str, folder: Path | None = None) -> Any:
    """What `act` returns, or the LabError it raises, whose message names one of the places.

    folder: if `act` fails, this must be as it was.
    """
    global trying
    before = folder and content_of(folder)
    trying = True
    try:
        return act()
    except LabError as error:
        trying = False
        check_message(str(error), *places)
        assert not folder or content_of(folder) == before, "something was written, and then there was an error"
        return error
    finally:
        trying = False


def _guard(event: str, args: tuple) -> None:
    """Stop a write outside of OURS before it is done: a name drawn at random could be any file of the machine."""
    if not trying:
        return
    if event == "open" and isinstance(args[0], str) and args[2] & (os.O_WRONLY | os.O_RDWR):
        paths = args[:1]
    else:
        paths = args[: WRITES.get(event, 0)]
    for path in paths:
        if isinstance(path, (str, os.PathLike)) and not Path(os.path.realpath(path)).is_relative_to(OURS):
            raise AssertionError(f"{event} outside of {OURS}: {str(path)[:200]}")


sys.addaudithook(_guard)


def check_message(message: str, *places: str) -> None:
    unseen = {unicodedata.category(character) for character in message} & {"Cc", "Cs", "Zl", "Zp"}
    assert not unseen, f"more than a line, or not to be printed: {ascii(message)[:500]}"
    assert len(message) <= LONGEST, f"{len(message)} characters: {message[:500]}"
    assert "Traceback" not in message
    assert any(place in message for place in places), f"names none of {places}: {message}"


def content_of(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


# --- Bad input ----------------------------------------------------------------

any_text = st.text(st.characters(exclude_categories=()), max_size=12)  # halves of characters and NUL among them
ODD_TEXTS = (
    *("", " ", "\0", "\n", "a\nb", "\x1b[31mred", "\ud83d", "\ufeff", "\u2028", "é" * 300, "x" * 5000, "{", "}}", "%s"),
    *(
        "nan",
        "inf",
        "1e999",
        "-0",
        "0x10",
        "None",
        "true",
        "٣",
        "²",
        "../../x",
        "/",
        "~",
        "~nobody/x",
        "a.b",
        "0.0",
        ".",
    ),
    *("[{", '[{"role": "user"}]', "\n\nHuman: a\n\nAssistant:", "\n\nHuman:", "\n\nAssistant:", "<extra_id_1>User\n"),
    *("__class__", "{0.__class__}", "{a!r:>{b}}", "(" * 300, "a{99999999999}", "(?P<a>", "[" * 3000, "9" * 5000),
)
ODD_NUMBERS = (
    *(0, -1, 1, 2, 5, 99, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 0.0, 0.5, 1.0, 1e308, 5e-324),
    *(float("nan"), float("inf"), float("-inf")),
)
odd_numbers = st.sampled_from(ODD_NUMBERS)
odd_texts = st.sampled_from(ODD_TEXTS) | any_text


def nested(depth: int, leaf: Any = "x", key: str | None = None) -> Any:
    for _ in range(depth):
        leaf = [leaf] if key is None else {key: leaf}
    return leaf


ODD_THINGS = (None, True, False, [], {}, [[]], [None], [1, "a"], {"a": 1}, {"role": "user", "content": "x"})
ODD_MESSAGES = ([{"role": "user", "content": 1}], [{"role": "assistant"}], [{"from": "gpt", "value": ""}])
NESTED = (nested(50), nested(200, {"kind": "lower_case"}, "rules"), nested(400))
odd_things = st.sampled_from([json.dumps(thing) for thing in (*ODD_THINGS, *ODD_MESSAGES, *NESTED)]).map(json.loads)
odd_values = odd_things | odd_numbers | odd_texts | st.lists(odd_texts, max_size=3)

CHUNKS = (
    *(b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\n", b"\r", b'"', b"'", b"\\", b",", b"{", b"}", b"[", b"]"),
    *(b"[" * 5000, b'{"a":' * 2000, b"9" * 5000, b"1e999", b"NaN", b"-Infinity", b'"\\ud83d"', b"\\u0000", b"null"),
    *(b'"prompt": 1, ', b'"prompt": "twice", ', b"\x1f\x8b\x08\x00", b"PAR1", b"\xed\xa0\xbd", b"a" * 70_000),
)  # fmt: skip


@st.composite
def changed_bytes(draw, good: bytes) -> bytes:
    """A file's content with one to three changes: cut, bytes changed, a piece put in, taken out or doubled."""
    content = bytearray(good)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.just(0) | st.integers(0, len(content)))
        end = min(len(content), at + draw(st.integers(1, 40)))
        match draw(st.integers(0, 5)):
            case 0:
                del content[at:]
            case 1:
                content[at:end] = draw(st.binary(min_size=1, max_size=8))
            case 2:
                content[at:at] = draw(st.sampled_from(CHUNKS))
            case 3:
                del content[at:end]
            case 4:
                content[at:at] = content[at:end]
            case 5:
                content[at : at + 1] = draw(st.sampled_from(CHUNKS))
    return bytes(content)


@st.composite
def changed(draw, good: Any, most: int = 3) -> Any:
    """A JSON value with one to `most` changes somewhere in it: replaced, removed, renamed, doubled."""
    value = json.loads(json.dumps(good))
    for _ in range(draw(st.integers(1, most))):
        value = _change(draw, value)
    return value


def _change(draw, value: Any) -> Any:
    deeper = isinstance(value, (dict, list)) and value and draw(st.integers(0, 5))
    if not deeper:
        return draw(odd_values)
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = draw(st.sampled_from(keys))
    match draw(st.integers(0, 5)):
        case 0:
            del value[key]
        case 1 if isinstance(value, dict):
            value[draw(odd_texts)] = value.pop(key)
        case 1:
            value.append(value[key])
        case 2:
            value[key] = draw(odd_values)
        case _:
            value[key] = _change(draw, value[key])
    return value


def as_json(value: Any, ensure_ascii: bool = True) -> bytes:
    """With NaN, halves of characters and all; halves stand as bytes that are not UTF-8 where not escaped."""
    return json.dumps(value, ensure_ascii=ensure_ascii).encode("utf-8", "surrogatepass")


def as_jsonl(values: list, ensure_ascii: bool = True) -> bytes:
    return b"".join(as_json(value, ensure_ascii) + b"\n" for value in values)

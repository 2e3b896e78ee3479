"""The hand-written posts of lab 01's labeler: each is a valid, fair and distinct pair to judge."""

import re
from collections import defaultdict

import pytest

from helpers import files
from helpers.preferences import Preference, check_unique_ids

FIELDS = ["id", "prompt", "completion_a", "completion_b", "source"]
PROMPT = re.compile(r"SUBREDDIT: r/\w+\n\nTITLE: (?P<title>[^\n]+)\n\nPOST: (?P<post>\S.*\S)\n\nTL;DR:", re.DOTALL)
COURSE_TEXTS = {
    "a European road trip before university": ("road trip", "europe", "before university"),
    "wanting to start gardening": ("i want to start gardening",),
    "an earthquake report": ("earthquake", "magnitude"),
    "a hiring decision": ("candidate a", "candidate b", "hire"),
    "a poem on a wise frog": ("poem", "wise frog"),
    "the moon landing for a six-year-old": ("moon landing", "six-year-old"),
}


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return [row for _, row in files.read_jsonl(files.data() / "natural_posts.jsonl")]


def parts(row: dict) -> dict[str, str]:
    return PROMPT.fullmatch(row["prompt"]).groupdict()


def completions(row: dict) -> tuple[str, str]:
    return row["completion_a"], row["completion_b"]


def n_words(text: str) -> int:
    return len(text.split())


def test_fields_and_format(rows):
    assert len(rows) >= 100
    assert [row["id"] for row in rows] == [f"natural-{number:03d}" for number in range(1, len(rows) + 1)]
    for row in rows:
        assert list(row) == FIELDS
        assert row["source"] == "written for this project"
        assert PROMPT.fullmatch(row["prompt"]), row["id"]
        for text in completions(row):
            assert re.fullmatch(r" \S[^\n]*\S", text), f"{row['id']}: one line after one space, as in data/preferences"


def test_no_text_is_there_twice(rows):
    for texts in (
        [row["prompt"] for row in rows],
        [parts(row)["title"] for row in rows],
        [text for row in rows for text in completions(row)],
    ):
        assert len({text.strip().casefold() for text in texts}) == len(texts)


def test_lengths(rows):
    for row in rows:
        assert 40 <= n_words(parts(row)["post"]) <= 180, row["id"]
        assert all(12 <= n_words(text) <= 50 for text in completions(row)), row["id"]


def test_neither_side_is_longer_on_the_whole(rows):
    lengths = [[n_words(text) for text in completions(row)] for row in rows]
    assert abs(sum(a > b for a, b in lengths) / len(rows) - 0.5) < 0.1
    assert abs(sum(b > a for a, b in lengths) / len(rows) - 0.5) < 0.1
    assert abs(sum(a - b for a, b in lengths) / len(rows)) < 1


@pytest.mark.parametrize("text", COURSE_TEXTS)
def test_the_texts_that_courses_use_are_there(rows, text):
    assert any(all(words in row["prompt"].casefold() for words in COURSE_TEXTS[text]) for row in rows)


def test_posts_are_made_from_no_template(rows):
    posts_with = defaultdict(set)
    for row in rows:
        words = re.findall(r"\w+(?:['’]\w+)*", " ".join(parts(row).values()).casefold())
        for start in range(len(words) - 5):
            posts_with[" ".join(words[start : start + 6])].add(row["id"])
    assert {words: ids for words, ids in posts_with.items() if len(ids) > 2} == {}


def test_every_pair_can_become_a_preference_either_way(rows):
    pairs = []
    for row in rows:
        for chosen, rejected in (completions(row), completions(row)[::-1]):
            pairs.append(
                Preference(
                    row["prompt"], chosen, rejected, f"{row['id']}-{len(pairs)}", row["source"], "reader", 3, "train"
                )
            )
    check_unique_ids(pairs)

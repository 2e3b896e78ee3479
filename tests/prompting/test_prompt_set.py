"""The prompts for real models: answers that each rule must accept and refuse, and pairs that differ in names only."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.files import LabError
from helpers.models.prompt_formats import FORMATS, messages
from helpers.prompting.prompt_set import (
    CATEGORIES,
    PromptItem,
    as_ask,
    compared_pairs,
    decision,
    read_prompt_set,
    same_decision,
    score,
)

ITEMS = {item.id: item for item in read_prompt_set()}
EXAMPLES = json.loads(Path(__file__).parents[1].joinpath("golden", "prompt_answers.json").read_text("utf-8"))
SCORED = [item for item in ITEMS.values() if item.rule is not None and not item.is_compared]
ROW = {"id": "x", "category": "frame", "prompt": "Where?", "rule": None, "note": "There."}


def test_every_category_has_prompts_and_no_prompt_comes_twice():
    counts = Counter(item.category for item in ITEMS.values())
    assert list(counts) == list(CATEGORIES)
    assert 40 <= len(ITEMS) <= 60
    assert len({item.prompt for item in ITEMS.values()}) == len(ITEMS)


@pytest.mark.parametrize("item", SCORED, ids=lambda item: item.id)
def test_a_rule_accepts_right_answers_and_refuses_wrong_ones(item):
    examples = EXAMPLES[item.id]
    assert len(examples["right"]) >= 2 and len(examples["wrong"]) >= 2
    assert {answer: score(item, answer) for answer in examples["right"]} == dict.fromkeys(examples["right"], 1.0)
    assert {answer: score(item, answer) for answer in examples["wrong"]} == dict.fromkeys(examples["wrong"], 0.0)


def test_the_examples_are_those_of_prompts_with_rules():
    assert set(EXAMPLES) == {item.id for item in SCORED}


@pytest.mark.parametrize("item", SCORED, ids=lambda item: item.id)
def test_neither_silence_nor_the_prompt_itself_is_a_right_answer(item):
    repeated = f"{item.prompt} {item.prompt.split('. ')[0].upper()}."
    assert [score(item, answer) for answer in ("", " \n", item.prompt, repeated)] == [0, 0, 0, 0]


def case_matters(item: PromptItem) -> bool:
    return any(kind in json.dumps(item.rule) for kind in ("lower_case", "json_keys"))


@given(
    st.sampled_from([item for item in SCORED if not case_matters(item)]),
    st.sampled_from([str.upper, str.lower, str.swapcase]),
    st.text(" \t\n", max_size=3),
    st.text(" \t\n", max_size=3),
)
def test_case_and_the_space_around_an_answer_do_not_matter(item, change, before, after):
    for kind, value in (("right", 1.0), ("wrong", 0.0)):
        for answer in EXAMPLES[item.id][kind]:
            assert score(item, before + change(answer) + after) == value, answer


@pytest.mark.parametrize("item", SCORED, ids=lambda item: item.id)
def test_a_base_model_that_asks_on_is_judged_by_its_first_answer(item):
    other = "\n\nQ: What is 5 + 6?\nA: 11, the kitchen, I cannot know."
    for kind, value in (("right", 1.0), ("wrong", 0.0)):
        for answer in EXAMPLES[item.id][kind]:
            assert score(item, answer + other) == value, answer


def test_prompts_without_a_rule_have_no_score():
    unscored = [item for item in ITEMS.values() if item not in SCORED]
    assert {item.category for item in unscored} == {"open", "neutral", "bias"}
    assert [score(item, "An answer.") for item in unscored] == [None] * len(unscored)


# ------------------------------------------------------------------------------------------- in every form


@pytest.mark.parametrize("item", ITEMS.values(), ids=lambda item: item.id)
def test_every_form_holds_the_prompt_and_nothing_else(item):
    assert FORMATS["plain"](as_ask(item)) == FORMATS["flan"](as_ask(item)) == item.prompt
    assert FORMATS["llama2-chat"](as_ask(item)) == f"[INST] {item.prompt} [/INST]"
    assert messages(as_ask(item)) == [{"role": "user", "content": item.prompt}]
    assert FORMATS["plain"](as_ask(item, question=True)) == f"Q: {item.prompt}\nA:"


# ------------------------------------------------------------------------------------------- pairs

PAIRS = compared_pairs(list(ITEMS.values()))
SWAPS = [{"Maria": "Thomas", "Thomas": "Maria"}, {"Emma": "Paul", "Paul": "Emma"}, {"Lena": "Lars", "Lars": "Lena"}]


@pytest.mark.parametrize(("pair", "swap"), list(zip(PAIRS, SWAPS, strict=True)), ids=lambda value: str(value)[:30])
def test_a_pair_differs_in_its_names_only(pair, swap):
    first, second = pair
    names = re.compile("|".join(swap))
    assert names.search(first.prompt)
    assert names.sub(lambda match: swap[match[0]], first.prompt) == second.prompt
    options = [item.rule.get("options", []) for item in pair]
    assert [swap[name] for name in options[0]] == options[1]
    for item in pair:  # the options are in the order of the applications
        assert sorted(item.rule.get("options", []), key=item.prompt.index) == item.rule.get("options", [])
        assert not re.search(r"\b(he|she|his|her|him|mr|mrs|ms)\b", item.prompt, re.IGNORECASE)


def test_decisions_for_the_application_are_told_from_decisions_for_the_name():
    pair = PAIRS[0]
    assert same_decision(pair, ("Maria, for the ten years.", "Thomas, for the ten years.")) is True
    assert same_decision(pair, ("Thomas.", "Maria has led more people than Thomas.")) is True
    assert same_decision(pair, ("Thomas.", "Thomas.")) is False
    assert same_decision(pair, ("Thomas.", "Both are good.")) is None
    assert [decision(item, item.prompt) for item in pair] == [None, None]


def test_salaries_are_compared_as_numbers():
    assert same_decision(PAIRS[2], ("70,000 euros", "70000")) is True
    assert same_decision(PAIRS[2], ("65000", "70000")) is False
    assert same_decision(PAIRS[2], ("It depends.", "70000")) is None


def test_a_pair_needs_both_and_only_pairs_have_decisions():
    with pytest.raises(LabError, match="'bias-1-b' is missing"):
        compared_pairs([ITEMS["bias-1-a"], ITEMS["open-1"]])
    with pytest.raises(LabError, match="'open-1' is not compared"):
        decision(ITEMS["open-1"], "Yes.")


# ------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"category": "frames"}, 'field "category" must be one of open, frame'),
        ({"prompt": " "}, 'field "prompt" must be text in quotes'),
        ({"id": 3}, 'field "id" must be text in quotes'),
        ({"rule": {"kind": "numbers"}}, 'field "rule" cannot be used: there is no rule'),
        ({"rule": "number"}, 'field "rule" cannot be used'),
        ({"rule": {"kind": "compared", "options": ["Ann"]}}, 'field "rule" of a comparison'),
        ({"rule": {"kind": "compared", "options": [1, 2]}}, 'field "rule" of a comparison'),
        ({"extra": 1}, 'field "extra" is unknown'),
        ({"note": ...}, 'field "note" is missing'),
    ],
)
def test_a_bad_row_gives_one_message_with_file_line_and_field(tmp_path, change, message):
    row = {name: value for name, value in (ROW | change).items() if value is not ...}
    path = tmp_path / "prompts.jsonl"
    path.write_text(json.dumps(ROW | {"id": "first"}) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(LabError) as error:
        read_prompt_set(path)
    assert str(error.value).startswith(f"{path}:2: {message}")
    assert error.value.__suppress_context__ or error.value.__context__ is None


def test_an_id_is_used_once(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text(2 * (json.dumps(ROW) + "\n"))
    with pytest.raises(LabError, match=r":2: field \"id\": 'x' is used twice \(first at .*:1\)"):
        read_prompt_set(path)

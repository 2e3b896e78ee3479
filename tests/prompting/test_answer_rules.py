"""Rules: what they accept and refuse, and that a broken one is refused with a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.files import LabError
from helpers.prompting.answer_rules import RULES, TENS, UNITS, check_rule, chosen, final_number, follows

NAMES = ["Anna", "Ben", "the dog"]


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("12", 12),
        ("12 apples", 12),
        ("Twelve.", 12),
        ("**12**", 12),
        ("The answer is 12.", 12),
        ("The answer is: 3 x 4 = 12. Check: 12 - 4 = 8.", 12),
        ("20 - 8 = 12", 12),
        ("First 20 apples, then 8 are eaten. That leaves 12.", 12),
        ("12, because 20 - 8 is 12 and not 13", 12),
        ("twenty-one", 21),
        ("it costs £1,200.50 in all", 1200.5),
        ("-3 degrees", -3),
        ("The answer is not 16 but 12.", 12),
        ("20-8", 8),  # a minus between numbers is no sign
        ("Only one is left.", 1),
        ("4 are left, and no one took them.", 4),
        ("How many are 7 and 5?", None),
        ("Some.", None),
        ("", None),
    ],
)
def test_final_number(answer, value):
    assert final_number(answer) == value


@given(st.integers(0, 99))
def test_number_words_are_their_numbers(value):
    tens = {number: word for word, number in TENS.items()}
    parts = [UNITS[value]] if value < 20 else [tens[value - value % 10], *([UNITS[value % 10]] if value % 10 else [])]
    words = "-".join(parts)
    assert final_number(f"There are {words} of them.") == value
    assert final_number(words.upper().replace("-", " ")) == value


@pytest.mark.parametrize(
    ("answer", "option"),
    [
        ("Anna.", "Anna"),
        ("anna", "Anna"),
        ("It is not Anna, it is Ben.", "Ben"),
        ("It isn't Anna but Ben", "Ben"),
        ("Anna is older than Ben.", "Anna"),
        ("Ben is older than the dog, but Anna is older than Ben. So Anna is the oldest.", "Anna"),
        ("Ben came second. The answer is Anna, not Ben.", "Anna"),
        ("Is it Anna? It is the dog.", "the dog"),
        ("Anna or Ben.", None),
        ("Neither Anna nor Ben.", None),
        ("Annabel.", None),
        ("", None),
    ],
)
def test_chosen(answer, option):
    assert chosen(answer, NAMES) == option


@pytest.mark.parametrize(
    ("answer", "option"),
    [
        ("No, it does not.", "no"),
        ("There is no way around it, so yes.", "yes"),
        ("There is no doubt. The answer is: yes", "yes"),
        ("Yes, no problem", "yes"),
        ("I would say no.", "no"),
        ("It has no legs at all", None),
        ("Answer yes or no.", None),
    ],
)
def test_yes_and_no(answer, option):
    assert chosen(answer, ["yes", "no"]) == option


ACCEPTED_AND_REFUSED = [
    ({"kind": "contains_any", "words": ["box", "tin"]}, "It's in the Box.", "It is not in the box."),
    ({"kind": "contains_any", "words": ["box"]}, "Not here: the box!", "Where is the box?"),
    ({"kind": "contains_any", "words": ["box"]}, "in a box", "in the boxes"),
    ({"kind": "choice", "options": ["cat", "dog"], "right": "cat"}, "The cat, not the dog", "The dog"),
    ({"kind": "number", "value": 3.5}, "It is 3.50 meters", "3"),
    ({"kind": "number", "value": 10, "tolerance": 1}, "about 11", "about 12"),
    ({"kind": "regex", "pattern": "^late\\W*$"}, " LATE! ", "too late"),
    ({"kind": "declines"}, "I can’t know that.", "You had toast."),
    ({"kind": "contains_all", "words": ["a", "b"]}, "b without A", "ab"),
    ({"kind": "avoids", "words": ["snow"]}, "A snowman", "Snow."),
    ({"kind": "avoids", "words": ["snow"]}, "Rain", "  "),
    ({"kind": "sentences", "least": 2, "most": 2}, 'Dr. Low paid 3.5 euros. "Too much!" ', "One sentence, e.g. this."),
    ({"kind": "sentences", "most": 1}, "no full stop", "one line\nand another"),
    ({"kind": "words", "least": 2, "most": 3}, "Don't move - please", "a b c d"),
    ({"kind": "lower_case"}, "all in small letters: 1, 2", "Mostly small"),
    ({"kind": "lower_case"}, "ok", "12"),
    ({"kind": "list_of", "items": 2}, "Here:\n- one\n- two", "one\ntwo"),
    ({"kind": "list_of", "items": 2}, "1. one\n2) two", "1. one\n2. two\n3. three"),
    ({"kind": "json_keys", "keys": ["a"]}, '```json\n{"a": [1]}\n```', '{"a": 1, "b": 2}'),
    ({"kind": "json_keys", "keys": ["a"]}, '{"a": null}', '["a"]'),
    (
        {"kind": "all_of", "rules": [{"kind": "lower_case"}, {"kind": "contains_any", "words": ["yes"]}]},
        "yes",
        "Yes",
    ),
]


@pytest.mark.parametrize(("rule", "right", "wrong"), ACCEPTED_AND_REFUSED)
def test_rules(rule, right, wrong):
    assert follows(right, rule)
    assert not follows(wrong, rule)
    assert not follows("", rule)


def test_every_rule_is_tested():
    assert {rule["kind"] for rule, _, _ in ACCEPTED_AND_REFUSED} == set(RULES)


def test_only_the_first_answer_counts():
    rule = {"kind": "contains_any", "words": ["box"]}
    assert follows(" in the box.\nQ: Where is the tin?\nA: on the shelf", rule)
    assert not follows(" on the shelf.\nQ: And the ball?\nA: in the box", rule)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("number", "no rule 'number'"),
        ({"value": 3}, "no rule None"),
        ({"kind": ["number"]}, "no rule ['number']"),
        ({"kind": "numbers", "value": 3}, "contains_any, choice, number"),
        ({"kind": "number"}, "'number', at \"value\""),
        ({"kind": "number", "value": "3"}, "'number', at \"value\""),
        ({"kind": "number", "value": 3, "unit": "m"}, "'number', at \"unit\""),
        ({"kind": "contains_any", "words": []}, "'contains_any', at \"words\""),
        ({"kind": "contains_any", "words": "box"}, "'contains_any', at \"words\""),
        ({"kind": "contains_any", "words": ["box", " "]}, "'contains_any', at \"words\""),
        ({"kind": "regex", "pattern": "(a"}, "not a regular expression"),
        ({"kind": "all_of", "rules": [{"kind": "lower_case"}, {"kind": "regex"}]}, "'regex', at \"pattern\""),
        ({"kind": "all_of", "rules": ["lower_case"]}, "no rule 'lower_case'"),
    ],
)
def test_a_broken_rule_is_refused(rule, message):
    with pytest.raises(LabError) as error:
        check_rule(rule)
    assert message in str(error.value)


@given(st.text())
def test_no_text_breaks_a_rule(text):
    for rule, _, _ in ACCEPTED_AND_REFUSED:
        assert follows(text, rule) in (True, False)

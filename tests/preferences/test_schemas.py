"""Each public schema on rows written by hand, the generic forms, columns by hand, and what is left out and why."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.files import LabError
from helpers.preferences import Turn
from helpers.preferences.conversations import text_of, turns_of
from helpers.preferences.conversion import has_equal_scores, our_split, preference_of
from helpers.preferences.reading import LeftOut, Tie
from helpers.preferences.schemas import guess_schema, unused_columns

from ..support.preferences import ARENA, HELPSTEER2, HELPSTEER3, HH, OPENAI, PKU, TLDR, ULTRA, assistant, user

# name, record, (prompt, chosen, rejected), other fields of the row
CASES = [
    (
        "hh-rlhf dialogues",
        HH,
        (
            "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: A joke?\n\nAssistant:",
            " Knock, knock.",
            " No.",
        ),
        {"turns": (Turn("user", "Hi"), Turn("assistant", "Hello."), Turn("user", "A joke?"))},
    ),
    ("standard, explicit prompt", TLDR, (TLDR["prompt"], " Good.", " Bad."), {"turns": ()}),
    ("UltraFeedback binarized", ULTRA, ("Why?", "Because.", "No idea."), {"id": "a1", "turns": ()}),
    (
        "HelpSteer2 preference",
        HELPSTEER2,
        ("Name a fruit.", "A pear, for one.", "Apple."),
        {"strength": 3, "split": "validation"},
    ),
    (
        "HelpSteer3 preference",
        HELPSTEER3,
        ("\n\nHuman: Sum?\n\nAssistant: Of what?\n\nHuman: 1 and 2.\n\nAssistant:", "3", "12"),
        {"strength": 4, "turns": (Turn("user", "Sum?"), Turn("assistant", "Of what?"), Turn("user", "1 and 2."))},
    ),
    ("PKU-SafeRLHF", PKU, ("How?", "Like this.", "I would not."), {"source": "Alpaca-7B>Alpaca2-7B"}),
    (
        "summarize_from_feedback comparisons",
        OPENAI,
        (
            "SUBREDDIT: r/dogs\n\nTITLE: Walks\n\nPOST: My dog pulls.\n\nTL;DR:",
            " Dogs.",
            " Dog pulls.",
        ),
        {"annotator": "w7", "split": "validation", "source": "ref>sup2"},
    ),
    (
        "arena conversations",
        ARENA,
        ("Hi", "Hey!", "Hello."),
        {"source": "koala>vicuna", "annotator": "arena_user_1", "id": "q9"},
    ),
    (
        "standard, implicit prompt",
        {"chosen": "The sky is blue.", "rejected": "The sky is blurred."},
        ("The sky is", " blue.", " blurred."),
        {},
    ),
    (
        "conversational, explicit prompt",
        {"prompt": [user("Q")], "chosen": [assistant("A")], "rejected": [assistant("B")]},
        ("Q", "A", "B"),
        {"turns": ()},
    ),
    (
        "conversational, implicit prompt",
        {
            "chosen": [{"role": "system", "content": "Be kind."}, user("Q"), assistant("A")],
            "rejected": [{"role": "system", "content": "Be kind."}, user("Q"), assistant("B")],
        },
        ("\n\nSystem: Be kind.\n\nHuman: Q\n\nAssistant:", "A", "B"),
        {"turns": (Turn("system", "Be kind."), Turn("user", "Q"))},
    ),
]


def converted(record, columns=None, **keywords):
    schema = guess_schema([record], columns)
    return preference_of(record, schema, **{"id": "given", "split": "train", "where": "here:1"} | keywords)


@pytest.mark.parametrize(("name", "record", "texts", "others"), CASES, ids=[case[0] for case in CASES])
def test_a_schema(name, record, texts, others):
    assert guess_schema([record]).name == name
    row = converted(record)
    assert (row.prompt, row.chosen, row.rejected) == texts
    expected = {"id": "given", "source": "unknown", "annotator": "unknown", "strength": None, "split": "train"} | others
    assert {field: getattr(row, field) for field in expected} == expected
    assert row.where == "here:1"


@pytest.mark.parametrize(("name", "record", "texts", "others"), CASES, ids=[case[0] for case in CASES])
def test_lists_written_as_json_in_cells_mean_the_same(name, record, texts, others):
    cells = {k: json.dumps(v) if isinstance(v, list) and k != "summaries" else v for k, v in record.items()}
    cells = {k: str(v) if isinstance(v, int) else v for k, v in cells.items()}
    row = converted(cells)
    assert (row.prompt, row.chosen, row.rejected) == texts
    assert {field: getattr(row, field) for field in others} == others


def test_a_broken_row_first_does_not_mislead_the_guess():
    assert guess_schema([{"text": "?"}, {"chosen": "x"}, *[PKU] * 3]).name == "PKU-SafeRLHF"


def test_the_guess_says_what_became_what_and_what_was_not_used():
    schema = guess_schema([PKU])
    assert schema.columns == {
        "prompt": "prompt",
        "first": "response_0",
        "second": "response_1",
        "choice": "better_response_id",
        "first_source": "response_0_source",
        "second_source": "response_1_source",
    }
    assert unused_columns([PKU], schema) == ["safer_response_id", "is_response_0_safe", "is_response_1_safe"]
    assert unused_columns([OPENAI], guess_schema([OPENAI])) == ["batch", "extra"]


# --- Choices, ties, strengths -------------------------------------------------


@pytest.mark.parametrize("value", range(-3, 4))
@pytest.mark.parametrize("kind", [int, float, str])
def test_helpsteers_scale(value, kind):
    record = HELPSTEER2 | {"preference_strength": kind(value)}
    if value == 0:
        with pytest.raises(Tie):
            converted(record)
        return
    row = converted(record)
    assert row.chosen == record["response_2" if value > 0 else "response_1"]
    assert row.strength == {1: 2, 2: 3, 3: 4}[abs(value)]


@pytest.mark.parametrize("value", [4, -4, 1.5, "much", True, [], float("nan"), 10**30, "9" * 5000])
def test_no_step_of_helpsteers_scale(value):
    with pytest.raises(LeftOut, match="no whole number from -3 to 3"):
        converted(HELPSTEER2 | {"preference_strength": value})


@pytest.mark.parametrize(
    ("winner", "chosen"),
    [("model_a", "Hello."), ("A", "Hello."), (0, "Hello."), ("0", "Hello."), ("model_b", "Hey!"), (1.0, "Hey!")],
)
def test_a_choice(winner, chosen):
    assert converted(ARENA | {"winner": winner}).chosen == chosen


@pytest.mark.parametrize("winner", ["tie", "Tie (bothbad)"])
def test_a_tie_is_no_pair(winner):
    with pytest.raises(Tie):
        converted(ARENA | {"winner": winner})


@pytest.mark.parametrize("winner", ["model_c", 2, -1, True, [], {}, ""])
def test_a_choice_that_says_nothing(winner):
    with pytest.raises(LeftOut, match='"winner" does not say which'):
        converted(ARENA | {"winner": winner})


def test_equal_scores_are_seen():
    equal = ULTRA | {"score_chosen": 4, "score_rejected": 4.0}
    assert has_equal_scores(equal, guess_schema([ULTRA])) and not has_equal_scores(ULTRA, guess_schema([ULTRA]))
    assert not has_equal_scores(TLDR, guess_schema([TLDR]))
    assert converted(equal).chosen == "Because."


@pytest.mark.parametrize(
    ("name", "split"),
    {
        "train": "train",
        "train_prefs": "train",
        "test_prefs": "test",
        "TEST": "test",
        "valid1": "validation",
        "val": "validation",
        "dev": "validation",
        "validation": "validation",
        "latest": "train",
        "": "train",
        "harmless-base": "train",
    }.items(),
)
def test_names_of_splits(name, split):
    assert our_split(name) == split
    assert converted(TLDR, split=name).split == split


# --- Columns by hand ----------------------------------------------------------


def test_columns_by_hand():
    record = {"question": "Q", "best": "A", "worst": "B", "worker": 7, "chosen": "no", "rejected": "neither"}
    columns = {"prompt": "question", "chosen": "best", "rejected": "worst", "annotator": "worker"}
    row = converted(record, columns)
    assert (row.prompt, row.chosen, row.rejected, row.annotator) == ("Q", "A", "B", "7")


def test_one_column_by_hand_and_the_rest_guessed():
    row = converted(PKU, {"choice": "safer_response_id"})
    assert row.chosen == "I would not." and row.source == "Alpaca2-7B>Alpaca-7B"
    assert guess_schema([PKU], {"choice": "safer_response_id"}).name == "PKU-SafeRLHF"
    assert converted(TLDR | {"how_much": 4}, {"strength": "how_much"}).strength == 4
    assert converted(TLDR | {"how_much": 9}, {"strength": "how_much"}).strength is None
    assert converted(TLDR | {"who": "ann"}, {"annotator": "who"}).annotator == "ann"


def test_two_answers_by_hand_and_inside_other_columns():
    record = {"q": {"text": "Q"}, "a": ["A", "B"], "win": "b"}
    columns = {"prompt": "q.text", "first": "a.0", "second": "a.1", "choice": "win"}
    row = converted(record, columns)
    assert (row.prompt, row.chosen, row.rejected) == ("Q", "B", "A")
    assert guess_schema([record], columns).name == "two answers and a choice"
    record = {"prompt": "Q", "x": "A", "y": "B", "by": -1}
    assert converted(record, {"first": "x", "second": "y", "signed": "by"}).chosen == "A"


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ({"prompt": "promt"}, ["no column 'promt' for 'prompt'", "did you mean prompt", "columns are prompt, chosen"]),
        ({"promt": "prompt"}, ["'promt' is no field", "did you mean 'prompt'", "chosen, rejected"]),
        ({"prompt": 3}, ["must be a name in quotes, not 3"]),
    ],
)
def test_a_wrong_mapping(columns, parts):
    with pytest.raises(LabError) as error:
        guess_schema([TLDR], columns)
    assert all(part in str(error.value) for part in parts), str(error.value)


def test_nothing_fits():
    with pytest.raises(LabError) as error:
        guess_schema([{"choosen": "a", "rejected": "b", **{f"column{i}": 0 for i in range(99)}}])
    assert "'chosen': 'choosen'" in str(error.value) and "choosen, rejected, column0" in str(error.value)
    assert len(str(error.value)) < 800


# --- What is left out ---------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (TLDR | {"chosen": None}, '"chosen" is missing'),
        (TLDR | {"chosen": ""}, "the chosen side is blank"),
        (TLDR | {"rejected": 5}, "the rejected side is not text"),
        (TLDR | {"prompt": " \n"}, "the prompt is blank"),
        (TLDR | {"prompt": 5}, "the prompt is not text"),
        (TLDR | {"chosen": "\ud83d"}, "the chosen side holds half of a character"),
        (TLDR | {"prompt": "\udfff"}, "the prompt holds half of a character"),
        (TLDR | {"rejected": TLDR["chosen"] + " "}, "the two sides are identical"),
        (HH | {"rejected": HH["rejected"].replace("Hi", "Ho")}, "the two sides' prompts differ"),
        (HH | {"rejected": HH["rejected"] + "\n\nHuman: Oh."}, "a side does not end with the assistant's turn"),
        (HH | {"rejected": HH["rejected"].removesuffix(" No.")}, "the rejected side is blank"),
        (ULTRA | {"chosen": [user("Who?"), assistant("Me.")]}, "the two sides' prompts differ"),
        (ULTRA | {"chosen": [user("Why?")]}, "a side does not end with the assistant's turn"),
        (ULTRA | {"chosen": "Because."}, "one side is messages, the other is not"),
        (ULTRA | {"chosen": [user("Why?"), assistant("\ud83d")]}, "the chosen side holds half of a character"),
        (ULTRA | {"chosen": [user("Why?"), {"role": "assistant"}]}, "one side is messages, the other is not"),
        (OPENAI | {"info": {}}, "there is no prompt"),
        (PKU | {"response_0": None}, '"response_0" is missing'),
        ({"chosen": "Blue.", "rejected": "Red."}, "there is no prompt: the two sides begin with different words"),
        ({"chosen": [assistant("A")], "rejected": [assistant("B")]}, "there is no prompt"),
    ],
)
def test_a_reason(record, reason):
    base = next(case for case in (TLDR, HH, ULTRA, OPENAI, PKU, record) if case.keys() == record.keys())
    with pytest.raises(LeftOut) as error:
        preference_of(record, guess_schema([base]), id="i", split="train")
    assert str(error.value) == reason


def test_turns_hold_no_half_character():
    bad = [user("\ud83d"), assistant("a"), user("b")]
    with pytest.raises(LeftOut, match="the prompt holds half"):
        converted({"prompt": bad, "chosen": [assistant("A")], "rejected": [assistant("B")]})


# --- Prompts ------------------------------------------------------------------


def test_prompts_of_many_turns_in_helpsteer2():
    prompt = "Hi\n<extra_id_1>Assistant\nHello.\n<extra_id_1>User\nA joke?"
    row = converted(HELPSTEER2 | {"prompt": prompt})
    assert row.turns == (Turn("user", "Hi"), Turn("assistant", "Hello."), Turn("user", "A joke?"))
    assert row.prompt == HH["chosen"].removesuffix(" Knock, knock.")


def test_message_lists_whose_prompt_is_only_half_of_the_conversation():
    row = converted(
        {"prompt": [user("Q")], "chosen": [user("Q"), assistant("A")], "rejected": [user("Q"), assistant("B")]}
    )
    assert (row.prompt, row.chosen) == ("Q", "A")
    row = converted(
        {"prompt": [user("1"), assistant("2"), user("3")], "chosen": [assistant("A")], "rejected": [assistant("B")]}
    )
    assert [turn.content for turn in row.turns] == ["1", "2", "3"]
    row = converted({"prompt": "Q", "chosen": assistant("A"), "rejected": assistant("B")})
    assert (row.prompt, row.chosen, row.rejected) == ("Q", "A", "B")


def test_sharegpts_words_for_roles():
    sides = {
        side: [{"from": "human", "value": "Q"}, {"from": "gpt", "value": text}]
        for side, text in (("chosen", "A"), ("rejected", "B"))
    }
    assert (converted(sides).prompt, converted(sides).chosen) == ("Q", "A")


contents = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)
plain = contents.filter(lambda text: "\n\n" not in text and text == text.strip())


@given(said=st.lists(plain, min_size=1, max_size=5), chosen=plain, rejected=plain)
def test_hh_dialogues_come_back_as_their_turns(said, chosen, rejected):
    """Written in hh-rlhf's form by this test, a conversation is parted into the turns that it was written from."""
    said = said if len(said) % 2 else said[:-1]
    roles = ["Human", "Assistant"] * 3
    prompt = "".join(f"\n\n{role}: {text}" for role, text in zip(roles, said, strict=False)) + "\n\nAssistant:"
    if chosen == rejected:
        rejected += "."
    row = converted({"chosen": f"{prompt} {chosen}", "rejected": f"{prompt} {rejected}"})
    assert row.prompt + row.chosen == f"{prompt} {chosen}" and row.rejected == f" {rejected}"
    assert [turn.content for turn in row.turns] == said
    assert text_of(row.turns) == prompt or len(said) == 1


@given(head=contents, chosen=contents, rejected=contents)
def test_implicit_prompts_lose_nothing(head, chosen, rejected):
    record = {"chosen": f"{head} {chosen}", "rejected": f"{head} {rejected}"}
    try:
        row = converted(record)
    except LeftOut:
        return
    assert row.prompt + row.chosen == record["chosen"] and row.prompt + row.rejected == record["rejected"]
    assert row.prompt.startswith(head.rstrip()) and not row.prompt[-1].isspace()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(data=st.data())
def test_any_values_give_a_pair_or_a_reason(data):
    """Whatever stands in the columns of a known schema: a valid row or LeftOut, and no error of another kind."""
    _, record, _, _ = data.draw(st.sampled_from(CASES))
    spoilt = data.draw(st.lists(st.sampled_from(sorted(record)), min_size=1, max_size=3))
    broken = record | {name: data.draw(json_values) for name in spoilt}
    schema = guess_schema([record])
    try:
        row = preference_of(broken, schema, id="i", split="train")
    except LeftOut as reason:
        assert 3 < len(str(reason)) < 90
        return
    assert turns_of(row)[-1].content in row.prompt

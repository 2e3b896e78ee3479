"""Prompt templates: what they refuse, what they fill in, and that the starter set is in the small world's forms."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.files import LabError
from helpers.prompting.asking import few_shot_prompt, request_prompts, step_by_step
from helpers.prompting.templates import EXAMPLES, TEMPLATES, Template, fill
from helpers.simulation import tasks
from helpers.simulation.posts import draw_post
from helpers.training.pretraining.documents import ask_for

BY_NAME = {template.name: template for template in TEMPLATES}
POST = BY_NAME["zero-shot: TL;DR"]


def test_values_go_where_their_slots_are():
    template = Template("t", "{a}-{b}-{a} {{a}} }}{{", {"a": "", "b": ""})
    assert fill(template, {"a": "1", "b": "2", "c": "left out"}) == "1-2-1 {a} }{"


@settings(deadline=None, max_examples=50)
@given(st.text(), st.text())
def test_a_value_is_never_formatted(a, b):
    template = Template("t", "<{a}|{b}>", {"a": "", "b": ""})
    assert fill(template, {"a": a, "b": b}) == f"<{a}|{b}>"


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_any_text_can_be_a_template_without_slots(text):
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert fill(Template("t", doubled, {}), {}) == text


@pytest.mark.parametrize(
    "text",
    ["{0.__class__}", "{a.__class__}", "{a[0]}", "{a!r}", "{a:>9}", "{a:{a}}", "{}", "{0}", "{a b}", "{a-b}", "{ a}"],
)
def test_a_slot_is_a_name_and_nothing_else(text):
    with pytest.raises(LabError, match="a slot is a name in braces.*" + re.escape(text)):
        Template("t", text, {"a": ""})


@pytest.mark.parametrize("text", ["{a", "a}", "{a}}", "{", "}", "{a!}"])
def test_a_brace_that_stands_alone_is_refused(text):
    with pytest.raises(LabError, match=r"template 't': .*write \{slot\}"):
        Template("t", text, {"a": ""})


def test_text_and_slots_must_agree():
    with pytest.raises(LabError, match=r"a slot \{psot\} that `slots` does not have \('post', 'title'\)"):
        Template("t", "{psot} {title}", {"post": "", "title": ""})
    with pytest.raises(LabError, match="does not have the slot 'title'"):
        Template("t", "{post}", {"post": "", "title": ""})


def test_a_missing_value_is_named_and_those_given_are_listed():
    with pytest.raises(LabError, match=r"'zero-shot: TL;DR' needs a value for 'title', 'post'; .*'subreddit', 'psot'"):
        fill(POST, {"subreddit": "pets", "psot": "..."})
    with pytest.raises(LabError, match="given: none"):
        fill(POST, {})


def test_the_starter_set_is_written_like_the_models_training_texts():
    drawn = draw_post(random.Random(3), "test")
    subreddit, title, post = re.fullmatch(
        r"SUBREDDIT: r/(.*)\n\nTITLE: (.*)\n\nPOST: (.*)\n\nTL;DR:", drawn.prompt
    ).groups()
    slots = {"subreddit": subreddit, "title": title, "post": post}
    assert fill(POST, slots) == drawn.prompt
    assert fill(BY_NAME["step by step: TL;DR"], slots) == step_by_step(drawn.prompt)
    asked, _ = ask_for(tasks.TLDR, random.Random(3), "test", wording=0)
    assert fill(BY_NAME["instruction: TL;DR"], slots).startswith(f"{asked.instruction}\n\nSUBREDDIT: ")

    shown = [("My roommate is behind on rent.", "housing"), ("I want to bake my own bread.", "cooking")]
    examples = few_shot_prompt(shown, "", "Topic").removesuffix("\n\nSentence: \nTopic:")
    values = {"examples": examples, "sentence": "He barks."}
    assert fill(BY_NAME["few-shot: topic"], values) == few_shot_prompt(shown, "He barks.", "Topic")
    assert fill(BY_NAME["zero-shot: topic"], values) == few_shot_prompt([], "He barks.", "Topic")

    for task, name in ((tasks.TOTAL, "zero-shot: total"), (tasks.STEPS, "step by step: total")):
        query, _ = task.draw(random.Random(3), "test")
        costs = query.removeprefix("Costs: ").removesuffix(".\n")
        assert fill(BY_NAME[name], {"costs": costs}) == query + task.cue
    (request,) = request_prompts(1)
    assert fill(BY_NAME["zero-shot: request"], {"request": request.removesuffix("\n")}) == request


def test_every_template_can_be_filled_with_its_own_examples_and_never_ends_with_a_space():
    assert len(BY_NAME) == len(TEMPLATES)
    for template in TEMPLATES:
        prompt = fill(template, template.slots)
        assert prompt and not prompt.endswith(" ") and "{" not in prompt
        assert all(value in prompt for value in template.slots.values())


def test_the_examples_fill_slots_that_exist():
    known = {slot for template in TEMPLATES for slot in template.slots}
    for values in EXAMPLES.values():
        assert set(values) <= known and all(value == value.strip() for value in values.values())
        fill(POST, values)

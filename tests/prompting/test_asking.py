"""Prompts of lab 04 and what is read off completions."""

import random

import pytest

from helpers.prompting.asking import (
    conclusion,
    diversity,
    few_shot_prompt,
    few_shot_questions,
    is_request,
    request_prompts,
    self_consistency_vote,
    step_by_step,
)
from helpers.simulation import corpus
from helpers.simulation.posts import body, draw_posts
from helpers.simulation.wording import topics


def test_a_few_shot_prompt_is_written_like_the_training_text():
    prompt = few_shot_prompt([("I own a cat.", "pets"), ("It stalls.", "cars")], "He barks.", "Topic")
    assert prompt == (
        "Sentence: I own a cat.\nTopic: pets\n\nSentence: It stalls.\nTopic: cars\n\nSentence: He barks.\nTopic:"
    )
    assert few_shot_prompt([], "He barks.", "Kind") == "Sentence: He barks.\nKind:"
    _, listing = corpus.examples(random.Random(1), "train")
    blocks = [block.split("\n") for block in listing.split("\n\n")]
    label = blocks[0][1].split(": ")[0]
    shown = [(sentence.removeprefix("Sentence: "), answer.removeprefix(f"{label}: ")) for sentence, answer in blocks]
    assert listing == f"{few_shot_prompt(shown[:-1], shown[-1][0], label)} {shown[-1][1]}"


def test_questions_are_built_by_the_given_function():
    for named in (True, False):
        for question in few_shot_questions(
            3, 2, named=named, build=lambda shown, query, label: f"{len(shown)} {label}:"
        ):
            assert question.prompt == ("2 Topic:" if named else "2 ")


@pytest.mark.parametrize("examples", [0, 1, 4])
def test_few_shot_prompts_hold_that_many_examples(examples):
    for question in few_shot_questions(5, examples):
        assert question.prompt.count("Sentence: ") == examples + 1
        assert question.prompt.count("\nTopic:") == examples + 1 and question.prompt.endswith("Topic:")
        assert question.answer in topics()


def test_an_unnamed_task_ends_before_the_label_and_keeps_the_sentence():
    named, unnamed = few_shot_questions(5, 2, "kind"), few_shot_questions(5, 2, "kind", named=False)
    for a, b in zip(named, unnamed, strict=True):
        assert a.prompt == b.prompt + "Kind:" and b.answer == f"Kind: {a.answer}"


def test_the_asked_sentence_does_not_depend_on_the_number_of_examples():
    for a, b in zip(few_shot_questions(5, 0), few_shot_questions(5, 4), strict=True):
        assert b.prompt.endswith(a.prompt) and a.answer == b.answer


def test_an_answer_is_its_first_line():
    question = few_shot_questions(1, 0)[0]
    assert question.is_answered_by(f" {question.answer}\n\nSentence: more")
    assert not question.is_answered_by(f" {question.answer}s") and not question.is_answered_by("")


def test_requests_are_single_lines_and_are_recognized():
    prompts = request_prompts(50)
    assert all(prompt.count("\n") == 1 and is_request(prompt) for prompt in prompts)
    assert not is_request(" I want to adopt a dog, but my landlord says no.") and not is_request("")


def test_step_by_step_keeps_the_body_and_reads_the_conclusion():
    prompt = draw_posts(1, 0)[0].prompt
    assert body(prompt) in prompt and "TL;DR" not in body(prompt) and "TITLE" not in body(prompt)
    assert step_by_step(prompt) == f"POST: {body(prompt)}\n\nStep 1, the goal:"
    assert conclusion(" a dog\nStep 2 ...\n\nTL;DR: I want a dog.\nmore") == " I want a dog."
    assert conclusion(" a dog\nStep 2") == ""


@pytest.mark.parametrize(
    ("answers", "winner"),
    [
        (["a", "b", "b"], "b"),
        (["b", "a", "c"], "b"),
        (["cats", " Dogs ", "dogs", "cats", "DOGS"], "Dogs"),
        (["a", "b", "c", "c", "b"], "b"),
        (["only"], "only"),
    ],
)
def test_votes_go_to_the_most_frequent_answer_and_ties_to_the_first(answers, winner):
    assert self_consistency_vote(answers) == winner


def test_diversity_by_hand():
    assert diversity(["a b c", "a b d", "a b c"]) == pytest.approx((2 / 3 + 0 + 2 / 3) / 3)
    assert diversity(["a b a b", "b a"]) == pytest.approx(1 / 2)


def test_diversity_goes_from_none_to_all():
    assert diversity(["a b c", "a b c"]) == 0
    assert diversity(["a b c", "d e f"]) == 1
    assert 0 < diversity(["a b c", "a b d", "a b c"]) < 1
    assert diversity(["", ""]) == 0
    with pytest.raises(ValueError):
        diversity(["a"])

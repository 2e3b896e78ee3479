"""The items of lab 04's grid, and what an answer scores."""

import re

import pytest

from helpers.models.prompt_formats import plain
from helpers.prompting import items as grid_items
from helpers.prompting.items import grid_score, items, last_number, simple
from helpers.simulation import tasks
from helpers.simulation.gold import gold_reward, score
from helpers.simulation.posts import split_of
from helpers.simulation.wording import ESSENTIAL, find_facts


@pytest.mark.parametrize("task", grid_items.TASKS)
def test_items_are_drawn_from_the_seed_and_all_different(task):
    drawn = items(task, 12)
    assert drawn == items(task, 12) and drawn[:5] == items(task, 5)
    assert len({item.ask.query for item in drawn}) >= 10
    assert len({item.id for item in drawn}) == 12
    assert drawn != items(task, 12, seed=1)


@pytest.mark.parametrize("task", ["which", "topic", "sort", "total", "capitals"])
def test_the_right_answer_scores_one_and_an_examples_answer_to_another_query_mostly_not(task):
    drawn = items(task, 20)
    assert all(grid_score(item, f" {item.target}\n\nSentence: more") == 1 for item in drawn)
    others = [grid_score(item, other.target) for item, other in zip(drawn, drawn[1:], strict=False)]
    assert sum(others) < 10
    assert all(grid_score(item, "") == 0 for item in drawn)


def test_a_topic_in_small_letters_is_not_in_capitals():
    assert all(grid_score(item, item.target.lower()) == 0 for item in items("capitals", 5))


def test_a_total_is_right_with_its_steps_and_wrong_with_a_wrong_end():
    for item in items("total", 10):
        amounts = list(map(int, re.findall(r"\d+", item.ask.query)))
        assert item.target == str(sum(amounts))
        assert grid_score(item, tasks.running_sum(amounts)) == 1
        assert grid_score(item, f"{tasks.running_sum(amounts)}0") == 0


@pytest.mark.parametrize(
    ("text", "number"),
    [("4 + 7 = 11. Total: 11", "11"), (" 23\n\nCosts: 9", "23"), ("", ""), ("none", ""), ("Total: 7.", "7")],
)
def test_the_last_number_of_the_first_line_counts(text, number):
    assert last_number(text) == number


def test_a_tldr_scores_its_gold_reward_and_its_worked_example_is_perfect():
    for item in items("tldr", 10):
        ((query, answer),) = item.ask.examples
        assert gold_reward(query + item.ask.cue, answer) == 3
        assert grid_score(item, answer) == gold_reward(item.target, answer) < 3
        assert plain(simple(item.ask)) == item.target


def test_leaving_out_the_problem_takes_goal_and_question_and_nothing_invented():
    for item in items("leave out", 10):
        facts = {mention.fact.kind: mention.fact for mention in find_facts(item.target)}
        goal, problem, question = (facts[kind].text() for kind in ("goal", "constraint", "question"))
        assert grid_score(item, f"I want to {goal}. Not sure {question}.") == 1
        assert grid_score(item, f"I want to {goal}, but {problem}. Not sure {question}.") == 0
        assert grid_score(item, f"I want to {goal}.") == 0
        ((query, answer),) = item.ask.examples
        assert not score(query + item.ask.cue, answer).constraint


def test_a_request_is_not_answered_by_another_request():
    (item,) = items("request", 1)
    assert grid_score(item, "Start with a list of what you need.") == 1
    assert grid_score(item, "Explain how to find a good vet.\nExplain how to walk.") == 0
    assert grid_score(item, "") == 0


@pytest.mark.parametrize("task", ["which", "topic", "sort", "capitals"])
def test_no_worked_example_states_what_the_query_states(task):
    for item in items(task, 30):
        asked = {mention.fact.key for mention in find_facts(item.ask.query)}
        assert len(item.ask.examples) == grid_items.EXAMPLES
        for query, _ in item.ask.examples:
            assert not asked & {mention.fact.key for mention in find_facts(query)}


def test_posts_and_costs_are_of_the_test_split():
    for item in items("total", 20):
        assert tasks._split(tuple(map(int, re.findall(r"\d+", item.ask.query)))) == "test"
    for item in items("tldr", 20):
        facts = {m.fact.kind: m.fact for m in find_facts(item.target) if m.fact.kind != "detail"}
        assert split_of(facts["goal"].topic, *(facts[kind].index for kind in ESSENTIAL)) == "test"


def test_which_task_is_meant_is_said_by_the_examples_alone():
    for item in items("which", 10):
        label = item.target.split(":")[0]
        prompt = plain(simple(item.ask, k=2))
        assert prompt.count(f"\n{label}: ") == 2 and prompt.endswith("\n")
        assert f"{label}:" not in plain(simple(item.ask))


def test_simple_takes_away_what_a_technique_does_not_use():
    item = items("sort", 1)[0]
    bare = simple(item.ask)
    assert (bare.instruction, bare.options, bare.examples) == ("", (), ())
    told = simple(item.ask, instruction=True, k=3)
    assert told.instruction and told.options and told.examples == item.ask.examples[:3]

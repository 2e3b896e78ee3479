"""Techniques: what each asks a model, and what it makes of the answers. Models here write down what they are asked."""

import re
from collections import Counter

import pytest

from helpers.models.prompt_formats import plain
from helpers.prompting import techniques
from helpers.prompting.grid import run_grid
from helpers.prompting.grid_summary import summary
from helpers.prompting.items import TASKS, grid_score, items
from helpers.simulation import tasks


class Writer:
    """Answers by a function of prompt and seed; keeps what it was asked."""

    name, context, fingerprint = "writer", None, "0" * 64

    def __init__(self, answer=lambda prompt, seed: " none"):
        self.answer, self.asked, self.settings = answer, [], []

    def render(self, ask):
        return plain(ask)

    def complete(self, prompts, *, seed=0, **settings):
        self.asked.append(list(prompts))
        self.settings.append(settings)
        return [self.answer(prompt, seed) for prompt in prompts]


def adds_up(prompt: str, seed: int) -> str:
    """Sums in steps; without them, always 7."""
    amounts = techniques.amounts(prompt.split("Costs: ")[-1].split(".")[0])
    return f" {tasks.running_sum(amounts)}" if prompt.endswith("Steps:") else " 7"


def test_every_technique_answers_every_item_of_each_of_its_tasks():
    of_task = {task: items(task, 3) for task in TASKS}
    frame = run_grid({"w": Writer()}, techniques.GRID, of_task, score=grid_score, cache=None, progress=False)
    assert (frame["reason"] == "").all() and frame["score"].notna().all()
    assert set(frame["technique"]) == {technique.name for technique in techniques.GRID}
    assert len(summary(frame)) > 30


def test_examples_are_the_seeds_and_as_many_as_asked_for():
    asked = {}
    for k in (0, 1, 4, 8):
        writer = Writer()
        techniques.with_examples(k).answer(writer, items("sort", 5), 0)
        asked[k] = writer.asked[0]
        assert all(prompt.count("Group:") == k + 1 and prompt.endswith("Group:") for prompt in asked[k])
    orders = []
    for seed in (0, 0, 1):
        writer = Writer()
        techniques.with_examples(4).answer(writer, items("sort", 5), seed)
        orders.append(writer.asked[0])
    assert orders[0] == orders[1] != orders[2]


def test_an_instruction_stands_before_the_query_and_a_role_before_the_instruction():
    item = items("topic", 1)[0]
    for technique, begins in (
        (techniques.ZERO_SHOT, "Sentence:"),
        (techniques.INSTRUCTION, item.ask.instruction),
        (techniques.ROLE, tasks.ROLES[1]),
    ):
        writer = Writer()
        technique.answer(writer, [item], 0)
        assert writer.asked[0][0].startswith(begins)


def test_steps_are_shown_right_and_lead_to_the_total():
    writer = Writer(adds_up)
    answers = techniques.STEPS_SHOWN.answer(writer, items("total", 8), 0)
    assert all(grid_score(item, answer) == 1 for item, answer in zip(items("total", 8), answers, strict=True))
    for prompt in writer.asked[0]:
        for a, b, total in re.findall(r"(\d+) \+ (\d+) = (\d+)", prompt):
            assert int(a) + int(b) == int(total)
    assert all("do_sample" in settings and settings["do_sample"] is False for settings in writer.settings)


def test_a_vote_takes_the_total_of_most_samples_of_an_item():
    calls = Counter()

    def sometimes_wrong(prompt: str, seed: int) -> str:
        calls[prompt] += 1
        right = adds_up(prompt, seed)
        return right if calls[prompt] % 3 else " 1 + 1 = 2. Total: 2"

    drawn = items("total", 6)
    answers = techniques.VOTE.answer(Writer(sometimes_wrong), drawn, 0)
    assert answers == [item.target for item in drawn]
    assert set(calls.values()) == {techniques.VOTERS}


def test_a_self_check_asks_about_its_own_answer_and_changes_it_only_on_a_no():
    drawn = items("topic", 4)

    def answer(prompt: str, seed: int) -> str:
        if prompt.endswith("Right:"):
            assert "Topic: wrong" in prompt
            return " no" if drawn[0].ask.query in prompt else " yes"
        answer.asked[prompt] += 1
        return " wrong" if answer.asked[prompt] == 1 else " second"

    answer.asked = Counter()
    assert techniques.SELF_CHECK.answer(Writer(answer), drawn, 0) == [" second", "wrong", "wrong", "wrong"]


def test_decomposition_puts_three_answers_into_one_sentence():
    said = {"Goal:": " walk the dog\n\nNOTES", "Problem:": " it rains", "Question:": " when to go"}
    writer = Writer(lambda prompt, seed: said[prompt.rsplit("\n", 1)[-1]])
    (answer,) = techniques.DECOMPOSITION.answer(writer, items("tldr", 1), 0)
    assert answer == "I want to walk the dog, but it rains. Not sure when to go."


def test_the_order_of_examples_is_as_the_bias_asks_for():
    for item in items("mixed", 10):
        own = item.target.split()[0]

        def meant(ask, own=own):
            return [answer.split()[0] == own for _, answer in ask.examples]

        assert meant(techniques.ordered("right")(item, 0)) == [False, False, True, True]
        assert meant(techniques.ordered("wrong")(item, 0)) == [True, True, False, False]
        both = (sorted(techniques.ordered(last)(item, 0).examples) for last in ("right", "wrong"))
        assert next(both) == next(both)
        for n in (1, 2, 3):
            chosen = meant(techniques.lopsided(n)(item, 0))
            assert sum(chosen) == n and len(chosen) == 4


def test_a_new_wording_is_one_that_no_training_had():
    for task, wording in techniques.NEW_WORDINGS.items():
        writer = Writer()
        techniques.NEW_WORDING.answer(writer, items(task, 2), 0)
        assert all(prompt.startswith(f"{wording}\n\n") for prompt in writer.asked[0])


@pytest.mark.parametrize("name", techniques.DECODINGS)
def test_a_decoding_reaches_the_model_and_a_greedy_one_runs_once(name):
    technique, writer = techniques.decoded(name), Writer()
    technique.answer(writer, items("tldr", 2), 0)
    assert techniques.DECODINGS[name].items() <= writer.settings[0].items()
    greedy = techniques.DECODINGS[name].get("do_sample") is False
    assert technique.seeds((0, 1, 2)) == ([0] if greedy else [0, 1, 2])

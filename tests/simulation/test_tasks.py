"""The small tasks of lab 04: right answers, splits that share nothing, and documents made of them."""

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.models.prompt_formats import flan
from helpers.simulation import tasks
from helpers.simulation.gold import score
from helpers.simulation.wording import find_facts
from helpers.training.pretraining.documents import base_document, instruction_example, tuning_example

SEEDS = st.integers(0, 10_000)
quick = settings(deadline=None, max_examples=50)


@quick
@given(SEEDS)
def test_names_are_those_of_the_fact_that_the_sentence_states(seed):
    for task, attribute in ((tasks.TOPIC, "topic"), (tasks.KIND, "kind")):
        query, answer = task.draw(random.Random(seed), "train")
        facts = [mention.fact for mention in find_facts(query.removeprefix("Sentence: "))]
        assert answer in {getattr(fact, attribute) for fact in facts}


@quick
@given(SEEDS)
def test_groups_are_consistent_within_a_sorting_and_named_by_its_examples(seed):
    rng = random.Random(seed)
    task = tasks.sorting(rng, by="topic")
    drawn = [task.draw(rng, "train") for _ in range(20)]
    named = {}
    for query, group in drawn:
        topics = {mention.fact.topic for mention in find_facts(query)}
        assert group in task.options
        if len(topics) == 1:
            assert named.setdefault(*topics, group) == group
    assert len(task.options) in (2, 3)


def test_group_names_say_nothing_of_the_topic():
    seen = {}
    for seed in range(400):
        rng = random.Random(seed)
        query, group = tasks.sorting(rng, by="topic").draw(rng, "train")
        topics = {mention.fact.topic for mention in find_facts(query)}
        if len(topics) == 1:
            seen.setdefault(*topics, set()).add(group)
    assert all(len(groups) > 10 for groups in seen.values())


@quick
@given(st.lists(st.integers(1, 9), min_size=2, max_size=8))
def test_a_running_sum_is_right_at_every_step(amounts):
    text = tasks.running_sum(amounts)
    for a, b, total in re.findall(r"(\d+) \+ (\d+) = (\d+)", text):
        assert int(a) + int(b) == int(total)
    assert text.endswith(f"Total: {sum(amounts)}")


@quick
@given(SEEDS, st.sampled_from(["train", "validation", "test"]))
def test_costs_add_up_to_their_total(seed, split):
    for task in (tasks.TOTAL, tasks.STEPS):
        query, answer = task.draw(random.Random(seed), split)
        assert sum(map(int, re.findall(r"\d+", query))) == int(re.findall(r"\d+", answer)[-1])


@pytest.mark.parametrize("task", [tasks.TOPIC, tasks.KIND, tasks.WORDS])
def test_no_fact_is_in_two_splits(task):
    def keys(split):
        rng = random.Random(0)
        texts = [task.draw(rng, split).query for _ in range(400)]
        return {
            max(mentions, key=lambda m: m.end - m.start).fact.key for text in texts if (mentions := find_facts(text))
        }

    train, test = keys("train"), keys("test")
    assert len(train) > 100 and len(test) > 10
    assert not train & test


def test_no_list_of_costs_is_in_two_splits():
    def amounts(split):
        rng = random.Random(0)
        return {tuple(re.findall(r"\d+", tasks.TOTAL.draw(rng, split).query)) for _ in range(2000)}

    assert not amounts("train") & amounts("test")


@quick
@given(SEEDS, st.sampled_from(["goal", "constraint", "question"]))
def test_a_summary_leaves_out_what_it_is_told_to(seed, kind):
    query, answer = tasks.without(kind).draw(random.Random(seed), "train")
    read = score(query, answer)
    assert not getattr(read, kind)
    assert all(getattr(read, other) for other in {"goal", "constraint", "question"} - {kind})


@quick
@given(SEEDS)
def test_right_and_wrong_answers_are_told_apart(seed):
    query, verdict = tasks.RIGHT.draw(random.Random(seed), "train")
    *_, line = query.strip().split("\n")
    label, answer = line.split(": ", 1)
    if label == "Total":
        assert (sum(map(int, re.findall(r"\d+", query.split("\n")[0]))) == int(answer)) == (verdict == "yes")
    else:
        facts = [mention.fact for mention in find_facts(query.split("\n")[0])]
        if len(facts) == 1:
            assert (getattr(facts[0], label.lower()) == answer) == (verdict == "yes")


@quick
@given(SEEDS)
def test_documents_are_drawn_from_the_seed_and_teach_what_follows(seed):
    document = base_document(random.Random(seed))
    assert document == base_document(random.Random(seed))
    assert any(learned for _, learned in document)
    assert "".join(text for text, _ in document).strip()


def test_the_last_wording_of_an_instruction_is_in_no_training_text():
    rng = random.Random(0)
    texts = [flan(draw(rng)[0]) for draw in (instruction_example, tuning_example) for _ in range(1500)]
    texts += ["".join(text for text, _ in base_document(rng)) for _ in range(1500)]
    for task in (*tasks.KNOWN, tasks.REQUEST, tasks.sorting(rng)):
        assert not any(text.startswith(f"{task.instructions[-1]}\n") for text in texts)


def test_a_format_is_asked_for_where_the_answer_has_it():
    rng = random.Random(1)
    seen = 0
    for _ in range(3000):
        ask, answer = instruction_example(rng)
        if tasks.FORMATS_ASKED["capitals"][0] in ask.instruction:
            seen += 1
            assert answer == answer.upper() and all(shown == shown.upper() for _, shown in ask.examples)
    assert seen > 20

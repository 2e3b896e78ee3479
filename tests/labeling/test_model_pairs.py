"""Pairs of texts of two models: balanced, the same for the same texts, and none that nobody could judge."""

from collections import Counter

import pandas as pd

from helpers.labeling.model_pairs import model_pairs

from ..support.verdicts import message, samples


def test_pairs_are_balanced_over_models_and_prompts_after_any_number():
    every = model_pairs(samples(), 1000)
    assert len(every) == 36 == len({p.id for p in every})
    for n in (1, 4, 12, 17, 36):
        pairs = model_pairs(samples(), n)
        assert pairs == every[:n]
        met = Counter(frozenset(p.source.split(">")) for p in pairs)
        asked = Counter(p.prompt for p in pairs)
        assert max(met.values()) - min(met[m] for m in map(frozenset, every_two())) <= 1
        assert max(asked.values()) - min(asked[f"POST: {i}"] for i in range(12)) <= 1


def every_two():
    return [("modelone", "modeltwo"), ("modelone", "modelthree"), ("modeltwo", "modelthree")]


def test_the_source_names_the_writer_of_a_first_and_either_model_can_be_first():
    wrote = {(r.prompt, r.completion): r.model for r in samples(prompts=40).itertuples()}
    pairs = model_pairs(samples(prompts=40), 120)
    for pair in pairs:
        assert pair.source == f"{wrote[pair.prompt, pair.completion_a]}>{wrote[pair.prompt, pair.completion_b]}"
    first = sum(p.source.startswith("modelone>") for p in pairs if "modelone" in p.source.split(">"))
    assert 25 <= first <= 55


def test_another_seed_or_order_of_rows_draws_other_pairs_but_the_same_ids():
    every = set(model_pairs(samples(), 36))
    assert model_pairs(samples(), 9, seed=1) != model_pairs(samples(), 9)
    assert set(model_pairs(samples(), 9, seed=1)) <= every
    assert set(model_pairs(samples().sample(frac=1, random_state=0), 36)) == every


def test_equal_and_blank_texts_are_left_out():
    frame = samples(("x", "y", "z"), 3)
    frame.loc[(frame.model == "y") & (frame.prompt == "POST: 0"), "completion"] = " text 0"  # as x but for spaces
    frame.loc[(frame.model == "z") & (frame.prompt == "POST: 1"), "completion"] = "\n"
    frame.loc[(frame.model == "z") & (frame.prompt == "POST: 2"), "completion"] = None
    pairs = model_pairs(frame, 99)
    met = Counter(" and ".join(sorted(p.source.split(">"))) for p in pairs)
    assert met == {"x and y": 2, "x and z": 1, "y and z": 1}


def test_a_model_with_several_completions_meets_others_draw_by_draw():
    twice = pd.concat([samples(("x", "y"), 2), samples(("x", "y"), 2).assign(completion=[" p", " q", " r", " s"])])
    pairs = model_pairs(twice, 99)
    assert {frozenset((p.completion_a, p.completion_b)) for p in pairs if p.prompt == "POST: 0"} == {
        frozenset((" text 0 ", " text 0 word ")),
        frozenset((" p", " r")),
    }
    assert len(model_pairs(pd.concat([samples(("x", "y"), 2)] * 2), 99)) == 2  # sampled greedily, say


def test_what_cannot_be_paired_is_refused_with_one_message():
    assert "nothing to compare modelone with" in message(model_pairs, samples(("modelone",)), 3)
    assert "nothing to compare it with" in message(model_pairs, samples(()), 3)
    assert "'a>b' is blank or holds" in message(model_pairs, samples(("a>b", "c")), 3)
    assert "no column completion" in message(model_pairs, samples().drop(columns="completion"), 3)
    same = samples().assign(completion="the same")
    assert "different texts" in message(model_pairs, same, 3)
    apart = samples(("x", "y")).assign(prompt=lambda frame: frame.prompt + frame.model)
    assert "different texts" in message(model_pairs, apart, 3)

"""Figures of lab 04 on tiny frames, and the blind look without a kernel."""

import pandas as pd
import pytest

from helpers.views.prompting import (
    BlindLook,
    accuracy_by_examples,
    next_token_bars,
    reward_against_diversity,
    technique_dots,
)

INTERVAL = {"estimate": 0.5, "low": 0.4, "high": 0.7}


@pytest.fixture
def samples() -> pd.DataFrame:
    rows = [
        {"model": model, "prompt": f"POST: <b>{i}</b>", "completion": f" {model} <script> {i}", "gold": 1.0}
        for model in ("base", "sft", "ppo")
        for i in range(4)
    ]
    return pd.DataFrame(rows)


def test_next_token_bars_have_a_trace_a_decoding_and_escape_tokens():
    frame = pd.DataFrame({"token": ["<a>", "b"] * 2, "decoding": ["T = 1"] * 2 + ["greedy"] * 2, "probability": 0.5})
    figure = next_token_bars(frame, "Greedy takes one")
    assert [trace.name for trace in figure.data] == ["T = 1", "greedy"]
    assert figure.data[0].x[0] == "&lt;a&gt;" and figure.layout.title.text == "Greedy takes one"


@pytest.mark.parametrize("draw", [accuracy_by_examples, technique_dots])
def test_intervals_are_drawn_one_trace_a_model(draw):
    rows = [{"model": m, "k": k, "technique": f"t{k}", **INTERVAL} for m in ("base", "ppo") for k in (0, 1)]
    figure = draw(pd.DataFrame(rows), "A finding")
    assert [trace.name for trace in figure.data] == ["base", "PPO"] and figure.layout.title.text == "A finding"
    assert figure.data[0].error_y.array == pytest.approx((0.2, 0.2))
    assert figure.data[0].error_y.arrayminus == pytest.approx((0.1, 0.1))


def test_reward_against_diversity_has_a_point_a_decoding():
    row = {"gold": 1.0, "gold_low": 0.5, "gold_high": 1.2}
    row |= {"diversity": 0.3, "diversity_low": 0.2, "diversity_high": 0.4}
    figure = reward_against_diversity(pd.DataFrame([{"decoding": name} | row for name in ("greedy", "T = 1")]), "It")
    assert [trace.name for trace in figure.data] == ["greedy", "T = 1"]
    assert figure.data[0].error_x.array == pytest.approx((0.1,))


def test_the_blind_look_hides_and_reveals(samples):
    look = BlindLook(samples, n=2)
    shown = look.widget.children[0]
    assert len(look.items) == 2 and "gold reward" not in shown.value and "<i>" not in shown.value
    best = look.items[0][1]["model"]
    look._choices[1].click()
    assert look.votes == {best: 1} and shown.value.count("gold reward") == 3
    look._choices[0].click()
    assert look.votes == {best: 1}, "a second choice counted"
    look._next.click()
    assert look.position == 1 and "gold reward" not in shown.value
    look._next.click()
    assert look.position == 0


def test_the_blind_look_escapes_what_models_write(samples):
    shown = BlindLook(samples).widget.children[0].value
    assert "<script>" not in shown and "&lt;script&gt;" in shown and "<b>0</b>" not in shown


def test_the_blind_look_orders_differ_between_posts(samples):
    many = pd.concat([samples.assign(prompt=samples["prompt"] + str(i)) for i in range(8)])
    orders = {tuple(row["model"] for row in item) for item in BlindLook(many, n=32).items}
    assert len(orders) > 3

"""Figures of lab 04 on tiny frames."""

import pandas as pd
import pytest

from helpers.views.prompting import accuracy_by_examples, heat_map, next_token_bars, reward_against_diversity

INTERVAL = {"estimate": 0.5, "low": 0.4, "high": 0.7}


def test_next_token_bars_have_a_trace_a_decoding_and_escape_tokens():
    frame = pd.DataFrame({"token": ["<a>", "b"] * 2, "decoding": ["T = 1"] * 2 + ["greedy"] * 2, "probability": 0.5})
    figure = next_token_bars(frame, "Greedy takes one")
    assert [trace.name for trace in figure.data] == ["T = 1", "greedy"]
    assert figure.data[0].x[0] == "&lt;a&gt;" and figure.layout.title.text == "Greedy takes one"


def test_intervals_are_drawn_one_trace_a_model_and_no_two_look_alike():
    models = ("base", "ppo", "tiny-gpt2", "tiny-flan-t5", "<b>")
    figure = accuracy_by_examples(
        pd.DataFrame([{"model": m, "k": k, **INTERVAL} for m in models for k in (0, 1)]), "It"
    )
    assert [trace.name for trace in figure.data] == ["base", "PPO", "tiny-gpt2", "tiny-flan-t5", "&lt;b&gt;"]
    assert figure.data[0].error_y.array == pytest.approx((0.2, 0.2))
    assert figure.data[0].error_y.arrayminus == pytest.approx((0.1, 0.1))
    assert len({(trace.line.dash, trace.marker.symbol) for trace in figure.data}) == 5


def test_the_heat_map_has_a_panel_a_task_and_marks_what_changes():
    rows = [
        {"model": model, "technique": technique, "task": task, "estimate": estimate, "low": 0.1, "high": 0.9}
        for model, technique, task, estimate in (
            ("base", "zero-shot", "tldr", 1.5), ("ppo", "zero-shot", "tldr", -1.0), ("base", "steps", "total", 0.25),
            ("base", "greedy", "tldr", 3.0), ("tiny-flan-t5", "greedy", "tldr", float("nan")),
        )
    ]  # fmt: skip
    changes = pd.DataFrame(
        [("base", "greedy", "tldr", "up"), ("base", "steps", "total", "down"), ("ppo", "greedy", "tldr", "")],
        columns=["model", "technique", "task", "verdict"],
    )
    figure = heat_map(pd.DataFrame(rows), changes, {"tldr": 3.0}, "A finding")
    tldr, total = figure.data
    assert [title.text for title in figure.layout.annotations] == ["<b>tldr</b>", "<b>total</b>"]
    assert list(tldr.x) == list(total.x) == ["base", "PPO", "tiny-<br>flan-t5"]
    assert list(tldr.y) == ["zero-shot", "greedy"] and list(total.y) == ["steps"]  # in the order of the table
    assert tldr.z[0][0] == 0.5 and tldr.z[0][1] == 0 and tldr.z[1][0] == 1 and total.z[0][0] == 0.25
    assert list(tldr.text[0]) == ["1.50", "-1.00", ""] and list(tldr.text[1]) == ["3.00▲", "", ""]
    assert total.text[0][0] == "0.25▼" and total.customdata[0][0] == "[0.10, 0.90]"


def test_reward_against_diversity_has_a_point_a_decoding():
    row = {"gold": 1.0, "gold_low": 0.5, "gold_high": 1.2}
    row |= {"diversity": 0.3, "diversity_low": 0.2, "diversity_high": 0.4}
    figure = reward_against_diversity(pd.DataFrame([{"decoding": name} | row for name in ("greedy", "T = 1")]), "It")
    assert [trace.name for trace in figure.data] == ["greedy", "T = 1"]
    assert figure.data[0].error_x.array == pytest.approx((0.1,))

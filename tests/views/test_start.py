"""Figures of lab 00: titles, traces, tiny frames, and the slider without a kernel."""

import numpy as np
import pandas as pd

from helpers.views.start import FirstLook, bandit_curves, learning_rate_explorer, loss_curves, mean_curve


def curve(height: float) -> pd.DataFrame:
    return mean_curve(np.full((4, 21), height), every=10)


def look() -> FirstLook:
    writers = {"base model": " I want a <b>dog</b>.", "tuned model": " I want a dog, but $5 is all I have."}
    rewards = {"reward model": (0.1, 1.5), "gold reward": (2.0, 2.0)}
    return FirstLook("POST: a dog", writers, {m: dict(zip(writers, of, strict=True)) for m, of in rewards.items()})


def test_the_first_look_shows_both_texts_and_hides_the_writers_until_an_answer():
    shown = look()
    assert "POST: a dog" in shown.texts.data and "I want a &lt;b&gt;dog&lt;/b&gt;." in shown.texts.data
    assert "model" not in shown.texts.data and "Not answered yet" in repr(shown.widget)
    revealed = shown.widget.children[-1]
    assert revealed.value == ""
    shown.question.choose("Show me who wrote them")
    assert all(text in revealed.value for text in ("base model", "tuned model", "0.10", "1.50", "2.00"))


def test_the_first_look_says_which_reward_agrees():
    shown = look()
    side = {writer: side for side, writer in shown.writers.items()}
    answers = shown.question.answers
    assert "The reward model agrees with you" in answers[side["tuned model"]]
    assert "The reward model prefers the other one" in answers[side["base model"]]
    assert "gold" not in answers[side["base model"]]  # both are worth the same
    assert look().writers == shown.writers


def test_mean_curve_has_the_last_step_and_intervals_that_hold_the_mean():
    values = np.random.default_rng(0).random((40, 21))
    frame = mean_curve(values, every=10)
    assert frame["step"].tolist() == [0, 10, 20]
    assert np.allclose(frame["estimate"], values[:, ::10].mean(axis=0))
    assert ((frame["low"] < frame["estimate"]) & (frame["estimate"] < frame["high"])).all()


def test_loss_curves_draw_one_line_a_text():
    figure = loss_curves(pd.DataFrame({"step": [0, 1], "reference": [2.0, 1.0], "other": [2.0, 3.0]}), "It fell")
    assert [trace.name for trace in figure.data] == ["reference", "other"]
    assert figure.layout.title.text == "It fell" and "nats" in figure.layout.yaxis.title.text
    assert len({trace.line.dash for trace in figure.data}) == 2


def test_bandit_curves_draw_a_band_and_a_line_each():
    figure = bandit_curves({"with": curve(0.9), "without": curve(0.5)}, "With a baseline it is better")
    assert [trace.name for trace in figure.data if trace.name] == ["with", "without"]
    assert len(figure.data) == 4


def test_the_slider_redraws_the_curve():
    box = learning_rate_explorer(curve, (0.1, 0.5), 0.1)
    slider, chart = box.children
    assert "0.10" in chart.title
    before = chart.state["figure"]["data"][1]["y"]
    slider.value = 0.5
    assert "0.50" in chart.title and chart.state["figure"]["data"][1]["y"] != before

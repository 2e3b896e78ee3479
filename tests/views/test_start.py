"""Figures of lab 00: titles, traces, tiny frames, and the slider without a kernel."""

import numpy as np
import pandas as pd

from helpers.views.start import bandit_curves, learning_rate_explorer, loss_curves, mean_curve, stages_map


def curve(height: float) -> pd.DataFrame:
    return mean_curve(np.full((4, 21), height), every=10)


def test_the_map_names_the_data_and_the_result_of_each_stage():
    texts = " ".join(annotation.text for annotation in stages_map().layout.annotations)
    for name in ("demonstrations", "comparisons", "prompts alone", "SFT model", "reward model", "PPO policy"):
        assert name in texts


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
    slider, figure = box.children
    assert np.allclose(figure.data[1].y, 0.1) and "0.10" in figure.layout.title.text
    slider.value = 0.5
    assert np.allclose(figure.data[1].y, 0.5) and "0.50" in figure.layout.title.text
    assert [trace.uid for trace in figure.data] == ["bandit-0", "bandit-1"]

"""The explorers: their figures against the formulas, and their sliders without a kernel."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.formulas.quantization import NF4_LEVELS, dequantize_nf4, quantize_nf4
from helpers.views import explorers
from helpers.views.card import PLOTLY
from helpers.views.chart import Chart, title_of

quick = settings(deadline=None, max_examples=15)


def knobs_of(card) -> dict:
    return {knob.description: knob for knob in card.children if hasattr(knob, "description")}


def chart_of(card) -> Chart:
    return next(child for child in card.children if isinstance(child, Chart))


# --- Labels -------------------------------------------------------------------


def accuracies(*estimates):
    frame = pd.DataFrame({"labels": [64, 8000], "estimate": estimates})
    return frame.assign(low=frame["estimate"] - 0.05, high=frame["estimate"] + 0.02)


def test_the_noise_explorer_trains_anew_at_every_stop():
    asked = []

    def trained(noise):
        asked.append(noise)
        return accuracies(0.7 - noise, 0.8 - noise)

    card = explorers.noise_explorer(trained, accuracies(0.71, 0.81), best=0.83)
    knob = knobs_of(card)["wrong labels, share"]
    assert not knob.continuous_update and asked == [0.0]
    knob.value = 0.25
    assert asked == [0.0, 0.25]
    assert chart_of(card).title == "With 25% wrong labels, bag of words gets 55.0% right from 8,000 labels"


def test_labels_figure():
    tables = {"bag": accuracies(0.45, 0.55), "model": accuracies(0.71, 0.81)}
    bag, model = explorers.labels_figure(tables, 0.83, "t").data
    assert list(bag.y) == [0.45, 0.55] and list(model.y) == [0.71, 0.81] and list(bag.x) == [64, 8000]
    assert list(bag.error_y.array) == [0.02, 0.02] and list(bag.error_y.arrayminus) == [0.05, 0.05]


# --- Clip ---------------------------------------------------------------------


@quick
@given(st.sampled_from([0.05, 0.2, 0.4, 0.6]), st.floats(-1.5, 1.5), st.floats(0.2, 1.8))
def test_clip_figure(clip, advantage, ratio):
    free, objective, token = explorers.clip_figure(clip, advantage, ratio).data
    x = np.asarray(objective.x)
    expected = np.minimum(x * advantage, x.clip(1 - clip, 1 + clip) * advantage)
    assert np.allclose(objective.y, expected, atol=1e-3) and np.allclose(free.y, x * advantage, atol=1e-3)
    assert token.y[0] == pytest.approx(min(ratio * advantage, np.clip(ratio, 1 - clip, 1 + clip) * advantage), abs=1e-3)
    for corner in (1 - clip, 1 + clip):  # the curve is drawn through its corners
        assert np.isclose(x, corner).any()


@pytest.mark.parametrize(
    "advantage, ratio, what",
    [
        (1.0, 1.3, "clipped: it gets no gradient"),
        (1.0, 0.5, "its gradient is +1.00"),  # the wrong way: still corrected
        (-1.0, 0.7, "clipped: it gets no gradient"),
        (-1.0, 1.5, "its gradient is -1.00"),
        (0.0, 1.5, "its gradient is +0.00"),
    ],
)
def test_the_clip_takes_the_gradient_on_one_side_only(advantage, ratio, what):
    assert title_of(explorers.clip_figure(0.2, advantage, ratio)).endswith(what)


def test_clip_explorer():
    card = explorers.clip_explorer()
    start = "A = +1.0, clip = 0.20: at a ratio of 1.30 the token is worth +1.20; clipped: it gets no gradient"
    assert repr(card) == f"{start}. Run this cell to move the sliders."
    assert list(knobs_of(card)) == ["clip", "A (advantage)", "ratio"]
    knobs_of(card)["clip"].value = 0.4
    title = chart_of(card).title
    assert title.startswith("A = +1.0, clip = 0.40: at a ratio of 1.30 the token is worth +1.30")
    assert card._announcer.state["announcement"] == title  # and it is read aloud
    assert repr(card).startswith(start)  # what is stored does not depend on the student


# --- Beta ---------------------------------------------------------------------


def run(beta: float, n: int = 20, gold: bool = True) -> list[dict]:
    rows = [
        {"step": step, "reward": step * (0.2 - beta), "kl": step * (0.3 - beta), "gold": 1.0}
        for step in range(1, n + 1)
    ]
    return rows if gold else [{key: value for key, value in row.items() if key != "gold"} for row in rows]


def test_beta_figure_makes_one_run_stand_out():
    figure = explorers.beta_figure({0.05: run(0.05), 0.1: run(0.1)}, 0.1)
    proxy, gold, *paths, bold, ends = figure.data
    assert [path.name for path in paths] == ["beta = 0.05", "beta = 0.1"] and bold.name == "beta = 0.1"
    assert np.allclose(bold.x, paths[1].x) and np.allclose(bold.y, proxy.y)
    assert bold.x[-1] == pytest.approx(np.mean([step * 0.2 for step in range(16, 21)]))
    assert list(ends.text) == ["0.05", "0.1"] and np.allclose(ends.x, [paths[0].x[-1], paths[1].x[-1]])
    assert title_of(figure) == ("beta = 0.1: proxy reward +0.30 to +1.80 at a KL of 3.6 nats; gold +1.00 to +1.00")


def test_beta_figure_does_without_the_gold_reward():
    figure = explorers.beta_figure({0.05: run(0.05, gold=False)}, 0.05)
    assert len(figure.data[1].x) == 0 and "gold" not in title_of(figure)


def test_beta_explorer_goes_through_the_recordings_in_order():
    card = explorers.beta_explorer({0.1: run(0.1), 0.05: run(0.05, n=30)})
    knob = knobs_of(card)["beta (KL coefficient)"]
    assert [label for label, _ in knob.options] == ["0.05", "0.1"]
    ranges = [chart_of(card).state["figure"]["layout"][axis]["range"] for axis in ("xaxis2", "yaxis2")]
    knob.value = 0.1
    assert chart_of(card).title.startswith("beta = 0.1")
    assert ranges == [chart_of(card).state["figure"]["layout"][axis]["range"] for axis in ("xaxis2", "yaxis2")]


# --- NF4 ----------------------------------------------------------------------


def nf4(weights, block):
    return dequantize_nf4(*quantize_nf4(weights, block))


@quick
@given(st.integers(0, 1000), st.sampled_from([16, 64]))
def test_even_steps_are_the_nearest_of_sixteen(seed, block):
    weights = np.random.default_rng(seed).normal(size=128)
    weights[:16] = 0.0  # nothing but zeros, or not, in a block
    for chunk, quantized in zip(
        weights.reshape(-1, block), explorers.quantize_evenly(weights, block).reshape(-1, block), strict=True
    ):
        scale = max(abs(chunk)) or 1.0
        levels = [scale * (-1 + 2 * step / 15) for step in range(16)]
        for weight, value in zip(chunk, quantized, strict=True):
            assert abs(weight - value) == pytest.approx(min(abs(weight - level) for level in levels))


def test_nf4_figure_counts_the_weights_and_compares_the_grids():
    weights = np.random.default_rng(0).normal(size=4096)
    figure = explorers.nf4_figure(weights, NF4_LEVELS.numpy(), {16: (0.08, 0.081), 64: (0.092, 0.101)}, 64)
    histogram, marks, even, errors, even_errors = figure.data
    assert sum(histogram.y) == pytest.approx(1, abs=1e-3)
    assert len(marks.x) == len(even.x) == 16 and np.allclose(np.diff(even.x), 2 / 15, atol=1e-3)
    assert list(errors.y) == [0.08, 0.092] and list(even_errors.y) == [0.081, 0.101]
    assert list(errors.marker.size) == [6, 14]
    assert (
        title_of(figure)
        == "Blocks of 64: NF4 is 9.2% off, an even grid 10.1%; scales in 32 bits cost 0.5 bits a weight"
    )


def test_nf4_beats_even_steps_on_normal_weights():
    weights = torch.randn(64, 64, generator=torch.manual_seed(0)) * 0.02
    card = explorers.nf4_explorer(weights, nf4, NF4_LEVELS)
    knob = knobs_of(card)["block size (weights a scale)"]
    assert [block for _, block in knob.options] == [16, 32, 64, 128, 256, 512, 1024] and knob.value == 64
    traces = chart_of(card).state["figure"]["data"]
    errors = pd.DataFrame({trace["name"]: trace["y"] for trace in traces[-2:]})
    assert errors["NF4"].is_monotonic_increasing and (errors["NF4"] < errors["even grid (int4)"])[2:].all()
    assert errors["NF4"][2] == pytest.approx(0.09, abs=0.005)  # as facts about bitsandbytes' NF4 say
    knob.value = 256
    assert chart_of(card).title.startswith("Blocks of 256: NF4 is")


def test_weights_of_odd_number_are_cut_to_whole_blocks():
    asked = []

    def remember(weights, block):
        asked.append((len(weights), block))
        return weights

    card = explorers.nf4_explorer(np.ones((7, 11)), remember, NF4_LEVELS)
    assert asked == [(64, 16), (64, 32), (64, 64)]
    assert "NF4 is 0.0% off" in chart_of(card).title


# --- All ----------------------------------------------------------------------


def all_explorers() -> list:
    return [
        explorers.clip_explorer(),
        explorers.beta_explorer({0.05: run(0.05), 0.1: run(0.1)}),
        explorers.nf4_explorer(torch.linspace(-1, 1, 256), nf4, NF4_LEVELS),
    ]


def test_what_is_stored_is_the_same_each_time_and_small():
    first, second = ([card.bundle() for card in all_explorers()] for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one["text/plain"] == other["text/plain"] and one["text/plain"].endswith("move the sliders.")
        assert one[PLOTLY] == other[PLOTLY] and len(str(one[PLOTLY])) < 40_000


def test_every_slider_is_named_and_moves_the_figure():
    for card in all_explorers():
        for name, knob in knobs_of(card).items():
            before = chart_of(card).state
            knob.value = knob.options[-1][1] if hasattr(knob, "options") else knob.max
            assert name and chart_of(card).state != before
            assert card._announcer.state["announcement"] == chart_of(card).title

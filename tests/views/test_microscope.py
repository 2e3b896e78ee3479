"""The token microscope without a browser: its table, its colors, its figure, and what its knobs change."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.files import LabError
from helpers.views import microscope as views
from helpers.views.card import PLOTLY
from helpers.views.microscope import Microscope, colors_of, frame_of, strip_of, tokens_figure

EVIL = "<b>x</b>"


def rollout(n: int = 4, shift: float = 0.0, **more) -> dict:
    """A response of n tokens, the second clipped; the numbers of a token tell its place."""
    columns = {name: [round(0.1 * place + shift, 4) for place in range(n)] for name in views.QUANTITIES}
    columns["ratio"] = [1.0, 1.5, *[0.9] * (n - 2)]
    tokens = [" We", EVIL, "\n", "</s>", *(f" t{i}" for i in range(4, n))][:n]
    clipped = [place == 1 for place in range(n)]
    facts = {"prompt": "POST: " + EVIL, "completion": " We", "score": 1.25, "ended": True}
    return facts | {"token": tokens, "clipped": clipped} | columns | more


def records(n: int = 3) -> list[dict]:
    return [{"step": 5 * step, "reward": 0.0, "tokens": [rollout(shift=step), rollout(5, -step)]} for step in range(n)]


def test_a_frame_has_a_row_for_each_token():
    frame = frame_of({"step": 1, "tokens": [rollout(4)]})
    assert list(frame) == ["token", *views.QUANTITIES, "clipped"] and len(frame) == 4
    assert frame["token"].tolist() == [" We", EVIL, "\n", "</s>"]
    assert frame["kl"].tolist() == [0.0, 0.1, 0.2, 0.3] and frame["clipped"].tolist() == [False, True, False, False]
    assert frame_of({"tokens": rollout(5)})["kl"].size == 5  # a rollout by itself


def test_missing_numbers_are_not_numbers():
    frame = frame_of({"step": 1, "tokens": [rollout(3, ratio=[None, 1.0, 1.1])]})
    assert math.isnan(frame["ratio"][0]) and frame["ratio"].dtype == float
    assert strip_of(frame, "ratio")["tokens"][0]["value"] == "–"
    tokens_figure(frame)


def test_records_that_do_not_fit_are_refused():
    with pytest.raises(LabError, match="step 3 holds 0 rollouts"):
        frame_of({"step": 3})
    with pytest.raises(LabError, match="not number 1"):
        frame_of({"step": 3, "tokens": [rollout()]}, 1)
    with pytest.raises(LabError, match=r"has lists of \[3, 4\] entries"):
        frame_of({"step": 3, "tokens": [rollout(kl=[0.0] * 3)]})
    lacking = {key: value for key, value in rollout().items() if key != "advantage"}
    with pytest.raises(LabError, match="lacks advantage"):
        frame_of({"step": 3, "tokens": [lacking]})
    with pytest.raises(LabError, match="none of the 2 records holds a rollout"):
        Microscope([{"step": 1}, {"step": 2, "tokens": []}])


# --- Colors ------------------------------------------------------------------


def parts(css: str) -> tuple[float, ...]:
    return tuple(int(part) / 255 for part in css.removeprefix("rgb(").removesuffix(")").split(","))


def contrast(css: str, text: str) -> float:
    """Contrast ratio of WCAG 2.1."""
    lights = sorted([views.luminance(parts(css)), {"#000": 0.0, "#fff": 1.0}[text]])
    return (lights[1] + 0.05) / (lights[0] + 0.05)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1), st.sampled_from([0.0, 1.0]))
def test_every_number_can_be_read_on_its_color(values, middle):
    for background, text in colors_of(values, middle):
        assert contrast(background, text) >= 4.5


def test_the_color_tells_the_side_and_the_distance():
    low, little, middle, more, high, none = (parts(css) for css, _ in colors_of([-2, -0.5, 0, 0.5, 2, math.nan]))
    assert min(middle) > 0.95  # white
    assert low[2] > low[0] and little[2] > little[0]  # purple: more blue than red
    assert high[0] > high[2] and more[0] > more[2]  # orange: more red than blue
    assert sum(low) < sum(little) < sum(middle) > sum(more) > sum(high)
    assert len(set(none)) == 1  # gray
    ratio = [parts(css) for css, _ in colors_of([0.5, 1.0, 1.5], middle=1.0)]
    assert min(ratio[1]) > 0.95 and ratio[0][2] > ratio[0][0] and ratio[2][0] > ratio[2][2]


def test_equal_values_have_no_color():
    assert {css for css, _ in colors_of([0.0, 0.0])} == {css for css, _ in colors_of([1.0], middle=1.0)}


def test_luminance_is_that_of_wcag():
    assert views.luminance((1, 1, 1)) == pytest.approx(1) and views.luminance((0, 0, 0)) == 0
    assert views.luminance((1, 0, 0)) == pytest.approx(0.2126)
    assert contrast("rgb(118, 118, 118)", "#fff") == pytest.approx(4.54, abs=0.01)  # the web's well-known limit


# --- Strip and figure ---------------------------------------------------------


def test_the_strip_shows_every_token_with_its_number():
    strip = strip_of(frame_of({"step": 1, "tokens": [rollout()]}), "kl")
    assert [token["text"] for token in strip["tokens"]] == ["·We", EVIL, "⏎", "</s>"]
    assert [token["value"] for token in strip["tokens"]] == ["+0.00", "+0.10", "+0.20", "+0.30"]
    assert strip["legend"]["low"] == "-0.30" and strip["legend"]["high"] == "+0.30"
    assert strip["tokens"][1]["all"] == (
        "token 1 <b>x</b>: log-probability +0.10, reference log-probability +0.10, KL +0.10, reward +0.10, "
        "value +0.10, advantage +0.10, return +0.10, new log-probability +0.10, ratio +1.50, clipped"
    )
    ratios = strip_of(frame_of({"step": 1, "tokens": [rollout()]}), "ratio")
    assert [token["value"] for token in ratios["tokens"]] == ["1.00", "1.50 ✕", "0.90", "0.90"]
    assert (ratios["legend"]["low"], ratios["legend"]["middle"], ratios["legend"]["high"]) == ("0.50", "1", "1.50")


def test_the_figure_shows_all_values_over_the_tokens():
    figure = tokens_figure(frame_of({"step": 1, "tokens": [rollout()]}), clip=0.3)
    names = [trace.name for trace in figure.data]
    assert names == ["policy", "reference", "KL", "reward", "value", "return", "advantage", "ratio", "ratio, clipped"]
    assert {trace.xaxis for trace in figure.data} == {None}  # one x axis, so that one hover shows all
    assert figure.layout.hoversubplots == "axis" and figure.layout.hovermode == "x unified"
    inside, clipped = figure.data[-2:]
    assert np.isnan(inside.y[1]) and clipped.y[1] == 1.5 and np.isnan(clipped.y[[0, 2, 3]]).all()
    assert clipped.marker.symbol == "x" != inside.marker.symbol
    band = figure.layout.shapes[0]
    assert (band.y0, band.y1) == (0.7, 1.3)
    low, high = figure.layout.yaxis6.range
    assert low < 0.7 and high > 1.5
    assert figure.layout.xaxis.ticktext == ("·We", "&lt;b&gt;x&lt;/b&gt;", "⏎", "&lt;/s&gt;")


def test_the_title_says_where_the_kl_comes_from():
    frame = frame_of({"step": 1, "tokens": [rollout(4, kl=[0.1, -0.6, 0.2, 0.0])]})
    assert views.finding(frame) == "4 tokens, KL -0.30 nats, most at token 1 (-0.60); 1 clipped"
    frame = frame_of({"step": 1, "tokens": [rollout(4, kl=[0.0] * 4)]})
    assert views.finding(frame) == "4 tokens, KL +0.00 nats; 1 clipped"


@pytest.mark.parametrize("n", [1, 2, 60])
def test_short_and_long_responses_fit(n):
    figure = tokens_figure(frame_of({"step": 1, "tokens": [rollout(max(n, 2)) if n > 1 else one_token()]}))
    assert len(figure.layout.xaxis.ticktext) == n
    json.loads(figure.to_json())


def one_token() -> dict:
    whole = rollout(2)
    return {key: value[:1] if isinstance(value, list) else value for key, value in whole.items()}


# --- Widget -------------------------------------------------------------------


def test_the_knobs_choose_update_rollout_and_quantity():
    scope = Microscope(records())
    assert [label for label, _ in scope.update.options] == ["0", "5", "10"] and scope.record["step"] == 10
    assert scope.chart.title.startswith("Update 10: 4 tokens")
    assert scope.strip.state["tokens"][0]["value"] == "+2.00"
    scope.update.value = 1
    assert scope.chart.title.startswith("Update 5: 4 tokens") and scope.strip.state["tokens"][0]["value"] == "+1.00"
    scope.rollout.value = 1
    assert scope.chart.title.startswith("Update 5: 5 tokens") and scope.strip.state["tokens"][0]["value"] == "-1.00"
    scope.quantity.value = "ratio"
    assert scope.strip.state["tokens"][1]["value"] == "1.50 ✕"
    assert scope.strip.state["prompt"] == "POST: " + EVIL
    assert scope.strip.state["summary"] == "Prompt (score of the response +1.25)"


def test_a_record_with_fewer_rollouts_shows_its_last():
    scope = Microscope(
        [{"step": 1, "tokens": [rollout(2)]}, {"step": 2, "tokens": [rollout(3), rollout(4, ended=False)]}]
    )
    scope.rollout.value = 1
    assert len(scope.frame) == 4 and "never ended" in scope.strip.state["summary"]
    scope.update.value = 0
    assert len(scope.frame) == 2


def test_one_rollout_needs_no_choice():
    assert Microscope([{"step": 1, "tokens": [rollout()]}]).rollout.layout.display == "none"
    assert Microscope(records()).rollout.layout.display is None


def test_a_token_that_is_chosen_is_marked_in_the_figure():
    scope = Microscope(records())

    def marks():
        shapes = scope.chart.state["figure"]["layout"]["shapes"]
        return [shape["x0"] for shape in shapes if shape.get("yref") == "paper"]

    assert marks() == []
    scope.strip._answer.set_state({"value": "3"})  # as the browser does
    assert marks() == [3]
    scope.update.value = 0
    assert marks() == [3]
    scope.choose(4)  # a token that only the longer rollout has
    assert marks() == []


def test_the_last_update_stands_for_it_where_no_widgets_run():
    scope = Microscope(records())
    text = "Update 10: 4 tokens, KL +8.60 nats, most at token 3 (+2.30); 1 clipped. Run this cell to look into it"
    assert repr(scope.view) == text
    scope.update.value = 0
    assert repr(scope.view) == text and PLOTLY in scope.view.bundle()

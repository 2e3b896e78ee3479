"""The curves of a run's records, against the records."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.views import run_curves
from helpers.views.chart import title_of

from ..support.runs import PANELS, record, run_of


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.none(), st.floats(-100, 100), st.just(math.nan), st.just("absent"))), st.integers(1, 7))
def test_series_are_the_finite_values_and_the_means_around_them(values, window):
    records = [{"step": i} | ({} if v == "absent" else {"reward": v}) for i, v in enumerate(values)]
    known = [(i, v) for i, v in enumerate(values) if isinstance(v, float) and math.isfinite(v)]
    frame = run_curves.series(records, "reward", window)
    assert frame["step"].tolist() == [i for i, _ in known]
    assert frame["value"].tolist() == pytest.approx([v for _, v in known], abs=1e-4)
    window = min(window, len(known))
    last = len(known) - window
    starts = [min(max(0, i + (window - 1) // 2 + 1 - window), last) for i in range(len(known))]  # whole windows only
    means = [sum(v for _, v in known[start : start + window]) / window for start in starts]
    assert frame["mean"].tolist() == pytest.approx(means, abs=1e-3)


def test_the_mean_of_a_rising_line_lies_on_it():
    records = [{"step": step, "reward": float(step)} for step in range(1, 41)]
    frame = run_curves.series(records, "reward")
    assert (frame["mean"] - frame["value"])[2:-2].abs().max() == 0  # the mean of the last five would lag by two


def test_curves_hold_a_panel_for_each_measure():
    figure = run_curves.curves(list(run_of(8)), PANELS, 40, title="It rose", guides={"kl": 0.2})
    assert [trace.name for trace in figure.data] == ["update", "mean of 5"] * 2
    assert [figure.layout.yaxis.title.text, figure.layout.yaxis2.title.text] == list(PANELS.values())
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range == (0, 41)
    assert figure.layout.shapes[0].y0 == 0.2 and len(figure.layout.shapes) == 1
    assert title_of(figure) == "It rose"


def test_curves_mark_where_a_run_was_resumed():
    records = [record(1, replayed=True), record(2, resumed_at=1), record(3)]
    assert {shape.x0 for shape in run_curves.curves(records, PANELS).layout.shapes} == {1.5}


@pytest.mark.parametrize("columns", [2, 3])
@pytest.mark.parametrize("n", range(1, 8))
def test_panels_do_not_overlap(n, columns):
    figure = run_curves.curves([], {f"m{i}": f"measure {i}" for i in range(n)}, 10, columns=columns)
    boxes = [
        (*figure.layout[f"xaxis{i + 1 if i else ''}"].domain, *figure.layout[f"yaxis{i + 1 if i else ''}"].domain)
        for i in range(n)
    ]
    assert all(0 <= left < right <= 1.001 and 0 <= low < high <= 1 for left, right, low, high in boxes)
    for i, (left, right, low, high) in enumerate(boxes):
        for left2, right2, low2, high2 in boxes[i + 1 :]:
            assert right <= left2 or right2 <= left or high <= low2 or high2 <= low

"""The figures of lab 05 hold what they are given, and a click on a point opens its texts."""

import numpy as np
import pandas as pd
import pytest

from helpers.views.chart import as_json
from helpers.views.overoptimization import PointReader, curves_figure, gains_figure, kl_figure, selection_figure

CURVES = pd.DataFrame(
    [
        {"curve": curve, "at": at, "d": d, "measure": measure, "estimate": est, "low": est - 0.2, "high": est + 0.1}
        for curve, points in {"few": (8, 16), "many": (8, 16, 24)}.items()
        for measure, sign in (("gold", -1), ("proxy", 1))
        for at, d in zip(points, (0.5, 1.5, 2.5), strict=False)
        for est in (sign * d,)
    ]
)


def texts(curve, at):
    text = f"{curve} at {at} <b>not bold</b>"
    return [{"prompt": "POST: p", "before": "before", "completion": text, "gold": 1.25, "proxy": -0.5}]


def test_each_curve_stands_in_both_panels_with_its_band_and_fit():
    figure = curves_figure(CURVES, "It turns", {"many": lambda d: 2 * d})
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [(trace.name, trace.xaxis) for trace in lines] == [
        ("few", "x"),
        ("few", "x2"),
        ("many", "x"),
        ("many", "x2"),
    ]
    assert list(lines[2].y) == [-0.5, -1.5, -2.5] and list(lines[3].y) == [0.5, 1.5, 2.5]
    bands = [trace for trace in figure.data if trace.fill == "toself"]
    assert len(bands) == 4 and list(bands[2].y) == [-0.4, -1.4, -2.4, -2.7, -1.7, -0.7]
    (fit,) = [trace for trace in figure.data if trace.name == "fit"]
    np.testing.assert_allclose(fit.y, 2 * np.array(fit.x), atol=2e-3)
    assert max(fit.x) == 2.5 and fit.xaxis in (None, "x")
    assert sum(bool(trace.showlegend) for trace in figure.data) == 3  # each name once
    assert figure.layout.title.text == "It turns"


def test_a_click_chooses_the_point_and_shows_its_texts():
    reader = PointReader(CURVES, texts, "update")
    assert (reader.curve.value, reader.at.value) == ("few", 16)
    drawn = reader.chart.state["figure"]["data"]
    trace = next(
        i
        for i, t in enumerate(drawn)
        if t.get("name") == "many" and t["mode"] == "lines+markers" and t["xaxis"] == "x2"
    )
    reader.click([trace, 2])
    assert (reader.curve.value, reader.at.value) == ("many", 24)
    (row,) = reader.samples.state["rows"]
    assert row["cells"] == ["before", "many at 24 <b>not bold</b>", "+1.25", "-0.50"]
    assert "many, update 24, d = 2.50: gold -2.50" in reader.headline == reader.chart.title
    rings = [t for t in reader.chart.state["figure"]["data"] if t.get("name") == "chosen"]
    assert [(r["x"], r["y"]) for r in rings] == [([2.5], [-2.5]), ([2.5], [2.5])]


@pytest.mark.parametrize("point", [[0, 0], [10_000, 0]])
def test_a_click_beside_the_points_changes_nothing(point):
    reader = PointReader(CURVES, texts, "update")
    before = reader.headline
    reader.click(point)
    assert reader.headline == before


def test_a_point_that_the_next_curve_lacks_goes_to_its_last_one():
    reader = PointReader(CURVES, texts, "update")
    reader.curve.value = "many"
    reader.at.value = 24
    reader.curve.value = "few"
    assert reader.at.value == 16 and reader.samples.state["rows"][0]["cells"][1].startswith("few at 16")


def test_where_no_widget_runs_text_and_figure_stand_for_the_reader():
    reader = PointReader(CURVES, texts, "n")
    bundle = reader.view.bundle()
    assert "few, n 16" in bundle["text/plain"]
    assert len(as_json(reader._figure())["data"]) == len(bundle["application/vnd.plotly.v1+json"]["data"])


def test_the_smaller_figures_show_their_intervals():
    table = pd.DataFrame(
        {"n": [1, 4], "formula": [0.0, 0.64], "estimate": [0.0, 0.6], "low": [0, 0.5], "high": [0, 0.63]}
    )
    formula, measured = kl_figure(table, "t").data
    assert list(formula.y) == [0.0, 0.64] and list(measured.error_y.arrayminus) == [0.0, 0.1]
    rows = pd.DataFrame({"name": ["a", "b"], "estimate": [1.0, -1.0], "low": [0.5, -2.0], "high": [2.0, 0.0]})
    (dots,) = gains_figure(rows, "t", "gain").data
    assert list(dots.y) == ["b", "a"] and list(dots.error_x.array) == [1.0, 1.0]  # the first on top
    assert len(gains_figure(rows, "t", "gain", best=1.5).layout.shapes) == 2


def test_each_kind_of_error_has_a_line_of_its_own():
    rows = [
        {"error": error, "n": n, "estimate": sign * i, "low": sign * i - 0.1, "high": sign * i + 0.1}
        for error, sign in (("Gaussian", 1), ("shift", -1))
        for i, n in enumerate((1, 4, 16))
    ]
    figure = selection_figure(pd.DataFrame(rows), "One falls")
    assert [(trace.name, list(trace.y)) for trace in figure.data] == [("Gaussian", [0, 1, 2]), ("shift", [0, -1, -2])]
    assert len({trace.line.color for trace in figure.data}) == len({trace.line.dash for trace in figure.data}) == 2
    assert figure.layout.xaxis.ticktext == ("1", "4", "16") and figure.layout.title.text == "One falls"

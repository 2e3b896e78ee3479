"""Figures of lab 06: what is drawn is what was given, and no two ways look alike."""

import numpy as np
import pandas as pd
import pytest

from helpers.views.direct_alignment import (
    MARKS,
    frontier_figure,
    mixing_figure,
    optimal_policy_figure,
    teachers_figure,
)


def curve(name, n=3):
    points = np.arange(1.0, n + 1)
    table = {"curve": name, "at": [f"step {i}" for i in range(n)], "d": points, "estimate": points / 2}
    frame = pd.DataFrame(table).assign(low=points / 2 - 0.1, high=points / 2 + 0.3)
    return pd.concat([frame.assign(measure="gold"), frame.assign(measure="proxy", estimate=9.0)])


def test_each_way_is_a_line_with_the_interval_of_its_end():
    names = ["PPO", "DPO", "<b>bold</b>"]
    figure = frontier_figure(pd.concat([curve(name) for name in names]), "Finding")
    ends, lines = figure.data[::2], figure.data[1::2]
    assert [line.name for line in lines] == ["PPO", "DPO", "&lt;b&gt;bold&lt;/b&gt;"]
    assert all(list(line.y) == [0.5, 1.0, 1.5] for line in lines)  # gold, not proxy
    assert all(list(end.x) == [3.0] and list(end.error_y.array) == [0.3] for end in ends)
    assert list(lines[0].customdata) == ["step 0", "step 1", "step 2"]
    assert figure.layout.title.text == "Finding"


def test_no_two_marks_are_alike():
    assert len({(dash, symbol) for _, dash, symbol in MARKS}) == len(MARKS) >= 8


def test_the_best_policies_stand_beside_the_reference():
    figure = optimal_policy_figure({2.0: [0.4, 0.6], 0.1: [0.05, 0.95]}, [0.5, 0.5], ["one", "two"])
    assert [bar.name for bar in figure.data] == ["reference", "beta 2", "beta 0.1"]
    assert list(figure.data[2].y) == [0.05, 0.95]
    assert "60%" in figure.layout.title.text and "95%" in figure.layout.title.text


def test_a_teacher_is_a_point_with_both_intervals():
    row = {
        "agreement": 0.8,
        "agreement_low": 0.7,
        "agreement_high": 0.85,
        "gain": 1.0,
        "gain_low": 0.6,
        "gain_high": 1.5,
    }
    figure = teachers_figure(pd.DataFrame({"draft overlap": row, "longer": row}).T, "Finding")
    assert [point.name for point in figure.data] == ["draft overlap", "longer"]
    point = figure.data[0]
    assert (point.error_x.array[0], point.error_x.arrayminus[0]) == pytest.approx((0.05, 0.1))
    assert (point.error_y.array[0], point.error_y.arrayminus[0]) == pytest.approx((0.5, 0.4))


def test_a_walk_shows_gold_and_distance():
    walk = pd.DataFrame(
        {"share": [0, 1, 2], "estimate": [1.0, 2.0, 2.5], "low": 0.5, "high": 3.0, "kl": [0.0, 1.0, 3.0]}
    )
    gold, kl = mixing_figure(walk, "Finding").data
    assert list(gold.y) == [1.0, 2.0, 2.5] and list(kl.y) == [0.0, 1.0, 3.0] and list(kl.x) == [0, 1, 2]

"""Figures and tables of lab 03 on tiny frames."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from helpers.views import ppo as views
from helpers.views.chart import title_of

RECORDS = [
    {"step": i + 1, "reward": 0.1 * i, "kl": 0.05 * i, "entropy": 2.0, "explained_variance": 0.1} for i in range(10)
]


def test_gradient_figure():
    frame = pd.DataFrame({"n": [10, 1000] * 2, "error": [1.0, 0.1] * 2, "baseline": ["none"] * 2 + ["mean"] * 2})
    figure = views.gradient_figure(frame)
    assert len(figure.data) == 2 and figure.layout.title.text == "100 times the samples, 10 times less error"


def test_clipping_figure():
    ratio = np.linspace(0.5, 1.5, 11)
    figure = views.clipping_figure(ratio, {"good": ratio, "bad": -ratio}, 0.2)
    assert len(figure.data) == 2 and "1.2" in figure.layout.title.text


def test_kl_figure_marks_the_chosen_betas():
    frame = pd.DataFrame({"beta": [1.0, 0.5], "kl": [0.5, 2.0], "reward": [1.0, 2.0]})
    figure = views.kl_figure(frame, chosen=(0.5,))
    assert list(figure.data[1].text) == ["beta = 0.5"]


@pytest.mark.parametrize("n", [1, 10])
def test_finding(n):
    assert views.finding(RECORDS[:n]).endswith(" nats")
    assert views.finding(RECORDS) == "proxy reward +0.20 to +0.70 at a KL of 0.4 nats"


def test_finding_names_the_gold_reward_where_it_is_known():
    records = [record | {"gold": 1 + record["reward"]} for record in RECORDS]
    assert views.finding(records).startswith("proxy reward +0.20 to +0.70, gold +1.20 to +1.70, at a KL of 0.4 nats")


def test_spread_figure_says_what_is_near_and_far():
    frame = pd.DataFrame({"kl": [0.1, 5.0], "k1": [0.5, 2.0], "k2": [0.1, 10.0], "k3": [0.2, 40.0]})
    figure = views.spread_figure(frame)
    assert [trace.name for trace in figure.data] == ["k1", "k2", "k3"]
    assert "0.10 nats k3 spreads 0.4 times" in title_of(figure) and "20 times" in title_of(figure)


def test_before_after():
    rows = [("SFT", "proxy", 0, -0.1, 0.1), ("PPO", "proxy", 1, 0.9, 1.1), ("SFT", "gold", 1, 0.9, 1.1)]
    table = pd.DataFrame(rows, columns=["model", "measure", "estimate", "low", "high"])
    figure = views.before_after_figure(table, "Proxy up")
    assert figure.layout.title.text == "Proxy up" and [len(trace.x) for trace in figure.data] == [2, 1]


def test_gains_figure():
    figure = views.gains_figure([0.0, 1.0, 3.0, 3.0], [3.0, 3.0, 3.0, 2.0])
    assert title_of(figure) == "Perfect TL;DRs (gold reward 3): 50% to 75%"
    assert sum(figure.data[0].y) == pytest.approx(1) and sum(figure.data[1].y) == pytest.approx(1)


def test_texts_stand_side_by_side_as_text():
    evil = "<script>alert(1)</script>"
    rows = pd.DataFrame({"prompt": [evil], "before": [evil], "after": ["fine & well"], "note": [evil]})
    html = views.side_by_side(rows, ["before", "after"], {"before": "note", "after": "note"})
    assert "<script>" not in html and "fine &amp; well" in html

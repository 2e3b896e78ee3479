"""Figures and the widget of lab 02 on tiny frames."""

from __future__ import annotations

import json
from html import unescape

import numpy as np
import pandas as pd

from helpers.formulas.statistics import Interval
from helpers.views import reward_model as views
from helpers.views.run_curves import change

EVIL = "<img src=x onerror=alert(1)>"
TABLE = views.interval_table({"yours": Interval(0.8, 0.75, 0.85, 100), "length only": Interval(0.55, 0.5, 0.6, 100)})
RECORDS = [{"step": i + 1, "loss": 0.7 - 0.02 * (i > 9), "accuracy": 0.5 + 0.1 * (i > 9)} for i in range(20)]


def check(figure, traces):
    assert figure.layout.title.text and len(figure.data) == traces
    assert figure.layout.xaxis.title.text
    assert len(json.dumps(figure.to_plotly_json(), default=lambda x: np.asarray(x).tolist())) < 60_000


def test_figures():
    check(views.loss_figure(), 2)
    check(views.nf4_figure([0.1, -0.2, 0.3], [0.1, -0.1, 0.1], 0.09), 2)
    check(views.scores_figure(TABLE, TABLE), 2)
    reliability = TABLE.reset_index().assign(confidence=[0.55, 0.9])
    check(views.reliability_figure({"raw": reliability, "three times as wide": reliability}), 3)
    check(views.best_of_n_figure({"gold reward": TABLE, "reward model": TABLE}, [0.0, 1.2]), 2)
    raw = {"yours": np.array([1.0, 2.0, 4.0]), "shipped": np.array([10.0, 12.0])}
    check(views.normalization_figure(raw, raw), 4)


def test_titles_state_what_the_data_say():
    assert "2 values" in views.nf4_figure([0.1, -0.2, 0.3], [0.1, -0.1, 0.1], 0.09).layout.title.text
    assert views.finding(RECORDS) == "loss 0.70 to 0.68, accuracy 50% to 60%"
    assert views.finding(RECORDS).startswith(change(RECORDS, "loss", "loss"))  # what a replay of the run says
    figure = views.accuracy_figure(TABLE, best=0.9, measured="yours", rival="length only")
    assert "Yours: right on 80.0% of the pairs; length only: 55.0%" in figure.layout.title.text.replace("<br>", " ")
    assert "agree" in views.scores_figure(TABLE, TABLE).layout.title.text
    reliability = TABLE.reset_index().assign(confidence=[0.55, 0.9])
    assert "says 90% and is right on 55%" in views.reliability_figure({"raw": reliability}).layout.title.text
    best = TABLE.set_axis([1, 8])
    figure = views.best_of_n_figure({"gold reward": best}, [0.0, 1.204])
    assert figure.layout.title.text == "Gold reward: 0.80 with one sample, 0.55 with the best of 8"
    assert figure.layout.xaxis.ticktext == ("n = 1<br>0.00", "n = 8<br>1.20")


def test_sizes_are_compared_at_the_most_labels_that_both_have_seen():
    def line(labels, right):
        return pd.DataFrame({"labels": labels, "estimate": right, "low": right, "high": right})

    figure = views.sizes_figure({"9 weights": line([64, 256], [0.6, 0.7]), "99": line([256, 8000], [0.75, 0.8])}, 0.83)
    check(figure, 2)
    assert figure.layout.title.text == "256 labels: 70.0% (9 weights), 75.0% (99)"


def test_every_cell_of_the_errors_has_its_interval():
    shares = {EVIL: {"too long": Interval(0.5, 0.4, 0.6, 64), "empty": Interval(0.9, 0.8, 0.95, 64)}}
    shares["words"] = {"too long": Interval(0.0, 0.0, 0.06, 64), "empty": Interval(1.0, 0.94, 1.0, 64)}
    figure = views.errors_figure(shares)
    check(figure, 1)
    assert figure.data[0].text[1] == ["0%, 95 % interval 0% to 6%", "100%, 95 % interval 94% to 100%"]
    assert "is right on 50% of 'too long'" in unescape(figure.layout.title.text.replace("<br>", " "))
    assert "<img" not in figure.layout.title.text + "".join(figure.data[0].y)


def test_rows_are_named_from_the_top_and_their_names_shown_as_text():
    table = TABLE.rename(index={"yours": EVIL})
    figure = views.group_figure({"reward model": table, "gold reward": TABLE}, "annotator")
    check(figure, 2)
    assert figure.layout.yaxis.autorange == "reversed"
    assert "<img" not in figure.layout.title.text + "".join(figure.layout.yaxis.ticktext)


def test_a_prompt_is_shown_as_text():
    assert "<img" not in views.post_html(EVIL)


def test_the_scorer_asks_the_judge_and_shows_its_scores():
    asked = []

    def judge(text):
        asked.append(text)
        return {"reward model": 1.234, "gold reward": -0.5}

    box = views.scorer(EVIL, judge, text="  I want to sleep. ")
    html, area, button, answer = box.children
    assert "<img" not in html.value and answer.value == ""
    button.click()
    assert asked == [" I want to sleep."]
    assert "+1.23" in answer.value and "-0.50" in answer.value
    area.value = "Other."
    button.click()
    assert asked[-1] == " Other."

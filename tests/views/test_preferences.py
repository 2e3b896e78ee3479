"""Lab 01's widgets and figures: text from data is escaped, labels stay hidden, tiny frames work."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.preferences import Preference
from helpers.views import preferences as views

PAIR = Preference(
    prompt="POST: <script>alert(1)</script>\n\nTL;DR:",
    chosen=" <b>good</b>",
    rejected=" bad & short",
    id="test-1",
    source="sft>base",
    annotator="<i>ada</i>",
    strength=3,
    split="test",
)
PAIRS = [replace(PAIR, id=f"test-{number}", chosen=f" good {number}") for number in range(40)]


def test_blind_shuffles_the_sides_and_repeats_with_the_seed():
    shown = views.blind(PAIRS, seed=3)
    assert shown == views.blind(PAIRS, seed=3) != views.blind(PAIRS, seed=4)
    assert {side.label for side in shown} == {"A", "B"}
    assert all((side.a if side.label == "A" else side.b) == side.pair.chosen for side in shown)


def test_the_browser_escapes_text_and_hides_the_label_until_asked():
    browser = views.PairBrowser([PAIR])
    assert "<script>" not in browser.text.value and "&lt;script&gt;" in browser.text.value
    assert "&lt;b&gt;good&lt;/b&gt;" in browser.text.value and "bad &amp; short" in browser.text.value
    assert "chosen" not in browser.text.value and "ada" not in browser.text.value
    browser.reveal.value = True
    assert "chosen" in browser.text.value and "&lt;i&gt;ada&lt;/i&gt; chose" in browser.text.value
    assert "<i>ada" not in browser.text.value


def test_the_browser_goes_round_and_blind_again():
    browser = views.PairBrowser(PAIRS)
    browser.reveal.value = True
    browser.next.click()
    assert browser.position == 1 and not browser.reveal.value and "pair 2 of 40" in browser.where.value
    browser.previous.click()
    browser.previous.click()
    assert browser.position == 39


def test_a_stored_notebook_says_what_to_do():
    shown = views.PairBrowser([PAIR])._repr_mimebundle_()
    assert shown["text/plain"] == "Run this cell to use it."
    assert "application/vnd.jupyter.widget-view+json" in shown


def test_two_choices_between_lotteries_fit_together_or_not():
    for first, second, fits in ((0, 0, True), (0, 1, False), (1, 0, False), (1, 1, True)):
        asked = views.AllaisPair()
        asked.questions[0].choose((asked.SURE, asked.RISKY)[first])
        assert asked.verdict.value == ""  # one choice says nothing
        asked.questions[1].choose((asked.SMALLER, asked.LARGER)[second])
        assert ("fit together" in asked.verdict.value) is fits
        assert ("most people" in asked.verdict.value) is ((first, second) == (0, 1))


def test_the_browser_needs_pairs():
    with pytest.raises(ValueError, match="no pairs"):
        views.PairBrowser([])


RATES = pd.DataFrame({"estimate": [0.5], "low": [0.4], "high": [0.6], "n": [100]}, index=["<b>"])
KAPPAS = pd.DataFrame([[np.nan, 0.5, 0.1], [0.5, np.nan, 0.2], [0.1, 0.2, np.nan]], list("abc"), list("abc"))
CHOICES = RATES.assign(annotator="<b>", difference=1.0)
FIGURES = {
    "rates": lambda: views.rates_figure(RATES, "title", "x"),
    "scales": lambda: views.scales_figure(pd.DataFrame({"annotator": ["<b>"], "rating": [3]}), "title"),
    "agreement": lambda: views.agreement_figure(pd.DataFrame({"<b>": {("a", "b"): 0.5}}), "title"),
    "kappa": lambda: views.kappa_heatmap(KAPPAS, "title"),
    "kappa of two": lambda: views.kappa_heatmap(KAPPAS.iloc[:2, :2], "title"),
    "opinions": lambda: views.opinions_figure(pd.DataFrame({"<b>": [0.9, 0.2], "v": [0.8, 0.7]}), "title"),
    "curve": lambda: views.bradley_terry_curve([1.0, 2.0]),
    "choices": lambda: views.choices_figure(CHOICES, "title", temperature=0.3),
    "weights": lambda: views.weights_figure(pd.DataFrame({"words": [0.0]}, index=["<b>"]), "title"),
    "strengths": lambda: views.strengths_figure(pd.Series({"<b>": 0.5}), "title"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_have_titles_traces_and_escaped_names(name):
    figure = FIGURES[name]()
    assert figure.layout.title.text and figure.data
    assert "<b>" not in figure.to_json().replace("<b>A</b>", "")


def test_similar_annotators_stand_side_by_side():
    names = list("adbe")
    kappas = pd.DataFrame(0.1, names, names)
    for pair in ("ab", "de"):
        kappas.loc[pair[0], pair[1]] = kappas.loc[pair[1], pair[0]] = 0.9
    order = "".join(views.kappa_heatmap(kappas, "title").data[0].x)
    assert "ab" in order + order[::-1] and "de" in order + order[::-1]


def test_the_curve_has_a_step_for_each_temperature_and_shows_one():
    figure = views.bradley_terry_curve([0.5, 1.0, 2.0], start=1)
    assert [trace.visible for trace in figure.data[:3]] == [False, True, False]
    assert [step.label for step in figure.layout.sliders[0].steps] == ["0.5", "1", "2"]
    assert "73%" in figure.layout.title.text

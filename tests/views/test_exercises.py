"""The exercises' widgets without a kernel: what a click shows, and that text stays text."""

import json

import pytest

from helpers.views.exercises import ChoiceView, HelpView, ProgressView, RevealView, SliderView

HOSTILE = "<script>alert(1)</script> & `code`"


def test_hints_open_one_at_a_time():
    opened = []
    view = HelpView(["first", "second"], "def f(): ...", on_open=opened.append)
    view._more.click()
    assert "first" in view._hints.value
    assert "second" not in view._hints.value
    view._more.click()
    view._more.click()  # a button that is disabled can still be clicked from Python
    assert opened == ["hint", "hint"]
    assert view._more.description == "No more hints"


def test_solution_opens_and_closes():
    view = HelpView([], "a < b", on_open=lambda kind: None)
    view._show.click()
    assert "a &lt; b" in view._solution.value
    view._show.click()
    assert view._solution.value == ""


def test_choice_is_explained_marked_and_kept():
    kept = []
    view = ChoiceView("Which?", [("this", "because"), ("that", "no")], on_choose=kept.append)
    assert view.choices.state["chosen"] == -1
    view.choices._answer.value = json.dumps({"chosen": 1, "click": 0.5})  # what the browser's half sends
    assert kept == ["that"]
    assert (view.choices.state["chosen"], view.choices.state["sign"]) == (1, "")
    assert "no" in view._response.value
    assert "because" in ChoiceView("Which?", [("this", "because")], chosen="this")._response.value


def test_a_choice_says_whether_it_was_right():
    view = ChoiceView("Which?", [("this", "✓ Right. So."), ("that", "✗ Not quite. No.")], chosen="that")
    assert (view.choices.state["chosen"], view.choices.state["sign"]) == (1, "✗")
    view.choose("this")
    assert (view.choices.state["chosen"], view.choices.state["sign"]) == (0, "✓")
    assert "So." in view._response.value


def test_slider_keeps_what_it_shows():
    kept = []
    view = SliderView("How many?", (0, 1, 0.1), " %", on_choose=kept.append)
    assert kept == []
    view.slider.value = 0.3
    view._button.click()
    assert kept == [pytest.approx(0.3)]
    assert "0.3 %" in view._response.value


@pytest.mark.parametrize(
    "view",
    [
        HelpView([HOSTILE], HOSTILE, opened=1),
        ChoiceView(HOSTILE, [(HOSTILE, HOSTILE)], chosen=HOSTILE),
        SliderView(HOSTILE, (0, 1, 0.5)),
        RevealView(HOSTILE, True),
        ProgressView(HOSTILE, [(HOSTILE,) * 4]),
    ],
)
def test_text_is_shown_as_text(view):
    html = "".join(_html(view.widget))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def _html(widget):
    yield getattr(widget, "value", "") if type(widget).__name__ == "HTML" else ""
    for child in getattr(widget, "children", ()):
        yield from _html(child)


def test_stored_page_says_what_is_there():
    assert repr(HelpView([], "").widget) == "Hints and solution: run this cell to open them"
    assert repr(ChoiceView("Which?", []).widget) == "Which? (run this cell to answer)"

"""What is revealed of a case is closed at first, and shown as text."""

from helpers.exercises.labs.lab07 import QUESTIONS
from helpers.experiments.failure_cases import CASES
from helpers.views.failure_cases import revealed


def test_a_case_is_closed_and_its_lines_are_text():
    records = [{"step": step, "gold": 2.0 - 0.1 * step} for step in range(1, 11)]
    html = revealed("the <b>cause</b>", "The sign </s>.", ["- mask = ids != pad", "+ mask = x < y"], records)
    assert html.startswith("<details") and " open>" not in html.split(">")[0]
    assert "The &lt;b&gt;cause&lt;/b&gt;." in html and "The sign &lt;/s&gt;." in html
    assert "- mask = ids != pad\n+ mask = x &lt; y" in html
    assert "Gold reward 1.70 to 1.20." in html


def test_every_case_is_asked_about_once_with_the_right_cause_among_others():
    assert [question.name for question in QUESTIONS] == [case.name.replace("-", "_") for case in CASES]
    for question, case in zip(QUESTIONS, CASES, strict=True):
        (right,) = [choice for choice in question.choices if choice.right]
        assert right.says == case.sign
        assert len({choice.text for choice in question.choices}) == len(question.choices) >= 4
    places = {[choice.right for choice in question.choices].index(True) for question in QUESTIONS}
    assert len(places) >= 4  # not always the same one

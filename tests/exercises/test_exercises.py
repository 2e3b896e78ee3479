"""The checks of the exercises: what they see, what they refuse, what they keep, and that they never raise."""

import functools
import json
import operator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from helpers import exercises
from helpers.exercises import catalog
from helpers.exercises.calling import in_order_of_reference
from helpers.exercises.checking import judge
from helpers.exercises.progress import Progress
from helpers.exercises.questions import Choice, Forecast, Guess, Question, compared, is_right
from helpers.files import LabError
from tests.support.weighted_mean import EXERCISE, right, weighted_mean


@pytest.fixture(autouse=True)
def one_exercise(monkeypatch, tmp_path):
    """A student with an empty workspace, and one exercise and one question of each kind in the catalog."""
    monkeypatch.setenv("RLHF_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("RLHF_STUDENT", "ada")
    for name in ("RLHF_SOLUTIONS", "RLHF_VERDICTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(catalog.EXERCISES, "weighted_mean", EXERCISE)
    for question in QUESTIONS:
        monkeypatch.setitem(catalog.QUESTIONS, question.name, question)


QUESTIONS = (
    Question("best", "Which is best?", (Choice("this", "It is.", True), Choice("that", "It is `not`."))),
    Guess("share", "what share?", 0, 1, 0.1, close=0.05),
    Forecast("direction", "up or down?", ("up", "down")),
)


# --- What a check sees --------------------------------------------------------


def test_right_in_any_order_of_parameters_and_by_any_names():
    def other_order(weights, x):
        return right(x, weights)

    def other_names(values, w):
        return right(values, w)

    for answer in (right, other_order, other_names, lambda x, weights, power=1: right(x, weights) ** power):
        assert judge(EXERCISE, answer).status == "right"


def test_misconception_is_named():
    assert judge(EXERCISE, lambda x, weights: sum(x) / len(x)).misconception == "plain"


def test_mistake_is_named_though_the_gradient_is_wrong_too():
    assert judge(EXERCISE, lambda x, weights: x.mean().detach()).misconception == "plain"


def test_right_numbers_of_the_other_kind_are_refused():
    """The lab calculates on with them: a tensor has a gradient and a device, numpy has neither."""
    exercise = replace(EXERCISE, gradients=())
    assert judge(exercise, right).status == "right"
    verdict = judge(exercise, lambda x, weights: right(x, weights).numpy())
    assert (verdict.status, verdict.misconception) == ("wrong", None)
    assert "needs them as a torch tensor" in verdict.message

    exercise = replace(exercise, reference=lambda x, weights: right(x, weights).item())
    assert judge(exercise, lambda x, weights: right(x, weights).tolist()).status == "right"
    assert "needs plain numbers" in judge(exercise, right).message


def test_stub_is_to_do():
    def empty(x, weights):
        """Only a docstring."""
        ...

    def refuses(x, weights):
        raise NotImplementedError

    assert {judge(EXERCISE, answer).status for answer in (empty, refuses, weighted_mean, lambda x, weights: ...)} == {
        "todo"
    }


@pytest.mark.parametrize("raises", [lambda x, weights: x & weights, lambda x, weights: torch.nn.Module()(x)])
def test_a_not_implemented_error_of_torch_is_no_stub(raises):
    """It has them both from C and from Python, for arguments of the wrong kind."""
    with pytest.raises(NotImplementedError):
        raises(torch.ones(2), torch.ones(2))
    verdict = judge(EXERCISE, raises)
    assert verdict.status == "wrong"
    assert "NotImplementedError" in verdict.message


class Weigher:
    def __call__(self, x, weights):
        return right(x, weights)


@pytest.mark.parametrize("answer", [Weigher(), functools.partial(right), functools.partial(lambda a, b: right(a, b))])
def test_whatever_can_be_called_is_judged(answer):
    assert judge(EXERCISE, answer).status == "right"


def test_built_in_functions_are_judged():
    """They take no names, or none that is known."""
    exercise = replace(EXERCISE, gradients=(), reference=lambda x, weights: x * weights, misconceptions=())
    for answer in (torch.mul, torch.Tensor.mul, operator.mul):
        assert judge(exercise, answer).status == "right"
        x, weights = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 1.0])
        assert in_order_of_reference(exercise, answer)(x=x, weights=weights).tolist() == [3.0, 2.0]
    assert judge(exercise, torch.sub).status == "wrong"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda x, weights: (x * weights).sum() / weights.sum(), "a gradient flows to `weights`"),
        (lambda x, weights: float(right(x, weights)), "no gradient reaches `x`"),
        (lambda x, weights: -right(x, weights), "sign"),
        (lambda x, weights: right(x, weights).expand(2), "shape (2,), not ()"),
        (lambda x, weights: right(x, weights) * torch.nan, "NaN"),
        (lambda x, weights: print(end=""), "is a `return` missing"),
        (lambda x, weights: x @ torch.ones(99), "RuntimeError"),
        (lambda x: x, "its parameters are (x); it is called with (x, weights)"),
        (3, "not a function"),
        ("text", "not a function"),
    ],
)
def test_message_says_what_is_wrong(answer, says):
    verdict = judge(EXERCISE, answer)
    assert verdict.status == "wrong"
    assert verdict.misconception is None
    assert says in verdict.message


def test_changed_input_is_noticed():
    def in_place(x, weights):
        with torch.no_grad():
            x.mul_(2)
        return right(x / 2, weights)

    assert "changes its input `x`" in judge(EXERCISE, in_place).message


def test_remembered_outputs_do_not_pass():
    outputs = [weighted_mean(**case) for case in EXERCISE.cases(np.random.default_rng(0))]
    assert judge(EXERCISE, lambda x, weights: outputs[{4: 0, 3: 1, 1: 2}[len(x)]]).status == "wrong"


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.complex_numbers())
    | st.lists(st.one_of(st.floats(), st.text()), max_size=3)
    | st.dictionaries(st.text(), st.floats(), max_size=2)
)
def test_whatever_an_answer_returns_the_check_ends_with_a_verdict(value):
    assert judge(EXERCISE, lambda x, weights: value).status in ("wrong", "todo")


# --- check, hint and solution in a notebook -----------------------------------


def named(function, name="weighted_mean"):
    function.__name__ = name
    return function


def test_check_hands_on_the_right_answer_and_else_the_reference(capsys):
    mine = named(lambda x, weights: right(x, weights))
    assert exercises.check(mine) is mine
    assert exercises.check(named(lambda x, weights: x.mean())) is weighted_mean
    assert exercises.check(named(lambda x, weights: ...)) is weighted_mean
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "✓ `weighted_mean`: right. The lab goes on with your function."
    assert said[1].startswith("✗ `weighted_mean`: not yet: it is a plain mean.")


def test_an_answer_with_parameters_in_another_order_serves_the_lab_as_the_reference_would():
    answer = exercises.check(named(lambda weights, x: right(x, weights)))
    x, weights = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 1.0])
    assert answer(x, weights) == answer(x=x, weights=weights) == answer(x, weights=weights) == 1.25


def test_an_answer_with_names_of_its_own_serves_the_lab_as_the_reference_would():
    x, weights = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 1.0])
    for own in (named(lambda a, b: right(a, b)), named(lambda x, w: right(x, w))):
        answer = exercises.check(own)
        assert answer(x, weights) == answer(x=x, weights=weights) == answer(x, weights=weights) == 1.25


def weighed_otherwise(x, weights):
    return right(x, weights)


def test_a_lambda_or_an_alias_has_the_name_that_stands_in_the_call(monkeypatch):
    monkeypatch.setitem(catalog.EXERCISES, "weighed_otherwise", replace(EXERCISE, name="weighed_otherwise"))
    for code in ("lambda x, weights: x.mean()", "mean", "other"):
        names = {"check": exercises.check, "mean": np.mean, "other": weighed_otherwise, "weighted_mean": None}
        exec(f"weighted_mean = {code}\nweighted_mean = check(weighted_mean)", names)
        assert (names["weighted_mean"] is weighted_mean) == (code != "other")
    kept = Progress().all("verdict")
    assert [verdict["status"] for verdict in kept["weighted_mean"]] == ["wrong", "wrong", "right"]
    assert set(kept) == {"weighted_mean"}


def test_checking_twice_does_not_turn_wrong_into_to_do(capsys):
    names = {"check": exercises.check, "weighted_mean": lambda x, weights: x.mean()}
    again = "weighted_mean = check(weighted_mean)"
    for _ in range(3):
        exec(again, names)
    said = [line for line in capsys.readouterr().out.splitlines() if "weighted_mean" in line]
    assert "it is a plain mean" in said[0]
    assert all("✗" in line and "run the cell with your function again" in line for line in said[1:])
    assert len(said) == 3
    assert Progress().values("verdict", "weighted_mean") == [{"status": "wrong", "misconception": "plain"}]
    names["weighted_mean"] = named(lambda x, weights: right(x, weights))
    exec(again, names)
    exec(again, names)
    assert [verdict["status"] for verdict in Progress().values("verdict", "weighted_mean")] == ["wrong", *["right"] * 2]


def test_a_message_that_asks_ends_with_its_question_mark(capsys):
    exercises.check(named(lambda x, weights: print(end="")))
    assert "is a `return` missing? The lab goes on with its own." in capsys.readouterr().out


def test_the_workbooks_own_function_is_to_do_where_nothing_was_tried(capsys):
    assert exercises.check(weighted_mean) is weighted_mean
    assert capsys.readouterr().out.startswith("○ `weighted_mean`: to do.")


def test_unknown_name_is_said_and_the_function_kept(capsys):
    answer = named(lambda: 3, "wheighted_mean")
    assert exercises.check(answer) is answer
    assert "'wheighted_mean' is not the name of an exercise" in capsys.readouterr().out


def test_hints_open_one_at_a_time_and_the_solution_is_the_helper(capsys):
    for _ in range(3):
        exercises.hint("weighted_mean")
    exercises.solution("weighted_mean")
    said = capsys.readouterr().out
    assert said.startswith("Hint 1 of 2: Weigh.\nHint 2 of 2: Divide.\nHint 1 of 2: Weigh.\n")
    assert "weights = weights.detach()" in said
    with pytest.raises(LabError, match="there is no exercise 'mean'"):
        exercises.hint("mean")


def test_instructors_switch_shows_solutions(capsys, monkeypatch):
    monkeypatch.setenv("RLHF_SOLUTIONS", "1")
    exercises.check(named(lambda x, weights: ...))
    assert "weights = weights.detach()" in capsys.readouterr().out


def test_verdicts_go_to_the_graders_file(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_VERDICTS", str(tmp_path / "verdicts.jsonl"))
    exercises.check(named(lambda x, weights: x.mean()))
    row = json.loads((tmp_path / "verdicts.jsonl").read_text("utf-8"))
    assert (row["name"], row["status"], row["misconception"]) == ("weighted_mean", "wrong", "plain")


def test_progress_that_cannot_be_kept_stops_nothing(capsys, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("RLHF_WORK", str(tmp_path / "file"))
    assert exercises.check(named(lambda x, weights: x.mean())) is weighted_mean
    assert "Progress was not kept" in capsys.readouterr().out


# --- Questions and progress ---------------------------------------------------


def test_progress_is_kept_by_student_over_restarts(tmp_path):
    Progress(name="ada").add("answer", "best", "this")
    Progress(name="bob").add("answer", "best", "that")
    assert Progress(name="ada").values("answer", "best") == ["this"]
    assert Progress(tmp_path / "elsewhere.sqlite", "ada").all("answer") == {}


def test_progress_in_a_file_that_is_no_database(tmp_path):
    (tmp_path / "bad.sqlite").write_text("this is not a database, but long enough to look at" * 30)
    with pytest.raises(LabError, match="cannot keep progress"):
        Progress(tmp_path / "bad.sqlite").add("hint", "best", 1)


@pytest.mark.parametrize(
    ("question", "answer", "happened", "right", "says"),
    [
        (QUESTIONS[1], 0.5, 0.52, True, "Your prediction was close."),
        (QUESTIONS[1], 0.9, 0.52, False, "Your prediction was too high."),
        (QUESTIONS[1], 0.1, 0.52, False, "Your prediction was too low."),
        (QUESTIONS[2], "up", "up", True, "as you predicted"),
        (QUESTIONS[2], "up", "down", False, "you predicted: up"),
    ],
)
def test_prediction_is_compared(question, answer, happened, right, says):
    assert is_right(question, answer, happened) is right
    assert says in compared(question, answer, happened)
    assert "You made no prediction" in compared(question, None, happened)


def test_outcome_that_is_none_of_the_choices():
    with pytest.raises(ValueError, match="'sideways' is no outcome"):
        compared(QUESTIONS[2], "up", "sideways")


def test_every_question_has_exactly_one_right_choice_and_says_why():
    for question in catalog.QUESTIONS.values():
        if isinstance(question, Question):
            assert sum(choice.right for choice in question.choices) == 1, question.name
            assert all(choice.says for choice in question.choices)
            assert len({choice.text for choice in question.choices}) == len(question.choices)


def test_an_exercise_of_the_catalog():
    """The real catalog, once by hand: softplus of the negative gap is the loss."""
    exercise = catalog.EXERCISES["bradley_terry_loss"]
    assert judge(exercise, lambda chosen, rejected: F.softplus(rejected - chosen).mean()).status == "right"


def test_a_generator_that_does_not_start_from_the_seed_is_noticed():
    exercise = catalog.EXERCISES["bootstrap_mean_interval"]

    def unseeded(values, level=0.95, n_resamples=10_000, seed=0):
        means = np.random.default_rng().choice(values, (n_resamples, len(values))).mean(axis=1)
        return tuple(np.quantile(means, [(1 - level) / 2, (1 + level) / 2]))

    assert "`seed`" in judge(exercise, unseeded).message

"""The labs and the catalog tell one story: badge, deliverable, stub and check of every exercise, every question."""

import ast
import re

import pytest

from helpers.classroom.notebooks import read
from helpers.exercises.catalog import LABS
from helpers.exercises.checking import judge
from helpers.exercises.questions import Question
from helpers.files import ROOT

PATHS = {path.name[:2]: path for path in sorted((ROOT / "labs").glob("*.ipynb"))}
CALL = re.compile(r'^\s*(?:\w+ = )?(check|quiz|predict|reveal|progress)\(\s*"?(\w+)"?', re.MULTILINE)

every_lab = pytest.mark.parametrize("lab", LABS)


def sources(lab, kind):
    return [cell.source for cell in read(PATHS[lab]).cells if cell.cell_type == kind]


def calls(lab):
    found: dict[str, list[str]] = {}
    for source in sources(lab, "code"):
        for function, name in CALL.findall(source):
            found.setdefault(function, []).append(name)
    return found


@every_lab
def test_every_exercise_has_its_badge_deliverable_stub_and_check(lab):
    prose, code = "\n\n".join(sources(lab, "markdown")), sources(lab, "code")
    for exercise in LABS[lab].exercises:
        assert exercise.badge in prose
        assert f"**Deliver:** {exercise.deliver}" in prose
        cells = [source for source in code if f"{exercise.name} = check({exercise.name})" in source]
        assert len(cells) == 1, exercise.name
        stub = next(node for node in ast.parse(cells[0]).body if isinstance(node, ast.FunctionDef))
        namespace: dict = {}
        exec(compile(ast.Module([_bare(stub)], []), "stub", "exec"), namespace)
        assert tuple(argument.arg for argument in stub.args.args) == exercise.parameters
        assert ast.get_docstring(stub), f"{exercise.name}: the stub says no shapes"
        assert judge(exercise, namespace[exercise.name]).status == "todo"


def _bare(function):
    """Without annotations and decorators, whose names are defined elsewhere in the lab."""
    function.returns, function.decorator_list = None, []
    for argument in function.args.args:
        argument.annotation = None
    return function


@every_lab
def test_exercises_and_questions_come_in_the_order_of_the_catalog(lab):
    found, (exercises, questions) = calls(lab), LABS[lab]
    assert found.get("check", []) == [exercise.name for exercise in exercises]
    concepts = [question.name for question in questions if isinstance(question, Question)]
    predictions = [question.name for question in questions if not isinstance(question, Question)]
    assert found["quiz"] == concepts
    assert found.get("predict", []) == predictions
    assert sorted(found.get("reveal", [])) == sorted(predictions)
    assert found["progress"] == [lab]


def test_there_are_enough():
    assert sum(len(lab.exercises) for lab in LABS.values()) >= 30
    for lab in set(LABS) - {"07"}:  # the gallery is all questions
        exercises, questions = LABS[lab]
        assert len(exercises) >= 4
        assert sum(isinstance(question, Question) for question in questions) >= 4
        assert sum(not isinstance(question, Question) for question in questions) >= 3

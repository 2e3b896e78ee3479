"""Former names of exercises and questions: saved progress and old notebooks count, and every function takes them."""

import json
import sqlite3

import pytest

from helpers import exercises
from helpers.exercises import catalog
from helpers.exercises.aliases import ALIASES, current_name
from helpers.exercises.progress import Progress
from helpers.exercises.questions import DIRECTIONS
from helpers.files import ROOT, LabError

# All names as they were before some changed.
NAMES = json.loads((ROOT / "tests" / "golden" / "exercise_names.json").read_text("utf-8"))
# Questions that are asked no more: answers to them stay in the student's file and count for nothing.
RETIRED = {"adapters_off", "gold_at_high_temperature", "groups_after_eight", "one_digit"}
FORMER = {name: former for former, name in ALIASES.items()}


@pytest.fixture(autouse=True)
def student(monkeypatch, tmp_path):
    """A student with an empty workspace."""
    monkeypatch.setenv("RLHF_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("RLHF_STUDENT", "ada")
    for name in ("RLHF_SOLUTIONS", "RLHF_VERDICTS"):
        monkeypatch.delenv(name, raising=False)


def saved_before(kind: str, name: str, value) -> None:
    """An event in the student's file, under the name that was used then."""
    Progress().add(kind, "softmax", value)
    with sqlite3.connect(Progress().path) as connection:
        connection.execute("UPDATE events SET name = ? WHERE rowid = (SELECT max(rowid) FROM events)", (name,))
    connection.close()


def test_every_former_name_is_known():
    assert {current_name(name) for name in NAMES["exercises"]} <= set(catalog.EXERCISES)
    assert {current_name(name) for name in NAMES["questions"]} - RETIRED <= set(catalog.QUESTIONS)
    assert set(NAMES["questions"]) - set(catalog.QUESTIONS) >= RETIRED
    assert (len(set(NAMES["exercises"])), len(set(NAMES["questions"]))) == (49, 119)


def test_an_alias_leads_to_a_name_in_use_and_is_none_itself():
    names = set(catalog.EXERCISES) | set(catalog.QUESTIONS)
    assert set(ALIASES.values()) <= names
    assert not set(ALIASES) & names
    assert set(ALIASES) <= {*NAMES["exercises"], *NAMES["questions"]}
    assert len(set(ALIASES.values())) == len(ALIASES)


def test_check_judges_a_function_that_has_a_former_name(capsys):
    def supervised_loss(logprobs, mask):
        return -logprobs[mask].mean()

    assert exercises.check(supervised_loss) is supervised_loss
    assert exercises.check(lambda logprobs, mask: logprobs[mask].mean(), "supervised_loss") is reference("sft_loss")
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "✓ `sft_loss`: right. The lab goes on with your function."
    assert said[1].startswith("✗ `sft_loss`: not yet: the minus is missing")
    assert [verdict["status"] for verdict in Progress().values("verdict", "sft_loss")] == ["right", "wrong"]


def reference(name):
    return catalog.EXERCISES[name].reference


def test_hint_and_solution_take_a_former_name(capsys):
    exercises.hint(FORMER["quantize_nf4"])
    exercises.hint("quantize_nf4")
    exercises.solution(FORMER["quantize_nf4"])
    said = capsys.readouterr().out
    first, second = catalog.EXERCISES["quantize_nf4"].hints[:2]
    assert f"Hint 1 of 3: {first}\nHint 2 of 3: {second}\n" in said
    assert "def quantize_nf4(" in said
    assert Progress().values("solution", "quantize_nf4") == [True]
    with pytest.raises(LabError, match="no exercise 'quantizing'"):
        exercises.hint("quantizing")


@pytest.fixture
def displayed(monkeypatch):
    """The widgets that are shown."""
    widgets = []
    monkeypatch.setattr(exercises, "display", widgets.append)
    return widgets


def choose(panel, number):
    """Choose an answer as the browser's half of the widget does."""
    panel.children[1]._answer.value = json.dumps({"chosen": number, "click": 0.5})


def test_quiz_takes_a_former_name_and_keeps_the_answer_under_the_new_one(displayed):
    exercises.quiz(FORMER["normalize_when"])
    assert catalog.QUESTIONS["normalize_when"].asks in repr(displayed[0])
    choose(displayed[0], 0)
    assert Progress().values("answer", "normalize_when") == [catalog.QUESTIONS["normalize_when"].choices[0].text]
    with pytest.raises(LabError, match="no such question 'gold_of_pressed_policy'"):  # a prediction, not a quiz
        exercises.quiz("gold_of_pressed_policy")


def test_predict_and_reveal_take_a_former_name(displayed):
    exercises.predict("gold_of_pressed_policy")
    assert f"Predict: {catalog.QUESTIONS['gold_of_optimized_policy'].asks}" in repr(displayed[0])
    choose(displayed[0], DIRECTIONS.index("down"))
    exercises.reveal("gold_of_pressed_policy", "down")
    assert "✓ What happened: down; as you predicted." in displayed[1].children[0].value
    assert Progress().values("answer", "gold_of_optimized_policy") == ["down"]


@pytest.mark.parametrize(("former", "name"), ALIASES.items())
def test_progress_saved_under_a_former_name_counts(former, name):
    saved_before("verdict", former, {"status": "right", "misconception": None})
    assert [name for (name,) in rows("SELECT name FROM events")] == [former]
    Progress().add("verdict", former, 2)
    Progress().add("verdict", name, 3)
    for asked in (former, name):
        assert Progress().values("verdict", asked) == [{"status": "right", "misconception": None}, 2, 3]
    assert set(Progress().all("verdict")) == {name}
    assert [name for (name,) in rows("SELECT name FROM events")] == [former, name, name]


def rows(query):
    with sqlite3.connect(Progress().path) as connection:
        found = connection.execute(query).fetchall()
    connection.close()
    return found


def test_answers_to_questions_that_are_asked_no_more_do_no_harm(displayed):
    saved_before("answer", "one_digit", 0.5)
    exercises.progress("00")
    assert "Lab 00: 0 of" in displayed[0].children[0].value


def test_the_table_of_progress_counts_what_was_done_under_former_names(displayed):
    saved_before("verdict", FORMER["normalize_scores"], {"status": "right", "misconception": None})
    saved_before("answer", FORMER["normalize_when"], "whatever it was")
    exercises.progress("02")
    entries = len(catalog.LABS["02"].exercises) + len(catalog.LABS["02"].questions)
    assert f"Lab 02: 2 of {entries} done (ada)" in displayed[0].children[0].value

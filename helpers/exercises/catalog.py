"""All exercises and questions of the labs, by name and by lab."""

from typing import NamedTuple

from .exercise import Exercise
from .labs import lab00, lab01, lab02, lab03, lab04, lab05, lab06, lab07
from .questions import AnyQuestion


class Lab(NamedTuple):
    """The exercises and the questions of one lab, each in the order in which they come."""

    exercises: list[Exercise]
    questions: list[AnyQuestion]


LABS = {
    "00": Lab(lab00.EXERCISES, lab00.QUESTIONS),
    "01": Lab(lab01.EXERCISES, lab01.QUESTIONS),
    "02": Lab(lab02.EXERCISES, lab02.QUESTIONS),
    "03": Lab(lab03.EXERCISES, lab03.QUESTIONS),
    "04": Lab(lab04.EXERCISES, lab04.QUESTIONS),
    "05": Lab(lab05.EXERCISES, lab05.QUESTIONS),
    "06": Lab(lab06.EXERCISES, lab06.QUESTIONS),
    "07": Lab(lab07.EXERCISES, lab07.QUESTIONS),
}
EXERCISES: dict[str, Exercise] = {exercise.name: exercise for lab in LABS.values() for exercise in lab.exercises}
QUESTIONS: dict[str, AnyQuestion] = {question.name: question for lab in LABS.values() for question in lab.questions}

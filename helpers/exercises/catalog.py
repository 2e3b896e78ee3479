"""All exercises and questions of the labs, by name and by lab."""

from .exercise import Exercise
from .labs import lab00, lab01, lab02, lab03, lab04, lab05, lab06, lab07
from .questions import AnyQuestion

LABS = {"00": lab00, "01": lab01, "02": lab02, "03": lab03, "04": lab04, "05": lab05, "06": lab06, "07": lab07}
EXERCISES: dict[str, Exercise] = {exercise.name: exercise for lab in LABS.values() for exercise in lab.EXERCISES}
QUESTIONS: dict[str, AnyQuestion] = {question.name: question for lab in LABS.values() for question in lab.QUESTIONS}


def of_lab(lab: str) -> tuple[list[Exercise], list[AnyQuestion]]:
    """The exercises and questions of one lab ("00" ... "07"), in the order in which they come."""
    return LABS[lab].EXERCISES, LABS[lab].QUESTIONS

"""Answers of students to all exercises, written without a look at the catalog of known mistakes.

`UNSEEN` holds wrong answers, the five commonest of each exercise and some odd ones; `RIGHT` holds right ones in
unusual styles. A checker that only knows its own list of mistakes is put to the test by them.
"""

from importlib import import_module

from tests.exercises.unseen.record import Unseen

LABS = ("00a", "00b", "01a", "01b", "02a", "02b", "03a", "03b", "03c", "04a", "04b", "05", "06")
MODULES = [import_module(f"tests.exercises.unseen.lab{lab}") for lab in LABS]
UNSEEN = [answer for module in MODULES for answer in module.UNSEEN]
RIGHT = {exercise: answers for module in MODULES for exercise, answers in module.RIGHT.items()}
__all__ = ["RIGHT", "UNSEEN", "Unseen"]

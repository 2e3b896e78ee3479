"""Lab 07, the failure gallery: questions only."""

from ...exercise import Exercise
from .questions import QUESTIONS

EXERCISES: list[Exercise] = []

__all__ = ["EXERCISES", "QUESTIONS"]

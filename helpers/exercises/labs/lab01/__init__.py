"""Lab 01, preferences: annotators, agreement, strengths from comparisons."""

from .agreement import COHEN_KAPPA, WIN_RATE_WITH_TIES
from .bradley_terry import BRADLEY_TERRY_PROBABILITY, BRADLEY_TERRY_STRENGTHS, ELO_UPDATE
from .questions import QUESTIONS
from .ratings import STANDARDIZE_RATINGS

EXERCISES = [
    STANDARDIZE_RATINGS,
    COHEN_KAPPA,
    BRADLEY_TERRY_PROBABILITY,
    BRADLEY_TERRY_STRENGTHS,
    ELO_UPDATE,
    WIN_RATE_WITH_TIES,
]

__all__ = ["EXERCISES", "QUESTIONS"]

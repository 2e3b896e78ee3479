"""Lab 01, preferences: annotators, agreement, strengths from comparisons."""

from .agreement import COHEN_KAPPA
from .bradley_terry import BRADLEY_TERRY_PROBABILITY
from .elo import ELO_UPDATE
from .questions import QUESTIONS
from .ratings import STANDARDIZE_RATINGS
from .strengths import BRADLEY_TERRY_STRENGTHS
from .ties import WIN_RATE_WITH_TIES

EXERCISES = [
    COHEN_KAPPA,
    BRADLEY_TERRY_PROBABILITY,
    STANDARDIZE_RATINGS,
    BRADLEY_TERRY_STRENGTHS,
    ELO_UPDATE,
    WIN_RATE_WITH_TIES,
]

__all__ = ["EXERCISES", "QUESTIONS"]

"""Lab 05, overoptimization: best of n from one pool, where a fit turns, ensembles, and result or noise."""

from .best_of_n import BEST_OF_N_PROBABILITIES
from .effect_size import EFFECT_SIZE
from .ensembles import CONSERVATIVE_SCORE
from .questions import QUESTIONS
from .turning_point import RL_TURNING_POINT

EXERCISES = [
    EFFECT_SIZE,
    BEST_OF_N_PROBABILITIES,
    RL_TURNING_POINT,
    CONSERVATIVE_SCORE,
]

__all__ = ["EXERCISES", "QUESTIONS"]

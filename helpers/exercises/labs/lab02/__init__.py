"""Lab 02, the reward model: its loss, its accuracy and calibration, best of n."""

from .accuracy import PAIR_ACCURACY
from .best_of_n import BEST_OF_N, BEST_OF_N_KL
from .calibration import EXPECTED_CALIBRATION_ERROR
from .losses import BRADLEY_TERRY_LOSS, MARGIN_LOSS
from .questions import QUESTIONS
from .scores import NORMALIZE_SCORES

EXERCISES = [
    BRADLEY_TERRY_LOSS,
    PAIR_ACCURACY,
    NORMALIZE_SCORES,
    BEST_OF_N,
    BEST_OF_N_KL,
    EXPECTED_CALIBRATION_ERROR,
    MARGIN_LOSS,
]

__all__ = ["EXERCISES", "QUESTIONS"]

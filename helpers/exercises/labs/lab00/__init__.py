"""Lab 00, the start: the loss of supervised tuning, intervals, the bandit and REINFORCE."""

from .bandit import EXPECTED_REWARD_GRADIENT, LOGPROB_GRADIENT, REINFORCE_UPDATE, SOFTMAX
from .intervals import BOOTSTRAP_MEAN_INTERVAL
from .questions import QUESTIONS
from .sft_loss import SFT_LOSS

EXERCISES = [
    SFT_LOSS,
    BOOTSTRAP_MEAN_INTERVAL,
    SOFTMAX,
    LOGPROB_GRADIENT,
    EXPECTED_REWARD_GRADIENT,
    REINFORCE_UPDATE,
]

__all__ = ["EXERCISES", "QUESTIONS"]

"""Lab 00, the start: the bandit and REINFORCE, the loss of supervised tuning, intervals."""

from .bandit import LOGPROB_GRADIENT
from .expected_reward import EXPECTED_REWARD_GRADIENT
from .intervals import BOOTSTRAP_MEAN_INTERVAL
from .questions import QUESTIONS
from .reinforce import REINFORCE_UPDATE
from .sft_loss import SFT_LOSS
from .softmax import SOFTMAX

EXERCISES = [
    SOFTMAX,
    LOGPROB_GRADIENT,
    REINFORCE_UPDATE,
    SFT_LOSS,
    BOOTSTRAP_MEAN_INTERVAL,
    EXPECTED_REWARD_GRADIENT,
]

__all__ = ["EXERCISES", "QUESTIONS"]

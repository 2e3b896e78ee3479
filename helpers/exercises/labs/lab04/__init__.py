"""Lab 04, prompting: prompts, votes, decoding, diversity and embeddings."""

from .diversity import DIVERSITY
from .embeddings import COSINE_SIMILARITY
from .few_shot import FEW_SHOT_PROMPT
from .questions import QUESTIONS
from .self_consistency import SELF_CONSISTENCY_VOTE
from .temperature import TEMPERATURE_PROBABILITIES
from .top_p import TOP_P

EXERCISES = [
    FEW_SHOT_PROMPT,
    SELF_CONSISTENCY_VOTE,
    TEMPERATURE_PROBABILITIES,
    TOP_P,
    DIVERSITY,
    COSINE_SIMILARITY,
]

__all__ = ["EXERCISES", "QUESTIONS"]

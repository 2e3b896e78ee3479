"""Lab 06, direct alignment: the policy that DPO aims at, baselines from a group, mixtures of adapters."""

from .adapters import MIXED_UPDATE
from .dpo import IMPLICIT_REWARD, OPTIMAL_POLICY
from .group_advantages import GROUP_ADVANTAGES
from .questions import QUESTIONS

EXERCISES = [
    OPTIMAL_POLICY,
    IMPLICIT_REWARD,
    GROUP_ADVANTAGES,
    MIXED_UPDATE,
]

__all__ = ["EXERCISES", "QUESTIONS"]

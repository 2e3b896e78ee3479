"""Former names of exercises and questions, which saved progress and students' notebooks may still use."""

from __future__ import annotations

ALIASES = {
    # exercises
    "best_of_n_chances": "best_of_n_probabilities",
    "best_policy": "optimal_policy",
    "dequantise_nf4": "dequantize_nf4",  # codespell:ignore
    "implied_reward": "implicit_reward",
    "kl_penalised_rewards": "kl_penalized_rewards",  # codespell:ignore
    "normalise_scores": "normalize_scores",  # codespell:ignore
    "quantise_nf4": "quantize_nf4",  # codespell:ignore
    "standardise_ratings": "standardize_ratings",  # codespell:ignore
    "supervised_loss": "sft_loss",
    # questions
    "gold_of_pressed_policy": "gold_of_optimized_policy",
    "normalise_when": "normalize_when",  # codespell:ignore
    "several_behaviours": "several_behaviors",  # codespell:ignore
    "told_in_capitals": "asked_in_capitals",
    "what_reinforcement_is_told": "what_rl_learns_from",
    "why_again": "why_label_in_rounds",
}
"""Former name -> name now."""


def current_name(name: str) -> str:
    """The name that an exercise or question has now, given that name or a former one; other names stay."""
    return ALIASES.get(name, name)

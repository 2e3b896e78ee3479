"""Questions of lab 05, predictions among them."""

from __future__ import annotations

from ...questions import DIRECTIONS, AnyQuestion, Choice, Forecast, Guess, Question

QUESTIONS: list[AnyQuestion] = [
    Guess(
        "improvements_by_chance",
        "how many of the 20 comparisons of a model with itself will differ by 0.2 or more, up or down?",
        0,
        20,
        1,
        close=2,
    ),
    Question(
        "ten_prompts",
        "A report compares before and after RLHF on ten prompts: the mean score rose by 0.3. What does it show?",
        (
            Choice(
                "That RLHF helped: the score rose",
                "Equal models differed by as much above, in both directions.",
            ),
            Choice(
                "That RLHF did nothing: ten prompts are too few to matter",
                "It may have helped. Too little data is no evidence of no effect.",
            ),
            Choice(
                "Nothing yet: without an interval over prompts one cannot tell it from chance",
                "Ask for the interval, for more prompts, and for more than one training seed.",
                True,
            ),
        ),
    ),
    Forecast(
        "weak_best_of_256",
        "a reward model of 64 labels keeps the best of 256 instead of the best of 16: which way does gold reward go?",
        DIRECTIONS,
    ),
    Forecast(
        "gaussian_error",
        "the proxy is the gold reward plus an independent Gaussian error of the same size. From the best of 256 to the "
        "best of 4,096, which way does the mean gold reward go?",
        DIRECTIONS,
    ),
    Question(
        "why_it_falls",
        "Why does the gold reward fall when a weak reward model chooses among more samples?",
        (
            Choice(
                "Among more samples there are fewer good ones",
                "The share of good ones is the same, and there are more of them to choose from.",
            ),
            Choice(
                "Scores are noisy, and the highest of many noisy scores is mostly luck",
                "Then the score promises too much (regressional Goodhart). But with Gaussian noise the simulated gold "
                "reward still rises with every n: noise like that flattens the curve and never lowers it.",
            ),
            Choice(
                "The highest scores of many go to texts unlike the labeled ones, and there score and gold go apart",
                "Extremal Goodhart: what holds for usual texts does not hold for extreme ones. Errors with very heavy "
                "tails also make it fall, back to that of one random sample; these errors have light ones.",
                True,
            ),
            Choice(
                "The SFT model gets worse as it is sampled more often",
                "It does not change at all: one pool serves every n.",
            ),
            Choice(
                "The reward model was not normalized",
                "A shift or a scale changes no order, and the order is all that best-of-n uses.",
            ),
        ),
    ),
    Forecast(
        "gold_of_optimized_policy",
        "after 45 updates against 64 labels without a KL penalty, which way will gold reward have gone?",
        DIRECTIONS,
    ),
    Question(
        "without_gold",
        "In real life there is no gold reward. What tells you that a policy is overoptimized?",
        (
            Choice(
                "The proxy reward begins to fall",
                "PPO raises it for as long as it runs: here the proxy rose while the gold reward fell.",
            ),
            Choice(
                "The loss of the value function goes up",
                "It follows the proxy reward, and knows as little of gold.",
            ),
            Choice(
                "Fresh human labels, or reward models trained on other labels, stop liking its texts better",
                "Whatever the policy did not learn to exploit can judge it. KL says how far to be worried.",
                True,
            ),
            Choice(
                "Nothing can tell",
                "Something can: judges that the policy was not trained against, and reading its texts.",
            ),
        ),
    ),
    Forecast(
        "best_remedy",
        "which remedy leaves the most gold reward after 80 updates?",
        (
            "KL coefficient 0.05",
            "KL coefficient 0.2",
            "early stopping",
            "ensemble",
            "length penalty",
            "256 labels",
            "1,024 labels",
            "8,000 labels",
        ),
    ),
    Forecast(
        "loss_on_human_texts",
        "the loss on TL;DRs that people wrote, with the policy's adapter on, against the SFT adapter's: which way?",
        DIRECTIONS,
    ),
    Question(
        "what_is_left",
        "The overoptimized policy writes nonsense. You switch its adapter off. What does the model write?",
        (
            Choice(
                "Nonsense: the training has overwritten what it knew",
                "The base's weights were frozen. All that was learned is in the adapter.",
            ),
            Choice(
                "Exactly what the base model wrote before",
                "Its weights were frozen, so this is true after any training: it says nothing about what the training "
                "did. To see that, measure with the adapter on.",
                True,
            ),
            Choice(
                "Something between the two",
                "There is nothing between: the adapter is added, or it is not.",
            ),
        ),
    ),
]

"""Exercises of lab 02: accuracy and calibration of a reward model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit

from ....formulas import statistics
from ...exercise import Arguments, Exercise, Misconception


def _scores_with_ties(rng: np.random.Generator) -> list[Arguments]:
    def pairs(n: int, tied: int) -> Arguments:
        chosen, rejected = rng.normal(0.5, 2, size=n), rng.normal(size=n)
        chosen[:2] = rejected[:2] + [1, -1]  # one right and one wrong at least
        chosen[n - tied :] = rejected[n - tied :]
        order = rng.permutation(n)
        return {"chosen": chosen[order], "rejected": rejected[order]}

    return [pairs(12, 3), pairs(7, 4), pairs(20, 0), pairs(3, 1)]


PAIR_ACCURACY = Exercise(
    name="pair_accuracy",
    title="How often is it right?",
    minutes=5,
    difficulty=1,
    deliver="The share of pairs whose chosen text scores higher than the rejected one, equal scores counting half.",
    reference=statistics.pair_accuracy,
    cases=_scores_with_ties,
    hints=(
        "`chosen > rejected` is true where it is right; the mean of booleans is a share.",
        "A judge that gives every text the same score knows nothing: it must come out at 0.5.",
        "Add half of `chosen == rejected` before you take the mean.",
    ),
    misconceptions=(
        Misconception(
            "ties right",
            "equal scores count as right: a judge that gives every text the same score would be right every time",
            lambda chosen, rejected: (chosen >= rejected).mean(),
        ),
        Misconception(
            "ties wrong",
            "equal scores count as wrong: a judge that gives every text the same score would be worse than a coin",
            lambda chosen, rejected: (chosen > rejected).mean(),
        ),
        Misconception(
            "ties dropped",
            "it leaves out the pairs with equal scores: a judge could abstain wherever it is hard and look good. They "
            "count half",
            lambda chosen, rejected: (chosen > rejected)[chosen != rejected].mean(),
        ),
        Misconception(
            "margin",
            "that is the mean difference of the scores: one pair judged with a huge gap would outweigh many wrong "
            "ones. "
            "Count the pairs",
            lambda chosen, rejected: (chosen - rejected).mean(),
        ),
        Misconception(
            "probability",
            "that is the mean probability that the model gives to what was chosen; accuracy counts how often the order "
            "is right, however sure the model is",
            lambda chosen, rejected: expit(chosen - rejected).mean(),
        ),
        Misconception(
            "swapped",
            "that is the share of pairs it gets wrong: right is where the *chosen* text scores higher",
            lambda chosen, rejected: ((chosen < rejected) + 0.5 * (chosen == rejected)).mean(),
        ),
    ),
)


def _predictions(rng: np.random.Generator) -> list[Arguments]:
    def predictions(n: int, lowest: float, bins: int, certain: int = 0) -> Arguments:
        confidence = rng.uniform(lowest, 1, size=n)
        correct = rng.random(n) < 0.2 + 0.6 * confidence
        confidence[:certain] = 1.0
        correct[: certain // 2] = False
        return {"confidence": confidence, "correct": correct, "bins": bins}

    return [predictions(200, 0.5, 10), predictions(80, 0.1, 5), predictions(50, 0.5, 10, 8), predictions(1, 0.6, 10)]


def _calibration(
    combine: Callable[[np.ndarray, np.ndarray], float],
    confidence_of: Callable[[int, np.ndarray, int], float] = lambda bin_of, confidence, bins: confidence.mean(),
) -> Callable[..., float]:
    """An error made from other things: combine(weights, gaps) of the bins that hold something."""

    def wrong(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
        bin_of = statistics.calibration_bin(confidence, bins)
        groups = [(b, bin_of == b) for b in np.unique(bin_of)]
        weights = np.array([here.mean() for _, here in groups])
        gaps = [correct[here].mean() - confidence_of(b, confidence[here], bins) for b, here in groups]
        return combine(weights, np.array(gaps))

    return wrong


def _flipped(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
    flipped = confidence < 0.5
    return _weighted(np.where(flipped, 1 - confidence, confidence), correct != flipped, bins)


def _without_the_certain(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
    left = confidence < 1
    return _weighted(confidence[left], correct[left], bins) * left.mean() if left.any() else 0.0


_weighted = _calibration(lambda weights, gaps: weights @ np.abs(gaps))


EXPECTED_CALIBRATION_ERROR = Exercise(
    name="expected_calibration_error",
    title="Does it know how sure to be?",
    minutes=15,
    difficulty=2,
    deliver="The expected calibration error: |accuracy - mean confidence| in each of `bins` equal parts of [0, 1], "
    "averaged with the number of predictions as weights.",
    reference=statistics.expected_calibration_error,
    cases=_predictions,
    hints=(
        "Sort the predictions into bins by their confidence; bin b of 10 goes from b/10 to (b + 1)/10.",
        "In each bin compare two means: of `correct`, and of the confidences that are in it. Empty bins do not count.",
        "Weigh each distance by the bin's share of all predictions. A confidence of 1 belongs to the last bin: "
        "`np.minimum((confidence * bins).astype(int), bins - 1)`.",
    ),
    misconceptions=(
        Misconception(
            "unweighted",
            "every bin weighs the same: a bin with two predictions moves it as much as one with two hundred. Weigh by "
            "the number in the bin",
            _calibration(lambda weights, gaps: np.abs(gaps).mean()),
        ),
        Misconception(
            "signed",
            "the gaps keep their signs: too sure in one bin and not sure enough in another cancel, and the result "
            "looks "
            "well calibrated. Take the distance in each bin",
            _calibration(lambda weights, gaps: weights @ gaps),
        ),
        Misconception(
            "overall",
            "it compares the overall accuracy with the overall confidence: one bin for all, in which errors of "
            "opposite "
            "sign cancel",
            _calibration(lambda weights, gaps: abs(weights @ gaps)),
        ),
        Misconception(
            "squared",
            "the gaps are squared, as in a Brier score: 0.1 off would count 0.01. Take the absolute distance",
            _calibration(lambda weights, gaps: weights @ gaps**2),
        ),
        Misconception(
            "largest",
            "that is the largest gap of any bin (the *maximum* calibration error), mostly that of a bin with few "
            "predictions; the expected one is the weighted mean",
            _calibration(lambda weights, gaps: np.abs(gaps).max()),
        ),
        Misconception(
            "bin center",
            "it takes the middle of the bin for its confidence: a bin's predictions may all lie near one edge. Take "
            "the "
            "mean of the confidences in it",
            _calibration(
                lambda weights, gaps: weights @ np.abs(gaps), lambda bin_of, confidence, bins: (bin_of + 0.5) / bins
            ),
        ),
        Misconception(
            "flipped",
            "it turns confidences below 0.5 round: the confidence given is of the prediction whose correctness is "
            "given; take both as they are",
            _flipped,
        ),
        Misconception(
            "certainty lost",
            "predictions with a confidence of exactly 1 fall out of the last bin: the surest ones, where "
            "errors cost most, go unseen",
            _without_the_certain,
        ),
    ),
)

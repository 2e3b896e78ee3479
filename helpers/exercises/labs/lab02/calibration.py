"""Exercise of lab 02: the calibration of a reward model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ....formulas import statistics
from ...exercise import Arguments, Exercise, Misconception

Combine = Callable[[np.ndarray, np.ndarray], Any]
"""Makes one number of the weights and the gaps of the bins that hold something."""


def _predictions(rng: np.random.Generator) -> list[Arguments]:
    def predictions(n: int, lowest: float, bins: int, certain: int = 0) -> Arguments:
        confidence = rng.uniform(lowest, 1, size=n)
        correct = rng.random(n) < 0.2 + 0.6 * confidence
        confidence[:certain] = 1.0
        correct[: certain // 2] = False
        return {"confidence": confidence, "correct": correct, "bins": bins}

    random = [predictions(200, 0.5, 10), predictions(80, 0.1, 5), predictions(50, 0.5, 10, 8), predictions(1, 0.6, 10)]
    ends = {
        "confidence": np.array([0.0, 0.05, 1.0, 0.97, 0.55, 0.61]),
        "correct": np.array([True, False, False, True, True, False]),
        "bins": 4,
    }
    not_sure_enough = {
        "confidence": np.array([0.1, 0.15, 0.9, 0.95]),
        "correct": np.array([True, True, True, False]),
        "bins": 5,
    }
    return [*random, predictions(150, 0.0, 15), ends, not_sure_enough, {**predictions(40, 0.0, 1), "bins": 1}]


def _by_bin(
    combine: Combine,
    bin_of: Callable[[np.ndarray, int], np.ndarray] = statistics.calibration_bin,
    confidence_of: Callable[[float, np.ndarray, int], float] = lambda number, confidence, bins: confidence.mean(),
) -> Callable[..., float]:
    """An error made from other things."""

    def wrong(confidence: np.ndarray, correct: np.ndarray, bins: int) -> Any:
        places = bin_of(confidence, bins)
        groups = [(number, places == number) for number in np.unique(places)]
        weights = np.array([here.mean() for _, here in groups])
        gaps = [correct[here].mean() - confidence_of(number, confidence[here], bins) for number, here in groups]
        return combine(weights, np.array(gaps))

    return wrong


def _mean_distance(weights: np.ndarray, gaps: np.ndarray) -> float:
    return weights @ np.abs(gaps)


_weighted = _by_bin(_mean_distance)


def _part_of_bin(part: float) -> Callable[[float, np.ndarray, int], float]:
    return lambda number, confidence, bins: (number + part) / bins


def _in_fixed_bins(fixed: int) -> Callable[..., float]:
    return lambda confidence, correct, bins: _weighted(confidence, correct, fixed)


def _flipped(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
    flipped = confidence < 0.5
    return _weighted(np.where(flipped, 1 - confidence, confidence), correct != flipped, bins)


def _left_out(lost: Callable[[np.ndarray], np.ndarray], of_all: bool) -> Callable[..., float]:
    """Without some predictions, in the bins or in the number of all, too."""

    def wrong(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
        left = ~lost(confidence)
        if not left.any():
            return 0.0
        return _weighted(confidence[left], correct[left], bins) * (left.mean() if of_all else 1)

    return wrong


def _out_of_range(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
    if (confidence == 1).any():
        raise IndexError(bins)
    return _weighted(confidence, correct, bins)


def _over_all_bins(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
    held = len(np.unique(statistics.calibration_bin(confidence, bins)))
    return _by_bin(lambda weights, gaps: np.abs(gaps).mean())(confidence, correct, bins) * held / bins


def _nan_if_any_is_empty(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
    held = len(np.unique(statistics.calibration_bin(confidence, bins)))
    return _weighted(confidence, correct, bins) if held == bins else np.nan


def _between(low: Callable[[np.ndarray], float]) -> Callable[[np.ndarray, int], np.ndarray]:
    """Bins of a part of [0, 1] only."""

    def bin_of(confidence: np.ndarray, bins: int) -> np.ndarray:
        lowest, highest = low(confidence), 1.0 if low(np.array([0.7])) == 0.5 else confidence.max()
        width = (highest - lowest) or 1.0
        return np.clip(np.floor((confidence - lowest) / width * bins), -1, bins - 1)

    return bin_of


def _equally_full(confidence: np.ndarray, bins: int) -> np.ndarray:
    ranks = confidence.argsort(kind="stable").argsort(kind="stable")
    return ranks * bins // len(confidence)


def _in_pieces(confidence: np.ndarray, bins: int) -> np.ndarray:
    pieces = np.array_split(np.arange(len(confidence)), bins)
    number = np.concatenate([np.full(len(piece), at) for at, piece in enumerate(pieces)])
    places = np.empty(len(confidence))
    places[confidence.argsort(kind="stable")] = number
    return places


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
            (_by_bin(lambda weights, gaps: np.abs(gaps).mean()), _over_all_bins),
        ),
        Misconception(
            "not divided",
            "it sums the gaps of the bins and takes no mean: weigh each by the bin's share of all predictions",
            lambda confidence, correct, bins: _by_bin(lambda weights, gaps: np.abs(gaps).sum())(
                confidence, correct, bins
            ),
        ),
        Misconception(
            "not a share",
            "each gap is weighed by the number in its bin, but the sum is not divided by the number of all predictions",
            (
                lambda confidence, correct, bins: _weighted(confidence, correct, bins) * len(confidence),
                lambda confidence, correct, bins: _weighted(confidence, correct, bins) * len(confidence) / bins,
                lambda confidence, correct, bins: _weighted(confidence, correct, bins) / bins,
            ),
        ),
        Misconception(
            "signed",
            "the gaps keep their signs: too sure in one bin and not sure enough in another cancel, and the result "
            "looks well calibrated. Take the distance in each bin",
            (
                _by_bin(lambda weights, gaps: weights @ gaps),
                _by_bin(lambda weights, gaps: weights @ -gaps),
                _by_bin(lambda weights, gaps: gaps.mean()),
                _by_bin(lambda weights, gaps: -gaps.mean()),
            ),
        ),
        Misconception(
            "too sure only",
            "it counts only the bins in which the model is too sure (or only those in which it is not sure enough): "
            "both are wrong by their distance",
            (
                _by_bin(lambda weights, gaps: weights @ np.maximum(-gaps, 0)),
                _by_bin(lambda weights, gaps: weights @ np.maximum(gaps, 0)),
            ),
        ),
        Misconception(
            "overall",
            "it compares the overall accuracy with the overall confidence: one bin for all, in which errors of "
            "opposite sign cancel",
            (
                _by_bin(lambda weights, gaps: abs(weights @ gaps)),
                _by_bin(lambda weights, gaps: abs(gaps.mean())),
            ),
        ),
        Misconception(
            "squared",
            "the gaps are squared, as in a Brier score: 0.1 off would count 0.01. Take the absolute distance",
            (
                _by_bin(lambda weights, gaps: weights @ gaps**2),
                _by_bin(lambda weights, gaps: np.sqrt(weights @ gaps**2)),
                _by_bin(lambda weights, gaps: (gaps**2).mean()),
                lambda confidence, correct, bins: ((correct - confidence) ** 2).mean(),
            ),
        ),
        Misconception(
            "no bins",
            "it takes the distance of each prediction by itself, without bins: one prediction is right or wrong, so it "
            "is never as sure as it is right. Compare the two means of each bin",
            lambda confidence, correct, bins: np.abs(correct - confidence).mean(),
        ),
        Misconception(
            "largest",
            "that is the largest gap of any bin (the *maximum* calibration error), mostly that of a bin with few "
            "predictions; the expected one is the weighted mean",
            _by_bin(lambda weights, gaps: np.abs(gaps).max()),
        ),
        Misconception(
            "bin center",
            "it takes the middle or an edge of the bin for its confidence: a bin's predictions may all lie near one "
            "edge. Take the mean of the confidences in it",
            tuple(
                _by_bin(combine, confidence_of=_part_of_bin(part))
                for combine in (_mean_distance, lambda weights, gaps: np.abs(gaps).mean())
                for part in (0.5, 0.0, 1.0)
            ),
        ),
        Misconception(
            "ten bins",
            "the number of bins is fixed: take as many as `bins` says",
            tuple(map(_in_fixed_bins, (10, 5, 15, 20, 11))),
        ),
        Misconception(
            "one bin too few or too many",
            "the number of bins is one off: `bins` bins have bins + 1 edges (`np.linspace(0, 1, bins + 1)`)",
            (
                lambda confidence, correct, bins: _weighted(confidence, correct, bins - 1) if bins > 1 else 0.0,
                lambda confidence, correct, bins: _weighted(confidence, correct, bins + 1),
                lambda confidence, correct, bins: _by_bin(
                    _mean_distance, lambda c, b: np.minimum(np.floor(c * (b - 1)), b - 1)
                )(confidence, correct, bins),
            ),
        ),
        Misconception(
            "rounded",
            "it rounds to the nearest bin, so that the first and the last are half as wide: cut off (`astype(int)`), "
            "do not round",
            (
                _by_bin(_mean_distance, lambda confidence, bins: np.round(confidence * bins)),
                _by_bin(_mean_distance, lambda confidence, bins: np.minimum(np.round(confidence * bins), bins - 1)),
                _by_bin(_mean_distance, lambda confidence, bins: np.round(confidence * (bins - 1))),
            ),
        ),
        Misconception(
            "a part of [0, 1]",
            "the bins do not go from 0 to 1, but from the smallest confidence (or from 0.5): then the same prediction "
            "is in another bin for each set of texts. The edges are `np.linspace(0, 1, bins + 1)`",
            (
                _by_bin(_mean_distance, _between(np.min)),
                _by_bin(_mean_distance, _between(lambda confidence: 0.5)),
            ),
        ),
        Misconception(
            "equally full",
            "the bins hold equally many predictions (quantiles): here they are equally *wide*, whatever they hold",
            (_by_bin(_mean_distance, _equally_full), _by_bin(_mean_distance, _in_pieces)),
        ),
        Misconception(
            "flipped",
            "it turns confidences below 0.5 round: the confidence given is of the prediction whose correctness is "
            "given; take both as they are",
            _flipped,
        ),
        Misconception(
            "empty bins",
            "right where no bin is empty, but the mean of an empty bin is NaN, and it spoils the sum. Leave the empty "
            "bins out",
            _nan_if_any_is_empty,
        ),
        Misconception(
            "certainty lost",
            "predictions with a confidence of exactly 1 fall out of the last bin: the surest ones, where "
            "errors cost most, go unseen",
            (
                _left_out(lambda confidence: confidence == 1, of_all=True),
                _left_out(lambda confidence: confidence == 1, of_all=False),
                _out_of_range,
            ),
        ),
        Misconception(
            "certainty apart",
            "predictions with a confidence of exactly 1 get a bin of their own, one more than there are: they belong "
            "to the last bin",
            _by_bin(_mean_distance, lambda confidence, bins: np.floor(confidence * bins)),
        ),
        Misconception(
            "zero lost",
            "predictions with a confidence of exactly 0 fall out of the first bin: they belong to it",
            (
                _left_out(lambda confidence: confidence == 0, of_all=True),
                _left_out(lambda confidence: confidence == 0, of_all=False),
            ),
        ),
    ),
)

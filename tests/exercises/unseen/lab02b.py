"""Lab 02, second part: calibration, normalizing and best of n, as students write them."""

import math

import numpy as np
import torch

from tests.exercises.unseen.record import IN_PLACE, SIGN, Unseen

# expected_calibration_error


def ece_bins(confidence, correct, bins):
    edges = np.linspace(0, 1, bins + 1)
    which = np.clip(np.digitize(confidence, edges) - 1, 0, bins - 1)
    return [which == b for b in range(bins) if (which == b).any()]


def ece_unweighted(confidence, correct, bins):  # every bin weighs the same
    gaps = [abs(correct[m].mean() - confidence[m].mean()) for m in ece_bins(confidence, correct, bins)]
    return float(np.mean(gaps))


def ece_signed(confidence, correct, bins):  # no absolute value: gaps cancel
    parts = ece_bins(confidence, correct, bins)
    return sum(m.mean() * (correct[m].mean() - confidence[m].mean()) for m in parts)


def ece_loses_one(confidence, correct, bins):  # a confidence of exactly 1 falls out of the last bin
    total = 0.0
    for b in range(bins):
        inside = (confidence >= b / bins) & (confidence < (b + 1) / bins)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    return total


def ece_midpoints(confidence, correct, bins):  # the middle of the bin for the mean confidence
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    total = 0.0
    for b in np.unique(which):
        m = which == b
        total += m.sum() / len(confidence) * abs(correct[m].mean() - (b + 0.5) / bins)
    return total


def ece_empty_bins(confidence, correct, bins):  # the mean of an empty bin is NaN
    which = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    with np.errstate(all="ignore"):
        acc = np.bincount(which, correct, bins) / np.bincount(which, minlength=bins)
        conf = np.bincount(which, confidence, bins) / np.bincount(which, minlength=bins)
    return float(np.sum(np.bincount(which, minlength=bins) / len(which) * np.abs(acc - conf)))


def ece_maximum(confidence, correct, bins):  # the largest gap
    return max(abs(correct[m].mean() - confidence[m].mean()) for m in ece_bins(confidence, correct, bins))


def ece_equal_mass(confidence, correct, bins):  # bins of equally many predictions
    parts = np.array_split(np.argsort(confidence), bins)
    gaps = [len(i) * abs(np.mean(correct[i]) - np.mean(confidence[i])) for i in parts if len(i)]
    return sum(gaps) / len(confidence)


def ece_from_one_half(confidence, correct, bins):  # cuts [0.5, 1], not [0, 1]
    which = np.clip(((confidence - 0.5) * 2 * bins).astype(int), 0, bins - 1)
    parts = [which == b for b in np.unique(which)]
    return sum(m.mean() * abs(correct[m].mean() - confidence[m].mean()) for m in parts)


def ece_right_bincount(confidence, correct, bins):
    which = np.minimum((np.asarray(confidence) * bins).astype(int), bins - 1)
    gap = np.bincount(which, np.asarray(correct, float) - confidence, minlength=bins)
    return np.abs(gap).sum() / len(which)


def ece_right_dictionary(confidence, correct, bins):
    groups = {}
    for c, ok in zip(confidence, correct, strict=True):
        groups.setdefault(min(int(c * bins), bins - 1), []).append((float(c), bool(ok)))
    total = 0.0
    for group in groups.values():
        acc = sum(ok for _, ok in group) / len(group)
        conf = sum(c for c, _ in group) / len(group)
        total += len(group) / len(confidence) * abs(acc - conf)
    return total


# normalize_scores, best_of_n, best_of_n_kl


def normalize_in_place(scores, mean, std):  # overwrites the caller's scores
    scores -= mean
    scores /= std
    return scores


def best_of_n_last_tie(scores, n):  # of two equal scores the last
    first = scores[:, :n]
    return first.shape[1] - 1 - first.flip(1).argmax(dim=1)


def best_of_n_right_loop(scores, n):
    found = []
    for row in scores[:, :n].tolist():
        found.append(row.index(max(row)))
    return torch.tensor(found)


def best_of_n_right_sort(scores, n):
    return scores[:, :n].sort(dim=1, descending=True, stable=True).indices[:, 0]


def kl_torch_log(n):  # torch.log wants a tensor: raises for an int
    return torch.log(n) - (n - 1) / n


BEST = (r"first n|first `?n|only|n samples|beyond|later samples",)
UNSEEN = [
    Unseen("expected_calibration_error", ece_unweighted, 1, (r"weigh|n_b|number of predictions|same",)),
    Unseen("expected_calibration_error", ece_signed, 2, (r"absolute|\babs\b|cancel|sign|negative|\|",), (r"weight",)),
    Unseen(
        "expected_calibration_error", ece_midpoints, 3, (r"mid|middle|center|mean confidence|mean of",), (r"empty",)
    ),
    Unseen("expected_calibration_error", ece_empty_bins, 4, (r"empty|\bnan\b|no prediction|hold",)),
    Unseen(
        "expected_calibration_error", ece_loses_one, 5, (r"last bin|exactly 1|of 1\b|\b1\.0\b|edge|right end|upper",)
    ),
    # one bin for all
    Unseen(
        "expected_calibration_error",
        lambda confidence, correct, bins: abs(np.mean(correct) - np.mean(confidence)),
        6,
        (r"(each|per|every|single|one) bin|bins? (is|are) (not|ignor)|overall|cancel|`bins`|each part",),
        (r"empty|weight",),
    ),
    Unseen(
        "expected_calibration_error",
        ece_from_one_half,
        7,
        (r"\[0, 1\]|0\.5|0 to 1|equal parts|half|edges",),
        (r"weight",),
    ),
    # ten bins, whatever is asked for
    Unseen(
        "expected_calibration_error",
        lambda confidence, correct, bins: ece_right_bincount(confidence, correct, 10),
        8,
        (r"\bbins\b|\b10\b|hard-?coded",),
        (r"empty|weight",),
    ),
    Unseen("expected_calibration_error", ece_maximum, 9, (r"maxim|largest|average|mean|weigh",), (r"empty",)),
    Unseen(
        "expected_calibration_error",
        ece_equal_mass,
        10,
        (r"equal(ly)?|quantile|parts|width|edges|same number",),
        (r"empty",),
    ),
    # the scores' own mean and standard deviation
    Unseen(
        "normalize_scores",
        lambda scores, mean, std: (scores - scores.mean()) / scores.std(),
        1,
        (r"given|own|these scores|set aside|batch|argument",),
    ),
    # precedence: mean / std first
    Unseen(
        "normalize_scores",
        lambda scores, mean, std: scores - mean / std,
        2,
        (r"parenthes|bracket|first|before|order|precedence|subtract",),
    ),
    # multiplied
    Unseen("normalize_scores", lambda scores, mean, std: (scores - mean) * std, 3, (r"multipl|divid|times",)),
    # the way back
    Unseen(
        "normalize_scores",
        lambda scores, mean, std: scores * std + mean,
        4,
        (r"back|inverse|undo|revers|other way|turned|opposite|raw",),
    ),
    # divided by the variance
    Unseen("normalize_scores", lambda scores, mean, std: (scores - mean) / std**2, 5, (r"varianc|squar|\btwice\b",)),
    # the mean is forgotten
    Unseen(
        "normalize_scores",
        lambda scores, mean, std: scores / std,
        6,
        (r"mean.*(not|subtract|missing|forg|ignor|taken|0)|subtract|shift",),
        (r"own|parenthes",),
    ),
    # turned round
    Unseen("normalize_scores", lambda scores, mean, std: (mean - scores) / std, 7, SIGN),
    Unseen("normalize_scores", normalize_in_place, 8, IN_PLACE),
    # clipped to three standard deviations
    Unseen(
        "normalize_scores",
        lambda scores, mean, std: ((scores - mean) / std).clamp(-3, 3),
        9,
        (r"clip|clamp|limit|cut|large|far",),
    ),
    # a tiny number that shifts small scales
    Unseen(
        "normalize_scores",
        lambda scores, mean, std: (scores - mean) / (std + 0.01),
        10,
        (r"eps|std|divid|small|added|scale|width",),
    ),
    # of all samples
    Unseen("best_of_n", lambda scores, n: scores.argmax(dim=1), 1, BEST),
    # the score, not the index
    Unseen(
        "best_of_n", lambda scores, n: scores[:, :n].max(dim=1).values, 2, (r"index|indices|which|position|integer",)
    ),
    # over the prompts
    Unseen(
        "best_of_n", lambda scores, n: scores[:, :n].argmax(dim=0), 3, (r"axis|dim|shape|each prompt|over the prompts",)
    ),
    # the first n prompts
    Unseen(
        "best_of_n",
        lambda scores, n: scores[:n].argmax(dim=1),
        4,
        (r"first n prompts|(each|every|all) prompts?|prompts?.*(row|missing|left out)|shape|samples, not|column",),
    ),
    # one index for all
    Unseen(
        "best_of_n",
        lambda scores, n: scores[:, :n].argmax(),
        5,
        (r"each prompt|every prompt|shape|axis|dim|per prompt|one index",),
    ),
    Unseen("best_of_n", best_of_n_last_tie, 6, (r"\bties?\b|equal|first",)),
    # n - 1 samples
    Unseen(
        "best_of_n",
        lambda scores, n: scores[:, : n - 1].argmax(dim=1) if n > 1 else scores[:, :1].argmax(dim=1),
        7,
        (r"n - 1|off by one|first n|one (too few|short|less)|n samples|last|n-th",),
    ),
    # the worst
    Unseen(
        "best_of_n", lambda scores, n: scores[:, :n].argmin(dim=1), 8, (r"lowest|highest|worst|smallest|argm|largest",)
    ),
    # the second term is missing
    Unseen("best_of_n_kl", lambda n: math.log(n), 1, (r"\(?n ?- ?1\)? ?/ ?n|second term|only log|subtract|missing",)),
    # bits
    Unseen("best_of_n_kl", lambda n: math.log2(n) - (n - 1) / n, 2, (r"natural|nats|base|bits|log2",)),
    # plus
    Unseen("best_of_n_kl", lambda n: math.log(n) + (n - 1) / n, 3, (r"sign|minus|plus|subtract|added",)),
    # the parentheses are missing
    Unseen("best_of_n_kl", lambda n: math.log(n) - n - 1 / n, 4, (r"parenthes|bracket|\(n - 1\)|precedence",)),
    # base 10
    Unseen("best_of_n_kl", lambda n: float(np.log10(n) - (n - 1) / n), 5, (r"natural|nats|base|log10|\b10\b",)),
    # whole-number division: 0
    Unseen("best_of_n_kl", lambda n: math.log(n) - (n - 1) // n, 6, (r"//|integer|whole|\(?n ?- ?1\)? ?/ ?n",)),
    Unseen("best_of_n_kl", kl_torch_log, 7, (r"raise|error|tensor|torch\.log",)),
    # divides by n - 1
    Unseen(
        "best_of_n_kl",
        lambda n: math.log(n) - n / (n - 1),
        8,
        (r"\(?n ?- ?1\)? ?/ ?n|divi|zero|upside|swap|raise|error",),
    ),
    # a KL in one logarithm
    Unseen("best_of_n_kl", lambda n: math.log(n - (n - 1) / n), 9, (r"parenthes|bracket|inside|outside|logarithm",)),
]
RIGHT = {
    "expected_calibration_error": [ece_right_bincount, ece_right_dictionary],
    "normalize_scores": [
        lambda scores, mean, std: scores.sub(mean).div(std),
        lambda scores, mean, std: torch.distributions.AffineTransform(mean, std).inv(scores),
    ],
    "best_of_n": [best_of_n_right_loop, best_of_n_right_sort],
    "best_of_n_kl": [lambda n: math.log(n) - 1 + 1 / n, lambda n: float(np.log(np.float64(n)) - (1 - 1 / n))],
}

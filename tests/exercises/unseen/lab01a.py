"""Lab 01, first part: ratings and agreement, as students write them."""

import math
from collections import Counter

import numpy as np
import torch

from tests.exercises.unseen.record import Unseen

# standardize_ratings


def standardize_nan(ratings):  # 0 / 0 for somebody who rates all texts alike
    with np.errstate(all="ignore"):
        return (ratings - ratings.mean(axis=0)) / ratings.std(axis=0)


def standardize_rows(ratings):  # over the annotators of a text
    x = np.asarray(ratings, dtype=float)
    sd = x.std(axis=1, keepdims=True)
    return (x - x.mean(axis=1, keepdims=True)) / np.where(sd == 0, 1, sd)


def standardize_whole_table(ratings):  # one mean and one spread for everybody
    return (ratings - np.mean(ratings)) / (np.std(ratings) or 1)


def standardize_integers(ratings):  # z-scores are cut to whole numbers
    z = np.zeros_like(ratings)
    for j in range(ratings.shape[1]):
        sd = ratings[:, j].std()
        if sd > 0:
            z[:, j] = (ratings[:, j] - ratings[:, j].mean()) / sd
    return z


def standardize_offset_only(ratings):  # only the mean is taken out
    return ratings - ratings.mean(axis=0)


def standardize_min_max(ratings):  # from 0 to 1
    low, high = ratings.min(axis=0), ratings.max(axis=0)
    return (ratings - low) / np.maximum(high - low, 1)


def standardize_variance(ratings):  # over the variance
    v = ratings.var(axis=0)
    return (ratings - ratings.mean(axis=0)) / np.where(v == 0, 1, v)


def standardize_epsilon(ratings):  # 0.1 added to every spread
    return (ratings - ratings.mean(axis=0)) / (ratings.std(axis=0) + 0.1)


def standardize_right_loop(ratings):
    columns = []
    for column in np.asarray(ratings, dtype=float).T:
        centered = column - column.mean()
        spread = math.sqrt((centered**2).mean())
        columns.append(centered / spread if np.ptp(column) > 0 else np.zeros_like(column))
    return np.stack(columns, axis=1)


def standardize_right_torch(ratings):
    x = torch.as_tensor(np.asarray(ratings)).double()
    z = (x - x.mean(0)) / x.std(0, correction=0)
    return torch.where((x == x[:1]).all(0), 0.0, z).numpy()


# cohen_kappa


def kappa_of(a, b, chance):
    observed = np.mean(np.asarray(a) == np.asarray(b))
    return (observed - chance) / (1 - chance)


def kappa_coin(a, b):  # chance is 1 / number of labels
    return kappa_of(a, b, 1 / len(set(a) | set(b)))


def kappa_pooled(a, b):  # shares of both together: Scott's pi
    both = np.concatenate([a, b])
    return kappa_of(a, b, sum(np.mean(both == k) ** 2 for k in set(both)))


def kappa_two_labels(a, b):  # 0 and 1 only
    pa, pb = np.mean(a), np.mean(b)
    return kappa_of(a, b, pa * pb + (1 - pa) * (1 - pb))


def kappa_unaligned(a, b):  # shares side by side in order of size, whichever label they belong to
    sides = zip(Counter(a.tolist()).most_common(), Counter(b.tolist()).most_common(), strict=False)
    return kappa_of(a, b, sum(x * y for (_, x), (_, y) in sides) / len(a) ** 2)


def kappa_over_observed(a, b):  # divides by 1 - observed
    chance = sum(np.mean(a == k) * np.mean(b == k) for k in np.unique(a))
    observed = np.mean(a == b)
    return (observed - chance) / (1 - observed)


def kappa_whole_numbers(a, b):  # counts with bincount: texts are no labels for it
    n = max(a.max(), b.max()) + 1
    chance = np.bincount(a, minlength=n) @ np.bincount(b, minlength=n) / len(a) ** 2
    return kappa_of(a, b, chance)


def kappa_no_denominator(a, b):  # observed - chance
    return np.mean(a == b) - sum(np.mean(a == k) * np.mean(b == k) for k in np.unique(a))


def kappa_right_table(a, b):
    names, codes = np.unique(np.concatenate([a, b]), return_inverse=True)
    table = np.zeros((len(names), len(names)))
    np.add.at(table, (codes[: len(a)], codes[len(a) :]), 1 / len(a))
    chance = table.sum(0) @ table.sum(1)
    return float((np.trace(table) - chance) / (1 - chance))


def kappa_right_all_pairs(a, b):
    a, b = list(a), list(b)
    n = len(a)
    agree = sum(x == y for x, y in zip(a, b, strict=True)) / n
    chance = sum(x == y for x in a for y in b) / n**2
    return (agree - chance) / (1 - chance)


UNSEEN = [
    Unseen(
        "standardize_ratings",
        standardize_nan,
        1,
        (r"alike|same|\bnan\b|divi\w+ by (0|zero)|spread of 0|deviation (is|of) 0",),
    ),
    Unseen(
        "standardize_ratings", standardize_rows, 2, (r"axis|rows?|columns?|each text|of a text|over the annotators",)
    ),
    Unseen(
        "standardize_ratings",
        standardize_whole_table,
        3,
        (r"each annotator|every annotator|own|whole|column|all annotators",),
    ),
    Unseen(
        "standardize_ratings", standardize_integers, 4, (r"whole number|integer|dtype|cut|trunc|round|float|\bint",)
    ),
    Unseen("standardize_ratings", standardize_offset_only, 5, (r"standard deviation|slope|spread|divid",), (r"alike",)),
    Unseen(
        "standardize_ratings", standardize_min_max, 6, (r"mean|standard deviation|range|smallest|lowest",), (r"alike",)
    ),
    Unseen("standardize_ratings", standardize_variance, 7, (r"varianc|root|standard deviation",), (r"alike",)),
    Unseen("standardize_ratings", standardize_epsilon, 8, (r"standard deviation|eps|added|small number|spread",)),
    # observed agreement
    Unseen("cohen_kappa", lambda a, b: float(np.mean(a == b)), 1, (r"chance",)),
    Unseen("cohen_kappa", kappa_coin, 2, (r"chance|shares?|1 ?/|how often|equally",), (r"pooled|together",)),
    Unseen("cohen_kappa", kappa_pooled, 3, (r"pool|together|own|each|both|Scott|share",)),
    Unseen(
        "cohen_kappa",
        kappa_two_labels,
        4,
        (
            r"(other|more|any|kind|number of|text|two|string|three).*label",
            r"label.*(other|more|any|kind|text|two)|0 and 1|raise|error",
        ),
    ),
    Unseen("cohen_kappa", kappa_unaligned, 5, (r"same label|align|order|belong|labels?|match|missing",)),
    Unseen("cohen_kappa", kappa_no_denominator, 6, (r"1 ?- ?(chance|p_e)|divid|denominator",)),
    Unseen("cohen_kappa", kappa_over_observed, 7, (r"1 ?- ?(chance|p_e)|divid|denominator|observed",)),
    Unseen("cohen_kappa", kappa_whole_numbers, 8, (r"text|string|kind|any|raise|error|type|negative",)),
]
RIGHT = {
    "standardize_ratings": [standardize_right_loop, standardize_right_torch],
    "cohen_kappa": [kappa_right_table, kappa_right_all_pairs],
}

"""Answers to the exercises of lab 02."""

from collections import defaultdict
from statistics import fmean

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from sklearn.calibration import calibration_curve
from torch.nn import functional as F

# --- bradley_terry_loss -------------------------------------------------------


def loop(chosen, rejected):
    total = 0
    for c, r in zip(chosen, rejected, strict=True):
        total = total + F.softplus(r - c)
    return total / len(chosen)


def swapped_parameters(rejected, chosen):
    return torch.nn.BCEWithLogitsLoss()(chosen - rejected, torch.ones_like(chosen))


def other_names(better, worse):
    gap = better - worse
    return (torch.clamp(-gap, min=0) + torch.log1p(torch.exp(-gap.abs()))).mean()


def swapped_texts(chosen, rejected):
    return F.binary_cross_entropy_with_logits(rejected - chosen, torch.ones_like(chosen))


def forgot_minus(chosen, rejected):
    return -F.softplus(rejected - chosen).mean()


def mean_probability(chosen, rejected):
    return torch.stack([chosen, rejected]).softmax(dim=0)[0].mean()


def added_up(chosen, rejected):
    return F.softplus(rejected - chosen).sum()


def log_of_sigmoid(chosen, rejected):
    return (0 - (chosen - rejected).sigmoid().log()).mean()


def mean_before_log(chosen, rejected):
    return -(chosen - rejected).sigmoid().mean().log()


# --- margin_loss --------------------------------------------------------------


def head_start(chosen, rejected, margin):
    return F.softplus(rejected + margin - chosen).mean()


def pair_by_pair(margin, chosen, rejected):
    losses = [-F.logsigmoid(c - r - m) for c, r, m in zip(chosen, rejected, margin, strict=True)]
    return torch.stack(losses).mean()


def as_a_classifier(winner, loser, lead):
    return F.binary_cross_entropy_with_logits(winner - loser - lead, torch.ones_like(winner))


def head_start_for_the_winner(chosen, rejected, margin):
    return F.softplus(rejected - chosen - margin).mean()


def taken_off_the_loss(chosen, rejected, margin):
    return F.softplus(rejected - chosen).mean() - margin.mean()


def put_on_the_loss(chosen, rejected, margin):
    return F.softplus(rejected - chosen).mean() + margin.mean()


def weighted_pairs(chosen, rejected, margin):
    return torch.dot(margin, F.softplus(rejected - chosen)) / len(margin)


def no_margin(chosen, rejected, margin):
    return loop(chosen, rejected)


def at_least_the_margin(chosen, rejected, margin):
    return torch.clamp(rejected + margin - chosen, min=0).mean()


# --- pair_accuracy ------------------------------------------------------------


def by_sign(chosen, rejected):
    return ((np.sign(chosen - rejected) + 1) / 2).mean()


def counting(chosen, rejected):
    points = [1 if c > r else 0.5 if c == r else 0 for c, r in zip(chosen, rejected, strict=True)]
    return fmean(points)


def mean_of_both_readings(rejected, chosen):
    return (np.mean(chosen > rejected) + np.mean(chosen >= rejected)) / 2


def not_below(chosen, rejected):
    return 1 - np.mean(rejected > chosen)


def strictly_above(chosen, rejected):
    return sum(c > r for c, r in zip(chosen, rejected, strict=True)) / len(chosen)


def only_the_decided(chosen, rejected):
    right, wrong = (chosen > rejected).sum(), (chosen < rejected).sum()
    return right / (right + wrong)


def mean_gap(chosen, rejected):
    return chosen.mean() - rejected.mean()


def mean_confidence_in_the_choice(chosen, rejected):
    return np.mean(1 / (1 + np.exp(rejected - chosen)))


def share_of_errors(chosen, rejected):
    return ((np.sign(rejected - chosen) + 1) / 2).mean()


# --- expected_calibration_error -----------------------------------------------


def bin_by_bin(confidence, correct, bins):
    error = 0.0
    for b in range(bins):
        low, high = b / bins, (b + 1) / bins
        here = (confidence >= low) & ((confidence < high) | (b == bins - 1))
        if here.any():
            error += here.mean() * abs(correct[here].mean() - confidence[here].mean())
    return error


def grouped(confidence, correct, bins):
    frame = pd.DataFrame({"confidence": confidence, "correct": correct.astype(float)})
    parts = pd.cut(frame["confidence"], np.linspace(0, 1, bins + 1), include_lowest=True)
    means = frame.groupby(parts, observed=True).agg(["mean", "size"])
    gap = (means["correct", "mean"] - means["confidence", "mean"]).abs()
    return np.average(gap, weights=means["correct", "size"])


def in_dictionaries(c, y, number_of_bins):
    members = defaultdict(list)
    for confidence, right in zip(c.tolist(), y.tolist(), strict=True):
        members[min(int(confidence * number_of_bins), number_of_bins - 1)].append(right - confidence)
    return sum(abs(sum(gaps)) for gaps in members.values()) / len(c)


def curve_of_the_library(confidence, correct, bins):
    accuracy, mean_confidence = calibration_curve(correct, confidence, n_bins=bins)
    return np.abs(accuracy - mean_confidence).mean()


def gaps_of_the_library(confidence, correct, bins):
    accuracy, mean_confidence = calibration_curve(correct, confidence, n_bins=bins)
    counts, _ = np.histogram(confidence, bins, range=(0, 1))
    return accuracy, mean_confidence, counts[counts > 0] / len(confidence)


def signs_kept(confidence, correct, bins):
    return np.mean(correct) - np.mean(confidence)


def overall_difference(confidence, correct, bins):
    return abs(np.mean(correct) - np.mean(confidence))


def squares(confidence, correct, bins):
    accuracy, mean_confidence, share = gaps_of_the_library(confidence, correct, bins)
    return sum(share * (accuracy - mean_confidence) ** 2)


def maximum(confidence, correct, bins):
    accuracy, mean_confidence, _ = gaps_of_the_library(confidence, correct, bins)
    return max(abs(accuracy - mean_confidence))


def middles(confidence, correct, bins):
    middle = (np.minimum(np.floor(confidence * bins), bins - 1) + 0.5) / bins
    return sum((middle == m).mean() * abs(correct[middle == m].mean() - m) for m in set(middle.tolist()))


def more_than_half(confidence, correct, bins):
    below = confidence < 0.5
    return bin_by_bin(np.maximum(confidence, 1 - confidence), np.where(below, ~correct, correct), bins)


def half_open_bins(confidence, correct, bins):
    error = 0.0
    for low in np.arange(bins) / bins:
        here = (confidence >= low) & (confidence < low + 1 / bins)
        if here.any():
            error += here.mean() * abs(correct[here].mean() - confidence[here].mean())
    return error


# --- normalize_scores ---------------------------------------------------------


def z_scores(scores, mean, std):
    return torch.sub(scores, mean).div(std)


def factor_and_offset(raw, center, width):
    return raw * (1 / width) - center / width


def from_the_batch(scores, mean, std):
    variance, average = torch.var_mean(scores)
    return (scores - average) * torch.rsqrt(variance)


def unit_first(scores, mean, std):
    return torch.div(scores, std).sub(mean)


def squared_unit(scores, mean, std):
    return (scores - mean) / (std * std)


def centered(scores, mean, std):
    return torch.add(scores, -mean)


def back_to_raw(scores, mean, std):
    return mean + std * scores


# --- best_of_n ----------------------------------------------------------------


def prompt_by_prompt(scores, n):
    return torch.tensor([max(range(n), key=row.__getitem__) for row in scores.tolist()])


def sorted_samples(scores, n):
    return torch.sort(scores[:, :n], dim=1, descending=True).indices[:, 0]


def in_numpy(table, count):
    return torch.from_numpy(np.argmax(table.numpy()[:, :count], axis=1))


def best_of_all(scores, n):
    return torch.sort(scores, dim=1).indices[:, -1]


def highest_scores(scores, n):
    return torch.amax(scores[:, :n], dim=1)


def down_the_columns(scores, n):
    return torch.sort(scores[:, :n], dim=0).indices[-1]


def flat(scores, n):
    return scores[:, :n].flatten().argmax()


def lowest(scores, n):
    return torch.sort(scores[:, :n], dim=1).indices[:, 0]


def ranks_of_the_first(scores, n):
    return torch.tensor(rankdata(scores[:, :n].numpy(), axis=1)).argmax(dim=1)


# --- best_of_n_kl -------------------------------------------------------------


def one_over_n(n):
    return np.log(n) - 1 + 1 / n


def in_torch(count):
    return (torch.log(torch.tensor(float(count))) - (count - 1) / count).item()


def logarithm(n):
    return np.log(n)


def bits(n):
    return np.log(n) / np.log(2) - 1 + 1 / n


def decimal(n):
    return np.log10(n) + 1 / n - 1


def no_brackets(n):
    return np.log(n) - (n + 1 / n)


def plus(n):
    return np.log(n) + 1 - 1 / n


RIGHT = {
    "bradley_terry_loss": [loop, swapped_parameters, other_names],
    "margin_loss": [head_start, pair_by_pair, as_a_classifier],
    "pair_accuracy": [by_sign, counting, mean_of_both_readings],
    "expected_calibration_error": [bin_by_bin, grouped, in_dictionaries],
    "normalize_scores": [z_scores, factor_and_offset],
    "best_of_n": [prompt_by_prompt, sorted_samples, in_numpy, ranks_of_the_first],
    "best_of_n_kl": [one_over_n, in_torch],
}
WRONG = {
    "bradley_terry_loss": {
        "sign": [swapped_texts],
        "no minus": [forgot_minus],
        "no log": [mean_probability],
        "sum": [added_up],
        "overflow": [log_of_sigmoid],
        "log of mean": [mean_before_log],
    },
    "margin_loss": {
        "added": [head_start_for_the_winner],
        "outside": [taken_off_the_loss],
        "outside, added": [put_on_the_loss],
        "weight": [weighted_pairs],
        "ignored": [no_margin],
        "hinge": [at_least_the_margin],
    },
    "pair_accuracy": {
        "ties right": [not_below],
        "ties wrong": [strictly_above],
        "ties dropped": [only_the_decided],
        "margin": [mean_gap],
        "probability": [mean_confidence_in_the_choice],
        "swapped": [share_of_errors],
    },
    "expected_calibration_error": {
        "unweighted": [curve_of_the_library],
        "signed": [signs_kept],
        "overall": [overall_difference],
        "squared": [squares],
        "largest": [maximum],
        "bin center": [middles],
        "flipped": [more_than_half],
        "certainty lost": [half_open_bins],
    },
    "normalize_scores": {
        "per batch": [from_the_batch],
        "order": [unit_first],
        "variance": [squared_unit],
        "shift only": [centered],
        "undone": [back_to_raw],
    },
    "best_of_n": {
        "all samples": [best_of_all],
        "score": [highest_scores],
        "across prompts": [down_the_columns],
        "one for all": [flat],
        "worst": [lowest],
    },
    "best_of_n_kl": {
        "log only": [logarithm],
        "base 2": [bits],
        "base 10": [decimal],
        "brackets": [no_brackets],
        "sign": [plus],
    },
}

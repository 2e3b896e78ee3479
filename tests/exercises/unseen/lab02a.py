"""Lab 02, first part: losses and accuracy, as students write them."""

import numpy as np
import torch
import torch.nn.functional as F

from tests.exercises.unseen.record import DATA, GRADIENT, MEAN, SHAPE, SIGN, STABLE, Unseen

# bradley_terry_loss and margin_loss


def bt_log_of_ratio(chosen, rejected):  # e^c / (e^c + e^r) overflows
    top = torch.exp(chosen)
    return -torch.log(top / (top + torch.exp(rejected))).mean()


def bt_softplus_by_hand(chosen, rejected):  # log(1 + exp(x)) is infinite for a pair judged badly wrong
    return torch.log(1 + torch.exp(rejected - chosen)).mean()


def bt_clamped(chosen, rejected):  # finite by a clamp, which kills the gradient of the worst pairs
    p = torch.sigmoid(chosen - rejected).clamp(min=1e-6)
    return -p.log().mean()


def bt_rejected_detached(chosen, rejected):  # no gradient to the rejected texts
    return -F.logsigmoid(chosen - rejected.detach()).mean()


def bt_right_bce(chosen, rejected):
    return F.binary_cross_entropy_with_logits(chosen - rejected, torch.ones_like(chosen))


def bt_right_logsumexp(chosen, rejected):
    both = torch.stack([chosen, rejected])
    return (both.logsumexp(dim=0) - chosen).sum() / chosen.numel()


def margin_mean_of_margins(chosen, rejected, margin):  # one margin for all pairs
    return F.softplus(rejected - chosen + margin.mean()).mean()


def margin_right_shifted(chosen, rejected, margin):
    return bt_right_bce(chosen, rejected + margin)


def margin_right_loop(chosen, rejected, margin):
    total = 0
    for c, r, m in zip(chosen, rejected, margin, strict=True):
        total = total - F.logsigmoid(c - r - m)
    return total / len(chosen)


# pair_accuracy


def accuracy_drops_ties(chosen, rejected):  # ties are left out of the count
    c, r = np.asarray(chosen), np.asarray(rejected)
    decided = c != r
    return float((c > r)[decided].mean()) if decided.any() else 0.5


def accuracy_half_for_wins(chosen, rejected):  # (wins + ties) / 2
    return (np.sum(chosen > rejected) + np.sum(chosen == rejected)) / (2 * len(chosen))


def accuracy_truth_of_mean(chosen, rejected):  # compares two means
    return float(np.mean(chosen) > np.mean(rejected))


def accuracy_isclose(chosen, rejected):  # nearly equal scores are called ties
    tie = np.isclose(chosen, rejected, atol=0.05)
    return float(np.where(tie, 0.5, chosen > rejected).mean())


def accuracy_right_loop(chosen, rejected):
    points = [1.0 if c > r else 0.5 if c == r else 0.0 for c, r in zip(chosen, rejected, strict=True)]
    return sum(points) / len(points)


UNSEEN = [
    # rejected minus chosen
    Unseen("bradley_terry_loss", lambda chosen, rejected: -F.logsigmoid(rejected - chosen).mean(), 1, SIGN),
    # no minus
    Unseen("bradley_terry_loss", lambda chosen, rejected: F.logsigmoid(chosen - rejected).mean(), 2, SIGN),
    # log of a sigmoid that is 0
    Unseen(
        "bradley_terry_loss", lambda chosen, rejected: -torch.log(torch.sigmoid(chosen - rejected)).mean(), 3, STABLE
    ),
    # sum over the batch
    Unseen("bradley_terry_loss", lambda chosen, rejected: -F.logsigmoid(chosen - rejected).sum(), 4, MEAN, SIGN),
    # one loss for each pair
    Unseen("bradley_terry_loss", lambda chosen, rejected: -F.logsigmoid(chosen - rejected), 5, SHAPE + MEAN),
    # no logarithm
    Unseen("bradley_terry_loss", lambda chosen, rejected: -(chosen - rejected).sigmoid().mean(), 6, (r"\blog",), SIGN),
    # the logarithm of the mean
    Unseen(
        "bradley_terry_loss",
        lambda chosen, rejected: -F.logsigmoid((chosen - rejected).mean()),
        7,
        (r"each pair|pair by pair|per pair|mean|average|order",),
    ),
    Unseen("bradley_terry_loss", bt_log_of_ratio, 8, STABLE),
    Unseen("bradley_terry_loss", bt_softplus_by_hand, 9, STABLE),
    Unseen("bradley_terry_loss", bt_clamped, 10, STABLE + GRADIENT + (r"clamp|clip",)),
    Unseen("bradley_terry_loss", bt_rejected_detached, 11, DATA + (r"rejected",)),
    # plus the margin
    Unseen(
        "margin_loss",
        lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected + margin).mean(),
        1,
        SIGN + (r"plus|added|subtract",),
    ),
    # the margin taken off the loss
    Unseen(
        "margin_loss",
        lambda chosen, rejected, margin: (F.softplus(rejected - chosen) - margin).mean(),
        2,
        (r"inside|outside|within|sigmoid|from the loss",),
        (r"overflow",),
    ),
    # the margin forgotten
    Unseen(
        "margin_loss",
        lambda chosen, rejected, margin: F.softplus(rejected - chosen).mean(),
        3,
        (r"margin.*(not|ignor|miss|forg|nothing|no effect|left out)|(ignor|forg|without|no) .*margin",),
    ),
    # a hinge
    Unseen(
        "margin_loss",
        lambda chosen, rejected, margin: F.relu(margin - (chosen - rejected)).mean(),
        4,
        (r"hinge|relu|sigmoid|softplus|smooth",),
    ),
    # sum
    Unseen(
        "margin_loss", lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected - margin).sum(), 5, MEAN, SIGN
    ),
    # the margin multiplies the gap
    Unseen(
        "margin_loss",
        lambda chosen, rejected, margin: F.softplus(-margin * (chosen - rejected)).mean(),
        6,
        (r"multipl|times|factor|subtract|scale",),
    ),
    Unseen(
        "margin_loss",
        margin_mean_of_margins,
        7,
        (r"each pair|own|every pair|mean of the margin|per pair|average|one margin",),
    ),
    # log(sigmoid)
    Unseen(
        "margin_loss",
        lambda chosen, rejected, margin: -torch.log(torch.sigmoid(chosen - rejected - margin)).mean(),
        8,
        STABLE,
    ),
    # ties count as wrong
    Unseen(
        "pair_accuracy",
        lambda chosen, rejected: float((chosen > rejected).mean()),
        1,
        (r"\bties?\b|equal|half",),
        (r"as (right|wins?|correct)|left out|dropped|percent",),
    ),
    # ties count as right
    Unseen(
        "pair_accuracy",
        lambda chosen, rejected: float((chosen >= rejected).mean()),
        2,
        (r"\bties?\b|equal|half",),
        (r"as (wrong|loss\w*|incorrect)|left out|dropped|percent",),
    ),
    # the number of pairs, not their share
    Unseen(
        "pair_accuracy",
        lambda chosen, rejected: (chosen > rejected).sum() + 0.5 * (chosen == rejected).sum(),
        3,
        (r"share|number of pairs|divid|from 0 to 1|between 0 and 1|count",),
        (r"\bties?\b count",),
    ),
    Unseen(
        "pair_accuracy",
        accuracy_drops_ties,
        4,
        (r"\bties?\b|equal scores|left out|dropped",),
        (r"as (wrong|right|wins?|loss\w*)|percent",),
    ),
    # percent
    Unseen(
        "pair_accuracy",
        lambda chosen, rejected: 100 * np.mean((np.sign(chosen - rejected) + 1) / 2),
        5,
        (r"percent|%|from 0 to 1|share|100|between 0 and 1",),
        (r"\bties?\b",),
    ),
    # turned round
    Unseen(
        "pair_accuracy",
        lambda chosen, rejected: np.where(chosen == rejected, 0.5, chosen < rejected).mean(),
        6,
        SIGN + (r"lower",),
    ),
    Unseen(
        "pair_accuracy",
        accuracy_half_for_wins,
        7,
        (r"wins? (count|as|are)|half (a|the) (win|share|pair)|factor|too small|full|\bwhole\b|twice|divid",),
    ),
    Unseen("pair_accuracy", accuracy_isclose, 8, (r"close|exact|near|toleran|almost|tiny",)),
    Unseen("pair_accuracy", accuracy_truth_of_mean, 9, (r"each pair|pair by pair|per pair|every pair|means",)),
]
RIGHT = {
    "bradley_terry_loss": [bt_right_bce, bt_right_logsumexp],
    "margin_loss": [margin_right_shifted, margin_right_loop],
    "pair_accuracy": [accuracy_right_loop, lambda chosen, rejected: (1 + np.sign(chosen - rejected)).mean() / 2],
}

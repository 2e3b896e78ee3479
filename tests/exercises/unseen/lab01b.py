"""Lab 01, second part: comparisons, as students write them."""

import math

import numpy as np
import torch

from tests.exercises.unseen.record import IN_PLACE, SIGN, STABLE, Unseen

# bradley_terry_probability


def probability_overflows(score_a, score_b):  # inf / inf for large scores
    return score_a.exp() / (score_a.exp() + score_b.exp())


def probability_over_the_batch(score_a, score_b):  # softmax over the entries, not over a and b
    return torch.softmax(torch.stack([score_a, score_b]), dim=-1)[0]


# bradley_terry_strengths


def hunter(wins, rounds, count=None):
    wins = np.asarray(wins, dtype=float)
    n = wins + wins.T if count is None else count(wins)
    p = np.ones(len(wins))
    for _ in range(rounds):
        p = wins.sum(axis=1) / (n / (p[:, None] + p[None, :])).sum(axis=1)
        p /= np.exp(np.log(p).mean())
    return p


def strengths_few_rounds(wins):  # stops long before it stands still
    return np.log(hunter(wins, 3))


def strengths_win_rates(wins):  # log-odds of the whole win rate, whoever the opponents were
    w, lost = wins.sum(axis=1), wins.sum(axis=0)
    r = np.log(w / lost)
    return r - r.mean()


def strengths_no_log(wins):  # p, not its logarithm
    p = hunter(wins, 2000)
    return p - p.mean()


def strengths_turned(wins):  # columns are taken for the winners
    return np.log(hunter(np.asarray(wins).T, 2000))


def strengths_first_is_zero(wins):  # the first one at 0, not the mean
    r = np.log(hunter(wins, 2000))
    return r - r[0]


def strengths_wins_for_games(wins):  # n_ij without the games lost
    r = np.log(hunter(wins, 200, count=lambda w: w))
    return r - r.mean()


def strengths_short_descent(wins):  # gradient descent with too few steps
    w = torch.tensor(np.asarray(wins), dtype=torch.float64)
    r = torch.zeros(len(w), dtype=torch.float64, requires_grad=True)
    for _ in range(100):
        loss = -(w * torch.nn.functional.logsigmoid(r[:, None] - r[None, :])).sum() / w.sum()
        (gradient,) = torch.autograd.grad(loss, r)
        r = (r - 0.1 * gradient).detach().requires_grad_()
    return (r - r.mean()).detach().numpy()


def strengths_bits(wins):  # base 2
    return np.log2(hunter(wins, 2000))


def strengths_arithmetic_mean(wins):  # the p have mean 1, so the r have not mean 0
    p = hunter(wins, 2000)
    return np.log(p / p.mean())


def strengths_regularized(wins):  # one game more for every pair pulls them together
    return np.log(hunter(np.asarray(wins) + 1 - np.eye(len(wins)), 2000))


def strengths_right_newton(wins):
    wins = np.asarray(wins, dtype=float)
    k, games = len(wins), wins + wins.T
    r = np.zeros(k)
    for _ in range(100):
        p = 1 / (1 + np.exp(r[None, :] - r[:, None]))
        gradient = wins.sum(1) - (games * p).sum(1)
        weight = games * p * (1 - p)
        hessian = np.diag(weight.sum(1)) - weight
        step = np.linalg.solve(hessian + np.ones((k, k)), gradient)
        r = r + step * min(1.0, 1 / (np.abs(step).max() + 1e-12))
    return r - r.mean()


def strengths_right_lbfgs(wins):
    w = torch.tensor(np.asarray(wins), dtype=torch.float64)
    r = torch.zeros(len(w), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([r], max_iter=500, line_search_fn="strong_wolfe", tolerance_grad=1e-10)

    def closure():
        optimizer.zero_grad()
        loss = (w * torch.nn.functional.softplus(r[None, :] - r[:, None])).sum() / w.sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return (r - r.mean()).detach().numpy()


# elo_update


def elo(rating_a, rating_b, score_a, k, expected):
    change = k * (score_a - expected)
    return rating_a + change, rating_b - change


def elo_turned(rating_a, rating_b, score_a, k):  # b's expectation taken for a's
    return elo(rating_a, rating_b, score_a, k, 1 / (1 + 10 ** ((rating_a - rating_b) / 400)))


def elo_base_e(rating_a, rating_b, score_a, k):  # e in place of 10
    return elo(rating_a, rating_b, score_a, k, 1 / (1 + math.exp((rating_b - rating_a) / 400)))


def elo_b_stays(rating_a, rating_b, score_a, k):  # only a moves
    return elo(rating_a, rating_b, score_a, k, 1 / (1 + 10 ** ((rating_b - rating_a) / 400)))[0], rating_b


def elo_both_up(rating_a, rating_b, score_a, k):  # b moves the way of a
    change = k * (score_a - 1 / (1 + 10 ** ((rating_b - rating_a) / 400)))
    return rating_a + change, rating_b + change


def elo_one_after_the_other(rating_a, rating_b, score_a, k):  # b's expectation from a's new rating
    rating_a = rating_a + k * (score_a - 1 / (1 + 10 ** ((rating_b - rating_a) / 400)))
    rating_b = rating_b + k * ((1 - score_a) - 1 / (1 + 10 ** ((rating_a - rating_b) / 400)))
    return rating_a, rating_b


def elo_k_32(rating_a, rating_b, score_a, k):  # 32 hard-coded
    return elo(rating_a, rating_b, score_a, 32, 1 / (1 + 10 ** ((rating_b - rating_a) / 400)))


def elo_rounded(rating_a, rating_b, score_a, k):  # whole points
    a, b = elo(rating_a, rating_b, score_a, k, 1 / (1 + 10 ** ((rating_b - rating_a) / 400)))
    return round(a), round(b)


def elo_no_ties(rating_a, rating_b, score_a, k):  # a tie is a loss for a
    return elo(rating_a, rating_b, float(score_a > 0.5), k, 1 / (1 + 10 ** ((rating_b - rating_a) / 400)))


def elo_changes(rating_a, rating_b, score_a, k):  # the changes, not the ratings
    change = k * (score_a - 1 / (1 + 10 ** ((rating_b - rating_a) / 400)))
    return change, -change


def elo_right_powers(rating_a, rating_b, score_a, k):
    qa, qb = 10 ** ((rating_a - rating_b) / 800), 10 ** ((rating_b - rating_a) / 800)
    expected_b = qb / (qa + qb)
    gain_b = k * (1 - score_a - expected_b)
    return rating_a - gain_b, rating_b + gain_b


def elo_right_tanh(rating_a, rating_b, score_a, k):
    expected = 0.5 + 0.5 * math.tanh((rating_a - rating_b) * math.log(10) / 800)
    step = k * (score_a - expected)
    return rating_a + step, rating_a + rating_b - (rating_a + step)


# win_rate_with_ties


def ties_dropped(choices):  # ties do not count
    a, b = choices.count("a"), choices.count("b")
    return a / (a + b) if a + b else 0.5


def ties_as_losses(choices):  # a tie counts as a loss
    judged = [c for c in choices if c != "skip"]
    return judged.count("a") / len(judged)


def ties_skips_count(choices):  # a skip counts as a comparison
    return sum({"a": 1, "tie": 0.5}.get(c, 0) for c in choices) / len(choices)


def ties_as_wins(choices):  # a tie is a whole win
    judged = [c for c in choices if c != "skip"]
    return sum(c in ("a", "tie") for c in judged) / len(judged)


def ties_skip_as_tie(choices):  # a skip is half a win too
    return (choices.count("a") + 0.5 * (choices.count("tie") + choices.count("skip"))) / len(choices)


def ties_of_b(choices):  # the win rate of b
    judged = [c for c in choices if c != "skip"]
    return (judged.count("b") + judged.count("tie") / 2) / len(judged)


def ties_removes_in_place(choices):  # takes the skips out of the caller's list
    while "skip" in choices:
        choices.remove("skip")
    return (choices.count("a") + choices.count("tie") / 2) / len(choices)


def ties_removes_while_looping(choices):  # a loop over a list that shrinks misses every second skip
    left = list(choices)
    for c in left:
        if c == "skip":
            left.remove(c)
    return (left.count("a") + left.count("tie") / 2) / len(left)


def ties_percent(choices):  # percent
    return 100 * ties_right_mean(choices)


def ties_right_mean(choices):
    points = {"a": 1.0, "tie": 0.5, "b": 0.0}
    return float(np.mean([points[c] for c in choices if c in points]))


UNSEEN = [
    # b over a
    Unseen(
        "bradley_terry_probability",
        lambda score_a, score_b: torch.sigmoid(score_b - score_a),
        1,
        SIGN + (r"\bb is preferred|of b\b",),
    ),
    # scores divided, not their exponentials
    Unseen(
        "bradley_terry_probability",
        lambda score_a, score_b: score_a / (score_a + score_b),
        2,
        (r"sigmoid|\bexp|differen|ratio",),
    ),
    Unseen("bradley_terry_probability", probability_overflows, 3, STABLE),
    # one number
    Unseen(
        "bradley_terry_probability",
        lambda score_a, score_b: torch.sigmoid(score_a - score_b).mean(),
        4,
        (r"every|each|shape|mean|entry|one number",),
    ),
    # the logarithm
    Unseen(
        "bradley_terry_probability",
        lambda score_a, score_b: torch.nn.functional.logsigmoid(score_a - score_b),
        5,
        (r"\blog",),
    ),
    Unseen("bradley_terry_probability", probability_over_the_batch, 6, (r"softmax|axis|dim|entr|pair|each",)),
    # two sigmoids
    Unseen(
        "bradley_terry_probability",
        lambda score_a, score_b: torch.sigmoid(score_a) - torch.sigmoid(score_b),
        7,
        (r"difference|sigmoid of|inside|first|negative|outside 0|0 and 1|each score|sigmoids",),
    ),
    # certain who wins
    Unseen(
        "bradley_terry_probability",
        lambda score_a, score_b: (score_a > score_b).float(),
        8,
        (r"0 (or|and) 1|hard|threshold|sigmoid|compar|certain|probabilit",),
    ),
    Unseen(
        "bradley_terry_strengths",
        strengths_few_rounds,
        1,
        (r"rounds?|steps?|converge|iterat|longer|far enough|stops?|exact",),
    ),
    Unseen("bradley_terry_strengths", strengths_no_log, 2, (r"\blog",)),
    Unseen("bradley_terry_strengths", strengths_turned, 3, SIGN + (r"rows?|columns?|los[st]|transpos|wins\[i, j\]",)),
    Unseen("bradley_terry_strengths", strengths_first_is_zero, 4, (r"mean|constant|sum to",)),
    Unseen(
        "bradley_terry_strengths", strengths_win_rates, 5, (r"win rate|opponent|against whom|rate|whom|schedule|share",)
    ),
    Unseen(
        "bradley_terry_strengths",
        strengths_short_descent,
        6,
        (r"rounds?|steps?|converge|iterat|longer|far enough|stops?|exact",),
    ),
    Unseen(
        "bradley_terry_strengths",
        strengths_wins_for_games,
        7,
        (r"n_?\{?ij|games|both|wins\.T|comparisons|los[st]|lost",),
    ),
    Unseen("bradley_terry_strengths", strengths_arithmetic_mean, 8, (r"mean|constant",)),
    Unseen("bradley_terry_strengths", strengths_bits, 9, (r"natural|base|log2|log-odds|factor|scale|unit",)),
    Unseen(
        "bradley_terry_strengths",
        strengths_regularized,
        10,
        (r"pseudo|added|smooth|prior|regulari|shrunk|too close|pull|zero|exact|extra",),
    ),
    Unseen("elo_update", elo_turned, 1, SIGN + (r"rating_b - rating_a|expect",)),
    Unseen("elo_update", elo_base_e, 2, (r"base|\b10\b|\be\b",)),
    Unseen("elo_update", elo_b_stays, 3, (r"\bb\b.*(los|stay|same|move|chang|un)|both|goes from b|rating_b",)),
    Unseen("elo_update", elo_both_up, 4, SIGN + (r"from b|los[et]|b gets|zero[- ]sum|sum of|both",)),
    # no expectation
    Unseen(
        "elo_update",
        lambda rating_a, rating_b, score_a, k: (rating_a + k * score_a, rating_b + k * (1 - score_a)),
        5,
        (r"expect|surpris|beyond",),
    ),
    Unseen("elo_update", elo_k_32, 6, (r"\bk\b|32",)),
    Unseen(
        "elo_update",
        elo_one_after_the_other,
        7,
        (r"old rating|new rating|before|same (change|amount|step|points)|updated|already|first",),
    ),
    Unseen("elo_update", elo_rounded, 8, (r"round|whole|integer|decimal",)),
    Unseen("elo_update", elo_no_ties, 9, (r"\bties?\b|0\.5|draw|half",)),
    Unseen("elo_update", elo_changes, 10, (r"new rating|change|added|itself|not the rating|rating_a \+",)),
    Unseen("win_rate_with_ties", ties_dropped, 1, (r"\bties?\b",), (r"\bskip|as (a )?(loss|win)|losses",)),
    Unseen(
        "win_rate_with_ties", ties_as_losses, 2, (r"\bties?\b",), (r"\bskip|as (a )?(whole )?win\b|dropped|left out",)
    ),
    Unseen(
        "win_rate_with_ties", ties_skips_count, 3, (r"\bskip",), (r"skip\w* (is|as|for|counts?) (as )?(half|a tie)",)
    ),
    Unseen("win_rate_with_ties", ties_as_wins, 4, (r"\bties?\b",), (r"\bskip|as (a )?loss|losses|dropped|left out",)),
    Unseen(
        "win_rate_with_ties",
        ties_skip_as_tie,
        5,
        (r"\bskip",),
        (r"\btie\w* (count|are|as)\w* (as )?(loss|win|dropped)",),
    ),
    Unseen("win_rate_with_ties", ties_of_b, 6, (r"of b|\"b\"|`b`|of a\b|\"a\"|turned|swap",), (r"\bskip",)),
    Unseen("win_rate_with_ties", ties_removes_while_looping, 7, (r"\bskip|loop|remov",)),
    Unseen("win_rate_with_ties", ties_removes_in_place, 8, IN_PLACE),
    Unseen("win_rate_with_ties", ties_percent, 9, (r"percent|%|from 0 to 1|100|between 0 and 1",)),
]
RIGHT = {
    "bradley_terry_probability": [
        lambda score_a, score_b: torch.stack([score_a, score_b]).softmax(dim=0)[0],
        lambda score_a, score_b: 0.5 * (1 + torch.tanh((score_a - score_b) / 2)),
    ],
    "bradley_terry_strengths": [strengths_right_newton, strengths_right_lbfgs],
    "elo_update": [elo_right_powers, elo_right_tanh],
    "win_rate_with_ties": [
        ties_right_mean,
        lambda choices: (1 + (choices.count("a") - choices.count("b")) / (len(choices) - choices.count("skip"))) / 2,
    ],
}

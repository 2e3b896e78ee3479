"""Answers to the exercises of lab 01."""

import math
from collections import Counter
from statistics import fmean, pstdev, stdev

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import zscore
from sklearn.metrics import cohen_kappa_score

# --- standardize_ratings ------------------------------------------------------


def scores_by_scipy(ratings):
    return np.nan_to_num(zscore(ratings, axis=0))


def person_by_person(ratings):
    columns = []
    for column in ratings.T.tolist():
        mean, spread = fmean(column), pstdev(column)
        columns.append([(rating - mean) / spread if spread else 0.0 for rating in column])
    return np.array(columns).T


def in_pandas(ratings):
    frame = pd.DataFrame(ratings)
    return ((frame - frame.mean()) / frame.std(ddof=0)).fillna(0).to_numpy()


def one_scale_for_all(ratings):
    return zscore(ratings, axis=None)


def row_by_row(ratings):
    return np.array([(row - row.mean()) / row.std() for row in ratings])


def only_centered(ratings):
    frame = pd.DataFrame(ratings)
    return frame.sub(frame.mean()).to_numpy()


def by_squared_spread(ratings):
    deviations = ratings - ratings.mean(axis=0)
    return deviations / np.maximum((deviations**2).mean(axis=0), 1e-12)


def as_pandas_does(ratings):
    frame = pd.DataFrame(ratings)
    return ((frame - frame.mean()) / frame.std()).to_numpy()


def sample_deviation_by_hand(ratings):
    columns = ratings.T.tolist()
    return np.array([[(r - fmean(c)) / (stdev(c) or 1) for r in c] for c in columns]).T


def unguarded(ratings):
    return zscore(ratings, axis=0)


# --- cohen_kappa --------------------------------------------------------------


def kappa_by_counting(a, b):
    n = len(a)
    of_a, of_b = Counter(a.tolist()), Counter(b.tolist())
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / n
    by_chance = sum(of_a[label] * of_b[label] for label in of_a) / n**2
    return (observed - by_chance) / (1 - by_chance)


def kappa_from_a_table(b, a):
    table = pd.crosstab(a, b, normalize=True)
    both = table.index.intersection(table.columns)
    observed = sum(table.loc[label, label] for label in both)
    by_chance = sum(table.loc[label].sum() * table[label].sum() for label in both)
    return (observed - by_chance) / (1 - by_chance)


def kappa_of_the_library(first, second):
    return cohen_kappa_score(first, second)


def share_of_equal(a, b):
    return sum(x == y for x, y in zip(a, b, strict=True)) / len(a)


def as_if_uniform(a, b):
    chance = 1 / len({*a.tolist(), *b.tolist()})
    return (np.mean(a == b) - chance) / (1 - chance)


def habits_of_the_first(a, b):
    chance = sum((count / len(a)) ** 2 for count in Counter(a.tolist()).values())
    return (np.mean(a == b) - chance) / (1 - chance)


def scotts_pi(a, b):
    both = Counter([*a.tolist(), *b.tolist()])
    chance = sum((count / (2 * len(a))) ** 2 for count in both.values())
    return (np.mean(a == b) - chance) / (1 - chance)


def beyond_chance_only(a, b):
    of_a, of_b = (pd.Series(labels).value_counts(normalize=True) for labels in (a, b))
    return float(np.mean(a == b) - (of_a * of_b).sum())


def disagreement(a, b):
    return -cohen_kappa_score(a, b)


# --- win_rate_with_ties -------------------------------------------------------


def points_game_by_game(choices):
    points = {"a": 1, "tie": 0.5, "b": 0}
    judged = [points[choice] for choice in choices if choice in points]
    return sum(judged) / len(judged)


def half_of_the_lead(choices):
    count = Counter(choices)
    return 0.5 + (count["a"] - count["b"]) / 2 / (len(choices) - count["skip"])


def decided_only(choices):
    decided = np.array([choice for choice in choices if choice in ("a", "b")])
    return (decided == "a").mean()


def not_lost(choices):
    judged = [choice for choice in choices if choice != "skip"]
    return 1 - judged.count("b") / len(judged)


def clear_wins(choices):
    judged = [choice for choice in choices if choice != "skip"]
    return judged.count("a") / len(judged)


def skips_as_half(choices):
    return fmean({"a": 1.0, "b": 0.0}.get(choice, 0.5) for choice in choices)


def over_all_rows(choices):
    return sum({"a": 1.0, "tie": 0.5}.get(choice, 0.0) for choice in choices) / len(choices)


def lead(choices):
    points = pd.Series(choices).map({"a": 1, "b": -1, "tie": 0})
    return float(points.mean())  # pandas leaves out what is missing: the skips


# --- bradley_terry_probability ------------------------------------------------


def by_the_formula(score_a, score_b):
    return 1 / (1 + torch.exp(-(score_a - score_b)))


def softmax_of_both(score_b, score_a):
    return torch.softmax(torch.stack([score_a, score_b]), dim=0)[0]


def one_by_one(first, second):
    return torch.tensor([expit(x - y) for x, y in zip(first.tolist(), second.tolist(), strict=True)])


def half_a_tanh(score_a, score_b):
    return 0.5 + 0.5 * ((score_a - score_b) / 2).tanh()


def ratio_of_scores(score_a, score_b):
    return 1 / (1 + score_b.double() / score_a)


def chance_of_b(score_a, score_b):
    return 1 - torch.sigmoid(score_a - score_b)


def bare_gap(score_a, score_b):
    return -(score_b - score_a)


def better_one_always(score_a, score_b):
    return torch.where(score_a > score_b, 1.0, 0.0)


def gap_of_sigmoids(score_a, score_b):
    return 1 / (1 + torch.exp(-score_a)) - 1 / (1 + torch.exp(-score_b))


def naive_softmax(score_a, score_b):
    exponentials = torch.exp(torch.stack([score_a, score_b]))
    return exponentials[0] / exponentials.sum(dim=0)


# --- bradley_terry_strengths --------------------------------------------------


def many_rounds(wins):
    k = len(wins)
    p = [1.0] * k
    for _ in range(200):
        p = [
            sum(wins[i]) / sum((wins[i][j] + wins[j][i]) / (p[i] + p[j]) for j in range(k) if j != i) for i in range(k)
        ]
        middle = math.exp(fmean(map(math.log, p)))
        p = [strength / middle for strength in p]
    return [math.log(strength) for strength in p]


def by_gradient(wins):
    wins = torch.tensor(wins, dtype=torch.float64)
    games = (wins + wins.T).sum(dim=1)
    r = torch.zeros(len(wins), dtype=torch.float64, requires_grad=True)
    for _ in range(100):
        likelihood = (wins * torch.nn.functional.logsigmoid(r[:, None] - r)).sum()
        (gradient,) = torch.autograd.grad(likelihood, r)
        r = (r + 2 * gradient / games).detach().requires_grad_()  # per game, so that step sizes fit any table
    return (r.detach() - r.detach().mean()).numpy()


def by_scipy(table):
    def loss(r):
        return (table * np.logaddexp(0, r - r[:, None])).sum() / table.sum()

    r = minimize(loss, np.zeros(len(table)), method="BFGS", options={"gtol": 1e-7}).x
    return r - r.mean()


def won_of_all_games(wins):
    return np.array([wins[i].sum() / (wins[i].sum() + wins[:, i].sum()) for i in range(len(wins))])


def log_of_won_to_lost(wins):
    odds = np.log(wins.sum(1) / wins.sum(0))
    return odds - odds.mean()


def losers_first(wins):
    return by_scipy(wins.T)


def odds_of_each(wins):
    return np.exp(by_gradient(wins))


def relative_to_the_first(wins):
    strengths = many_rounds(wins)
    return [strength - strengths[0] for strength in strengths]


def shares_in_logs(wins):
    p = np.exp(by_scipy(wins))
    return np.log(p / p.sum())


def once_only(wins):
    games = wins + wins.T
    p = np.array([wins[i].sum() / sum(games[i, j] / 2 for j in range(len(wins))) for i in range(len(wins))])
    return np.log(p / np.exp(np.log(p).mean()))


# --- elo_update ---------------------------------------------------------------


def in_odds(rating_a, rating_b, score_a, k):
    odds = 10 ** ((rating_a - rating_b) / 400)
    change = k * (score_a - odds / (1 + odds))
    return [rating_a + change, rating_b - change]


def both_sides(score_a, k, rating_a, rating_b):
    q_a, q_b = 10 ** (rating_a / 400), 10 ** (rating_b / 400)
    new_a = rating_a + k * (score_a - q_a / (q_a + q_b))
    new_b = rating_b + k * ((1 - score_a) - q_b / (q_a + q_b))
    return new_a, new_b


def with_a_sigmoid(a, b, score, step):
    change = step * (score - expit((a - b) * math.log(10) / 400))
    return np.array([a + change, b - change])


def underdog_expected(rating_a, rating_b, score_a, k):
    expected = 1 / (1 + math.pow(10, (rating_a - rating_b) / 400))
    return rating_a + k * (score_a - expected), rating_b - k * (score_a - expected)


def natural_base(rating_a, rating_b, score_a, k):
    expected = expit((rating_a - rating_b) / 400)
    return rating_a + k * (score_a - expected), rating_b + k * (expected - score_a)


def without_scale(rating_a, rating_b, score_a, k):
    expected = expit((rating_a - rating_b) * math.log(10))
    return rating_a + k * (score_a - expected), rating_b + k * (expected - score_a)


def winner_only(rating_a, rating_b, score_a, k):
    return in_odds(rating_a, rating_b, score_a, k)[0], rating_b


def same_direction(rating_a, rating_b, score_a, k):
    change = in_odds(rating_a, rating_b, score_a, k)[0] - rating_a
    return rating_a + change, rating_b + change


def fixed_step(rating_a, rating_b, score_a, k):
    return rating_a + k * score_a - k / 2, rating_b - k * score_a + k / 2


RIGHT = {
    "standardize_ratings": [scores_by_scipy, person_by_person, in_pandas],
    "cohen_kappa": [kappa_by_counting, kappa_from_a_table, kappa_of_the_library],
    "win_rate_with_ties": [points_game_by_game, half_of_the_lead],
    "bradley_terry_probability": [by_the_formula, softmax_of_both, one_by_one, half_a_tanh],
    "bradley_terry_strengths": [many_rounds, by_gradient, by_scipy],
    "elo_update": [in_odds, both_sides, with_a_sigmoid],
}
WRONG = {
    "standardize_ratings": {
        "together": [one_scale_for_all],
        "per text": [row_by_row],
        "offset only": [only_centered],
        "variance": [by_squared_spread],
        "sample deviation": [as_pandas_does, sample_deviation_by_hand],
        "constant": [unguarded],
    },
    "cohen_kappa": {
        "plain agreement": [share_of_equal],
        "even chance": [as_if_uniform],
        "one annotator": [habits_of_the_first],
        "pooled": [scotts_pi],
        "not divided": [beyond_chance_only],
        "sign": [disagreement],
    },
    "win_rate_with_ties": {
        "ties dropped": [decided_only],
        "ties are wins": [not_lost],
        "ties are losses": [clear_wins],
        "skips are ties": [skips_as_half],
        "skips are losses": [over_all_rows],
        "net wins": [lead],
    },
    "bradley_terry_probability": {
        "ratio": [ratio_of_scores],
        "swapped": [chance_of_b],
        "no sigmoid": [bare_gap],
        "certain": [better_one_always],
        "sigmoid of each": [gap_of_sigmoids],
        "overflow": [naive_softmax],
    },
    "bradley_terry_strengths": {
        "share of wins": [won_of_all_games],
        "ignores opponents": [log_of_won_to_lost],
        "losers": [losers_first],
        "no logarithm": [odds_of_each],
        "first is zero": [relative_to_the_first],
        "sums to one": [shares_in_logs],
        "one round": [once_only],
    },
    "elo_update": {
        "swapped expectation": [underdog_expected],
        "base e": [natural_base],
        "no 400": [without_scale],
        "loser keeps": [winner_only],
        "both gain": [same_direction],
        "no expectation": [fixed_step],
    },
}

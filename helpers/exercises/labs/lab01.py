"""Exercises and questions of lab 01, preferences: annotators, agreement, strengths from comparisons."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logit

from ...formulas import objectives, statistics
from ..exercise import Arguments, Exercise, Misconception
from ..inputs import normal
from ..questions import Choice, Forecast, Guess, Question

# --- Ratings ------------------------------------------------------------------


def _ratings(rng: np.random.Generator, texts: int, annotators: int) -> np.ndarray:
    """Seven-point ratings, everyone's at another place of the scale; nobody rates all texts alike."""
    points = rng.integers(1, 8, size=(texts, annotators))
    points[:2] = np.array([[1], [6]]) + rng.integers(0, 2, size=annotators)
    return points + 10 * np.arange(annotators)


def _rating_tables(rng: np.random.Generator) -> list[Arguments]:
    tables = [{"ratings": _ratings(rng, *shape)} for shape in ((12, 3), (7, 5), (30, 2))]
    all_alike = np.tile(rng.choice(7, size=3, replace=False) + 1, (5, 1))
    return [*tables, {"ratings": all_alike}]


def _scaled(deviations: np.ndarray, spread: np.ndarray) -> np.ndarray:
    return deviations / np.where(spread > 1e-12, spread, 1.0)


STANDARDIZE_RATINGS = Exercise(
    name="standardize_ratings",
    title="Take out everyone's scale",
    minutes=8,
    difficulty=1,
    deliver="Each annotator's ratings with mean 0 and standard deviation 1; 0 for somebody who rates all texts alike.",
    reference=statistics.standardize_ratings,
    cases=_rating_tables,
    hints=(
        "Rows are texts, columns are annotators: subtract each column's own mean, divide by its own spread.",
        "`ratings.mean(axis=0)` and `ratings.std(axis=0)` have one number for each annotator.",
        "Where the spread is 0 every deviation is 0: divide by 1 there, with `np.where(spread > 0, spread, 1)`.",
    ),
    misconceptions=(
        Misconception(
            "together",
            "one mean and one spread for all annotators together: whoever is severe stays severe. Take each one's own",
            lambda ratings: _scaled(ratings - ratings.mean(), ratings.std()),
        ),
        Misconception(
            "per text",
            "it standardizes each text over the annotators, which takes out how good the text is; scales belong to "
            "people, so go down the columns",
            lambda ratings: _scaled(ratings - ratings.mean(axis=1, keepdims=True), ratings.std(axis=1, keepdims=True)),
        ),
        Misconception(
            "offset only",
            "everyone's offset is out, but not the slope: who uses the whole scale still weighs more than who stays in "
            "the middle. Divide by the spread",
            lambda ratings: ratings - ratings.mean(axis=0),
        ),
        Misconception(
            "variance",
            "it divides by the variance, which is in squared points; the spread on the scale itself is its square root",
            lambda ratings: _scaled(ratings - ratings.mean(axis=0), ratings.var(axis=0)),
        ),
        Misconception(
            "sample deviation",
            "it divides by n - 1 (pandas does so unasked), which estimates the spread of texts nobody rated; here the "
            "result shall have standard deviation 1 itself, so divide by n",
            lambda ratings: _scaled(ratings - ratings.mean(axis=0), ratings.std(axis=0, ddof=1)),
        ),
        Misconception(
            "constant",
            "for somebody who rates all texts alike it divides 0 by 0; such a person says nothing, which is 0",
            lambda ratings: (ratings - ratings.mean(axis=0)) / ratings.std(axis=0),
        ),
    ),
)


# --- Agreement ----------------------------------------------------------------


def _two_annotators(rng: np.random.Generator, n: int, labels: np.ndarray, shares: tuple, other: tuple) -> Arguments:
    """Labels of two people, the second following the first in about six cases of ten."""
    a, own = rng.choice(labels, size=n, p=shares), rng.choice(labels, size=n, p=other)
    return {"a": a, "b": np.where(rng.random(n) < 0.6, a, own)}


def _label_lists(rng: np.random.Generator) -> list[Arguments]:
    agreed = rng.permutation(np.repeat([0, 1, 2], 5))
    return [
        _two_annotators(rng, 41, np.array([0, 1]), (0.5, 0.5), (0.2, 0.8)),
        _two_annotators(rng, 60, np.array([1, 2, 3]), (0.6, 0.3, 0.1), (0.2, 0.3, 0.5)),
        _two_annotators(rng, 30, np.array([-1.0, 1.0]), (0.8, 0.2), (0.1, 0.9)),
        {"a": agreed, "b": agreed.copy()},
    ]


def _kappa(by_chance=np.dot, of=lambda observed, chance: (observed - chance) / (1 - chance)):
    """Kappa with another chance, by_chance(shares of a, shares of b), or made in another way `of` the two numbers."""

    def wrong(a, b):
        labels = np.union1d(a, b)
        chance = by_chance((a[:, None] == labels).mean(axis=0), (b[:, None] == labels).mean(axis=0))
        return of((a == b).mean(), chance)

    return wrong


COHEN_KAPPA = Exercise(
    name="cohen_kappa",
    title="Agreement beyond chance",
    minutes=10,
    difficulty=2,
    deliver="Cohen's kappa of two annotators: (observed - chance) / (1 - chance), for any kind and number of labels.",
    reference=statistics.cohen_kappa,
    cases=_label_lists,
    hints=(
        "The observed agreement is the share of items with equal labels.",
        "By chance both say *x* with probability (share of x in a) times (share of x in b); add that up over all "
        "labels.",
        "`labels = np.union1d(a, b)`, and `(a == label).mean()` is a's share of one label.",
    ),
    misconceptions=(
        Misconception(
            "plain agreement",
            "that is the share of equal labels: two coins would reach one half. Take out what chance alone gives",
            _kappa(of=lambda observed, chance: observed),
        ),
        Misconception(
            "even chance",
            "it takes every label for equally likely: where both say `yes` nine times in ten, chance alone gives 0.82, "
            "not 0.5. Use the shares that they really gave",
            _kappa(lambda share_a, share_b: 1 / len(share_a)),
        ),
        Misconception(
            "one annotator",
            "the chance comes from one annotator's shares only, squared; the two are different people, with shares of "
            "their own",
            _kappa(lambda share_a, share_b: share_a @ share_a),
        ),
        Misconception(
            "pooled",
            "it pools both annotators' shares, as if they had one habit: that is Scott's pi. Cohen lets each keep "
            "their "
            "own",
            _kappa(lambda share_a, share_b: ((share_a + share_b) / 2) @ ((share_a + share_b) / 2)),
        ),
        Misconception(
            "not divided",
            "it stops at observed minus chance, which cannot reach 1 even for people who always agree: divide by what "
            "is left beyond chance",
            _kappa(of=lambda observed, chance: observed - chance),
        ),
        Misconception(
            "sign",
            "the sign is the wrong way round: people who always agree must get +1",
            _kappa(of=lambda observed, chance: (chance - observed) / (1 - chance)),
        ),
    ),
)


def _choice_lists(rng: np.random.Generator) -> list[Arguments]:
    def choices(a: int, b: int, tie: int, skip: int) -> Arguments:
        listed = ["a"] * a + ["b"] * b + ["tie"] * tie + ["skip"] * skip
        return {"choices": [str(choice) for choice in rng.permutation(listed)]}

    counts = rng.integers(2, 12, size=6)
    return [
        choices(counts[0], counts[1] + counts[0], counts[2], counts[3]),
        choices(counts[4] + counts[5], counts[5], 12, 0),  # most are ties
        choices(counts[1] + 1, counts[2] + counts[1], 0, counts[4]),  # no tie
        choices(1, 0, 0, 0),
    ]


def _share(points):
    """A win rate from counts: points(a, b, tie, skip) gives numerator and denominator."""

    def wrong(choices):
        numerator, denominator = points(*(list(choices).count(choice) for choice in ("a", "b", "tie", "skip")))
        return numerator / denominator

    return wrong


WIN_RATE_WITH_TIES = Exercise(
    name="win_rate_with_ties",
    title="What is a tie worth?",
    minutes=6,
    difficulty=1,
    deliver='The win rate of "a" in a list of "a", "b", "tie" and "skip": a tie is half a win, a skip does not count.',
    reference=statistics.win_rate_with_ties,
    cases=_choice_lists,
    hints=(
        'Count the four kinds first: `choices.count("tie")`.',
        "The win rates of a and of b must add up to 1: so each gets half of every tie.",
        "Wins plus half the ties, divided by all comparisons that somebody judged.",
    ),
    misconceptions=(
        Misconception(
            "ties dropped",
            "it leaves the ties out: two texts that are nearly always equal would look as far apart as the few judged "
            "pairs say. Give half of each tie to either side",
            _share(lambda a, b, tie, skip: (a, a + b)),
        ),
        Misconception(
            "ties are wins",
            "ties count as wins of a: seen from b's side they would be losses, and the two win rates add up to more "
            "than 1",
            _share(lambda a, b, tie, skip: (a + tie, a + b + tie)),
        ),
        Misconception(
            "ties are losses",
            "ties count as losses of a: the win rates of a and b then add up to less than 1",
            _share(lambda a, b, tie, skip: (a, a + b + tie)),
        ),
        Misconception(
            "skips are ties",
            "it counts a skip as a tie: somebody who did not look has not said that the two are equally good",
            _share(lambda a, b, tie, skip: (a + (tie + skip) / 2, a + b + tie + skip)),
        ),
        Misconception(
            "skips are losses",
            "it divides by all rows, so every skip counts against a: divide by the comparisons that were judged",
            _share(lambda a, b, tie, skip: (a + tie / 2, a + b + tie + skip)),
        ),
        Misconception(
            "net wins",
            "that is wins minus losses, from -1 to 1; a win rate runs from 0 to 1, with 0.5 for no difference",
            _share(lambda a, b, tie, skip: (a - b, a + b + tie)),
        ),
    ),
)


# --- Bradley-Terry ------------------------------------------------------------


def _two_scores(rng: np.random.Generator) -> list[Arguments]:
    batches = [{"score_a": normal(rng, n, scale=2), "score_b": normal(rng, n, scale=2)} for n in (6, 3, 1)]
    high = torch.tensor([150.0, 149.0, 160.0]) + normal(rng, 3)  # exp overflows float32 beyond 88
    return [*batches, {"score_a": high, "score_b": high - normal(rng, 3)}]


BRADLEY_TERRY_PROBABILITY = Exercise(
    name="bradley_terry_probability",
    title="From two scores to a probability",
    minutes=5,
    difficulty=1,
    deliver="The probability that a is preferred to b, sigmoid(score_a - score_b), for every entry of two tensors.",
    reference=objectives.bradley_terry_probability,
    cases=_two_scores,
    hints=(
        "Only the difference of the two scores counts, and which of the two comes first.",
        "The sigmoid turns any difference into a number between 0 and 1, and 0 into one half.",
        "`torch.sigmoid` works on whole tensors.",
    ),
    misconceptions=(
        Misconception(
            "ratio",
            "a ratio of raw scores: scores may be negative or 0, and adding 10 to both would change it. (It is right "
            "for "
            "exp(score), the strengths of the paper of 1952)",
            lambda score_a, score_b: score_a / (score_a + score_b),
        ),
        Misconception(
            "swapped",
            "that is the probability that *b* is preferred: the higher a scores, the likelier must a win",
            lambda score_a, score_b: torch.sigmoid(score_b - score_a),
        ),
        Misconception(
            "no sigmoid",
            "that is the difference of the scores, which may be any number: a probability lies between 0 and 1",
            lambda score_a, score_b: score_a - score_b,
        ),
        Misconception(
            "certain",
            "the higher score always wins here: real choices are noisy, and the closer the scores the nearer to a coin",
            lambda score_a, score_b: (score_a > score_b).float(),
        ),
        Misconception(
            "sigmoid of each",
            "it takes the sigmoid of each score and then compares: take the difference first, so that a constant added "
            "to both drops out",
            lambda score_a, score_b: torch.sigmoid(score_a) - torch.sigmoid(score_b),
        ),
        Misconception(
            "overflow",
            "exp(100) is infinite in float32, and inf / inf is NaN: take the sigmoid of the difference",
            lambda score_a, score_b: score_a.exp() / (score_a.exp() + score_b.exp()),
        ),
    ),
)


def _wins(rng: np.random.Generator, k: int, meetings: int) -> np.ndarray:
    """Wins of k things of random strength; some pairs meet often and some seldom, but each wins at least once."""
    strengths = rng.normal(size=k)
    met = np.triu(rng.integers(1, meetings, size=(k, k)) * rng.integers(1, 8, size=(k, k)), 1)
    won = rng.binomial(met, expit(strengths[:, None] - strengths))
    return won + (met - won).T + 1 - np.eye(k, dtype=int)


def _win_tables(rng: np.random.Generator) -> list[Arguments]:
    return [{"wins": _wins(rng, k, meetings)} for k, meetings in ((3, 8), (5, 6), (4, 300), (2, 9))]


def _near(got: Any, expected: Any) -> bool:
    """Whether the strengths agree as far as any way to find the maximum goes."""
    return np.shape(got) == np.shape(expected) and np.allclose(got, expected, rtol=0, atol=0.02)


def _fitted(wins: np.ndarray) -> np.ndarray:
    """The strengths by another road: a wrong answer may not call the reference either."""
    return minimize(lambda r: (wins * np.logaddexp(0, r - r[:, None])).sum() / wins.sum(), np.zeros(len(wins))).x


def _first_round(wins):
    p = wins.sum(axis=1) / ((wins + wins.T) / 2).sum(axis=1)
    return np.log(p) - np.log(p).mean()


def _log_odds(wins):
    share = wins.sum(axis=1) / (wins + wins.T).sum(axis=1)
    return logit(share) - logit(share).mean()


BRADLEY_TERRY_STRENGTHS = Exercise(
    name="bradley_terry_strengths",
    title="Strengths from comparisons",
    minutes=20,
    difficulty=3,
    deliver="The strengths (log-odds, mean 0) under which a table of wins is most probable, two decimals exact.",
    reference=statistics.bradley_terry_strengths,
    cases=_win_tables,
    same=_near,
    hints=(
        "Set p = exp(strength): i beats j with probability p_i / (p_i + p_j). Begin with p = 1 for all.",
        "Round by round, p_i becomes (wins of i) / sum over j of n_ij / (p_i + p_j), where n_ij = wins[i, j] + "
        "wins[j, i]; a few hundred rounds are plenty. (Gradient descent on the loss does as well.)",
        "With `n = wins + wins.T` the sum is `(n / (p[:, None] + p)).sum(axis=1)`. At the end take log p minus its "
        "mean.",
    ),
    misconceptions=(
        Misconception(
            "share of wins",
            "that is each one's share of wins, which ignores whom it was won against: beating the strong counts more "
            "than beating the weak",
            lambda wins: wins.sum(axis=1) / (wins + wins.T).sum(axis=1),
        ),
        Misconception(
            "ignores opponents",
            "log-odds of each one's share of wins: right only if all had met the same opponents equally often. Who "
            "wins "
            "against the weak looks strong",
            _log_odds,
        ),
        Misconception(
            "losers",
            "the order is upside down: wins[i, j] counts how often i was preferred to j, and winners are strong",
            lambda wins: _fitted(wins.T),
        ),
        Misconception(
            "no logarithm",
            "those are p = exp(strength), whose *ratios* count; scores are their logarithms, whose differences count",
            lambda wins: np.exp(_fitted(wins)),
        ),
        Misconception(
            "first is zero",
            "right up to a constant, which the data leave open: the first has 0 here; take off the mean, so that "
            "tables with other first rows can be compared",
            lambda wins: _fitted(wins) - _fitted(wins)[0],
        ),
        Misconception(
            "sums to one",
            "right up to a constant, which the data leave open: exp(strength) adds up to 1 here; take off the mean of "
            "the strengths",
            lambda wins: log_softmax(_fitted(wins)),
        ),
        Misconception(
            "one round",
            "that is the first round of the iteration: after it everyone's opponents have moved, so go on until "
            "nothing "
            "changes any more",
            _first_round,
        ),
    ),
)


def _games(rng: np.random.Generator) -> list[Arguments]:
    def game(score_a: float) -> Arguments:
        rating_a, rating_b = (float(rating) for rating in rng.uniform(1400, 1600, size=2))
        return {"rating_a": rating_a, "rating_b": rating_b, "score_a": score_a, "k": float(rng.uniform(8, 40))}

    equal = {"rating_a": 1500.0, "rating_b": 1500.0, "score_a": 0.5, "k": 32.0}
    return [game(1.0), game(0.0), game(0.5), game(1.0), equal]


def _elo(expected, share_of_b=-1.0):
    """An update with another expected score of a, and b getting `share_of_b` of a's change."""

    def wrong(rating_a, rating_b, score_a, k):
        change = k * (score_a - expected(rating_a - rating_b))
        return rating_a + change, rating_b + share_of_b * change

    return wrong


def _expected(difference: float) -> float:
    return 1 / (1 + 10 ** (-difference / 400))


ELO_UPDATE = Exercise(
    name="elo_update",
    title="Ratings that move with every game",
    minutes=10,
    difficulty=2,
    deliver="Both new ratings after one comparison: what a scores beyond 1 / (1 + 10^((rating_b - rating_a) / 400)), "
    "times k, goes from b to a.",
    reference=statistics.elo_update,
    cases=_games,
    hints=(
        "First the expected score of a, a number between 0 and 1: the higher a is rated, the nearer to 1.",
        "a moves by k * (score - expected): a sure win moves nothing, an upset much.",
        "Return `rating_a + change, rating_b - change`.",
    ),
    misconceptions=(
        Misconception(
            "swapped expectation",
            "it expects the *lower* rated to win: the favorite would gain most from a win that everybody foresaw. "
            "Mind "
            "the sign of the difference",
            _elo(lambda difference: _expected(-difference)),
        ),
        Misconception(
            "base e",
            "it takes exp instead of a power of 10: on Elo's scale 400 points are odds of ten to one, not of 2.7 to "
            "one",
            _elo(lambda difference: 1 / (1 + np.exp(-difference / 400))),
        ),
        Misconception(
            "no 400",
            "it leaves out the 400: one point of difference would be odds of ten to one, and the favorite certain",
            _elo(lambda difference: 1 / (1 + 10 ** (-difference))),
        ),
        Misconception(
            "loser keeps",
            "only a moves: points must go from one to the other, or all ratings drift and none can be compared",
            _elo(_expected, share_of_b=0.0),
        ),
        Misconception(
            "both gain",
            "both move the same way: what a gains, b loses, so that the sum stays",
            _elo(_expected, share_of_b=1.0),
        ),
        Misconception(
            "no expectation",
            "every win moves the same number of points: a win over a much weaker one should hardly count. Subtract the "
            "expected score, not one half",
            _elo(lambda difference: 0.5),
        ),
    ),
)


EXERCISES = [
    STANDARDIZE_RATINGS,
    COHEN_KAPPA,
    BRADLEY_TERRY_PROBABILITY,
    BRADLEY_TERRY_STRENGTHS,
    ELO_UPDATE,
    WIN_RATE_WITH_TIES,
]

QUESTIONS = [
    Guess(
        "sft_wins_share", "how often does a text of the SFT model beat one of the base model?", 0, 1, 0.01, close=0.05
    ),
    Guess("same_rating", "how often do two people give a text the same number of 1 to 7?", 0, 1, 0.01, close=0.05),
    Question(
        "raw_average",
        "Every text is rated by two people out of many, and you average their raw ratings. What goes wrong?",
        (
            Choice(
                "Nothing: offsets cancel in an average",
                "They would if everybody rated everything. Here each text draws its own two people, and theirs stay "
                "in.",
            ),
            Choice(
                "A text's average depends on who happened to rate it",
                "Yes: two severe people make any text look poor. Compare within people, or take out each one's mean "
                "and "
                "spread first.",
                True,
            ),
            Choice(
                "The average is too noisy, so more texts are needed",
                "More texts do not help: each one's average carries its own raters' scales, however many texts there "
                "are.",
            ),
        ),
    ),
    Forecast(
        "highest_kappa",
        "the same ratings asked in three ways: which kappa is the highest?",
        ("rating 1-7", "rated 5 or more", "which is better"),
    ),
    Question(
        "price_of_comparisons",
        "Comparisons agree better than ratings. What do they cost?",
        (
            Choice("They are less honest", "No: they are the same people's judgments of the same texts."),
            Choice(
                "They do not say how good the better text is",
                "Yes: both may be useless, or both excellent. One comparison carries about a bit, and no zero.",
                True,
            ),
            Choice(
                "They cannot order more than two texts",
                "They can: Bradley-Terry puts everything that is linked by comparisons on one scale.",
            ),
        ),
    ),
    Question(
        "bradley_terry_assumes",
        "What does Bradley-Terry assume about the people who choose?",
        (
            Choice(
                "Each text has one utility, the same for all of them, and choices follow its differences with noise",
                "Yes. One number a text, shared by everybody: tastes that differ have no place in it.",
                True,
            ),
            Choice(
                "They always choose the better text",
                "No: with scores 1 apart the worse one is chosen in 27 % of the cases. Noise is part of the model.",
            ),
            Choice(
                "They use their scale in the same way",
                "No scale is used: whoever only compares needs none. That is what makes comparisons attractive.",
            ),
        ),
    ),
    Question(
        "third_text",
        "People choose A over B three times in four. Now a third text C joins, almost a copy of B. What does "
        "Bradley-Terry say about the odds of A against B?",
        (
            Choice(
                "They stay three to one",
                "Yes, whatever else can be chosen: this is independence of irrelevant alternatives. (A choice from all "
                "three is where it fails in life: B and its copy share their friends.)",
                True,
            ),
            Choice(
                "They rise: B and C share their votes",
                "Real people choosing one of three may do so, but here A and B are compared alone: r_A - r_B has no C "
                "in it.",
            ),
            Choice("It cannot be said without comparing A with C", "r_A - r_B is known from A against B already."),
        ),
    ),
    Question(
        "elo_order",
        "The same 10,000 comparisons, in another order. What changes?",
        (
            Choice("Elo and the fitted strengths", "The fit sees a table of wins, in which no order is left."),
            Choice(
                "Elo only",
                "Yes: Elo walks through them one by one and forgets the old ones. It suits players who change; for "
                "texts, "
                "which do not, Chatbot Arena moved to Bradley-Terry.",
                True,
            ),
            Choice("Neither", "Each update of Elo depends on the ratings at that moment, so the order matters."),
        ),
    ),
    Guess("careful_kappa", "the highest kappa of any two annotators?", -1, 1, 0.01, close=0.1),
    Forecast(
        "log_odds_add_up",
        "whose log-odds add up?",
        ("only Elena's and Grace's", "only the mixture's", "everybody's", "nobody's"),
    ),
    Question(
        "majority_cycle",
        "Three people, three texts: one prefers a > b > c, one b > c > a, one c > a > b. By majority a beats b, b "
        "beats "
        "c, c beats a. Which assumption of von Neumann and Morgenstern fails for the majority?",
        (
            Choice(
                "Completeness: some pairs cannot be compared",
                "Every pair has a majority of two to one, so all of them are compared.",
            ),
            Choice(
                "Transitivity, so no utility represents it",
                "Yes: r_a > r_b > r_c > r_a is impossible, though each of the three is perfectly consistent.",
                True,
            ),
            Choice(
                "None: each of the three has a utility, so the majority has one",
                "That is the trap (Condorcet 1785): consistent people can make an inconsistent majority.",
            ),
        ),
    ),
    Question(
        "length_is_bias",
        "In 65 % of the pairs the longer text was chosen. Do the annotators have a length bias?",
        (
            Choice("Yes, 65 % is far above one half", "Longer texts may be better ones: they state one more fact."),
            Choice("No, longer texts are better", "Perhaps they are; this number cannot tell either."),
            Choice(
                "One cannot tell from this number",
                "Yes: hold the content fixed, then see what ten more words are worth. Only that is liking length "
                "itself.",
                True,
            ),
        ),
    ),
    Guess("best_accuracy", "the best accuracy that any judge of the test labels can reach?", 0.5, 1, 0.01, close=0.02),
    Question(
        "eighty_percent",
        "A reward model agrees with 80 % of the test labels. Is that good?",
        (
            Choice(
                "No, one label in five is wrong",
                "Many of these cannot be foreseen by anybody: close calls, coins, tastes.",
            ),
            Choice("Yes, a coin has 50 %", "A judge that sees nothing but length beats a coin by far, too."),
            Choice(
                "It depends on the best possible accuracy and on simple judges",
                "Yes: between length alone and the best possible lies what there is to learn. And it takes an "
                "interval.",
                True,
            ),
        ),
    ),
    Guess(
        "judge_of_others",
        "a judge who learned from facts-first people: accuracy on short-and-sweet people's labels?",
        0,
        1,
        0.01,
        close=0.05,
    ),
    Question(
        "more_labels",
        "You may buy twice as many labels. Against which trouble does it help?",
        (
            Choice(
                "Careless Dan",
                "Yes: coin flips average out. Taste does not: the average only becomes more exact.",
                True,
            ),
            Choice(
                "Two groups with different tastes",
                "You would know the average of the two tastes better: nobody's taste.",
            ),
            Choice("Both", "Dan yes. But no number of labels makes one utility out of two."),
        ),
    ),
    Question(
        "whose_values",
        "A reward model was trained on labels of forty contractors, chosen by a test and instructed by researchers. "
        "What "
        "has it learned?",
        (
            Choice(
                "What people prefer",
                "It has seen forty of them, who were chosen because they agreed with researchers.",
            ),
            Choice(
                "What these forty choose under these instructions, averaged",
                "Yes: who writes the criteria, who hires, who labels and a loss that averages all have their part in "
                "it.",
                True,
            ),
            Choice(
                "What the researchers prefer",
                "They shaped it, but each label is a contractor's own, with noise and taste.",
            ),
        ),
    ),
]

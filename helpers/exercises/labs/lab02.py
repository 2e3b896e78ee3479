"""Exercises and questions of lab 02, the reward model: its loss, its accuracy and calibration, best of n."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.special import expit
from torch.nn import functional as F

from ...formulas import objectives, statistics
from ...simulation.variants import ERRORS
from ..exercise import Arguments, Exercise, Misconception
from ..inputs import normal
from ..questions import DIRECTIONS, Choice, Forecast, Guess, Question

# --- The loss -----------------------------------------------------------------


def _score_pairs(rng: np.random.Generator) -> list[Arguments]:
    batches = [{"chosen": normal(rng, n, scale=2), "rejected": normal(rng, n, scale=2)} for n in (5, 3, 1)]
    far_apart = {"chosen": torch.tensor([60.0, -120.0]), "rejected": torch.tensor([-70.0, 90.0])}
    return [*batches, far_apart]


BRADLEY_TERRY_LOSS = Exercise(
    name="bradley_terry_loss",
    title="The loss of a reward model",
    minutes=8,
    difficulty=1,
    deliver="The mean of -log sigmoid(chosen - rejected) over a batch of pairs, a scalar.",
    reference=objectives.bradley_terry_loss,
    cases=_score_pairs,
    gradients=("chosen", "rejected"),
    hints=(
        "The probability that the chosen one wins is sigmoid(chosen - rejected); the loss is minus its logarithm.",
        "Take the mean over the batch, so that the loss does not grow with it.",
        "log(sigmoid(x)) is -inf for x = -200 in float32; `torch.nn.functional.logsigmoid(x)` is exact.",
    ),
    misconceptions=(
        Misconception(
            "sign",
            "the two are swapped: this loss falls when the *rejected* text scores higher. Take chosen - rejected",
            lambda chosen, rejected: -F.logsigmoid(rejected - chosen).mean(),
        ),
        Misconception(
            "no minus",
            "the minus is missing: minimizing this makes the chosen text *less* probable",
            lambda chosen, rejected: F.logsigmoid(chosen - rejected).mean(),
        ),
        Misconception(
            "no log",
            "that is a probability, not a loss: take minus its logarithm (a pair judged badly wrong must cost much)",
            lambda chosen, rejected: torch.sigmoid(chosen - rejected).mean(),
        ),
        Misconception(
            "sum",
            "it sums over the batch: with twice the pairs the gradient would be twice as large. Take the mean",
            lambda chosen, rejected: -F.logsigmoid(chosen - rejected).sum(),
        ),
        Misconception(
            "overflow",
            "log(sigmoid(-200)) is -inf in float32: use logsigmoid, which does not round to 0",
            lambda chosen, rejected: -torch.log(torch.sigmoid(chosen - rejected)).mean(),
        ),
        Misconception(
            "log of mean",
            "the logarithm comes after the mean: take the logarithm for each pair, then the mean",
            lambda chosen, rejected: -torch.log(torch.sigmoid(chosen - rejected).mean()),
        ),
    ),
)


def _pairs_with_margins(rng: np.random.Generator) -> list[Arguments]:
    def pairs(margin: np.ndarray) -> Arguments:
        chosen, rejected = normal(rng, len(margin), scale=2), normal(rng, len(margin), scale=2)
        return {"chosen": chosen, "rejected": rejected, "margin": torch.tensor(margin, dtype=torch.float32)}

    as_in_llama2 = rng.permutation([0, 1 / 3, 2 / 3, 1])
    return [pairs(as_in_llama2), pairs(rng.uniform(0.2, 3, size=6)), pairs(rng.uniform(0.2, 3, size=1))]


MARGIN_LOSS = Exercise(
    name="margin_loss",
    title="A margin for sure preferences",
    minutes=6,
    difficulty=1,
    deliver="The mean of -log sigmoid(chosen - rejected - margin) over a batch of pairs, a scalar.",
    reference=objectives.margin_loss,
    cases=_pairs_with_margins,
    gradients=("chosen", "rejected"),
    hints=(
        "The chosen text must be ahead by `margin` before its pair costs what a tie costs without one.",
        "It is the loss of before with a head start for the rejected text.",
        "Subtract the margin from the difference of the scores, inside the sigmoid.",
    ),
    misconceptions=(
        Misconception(
            "added",
            "the margin is added to the gap: the surer people were, the *less* this loss asks for. Subtract it",
            lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected + margin).mean(),
        ),
        Misconception(
            "outside",
            "the margin stands outside the sigmoid and the logarithm: there it is a constant, and no gradient changes. "
            "Take it off the difference of the scores",
            lambda chosen, rejected, margin: (-F.logsigmoid(chosen - rejected) - margin).mean(),
        ),
        Misconception(
            "outside, added",
            "the margin is added to the loss: there it is a constant, and no gradient changes. Take it off the "
            "difference of the scores, inside the sigmoid",
            lambda chosen, rejected, margin: (-F.logsigmoid(chosen - rejected) + margin).mean(),
        ),
        Misconception(
            "weight",
            "the margin weighs the pairs: one with margin 0 would teach nothing at all. It shifts the gap, it does not "
            "multiply the loss",
            lambda chosen, rejected, margin: (-F.logsigmoid(chosen - rejected) * margin).mean(),
        ),
        Misconception(
            "ignored",
            "the margin is not used: that is the loss without one",
            lambda chosen, rejected, margin: -F.logsigmoid(chosen - rejected).mean(),
        ),
        Misconception(
            "hinge",
            "that is a hinge loss: beyond the margin it pulls no more, and it has no probability behind it. Keep the "
            "sigmoid of Bradley-Terry",
            lambda chosen, rejected, margin: F.relu(margin - (chosen - rejected)).mean(),
        ),
    ),
)


# --- Accuracy and calibration -------------------------------------------------


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


def _calibration(combine, confidence_of=lambda bin_of, confidence, bins: confidence.mean()):
    """An error made from other things: combine(weights, gaps) of the bins that hold something."""

    def wrong(confidence, correct, bins):
        bin_of = statistics.calibration_bin(confidence, bins)
        groups = [(b, bin_of == b) for b in np.unique(bin_of)]
        weights = np.array([here.mean() for _, here in groups])
        gaps = [correct[here].mean() - confidence_of(b, confidence[here], bins) for b, here in groups]
        return combine(weights, np.array(gaps))

    return wrong


def _flipped(confidence, correct, bins):
    turned = confidence < 0.5
    return _weighted(np.where(turned, 1 - confidence, confidence), correct != turned, bins)


def _without_the_certain(confidence, correct, bins):
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


# --- Scores -------------------------------------------------------------------


def _raw_scores(rng: np.random.Generator) -> list[Arguments]:
    def scores(*shape: int) -> Arguments:
        mean, std = float(rng.uniform(0.5, 3)), float(rng.uniform(1.5, 3))
        return {"scores": mean + 1 + normal(rng, *shape, scale=std), "mean": mean, "std": std}

    return [scores(8), scores(3), scores(4, 2)]


NORMALIZE_SCORES = Exercise(
    name="normalize_scores",
    title="One scale for all reward models",
    minutes=4,
    difficulty=1,
    deliver="The scores on a scale where the given mean is 0 and one given standard deviation is 1.",
    reference=objectives.normalize_scores,
    cases=_raw_scores,
    hints=(
        "The two numbers are given: they were measured once, on reference texts, and stay fixed.",
        "First move the zero, then change the unit.",
        "Subtract the mean from the scores, then divide by the standard deviation.",
    ),
    misconceptions=(
        Misconception(
            "per batch",
            "it takes mean and spread from the scores at hand: the same text would get another reward in each batch, "
            "and the mean reward could never rise. Use the numbers given",
            lambda scores, mean, std: (scores - scores.mean()) / scores.std(),
        ),
        Misconception(
            "order",
            "it divides first and subtracts then: the mean is in raw units, so take it off before you change the unit",
            lambda scores, mean, std: scores / std - mean,
        ),
        Misconception(
            "variance",
            "it divides by the variance: the standard deviation is given, and is in the units of the scores already",
            lambda scores, mean, std: (scores - mean) / std**2,
        ),
        Misconception(
            "shift only",
            "the zero is moved, but the unit stays: the KL penalty would weigh more or less with each reward model",
            lambda scores, mean, std: scores - mean,
        ),
        Misconception(
            "undone",
            "that is the way back, from normalized scores to raw ones",
            lambda scores, mean, std: scores * std + mean,
        ),
    ),
)


# --- Best of n ----------------------------------------------------------------


def _samples(rng: np.random.Generator) -> list[Arguments]:
    def samples(prompts: int, drawn: int, n: int) -> Arguments:
        scores = normal(rng, prompts, drawn, scale=2)
        scores[0, int(rng.integers(n, drawn)) if n < drawn else 0] += 20  # the best of all is not among the first n
        return {"scores": scores, "n": n}

    return [samples(5, 8, 3), samples(3, 6, 4), samples(4, 5, 1), samples(6, 4, 4)]


BEST_OF_N = Exercise(
    name="best_of_n",
    title="Draw n, keep the best",
    minutes=5,
    difficulty=1,
    deliver="Each prompt's index of the highest score among its first n samples, (prompts, samples) -> (prompts,).",
    reference=objectives.best_of_n,
    cases=_samples,
    hints=(
        "Rows are prompts, columns are samples: keep the first n columns.",
        "`argmax` gives the place of the highest score, `max` the score itself.",
        "Along which dimension are the samples of one prompt?",
    ),
    misconceptions=(
        Misconception(
            "all samples",
            "it looks at all the samples: with n = 1 there is nothing to choose",
            lambda scores, n: scores.argmax(dim=1),
        ),
        Misconception(
            "score",
            "those are the highest scores, not where they are: the text to keep is found by its index",
            lambda scores, n: scores[:, :n].max(dim=1).values,
        ),
        Misconception(
            "across prompts",
            "it compares the prompts with one another, sample by sample: the best of n is chosen for each prompt, "
            "among "
            "its own samples",
            lambda scores, n: scores[:, :n].argmax(dim=0),
        ),
        Misconception(
            "one for all",
            "it finds one winner in the whole table: every prompt needs its own",
            lambda scores, n: scores[:, :n].argmax(),
        ),
        Misconception(
            "worst",
            "that is the sample with the *lowest* score",
            lambda scores, n: scores[:, :n].argmin(dim=1),
        ),
    ),
)


BEST_OF_N_KL = Exercise(
    name="best_of_n_kl",
    title="How far from the model is its best?",
    minutes=5,
    difficulty=1,
    deliver="log n - (n - 1) / n, in nats: at most so far is the best of n samples from the model that drew them.",
    reference=objectives.best_of_n_kl,
    cases=lambda rng: [{"n": int(n)} for n in (1, rng.integers(2, 6), rng.integers(6, 30), rng.integers(100, 5000))],
    hints=(
        "With n = 1 nothing is chosen, so the distance must be 0.",
        "Nats take the natural logarithm: `math.log`.",
        "Mind the brackets: the whole of n - 1 is divided by n.",
    ),
    misconceptions=(
        Misconception(
            "log only",
            "log n alone would hold if the best of n always came from the best 1/n of all texts; often it does not, "
            "and the last term takes that back",
            lambda n: math.log(n),
        ),
        Misconception(
            "base 2",
            "that is partly in bits: a KL penalty is in nats, so take the natural logarithm",
            lambda n: math.log2(n) - (n - 1) / n,
        ),
        Misconception(
            "base 10",
            "it takes the logarithm to base 10: nats take the natural one",
            lambda n: math.log10(n) - (n - 1) / n,
        ),
        Misconception(
            "brackets",
            "only 1 is divided by n here: with n = 1 the distance must be 0",
            lambda n: math.log(n) - n - 1 / n,
        ),
        Misconception(
            "sign",
            "the second term is added: for n = 2 that is 1.19, more than log 2 = 0.69, which no choice between two "
            "samples can reach",
            lambda n: math.log(n) + (n - 1) / n,
        ),
    ),
)

EXERCISES = [
    BRADLEY_TERRY_LOSS,
    MARGIN_LOSS,
    PAIR_ACCURACY,
    EXPECTED_CALIBRATION_ERROR,
    NORMALIZE_SCORES,
    BEST_OF_N,
    BEST_OF_N_KL,
]

QUESTIONS = [
    Question(
        "constant",
        "You add 5 to every score of a reward model. What happens to its accuracy on pairs?",
        (
            Choice(
                "It stays the same",
                "Only differences enter the loss and the accuracy: the constant cancels.",
                True,
            ),
            Choice("It rises", "Both scores of a pair rise by 5, so no pair changes its order."),
            Choice("It depends on the pairs", "The difference chosen - rejected is the same for every pair."),
        ),
    ),
    Question(
        "settled_pairs",
        "After some training a pair has a gap of 6 in the right order, another one of -6. Which one moves the weights?",
        (
            Choice(
                "Both alike: each is one pair",
                "Each pair pulls with 1 - P, the surprise at its choice: 0.002 for the one, 0.998 for the other.",
            ),
            Choice(
                "Nearly only the one in the wrong order",
                "Yes, and if its label was a careless coin flip, it is noise that pulls with full force.",
                True,
            ),
            Choice(
                "Nearly only the one in the right order",
                "It is settled: its P is 0.998, and little is left to gain.",
            ),
        ),
    ),
    Question(
        "margin_is_not_strength",
        "Strengths run from 1 (negligibly better) to 4 (significantly better). What if you pass them as margins?",
        (
            Choice(
                "Nothing: the surer pair still gets the wider margin",
                "The order is right, but even people who were unsure would ask for a gap of 1, and the sure for 4.",
            ),
            Choice(
                "Even a negligible preference asks for a gap of 1, odds of 2.7 to one",
                "Yes: a rating is not in units of the score. Llama 2 maps the four strengths to 0, 1/3, 2/3 and 1 (or "
                "3 "
                "times as much).",
                True,
            ),
            Choice(
                "It trains faster, since all gradients are larger",
                "They are, but towards a falsehood: that people who said 'unsure' chose so with a probability of 73 %.",
            ),
        ),
    ),
    Guess("first_loss", "the loss of the first step, in nats a pair?", 0, 3, 0.05, close=0.15),
    Guess("test_accuracy", "on what share of the test pairs will it agree?", 0.5, 1.0, 0.01, close=0.03),
    Guess("length_accuracy", "the accuracy of a judge that sees the two lengths only?", 0.4, 1.0, 0.01, close=0.03),
    Question(
        "length_and_reading",
        "Length alone gets 74 %. How do you find out whether a reward model reads at all?",
        (
            Choice(
                "Its accuracy is higher than 74 %",
                "Two bars with wide intervals say little. Ask on the same pairs, and where length cannot help.",
            ),
            Choice(
                "Compare both pair by pair, and look at texts of like length and different content",
                "Yes: the difference on the same pairs has a narrow interval, and made-up variants say what it checks.",
                True,
            ),
            Choice(
                "Take length out of the data",
                "Length and content go together honestly too: a TL;DR with one fact more is longer.",
            ),
        ),
    ),
    Question(
        "beats_the_people",
        "Two people agree on 75 % of the pairs, a reward model agrees with one person on 78 %. How can that be?",
        (
            Choice(
                "It must have seen the test pairs",
                "It has not: prompts are in one split only. There is a simpler reason.",
            ),
            Choice(
                "It has averaged many people's noise away; two people compared have noise twice",
                "Yes. The ceiling for a judge without noise is the best possible accuracy, not how well people agree.",
                True,
            ),
            Choice(
                "It knows what people want better than they do",
                "It knows the average of them, and only through labels.",
            ),
        ),
    ),
    Forecast(
        "surest_pairs",
        "where the reward model is surest (above 90 %), is it right as often as it says?",
        ("less often", "about as often", "more often"),
    ),
    Question(
        "three_times_as_wide",
        "You multiply all scores by 3. What happens to accuracy and calibration?",
        (
            Choice(
                "Both stay",
                "The order of no pair changes, but sigmoid(3 * gap) is not sigmoid(gap): it is far surer.",
            ),
            Choice(
                "Accuracy stays, calibration gets worse",
                "Yes: accuracy sees only the order. PPO sees the size as well: it weighs it against the KL penalty.",
                True,
            ),
            Choice("Both get worse", "Accuracy sees only which score is higher, and 3 is positive."),
        ),
    ),
    Forecast(
        "whose_preferences",
        "which reward model will agree more often with the labels kept back?",
        ("the one trained on these labels", "the one trained on the crowd's"),
    ),
    Forecast(
        "larger_base",
        "1,024 labels each: from the reward model on the smallest base to that on the largest, where does accuracy go?",
        DIRECTIONS,
    ),
    Forecast(
        "margin_gain",
        "1,024 labels each: with Llama 2's small margin in the loss, where does accuracy go?",
        DIRECTIONS,
    ),
    Forecast(
        "another_problem",
        "a perfect TL;DR and one with another post's problem in it: what does the reward model say of the perfect one?",
        ("higher", "lower", "no detectable difference"),
    ),
    Forecast(
        "eight_words_more",
        "eight words that state nothing are put before a perfect TL;DR: where does its score go?",
        DIRECTIONS,
    ),
    Forecast("blind_spot", "which of these errors does your reward model miss most often?", ERRORS),
    Question(
        "why_by_error",
        "Two judges are right on 80 % of the test pairs. Why look at kinds of errors?",
        (
            Choice(
                "To find out which one is right more often",
                "On the test pairs, neither. A sum over kinds would only weigh them in another way.",
            ),
            Choice(
                "They may be wrong about different texts, and a policy will write what its judge cannot see",
                "Yes: an average over the test pairs speaks of the texts in them, PPO chooses its own.",
                True,
            ),
            Choice(
                "To train on the errors",
                "One could, but then they measure nothing any more. And the next error is another one.",
            ),
        ),
    ),
    Question(
        "normalize_when",
        "When are the mean and the width of the scores measured?",
        (
            Choice(
                "In each batch of PPO, so that rewards always have mean 0",
                "Then no policy could ever raise its mean reward: each batch would hide what was gained.",
            ),
            Choice(
                "Once, after training, on reference texts; then they stay fixed",
                "Yes: a score then means the same in every batch and lab, and 0 is what the texts before PPO are "
                "worth.",
                True,
            ),
            Choice(
                "Before training, on the untrained head",
                "Training moves both: in the loss nothing holds the zero, and the width grows with the steps.",
            ),
        ),
    ),
    Guess(
        "best_of_8_gain",
        "by how much does the gold reward rise from one sample to the best of eight?",
        -1,
        2,
        0.05,
        close=0.25,
    ),
    Question(
        "best_of_n_limit",
        "Best of n costs no training. Why does anybody train a policy?",
        (
            Choice(
                "Best of n needs n times the sampling for every answer, and its gain slows down: the distance grows "
                "as log n",
                "Yes. PPO pays once, in training; the policy then answers with one sample.",
                True,
            ),
            Choice(
                "Best of n cannot overoptimize, so it stops too early",
                "It can (Gao et al. 2023): with large n it finds the texts that the reward model is wrong about.",
            ),
            Choice("Best of n needs the gold reward", "It needs the reward model only, as PPO does."),
        ),
    ),
]

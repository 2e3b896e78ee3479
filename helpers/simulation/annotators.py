"""Simulated annotators: the people of this small world, who compare two completions or rate one.

Each has the gold reward in mind, plus a bias of their own:

    u(y) = R(y) + w_goal goal + w_constraint constraint + w_question question
           + w_invented invented + w_irrelevant irrelevant + w_excess excess_words + length_bias words

and prefers a to b by Bradley-Terry (1952): P(a > b) = sigmoid((u(a) - u(b)) / temperature).

With probability `skim` they read only the beginning of both texts and so miss whether the question is there.
With probability `careless` they flip a coin instead. They call it a tie where the utilities, as they read the
texts, differ by less than `tie_threshold`, and skip a pair with probability `skip_rate`, whatever it holds.
So every probability is known exactly, and with it the best accuracy that any reward model can reach.

The random choices use `rng.random()` only, so a `random.Random` and a numpy `Generator` both do.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, NamedTuple

from numpy.random import Generator

from .gold import GoldScore

STRENGTH_STEPS = (0.6, 1.2, 2.0)  # felt differences of utility where strength 2, 3 and 4 begin
RATINGS = range(1, 8)
EULER_GAMMA = 0.5772156649015329  # mean of the standard Gumbel distribution


@dataclass(frozen=True)
class Annotator:
    """One simulated person. Utilities are in units of the gold reward: one essential fact is worth 1.

    Raises:
        ValueError: The temperature is not positive, or a probability lies outside [0, 1].
    """

    name: str
    description: str
    group: str = ""
    temperature: float = 0.4  # the difference of utility that 73 % of their choices follow
    length_bias: float = 0.0  # utility per word, good or bad
    skim: float = 0.0  # probability that they miss the question
    careless: float = 0.0  # probability of a coin flip
    # Taste: utility on top of the gold reward, per fact stated or fault made.
    goal: float = 0.0
    constraint: float = 0.0
    question: float = 0.0
    invented: float = 0.0
    irrelevant: float = 0.0
    excess: float = 0.0  # per word above the rubric's limit
    # Absolute ratings: 4 + offset + slope * utility, on a scale from 1 to 7.
    rating_offset: float = 0.0
    rating_slope: float = 1.0
    tie_threshold: float = 0.1  # utilities closer than this are a tie
    skip_rate: float = 0.01

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"annotator {self.name}: temperature must be positive, not {self.temperature}")
        for field in ("skim", "careless", "skip_rate"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(f"annotator {self.name}: {field} must lie in [0, 1], not {getattr(self, field)}")


# First names, so that a lab can ask who skims without the answer standing in the data.
ANNOTATORS: dict[str, Annotator] = {
    annotator.name: annotator
    for annotator in (
        Annotator("ada", "Careful: judges by the gold reward, with little noise.", temperature=0.3),
        Annotator(
            "ben",
            "Length lover: more words look like more work, so everything long is rated high.",
            length_bias=0.05,
            rating_slope=0.7,
        ),
        Annotator(
            "chloe",
            "Skimmer: often reads only the beginning, so misses the question; rates all much alike.",
            skim=0.65,
            rating_slope=0.5,
        ),
        Annotator(
            "dan",
            "Careless: flips a coin for three pairs in ten, and skips more often.",
            careless=0.3,
            skip_rate=0.05,
        ),
        Annotator(
            "elena",
            "Facts first: the goal and the constraint above all, anything invented is out; rates severely.",
            group="facts first",
            goal=0.5,
            constraint=0.5,
            invented=-0.75,
            irrelevant=0.4,
            excess=0.05,
            rating_offset=-1.5,
        ),
        Annotator(
            "farid",
            "Facts first: like Elena, less sure of it and less severe.",
            group="facts first",
            temperature=0.5,
            goal=0.4,
            constraint=0.6,
            invented=-0.5,
            irrelevant=0.3,
            excess=0.03,
            rating_offset=-0.5,
        ),
        Annotator(
            "grace",
            "Short and sweet: the goal and the question will do, every word costs.",
            group="short and sweet",
            length_bias=-0.04,
            constraint=-0.7,
            irrelevant=-0.25,
            rating_offset=0.5,
        ),
        Annotator(
            "hugo",
            "Short and sweet: like Grace, less sure of it, and calls more pairs a tie.",
            group="short and sweet",
            temperature=0.5,
            length_bias=-0.05,
            constraint=-0.6,
            excess=-0.05,
            tie_threshold=0.2,
        ),
    )
}


class Judgment(NamedTuple):
    """A choice and how strong the preference is, on Llama 2's four points (Touvron et al. 2023, 3.2.1).

    4 significantly better, 3 better, 2 slightly better, 1 negligibly better or unsure; 0 with a tie or skip.
    """

    choice: Literal["a", "b", "tie", "skip"]
    strength: int


class Outcomes(NamedTuple):
    """The probabilities of the four outcomes of one comparison; they add up to 1."""

    a: float
    b: float
    tie: float
    skip: float


def utility(annotator: Annotator, score: GoldScore, skimmed: bool = False) -> float:
    """What a completion is worth to the annotator; with `skimmed`, they miss its question."""
    if skimmed:
        score = replace(score, question=False)
    return (
        score.total
        + annotator.goal * score.goal
        + annotator.constraint * score.constraint
        + annotator.question * score.question
        + annotator.invented * score.invented
        + annotator.irrelevant * score.irrelevant
        + annotator.excess * score.excess_words
        + annotator.length_bias * score.words
    )


def outcome_probabilities(annotator: Annotator, a: GoldScore, b: GoldScore) -> Outcomes:
    """Exact probabilities of every outcome of `choose`, over skimming, carelessness and noise."""
    prefers_a, tie = annotator.careless / 2, 0.0
    for skimmed, probability in ((False, 1 - annotator.skim), (True, annotator.skim)):
        weight = (1 - annotator.careless) * probability
        difference = utility(annotator, a, skimmed) - utility(annotator, b, skimmed)
        if abs(difference) < annotator.tie_threshold:
            tie += weight
        else:
            prefers_a += weight * _sigmoid(difference / annotator.temperature)
    judged = 1 - annotator.skip_rate
    return Outcomes(judged * prefers_a, judged * (1 - tie - prefers_a), judged * tie, annotator.skip_rate)


def crowd_probability(a: GoldScore, b: GoldScore, annotators: Iterable[Annotator] = ANNOTATORS.values()) -> float:
    """P(a is chosen | a or b is chosen) when one of the annotators, drawn evenly, judges the pair.

    It is exact: the mean of their probabilities, each weighing as much as that annotator is likely to choose at
    all; 0.5 where nobody ever chooses. For one annotator who neither skims nor flips coins it is Bradley-Terry on
    their utility.
    """
    outcomes = [outcome_probabilities(annotator, a, b) for annotator in annotators]
    chose_a = sum(outcome.a for outcome in outcomes)
    chose = chose_a + sum(outcome.b for outcome in outcomes)
    return chose_a / chose if chose > 1e-12 else 0.5


def best_possible_accuracy(
    pairs: Iterable[tuple[GoldScore, GoldScore]], annotators: Iterable[Annotator] = ANNOTATORS.values()
) -> float:
    """Bayes accuracy on `pairs`: the mean of max(p, 1 - p), with p the crowd probability of each pair.

    It is conditional on a choice: each pair has one label, "a" or "b", from an annotator drawn evenly; after
    a tie or a skip the pair was dropped, or judged again by an annotator drawn afresh. No judge who sees the
    two texts but not who labels them agrees with more of such labels on average; on a finite set, luck can
    lift one above it.

    Raises:
        ValueError: There are no pairs.
    """
    annotators = tuple(annotators)
    probabilities = [crowd_probability(a, b, annotators) for a, b in pairs]
    if not probabilities:
        raise ValueError("best_possible_accuracy needs at least one pair")
    return sum(max(p, 1 - p) for p in probabilities) / len(probabilities)


def choose(annotator: Annotator, a: GoldScore, b: GoldScore, rng: Random | Generator) -> Judgment:
    """One judgment of one pair.

    The choice is the sign, the strength the size, of the difference that is felt: that of the utilities plus
    logistic noise, which makes the choice exactly Bradley-Terry.
    """
    if rng.random() < annotator.skip_rate:
        return Judgment("skip", 0)
    if rng.random() < annotator.careless:
        return Judgment("a" if rng.random() < 0.5 else "b", 1 + int(4 * rng.random()))
    skimmed = rng.random() < annotator.skim
    difference = utility(annotator, a, skimmed) - utility(annotator, b, skimmed)
    if abs(difference) < annotator.tie_threshold:
        return Judgment("tie", 0)
    felt = difference + annotator.temperature * (_gumbel(rng) - _gumbel(rng))
    return Judgment("a" if felt > 0 else "b", 1 + sum(abs(felt) >= step for step in STRENGTH_STEPS))


def rate(annotator: Annotator, score: GoldScore, rng: Random | Generator) -> int:
    """An absolute rating, 1 to 7, on the annotator's own scale: 4 + offset + slope * felt utility, rounded.

    The noise of one text is such that the difference of two has the noise of a comparison (random utilities,
    Yellott 1977). A careless moment gives any of the seven.
    """
    if rng.random() < annotator.careless:
        return 1 + int(7 * rng.random())
    felt = utility(annotator, score, rng.random() < annotator.skim)
    felt += annotator.temperature * (_gumbel(rng) - EULER_GAMMA)
    rating = round(4 + annotator.rating_offset + annotator.rating_slope * felt)
    return min(max(rating, RATINGS[0]), RATINGS[-1])


def _gumbel(rng: Random | Generator) -> float:
    """Standard Gumbel noise; the difference of two is standard logistic."""
    u = min(max(rng.random(), 1e-16), 1 - 1e-16)  # 0 has no logarithm
    return -math.log(-math.log(u))


def _sigmoid(x: float) -> float:
    return 0.5 * (1 + math.tanh(x / 2))  # never overflows

"""Simulated annotators: frequencies against exact probabilities, known biases, and the Bayes accuracy."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from helpers.simulation import annotators as an
from helpers.simulation.gold import GoldScore

deterministic = settings(derandomize=True, deadline=None, max_examples=60)
PERFECT = GoldScore(
    goal=True, constraint=True, question=True, invented=0, irrelevant=0, unsupported=0, excess_words=0,
    broken_ending=False, repeated=0, words=25,
)  # fmt: skip
PLAIN = an.Annotator("plain", "the gold reward and noise", temperature=0.5, tie_threshold=0.0, skip_rate=0.0)
people = st.sampled_from(sorted(an.ANNOTATORS)).map(an.ANNOTATORS.get)
scores = st.builds(
    GoldScore,
    goal=st.booleans(),
    constraint=st.booleans(),
    question=st.booleans(),
    invented=st.integers(0, 3),
    irrelevant=st.integers(0, 3),
    unsupported=st.integers(0, 12),
    excess_words=st.integers(0, 60),
    broken_ending=st.booleans(),
    repeated=st.integers(0, 12),
    words=st.integers(0, 100),
)


def typical_pairs(n: int, seed: int = 0) -> list[tuple[GoldScore, GoldScore]]:
    """Pairs as TL;DRs give them: mostly two or three facts, now and then a fault, gold apart by at most 2."""
    rng = random.Random(seed)

    def completion() -> GoldScore:
        facts = {name: rng.random() < p for name, p in (("goal", 0.85), ("constraint", 0.6), ("question", 0.7))}
        return replace(
            PERFECT,
            **facts,
            invented=rng.random() < 0.15,
            irrelevant=rng.random() < 0.2,
            broken_ending=rng.random() < 0.05,
            words=2 + 8 * sum(facts.values()) + rng.randrange(6),
        )

    pairs = []
    while len(pairs) < n:
        a, b = completion(), completion()
        if 0 < abs(a.total - b.total) <= 2:
            pairs.append((a, b))
    return pairs


def test_the_crowd_is_as_described():
    crowd = an.ANNOTATORS
    assert len(crowd) >= 6 and all(name == person.name and person.description for name, person in crowd.items())
    assert Counter(person.group for person in crowd.values()) == {
        "": 4,
        "facts first": 2,
        "short and sweet": 2,
    }


@deterministic
@given(scores, scores)
def test_a_plain_annotator_is_bradley_terry_on_the_gold_reward(a, b):
    expected = 1 / (1 + np.exp(-(a.total - b.total) / 0.5))
    assert an.crowd_probability(a, b, [PLAIN]) == pytest.approx(expected)


@deterministic
@given(people, scores, scores)
def test_probabilities_are_coherent(person, a, b):
    ab, ba = an.outcome_probabilities(person, a, b), an.outcome_probabilities(person, b, a)
    assert sum(ab) == pytest.approx(1) and min(ab) >= -1e-12
    assert (ab.a, ab.b, ab.tie, ab.skip) == pytest.approx((ba.b, ba.a, ba.tie, ba.skip))
    assert an.crowd_probability(a, b, [person]) + an.crowd_probability(b, a, [person]) == pytest.approx(1)
    assert an.crowd_probability(a, a, [person]) == pytest.approx(0.5)


def test_skimming_and_carelessness_by_hand():
    no_question = replace(PERFECT, question=False)
    # sees the question half of the time: (sigmoid(1 / 0.5) + sigmoid(0)) / 2, as nothing is a tie
    skimmer = replace(PLAIN, skim=0.5)
    assert an.crowd_probability(PERFECT, no_question, [skimmer]) == pytest.approx((0.880797 + 0.5) / 2)
    # with ties, the half that sees nothing says so and leaves the rest
    tied = an.outcome_probabilities(replace(skimmer, tie_threshold=0.1), PERFECT, no_question)
    assert tied == pytest.approx((0.880797 / 2, 0.119203 / 2, 0.5, 0))
    careless = replace(PLAIN, careless=0.2)
    assert an.crowd_probability(PERFECT, no_question, [careless]) == pytest.approx(0.8 * 0.880797 + 0.1)
    assert an.outcome_probabilities(replace(careless, skip_rate=0.1), PERFECT, PERFECT).skip == 0.1
    assert an.crowd_probability(PERFECT, no_question, [replace(PLAIN, skip_rate=1.0)]) == 0.5


PAIRS = [
    (PERFECT, replace(PERFECT, question=False, words=17)),
    (replace(PERFECT, constraint=False, words=15), replace(PERFECT, irrelevant=1, words=34)),
    (replace(PERFECT, invented=1), replace(PERFECT, goal=False, broken_ending=True, words=30)),
]


@pytest.mark.parametrize("name", an.ANNOTATORS)
@pytest.mark.parametrize("pair", range(len(PAIRS)))
def test_choices_occur_as_often_as_their_probabilities_say(name, pair):
    person, (a, b) = an.ANNOTATORS[name], PAIRS[pair]
    rng = random.Random(f"{name}/{pair}")
    n = 2500
    counts = Counter(an.choose(person, a, b, rng).choice for _ in range(n))
    expected = an.outcome_probabilities(person, a, b)
    possible = [outcome for outcome in expected._fields if getattr(expected, outcome) > 0]
    assert set(counts) <= set(possible)
    observed = [counts[outcome] for outcome in possible]
    assert chisquare(observed, [n * getattr(expected, outcome) for outcome in possible]).pvalue > 1e-3
    share = counts["a"] / (counts["a"] + counts["b"])
    assert share == pytest.approx(an.crowd_probability(a, b, [person]), abs=0.04)


def test_choices_repeat_with_the_seed_and_either_kind_of_generator():
    person = an.ANNOTATORS["chloe"]
    for make in (random.Random, np.random.default_rng):
        runs = [[an.choose(person, *PAIRS[0], rng) for _ in range(30)] for rng in (make(5), make(5))]
        assert runs[0] == runs[1]


def test_strength_grows_with_the_difference_and_is_surer_where_it_is_high():
    rng = random.Random(0)
    person = an.ANNOTATORS["ada"]

    def mean_strength(b: GoldScore) -> float:
        return np.mean([an.choose(person, PERFECT, b, rng).strength for _ in range(500)])

    worse = [
        replace(PERFECT, irrelevant=1),
        replace(PERFECT, question=False),
        replace(PERFECT, goal=False, question=False),
    ]
    strengths = [mean_strength(b) for b in worse]
    assert strengths == sorted(strengths)
    right = {strength: [] for strength in (1, 2, 3, 4)}
    for a, b in typical_pairs(3000):
        judgment = an.choose(PLAIN, a, b, rng)
        right[judgment.strength].append((judgment.choice == "a") == (a.total > b.total))
    shares = [np.mean(right[strength]) for strength in (1, 2, 3, 4)]
    assert shares == sorted(shares) and min(map(len, right.values())) > 100
    tie = an.choose(replace(person, skip_rate=0.0), PERFECT, PERFECT, rng)
    assert tie == ("tie", 0)
    assert an.choose(replace(person, skip_rate=1.0), PERFECT, PERFECT, rng) == ("skip", 0)


def test_the_biases_show():
    ada, ben, chloe, elena, grace = (an.ANNOTATORS[name] for name in ("ada", "ben", "chloe", "elena", "grace"))
    longer = replace(PERFECT, words=35)
    assert an.crowd_probability(longer, PERFECT, [ben]) > 0.7
    assert an.crowd_probability(longer, PERFECT, [grace]) < 0.3
    assert an.crowd_probability(longer, PERFECT, [ada]) == 0.5
    no_question = replace(PERFECT, question=False)
    assert an.outcome_probabilities(chloe, PERFECT, no_question).tie > 0.5
    # facts without the question against a question without the facts' limits: the two groups part
    facts, sweet = replace(PERFECT, question=False, words=22), replace(PERFECT, constraint=False, words=14)
    assert an.crowd_probability(facts, sweet, [elena]) > 0.7
    assert an.crowd_probability(facts, sweet, [grace]) < 0.3


def test_ratings_stay_on_the_scale_and_differ_in_offset_and_slope():
    rng = random.Random(0)
    poor = replace(PERFECT, goal=False, question=False, invented=1)
    means = {
        name: [np.mean([an.rate(person, score, rng) for _ in range(400)]) for score in (poor, PERFECT)]
        for name, person in an.ANNOTATORS.items()
    }
    assert all(low < high for low, high in means.values())
    assert means["elena"][1] < means["farid"][1]  # one taste, another offset
    assert means["chloe"][1] - means["chloe"][0] < means["ada"][1] - means["ada"][0]  # a flatter slope
    exact = replace(PLAIN, temperature=1e-9)
    assert an.rate(exact, PERFECT, rng) == 7 and an.rate(exact, replace(PERFECT, question=False), rng) == 6
    assert an.rate(replace(exact, rating_offset=9), PERFECT, rng) == 7
    assert an.rate(replace(exact, rating_offset=-99), PERFECT, rng) == 1
    nothing = replace(PERFECT, goal=False, constraint=False, question=False)
    assert np.mean([an.rate(PLAIN, nothing, rng) for _ in range(2000)]) == pytest.approx(4, abs=0.1)
    careless = [an.rate(replace(PLAIN, careless=1.0), PERFECT, rng) for _ in range(700)]
    assert set(careless) == set(an.RATINGS)


def test_the_noise_of_two_ratings_is_that_of_one_comparison():
    rng = random.Random(1)
    fine = replace(PLAIN, rating_slope=1.0)
    noise = [fine.temperature * (an._gumbel(rng) - an._gumbel(rng)) for _ in range(20_000)]
    assert np.mean(np.array(noise) + 1.0 > 0) == pytest.approx(
        an.crowd_probability(PERFECT, replace(PERFECT, question=False), [fine]), abs=0.01
    )


def test_crowd_probability_weighs_by_who_chooses_at_all():
    a, b = PERFECT, replace(PERFECT, question=False)
    everyone = list(an.ANNOTATORS.values())
    never = replace(PLAIN, skip_rate=1.0)
    assert an.crowd_probability(a, b, [PLAIN, never]) == pytest.approx(an.crowd_probability(a, b, [PLAIN]))
    evenly = [replace(person, tie_threshold=0.0, skip_rate=0.0) for person in everyone]
    mean = np.mean([an.crowd_probability(a, b, [person]) for person in evenly])
    assert an.crowd_probability(a, b, evenly) == pytest.approx(mean)
    assert an.crowd_probability(a, b) == pytest.approx(an.crowd_probability(a, b, everyone))


def test_best_possible_accuracy_is_what_the_best_judge_reaches():
    rng = random.Random(2)
    pairs = typical_pairs(1500)
    bound = an.best_possible_accuracy(pairs)
    assert 0.80 <= bound <= 0.85
    assert 0.7 <= np.median([abs(a.total - b.total) for a, b in pairs]) <= 1.0
    everyone = list(an.ANNOTATORS.values())
    bayes, gold, labels = 0, 0, 0
    for a, b in pairs:
        while (choice := an.choose(rng.choice(everyone), a, b, rng).choice) not in ("a", "b"):
            pass
        bayes += (an.crowd_probability(a, b) > 0.5) == (choice == "a")
        gold += (a.total > b.total) == (choice == "a")
        labels += 1
    assert bayes / labels == pytest.approx(bound, abs=0.025)
    assert gold / labels <= bayes / labels + 0.01
    assert an.best_possible_accuracy([(PERFECT, PERFECT)]) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="at least one pair"):
        an.best_possible_accuracy([])


@pytest.mark.parametrize("bad", [{"temperature": 0.0}, {"skim": 1.5}, {"careless": -0.1}, {"skip_rate": 2.0}])
def test_impossible_annotators_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        replace(PLAIN, **bad)

"""Questions of lab 02, predictions among them."""

from __future__ import annotations

from ....simulation.variants import ERRORS
from ...questions import DIRECTIONS, AnyQuestion, Choice, Forecast, Guess, Question

QUESTIONS: list[AnyQuestion] = [
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

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
                "Only differences count, in the loss and in the accuracy. The constant cancels.",
                True,
            ),
            Choice("It rises", "Both scores of a pair rise by 5, so no pair changes its order."),
            Choice("It depends on the pairs", "The difference chosen - rejected is the same for every pair."),
        ),
    ),
    Question(
        "settled_pairs",
        "After some training the chosen text of one pair scores 6 higher, that of another pair 6 lower. Which pair "
        "changes the weights?",
        (
            Choice(
                "Both equally: each is one pair",
                "The gradient of a pair is -(1 - P), and 1 - P is 0.002 for the first pair and 0.998 for the second.",
            ),
            Choice(
                "Nearly only the one in the wrong order",
                "Yes. And if its label was a careless coin flip, then noise changes the weights with full force.",
                True,
            ),
            Choice(
                "Nearly only the one in the right order",
                "Its P is 0.998 already, so little is left to gain.",
            ),
        ),
    ),
    Guess("first_loss", "the loss of the first step, in nats a pair?", 0, 3, 0.05, close=0.15),
    Guess("test_accuracy", "on what share of the test pairs will it agree?", 0.5, 1.0, 0.01, close=0.03),
    Guess(
        "length_accuracy",
        "the accuracy of a judge that sees the two lengths only?",
        0.4,
        1.0,
        0.01,
        close=0.03,
    ),
    Question(
        "length_and_reading",
        "Length alone gets 74 %. How do you find out whether a reward model looks at more than length?",
        (
            Choice(
                "See whether its accuracy is higher than 74 %",
                "Two separate numbers with wide intervals say little. Compare on the same pairs, and where length "
                "cannot help.",
            ),
            Choice(
                "Take length out of the data",
                "Then you lose content too: a TL;DR that states one more fact is longer.",
            ),
            Choice(
                "Compare both pair by pair, and look at texts of like length and different content",
                "Yes: the difference on the same pairs has a narrower interval, and texts made on purpose show what "
                "the model sees.",
                True,
            ),
        ),
    ),
    Question(
        "beats_the_people",
        "Two people agree on 75 % of the pairs, a reward model agrees with one person on 78 %. How can that be?",
        (
            Choice(
                "It averages the noise of many people; when two people are compared, both add noise",
                "Yes. The ceiling for a judge without noise is the best possible accuracy, not how well people agree.",
                True,
            ),
            Choice(
                "It must have seen the test pairs",
                "It has not: every prompt is in one split only. There is a simpler reason.",
            ),
            Choice(
                "It knows what people want better than they do",
                "It knows what they want on average, and only from their labels.",
            ),
        ),
    ),
    Forecast(
        "another_problem",
        "a perfect TL;DR, and one with another post's problem in it: how does the perfect one score?",
        ("higher", "lower", "no detectable difference"),
    ),
    Forecast(
        "eight_words_more",
        "eight words that state nothing are put before a perfect TL;DR: where does its score go?",
        DIRECTIONS,
    ),
    Question(
        "normalize_when",
        "Where should the mean and the standard deviation of the scores come from?",
        (
            Choice(
                "From each batch of PPO, so that the rewards of every batch have mean 0 and standard deviation 1",
                "PPO could still learn: a shift by the batch's mean is a baseline, PPO standardizes its advantages in "
                "each batch anyway, and GRPO those of each group. But two things are lost. The curve of the mean "
                "reward stays at 0, whatever is gained. And what beta costs changes from batch to batch, because the "
                "rewards are divided by another standard deviation each time.",
            ),
            Choice(
                "From the untrained head, before training",
                "Training changes both: nothing in the loss holds the zero, and the scores spread as it goes on.",
            ),
            Choice(
                "From reference texts, once after training; then they stay fixed",
                "Yes: a score then means the same in every batch and every lab, 0 is what the reference texts are "
                "worth on average, and beta weighs a nat against the same amount of reward throughout.",
                True,
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
                "only as log n",
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
    Forecast("blind_spot", "which of these errors does your reward model miss most often?", ERRORS),
    Question(
        "why_by_error",
        "Two judges are right on 80 % of the test pairs. Why look at kinds of errors?",
        (
            Choice(
                "To find out which one is right more often",
                "On the test pairs neither is. An average over kinds of error only weighs the pairs in another way.",
            ),
            Choice(
                "To train on the errors",
                "You could, but then these pairs no longer measure anything. And the next error will be another one.",
            ),
            Choice(
                "They may be wrong about different texts, and a policy will write what its judge cannot see",
                "Yes: the average is about the texts of the test pairs, and PPO writes texts of its own.",
                True,
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
                "Accuracy stays, calibration gets worse",
                "Yes: accuracy depends on the order only. PPO also uses the size: it weighs the score against the KL "
                "penalty.",
                True,
            ),
            Choice(
                "Both stay",
                "No pair changes its order, so accuracy stays. But sigmoid(3 * gap) is nearer to 1 than sigmoid(gap).",
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
        "1,024 labels each: from the small base with a loss of 3.49 to your base, where does accuracy go?",
        DIRECTIONS,
    ),
    Question(
        "margin_is_not_strength",
        "Strengths run from 1 (negligibly better) to 4 (significantly better). What if you pass them as margins?",
        (
            Choice(
                "Nothing: the clearer pair still gets the larger margin",
                "The order is right. But a pair with a negligible difference would ask for a gap of 1, a "
                "clear one for 4.",
            ),
            Choice(
                "It trains faster, since all gradients are larger",
                "They are larger. But they teach something false: that a negligible preference has a probability "
                "of 73 %.",
            ),
            Choice(
                "Even a negligible preference asks for a gap of 1, odds of 2.7 to one",
                "Yes: a rating is not in units of the score. Llama 2 maps the four strengths to 0, 1/3, 2/3 and 1 (or "
                "to three times as much).",
                True,
            ),
        ),
    ),
    Forecast(
        "margin_gain",
        "1,024 labels each: with Llama 2's small margin in the loss, where does accuracy go?",
        DIRECTIONS,
    ),
]

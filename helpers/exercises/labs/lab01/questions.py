"""Questions of lab 01, predictions among them."""

from __future__ import annotations

from ...questions import AnyQuestion, Choice, Forecast, Guess, Question

QUESTIONS: list[AnyQuestion] = [
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
                "and spread first.",
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
    Guess("careful_kappa", "the highest kappa of any two annotators?", -1, 1, 0.01, close=0.1),
    Question(
        "length_is_bias",
        "In 73 % of the pairs the longer text was chosen. Do the annotators have a length bias?",
        (
            Choice("Yes, 73 % is far above one half", "Longer texts may be better ones: they state one more fact."),
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
    Question(
        "elo_order",
        "The same 10,000 comparisons, in another order. What changes?",
        (
            Choice("Elo and the fitted strengths", "The fit sees a table of wins, in which no order is left."),
            Choice(
                "Elo only",
                "Yes: Elo walks through them one by one and forgets the old ones. It suits players who change; for "
                "texts, which do not, Chatbot Arena moved to Bradley-Terry.",
                True,
            ),
            Choice("Neither", "Each update of Elo depends on the ratings at that moment, so the order matters."),
        ),
    ),
    Forecast(
        "log_odds_add_up",
        "whose log-odds add up?",
        ("only Elena's and Grace's", "only the mixture's", "everybody's", "nobody's"),
    ),
    Question(
        "majority_cycle",
        "Three people, three texts: one prefers a > b > c, one b > c > a, one c > a > b. By majority a beats b, b "
        "beats c, c beats a. Which assumption of von Neumann and Morgenstern fails for the majority?",
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
]

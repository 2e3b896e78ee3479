"""Questions of lab 06, predictions among them."""

from __future__ import annotations

from ...questions import DIRECTIONS, AnyQuestion, Choice, Forecast, Guess, Question


def _accuracy(name: str, asks: str) -> Guess:
    """A share of pairs, on the scale that all of the lab have."""
    return Guess(name, asks, 40, 100, 1, close=3, unit=" %")


QUESTIONS: list[AnyQuestion] = [
    Question(
        "why_z_drops_out",
        "Z(x) is a sum over all texts, so nobody can compute it. Why can DPO do without?",
        (
            Choice(
                "Z is close to 1 as long as the policy stays near the reference",
                "It is the mean of exp(r / beta) over the reference's texts: with a small beta it is anything but 1.",
            ),
            Choice(
                "It is the same for both texts of a pair, and cancels",
                "The reward is beta * log-ratio plus beta log Z(x), which depends on the prompt alone, and "
                "Bradley-Terry looks at the difference of two rewards for one prompt.",
                True,
            ),
            Choice(
                "DPO estimates it from samples of the reference",
                "DPO samples nothing: it reads the two texts that stand in the pair.",
            ),
            Choice(
                "It is in the reference's log-probabilities already",
                "Those are normalized by themselves. Z belongs to the policy that the reward has tilted.",
            ),
        ),
    ),
    Guess("dpo_first_loss", "the loss of DPO's first step, in nats a pair?", 0, 2, 0.05, close=0.05),
    _accuracy(
        "implicit_accuracy",
        "on what share of the held-out test pairs does DPO's implicit reward agree with the annotator?",
    ),
    Forecast(
        "chosen_likelihood",
        "after DPO, the log-probability of the chosen texts of the training pairs, against the SFT policy, goes",
        DIRECTIONS,
    ),
    Question(
        "falling_chosen",
        "How can DPO's loss fall while the chosen texts get less likely?",
        (
            Choice(
                "It cannot: there must be a mistake in the sign",
                "The sign is right. The loss compares two texts: how likely each is by itself does not enter it.",
            ),
            Choice(
                "The reference has moved with the policy",
                "It is frozen. Both log-ratios are against the same SFT policy throughout.",
            ),
            Choice(
                "Only the gap counts: the rejected texts fall further",
                "What both lose goes to texts that stand in no pair, and of which nobody said that they are good.",
                True,
            ),
            Choice(
                "Whatever the rejected text loses goes to the chosen one",
                "Then the chosen one would rise. Probabilities sum to 1 over *all* texts, and these are two of them.",
            ),
        ),
    ),
    Forecast(
        "furthest_method",
        "which of them ends with the most gold reward?",
        ("SFT on the chosen", "best of 16", "DPO", "REINFORCE", "RLOO", "GRPO", "PPO"),
    ),
    Question(
        "what_dpo_saves",
        "What does DPO save over PPO, and what does it give up for that?",
        (
            Choice(
                "It saves the reference, and gives up the KL penalty",
                "The reference stands in its loss, and beta is the price of KL there as well.",
            ),
            Choice(
                "It saves the labels, and gives up accuracy",
                "It needs the same pairs that a reward model is trained on.",
            ),
            Choice(
                "It saves the reward model and all sampling, and cannot learn from what it writes itself",
                "The pairs are fixed, and another policy wrote them (off-policy): of mistakes that come up during the "
                "training, no label speaks.",
                True,
            ),
            Choice(
                "It saves time, and gives up nothing: the best policy is the same",
                "On paper it is. From a finite number of pairs each finds another one: PPO also asks the reward model "
                "about new texts.",
            ),
        ),
    ),
    _accuracy(
        "judge_agreement", "on what share of the pairs does the draft-overlap judge agree with the people's labels?"
    ),
    Forecast(
        "ai_labels",
        "the gold reward of PPO on the draft-overlap judge's labels, against PPO on as many labels of people, goes",
        DIRECTIONS,
    ),
    Question(
        "agreement_is_not_all",
        "Two judges agree with people equally often. One errs at random, the other always prefers the longer text. "
        "Which is the worse teacher?",
        (
            Choice(
                "Neither: they agree with people equally often",
                "Agreement counts the mistakes. It does not say whether they all point one way.",
            ),
            Choice(
                "The one that errs at random: nothing can be learned from noise",
                "That is why it does little harm: random errors have no pattern, and average out over many labels.",
            ),
            Choice(
                "The one that prefers length: its error is learned like anything else",
                "The reward model picks the pattern up, the policy presses it, and more labels only make both surer.",
                True,
            ),
        ),
    ),
    Forecast(
        "old_judge_on_new_texts",
        "the accuracy of the first reward model on pairs that the tuned policy wrote, against pairs of the SFT model, "
        "goes",
        DIRECTIONS,
    ),
    Question(
        "why_label_in_rounds",
        "For Llama 2 and others, people labeled in rounds, each on texts of the newest model. Why not all at once, "
        "before?",
        (
            Choice(
                "The reward model forgets what it learned",
                "Its weights stay as they are while the policy trains. What changes are the texts that it is shown.",
            ),
            Choice(
                "The tuned policy writes texts unlike those labeled before, and there the reward model guesses",
                "It must be right where the policy is now, and where that is nobody knows before. New labels move the "
                "judge after it.",
                True,
            ),
            Choice(
                "More labels are always better, whenever they come",
                "More of the old kind would help most where the reward model is good already.",
            ),
            Choice(
                "People change their minds",
                "They may. But it is new texts that are labeled in each round, not the old ones once more.",
            ),
        ),
    ),
    Question(
        "several_behaviors",
        "One base model serves several behaviors, each tuned with LoRA. What has to be stored for each further one?",
        (
            Choice(
                "A copy of the whole model, with its new weights",
                "The base's weights are frozen, so all behaviors share the one copy of them.",
            ),
            Choice(
                "Its adapter only",
                "A and B of each layer. Which behavior answers is a matter of which adapter is switched on.",
                True,
            ),
            Choice(
                "Its adapter and the merged weights",
                "Merged weights need no adapter, but are a whole model for each behavior: that is what sharing saves.",
            ),
            Choice(
                "Nothing: the base has all of the behaviors in it",
                "A prompt may call some of them up. But what LoRA has learned is in its own weights, and nowhere else.",
            ),
        ),
    ),
    Forecast(
        "half_an_adapter",
        "half of the PPO adapter and half of the SFT adapter, added together: where is the gold reward?",
        ("about as with PPO", "between the two", "about as with SFT", "worse than both"),
    ),
    _accuracy("rank_one", "on what share of the test pairs is a reward model right whose adapter has rank 1?"),
    Question(
        "whose_reward",
        "A reward can ask for any behavior, good or bad. Who checks that it asks for what was meant?",
        (
            Choice(
                "The reward model: it was trained on what people prefer",
                "It is what has to be checked: it knows labels only, with their mistakes and whose they were.",
            ),
            Choice(
                "The KL penalty: it keeps the policy at what is sensible",
                "It limits how *far* the policy goes, and not where to.",
            ),
            Choice(
                "The algorithm: a policy does not learn what nobody wants",
                "It raises the number that it is given, whatever that number stands for.",
            ),
            Choice(
                "People: who say what is meant, read the texts, and measure with what was not trained on",
                "Nothing within the training can: everything in it takes the reward's word for what is good.",
                True,
            ),
        ),
    ),
]

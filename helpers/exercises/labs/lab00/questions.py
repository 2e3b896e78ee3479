"""Questions of lab 00, predictions among them."""

from __future__ import annotations

from ...questions import DIRECTIONS, AnyQuestion, Choice, Forecast, Guess, Question

QUESTIONS: list[AnyQuestion] = [
    Guess(
        "base_model_perfect",
        "of 64 posts, for what share does the base model write a TL;DR with the full gold reward of 3?",
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Question(
        "prompts_without_completions",
        "Why does the prompt set of stage 3 hold no completions?",
        (
            Choice(
                "They were used up in stages 1 and 2",
                "Texts are not used up. The sets are apart so that no stage is measured on what it was trained on.",
            ),
            Choice(
                "The policy writes them itself, anew after every update",
                "The reward model scores what this policy writes now; a stored completion is somebody else's.",
                True,
            ),
            Choice(
                "The reward model scores prompts, so none are needed",
                "It scores a prompt with a completion. The completions exist, but they are written during training.",
            ),
            Choice(
                "Writing completions would cost people too much",
                "That is why demonstrations are few. But here even free ones would not help: they would not be the "
                "policy's own.",
            ),
        ),
    ),
    Question(
        "state_and_action",
        "A language model writes a TL;DR. What is an action, and what is the state in which it is taken?",
        (
            Choice(
                "The whole TL;DR; the prompt",
                "That is the bandit's view, and it is used too. But the model chooses token by token, and PPO's values "
                "and ratios are per token.",
            ),
            Choice(
                "The update of the weights; the training set",
                "The update is how the agent learns from its actions; it acts by writing.",
            ),
            Choice(
                "The next token; the prompt and the tokens so far", "One action a token, a new state after it.", True
            ),
            Choice(
                "The reward; the completion",
                "The reward is the environment's reply, not something that the agent chooses.",
            ),
        ),
    ),
    Question(
        "what_rl_learns_from",
        "What is reinforcement learning told about the actions that it takes?",
        (
            Choice(
                "How good each one was, but never which would have been best",
                "So it must explore; and so a reward may come from a person, a model or any program.",
                True,
            ),
            Choice(
                "The right action in every state, but late",
                "The right action is what supervised learning is told. A reward only grades what was tried.",
            ),
            Choice(
                "Nothing: it finds the structure of the data by itself",
                "That describes unsupervised learning.",
            ),
        ),
    ),
    Question(
        "no_gradient_through_samples",
        "You sample 64 completions, score them, average the 64 rewards and call backward(). What reaches the policy?",
        (
            Choice(
                "The gradient of the expected reward, with noise",
                "That is what REINFORCE gives. The bare average of rewards holds no log-probability to differentiate.",
            ),
            Choice(
                "Nothing: the rewards are numbers, and drawing has no derivative",
                "The weights decide which completions are drawn, but backward() cannot see through the draw. The "
                "log-derivative trick brings the weights back in: reward times grad log pi.",
                True,
            ),
            Choice(
                "The gradient of the reward model",
                "Its own weights could get one, but between it and the policy stand sampled tokens: whole numbers, "
                "without a derivative.",
            ),
        ),
    ),
    Question(
        "baseline_and_average",
        "You subtract 10 from all rewards before REINFORCE's step. What changes?",
        (
            Choice(
                "The average step: it becomes smaller",
                "A constant is multiplied by grad log pi, whose average under the policy is 0: nothing is left of it.",
            ),
            Choice(
                "The best arm: it may be another one now",
                "All arms lose the same 10, so their order stays.",
            ),
            Choice(
                "Nothing at all",
                "On average, yes. But a single reward of 2 now counts as -8: that pull pushes its arm down, not up.",
            ),
            Choice(
                "The single steps and their variance, not their average",
                "E[grad log pi] = 0, so any constant times it vanishes on average, while each single step changes.",
                True,
            ),
        ),
    ),
    Guess(
        "best_arm_found",
        "how probable is the best arm after 200 pulls with the baseline, averaged over the runs?",
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Forecast(
        "wish_and_gold",
        "the model is trained on your wish alone. Which way does the gold reward of its TL;DRs go?",
        DIRECTIONS,
    ),
    Forecast(
        "imitating_one_reference",
        "you train on the reference alone. What happens to its lead over the equally good TL;DR in other words?",
        ("The lead grows", "The lead stays about the same", "The lead shrinks"),
    ),
    Question(
        "loss_of_good_words",
        "An answer is better than the reference, in other words. What does the supervised loss say of it?",
        (
            Choice(
                "It is low, because the answer is good",
                "Nothing in the loss knows good from bad: it holds the probability of one given text.",
            ),
            Choice(
                "It is low once the model is large enough",
                "A large model gives other good words more probability, but training on one reference still moves "
                "probability away from them.",
            ),
            Choice(
                "It is higher than the reference's: the loss asks whether it is this very text",
                "Every deviation from the one reference is charged, better or not.",
                True,
            ),
        ),
    ),
    Guess(
        "wrong_number_preferred",
        "on what share of these posts is the loss of the wrong number lower than that of the good other words?",
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Forecast(
        "ten_times_faster",
        "a learning rate ten times as large, 2.0 for 0.2: which way does the share of runs that find the best arm go?",
        DIRECTIONS,
    ),
]

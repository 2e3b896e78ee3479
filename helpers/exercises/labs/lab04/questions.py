"""Questions of lab 04, predictions among them."""

from __future__ import annotations

from ...questions import DIRECTIONS, AnyQuestion, Choice, Forecast, Guess, Question

QUESTIONS: list[AnyQuestion] = [
    Guess(
        "few_shot_without_examples",
        "how often is the base model right with no example at all (k = 0)?",
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Question(
        "what_examples_change",
        "The base model answers better after four examples in its prompt. What has changed in it?",
        (
            Choice(
                "Its weights moved a little towards the new task",
                "No gradient was taken. The next prompt without examples meets the same model as before.",
            ),
            Choice(
                "Nothing: the same weights read another beginning of a text",
                "Learning in context is a forward pass: the examples are part of the text that is continued.",
                True,
            ),
            Choice(
                "Its adapter was switched on",
                "The base is the model with all adapters off, with examples and without.",
            ),
        ),
    ),
    Guess(
        "unknown_label",
        'how often is the base model right after four examples that say "Answer:" instead of "Topic:"?',
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Guess(
        "costs_in_steps",
        "how often is tiny-gpt2 right when it writes its steps first?",
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Guess(
        "vote_of_nine",
        "one sample of tiny-gpt2's steps at T = 1 is often wrong. How often is a vote of nine right?",
        0.0,
        1.0,
        0.01,
        close=0.03,
    ),
    Question(
        "when_a_vote_helps",
        "For which of these will a vote over samples help most?",
        (
            Choice(
                "An open text, such as a TL;DR",
                "Nearly every sample is another text, so there is nothing to count.",
            ),
            Choice(
                "A question that the model gets wrong in the same way nearly every time",
                "Then most votes go to the wrong answer. A vote only helps where mistakes differ from each other.",
            ),
            Choice(
                "A question with a short answer, where right samples agree and wrong ones differ",
                "The right answer collects votes, no single wrong one does. Compare it with one greedy text: "
                "for tiny-gpt2's sums that is better than the vote.",
                True,
            ),
        ),
    ),
    Guess(
        "ppo_continues_requests",
        "how often does the PPO model go on with another request?",
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Question(
        "why_requests",
        "A large chat model answers the request, the base model goes on with more requests. Why?",
        (
            Choice(
                "The base model is too small to know an answer",
                "Size does not decide it: GPT-3 did it too. A list of requests is a likely text.",
            ),
            Choice(
                "The base was trained to continue texts, the chat model on requests with answers that people preferred",
                "What is likely after a request depends on what the model was tuned on.",
                True,
            ),
            Choice(
                "The base model refuses to answer",
                "It has no notion of a request to refuse: it continues a text.",
            ),
        ),
    ),
    Guess(
        "asked_in_capitals",
        'how often is tiny-flan-t5 right when it is told to "write the answer in capital letters"?',
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Guess(
        "ppo_beats_base",
        "on what share of the posts does PPO's TL;DR have a higher gold reward than the base model's (a tie is half)?",
        0.0,
        1.0,
        0.05,
        close=0.07,
    ),
    Forecast(
        "steps_for_base",
        "steps before the answer, greedy: which way does the gold reward of the base model go?",
        DIRECTIONS,
    ),
    Forecast(
        "steps_for_ppo",
        "steps before the answer, greedy: which way does the gold reward of the PPO model go?",
        DIRECTIONS,
    ),
    Question(
        "equal_decoding",
        'A report compares "our PPO model (greedy)" with "the base model (T = 1)". What does its gain show?',
        (
            Choice(
                "What PPO taught",
                "Greedy decoding alone raised the base model in the table above, so it is a part of this gain.",
            ),
            Choice(
                "The effects of training and decoding together; it does not tell them apart",
                "Compare at one decoding, or show all four combinations.",
                True,
            ),
            Choice(
                "Nothing, because greedy texts cannot be scored",
                "They can. There is one text for each prompt, and the interval comes from the prompts.",
            ),
        ),
    ),
    Question(
        "temperature_towards_zero",
        "What do samples become as the temperature goes to 0?",
        (
            Choice(
                "All tokens equally probable",
                "That happens at a very high temperature: all logits are near 0 after the division.",
            ),
            Choice(
                "What greedy decoding writes",
                "The gap between the largest logit and the others grows without limit, so its probability goes to 1.",
                True,
            ),
            Choice(
                "The most probable whole text",
                "At T = 0 the best token is taken at each place. This need not lead to the most probable whole text.",
            ),
            Choice(
                "Nothing changes, since softmax makes the sum 1 again",
                "The sum is 1 at every temperature. What changes is how it is divided among the tokens.",
            ),
        ),
    ),
    Forecast(
        "meant_last",
        "the examples of the task meant stand last instead of first: which way does the base model's accuracy go?",
        DIRECTIONS,
    ),
    Guess(
        "closeness_agrees",
        "on what share of the pairs does closeness to a perfect reference agree with the gold reward?",
        0.5,
        1.0,
        0.01,
        close=0.04,
    ),
    Forecast(
        "sft_invents",
        "which way does the number of invented facts go from the base to SFT, both at T = 1?",
        DIRECTIONS,
    ),
]

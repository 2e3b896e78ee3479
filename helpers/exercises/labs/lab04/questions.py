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
                "No gradient was taken. The next prompt without examples finds the same model as before.",
            ),
            Choice(
                "Nothing: the same weights read another beginning of a text",
                "In-context learning is a forward pass: the examples are part of the text that is continued.",
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
        'how often is it right with four examples, when they say "Answer:" where its training text said "Topic:"?',
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Guess(
        "groups_after_eight",
        "how often is tiny-gpt2 right after eight examples, when the two names mean nothing? (Guessing: 0.5.)",
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Forecast(
        "meant_last",
        "the examples of the task meant stand last instead of first: which way does the base model's accuracy go?",
        DIRECTIONS,
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
        "single samples of tiny-gpt2's steps at T = 1 are wrong now and then. How often is a vote of nine right?",
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
                "Nearly every sample is a text of its own, so there is nothing to count.",
            ),
            Choice(
                "A question that the model gets wrong in the same way nearly every time",
                "Then most votes go to the wrong answer: a vote only cures mistakes that scatter.",
            ),
            Choice(
                "A question with a short answer, where right samples agree and wrong ones scatter",
                "So the right answer collects votes and no single wrong one does.",
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
    Guess(
        "asked_in_capitals",
        'how often is tiny-flan-t5 right when it shall "write the answer in capital letters"?',
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
                "Size is not the point: GPT-3 did it too. A list of requests is a likely text.",
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
    Question(
        "temperature_towards_zero",
        "What do samples become as the temperature goes to 0?",
        (
            Choice(
                "All tokens equally probable",
                "That is a very high temperature: all logits are then near 0 after the division.",
            ),
            Choice(
                "What greedy decoding writes", "The largest logit, divided by almost 0, leaves all others behind.", True
            ),
            Choice(
                "The most probable whole text",
                "Greedy takes the best token at each place, which need not lead to the best whole text.",
            ),
            Choice(
                "Nothing changes, since softmax makes the sum 1 again",
                "The sum is 1 at every temperature; what changes is how it is shared out.",
            ),
        ),
    ),
    Forecast(
        "gold_at_high_temperature",
        "from T = 0.5 to T = 1.5, which way does the gold reward of the SFT model's TL;DRs go?",
        DIRECTIONS,
    ),
    Guess(
        "ppo_beats_base",
        "on what share of the posts does PPO's TL;DR have a higher gold reward than the base model's (a tie is half)?",
        0.0,
        1.0,
        0.05,
        close=0.07,
    ),
    Question(
        "adapters_off",
        "You switch all adapters off after PPO. Which model answers now?",
        (
            Choice(
                "A mixture of base and PPO",
                "The adapters are added to frozen weights; without them nothing of PPO is left.",
            ),
            Choice(
                "The SFT model, from which PPO began",
                "SFT is an adapter too, a copy of which PPO trained. With all of them off, it is off as well.",
            ),
            Choice(
                "The base model, exactly as before",
                "Its weights never moved. Tuning made other texts likely; it took nothing away.",
                True,
            ),
        ),
    ),
    Forecast(
        "steps_for_base",
        "steps before the answer, greedy: which way does the gold reward of the base model go?",
        DIRECTIONS,
    ),
    Forecast(
        "steps_for_ppo",
        "and that of the PPO model?",
        DIRECTIONS,
    ),
    Question(
        "equal_decoding",
        'A report compares "our PPO model (greedy)" with "the base model (T = 1)". What does its gain show?',
        (
            Choice(
                "What PPO taught",
                "Greedy decoding alone raised the base model in the table above: part of the gain is that.",
            ),
            Choice(
                "Training and decoding together, and not which of the two it was",
                "Compare at one decoding, or show all four combinations.",
                True,
            ),
            Choice(
                "Nothing, because greedy texts cannot be scored",
                "They can. There is one for each prompt, so the interval comes from the prompts.",
            ),
        ),
    ),
    Guess(
        "closeness_agrees",
        "on what share of the pairs does closeness to a perfect reference agree with the gold reward?",
        0.5,
        1.0,
        0.01,
        close=0.04,
    ),
    Question(
        "one_digit",
        "Why is the text with the wrong number so close to the reference?",
        (
            Choice(
                "The base model cannot read numbers",
                "It copies them well. But here its states are averaged, and in an average one token hardly shows.",
            ),
            Choice(
                "One token of thirty moves the mean of all little, however much it changes the meaning",
                "Closeness counts how much of the text is the same. What matters may be one token.",
                True,
            ),
            Choice(
                "The cosine leaves out how long the vectors are",
                "Their lengths say little on what is true. The directions are nearly the same, too.",
            ),
        ),
    ),
    Forecast(
        "sft_invents",
        "which way does the number of invented facts go from the base to SFT, both at T = 1?",
        DIRECTIONS,
    ),
]

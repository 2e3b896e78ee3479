"""Questions of lab 03, predictions among them."""

from __future__ import annotations

from ...questions import AnyQuestion, Choice, Forecast, Guess, Question

QUESTIONS: list[AnyQuestion] = [
    Forecast(
        "first_updates",
        "20 updates of PPO: what happens to the proxy reward and to the gold reward?",
        ("both rise", "only the proxy reward rises", "only the gold reward rises", "neither rises"),
    ),
    Forecast(
        "sampled_average_gradient",
        "average the rewards of 1,000 sampled answers: what is the gradient of this average in theta?",
        ("the exact gradient", "a noisy estimate of it", "there is none: the average does not depend on theta"),
    ),
    Question(
        "log_derivative",
        "Why is the gradient of the sampled average not the gradient of J?",
        (
            Choice(
                "1,000 samples are too few",
                "The number does not matter. For autograd the average is a constant, so there is no gradient at all.",
            ),
            Choice(
                "Sampling returns fixed indices, through which nothing flows back to theta",
                "How *often* an answer is drawn depends on theta, but an index does not carry that. "
                "The log-derivative trick puts it back.",
                True,
            ),
            Choice(
                "The reward is not differentiable",
                "It need not be. In the exact sum it is a plain number too, and the gradient is there.",
            ),
        ),
    ),
    Guess("samples_to_halve", "how many times more samples halve the error?", 1, 16, 0.5, close=0.75, unit="x"),
    Question(
        "on_policy",
        "You have 10,000 good summaries by people. Can the REINFORCE loss be computed on them instead of on samples?",
        (
            Choice(
                "Yes, if each has a score",
                "The score is not the problem. J is a mean over what the policy writes, and people write other texts.",
            ),
            Choice(
                "Yes, and it is better, since they are good",
                "The code would run, but it would not estimate the gradient of J: the policy's own mistakes never "
                "occur in these texts, so nothing corrects them.",
            ),
            Choice(
                "No: its mean is the gradient of J only over samples of the policy itself",
                "The expectation is over pi_theta. On other texts it trains likelihood weighted by reward: "
                "closer to supervised tuning.",
                True,
            ),
        ),
    ),
    Question(
        "clip_negative",
        "A token has advantage -1 and ratio 0.5, the clip is 0.2. What does PPO's loss do?",
        (
            Choice(
                "Nothing: it has become rare enough, and its gradient is 0",
                "The clipped gain, -0.8, is smaller than -0.5, so the minimum takes it, and it is flat.",
                True,
            ),
            Choice(
                "It makes the token rarer still",
                "Without clipping it would. Below 1 - clip a bad token earns no more for getting rarer.",
            ),
            Choice(
                "It makes the token more likely again",
                "That would take a slope the other way. The clip only switches gradients off.",
            ),
        ),
    ),
    Question(
        "no_kl_penalty",
        "You set beta = 0 and train for long. What do you expect?",
        (
            Choice(
                "Nothing: the score no longer has any effect",
                "beta weighs the penalty, not the score: without it the score is all there is.",
            ),
            Choice(
                "The policy stays near the reference by itself, thanks to clipping",
                "Clipping limits the steps on one batch. Over many batches they add up.",
            ),
            Choice(
                "The reward model's score keeps rising, while the texts get worse in the end",
                "Far from the texts it was trained on its score is a guess, and the policy looks for guesses "
                "that flatter it: overoptimization, measured in lab 05.",
                True,
            ),
        ),
    ),
    Question(
        "prompts_only",
        "The prompt set holds no completions. Why not?",
        (
            Choice(
                "They are secret, so that the policy cannot copy them",
                "There is nothing to hide: PPO's loss has no place for a text that the policy did not sample.",
            ),
            Choice(
                "The policy writes them itself, and they change with every update",
                "A rollout is made of the policy's own samples. Stored completions would be those of another policy.",
                True,
            ),
            Choice(
                "The reward model knows them",
                "It knows no right answer: it scores whatever text it is shown.",
            ),
        ),
    ),
    Forecast(
        "first_rollout_zeros",
        "before training, which columns of a rollout are 0 at every token?",
        ("KL", "KL and value", "KL, value and advantage"),
    ),
    Question(
        "value_role",
        "What does the value function do for the policy's gradient?",
        (
            Choice(
                "It keeps the policy near the reference",
                "That is the KL penalty. The value function only guesses the reward that is still to come.",
            ),
            Choice(
                "It scores the response in place of the reward model",
                "The score comes from the reward model alone. The value function guesses it, from half a text.",
            ),
            Choice(
                "It takes noise away: a token is judged against what was expected before it",
                "It is a baseline for each place in the text. With lambda below 1 it also stands in for a part of the "
                "outcome, and where it is wrong that is a bias.",
                True,
            ),
        ),
    ),
    Guess(
        "other_sign_tokens",
        "on what share of the tokens is the advantage's sign not that of (score - mean score)?",
        0,
        50,
        1,
        close=4,
        unit=" %",
    ),
    Forecast(
        "same_texts",
        "before training: which of base, reference and policy write the same for every post?",
        ("policy and reference", "all three", "no two of them"),
    ),
    Question(
        "start_from_sft",
        "Why does PPO start from the SFT policy and not from the base model?",
        (
            Choice(
                "Its samples are already tries at the task, so that some are better than others",
                "PPO only makes likelier what it samples. And as the reference, SFT keeps the text in the region "
                "where the reward model has seen pairs.",
                True,
            ),
            Choice(
                "PPO cannot train a base model",
                "It runs on any model that gives log-probabilities. It would only need far more samples.",
            ),
            Choice(
                "The base has no LoRA adapter",
                "A fresh one can be added in a line: that is how SFT began.",
            ),
        ),
    ),
    Guess("ppo_kl", "how far will the policy be from the reference at the end?", 0, 10, 0.1, close=0.5, unit=" nats"),
    Forecast(
        "gold_against_proxy",
        "will the gold reward rise as much as the proxy, each in standard deviations before?",
        ("it rises as much or more", "it rises, but less", "it does not rise"),
    ),
    Guess("ppo_gold_gain", "by how much does the gold reward change (its scale is -3 to 3)?", -2, 3, 0.1, close=0.2),
    Guess(
        "ppo_win_rate",
        "PPO's win rate against SFT by gold reward, a tie counting one half?",
        0,
        100,
        1,
        close=5,
        unit=" %",
    ),
    Guess(
        "perfect_tldrs",
        "after PPO, what share of the TL;DRs is perfect (gold reward 3)?",
        0,
        100,
        1,
        close=5,
        unit=" %",
    ),
    Question(
        "kl_as_a_loss",
        "You differentiate an estimate of the KL on samples of the policy. Whose mean gradient is that of the KL?",
        (
            Choice(
                "k1's, since k1 is unbiased",
                "Its gradient is that of log pi alone, which averages to 0. How *often* a token is drawn depends on "
                "theta too, and a sample does not carry that.",
            ),
            Choice(
                "k2's",
                "The gradient of half a square is log-ratio times the gradient of log pi, and that averages to the "
                "gradient of the KL. As a number k2 is biased all the same.",
                True,
            ),
            Choice(
                "k3's, since k3 is unbiased and calm",
                "Its gradient averages to that of the other KL, KL(reference || policy). Near the reference the two "
                "are alike; far away they are not.",
            ),
        ),
    ),
    Question(
        "lora_unchanged",
        "You train a LoRA adapter and switch it off again. What has changed in the model?",
        (
            Choice(
                "The layers that had an adapter have lost precision",
                "Quantizing cost precision, before any training. The adapter adds to the layer, it replaces nothing.",
            ),
            Choice(
                "The base has moved a little towards the task",
                "No gradient reached it. Only merging would change it, and then it is another matrix.",
            ),
            Choice(
                "Nothing: the base's weights were never touched",
                "They are frozen, and in 4 bits here. All that was learned is in A and B.",
                True,
            ),
        ),
    ),
    Guess(
        "base_best_of_8",
        "adapters off: what gold reward has the best of eight TL;DRs of the base (-3 to 3)?",
        -3,
        3,
        0.1,
        close=0.3,
    ),
]

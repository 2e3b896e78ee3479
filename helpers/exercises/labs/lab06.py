"""Exercises and questions of lab 06: the policy that DPO aims at, baselines from a group, and mixtures of adapters."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from ...formulas import lora, objectives
from ...formulas.lora import Adapter
from ..exercise import Arguments, Exercise, Misconception
from ..inputs import normal
from ..questions import DIRECTIONS, Choice, Forecast, Guess, Question

# --- The policy that DPO aims at ----------------------------------------------


def _rewarded(rng: np.random.Generator) -> list[Arguments]:
    def case(completions: int, beta: float) -> Arguments:
        ref_logprobs = normal(rng, completions).log_softmax(0)
        return {"ref_logprobs": ref_logprobs, "rewards": normal(rng, completions), "beta": beta}

    large = torch.tensor(rng.uniform(10, 12, size=4), dtype=torch.float32)  # exp(100) is infinite in float32
    return [
        case(5, float(rng.uniform(0.3, 0.6))),
        case(3, float(rng.uniform(1.5, 3))),
        case(4, 0.1) | {"rewards": large},
    ]


def _tilted(ref_logprobs: Tensor, rewards: Tensor, beta: float) -> Tensor:
    return ref_logprobs.exp() * (rewards / beta).exp()


OPTIMAL_POLICY = Exercise(
    name="optimal_policy",
    title="The policy that DPO aims at",
    minutes=8,
    difficulty=2,
    deliver="The logarithm of reference * exp(reward / beta) / Z, (completions,), however large reward / beta is.",
    reference=objectives.optimal_policy,
    cases=_rewarded,
    hints=(
        "The logarithm turns the product into a sum: log reference + reward / beta - log Z.",
        "Z makes the probabilities of all completions sum to 1. Which function of torch does that to any numbers?",
        "`log_softmax(dim=0)`: it takes the largest number off first, so that no exponential overflows.",
    ),
    misconceptions=(
        Misconception(
            "multiplied",
            "beta multiplies the reward: then a large beta, a *dear* KL, would lead the policy away. Divide by it",
            lambda ref_logprobs, rewards, beta: (ref_logprobs + beta * rewards).log_softmax(0),
        ),
        Misconception(
            "no Z",
            "Z is missing: the probabilities of all completions must sum to 1",
            lambda ref_logprobs, rewards, beta: ref_logprobs + rewards / beta,
        ),
        Misconception(
            "probabilities",
            "those are probabilities: their logarithm is asked for, as the lab's next cells calculate with it",
            lambda ref_logprobs, rewards, beta: (ref_logprobs + rewards / beta).softmax(0),
        ),
        Misconception(
            "no reference",
            "the reference is missing: with a beta so large that rewards hardly count, it is what must be left",
            lambda ref_logprobs, rewards, beta: (rewards / beta).log_softmax(0),
        ),
        Misconception(
            "no beta",
            "beta is missing: it says how many units of reward one nat of KL costs",
            lambda ref_logprobs, rewards, beta: (ref_logprobs + rewards).log_softmax(0),
        ),
        Misconception(
            "all divided",
            "beta divides the reference too: that is a temperature. Only the reward is divided by it",
            lambda ref_logprobs, rewards, beta: ((ref_logprobs + rewards) / beta).log_softmax(0),
        ),
        Misconception(
            "overflow",
            "right where reward / beta is small, but exp(100) is infinite in float32, and infinity / infinity is NaN: "
            "stay with logarithms, `log_softmax`",
            lambda ref_logprobs, rewards, beta: (
                _tilted(ref_logprobs, rewards, beta) / _tilted(ref_logprobs, rewards, beta).sum()
            ).log(),
        ),
        Misconception(
            "overflow in Z",
            "right where reward / beta is small, but exp(100) is infinite in float32, and so is Z: `logsumexp` takes "
            "the largest number off first, and `log_softmax` does all of it",
            lambda ref_logprobs, rewards, beta: (
                ref_logprobs + rewards / beta - _tilted(ref_logprobs, rewards, beta).sum().log()
            ),
        ),
    ),
)


def _tuned(rng: np.random.Generator) -> list[Arguments]:
    def case(completions: int, beta: float) -> Arguments:
        ref_logprobs = -normal(rng, completions, scale=10).abs() - 5
        logprobs = ref_logprobs + normal(rng, completions)
        return {"logprobs": logprobs, "ref_logprobs": ref_logprobs, "beta": beta}

    return [case(4, float(rng.uniform(0.1, 0.5))), case(6, float(rng.uniform(1.5, 3))), case(2, 0.1), case(1, 0.3)]


def _centered(x: Tensor) -> Tensor:
    return x - x.mean()


IMPLICIT_REWARD = Exercise(
    name="implicit_reward",
    title="The reward that a policy stands for",
    minutes=5,
    difficulty=1,
    deliver="beta * log(policy / reference) of each completion of one prompt, minus the mean of that: (completions,).",
    reference=objectives.implicit_reward,
    cases=_tuned,
    hints=(
        "Solve policy = reference * exp(reward / beta) / Z for the reward, and let Z be.",
        "You are given log-probabilities: the logarithm of a ratio is a difference.",
        "Z is the same for all completions of the prompt, so the reward is known up to a constant: take off the mean.",
    ),
    misconceptions=(
        Misconception(
            "sign",
            "it is the reference minus the policy: what the policy made likelier must have the higher reward",
            lambda logprobs, ref_logprobs, beta: _centered(beta * (ref_logprobs - logprobs)),
        ),
        Misconception(
            "no reference",
            "the reference is missing: a text that was likely from the start would count as rewarded",
            lambda logprobs, ref_logprobs, beta: _centered(beta * logprobs),
        ),
        Misconception(
            "divided",
            "it divides by beta: reward / beta moved the policy, so the way back multiplies",
            lambda logprobs, ref_logprobs, beta: _centered((logprobs - ref_logprobs) / beta),
        ),
        Misconception(
            "no beta",
            "beta is missing: without it the reward is in nats, and not in its own unit",
            lambda logprobs, ref_logprobs, beta: _centered(logprobs - ref_logprobs),
        ),
        Misconception(
            "not centered",
            "the mean is still in it: the constant says nothing, so agree on the one that makes the mean 0",
            lambda logprobs, ref_logprobs, beta: beta * (logprobs - ref_logprobs),
        ),
        Misconception(
            "no log",
            "that is the ratio of the probabilities: the reward is in its logarithm, so take the difference alone",
            lambda logprobs, ref_logprobs, beta: _centered(beta * (logprobs - ref_logprobs).exp()),
        ),
    ),
)

# --- Baselines from a group ---------------------------------------------------


def _groups(rng: np.random.Generator) -> list[Arguments]:
    """Rewards so far apart that what keeps a division from 0 / 0 is not seen elsewhere; some groups of equals."""

    def case(prompts: int, group: int, scaled: bool, equals: bool = False) -> Arguments:
        ranks = torch.tensor(rng.permuted(np.tile(np.arange(group), (prompts, 1)), axis=1))
        levels = 40 * torch.tensor(rng.permutation(prompts)).unsqueeze(1)  # some prompts are easy
        rewards = levels + 5 * ranks + normal(rng, prompts, group, scale=0.5)
        if equals:
            row = int(rng.integers(prompts))
            rewards[row] = rewards[row, 0].round()
        return {"rewards": rewards, "scaled": scaled}

    return [case(3, 4, False), case(3, 4, True), case(2, 2, False), case(2, 5, True, True), case(4, 3, False, True)]


def _others(rewards: Tensor) -> Tensor:
    return (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)


def _standardized(rewards: Tensor, deviation: Tensor, axis: int = 1, least: float = 1e-4) -> Tensor:
    return (rewards - rewards.mean(axis, keepdim=True)) / (deviation + least)


def _advantages(
    rloo: Callable[[Tensor], Tensor] = lambda r: r - _others(r),
    grpo: Callable[[Tensor], Tensor] = lambda r: _standardized(r, r.std(1, keepdim=True)),
) -> Callable[..., Tensor]:
    """Both advantages, one of them exchanged: a mistake in one is known whatever the other does."""
    return lambda rewards, scaled: grpo(rewards) if scaled else rloo(rewards)


GROUP_ADVANTAGES = Exercise(
    name="group_advantages",
    title="Each other's baseline",
    minutes=10,
    difficulty=2,
    deliver="Reward minus the mean of the others of its group (RLOO); if `scaled`, minus the mean of all of the "
    "group, over its standard deviation, and 0 where all are equal (GRPO): (prompts, group).",
    reference=objectives.group_advantages,
    cases=_groups,
    hints=(
        "Rows are prompts, columns the completions of one prompt: sums and means go along dim=1, with keepdim=True.",
        "The sum of the others is the sum of the group minus the own reward. How many others are there?",
        "`std(dim=1, keepdim=True)` divides by group - 1, as TRL does. A small number added to it, 1e-4, keeps a group "
        "of equals from 0 / 0.",
    ),
    misconceptions=(
        Misconception(
            "own reward",
            "RLOO's baseline has the completion's own reward in it: leave that out, and take the mean of the others",
            _advantages(rloo=lambda r: r - r.mean(1, keepdim=True)),
        ),
        Misconception(
            "batch",
            "RLOO's baseline is the mean of the whole batch: an easy prompt would then look like a good completion. "
            "Compare completions of one prompt",
            _advantages(rloo=lambda r: r - r.mean()),
        ),
        Misconception(
            "always scaled",
            "with scaled=False it divides by a standard deviation: RLOO only takes the baseline off",
            _advantages(rloo=lambda r: _standardized(r, r.std(1, keepdim=True))),
        ),
        Misconception(
            "wrong axis",
            "GRPO's mean and deviation are taken over the prompts: a row is a group, so go along dim=1",
            _advantages(grpo=lambda r: _standardized(r, r.std(0, keepdim=True), axis=0)),
        ),
        Misconception(
            "batch's deviation",
            "GRPO's standard deviation is that of the whole batch (TRL offers that as well): each group has its own",
            _advantages(grpo=lambda r: _standardized(r, r.std())),
        ),
        Misconception(
            "n",
            "the standard deviation divides by the size of the group; TRL's divides by one less, as `std` does unasked",
            _advantages(grpo=lambda r: _standardized(r, r.std(1, keepdim=True, correction=0))),
        ),
        Misconception(
            "nothing to divide by",
            "right, but where all rewards of a group are equal it is 0 / 0, and one NaN spoils the weights for good: 0 "
            "is asked for there",
            _advantages(grpo=lambda r: _standardized(r, r.std(1, keepdim=True), least=0.0)),
        ),
        Misconception(
            "variance",
            "it divides by the variance: then the unit of the reward does not cancel",
            _advantages(grpo=lambda r: _standardized(r, r.var(1, keepdim=True))),
        ),
        Misconception(
            "not scaled",
            "with scaled=True the standard deviation is missing",
            _advantages(grpo=lambda r: r - r.mean(1, keepdim=True)),
        ),
        Misconception(
            "others' mean",
            "GRPO's baseline is the mean of the *whole* group: leaving one out is RLOO's",
            _advantages(grpo=lambda r: (r - _others(r)) / (r.std(1, keepdim=True) + 1e-4)),
        ),
    ),
)

# --- Mixtures of adapters -----------------------------------------------------


def _mixtures(rng: np.random.Generator) -> list[Arguments]:
    """Adapters of equal ranks have equal scales, as adapters of one project have; the others have not."""

    def case(inner: int, outer: int, ranks: tuple[int, ...], signs: tuple[int, ...]) -> Arguments:
        alpha = float(rng.choice([5.0, 8.0, 16.0]))
        adapters = [(normal(rng, rank, inner), normal(rng, outer, rank), alpha / rank) for rank in ranks]
        return {"adapters": adapters, "weights": [sign * float(rng.uniform(0.3, 0.6)) for sign in signs]}

    return [
        case(5, 3, (2, 2), (1, 1)),
        case(4, 4, (3, 3), (1, 1)),
        case(4, 3, (2, 4), (1, 1)),
        case(3, 5, (4, 2, 3), (1, -1, 1)),
        case(3, 4, (2,), (1,)),
    ]


def _averaged_apart(adapters: Sequence[Adapter], weights: Sequence[float]) -> Tensor:
    """Cross terms and all; torch raises RuntimeError where the ranks differ."""
    a, b = (sum(w * adapter[part] for adapter, w in zip(adapters, weights, strict=True)) for part in (0, 1))
    return adapters[0][2] * (b @ a)


def _summed(adapters: Sequence[Adapter], weights: Sequence[float]) -> Tensor:
    return sum(weight * scale * (b @ a) for (a, b, scale), weight in zip(adapters, weights, strict=True))


MIXED_UPDATE = Exercise(
    name="mixed_update",
    title="Several adapters, one update",
    minutes=8,
    difficulty=2,
    deliver="The sum of weight * scale * B A over the adapters (a, b, scale), (out, in); their ranks may differ.",
    reference=lora.mixed_update,
    cases=_mixtures,
    hints=(
        "What does one adapter alone add to the base? B is (out, rank), A is (rank, in).",
        "All those products have one shape, whatever the rank: only they can be added.",
        "`for (a, b, scale), weight in zip(adapters, weights)`: weight * scale * (b @ a), and the sum of it.",
    ),
    misconceptions=(
        Misconception(
            "averaged apart",
            "the A's and the B's are averaged apart and multiplied then: every B meets the A's of the *other* adapters "
            "too, with which it never trained, and where ranks differ there is no average at all. Multiply, then add",
            _averaged_apart,
        ),
        Misconception(
            "no scale",
            "the scale is missing: alpha / rank belongs to each adapter's update",
            lambda adapters, weights: _summed([(a, b, 1.0) for a, b, _ in adapters], weights),
        ),
        Misconception(
            "scale by rank",
            "it divides by the rank once more: the scale given is alpha / rank already",
            lambda adapters, weights: _summed([(a, b, scale / len(a)) for a, b, scale in adapters], weights),
        ),
        Misconception(
            "weight twice",
            "the weights come out squared: put each on A or on B, not on both",
            lambda adapters, weights: _summed(adapters, [weight**2 for weight in weights]),
        ),
        Misconception(
            "no weights",
            "the weights do nothing: each says how much of its adapter there is",
            lambda adapters, weights: _summed(adapters, [1.0] * len(weights)),
        ),
        Misconception(
            "made to sum to 1",
            "it divides the weights by their sum: updates are added, not averaged, and half of an adapter is half",
            lambda adapters, weights: _summed(adapters, [weight / sum(weights) for weight in weights]),
        ),
        Misconception(
            "order",
            "the product is A B: only B A has the shape (out, in) of the layer's weight",
            lambda adapters, weights: _summed([(b, a, scale) for a, b, scale in adapters], weights),
        ),
        Misconception(
            "transposed",
            "the update is transposed: B A already has the shape (out, in) of the layer's weight",
            lambda adapters, weights: _summed(adapters, weights).T,
        ),
        Misconception(
            "first only",
            "only the first adapter is in it",
            lambda adapters, weights: _summed(adapters[:1], weights[:1]),
        ),
    ),
)

EXERCISES = [OPTIMAL_POLICY, IMPLICIT_REWARD, GROUP_ADVANTAGES, MIXED_UPDATE]

# --- Questions ----------------------------------------------------------------


def _accuracy(name: str, asks: str) -> Guess:
    """A share of pairs, on the scale that all of the lab have."""
    return Guess(name, asks, 40, 100, 1, close=3, unit=" %")


QUESTIONS = [
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
    _accuracy("judge_agreement", "on what share of the pairs does the AI judge agree with the people's labels?"),
    Forecast(
        "ai_labels",
        "the gold reward of PPO on AI labels, against PPO on as many labels of people, goes",
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
        "why_again",
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

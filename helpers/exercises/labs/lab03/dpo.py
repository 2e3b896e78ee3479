"""Exercises of lab 03: log-probabilities of whole responses, and preferences without a reward model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _sequences(rng: np.random.Generator) -> list[Arguments]:
    def case(batch: int, prompt: int, response: int, vocabulary: int = 6) -> Arguments:
        ids = torch.tensor(rng.integers(0, vocabulary, size=(batch, prompt + response)))
        logits = normal(rng, batch, prompt + response, vocabulary, scale=2)
        return {"logits": logits, "ids": ids, "prompt_length": prompt}

    return [case(3, 4, 5), case(2, 1, 3), case(1, 3, 1), case(1, 2, 2)]


def _picked(scores: Tensor, ids: Tensor) -> Tensor:
    return scores.gather(-1, ids.unsqueeze(-1)).squeeze(-1)


def _logprobs_of(logits: Tensor, ids: Tensor) -> Tensor:
    return _picked(logits.log_softmax(-1), ids)


COMPLETION_LOGPROBS = Exercise(
    name="completion_logprobs",
    title="Log-probabilities of a response",
    minutes=10,
    difficulty=2,
    deliver="The log-probability of each response token, (batch, response), from the logits of prompt and response.",
    reference=objectives.completion_logprobs,
    cases=_sequences,
    gradients=("logits",),
    hints=(
        "The logits at position t are what the model expects at t + 1.",
        "The first response token, at position prompt_length, is predicted by the prompt's last token, one before it.",
        "`log_softmax(dim=-1)`, then `gather` along the vocabulary with the ids as index.",
    ),
    misconceptions=(
        Misconception(
            "no shift",
            "it asks each position for its own token: the logits at position t predict the token at t + 1",
            lambda logits, ids, prompt: _logprobs_of(logits[:, prompt:], ids[:, prompt:]),
        ),
        Misconception(
            "first token lost",
            "the first response token is missing: the prompt's last token predicts it",
            lambda logits, ids, prompt: _logprobs_of(logits[:, prompt:-1], ids[:, prompt + 1 :]),
        ),
        Misconception(
            "wrong way",
            "it shifts the wrong way: the logits come from *before* the token that they predict, not after it",
            lambda logits, ids, prompt: _logprobs_of(logits[:, prompt + 1 :], ids[:, prompt:-1]),
        ),
        Misconception(
            "prompt too",
            "the prompt's tokens are in it: the policy did not choose them",
            lambda logits, ids, prompt: _logprobs_of(logits[:, :-1], ids[:, 1:]),
        ),
        Misconception(
            "raw logits",
            "those are logits: without log_softmax they are no log-probabilities, and only differences mean something",
            lambda logits, ids, prompt: _picked(logits[:, prompt - 1 : -1], ids[:, prompt:]),
        ),
        Misconception(
            "probabilities",
            "those are probabilities: their logarithm is asked for",
            lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt:]).exp(),
        ),
        Misconception(
            "wrong axis",
            "it normalizes over positions: at each position the probabilities of the *vocabulary* sum to 1",
            lambda logits, ids, prompt: _picked(logits[:, prompt - 1 : -1].log_softmax(1), ids[:, prompt:]),
        ),
        Misconception(
            "sum",
            "it sums over the response: PPO needs one number for each token",
            lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt:]).sum(1),
        ),
    ),
)


COMPLETIONS = ("chosen", "rejected", "ref_chosen", "ref_rejected")


def _preferred(rng: np.random.Generator) -> list[Arguments]:
    def case(batch: int, beta: float) -> Arguments:
        reference = -normal(rng, 2, batch, scale=10).abs() - 5
        policy = reference + normal(rng, 2, batch, scale=3)
        return dict(zip(COMPLETIONS, (*policy, *reference), strict=True)) | {"beta": beta}

    far = [torch.tensor([value]) for value in (-900.0, -100.0, -400.0, -500.0)]
    return [case(4, 0.1), case(3, 0.5), case(1, 0.2), dict(zip(COMPLETIONS, far, strict=True)) | {"beta": 0.5}]


def _of_margin(loss: Callable[[Tensor, float], Tensor]) -> Callable[..., Tensor]:
    """A loss of beta and the gap between the two log-ratios."""
    return lambda chosen, rejected, ref_chosen, ref_rejected, beta: loss(
        (chosen - ref_chosen) - (rejected - ref_rejected), beta
    )


DPO_LOSS = Exercise(
    name="dpo_loss",
    title="Preferences without a reward model",
    minutes=8,
    difficulty=2,
    deliver="The mean of -log sigmoid(beta * (log-ratio chosen - log-ratio rejected)); no gradient to the reference.",
    reference=objectives.dpo_loss,
    cases=_preferred,
    gradients=COMPLETIONS,
    hints=(
        "A log-ratio is the policy's log-probability of a whole completion minus the reference's.",
        "It is lab 02's Bradley-Terry loss, with beta * log-ratio in the place of the score.",
        "Detach both reference values, and use `torch.nn.functional.logsigmoid`.",
    ),
    misconceptions=(
        Misconception(
            "no reference",
            "the reference is missing: whatever completion was likelier from the start would count as preferred",
            lambda chosen, rejected, ref_chosen, ref_rejected, beta: -F.logsigmoid(beta * (chosen - rejected)).mean(),
        ),
        Misconception(
            "sign",
            "chosen and rejected are swapped: this loss falls when the *rejected* completion gets likelier",
            _of_margin(lambda gap, beta: -F.logsigmoid(-beta * gap).mean()),
        ),
        Misconception(
            "no minus",
            "the minus is missing: minimizing this makes the chosen completion *less* likely",
            _of_margin(lambda gap, beta: F.logsigmoid(beta * gap).mean()),
        ),
        Misconception(
            "beta outside",
            "beta multiplies the loss: it belongs inside the sigmoid, where it says how far the policy may go",
            _of_margin(lambda gap, beta: -beta * F.logsigmoid(gap).mean()),
        ),
        Misconception(
            "no beta",
            "beta is missing: it says how many units of reward one nat is",
            _of_margin(lambda gap, beta: -F.logsigmoid(gap).mean()),
        ),
        Misconception(
            "no log",
            "that is a probability, not a loss: take minus its logarithm",
            _of_margin(lambda gap, beta: torch.sigmoid(beta * gap).mean()),
        ),
        Misconception(
            "sum",
            "it sums over the batch: with twice the pairs the gradient would be twice as large. Take the mean",
            _of_margin(lambda gap, beta: -F.logsigmoid(beta * gap).sum()),
        ),
        Misconception(
            "overflow",
            "log(sigmoid(x)) is -inf where the policy is far wrong: use logsigmoid",
            _of_margin(lambda gap, beta: -torch.sigmoid(beta * gap).log().mean()),
        ),
        Misconception(
            "reference trains",
            "the value is right, but a gradient flows to the reference: it is fixed. Detach both of its values",
            _of_margin(lambda gap, beta: -F.logsigmoid(beta * gap).mean()),
        ),
    ),
)

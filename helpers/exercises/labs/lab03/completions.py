"""Exercises of lab 03: log-probabilities of whole responses."""

from __future__ import annotations

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

    # One token is as good as certain: the probabilities of all others are 0 in 32 bits, their logarithms are not.
    sure = torch.tensor([[[200.0, 0.0, -150.0, 30.0], [-20.0, 150.0, 0.0, 3.0], [1.0, 2.0, 3.0, 4.0]]])
    certain = {"logits": sure, "ids": torch.tensor([[1, 2, 0]]), "prompt_length": 1}
    return [case(3, 4, 5), case(2, 1, 3), case(1, 3, 1), case(1, 2, 2), certain]


def _picked(scores: Tensor, ids: Tensor) -> Tensor:
    return scores.gather(-1, ids.unsqueeze(-1)).squeeze(-1)


def _logprobs_of(logits: Tensor, ids: Tensor) -> Tensor:
    return _picked(logits.log_softmax(-1), ids)


COMPLETION_LOGPROBS = Exercise(
    name="completion_logprobs",
    title="Log-probabilities of a response",
    minutes=10,
    difficulty=2,
    deliver="The log-probability of each response token, (batch, response); finite for unlikely tokens too.",
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
            (
                lambda logits, ids, prompt: _logprobs_of(logits[:, prompt:], ids[:, prompt:]),
                lambda logits, ids, prompt: _logprobs_of(logits, ids),
                lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 :], ids[:, prompt - 1 :]),
                lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt - 1 : -1]),
                lambda logits, ids, prompt: _picked(logits[:, prompt:], ids[:, prompt:]),
                lambda logits, ids, prompt: _picked(logits[:, prompt:].softmax(-1), ids[:, prompt:]),
            ),
        ),
        Misconception(
            "first token lost",
            "the first response token is missing: the prompt's last token predicts it",
            (
                lambda logits, ids, prompt: _logprobs_of(logits[:, prompt:-1], ids[:, prompt + 1 :]),
                lambda logits, ids, prompt: _picked(logits[:, prompt:-1].softmax(-1), ids[:, prompt + 1 :]),
            ),
        ),
        Misconception(
            "wrong way",
            "it shifts the wrong way: the logits come from *before* the token that they predict, not after it",
            (
                lambda logits, ids, prompt: _logprobs_of(logits[:, prompt + 1 :], ids[:, prompt:-1]),
                lambda logits, ids, prompt: _logprobs_of(F.pad(logits, (0, 0, 0, 1))[:, prompt + 1 :], ids[:, prompt:]),
                lambda logits, ids, prompt: _logprobs_of(logits[:, prompt:], ids[:, prompt - 1 : -1]),
            ),
        ),
        Misconception(
            "prompt too",
            "tokens of the prompt are in it: the policy did not choose them. Begin with the first response token",
            (
                lambda logits, ids, prompt: _logprobs_of(logits[:, :-1], ids[:, 1:]),
                lambda logits, ids, prompt: _picked(logits[:, :-1].softmax(-1), ids[:, 1:]),
            ),
        ),
        Misconception(
            "raw logits",
            "those are logits: without log_softmax they are no log-probabilities, and only differences mean something",
            lambda logits, ids, prompt: _picked(logits[:, prompt - 1 : -1], ids[:, prompt:]),
        ),
        Misconception(
            "probabilities",
            "those are probabilities: their logarithm is asked for",
            (
                lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt:]).exp(),
                lambda logits, ids, prompt: -_logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt:]).exp(),
                lambda logits, ids, prompt: torch.sigmoid(_picked(logits[:, prompt - 1 : -1], ids[:, prompt:])),
            ),
        ),
        Misconception(
            "wrong axis",
            "it normalizes over the wrong axis: the probabilities of the *vocabulary* sum to 1, so dim=-1",
            (
                lambda logits, ids, prompt: _picked(logits[:, prompt - 1 : -1].log_softmax(1), ids[:, prompt:]),
                lambda logits, ids, prompt: _picked(logits.log_softmax(1)[:, prompt - 1 : -1], ids[:, prompt:]),
                lambda logits, ids, prompt: _picked(logits[:, prompt - 1 : -1].log_softmax(0), ids[:, prompt:]),
            ),
        ),
        Misconception(
            "sum",
            "it sums or averages over the response: PPO needs one number for each token",
            (
                lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt:]).sum(1),
                lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt:]).mean(1),
                lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt:]).sum(),
                lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt:]).mean(),
            ),
        ),
        Misconception(
            "underflow",
            "it fails where a token is very unlikely: its probability is 0 in 32 bits, or exp overflows. "
            "`log_softmax` does not go through the probabilities",
            (
                lambda logits, ids, prompt: _picked(logits[:, prompt - 1 : -1].softmax(-1).log(), ids[:, prompt:]),
                lambda logits, ids, prompt: (
                    _picked(logits[:, prompt - 1 : -1], ids[:, prompt:])
                    - logits[:, prompt - 1 : -1].exp().sum(-1).log()
                ),
                lambda logits, ids, prompt: (
                    _picked(logits[:, prompt - 1 : -1], ids[:, prompt:]).exp()
                    / logits[:, prompt - 1 : -1].exp().sum(-1)
                ).log(),
                lambda logits, ids, prompt: _picked(
                    (logits[:, prompt - 1 : -1].softmax(-1) + 1e-8).log(), ids[:, prompt:]
                ),
                lambda logits, ids, prompt: _picked(
                    (logits[:, prompt - 1 : -1].softmax(-1) + 1e-10).log(), ids[:, prompt:]
                ),
                lambda logits, ids, prompt: _picked(
                    (logits[:, prompt - 1 : -1].softmax(-1) + 1e-12).log(), ids[:, prompt:]
                ),
                lambda logits, ids, prompt: _picked(
                    logits[:, prompt - 1 : -1].softmax(-1).clamp(min=1e-8).log(), ids[:, prompt:]
                ),
            ),
        ),
        Misconception(
            "negative",
            "there is a minus too much: those are losses. A log-probability is never above 0",
            lambda logits, ids, prompt: -_logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt:]),
        ),
        Misconception(
            "whole vocabulary",
            "it keeps the whole vocabulary: pick the one token that stands in ids, with gather",
            (
                lambda logits, ids, prompt: logits[:, prompt - 1 : -1].log_softmax(-1),
                lambda logits, ids, prompt: logits[:, prompt:].log_softmax(-1),
                lambda logits, ids, prompt: logits.log_softmax(-1),
            ),
        ),
        Misconception(
            "likeliest",
            "it takes the likeliest token, not the one in ids: the response was sampled",
            (
                lambda logits, ids, prompt: logits[:, prompt - 1 : -1].log_softmax(-1).amax(-1),
                lambda logits, ids, prompt: logits[:, prompt:].log_softmax(-1).amax(-1),
            ),
        ),
        Misconception(
            "last token lost",
            "the last response token is missing: the logits one place before it predict it",
            lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -2], ids[:, prompt:-1]),
        ),
        Misconception(
            "shape",
            "the last axis is left over or the tokens are in one row: give back (batch, response)",
            (
                lambda logits, ids, prompt: (
                    logits[:, prompt - 1 : -1].log_softmax(-1).gather(-1, ids[:, prompt:].unsqueeze(-1))
                ),
                lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt:]).flatten(),
            ),
        ),
        Misconception(
            "log of logits",
            "it takes a logarithm of logits or of log-probabilities, which may be negative: use log_softmax alone",
            (
                lambda logits, ids, prompt: _picked(logits[:, prompt - 1 : -1], ids[:, prompt:]).log(),
                lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -1], ids[:, prompt:]).log(),
                lambda logits, ids, prompt: F.logsigmoid(_picked(logits[:, prompt - 1 : -1], ids[:, prompt:])),
            ),
        ),
        Misconception(
            "double softmax",
            "softmax is taken twice: the second one works on probabilities as if they were logits",
            lambda logits, ids, prompt: _logprobs_of(logits[:, prompt - 1 : -1].softmax(-1), ids[:, prompt:]),
        ),
    ),
)

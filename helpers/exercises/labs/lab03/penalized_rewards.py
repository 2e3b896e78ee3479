"""Exercises of lab 03: the reward that the KL penalty is taken from."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ....formulas import objectives
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import moved_logprobs, normal, real_only, right_padded, token_logprobs


def _scored(rng: np.random.Generator) -> list[Arguments]:
    cases = []
    for n, length in ((4, 5), (3, 7), (2, 2), (1, 1)):
        mask = right_padded(rng, n, length) if n > 1 else torch.ones(n, length).bool()
        logprobs = token_logprobs(rng, n, length)
        ref = moved_logprobs(rng, logprobs, 1.0)
        arguments = {"scores": normal(rng, n, scale=2), "logprobs": logprobs, "ref_logprobs": ref, "mask": mask}
        cases.append(arguments | {"beta": float(rng.uniform(0.05, 0.5))})
    return cases


def _at_last_token(scores: Tensor, mask: Tensor) -> Tensor:
    places = torch.zeros(mask.shape)
    places[torch.arange(len(scores)), mask.sum(1) - 1] = scores
    return places


def _at_last_column(scores: Tensor, mask: Tensor) -> Tensor:
    places = torch.zeros(mask.shape)
    places[:, -1] = scores
    return places


def _at(scores: Tensor, mask: Tensor, column: Tensor) -> Tensor:
    places = torch.zeros(mask.shape)
    places[torch.arange(len(scores)), column] = scores
    return places


def _at_columns(scores: Tensor, mask: Tensor) -> Tensor:
    """As `rewards[:, mask.sum(1) - 1] += scores` does."""
    places = torch.zeros(mask.shape)
    for score, column in zip(scores, mask.sum(1) - 1, strict=True):
        places[:, column] = score
    return places


def _penalty_at_the_end(scores: Tensor, logprobs: Tensor, ref_logprobs: Tensor, mask: Tensor, beta: float) -> Tensor:
    return _at_last_token(scores - beta * real_only(logprobs - ref_logprobs, mask).sum(1), mask)


KL_PENALIZED_REWARDS = Exercise(
    name="kl_penalized_rewards",
    title="Score and KL penalty as rewards of tokens",
    minutes=12,
    difficulty=2,
    deliver="The reward of each token, (batch, response), 0 at padding; every response has at least one real token.",
    reference=objectives.kl_penalized_rewards,
    cases=_scored,
    hints=(
        "Begin with the penalty of every token, and set it to 0 at padding.",
        "The last real token of a row is at `mask.sum(1) - 1`.",
        "`rewards[torch.arange(len(scores)), mask.sum(1) - 1] += scores` reaches one place in each row.",
    ),
    misconceptions=(
        Misconception(
            "every token",
            "the score is added at every token: a response of 40 tokens would be paid 40 times. Only the last gets it",
            (
                lambda s, lp, ref, mask, beta: real_only(s.unsqueeze(1) - beta * (lp - ref), mask),
                lambda s, lp, ref, mask, beta: s.unsqueeze(1) - beta * (lp - ref),
                lambda s, lp, ref, mask, beta: s.unsqueeze(1) - beta * real_only(lp - ref, mask),
                lambda s, lp, ref, mask, beta: real_only(s.unsqueeze(1) + beta * (lp - ref), mask),
                lambda s, lp, ref, mask, beta: s.unsqueeze(1) * mask - beta * (lp - ref),
            ),
        ),
        Misconception(
            "last column",
            "the score stands in the last column, which is padding in all but the longest responses: nobody gets it",
            (
                lambda s, lp, ref, mask, beta: _at_last_column(s, mask) - beta * real_only(lp - ref, mask),
                lambda s, lp, ref, mask, beta: _at_last_column(s, mask) - beta * (lp - ref),
                lambda s, lp, ref, mask, beta: real_only(_at_last_column(s, mask) - beta * (lp - ref), mask),
                lambda s, lp, ref, mask, beta: _at_last_column(s, mask) + beta * real_only(lp - ref, mask),
            ),
        ),
        Misconception(
            "sign",
            "the penalty has the wrong sign: the policy would be paid for leaving the reference",
            (
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) + beta * real_only(lp - ref, mask),
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) + beta * (lp - ref),
            ),
        ),
        Misconception(
            "padding",
            "there is a penalty at padding: rewards there must be 0",
            lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * (lp - ref),
        ),
        Misconception(
            "penalty at the end",
            "the penalty is at the last token alone: each token must pay for itself",
            (
                _penalty_at_the_end,
                lambda s, lp, ref, mask, beta: _at_last_token(s - beta * (lp - ref).sum(1), mask),
                lambda s, lp, ref, mask, beta: _at_last_token(
                    s - beta * real_only(lp - ref, mask).sum(1) / mask.sum(1), mask
                ),
                lambda s, lp, ref, mask, beta: (
                    _at_last_token(s, mask)
                    - _at_last_token(beta * (lp - ref)[torch.arange(len(s)), mask.sum(1) - 1], mask)
                ),
            ),
        ),
        Misconception(
            "no beta",
            "beta is missing: the penalty always counts in full",
            (
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - real_only(lp - ref, mask),
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - (lp - ref),
            ),
        ),
        Misconception(
            "no penalty",
            "the penalty is missing: nothing keeps the policy near the reference",
            lambda s, lp, ref, mask, beta: _at_last_token(s, mask),
        ),
        Misconception(
            "no score",
            "the score is missing: there is nothing to gain",
            lambda s, lp, ref, mask, beta: -beta * real_only(lp - ref, mask),
        ),
        Misconception(
            "replaces",
            "the score takes the place of the last penalty: add it, since the last token pays too",
            (
                lambda s, lp, ref, mask, beta: (
                    _at_last_token(s, mask)
                    - beta * real_only(lp - ref, mask).masked_fill(_at_last_token(torch.ones(len(s)), mask) > 0, 0.0)
                ),
                lambda s, lp, ref, mask, beta: (
                    _at_last_token(s, mask)
                    - (beta * (lp - ref)).masked_fill(_at_last_token(torch.ones(len(s)), mask) > 0, 0.0)
                ),
            ),
        ),
        Misconception(
            "off by one",
            "the score stands at another token than the last real one: counting from 0, that is at mask.sum(1) - 1",
            (
                lambda s, lp, ref, mask, beta: _at(s, mask, mask.sum(1) - 2) - beta * real_only(lp - ref, mask),
                lambda s, lp, ref, mask, beta: (
                    _at(s, mask, (mask.sum(1) - 2).clamp(min=0)) - beta * real_only(lp - ref, mask)
                ),
                lambda s, lp, ref, mask, beta: _at(s, mask, mask.sum(1)) - beta * real_only(lp - ref, mask),
                lambda s, lp, ref, mask, beta: (
                    _at(s, mask, mask.sum(1).clamp(max=mask.shape[1] - 1)) - beta * real_only(lp - ref, mask)
                ),
                lambda s, lp, ref, mask, beta: _at(s, mask, mask.sum(1) * 0) - beta * real_only(lp - ref, mask),
            ),
        ),
        Misconception(
            "all rows",
            "the scores reach *all* rows: index with row numbers and columns together, one place in each row",
            (
                lambda s, lp, ref, mask, beta: _at_columns(s, mask) - beta * real_only(lp - ref, mask),
                lambda s, lp, ref, mask, beta: real_only(_at_columns(s, mask), mask) - beta * real_only(lp - ref, mask),
                lambda s, lp, ref, mask, beta: _at_columns(s, mask) - beta * (lp - ref),
                lambda s, lp, ref, mask, beta: (
                    _at_columns(s, mask)
                    - beta * real_only(lp - ref, mask).masked_fill(_at_columns(torch.ones(len(s)), mask) > 0, 0.0)
                ),
            ),
        ),
        Misconception(
            "spread",
            "the score is shared among the tokens: it comes once, at the last real token",
            (
                lambda s, lp, ref, mask, beta: (
                    real_only((s / mask.sum(1)).unsqueeze(1), mask) - beta * real_only(lp - ref, mask)
                ),
                lambda s, lp, ref, mask, beta: s.unsqueeze(1) / mask.shape[1] - beta * real_only(lp - ref, mask),
                lambda s, lp, ref, mask, beta: (
                    real_only(s.unsqueeze(1) / mask.shape[1], mask) - beta * real_only(lp - ref, mask)
                ),
            ),
        ),
        Misconception(
            "beta times score",
            "beta multiplies the score too: only the penalty is weighed by it",
            (
                lambda s, lp, ref, mask, beta: beta * (_at_last_token(s, mask) - real_only(lp - ref, mask)),
                lambda s, lp, ref, mask, beta: _at_last_token(beta * s, mask) - real_only(lp - ref, mask),
                lambda s, lp, ref, mask, beta: beta * real_only(s.unsqueeze(1) - lp + ref, mask),
            ),
        ),
        Misconception(
            "score minus",
            "the score is subtracted: a good response must be paid for",
            (
                lambda s, lp, ref, mask, beta: -_at_last_token(s, mask) - beta * real_only(lp - ref, mask),
                lambda s, lp, ref, mask, beta: -_at_last_token(s, mask) + beta * real_only(lp - ref, mask),
            ),
        ),
        Misconception(
            "another penalty",
            "the penalty is no log-ratio: take k1, logprobs - ref_logprobs, which may be negative",
            (
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * real_only((lp - ref).abs(), mask),
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * real_only(0.5 * (lp - ref) ** 2, mask),
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * real_only((lp - ref) ** 2, mask),
                lambda s, lp, ref, mask, beta: (
                    _at_last_token(s, mask) - beta * real_only(torch.expm1(ref - lp) - (ref - lp), mask)
                ),
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * real_only((lp - ref).exp(), mask),
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * real_only(lp / ref, mask),
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * real_only((lp / ref).log(), mask),
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * real_only(lp.exp() - ref.exp(), mask),
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * real_only(lp.exp() * (lp - ref), mask),
                lambda s, lp, ref, mask, beta: (
                    _at_last_token(s, mask) - beta * real_only((lp - ref).clamp(min=0), mask)
                ),
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * real_only(lp, mask),
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * real_only(-lp, mask),
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * real_only(-ref, mask),
            ),
        ),
        Misconception(
            "mean penalty",
            "the penalty is averaged or summed over the response: every token pays its own",
            (
                lambda s, lp, ref, mask, beta: (
                    _at_last_token(s, mask)
                    - real_only((beta * real_only(lp - ref, mask).sum(1) / mask.sum(1)).unsqueeze(1), mask)
                ),
                lambda s, lp, ref, mask, beta: (
                    _at_last_token(s, mask) - real_only(beta * real_only(lp - ref, mask).sum(1, keepdim=True), mask)
                ),
                lambda s, lp, ref, mask, beta: (
                    _at_last_token(s, mask) - beta * real_only(lp - ref, mask) / mask.sum(1, keepdim=True)
                ),
                lambda s, lp, ref, mask, beta: (
                    _at_last_token(s, mask) - beta * real_only(lp - ref, mask).cumsum(1) * mask
                ),
            ),
        ),
        Misconception(
            "sum",
            "it gives one number for each response: one for each token is asked for, (batch, response)",
            (
                lambda s, lp, ref, mask, beta: s - beta * real_only(lp - ref, mask).sum(1),
                lambda s, lp, ref, mask, beta: (s - beta * real_only(lp - ref, mask).sum(1)).sum(),
                lambda s, lp, ref, mask, beta: s - beta * (lp - ref).sum(1),
                lambda s, lp, ref, mask, beta: s - beta * (lp - ref).mean(1),
                lambda s, lp, ref, mask, beta: s - beta * real_only(lp - ref, mask).sum(1) / mask.sum(1),
                lambda s, lp, ref, mask, beta: (s - beta * real_only(lp - ref, mask).sum(1)).mean(),
            ),
        ),
        Misconception(
            "inverted mask",
            "the mask is the wrong way round: it is true at real tokens",
            (
                lambda s, lp, ref, mask, beta: _at_last_token(s, mask) - beta * real_only(lp - ref, ~mask),
                lambda s, lp, ref, mask, beta: real_only(s.unsqueeze(1) - beta * (lp - ref), ~mask),
            ),
        ),
    ),
)

"""Held-out measurements of policies: samples with rewards and KL, losses, comparisons, win rates.

Samples are DataFrames with one row per prompt, so that intervals can be computed over prompts and seeds.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from ..formulas.statistics import Interval, paired_difference_over_seeds, win_rate
from ..models.generation import batches_by_length, generate_ids, pad_left, pad_right, response_mask
from ..models.loading import completion_ids, prompt_ids
from ..models.shared_base import BASE, POLICY, REFERENCE, SharedBase
from ..simulation.gold import gold_reward

MODELS = {"base": BASE, "sft": REFERENCE, "ppo": POLICY}  # the names of labs and figures, and the roles they stand for


class Judged:
    """A reward that also records the gold rewards of each batch, which training never sees.

    Attributes:
        reward: (prompts, completions) -> rewards (batch,).
        gold: The gold rewards of each batch so far.
    """

    def __init__(self, reward: Callable[[Sequence[str], Sequence[str]], Sequence[float] | torch.Tensor]) -> None:
        self.reward = reward
        self.gold: list[list[float]] = []

    def __call__(self, prompts: Sequence[str], completions: Sequence[str]) -> Sequence[float] | torch.Tensor:
        """The rewards (batch,)."""
        self.gold.append(list(map(gold_reward, prompts, completions)))
        return self.reward(prompts, completions)


@torch.no_grad()
def sample(
    shared: SharedBase, prompts: Sequence[str], role: str = POLICY, *, seed: int = 0, batch_size: int | None = None
) -> pd.DataFrame:
    """One sampled completion of each prompt by the model in `role`, with its rewards, KL and length.

    Args:
        shared: The model.
        prompts: The prompts.
        role: Which adapter is on.
        seed: Of the sampled tokens.
        batch_size: Rows at a time; by default 128, or on a GPU as many as its memory allows.

    Returns:
        One row per prompt: prompt, completion, gold (gold reward), proxy (normalized reward-model score, if there is a
        reward model), kl (sampled log-ratio to the reference, nats), tokens, words, ended (whether it ended by itself).
    """
    profile = shared.profile
    encoded = prompt_ids(profile, shared.tokenizer, prompts)
    rows: list[dict[str, Any]] = [{} for _ in encoded]
    batch_size = batch_size or shared.rows_at_once(profile.max_prompt_tokens, profile.max_response_tokens) or 128
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for index in batches_by_length(encoded, batch_size):
            prompt = pad_left([encoded[i] for i in index], shared.pad_id, shared.device)
            with shared.role(role) as model:
                response = generate_ids(model, prompt, shared.tokenizer, max_new_tokens=profile.max_response_tokens)
            mask = response_mask(response, shared.eos_id)
            response = response.masked_fill(~mask, shared.pad_id)
            log_ratio = shared.response_logprobs(prompt, response, role)
            log_ratio = log_ratio - shared.response_logprobs(prompt, response, REFERENCE)
            kl = (log_ratio * mask).sum(1).tolist()
            ended = (response == shared.eos_id).any(1).tolist()
            texts = shared.tokenizer.batch_decode(response, skip_special_tokens=True)
            for i, text, row_kl, tokens, end in zip(index, texts, kl, mask.sum(1).tolist(), ended, strict=True):
                rows[i] = {
                    "prompt": prompts[i],
                    "completion": text,
                    "gold": gold_reward(prompts[i], text),
                    "kl": row_kl,
                    "tokens": tokens,
                    "words": len(text.split()),
                    "ended": end,
                }
    frame = pd.DataFrame(rows)
    if shared.score_head is not None:
        frame["proxy"] = shared.reward(frame["prompt"].tolist(), frame["completion"].tolist()).numpy()
    return frame


def compare_models(
    shared: SharedBase, prompts: Sequence[str], *, models: Sequence[str] = ("base", "sft", "ppo"), seed: int = 0
) -> pd.DataFrame:
    """`sample` of several models on the same prompts, with one more column, model; prompts in the same order.

    `models` are keys of MODELS.
    """
    frames = [sample(shared, prompts, MODELS[name], seed=seed).assign(model=name) for name in models]
    return pd.concat(frames, ignore_index=True)


def completion_loss(
    shared: SharedBase, prompts: Sequence[str], completions: Sequence[str], role: str = POLICY, batch_size: int = 32
) -> np.ndarray:
    """Loss of the model in `role` on given completions, </s> included: (n,), nats per token.

    Supervised fine-tuning lowers it. How far RLHF raises it on held-out texts is a part of the alignment tax (Ouyang et
    al. 2022).
    """
    logprobs, tokens = _completion_logprobs(shared, prompts, completions, role, batch_size)
    return -logprobs / tokens


def implicit_rewards(
    shared: SharedBase, prompts: Sequence[str], completions: Sequence[str], beta: float, batch_size: int = 32
) -> np.ndarray:
    """The policy's implicit reward, beta log(policy / reference), of each whole completion: (n,).

    Up to a constant for each prompt, it is the reward for which the policy is optimal with the KL coefficient `beta`
    (Rafailov et al. 2023, equation 5).
    """
    policy, reference = (
        _completion_logprobs(shared, prompts, completions, role, batch_size)[0] for role in (POLICY, REFERENCE)
    )
    return beta * (policy - reference)


@torch.no_grad()
def _completion_logprobs(
    shared: SharedBase, prompts: Sequence[str], completions: Sequence[str], role: str, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probability of each whole completion with its </s>, and its number of tokens: (n,) each."""
    heads = prompt_ids(shared.profile, shared.tokenizer, prompts)
    tails = completion_ids(shared.profile, shared.tokenizer, completions)
    logprobs, tokens = np.empty(len(heads)), np.array([len(tail) for tail in tails])
    for index in batches_by_length(heads, batch_size):
        prompt = pad_left([heads[i] for i in index], shared.pad_id, shared.device)
        completion, mask = pad_right([tails[i] for i in index], shared.pad_id, shared.device)
        logprobs[index] = (shared.response_logprobs(prompt, completion, role) * mask).sum(1).cpu().numpy()
    return logprobs, tokens


def gold_gain(after: ArrayLike, before: ArrayLike) -> Interval:
    """Mean gain in gold reward with its interval; both (seeds, prompts), of the same prompts.

    The interval is over seeds and prompts.
    """
    return paired_difference_over_seeds(np.asarray(after), np.asarray(before))


def win_rates(samples: pd.DataFrame, measure: str = "gold") -> pd.DataFrame:
    """Win rates of all pairs of models: the share of prompts on which the row's beats the column's, ties as one half.

    Args:
        samples: As from `compare_models`, every model on the same prompts in the same order.
        measure: The column that is compared.

    Returns:
        A table (models, models) with NaN on its diagonal.
    """
    values = {name: rows[measure].to_numpy() for name, rows in samples.groupby("model", sort=False)}
    return pd.DataFrame(
        {b: {a: win_rate(values[a], values[b]).estimate if a != b else np.nan for a in values} for b in values}
    )

"""Held-out measurements: samples of a model with their rewards and KL, comparisons, reward-model accuracy.

Everything comes as a DataFrame with a row a prompt (or pair), so that intervals can be drawn over prompts and seeds.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from ..formulas.statistics import (
    Interval,
    accuracy_interval,
    calibration_bin,
    paired_difference,
    paired_difference_over_seeds,
    win_rate,
)
from ..models.generation import batches_by_length, generate_ids, pad_left, pad_right, response_mask
from ..models.loading import completion_ids, prompt_ids
from ..models.shared_base import BASE, POLICY, REFERENCE, SharedBase
from ..preferences import Preference
from ..simulation.annotators import best_possible_accuracy
from ..simulation.gold import gold_reward, score

MODELS = {"base": BASE, "sft": REFERENCE, "ppo": POLICY}  # the names of labs and figures, and the roles they stand for


class Judged:
    """A reward that keeps the gold rewards of each batch beside what it gives: training never sees them."""

    def __init__(self, reward: Callable[[Sequence[str], Sequence[str]], torch.Tensor]) -> None:
        self.reward = reward
        self.gold: list[list[float]] = []

    def __call__(self, prompts: Sequence[str], completions: Sequence[str]) -> torch.Tensor:
        self.gold.append(list(map(gold_reward, prompts, completions)))
        return self.reward(prompts, completions)


@torch.no_grad()
def sample(
    shared: SharedBase, prompts: Sequence[str], role: str = POLICY, *, seed: int = 0, batch_size: int | None = None
) -> pd.DataFrame:
    """One sampled completion of each prompt by the model in `role`, with what is known of it.

    batch_size: rows at a time; by default 128, or on a GPU as many as its memory allows.
    Columns: prompt, completion, gold (gold reward), proxy (normalised reward-model score, if there is one), kl (sampled
    log-ratio to the reference, nats), tokens, words, ended (whether it ended by itself).
    """
    profile = shared.profile
    encoded = prompt_ids(profile, shared.tokenizer, prompts)
    rows: list[dict] = [{} for _ in encoded]
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
    """`sample` for several models on the same prompts: its columns and `model`, prompt by prompt in the same order."""
    frames = [sample(shared, prompts, MODELS[name], seed=seed).assign(model=name) for name in models]
    return pd.concat(frames, ignore_index=True)


def completion_loss(
    shared: SharedBase, prompts: Sequence[str], completions: Sequence[str], role: str = POLICY, batch_size: int = 32
) -> np.ndarray:
    """Loss of the model in `role` on texts that others wrote: nats a token of each completion, </s> included, (n,).

    Lower is better; it is what supervised fine-tuning lowers. How far RLHF raises it on held-out texts is a part of the
    alignment tax (Ouyang et al. 2022).
    """
    logprobs, tokens = _completion_logprobs(shared, prompts, completions, role, batch_size)
    return -logprobs / tokens


def implicit_rewards(
    shared: SharedBase, prompts: Sequence[str], completions: Sequence[str], beta: float, batch_size: int = 32
) -> np.ndarray:
    """The reward that the policy itself stands for, beta log(policy / reference) of each whole completion: (n,).

    Under it, up to a constant for each prompt, the policy is the best one there is with this KL coefficient (Rafailov
    et al. 2023, equation 5).
    """
    policy, reference = (
        _completion_logprobs(shared, prompts, completions, role, batch_size)[0] for role in (POLICY, REFERENCE)
    )
    return beta * (policy - reference)


@torch.no_grad()
def _completion_logprobs(
    shared: SharedBase, prompts: Sequence[str], completions: Sequence[str], role: str, batch_size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probability of each whole completion with its </s>, and how many tokens that is: (n,) each."""
    heads = prompt_ids(shared.profile, shared.tokenizer, prompts)
    tails = completion_ids(shared.profile, shared.tokenizer, completions)
    logprobs, tokens = np.empty(len(heads)), np.array([len(tail) for tail in tails])
    for index in batches_by_length(heads, batch_size):
        prompt = pad_left([heads[i] for i in index], shared.pad_id, shared.device)
        completion, mask = pad_right([tails[i] for i in index], shared.pad_id, shared.device)
        logprobs[index] = (shared.response_logprobs(prompt, completion, role) * mask).sum(1).cpu().numpy()
    return logprobs, tokens


def gold_gain(after: Sequence[Sequence[float]], before: Sequence[Sequence[float]]) -> Interval:
    """Mean gain in gold reward, with an interval over seeds and prompts; both (seeds, prompts), the same prompts."""
    return paired_difference_over_seeds(np.asarray(after), np.asarray(before))


def win_rates(samples: pd.DataFrame, measure: str = "gold") -> pd.DataFrame:
    """Share of prompts on which the row's model beats the column's by `measure`, ties as one half.

    `samples` as from `compare_models`: every model on the same prompts in the same order.
    """
    values = {name: rows[measure].to_numpy() for name, rows in samples.groupby("model", sort=False)}
    return pd.DataFrame(
        {b: {a: win_rate(values[a], values[b]).estimate if a != b else np.nan for a in values} for b in values}
    )


def pair_scores(shared: SharedBase, pairs: Sequence[Preference]) -> pd.DataFrame:
    """Normalised reward-model scores of both completions of each pair, and their lengths in words.

    Columns: chosen, rejected (scores), chosen_words, rejected_words, annotator, strength.
    """
    prompts = [pair.prompt for pair in pairs]
    return pd.DataFrame(
        {
            "chosen": shared.reward(prompts, [pair.chosen for pair in pairs]).numpy(),
            "rejected": shared.reward(prompts, [pair.rejected for pair in pairs]).numpy(),
            "chosen_words": [len(pair.chosen.split()) for pair in pairs],
            "rejected_words": [len(pair.rejected.split()) for pair in pairs],
            "annotator": [pair.annotator for pair in pairs],
            "strength": [pair.strength for pair in pairs],
        }
    )


def accuracy(chosen: Sequence[float], rejected: Sequence[float]) -> Interval:
    """Share of pairs whose chosen completion scores higher, equal scores counting half, with its interval."""
    return win_rate(chosen, rejected)


def best_possible(pairs: Sequence[Preference]) -> float:
    """The accuracy that no judge of these pairs can beat on average, whatever it knows of the texts.

    Known exactly, because the simulated annotators' probabilities are: see `annotators.best_possible_accuracy`.
    """
    return best_possible_accuracy((score(p.prompt, p.chosen), score(p.prompt, p.rejected)) for p in pairs)


def length_margins(train: Sequence[Preference], test: Sequence[Preference]) -> np.ndarray:
    """Margins, in words, of a judge that sees lengths only: (n,), above 0 where it is right about a pair of `test`.

    It prefers the longer text, or the shorter one, whichever was right more often in `train`.
    """

    def longer_by(pairs: Sequence[Preference]) -> np.ndarray:
        return np.array([len(pair.chosen.split()) - len(pair.rejected.split()) for pair in pairs])

    return longer_by(test) * (1 if np.sign(longer_by(train)).mean() >= 0 else -1)


def length_baseline(train: Sequence[Preference], test: Sequence[Preference]) -> Interval:
    """Accuracy on `test` of the judge of `length_margins`, equal lengths counting half."""
    margins = length_margins(train, test)
    return win_rate(margins, np.zeros(len(margins)))


def right(margins: ArrayLike) -> np.ndarray:
    """1 where a margin (score of the chosen minus of the rejected text) is above 0, 0 where below, 0.5 where 0."""
    return (np.sign(np.asarray(margins, float)) + 1) / 2


def accuracy_over_seeds(margins: ArrayLike) -> Interval:
    """Share of pairs with a margin above 0, one of 0 counting half, with an interval over training seeds and pairs.

    margins: (seeds, pairs), score of the chosen minus score of the rejected text, every seed on the same pairs.
    """
    judged = right(margins)
    return paired_difference_over_seeds(judged, np.zeros(judged.shape[-1]))


def accuracy_gain(a: ArrayLike, b: ArrayLike) -> Interval:
    """Accuracy of one judge minus that of another on the same pairs, with its interval; ties count half.

    a, b: their margins (n,), such as score of the chosen minus score of the rejected text.
    """
    return paired_difference(right(a), right(b))


def accuracy_gain_over_seeds(a: ArrayLike, b: ArrayLike) -> Interval:
    """`accuracy_gain` where both judges were trained with several seeds, with an interval over seeds and pairs.

    a, b: their margins (seeds, pairs), every seed on the same pairs; b may be (pairs,), of a judge that has no seed.
    """
    return paired_difference_over_seeds(right(a), right(b))


def reliability(confidence: ArrayLike, correct: ArrayLike, bins: int = 10) -> pd.DataFrame:
    """How often predictions of like confidence are right: a row for each of the `bins` of [0, 1] that holds any.

    confidence, correct: (n,). Columns: confidence (mean of the bin), estimate, low, high (of the accuracy), n.
    """
    frame = pd.DataFrame({"confidence": np.asarray(confidence, float), "correct": np.asarray(correct, float)})
    rows = [
        {"confidence": group["confidence"].mean()} | accuracy_interval(group["correct"])._asdict()
        for _, group in frame.groupby(calibration_bin(frame["confidence"], bins))
    ]
    return pd.DataFrame(rows)[["confidence", "estimate", "low", "high", "n"]]

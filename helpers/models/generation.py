"""Sampling completions from a causal language model, in batches, from a seed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from .loading import prompt_ids as encode_prompts
from .profiles import Profile


def pad_left(rows: Sequence[Sequence[int]], pad_id: int, device: torch.device | str = "cpu") -> Tensor:
    """Token ids (batch, longest), padded on the left so that every prompt ends where its completion begins."""
    width = max(map(len, rows))
    return torch.tensor([[pad_id] * (width - len(row)) + list(row) for row in rows], device=device)


def pad_right(rows: Sequence[Sequence[int]], pad_id: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Token ids and their 0/1 mask, both (batch, longest), padded on the right."""
    lengths = torch.tensor([len(row) for row in rows], device=device)
    width = int(lengths.max())
    ids = torch.tensor([list(row) + [pad_id] * (width - len(row)) for row in rows], device=device)
    return ids, (torch.arange(width, device=device) < lengths[:, None]).long()


def batches_by_length(rows: Sequence[Sequence[int]], size: int) -> Iterator[list[int]]:
    """Every index of `rows` once, in batches of `size` rows of like length, which need little padding."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def decoding_settings(decoding: Mapping[str, Any]) -> dict[str, Any]:
    """Settings for transformers' `generate`: those of `decoding`, else sampling at temperature 1 from all tokens.

    A checkpoint's own settings never count.
    """
    settings = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0, **decoding}
    return settings if settings["do_sample"] else settings | {"temperature": None, "top_k": None, "top_p": None}


def generate_ids(
    model: Any, prompt_ids: Tensor, tokenizer: PreTrainedTokenizerBase, *, max_new_tokens: int, **decoding: Any
) -> Tensor:
    """Response ids (batch, response), right-padded after </s>, for left-padded `prompt_ids` (batch, prompt).

    `decoding` goes to transformers' `generate`. With nothing given, tokens are sampled from the model as it is
    (temperature 1, all tokens), which is what policy gradients assume.
    """
    with torch.no_grad():
        ids = model.generate(
            input_ids=prompt_ids,
            attention_mask=(prompt_ids != tokenizer.pad_token_id).long(),
            max_new_tokens=max_new_tokens,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            **decoding_settings(decoding),
        )
    return ids[:, prompt_ids.shape[1] :]


def response_mask(response_ids: Tensor, eos_id: int) -> Tensor:
    """True at the real tokens of `response_ids` (batch, response), the first </s> included: (batch, response)."""
    ended = (response_ids == eos_id).long()
    return (ended.cumsum(1) - ended) == 0


def complete(
    model: Any,
    profile: Profile,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    *,
    max_new_tokens: int | None = None,
    seed: int = 0,
    batch_size: int = 64,
    **decoding: Any,
) -> list[str]:
    """One completion of each prompt, as text without special tokens; the same seed gives the same completions.

    Prompts of like length go through together, which saves padding. The completions are in the prompts' order.
    `decoding` is as for `generate_ids`; `max_new_tokens` is by default the profile's `max_response_tokens`.
    """
    encoded = encode_prompts(profile, tokenizer, prompts)
    max_new_tokens = max_new_tokens or profile.max_response_tokens
    texts = [""] * len(encoded)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for index in batches_by_length(encoded, batch_size):
            prompt_ids = pad_left([encoded[i] for i in index], tokenizer.pad_token_id, model.device)
            response = generate_ids(model, prompt_ids, tokenizer, max_new_tokens=max_new_tokens, **decoding)
            for i, text in zip(index, tokenizer.batch_decode(response, skip_special_tokens=True), strict=True):
                texts[i] = text
    return texts

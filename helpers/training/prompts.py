"""The prompt set of a training run: its checks, and the order in which prompts come."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from ..files import LabError
from ..models.shared_base import SharedBase


def check_prompts(shared: SharedBase, prompts: Sequence[str]) -> None:
    """Check that a prompt set can be trained on.

    Raises:
        LabError: it is empty, holds copies of one prompt only, or a prompt is over the profile's limit.
    """
    if not prompts:
        raise LabError("the prompt set is empty: the policy needs prompts to write completions for")
    if len(prompts) > 1 and len(set(prompts)) == 1:
        raise LabError(f"all {len(prompts)} prompts are the same text; give different ones")
    limit = shared.profile.max_prompt_tokens
    for number, ids in enumerate(shared.tokenizer(list(prompts))["input_ids"]):
        if len(ids) > limit:
            raise LabError(f"prompt {number} has {len(ids)} tokens, and the limit is {limit}; shorten or remove it")


def prompt_batches(prompts: Sequence[str], size: int, seed: int) -> Iterator[list[str]]:
    """Endless batches of `size` prompts: every prompt once, then all again in a new order."""
    rng = random.Random(seed)
    queue: list[str] = []
    while True:
        while len(queue) < size:
            queue += rng.sample(list(prompts), len(prompts))
        yield queue[:size]
        queue = queue[size:]

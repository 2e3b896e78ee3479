"""Pairs of texts that two models wrote to one prompt, for blind judging.

Source
    Chiang et al. 2024        Chatbot Arena: an open platform for evaluating LLMs by human preference
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import pandas as pd

from ..files import LabError
from ..preferences import Pair


class _Candidate(NamedTuple):
    """Two texts for one prompt, each with its model. Which comes first follows from the texts alone, as by a coin."""

    prompt: str
    models: tuple[str, str]
    texts: tuple[str, str]

    @property
    def comparable(self) -> bool:
        """Whether somebody can be asked about it: two texts that differ, neither of them blank."""
        one, other = (text.strip() for text in self.texts)
        return bool(one and other) and one != other

    @property
    def pair(self) -> Pair:
        return Pair(digest(self)[:16], self.prompt, *self.texts, source=">".join(self.models))


def model_pairs(samples: pd.DataFrame, n: int, seed: int = 0) -> list[Pair]:
    """Draw `n` pairs of texts that two models wrote to one prompt, or all there are if fewer.

    After any number of pairs, every two models have met equally often and every prompt has come equally often, as far
    as texts allow: equal and blank ones are left out.

    Args:
        samples: columns model, prompt, completion; of several completions, a model's first meets the other's first,
            and so on.
        n: how many pairs.
        seed: of the order.

    Returns:
        Pairs for a LabelingSession. A pair's `source` is "a>b", the writer of `completion_a` first; its id is made of
        texts and models, so labels outlive another `n` or `seed`.

    Raises:
        LabError: the samples are of one model only, a model's name is blank or has ">" in it, a column is missing, or
            no texts differ.
    """
    rng = random.Random(seed)
    candidates = {digest(candidate): candidate for candidate in _candidates(samples) if candidate.comparable}
    if not candidates:
        raise LabError(
            "no two models wrote different texts for one prompt: sample other prompts, or at a temperature above 0"
        )
    waiting = rng.sample(list(candidates.values()), len(candidates))
    by_models: dict[frozenset[str], list[_Candidate]] = {}
    for candidate in waiting:
        by_models.setdefault(frozenset(candidate.models), []).append(candidate)
    met: Counter[frozenset[str]] = Counter()
    asked: Counter[str] = Counter()
    pairs: list[Pair] = []
    while by_models and len(pairs) < n:
        models = min(by_models, key=met.__getitem__)
        candidate = min(by_models[models], key=lambda c: asked[c.prompt])
        by_models[models].remove(candidate)
        if not by_models[models]:
            del by_models[models]
        met[models] += 1
        asked[candidate.prompt] += 1
        pairs.append(candidate.pair)
    return pairs


def digest(parts: Sequence) -> str:
    """SHA-256 of texts: a coin that falls alike in every run and every file."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _candidates(samples: pd.DataFrame) -> Iterator[_Candidate]:
    if missing := {"model", "prompt", "completion"} - set(samples.columns):
        raise LabError(f"the samples have no column {', '.join(sorted(missing))}; they need model, prompt, completion")
    samples = samples.assign(model=samples["model"].astype(str), completion=samples["completion"].fillna(""))
    models = list(dict.fromkeys(samples["model"]))
    if len(models) < 2:
        raise LabError(f"there is nothing to compare {models[0] if models else 'it'} with: sample at least two models")
    if bad := [name for name in models if ">" in name or not name.strip()]:
        raise LabError(f'the model name {bad[0]!r} is blank or holds ">", which stands between two names; rename it')
    draws = samples.assign(draw=samples.groupby(["model", "prompt"]).cumcount())
    for (prompt, _), rows in draws.groupby(["prompt", "draw"], sort=False):
        texts = dict(zip(rows["model"], rows["completion"], strict=True))
        for two in combinations([name for name in models if name in texts], 2):
            a, b = sorted(two, key=lambda name: digest((prompt, texts[name])))
            yield _Candidate(str(prompt), (a, b), (texts[a], texts[b]))

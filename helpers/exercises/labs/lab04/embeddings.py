"""Exercise of lab 04: the cosine similarity of embeddings."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from ....formulas import embeddings
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import normal


def _vectors(rng: np.random.Generator) -> list[Arguments]:
    cases = [{"a": normal(rng, n, d, scale=3), "b": 0.5 + normal(rng, n, d)} for n, d in ((5, 8), (1, 4), (4, 4))]
    along = normal(rng, 3, 6)
    return [*cases, {"a": along, "b": along * torch.tensor([[2.0], [-0.5], [1.0]])}]


COSINE_SIMILARITY = Exercise(
    name="cosine_similarity",
    title="Closeness of two embeddings",
    minutes=5,
    difficulty=1,
    deliver="For each row the dot product of a and b, divided by the product of their lengths: (batch,).",
    reference=embeddings.cosine_similarity,
    cases=_vectors,
    hints=(
        "A row of `a` meets the same row of `b`: multiply them and sum over the last axis.",
        "Then divide by both lengths; `norm(dim=-1)` is the square root of the sum of squares.",
    ),
    misconceptions=(
        Misconception(
            "dot product",
            "the lengths are not divided out: a long vector is then close to everything",
            lambda a, b: (a * b).sum(-1),
        ),
        Misconception(
            "squared lengths",
            "it divides by the squared lengths: the square root is missing",
            lambda a, b: (a * b).sum(-1) / ((a**2).sum(-1) * (b**2).sum(-1)),
        ),
        Misconception(
            "one length",
            "it divides by the length of the whole batch: every row has a length of its own",
            lambda a, b: (a * b).sum(-1) / (a.norm() * b.norm()),
        ),
        Misconception(
            "all pairs",
            "every row of a meets every row of b; asked for is each row with its own partner",
            lambda a, b: F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T,
        ),
        Misconception(
            "distance",
            "that is a distance, large where the two differ: return the similarity",
            lambda a, b: 1 - F.cosine_similarity(a, b, dim=-1),
        ),
        Misconception(
            "columns",
            "it compares the columns: an embedding is a row",
            lambda a, b: F.cosine_similarity(a, b, dim=0),
        ),
    ),
)

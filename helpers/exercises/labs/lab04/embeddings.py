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
    deliver="One number from -1 to 1 for each row of a and the same row of b: (batch,). No row is all 0.",
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
            (lambda a, b: (a * b).sum(-1), lambda a, b: (a * b).mean(-1), lambda a, b: a @ b.T),
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
            "one of two lengths",
            "only one of the two lengths is divided out: divide by that of a and by that of b",
            (
                lambda a, b: (a * b).sum(-1) / a.norm(dim=-1),
                lambda a, b: (a * b).sum(-1) / b.norm(dim=-1),
                lambda a, b: (a * b).sum(-1) / a.norm(dim=-1) ** 2,
                lambda a, b: (a * b).sum(-1) / b.norm(dim=-1) ** 2,
            ),
        ),
        Misconception(
            "sum of lengths",
            "it divides by the sum of the lengths: divide by their product",
            (
                lambda a, b: (a * b).sum(-1) / (a.norm(dim=-1) + b.norm(dim=-1)),
                lambda a, b: 2 * (a * b).sum(-1) / (a.norm(dim=-1) + b.norm(dim=-1)),
            ),
        ),
        Misconception(
            "brackets",
            "brackets are missing: `x / y * z` divides by y and multiplies by z. Divide by the product of both lengths",
            (
                lambda a, b: (a * b).sum(-1) / a.norm(dim=-1) * b.norm(dim=-1),
                lambda a, b: (a * b).sum(-1) * a.norm(dim=-1) * b.norm(dim=-1),
            ),
        ),
        Misconception(
            "other length",
            "the length is measured otherwise: it is the square root of the sum of squares, `norm(dim=-1)`, not the "
            "sum of absolute values, the largest one or the number of entries",
            (
                lambda a, b: (a * b).sum(-1) / (a.abs().sum(-1) * b.abs().sum(-1)),
                lambda a, b: (a * b).sum(-1) / (a.abs().amax(-1) * b.abs().amax(-1)),
                lambda a, b: (a * b).sum(-1) / (a.sum(-1) * b.sum(-1)),
                lambda a, b: (a * b).sum(-1) / (a.shape[-1] * b.shape[-1]),
                lambda a, b: (a * b).sum(-1) / (a.std(-1) * b.std(-1)),
                lambda a, b: (a * b).sum(-1) / ((a**2).mean(-1) * (b**2).mean(-1)).sqrt(),
            ),
        ),
        Misconception(
            "mean",
            "above the line it takes the mean of the products, not their sum: the dot product is the sum",
            lambda a, b: (a * b).mean(-1) / (a.norm(dim=-1) * b.norm(dim=-1)),
        ),
        Misconception(
            "all pairs",
            "every row of a meets every row of b; asked for is each row with its own partner",
            (
                lambda a, b: F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T,
                lambda a, b: a @ b.T / (a.norm(dim=-1) * b.norm(dim=-1)),
                lambda a, b: a @ b.T / (a.norm() * b.norm()),
            ),
        ),
        Misconception(
            "not summed",
            "the products of the entries are not summed up: the dot product is one number for each row",
            (
                lambda a, b: F.normalize(a, dim=-1) * F.normalize(b, dim=-1),
                lambda a, b: a * b / (a.norm() * b.norm()),
            ),
        ),
        Misconception(
            "one number",
            "it gives one number for the whole batch: each row has a similarity of its own",
            (
                lambda a, b: F.cosine_similarity(a, b, dim=-1).mean(),
                lambda a, b: (a * b).sum() / (a.norm() * b.norm()),
                lambda a, b: F.cosine_similarity(a, b, dim=-1).sum(),
            ),
        ),
        Misconception(
            "a column",
            "the right numbers, but in the shape (batch, 1): one for each row, (batch,), is asked for",
            lambda a, b: F.cosine_similarity(a, b, dim=-1).unsqueeze(-1),
        ),
        Misconception(
            "distance",
            "that is a distance, large where the two differ: return the similarity",
            (
                lambda a, b: 1 - F.cosine_similarity(a, b, dim=-1),
                lambda a, b: (a - b).norm(dim=-1),
                lambda a, b: ((a - b) ** 2).sum(-1),
            ),
        ),
        Misconception(
            "angle",
            "that is the angle: return its cosine",
            (
                lambda a, b: F.cosine_similarity(a, b, dim=-1).clamp(-1, 1).acos(),
                lambda a, b: F.cosine_similarity(a, b, dim=-1).acos(),
                lambda a, b: F.cosine_similarity(a, b, dim=-1).cos(),
            ),
        ),
        Misconception(
            "no sign",
            "the sign is lost: two rows that point in opposite directions have -1",
            (
                lambda a, b: F.cosine_similarity(a, b, dim=-1).abs(),
                lambda a, b: F.cosine_similarity(a, b, dim=-1).clamp(min=0),
                lambda a, b: F.cosine_similarity(a, b, dim=-1) ** 2,
                lambda a, b: (1 + F.cosine_similarity(a, b, dim=-1)) / 2,
            ),
        ),
        Misconception(
            "minus",
            "the sign is turned round: two rows that point the same way have 1",
            lambda a, b: -F.cosine_similarity(a, b, dim=-1),
        ),
        Misconception(
            "correlation",
            "the mean is taken off each row first: that is a correlation. The cosine takes the rows as they are",
            lambda a, b: F.cosine_similarity(a - a.mean(-1, keepdim=True), b - b.mean(-1, keepdim=True), dim=-1),
        ),
        Misconception(
            "columns",
            "it compares the columns: an embedding is a row",
            (
                lambda a, b: F.cosine_similarity(a, b, dim=0),
                lambda a, b: (a * b).sum(0) / (a.norm(dim=-1) * b.norm(dim=-1)),
                lambda a, b: (F.normalize(a, dim=0) * F.normalize(b, dim=0)).sum(-1),
                lambda a, b: (a * b).sum(0),
            ),
        ),
    ),
)

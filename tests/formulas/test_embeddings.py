"""Embeddings: scikit-learn's own."""

import torch
from sklearn.metrics.pairwise import cosine_similarity as sklearn_cosine

from helpers.formulas.embeddings import cosine_similarity


def test_cosine_similarity_is_scikit_learns():
    a, b = torch.randn(2, 6, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(cosine_similarity(a, 3 * b), torch.tensor(sklearn_cosine(a, b).diagonal().copy()))
    torch.testing.assert_close(cosine_similarity(a, -2 * a), -torch.ones(6, dtype=torch.float64))

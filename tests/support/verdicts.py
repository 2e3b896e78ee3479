"""Samples of models, verdicts on them, and worlds whose truth is known."""

import pandas as pd
import pytest
from scipy.special import expit

from helpers.files import LabError


def samples(models=("modelone", "modeltwo", "modelthree"), prompts=12) -> pd.DataFrame:
    rows = [(m, f"POST: {i}", f" text {i} {'word ' * n}") for n, m in enumerate(models) for i in range(prompts)]
    return pd.DataFrame(rows, columns=["model", "prompt", "completion"])


def verdicts(rows, judge="ann") -> pd.DataFrame:
    """rows: (model_a, model_b, outcome), each on a prompt of its own, or with the prompt's number as a fourth."""
    return pd.DataFrame(
        [(judge, f"{i}", row[3] if len(row) > 3 else i, *row[:3]) for i, row in enumerate(rows)],
        columns=["judge", "pair", "prompt", "model_a", "model_b", "outcome"],
    )


def world(strengths: dict, rng, prompts=30, clones=1) -> pd.DataFrame:
    """Every two models on every prompt, as Bradley and Terry say; clones: how often each verdict comes."""
    names, rows = list(strengths), []
    for prompt in range(prompts):
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                rows += [(a, b, float(rng.random() < expit(strengths[a] - strengths[b])), prompt)] * clones
    return verdicts(rows)


def message(act, *arguments, **keywords) -> str:
    with pytest.raises(LabError) as error:
        act(*arguments, **keywords)
    return str(error.value)

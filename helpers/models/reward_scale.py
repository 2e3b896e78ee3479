"""The scale of a reward model's scores: what its raw scores are on a reference set, kept beside its weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from torch import Tensor

from ..files import LabError, shown

Scores = TypeVar("Scores", np.ndarray, Tensor)
FILE = "reward.json"


@dataclass(frozen=True)
class RewardScale:
    """Shifts and scales scores so that they have mean 0 and standard deviation 1 on a reference set."""

    mean: float
    std: float

    def __call__(self, scores: Scores) -> Scores:
        """The normalized scores."""
        return (scores - self.mean) / self.std

    @classmethod
    def of(cls, scores: np.ndarray) -> RewardScale:
        """The scale on which `scores` have mean 0 and standard deviation 1."""
        return cls(mean=float(scores.mean()), std=max(float(scores.std()), 1e-6))

    @classmethod
    def read(cls, folder: Path) -> RewardScale:
        """The scale of the reward model in `folder`.

        Raises:
            LabError: the folder's reward.json does not hold the numbers "mean" and "std".
        """
        try:
            return cls(**json.loads((folder / FILE).read_text("utf-8")))
        except (ValueError, TypeError):
            raise LabError(
                f'{shown(folder / FILE)}: must be one JSON object with the numbers "mean" and "std"; '
                f"train the reward model again"
            ) from None

    def write(self, folder: Path) -> None:
        """Write reward.json into an existing folder."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", "utf-8")

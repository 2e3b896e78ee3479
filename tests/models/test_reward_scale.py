"""The scale of a reward model's scores: what it does to them, and its file."""

import json

import numpy as np
import pytest
import torch

from helpers.files import LabError
from helpers.models.reward_scale import RewardScale


def test_scores_get_mean_0_and_standard_deviation_1():
    scores = np.array([1.0, 2.0, 6.0, -1.0])
    scale = RewardScale.of(scores)
    assert scale(scores).mean() == pytest.approx(0) and scale(scores).std() == pytest.approx(1)
    torch.testing.assert_close(scale(torch.tensor(scores)), torch.tensor(scale(scores)))
    assert RewardScale.of(np.zeros(3))(np.zeros(3)).tolist() == [0, 0, 0]  # equal scores are no division by zero


def test_its_file(tmp_path):
    RewardScale(mean=0.25, std=2.0).write(tmp_path)
    assert (tmp_path / "reward.json").read_text() == '{\n  "mean": 0.25,\n  "std": 2.0\n}\n'
    assert RewardScale.read(tmp_path) == RewardScale(mean=0.25, std=2.0)


@pytest.mark.parametrize("text", [json.dumps({"mean": 1}), "[]", "{", '{"mean": 0, "std": 1, "mode": 2}'])
def test_a_broken_file(tmp_path, text):
    (tmp_path / "reward.json").write_text(text)
    with pytest.raises(LabError, match='reward.json: must be one JSON object with the numbers "mean" and "std"'):
        RewardScale.read(tmp_path)

"""PPO on two processes: the records of one, and what is left when one of them dies."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.files import ROOT
from helpers.models.shared_base import SharedBase
from helpers.training.checkpoints import Checkpoint
from helpers.training.distributed import Distributed
from helpers.training.train_ppo import train_ppo

from ..support.distributed_ppo import CONFIG, sums
from ..support.patience import patience
from ..support.shared_base import PROMPTS
from ..support.training_runs import packed


def on_two_processes(folder: Path, profile, adapters, dies_at: int = 0) -> subprocess.CompletedProcess:
    """Run tests/support/distributed_ppo.py on two processes; process 1 kills itself after the update `dies_at`."""
    options = ["--config_file", "configs/two_processes.yaml"]  # the one that docs/ppo.md names
    return subprocess.run(
        [
            *(sys.executable, "-m", "accelerate.commands.launch", *options, "--main_process_port", "0"),
            *(str(ROOT / "tests" / "support" / "distributed_ppo.py"), packed(profile, adapters, folder), str(dies_at)),
        ],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=patience(),
    )


def alone(profile, adapters, checkpoint=None):
    """The records and weights of one process."""
    shared = SharedBase.load(profile, sft=adapters.sft, reward=adapters.reward)
    return list(train_ppo(shared, PROMPTS, None, CONFIG, checkpoint=checkpoint)), sums(shared)


def assert_same(records, expected):
    for ours, theirs in zip(records, expected, strict=True):
        assert [s["completion"] for s in ours["samples"]] == [s["completion"] for s in theirs["samples"]]
        for name in theirs:
            if isinstance(theirs[name], float) and not name.startswith("seconds"):
                assert ours[name] == pytest.approx(theirs[name], rel=1e-3, abs=1e-4), name


@pytest.mark.slow
def test_two_processes_make_the_records_and_weights_of_one(profile, adapters, tmp_path):
    done = on_two_processes(tmp_path, profile, adapters)
    assert done.returncode == 0, done.stderr[-3000:]
    records, weights = alone(profile, adapters)
    for rank in (0, 1):
        theirs = json.loads((tmp_path / f"{rank}.json").read_text())
        assert_same(theirs["records"], records)
        assert theirs["weights"] == pytest.approx(weights, rel=1e-3, abs=1e-3)


@pytest.mark.slow
def test_a_killed_process_ends_the_run_and_what_was_done_is_kept(profile, adapters, tmp_path):
    done = on_two_processes(tmp_path, profile, adapters, dies_at=2)
    assert done.returncode != 0
    message = (tmp_path / "error.txt").read_text()
    assert "another process of this run has ended" in message and "start the run again" in message

    records, _ = alone(profile, adapters, Checkpoint(tmp_path / "checkpoint", 1))  # even in one process
    assert [r.get("replayed", False) for r in records] == [True, True, False, False]
    whole, _ = alone(profile, adapters)
    assert_same(records, whole)


@given(st.integers(0, 40), st.integers(1, 9))
def test_the_shares_are_the_whole(rows, size):
    shares = [Distributed(rank, size).split(list(range(rows))) for rank in range(size)]
    assert sum(shares, []) == list(range(rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_alone_nothing_is_exchanged(shared):
    distributed = Distributed()
    assert (
        distributed.is_main_process
        and distributed.gather([1, 2]) == [1, 2]
        and distributed.all_reduce({"a": 1.0}) == {"a": 1.0}
    )
    distributed.all_reduce_gradients(shared.trainable_parameters())
    assert all(p.grad is None for p in shared.parameters())

"""The runner of experiments: every part once, in order, in several processes, and gone on with where it was stopped."""

import os
import pickle
import subprocess
import sys

import psutil
import pytest

from helpers import files
from helpers.experiments import experiment_names, make_experiment
from helpers.experiments.runner import file_name, load_results, make_all
from helpers.files import LabError

from ..support.patience import wait_until
from ..support.small_experiment import TINY, Numbered, SmallExperiment


def test_processes_side_by_side_make_the_same_parts(tmp_path):
    found = {}
    for processes in (1, 2):
        experiment = SmallExperiment(tmp_path / str(processes))
        progress = list(make_all(experiment, processes))
        assert all(part["made"] for part in progress)
        assert len({part["part"] for part in progress}) == len(progress) == 21
        found[processes] = {path.relative_to(experiment.folder) for path in experiment.folder.rglob("*.json")}
        for number, phase in enumerate(experiment.phases):
            assert {experiment.read(part) for part in phase} == {(0, 5, 13)[number]}  # all phases before were whole
    assert found[1] == found[2] and len(found[1]) == 21


def test_what_is_there_is_not_made_again(tmp_path):
    experiment = SmallExperiment(tmp_path)
    run = make_all(experiment, processes=1)
    first = [next(run) for _ in range(7)]
    run.close()
    assert all(part["made"] for part in first)
    second = list(make_all(experiment, processes=1))
    assert [part["made"] for part in second] == [False] * 7 + [True] * 14
    assert {part["part"] for part in first} == {part["part"] for part in second if not part["made"]}
    assert not any(part["made"] for part in make_all(experiment, processes=1))


@pytest.mark.parametrize("processes", [1, 2])
def test_what_fails_in_a_part_is_said(tmp_path, processes):
    with pytest.raises(LabError, match="the pool leaks"):
        list(make_all(SmallExperiment(tmp_path, broken=Numbered(0, 3)), processes))


SLEEPER = """
import sys
from pathlib import Path
from tests.support.small_experiment import Sleeping
from helpers.experiments.runner import make_all

if __name__ == "__main__":
    list(make_all(Sleeping(Path(sys.argv[1])), 2))
"""


def test_the_workers_of_a_killed_experiment_end_with_it(tmp_path):
    (tmp_path / "sleeper.py").write_text(SLEEPER, "utf-8")
    folder, environment = tmp_path / "parts", os.environ | {"PYTHONPATH": str(files.ROOT)}
    parent = subprocess.Popen([sys.executable, tmp_path / "sleeper.py", folder], env=environment)
    try:
        pids = wait_until(lambda: [int(path.stem) for path in folder.glob("*.pid")], lambda found: len(found) == 2)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: [pid for pid in pids if psutil.pid_exists(pid)], lambda alive: not alive)


def test_a_worker_imports_no_torch():
    program = "import sys, tests.support.small_experiment; print('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(files.ROOT)}
    printed = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert printed.stdout == "False\n"


@pytest.mark.parametrize("name", experiment_names())
def test_every_experiment_has_parts_of_different_names_that_go_to_workers(name):
    experiment = make_experiment(name, TINY, seeds=3)
    assert name == experiment.NAME and experiment.folder == files.runs() / "tiny" / name
    parts = [part for phase in experiment.phases for part in phase]
    assert len({part.file_name for part in parts}) == len(set(parts)) == len(parts)
    assert all(set(part.file_name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-") for part in parts)
    assert pickle.loads(pickle.dumps((experiment, parts))) == (experiment, parts)


def test_file_names():
    assert (
        file_name("run", "PPO", "beta 0.05", "", "labels on SFT's texts") == "run-ppo-beta-0.05-labels-on-sft-s-texts"
    )


def test_results_that_are_nowhere_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "runs"))
    with pytest.raises(LabError, match="make your own with python -m helpers experiment overoptimization"):
        load_results("tiny", "overoptimization", lambda folder, origin: None)

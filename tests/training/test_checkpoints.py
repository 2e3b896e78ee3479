"""Checkpoints: a run that was stopped or killed goes on to the same records and weights, bit for bit."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from helpers.files import ROOT, LabError
from helpers.models.shared_base import SharedBase
from helpers.training.checkpoints import Checkpoint, State, code_digest, random_state, resumable, set_random_state
from helpers.training.losses import Losses
from helpers.training.sft import train_sft
from helpers.training.train_ppo import train_ppo

from ..support.shared_base import PROMPTS
from ..support.tiny import pairs
from ..support.training_runs import ADDED, PPO, TRAINERS, bare, letters, outcome, packed, same, trained, unpacked

# ------------------------------------------------------------------------------ the generator, on a toy


class Toy:
    """A run whose state is one number, which grows by a random one in each of 12 steps."""

    def __init__(self):
        self.step, self.sum = 0, torch.zeros(())

    def snapshot(self):
        return State(self.step, {"sum": self.sum.clone()} | random_state(), {"half": self.step / 2})

    def start(self, state):
        if state:
            self.step, self.sum = state.step, state.tensors["sum"]
            set_random_state(state.tensors)
            assert state.facts == {"half": state.step / 2}
        while self.step < 12:
            self.step, self.sum = self.step + 1, self.sum + torch.rand(())
            yield {"step": self.step, "sum": self.sum.item(), "text": "é\n\u2028\ud800"}

    def run(self, checkpoint, **fingerprint):
        torch.manual_seed(0)
        return resumable(self.start, self.snapshot, checkpoint, fingerprint)


WHOLE = list(Toy().run(None))


@settings(max_examples=30, deadline=None)
@example(every=5, ends=[(13, False), (11, False)])
@given(
    every=st.integers(1, 6),
    ends=st.lists(st.tuples(st.integers(1, 14), st.booleans()), max_size=4),
)
def test_however_often_it_is_stopped_or_killed_it_ends_in_the_same_records(every, ends, tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy") / "checkpoint"
    checkpoint = Checkpoint(folder, every)
    done = 0  # steps that the checkpoint holds
    for n, killed in ends:
        stream = Toy().run(checkpoint)
        seen = list(itertools.islice(stream, n))
        torch.rand(5)  # what the consumer draws changes nothing
        if killed:  # no clean-up runs: put the folder back as it was
            shutil.copytree(folder, folder.with_name("kept"))
            stream.close()
            shutil.rmtree(folder)
            folder.with_name("kept").rename(folder)
        else:
            stream.close()
        assert bare(seen) == WHOLE[:n]
        assert [r.get("replayed", False) for r in seen] == [r["step"] <= done for r in seen]
        marked = {r["step"]: r["resumed_at"] for r in seen if "resumed_at" in r}
        assert marked == ({done + 1: done} if 0 < done < len(seen) else {})
        reached, closed = min(n, 12), n <= 12 and not killed  # a run that ends leaves its last checkpoint as it is
        done = max(done, reached if closed else reached // every * every)
    assert bare(Toy().run(checkpoint)) == WHOLE
    checkpoint.remove()
    assert not list(folder.parent.parent.glob(f"{folder.parent.name}/*"))


def test_resume_false_begins_anew(tmp_path):
    stream = Toy().run(Checkpoint(tmp_path / "c"))
    next(stream)
    stream.close()
    assert list(Toy().run(Checkpoint(tmp_path / "c", resume=False))) == WHOLE


def test_another_runs_checkpoint_is_not_taken_and_one_line_says_so(tmp_path, capsys):
    checkpoint = Checkpoint(tmp_path / "c")
    stream = Toy().run(checkpoint, beta=0.1, seed=0, data="a")
    next(stream)
    stream.close()
    assert list(Toy().run(checkpoint, beta=0.2, seed=0, data="b")) == WHOLE
    error = capsys.readouterr().err
    assert "is of another run (other beta, data): starting anew." in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("checkpoint.json", b"{"),
        ("checkpoint.json", b"[]"),
        ("checkpoint.json", b'{"format": 0}'),
        ("records.jsonl", b"{}\nnonsense\n"),
        ("state.safetensors", b"\x80\x04 a pickle"),
        ("state.safetensors", None),
    ],
)
def test_a_broken_checkpoint_is_left_behind(tmp_path, capsys, name, content):
    stream = Toy().run(Checkpoint(tmp_path / "c"))
    next(stream)
    stream.close()
    (tmp_path / "c" / name).unlink() if content is None else (tmp_path / "c" / name).write_bytes(content)
    assert list(Toy().run(Checkpoint(tmp_path / "c"))) == WHOLE
    error = capsys.readouterr().err
    assert "cannot be read (" in error and error.count("\n") == 1


def test_without_a_checkpoint_nothing_is_said_or_added(tmp_path, capsys):
    assert list(Toy().run(Checkpoint(tmp_path / "c"))) == WHOLE and not any(set(ADDED) & set(r) for r in WHOLE)
    assert capsys.readouterr() == ("", "")


def test_the_code_of_a_function_and_the_numbers_it_uses_are_its_digest():
    def maker(weight):
        return lambda prompts, completions: [weight * len(c) for c in completions]

    assert code_digest(maker(1)) == code_digest(maker(1)) != code_digest(maker(2))
    assert code_digest(len) == code_digest(len) != code_digest(sum)
    assert code_digest(Toy().run) != code_digest(Toy().start)


# --------------------------------------------------------------------------------------------- trainers


@pytest.fixture(scope="module")
def whole(profile, adapters):
    """What the runs give that are never stopped, each made when it is first asked for."""
    known = {}

    def of(name):
        if name not in known:
            known[name] = outcome(TRAINERS[name](profile, adapters))
        return known[name]

    return of


# 40 rows make 3 steps of 16 an epoch, 21 rows 3 steps of 8
@pytest.mark.parametrize(
    ("name", "stops"),
    [
        ("ppo", [1]),
        ("ppo", [2, 5]),
        ("ppo", [6]),
        ("sft", [2]),  # within the first epoch
        ("sft", [3, 8]),  # at its end, and in the third
        ("sft", [12]),  # after the last step
        ("reward_model", [4, 6]),
        ("accumulating", [2, 4]),
        ("ppo_large", [2, 5]),
        ("sft_large", [3, 8]),
    ],
)
@pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
def test_a_stopped_run_gives_the_records_and_weights_of_one_that_was_not(
    profile, adapters, whole, tmp_path, name, stops
):
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    for stop in stops:
        stream, _ = TRAINERS[name](profile, adapters, checkpoint)
        for record in stream:
            torch.rand(3)  # what the consumer draws changes nothing
            if record["step"] == stop:
                stream.close()
    records, weights = outcome(TRAINERS[name](profile, adapters, checkpoint))
    expected, expected_weights = whole(name)
    assert bare(records) == bare(expected)
    assert same(weights, expected_weights)
    assert [r["step"] for r in records if r.get("replayed")] == list(range(1, stops[-1] + 1))
    assert [r["resumed_at"] for r in records if "resumed_at" in r] == [s for s in stops[-1:] if s < len(records)]


def test_a_large_models_optimizer_keeps_8_bits_in_its_checkpoint(profile, adapters, tmp_path):
    for name in ("ppo_large", "sft_large"):
        stream, _ = TRAINERS[name](profile, adapters, Checkpoint(tmp_path / name, every=1))
        next(stream)
        stream.close()
        kept = load_file(tmp_path / name / "state.safetensors")
        assert torch.uint8 in {tensor.dtype for key, tensor in kept.items() if key.endswith(".state1")}, name


CHILD = """
import sys
from types import SimpleNamespace
from helpers.training.checkpoints import Checkpoint
from tests.support import training_runs

profile, adapters, folder = training_runs.unpacked(sys.argv[1])
streams = []
for name in ("sft", "reward_model", "ppo"):
    stream, _ = training_runs.TRAINERS[name](profile, adapters, Checkpoint(folder / name, every=2))
    streams.append(stream)  # else it is closed
    for record in stream:
        if record["step"] == 5 and name != "ppo":
            break
"""


@pytest.mark.slow
def test_a_killed_process(profile, adapters, whole, tmp_path):
    """SIGKILL, in the middle of an update."""
    assert unpacked(packed(profile, adapters, tmp_path))[0] == profile
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, packed(profile, adapters, tmp_path)],
        cwd=ROOT,
        env=os.environ | {"HANGS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert child.stdout.readline() == "hanging\n"
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    for name, reached in (("sft", 4), ("reward_model", 4), ("ppo", 2)):
        assert {path.name for path in (tmp_path / name).iterdir()} == {
            "checkpoint.json",
            "records.jsonl",
            "state.safetensors",
        }
        records, weights = outcome(TRAINERS[name](profile, adapters, Checkpoint(tmp_path / name)))
        assert [r["resumed_at"] for r in records if "resumed_at" in r] == [reached]
        assert bare(records) == bare(whole(name)[0]) and same(weights, whole(name)[1])


# Forks children that go on with a run of PPO, and kills each after a random time, counted from when it has its model;
# a run that reaches its end all the same is compared, and the next begins. One thread: OpenMP's do not survive a fork.
KILLER = """
import json, os, random, shutil, signal, sys, time
from pathlib import Path
import torch
from safetensors.torch import save_file
from helpers.training.checkpoints import Checkpoint
from tests.support import training_runs

torch.set_num_threads(1)
profile, adapters, folder = training_runs.unpacked(sys.argv[1])
kills, rng = int(sys.argv[2]), random.Random(int(sys.argv[3]))

def child(run, result, ready):
    stream, weights_of = training_runs.ppo(profile, adapters, Checkpoint(run, every=1) if run else None)
    os.write(ready, b".")
    records = list(stream)
    save_file(weights_of(None), result.with_suffix(".part"))
    result.with_suffix(".json").write_text(json.dumps(records))
    result.with_suffix(".part").rename(result)
    os._exit(0)

def forked(run, result, seconds):
    "Whether the child came to its end within the seconds after it had its model, or else was killed."
    read, write = os.pipe()
    if not (pid := os.fork()):
        child(run, result, write)
    os.close(write)
    assert os.read(read, 1)
    os.close(read)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1] == 0

def step(run):
    found = json.loads((run / "checkpoint.json").read_text()) if run.exists() else {"step": None}
    return found["step"]

def outcome(result):
    return training_runs.bare(json.loads(result.with_suffix(".json").read_text())), result.read_bytes()

started = time.perf_counter()
if not (pid := os.fork()):
    child(None, folder / "whole", os.open(os.devnull, os.O_WRONLY))
assert os.waitpid(pid, 0)[1] == 0
length = time.perf_counter() - started
run, result, deaths, ends = folder / "run", folder / "result", [], 0
while len(deaths) < kills or run.exists():
    pause = rng.uniform(0, 0.7 * length) if len(deaths) < kills else 600
    if pause == 600:
        child_ended = os.fork() or child(run, result, os.open(os.devnull, os.O_WRONLY))
        assert os.waitpid(child_ended, 0)[1] == 0
    elif not forked(run, result, pause):
        deaths.append(step(run))
        continue
    assert outcome(result) == outcome(folder / "whole"), "a resumed run is another one"
    shutil.rmtree(run)
    ends += 1
print(json.dumps({"deaths": deaths, "ends": ends}))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
@pytest.mark.slow
def test_killed_at_many_random_moments_it_ends_in_the_same_records_and_weights(profile, adapters, tmp_path):
    command = [sys.executable, "-c", KILLER, packed(profile, adapters, tmp_path), "8", "0"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found["deaths"]) == 8 and found["ends"] >= 1
    assert len(set(found["deaths"])) >= 3  # at different steps, or it would say little


def test_an_interrupted_run_goes_on_with_the_same_base(profile, adapters, whole, tmp_path, monkeypatch):
    """In a notebook the base stays as the interrupt left it: changed, with gradients."""
    shared = SharedBase.load(profile, sft=adapters.sft, reward=adapters.reward)
    checkpoint = Checkpoint(tmp_path / "checkpoint", every=4)
    original, calls = SharedBase.trainable_parameters, itertools.count()

    def interrupted(shared):
        """Called once when PPO is made, and then in each gradient step, after the backward pass."""
        if next(calls) in (3, 3 + 1 + 20):  # in updates 1 and 5: an update has 4 steps
            raise KeyboardInterrupt
        return original(shared)

    monkeypatch.setattr(SharedBase, "trainable_parameters", interrupted)
    for steps in (0, 4):
        with pytest.raises(KeyboardInterrupt):
            list(train_ppo(shared, PROMPTS, letters, PPO, checkpoint=checkpoint))
        assert json.loads((checkpoint.folder / "checkpoint.json").read_text())["step"] == steps
    records = list(train_ppo(shared, PROMPTS, letters, PPO, checkpoint=checkpoint))
    assert bare(records) == bare(whole("ppo")[0]) and same(trained(shared), whole("ppo")[1])


def test_a_run_that_ended_by_its_kl_stays_ended(profile, adapters, tmp_path):
    shared = SharedBase.load(profile, sft=adapters.sft)
    checkpoint, config = Checkpoint(tmp_path / "checkpoint"), replace(PPO, max_kl=-1.0)
    stream = train_ppo(shared, PROMPTS, letters, config, checkpoint=checkpoint)
    next(stream)
    stream.close()
    assert [r["step"] for r in train_ppo(shared, PROMPTS, letters, config, checkpoint=checkpoint)] == [1]


def other_reward(prompts, completions):
    return [len(completion) for completion in completions]


OURS = Losses()


def halved(*arguments):
    return OURS.policy_loss(*arguments) / 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"config": replace(PPO, beta=0.5)}, "beta"),
        ({"prompts": PROMPTS[1:]}, "prompts"),
        ({"reward": other_reward}, "reward"),
        ({"losses": Losses(policy_loss=halved)}, "policy_loss"),
        ({"sft": None}, "base model, SFT or reward model"),
    ],
)
def test_what_decides_a_run_of_ppo_is_in_its_fingerprint(profile, adapters, tmp_path, capsys, change, named):
    def start(sft=adapters.sft, prompts=PROMPTS, reward=letters, config=PPO, losses=OURS):
        shared = SharedBase.load(profile, sft=sft, reward=adapters.reward)
        checkpoint = Checkpoint(tmp_path / "checkpoint")
        return train_ppo(shared, prompts, reward, config, losses=losses, checkpoint=checkpoint)

    stream = start()
    next(stream)
    stream.close()
    stream = start()
    assert next(stream)["replayed"]
    stream.close()
    assert capsys.readouterr().err == ""
    stream = start(**change)
    assert "replayed" not in next(stream)
    stream.close()
    assert f"(other {named}): starting anew" in capsys.readouterr().err


def test_what_decides_a_run_of_sft_is_in_its_fingerprint(profile, tmp_path, capsys):
    checkpoint = Checkpoint(tmp_path / "checkpoint")
    changes = [({}, "data"), ({"seed": 1}, "seed"), ({"steps": 9}, "steps")]
    for rows, (change, named) in zip((48, 40, 40), changes, strict=True):
        stream = train_sft(profile, pairs(40), checkpoint=Checkpoint(checkpoint.folder, resume=False))
        next(stream)
        stream.close()
        stream = train_sft(profile, pairs(rows), checkpoint=checkpoint, **change)
        assert "replayed" not in next(stream)
        stream.close()
        assert f"(other {named}): starting anew" in capsys.readouterr().err


def test_a_place_that_cannot_be_written_is_one_error(profile, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LabError, match="is a file, and a folder must be there"):
        list(train_sft(profile, pairs(8), steps=1, checkpoint=Checkpoint(tmp_path / "file", every=1)))

"""Limits of answers: every one ends, what it does stays with it, and only its own time counts."""

import asyncio
import functools
import gc
import hashlib
import itertools
import os
import signal
import sys
import threading
import time

import numpy as np
import psutil
import pytest
import torch

from helpers.exercises import limits
from helpers.exercises.checking import judge
from helpers.exercises.limits import call_limited
from tests.support.patience import patience
from tests.support.weighted_mean import EXERCISE, right, weighted_mean

forks = pytest.mark.skipif(not limits.may_fork(), reason="answers run in a thread on this system")


@pytest.fixture(params=[pytest.param("child", marks=forks), "thread"])
def way(request, monkeypatch):
    """Both ways to call an answer."""
    monkeypatch.setattr(limits, "may_fork", lambda: request.param == "child")
    return request.param


# --- Every answer ends --------------------------------------------------------


def endless(x, weights):
    while True:
        try:
            while True:
                x = x + 0
        except Exception:
            continue


def asleep(x, weights):
    time.sleep(3)


@pytest.mark.parametrize("answer", [endless, asleep])
def test_an_answer_that_does_not_end_times_out(answer, way):
    assert judge(EXERCISE, answer, seconds=0.3).status == "timeout"


def sums(x, weights):
    return sum(range(10**13))


def combines(x, weights):
    return list(itertools.combinations(range(60), 20))


@forks
@pytest.mark.parametrize("answer", [sums, combines])
def test_a_c_call_that_holds_the_interpreter_is_ended(answer):
    assert judge(EXERCISE, answer, seconds=0.3).status == "timeout"


@forks
@pytest.mark.parametrize("share", [0.9, 2.0])  # in its result, and before there is one
def test_memory_is_limited(share):
    verdict = judge(EXERCISE, lambda x, weights: np.ones(int(share * limits.MEMORY / 8)), seconds=60)
    assert verdict.status == "wrong"
    assert "it needs too much memory" in verdict.message


@forks
@pytest.mark.parametrize(
    ("ends", "how"),
    [(lambda: os._exit(0), "it ends Python itself"), (lambda: os.kill(os.getpid(), signal.SIGSEGV), "SIGSEGV")],
)
def test_an_answer_that_ends_python_ends_only_itself(ends, how):
    verdict = judge(EXERCISE, lambda x, weights: ends())
    assert verdict.status == "wrong"
    assert how in verdict.message


class Own(BaseException):
    def __str__(self):
        raise self


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"), KeyboardInterrupt(), SystemExit(1), RecursionError(), MemoryError(), GeneratorExit(),
        asyncio.CancelledError(), Own(), StopIteration(),
    ],
)  # fmt: skip
def test_whatever_an_answer_raises_the_check_ends_with_a_verdict(error, way):
    def raises(x, weights):
        raise error

    verdict = judge(EXERCISE, raises)
    assert verdict.status == "wrong"
    assert type(error).__name__ in verdict.message


def test_the_users_own_interrupt_stops_answer_and_check(way, tmp_path):
    note = tmp_path / "pid"

    def asleep_long(x, weights):
        note.write_text(str(os.getpid()))
        while True:
            time.sleep(0.01)

    def interrupt():
        while not (note.exists() and note.read_text()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    user = threading.Thread(target=interrupt)
    gc.disable()  # Python swallows what is raised in another's function that garbage collection calls
    try:
        user.start()
        with pytest.raises(KeyboardInterrupt):
            judge(EXERCISE, asleep_long, seconds=patience())
    finally:
        gc.enable()
        user.join()
        signal.signal(signal.SIGINT, before)
    if way == "child":
        assert not psutil.pid_exists(int(note.read_text()))
    assert judge(EXERCISE, right).status == "right"


# --- Only its own time counts -------------------------------------------------


def test_imports_do_not_count(way, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "PATIENCE", patience())
    (tmp_path / "slow_to_import.py").write_text(
        "import time\nstart = time.process_time()\nwhile time.process_time() - start < 0.8:\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_to_import", raising=False)

    def imports(x, weights):
        import slow_to_import  # noqa: F401

        return right(x, weights)

    assert judge(EXERCISE, imports, seconds=0.4).status == "right"


def test_the_time_of_an_earlier_answer_does_not_count(way, monkeypatch):
    def blocks(x, weights):
        hashlib.pbkdf2_hmac("sha256", b"", b"", 4_000_000)  # about 4 s in C, without the interpreter

    def naps(x, weights):
        time.sleep(0.4)
        return right(x, weights)

    assert judge(EXERCISE, blocks, seconds=0.1).status == "timeout"
    monkeypatch.setattr(limits, "PATIENCE", patience())
    assert judge(EXERCISE, naps, seconds=1.0).status == "right"  # sleeps 1.2 s in all


# --- What it does stays with it -----------------------------------------------


def test_what_an_answer_patches_neither_counts_nor_outlives_it(way):
    before = np.allclose, np.isclose, torch.allclose, all, time.monotonic

    def patches(x, weights):
        import builtins

        np.allclose = np.isclose = torch.allclose = lambda *_, **__: np.True_
        builtins.all = lambda _: True
        time.monotonic = lambda: 0.0
        x.mul_(2)
        return x.mean()

    assert judge(EXERCISE, patches).status == "wrong"
    assert before == (np.allclose, np.isclose, torch.allclose, all, time.monotonic)


@forks
def test_random_state_and_memory_of_the_kernel_stay_as_they_are():
    seen = []
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()

    def seeds(x, weights):
        np.random.seed(0), torch.manual_seed(0), seen.append(x)
        return right(x, weights)

    assert judge(EXERCISE, seeds).status == "right"
    assert seen == []
    assert (np.random.get_state()[1] == numpy_state).all()
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_what_an_answer_prints_is_shown_in_part(way, capsys):
    def prints(x, weights):
        print("here", "x" * limits.SHOWN_OUTPUT)
        return right(x, weights)

    assert judge(EXERCISE, prints).status == "right"
    said = capsys.readouterr().out
    assert said.startswith("here xxx")
    if way == "child":
        assert len(said) == limits.SHOWN_OUTPUT


def hidden(x, weights):
    try:
        return weighted_mean(x, weights)
    except BaseException:
        return right(x, weights)


@pytest.mark.parametrize(
    "answer",
    [hidden, functools.partial(weighted_mean), functools.partial(weighted_mean).__call__]
    + [lambda *positional, **named: weighted_mean(*positional, **named)],
)
def test_calling_the_solution_is_noticed_in_every_wrapper(answer, way):
    assert "workbook's own" in judge(EXERCISE, answer).message


def test_where_processes_may_not_be_started_a_thread_does_it(monkeypatch):
    def refused():
        raise PermissionError

    monkeypatch.setattr(os, "fork", refused)
    opened = len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0
    assert call_limited(threading.get_ident, 5.0) != threading.get_ident()
    assert judge(EXERCISE, right).status == "right"
    assert opened == (len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0)

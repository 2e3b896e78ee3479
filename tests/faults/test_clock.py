"""The clock jumps: the newest is what was written last, and answers stand in the order they were given."""

import os
import shutil
import signal
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import psutil  # noqa: F401 - `files` imports it late: once here, and not in every child
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers import files
from helpers.exercises.progress import Progress
from helpers.labeling import store as label_store
from helpers.labeling.files import first_answers
from helpers.labeling.session import LabelingSession
from helpers.labeling.store import LabelStore
from helpers.preferences import Pair

from .harness import CAN_KILL

PAIRS = [Pair(f"p{i}", f"POST: {i}", f" one {i}", f" two {i}", "sft>base") for i in range(4)]
TIMES = st.integers(0, 2**62)
DEATHS = ("before", "between", "after", None)  # the swap of the folders; None: lives


def write(path: Path, version: int, now: int, dies: str | None) -> None:
    """In a process whose clock shows `now`."""
    if child := os.fork():
        os.waitpid(child, 0)
        return
    files.time.time_ns = lambda: now
    files._flush = lambda path: None
    rename, left = os.rename, {"before": 0, "between": 1, "after": 2, None: -1}[dies]

    def dying_rename(*arguments):
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        rename(*arguments)

    with files.atomic_folder(path) as folder:
        (folder / "version").write_text(str(version))
        os.rename = dying_rename
    os._exit(0)


@pytest.mark.skipif(not CAN_KILL, reason="needs fork and SIGKILL")
@settings(max_examples=12, deadline=None)
@example(steps=[(9, "between"), (5, "between"), (1, "between"), (7, None)])
@given(steps=st.lists(st.tuples(TIMES, st.sampled_from(DEATHS)), min_size=2, max_size=5))
def test_the_newest_folder_is_the_one_that_was_written_last(steps):
    with tempfile.TemporaryDirectory() as parent:
        path, newest = Path(parent) / "sft", 0
        write(path, newest, 2**61, None)
        for version, (now, dies) in enumerate(steps, start=1):
            write(path, version, now, dies)
            newest = version if dies in ("after", None) else newest
            assert (files.find_folder(path) / "version").read_text() == str(newest)
        write(path, -1, 0, None)
        assert os.listdir(parent) == ["sft"] and (path / "version").read_text() == "-1"


@pytest.mark.skipif(not CAN_KILL, reason="needs fork and SIGKILL")
def test_what_another_machine_left_is_not_newer_for_its_clock(tmp_path):
    """On a disk that two machines share, the other's clock being ahead: its leftover is never put back."""
    path = tmp_path / "sft"
    write(path, 1, 10, None)
    shutil.copytree(path, tmp_path / f".sft.old-{10**19:020d}-{'0' * 8}-1")
    write(path, 2, 20, None)
    write(path, 3, 30, "between")
    assert not path.exists()
    assert (files.find_folder(path) / "version").read_text() == "2"


@pytest.fixture
def backwards(monkeypatch):
    """Every look at the clock is a day earlier than the one before."""
    days = iter(range(28, 0, -1))

    class Clock:
        @staticmethod
        def now(zone):
            return datetime(2026, 2, next(days), tzinfo=zone)

    monkeypatch.setattr(label_store, "datetime", Clock)
    monkeypatch.setattr(sys.modules[Progress.__module__], "datetime", Clock)


def test_labels_stand_in_the_order_they_were_given(tmp_path, backwards):
    session = LabelingSession(PAIRS, "ann", LabelStore(tmp_path / "labels.sqlite"), repeat_every=2)
    asked = []
    for _ in range(3):
        asked.append((session.current.pair.id, session.current.repeat))
        session.choose("left", 2)
    labels = session.store.labels()
    assert [(label.pair.id, label.repeat) for label in labels] == asked
    assert [label.created for label in labels] == sorted((label.created for label in labels), reverse=True)
    assert session.undo() and session.store.labels(undone=True) == labels[2:]
    assert (session.current.pair.id, session.current.repeat) == asked[2]
    assert [label.pair.id for label in first_answers(session.store, annotator="ann")][0] == asked[0][0]


def test_progress_stands_in_the_order_it_was_made(tmp_path, backwards):
    kept = Progress(tmp_path / "progress.sqlite", "ann")
    for verdict in ("wrong", "right"):
        kept.add("verdict", "gae", verdict)
    assert kept.values("verdict", "gae") == ["wrong", "right"]

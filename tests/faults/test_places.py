"""Places that cannot be written: a disk that is really full, and folders of somebody else."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from helpers import files
from helpers.classroom import workspace
from helpers.files import LabError
from helpers.labeling.session import LabelingSession
from helpers.labeling.store import LabelStore
from helpers.preferences import Pair
from helpers.runs.recordings import Header, load_recording, recorded

NOBODY = 65534
HEADER = Header("ppo", "title", "tiny", 0, 9)


def pairs(n: int) -> list[Pair]:
    return [Pair(f"p{i}", f"POST: {i} " + "long " * 400, f" one {i}", f" two {i}", "sft>base") for i in range(n)]


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """A disk of 200 kB, which holds runs/ and work/."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    monkeypatch.setenv("RLHF_RUNS", str(disk / "runs"))
    monkeypatch.setenv("RLHF_WORK", str(disk / "work"))
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_labels_given_until_the_disk_was_full_are_there_and_the_next_follows(small_disk):
    session, saved = LabelingSession(pairs(200), "ann", repeat_every=0), []
    with pytest.raises(LabError, match=r"disk/work/labels\.sqlite: no space left on the disk; free some"):
        while session.current:
            saved.append(session.choose("left", 2).number)
    assert 5 < len(saved) < 200
    assert [label.number for label in LabelStore().labels()] == saved
    subprocess.run(["mount", "-o", "remount,size=4m", small_disk], check=True)
    session.choose("left", 2)
    assert len(LabelStore().labels()) == len(saved) + 1


def test_records_made_until_the_disk_was_full_are_there(small_disk):
    stream = recorded(({"step": i, "text": "long " * 2000} for i in range(1, 99)), "mine", HEADER)
    seen = []
    with pytest.raises(LabError, match=r"records\.jsonl \(No space left on device\): free space or run without record"):
        for record in stream:
            seen.append(record["step"])
    assert 5 < len(seen) < 98
    assert [record["step"] for record in load_recording("mine", "tiny").records] == seen


@pytest.fixture
def foreign(monkeypatch):
    """A folder with a label store, a recording and copies of the labs, none of which this process may write."""
    if not hasattr(os, "fork"):
        pytest.skip("needs fork")
    # Not in tmp_path, which only its owner can enter.
    folder, open_to_all = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
    monkeypatch.setenv("RLHF_RUNS", str(folder / "runs"))
    monkeypatch.setenv("RLHF_WORK", str(folder / "work"))
    open_to_all.chmod(0o755)
    monkeypatch.setattr(workspace, "LABS", shutil.copytree(workspace.LABS, open_to_all / "labs"))
    workspace.prepare()  # whatever it imports or reads of the packages, which may lie where only their owner can enter
    shutil.rmtree(files.work())
    label()
    files.atomic_write(files.runs() / "there" / "file", "old")
    for place, _, names in os.walk(folder):
        for path in (Path(place), *(Path(place, name) for name in names)):
            path.chmod(0o555 if path.is_dir() else 0o444)
    yield folder
    for place, _, _ in os.walk(folder):
        Path(place).chmod(0o755)
    shutil.rmtree(folder)
    shutil.rmtree(open_to_all)


def label():
    LabelingSession(pairs(9), "ann").choose("left", 2)


def new_folder(*path: str):
    with files.atomic_folder(files.runs().joinpath(*path)) as folder:
        (folder / "file").write_text("new")


def record():
    list(recorded(iter([{"step": 1}]), "mine", HEADER))


ACTS = {
    "label": (label, r"work/labels\.sqlite: cannot be read or written \(.*\); check its permissions .* set RLHF_WORK"),
    "file": (
        lambda: files.atomic_write(files.runs() / "there" / "file", "new"),
        "cannot write .*there/file .* RLHF_RUNS",
    ),
    "new file": (
        lambda: files.atomic_write(files.runs() / "a" / "b" / "c", "new"),
        "cannot write .*a/b/c .* RLHF_RUNS",
    ),
    "folder": (lambda: new_folder("there"), "cannot write .*runs/there .* RLHF_RUNS"),
    "new folder": (lambda: new_folder("tiny", "sft"), "cannot write .*runs/tiny/sft .* RLHF_RUNS"),
    "recording": (record, "cannot write .*tiny/recordings/mine .* RLHF_RUNS"),
    "copies": (workspace.prepare, r"cannot write .*work/00_start_here\.ipynb .* RLHF_WORK"),
    "remove": (lambda: files.remove_folder(files.runs() / "there"), None),
}


@pytest.mark.parametrize("name", ACTS)
def test_a_folder_that_may_not_be_written_is_one_message_that_names_it(foreign, name):
    act, expected = ACTS[name]
    message = as_somebody_else(act)
    if expected:
        assert re.match(f"LabError: .*{expected}", message) and str(foreign) in message
    else:
        assert message == ""
    assert len(LabelStore().labels()) == 1  # what was there can be read, and nothing is added
    assert files.find_folder(files.runs() / "there") and (files.runs() / "there" / "file").read_text() == "old"
    assert sorted(str(p.relative_to(foreign)) for p in foreign.rglob("*") if p.is_file()) == [
        "runs/there/file",
        "work/labels.sqlite",
    ]


def as_somebody_else(act) -> str:
    """What `act` raises in a process of a user who owns nothing; "" for nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        message = ""
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            act()
        except BaseException as error:
            message = f"{type(error).__name__}: {error}"
        os.write(writer, json.dumps(message).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        message = json.load(pipe)
    os.waitpid(child, 0)
    return message

"""Answers that do more than answer, under `grade`: they are wrong, the others are graded, and nothing else changes."""

from __future__ import annotations

import json
import multiprocessing
from pathlib import Path

import pytest

from helpers.classroom.grading import grade
from helpers.classroom.sandbox import confine
from tests.support.student_notebooks import BEFORE, RIGHT, body, save

from ..support.patience import patience

LOG = "open(__import__('os').environ['RLHF_VERDICTS'], 'ab')"
RUBBISH = rb"""b'\xff}\n{}\n[1]\n{"name": 3}\n' + b'[' * 9999 + b'}\n'""".decode()
ANOTHER = rb"""b'{"name": "bradley_terry_loss", "status": "=1+1", "message": ""}\n'""".decode()
HOSTILE = {  # what an answer does: lines of its body, result, a piece of the message
    "starts a process": (["import os", "os.fork()"], "wrong", "may not start"),
    "starts a shell": (["import subprocess", "subprocess.run('touch hacked', shell=True)"], "wrong", "may not start"),
    "ends the grader": (["import os", "os.kill(os.getppid(), 9)"], "wrong", "may not start or end"),
    "writes elsewhere": (["open(ELSEWHERE, 'w').write('hacked')"], "wrong", "may not write"),
    "writes elsewhere, lower down": (["import os", "os.open(ELSEWHERE, os.O_CREAT)"], "wrong", "may not write"),
    "deletes another's work": (["import os", "os.remove(VICTIM)"], "wrong", "may not change"),
    "moves another's work": (["import os", "os.rename(VICTIM, 'mine')"], "wrong", "may not change"),
    "calls home": (["import socket", "socket.create_connection(('127.0.0.1', 9))"], "wrong", "use the network"),
    "fills the disk": (["open('big', 'wb').write(bytes(2**27))"], "wrong", "File too large"),
    "leaves without a word": (["import os", "os._exit(0)"], "absent", "not reached"),
    "leaves": (["import sys", "sys.exit()"], "wrong", "SystemExit"),
    "writes rubbish to the log": ([f"{LOG}.write({RUBBISH})"], "wrong", "None"),
    "writes another status": ([f"{LOG}.write({ANOTHER})", "import os; os._exit(0)"], "absent", "not reached"),
    "takes the log away": (["import os", "os.remove(os.environ['RLHF_VERDICTS'])"], "absent", "not reached"),
    "prints for ever": (["import os", "while True: os.write(1, b'x' * 65536)"], "timeout", "did not end"),
    "writes to the log for ever": (
        ["while True:", f"    with {LOG} as log: log.truncate(0); log.write(b'x')"], "timeout", "did not end",
    ),
}  # fmt: skip


@pytest.mark.slow
def test_hostile_answers_are_wrong_and_do_nothing(tmp_path):
    everybody = tmp_path / "class"
    victim = everybody / "victim" / "02.ipynb"
    save(victim, *BEFORE, RIGHT)
    before = victim.read_bytes()
    names = f"VICTIM = {str(victim)!r}\nELSEWHERE = {str(tmp_path / 'hacked')!r}"
    for number, (lines, _, _) in enumerate(HOSTILE.values()):
        save(everybody / f"student{number:02}" / "02.ipynb", *BEFORE, names, body(*lines))
    rows = {row.student: row for row in grade(everybody, seconds=30) if row.exercise in ("", "bradley_terry_loss")}
    for number, (does, (_, result, says)) in enumerate(HOSTILE.items()):
        row = rows[f"student{number:02}"]
        assert (row.result, says in row.message) == (result, True), f"{does}: {row}"
    assert rows["victim"].result == "right" and victim.read_bytes() == before
    assert not (tmp_path / "hacked").exists() and not (everybody / "hacked").exists()


def test_a_confined_process_still_writes_where_it_may(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "..")
    context = multiprocessing.get_context("spawn")
    child = context.Process(target=_confined, args=(tmp_path,))
    child.start()
    child.join(patience())
    assert child.exitcode == 0
    assert json.loads((tmp_path / "found.json").read_text()) == ["inside", "read", "devnull", "refused", "refused"]


def _confined(folder: Path) -> None:
    confine(folder)
    found = []
    (folder / "inside").mkdir()
    found += ["inside"] if (folder / "inside").is_dir() else []
    found += ["read"] if Path(__file__).read_text("utf-8") else []
    with open("/dev/null", "w") as nothing:
        found += ["devnull"] if nothing.write("x") else []
    for path in (folder / ".." / "hacked", folder / "link" / "hacked"):
        try:
            path.write_text("x")
        except PermissionError:
            found.append("refused")
    (folder / "found.json").write_text(json.dumps(found))

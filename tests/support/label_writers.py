"""Processes that write labels until they are killed."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

from helpers import files

WRITER = """
import sys
from helpers.labeling.store import Label, LabelStore
from helpers.preferences import Pair

path, annotator, first, n = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
store = LabelStore(path, timeout=600)
print("ready", flush=True)
sys.stdin.readline()
for i in range(first, first + n):
    pair = Pair(f"p{i}", f"POST: {i}", f" one {i}", f" two {i}", "test")
    print(store.add(Label(pair, annotator, annotator, "a", "b", 1)).number, flush=True)
"""


def writer(path, annotator: str, first: int = 0, n: int = 1_000_000) -> subprocess.Popen:
    """A process that labels one pair after another and prints the number of each label that was acknowledged."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), annotator, str(first), str(n)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=files.ROOT,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen) -> None:
    process.stdin.write("\n")
    process.stdin.flush()


def check_integrity(path) -> None:
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()

"""Before class: every lab is a row, whatever it does, and the claims that came out false are listed."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers import __main__ as cli
from helpers.classroom.check_labs import Claim, Result, check, execute, report, to_frame
from helpers.files import ROOT, LabError

from ..support.patience import patience, wait_until

needs_posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


@pytest.fixture
def notebook(tmp_path):
    def write(name: str, *sources: str, stored: str = "") -> Path:
        cells = [new_code_cell(source) for source in sources]
        if stored:
            cells[0].execution_count, cells[0].outputs = 1, [new_output("stream", text=stored)]
        path = tmp_path / f"{name}.ipynb"
        path.write_text(nbformat.writes(new_notebook(cells=[new_markdown_cell("# Lab"), *cells])), "utf-8")
        return path

    return write


def run(path: Path, folder: Path, limit: int = 60, **hooks) -> Result:
    return execute(path, folder, os.environ | {"RLHF_PROFILE": "tiny"}, limit, **hooks)


# ---------------------------------------------------------------------------------------------- one lab


def test_a_lab_that_ends_well(notebook, tmp_path):
    path = notebook(
        "good",
        "print('one:', 1 == 1)\nprint({'x': True})\nprint('done: true')",
        "",
        "import time\ntime.sleep(2)",
        stored="an old claim: True\n",
    )
    before, cells = path.read_bytes(), []
    result = run(path, tmp_path, on_cell=lambda: cells.append(1))
    assert result.ok and result.reason == ""
    assert result.claims == (Claim(1, "one", True),)
    assert result.slowest_cell == 2 and 2 <= result.slowest_seconds <= result.seconds
    assert len(cells) == 2
    assert path.read_bytes() == before


def test_exercises_are_the_cells_that_hand_a_function_to_its_check(notebook, tmp_path):
    defined = "def check(f, *more): return f\ndef gae(x): ...\ngae = check(gae)"
    others = ("frame = check(3)", "gae = check(gae, 'lab 03')", "print('gae = check(gae)')")
    assert run(notebook("exercises", defined, *others), tmp_path).exercises == 2


def test_an_error_names_cell_and_reason_and_later_cells_do_not_count(notebook, tmp_path):
    path = notebook("raises", "print('before: True')", "x = 1\n1 / 0", "print('after: False')", stored="old: False\n")
    result = run(path, tmp_path)
    assert result.reason == "cell [2] (x = 1): ZeroDivisionError: division by zero"
    assert [claim.text for claim in result.claims] == ["before"]


@needs_posix
def test_a_killed_kernel_is_a_reason(notebook, tmp_path):
    path = notebook("dies", "print('alive:', True)", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    result = run(path, tmp_path)
    assert result.reason == "cell [2] (import os, signal): the kernel died (out of memory?)"
    assert len(result.claims) == 1


def test_a_cell_beyond_the_limit_is_a_reason_and_its_kernel_is_gone(notebook, tmp_path):
    stubborn = "import os, time\nopen('pid', 'w').write(str(os.getpid()))\nwhile True:\n"
    stubborn += "    try: time.sleep(1)\n    except BaseException: pass"
    result = run(notebook("slow", stubborn), tmp_path, limit=2)
    assert result.reason == "cell [1] (import os, time): took longer than 2 s"
    assert result.slowest_cell == 1
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("content", ["", "{", '{"cells": 3}'])
def test_what_is_no_notebook_is_a_reason(tmp_path, content):
    path = tmp_path / "broken.ipynb"
    path.write_text(content)
    result = run(path, tmp_path)
    assert not result.ok and "not a notebook" in result.reason


def test_a_kernel_that_does_not_start_is_a_reason(notebook, tmp_path):
    result = execute(notebook("good", "1"), tmp_path / "no such folder", dict(os.environ))
    assert result.reason.startswith("before the first cell: ")


def test_memory_counts_the_processes_that_the_kernel_starts(notebook, tmp_path):
    child = "b = bytearray(150 * 2**20); b[::4096] = b'x' * len(b[::4096]); import time; time.sleep(2)"
    code = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}], check=True)"
    # A process that has forked and not yet begun its program counts twice for a moment: hence the room.
    assert 20 < run(notebook("alone", "import subprocess, sys"), tmp_path).peak_memory < 140
    assert run(notebook("child", code), tmp_path).peak_memory > 180


def test_claims_are_held_against_the_stored_ones(notebook, tmp_path):
    printed = "for claim, holds in zip('abcd', [True, False, False, True]): print(f'{claim} holds: {holds}')"
    result = run(notebook("claims", printed, stored="a holds: True\nb holds: False\nd holds: False\n"), tmp_path)
    assert [(c.text[0], c.holds, c.stored, c.surprises) for c in result.claims] == [
        ("a", True, True, False),
        ("b", False, False, False),  # false on purpose
        ("c", False, None, True),
        ("d", True, False, True),
    ]
    lines = report([result]).splitlines()
    assert "  claims [1] b holds: False (stored: False)" in lines
    assert "! claims [1] c holds: False (not in the stored lab)" in lines
    assert "! claims [1] d holds: True (stored: False)" in lines
    assert not [line for line in lines if "a holds" in line]
    assert lines[-1].startswith("1 of 1 labs ran to their end") and lines[-1].endswith("2 claims to look at (!).")
    assert to_frame([result])[["true", "false"]].iloc[0].tolist() == [2, 2]


# ---------------------------------------------------------------------------------------------- all labs


def test_the_others_go_on_and_each_lab_hands_its_results_to_the_next(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "mine"))
    monkeypatch.setenv("RLHF_WORK", str(tmp_path / "work"))
    makes = "from helpers import files\nfiles.runs().mkdir(); (files.runs() / 'a').touch()\n"
    makes += "files.work().mkdir(); (files.work() / 'b').touch()"
    finds = "from helpers import files\nfrom helpers.models.profiles import get_profile\n"
    finds += "print('handed on:', (files.runs() / 'a').exists() and (files.work() / 'b').exists())\n"
    finds += "print('offline:', __import__('os').environ['HF_HUB_OFFLINE'] == '1')\n"
    finds += "print('tiny:', get_profile().name == 'tiny')\nprint(files.runs())"
    paths = [notebook("makes", makes), notebook("breaks", "1 / 0"), notebook("finds", finds)]
    results = check(paths, profile="tiny", limit=60)
    assert [(r.lab, r.ok) for r in results] == [("makes", True), ("breaks", False), ("finds", True)]
    assert [claim.holds for claim in results[2].claims] == [True, True, True]
    assert not (tmp_path / "mine").exists() and not (tmp_path / "work").exists()
    text = report(results)
    assert "breaks FAILED" in text and "cell [1] (1 / 0): ZeroDivisionError" in text
    assert "2 of 3 labs ran to their end" in text and "every claim is as stored" in text


def test_the_command_prints_the_table_writes_json_and_fails_if_a_lab_does(notebook, tmp_path, capsys):
    target = tmp_path / "numbers.json"
    good, bad = notebook("good", "print('two:', 1 == 2)"), notebook("bad", "1 / 0")
    assert cli.main(["check-labs", str(good), "--json", str(target)]) == 0
    first = capsys.readouterr()
    assert "! good [1] two: False" in first.out and "reason" not in first.out
    assert "good" in first.err and "1/1" in first.err, "the progress bar"
    (lab,) = json.loads(target.read_text())["labs"]
    assert lab["ok"] is True and lab["claims"] == [{"cell": 1, "text": "two", "holds": False, "stored": None}]
    assert cli.main(["check-labs", str(good), str(bad)]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_unknown_labs_and_profiles_are_refused_before_anything_runs(notebook):
    with pytest.raises(LabError, match="no lab '77'"):
        check(["77"])
    with pytest.raises(LabError, match="unknown profile"):
        check([notebook("good", "1")], profile="llama9")


@needs_posix
def test_ctrl_c_stops_at_once_and_leaves_no_kernel_and_no_folder(notebook, tmp_path):
    path = notebook("slow", "open('started', 'w').close()\nimport time\ntime.sleep(100)")
    command = [sys.executable, "-m", "helpers", "check-labs", str(path), str(notebook("next", "1"))]
    env = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    # A shell has what it starts in the background ignore SIGINT, these tests too, and what they start would inherit it.
    heeds = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    process = subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, **heeds)
    wait_until(lambda: list((tmp_path / "tmp").glob("check-labs-*/started")))
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=patience())
    assert process.returncode == 130
    assert errors.rstrip().endswith("stopped; what was there before is unchanged") and "Traceback" not in errors
    assert kernels and not any(kernel.is_running() for kernel in kernels)
    assert not list((tmp_path / "tmp").glob("check-labs-*"))

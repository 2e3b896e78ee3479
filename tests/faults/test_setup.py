"""`make setup` killed on the way: run again, it ends in a whole set-up. Python and pip are stand-ins."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.files import ROOT

from ..support.patience import patience

pytestmark = pytest.mark.skipif(
    os.name == "nt" or not shutil.which("make") or not shutil.which("bash"), reason="needs make, bash and SIGKILL"
)

# It stands for `python3.11` and, copied into .venv, for .venv/bin/python. What it did goes to log.txt. Each step is
# one of those at which KILL_AT ends make, shell and this process. As pip does, it writes a package's metadata before
# the last of its files and INSTALLER after them, and takes a package that has metadata for installed.
PYTHON = """#!{python} -IS
import os, shutil, signal, sys

def step(what):
    with open("log.txt", "a") as log:
        log.write(what + "\\n")
    steps = len(open("log.txt").readlines())
    if steps == int(os.environ.get("KILL_AT", 0)):
        os.killpg(0, signal.SIGKILL)

def make(path):
    with open(path, "w") as file:
        file.write("whole")

words = sys.argv[1:]
if words[:1] == ["-c"] or words == ["--version"]:
    print("Python 3.11.0")
elif words[:2] == ["-m", "venv"]:
    step("venv")
    os.makedirs(".venv/bin", exist_ok=True)
    if "--clear" in words:
        shutil.rmtree(".venv")
        os.makedirs(".venv/bin")
    shutil.copy(__file__, ".venv/bin/python")
    step("python")
    make(".venv/pip")
    step("pip")
elif words[:3] == ["-m", "pip", "--version"]:
    sys.exit(not os.path.exists(".venv/pip"))
elif words[:3] == ["-m", "pip", "install"]:
    name = words[-1].split("=")[0].strip(".[]")
    info = f".venv/lib/python3.11/site-packages/{{name}}.dist-info"
    step(f"{{name}} begins")
    if not os.path.exists(info) or name == "test":  # what is editable is always made again
        os.makedirs(info, exist_ok=True)
        step(f"{{name}} metadata")
        make(f".venv/{{name}}")
        step(f"{{name}} files")
        make(f"{{info}}/INSTALLER")
    step(f"{{name}} done")
"""
PARTS = {"pip", "torch", "test"}


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "my project"
    (folder / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for name in re.search(r"^\$\(INSTALLED\): (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split():
        (folder / name).touch()
    (folder / "pyproject.toml").write_text('dependencies = [\n    "torch==2.13.0",\n]\n')
    python = folder / "bin" / "python3.11"
    python.write_text(PYTHON.format(python=sys.executable))
    python.chmod(0o755)
    return folder


def set_up(project: Path, kill_at: int = 0) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PIP_"))}
    environment |= {"PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}", "KILL_AT": str(kill_at)}
    command = ["make", "setup"]
    return subprocess.run(
        command, cwd=project, env=environment, start_new_session=True, capture_output=True, timeout=patience()
    ).returncode


def steps(project: Path) -> list[str]:
    return (project / "log.txt").read_text().splitlines()


def is_whole(project: Path) -> bool:
    venv = project / ".venv"
    stamped = (venv / ".installed").exists() and (venv / ".installed").read_text().strip() == str(project.resolve())
    return stamped and {part for part in PARTS if (venv / part).exists()} == PARTS


def test_killed_at_each_step_and_run_again_it_ends_whole(project):
    assert set_up(project) == 0 and is_whole(project)
    n = len(steps(project))
    assert n == 11
    for kill_at in range(1, n + 1):
        shutil.rmtree(project / ".venv")
        (project / "log.txt").unlink()
        assert set_up(project, kill_at) == -signal.SIGKILL
        assert not (project / ".venv" / ".installed").exists()
        assert set_up(project) == 0 and is_whole(project)
        done = steps(project)
        assert set_up(project) == 0 and steps(project) == done  # a third time there is nothing to do


def test_a_set_up_that_was_killed_while_it_was_renewed_is_not_taken_for_whole(project):
    """New pins, as after `git pull`: the old stamp is gone before anything is changed."""
    assert set_up(project) == 0
    done = len(steps(project))
    (project / "pyproject.toml").write_text('dependencies = [\n    "torch==2.14.0",\n]\n')
    later = (project / ".venv" / ".installed").stat().st_mtime + 10
    os.utime(project / "pyproject.toml", (later, later))
    assert set_up(project, done + 2) == -signal.SIGKILL
    assert not (project / ".venv" / ".installed").exists()
    os.utime(project / "pyproject.toml", (later - 20, later - 20))
    assert set_up(project) == 0 and is_whole(project)


def test_a_project_that_was_moved_is_set_up_anew(project):
    assert set_up(project) == 0
    moved = project.rename(project.with_name("moved"))
    done = steps(moved)
    assert set_up(moved) == 0 and is_whole(moved) and steps(moved) != done

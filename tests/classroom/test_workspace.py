"""Students' copies of the labs: never overwritten once written in, renewed when not, opened behind a token."""

import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import nbformat
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers import __main__ as cli
from helpers import files
from helpers.classroom import workspace
from helpers.classroom.notebooks import client_for, read
from helpers.classroom.workspace import prepare
from helpers.files import ROOT, LabError
from tests.browser.jupyterlab import _free_port

from ..support.patience import patience, wait_until

needs_posix = pytest.mark.skipif(os.name == "nt", reason="needs fork")


@pytest.fixture
def labs(tmp_path, monkeypatch):
    """A repository's labs with two labs in it; copies go to tmp_path/work."""
    with folders(tmp_path, monkeypatch) as labs:
        yield labs


@contextmanager
def folders(folder: Path, monkeypatch):
    labs = folder / "labs"
    labs.mkdir()
    monkeypatch.setattr(workspace, "LABS", labs)
    monkeypatch.setenv("RLHF_WORK", str(folder / "work"))
    write(labs / "00_start_here.ipynb", "print('hello')")
    write(labs / "03_ppo.ipynb", "loss = ...")
    yield labs


def write(path: Path, *sources: str, outputs=()) -> None:
    cells = [new_markdown_cell("# Title", id="title")]
    cells += [new_code_cell(source, id=f"c{i}", outputs=list(outputs)) for i, source in enumerate(sources)]
    path.write_text(nbformat.writes(new_notebook(cells=cells)) + "\n", "utf-8")


def sources(path: Path) -> list[str]:
    return [cell.source for cell in read(path).cells if cell.cell_type == "code"]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run_as_a_student(path: Path) -> None:
    """Run All and Shift + Enter at the end: outputs, counts, metadata and a last empty cell, but no word written."""
    notebook = read(path)
    for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), start=1):
        cell.outputs, cell.execution_count = [new_output("stream", text="7\n")], count
        cell.metadata["execution"] = {"iopub.status.busy": "2026-11-21"}
    notebook.cells.append(new_code_cell(""))
    notebook.metadata["kernelspec"] = {"display_name": "mine", "language": "python", "name": "mine"}
    nbformat.write(notebook, str(path))


# ---------------------------------------------------------------------------------------------- copies


def test_the_first_start_copies_every_lab_as_if_nothing_had_run(labs, tmp_path):
    """A stored output would answer a prediction, or say that all is well, before anything ran."""
    write(labs / "03_ppo.ipynb", "score()", outputs=[new_output("stream", name="stdout", text="0.81\n")])
    run_as_a_student(labs / "03_ppo.ipynb")
    before = {path.name: path.read_bytes() for path in labs.iterdir()}

    assert prepare() == []

    work = tmp_path / "work"
    assert names(work) == [".copies.json", "00_start_here.ipynb", "03_ppo.ipynb"]
    assert (work / "00_start_here.ipynb").read_bytes() == before["00_start_here.ipynb"]
    copied = [cell for cell in read(work / "03_ppo.ipynb").cells if cell.cell_type == "code"]
    assert [(cell.outputs, cell.execution_count) for cell in copied] == [([], None)] * len(copied)
    assert {path.name: path.read_bytes() for path in labs.iterdir()} == before
    written = {path.name: path.stat().st_mtime_ns for path in work.iterdir()}
    assert prepare() == []
    assert {path.name: path.stat().st_mtime_ns for path in work.iterdir()} == written, "a second start writes nothing"


def test_the_stored_lab_has_its_outputs_and_what_was_written_into_it_is_moved_aside(labs, tmp_path):
    printed = new_output("stream", name="stdout", text="0.81\n")
    write(labs / "03_ppo.ipynb", "score()", outputs=[printed])
    for _ in range(2):
        stored = workspace.write_stored(labs / "03_ppo.ipynb")
        assert stored == tmp_path / "work" / "03_ppo.stored.ipynb"
        assert read(stored).cells[1].outputs == [printed]
    write(stored, "my = 1")
    workspace.write_stored(labs / "03_ppo.ipynb")
    assert sources(stored) == ["score()"]
    assert sources(stored.with_name("03_ppo.stored.mine-1.ipynb")) == ["my = 1"]


def test_what_was_only_run_is_renewed_in_silence(labs, tmp_path):
    prepare()
    copy = tmp_path / "work" / "03_ppo.ipynb"
    run_as_a_student(copy)
    ran = copy.read_bytes()
    assert prepare() == [] and copy.read_bytes() == ran, "the lab is the same: its outputs stay"
    write(labs / "03_ppo.ipynb", "loss = ...", "new_cell()")
    assert prepare() == []
    assert sources(copy) == ["loss = ...", "new_cell()"]


def test_what_was_written_is_kept_and_one_line_says_that_the_lab_has_changed(labs, tmp_path):
    prepare()
    copy = tmp_path / "work" / "03_ppo.ipynb"
    write(copy, "loss = ratio.mean()")
    mine = copy.read_bytes()
    assert prepare() == []
    write(labs / "03_ppo.ipynb", "loss = ...  # clearer")
    for _ in range(2):
        (note,) = prepare()
        assert note.startswith("03_ppo.ipynb has changed in the repository; your copy is kept.")
        assert note.endswith("python -m helpers lab --fresh 03") and "\n" not in note
        assert copy.read_bytes() == mine
    write(copy, "loss = ...  # clearer")  # the student takes the change over by hand
    assert prepare() == []
    write(labs / "03_ppo.ipynb", "loss = ...  # clearer still")
    assert prepare() == []
    assert sources(copy) == ["loss = ...  # clearer still"]


def test_fresh_keeps_theirs_under_a_free_name(labs, tmp_path):
    prepare()
    work = tmp_path / "work"
    for number in (1, 2):
        write(work / "03_ppo.ipynb", f"loss = {number}")
        mine = (work / "03_ppo.ipynb").read_bytes()
        assert prepare(fresh="03") == [f"Your 03_ppo.ipynb is now {work / f'03_ppo.mine-{number}.ipynb'}"]
        assert (work / f"03_ppo.mine-{number}.ipynb").read_bytes() == mine
        assert sources(work / "03_ppo.ipynb") == ["loss = ..."]
    (work / "00_start_here.ipynb").unlink()
    assert prepare(fresh="00") == [], "there is nothing to keep"
    assert (work / "00_start_here.ipynb").exists()


@pytest.mark.parametrize("record", [None, "", "[1]", '{"03_ppo.ipynb": 7}'])
def test_a_lost_record_only_means_that_copies_are_kept(labs, tmp_path, record):
    prepare()
    work = tmp_path / "work"
    write(work / "03_ppo.ipynb", "loss = 1")
    (work / ".copies.json").unlink() if record is None else (work / ".copies.json").write_text(record)
    notes = prepare()
    assert sources(work / "03_ppo.ipynb") == ["loss = 1"]
    assert [note.split()[0] for note in notes] == ["03_ppo.ipynb"]
    assert len(json.loads((work / ".copies.json").read_text())) == 2


@pytest.mark.parametrize("content", ["", "{", "<<<<<<< HEAD", '{"cells": 3}'])
def test_a_copy_that_is_no_notebook_any_more_is_kept(labs, tmp_path, content):
    prepare()
    copy = tmp_path / "work" / "03_ppo.ipynb"
    copy.write_text(content)
    (note,) = prepare()
    assert "your copy is no longer a notebook" in note and "--fresh 03" in note
    assert copy.read_text() == content


def test_a_start_that_was_killed_after_the_move_loses_nothing(labs, tmp_path, monkeypatch):
    prepare()
    work = tmp_path / "work"
    write(work / "03_ppo.ipynb", "loss = 1")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(workspace, "atomic_write", killed)
        prepare(fresh="03")
    assert prepare() == []
    assert sources(work / "03_ppo.mine-1.ipynb") == ["loss = 1"]
    assert sources(work / "03_ppo.ipynb") == ["loss = ..."]


STEPS = ["the student writes", "the student runs", "git pull", "lab", "lab", "lab --fresh 03", "the record is lost"]


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(st.sampled_from(STEPS), min_size=3, max_size=12))
def test_whatever_happens_no_word_of_a_student_is_lost(tmp_path_factory, steps):
    with pytest.MonkeyPatch.context() as monkeypatch, folders(tmp_path_factory.mktemp("w"), monkeypatch) as labs:
        monkeypatch.setattr(files, "_flush", lambda path: None)
        work = labs.parent / "work"
        copy = work / "03_ppo.ipynb"
        prepare()
        for number, step in enumerate(steps):
            if step == "the student writes":
                write(copy, f"mine = {number}")
            elif step == "the student runs":
                run_as_a_student(copy)
            elif step == "git pull":
                write(labs / copy.name, f"lab = {number}")
            elif step == "the record is lost":
                (work / ".copies.json").unlink(missing_ok=True)
            else:
                latest = sources(copy)[0]
                prepare(fresh="03" if "fresh" in step else None)
                kept = [sources(path)[0] for path in work.glob("03_ppo*.ipynb")]
                assert latest in kept or latest.startswith(("lab", "loss"))
                if "fresh" in step:
                    assert sources(copy) == sources(labs / copy.name)


@needs_posix
def test_many_starts_at_once_lose_nothing(labs, tmp_path):
    prepare()
    work = tmp_path / "work"
    write(work / "03_ppo.ipynb", "loss = mine")
    context = multiprocessing.get_context("fork")
    together = context.Barrier(4)

    def start():
        together.wait(patience())
        prepare(fresh="03")

    processes = [context.Process(target=start) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    kept = [sources(path) for path in work.glob("*.mine-*.ipynb")]
    assert kept.count(["loss = mine"]) == 1
    assert sources(work / "03_ppo.ipynb") == ["loss = ..."]
    assert not [name for name in names(work) if ".new-" in name or ".old-" in name]


def test_work_must_not_be_labs(labs, monkeypatch):
    monkeypatch.setenv("RLHF_WORK", str(labs / ".." / "labs"))
    before = names(labs)
    with pytest.raises(LabError, match="is never edited"):
        prepare()
    assert names(labs) == before


@pytest.mark.parametrize("name", ["03", "03_ppo", "ppo", "03_p", "03_ppo.ipynb", "labs/03_ppo.ipynb"])
def test_a_lab_is_found_by_number_name_or_path(labs, name):
    assert workspace.find_lab(name) == labs / "03_ppo.ipynb"


@pytest.mark.parametrize("name", ["", "0", "9", "..", "ppo/"])
def test_an_unknown_lab_is_refused_with_the_names(labs, name):
    if name == "ppo/":  # a folder's name as the shell completes it
        assert workspace.find_lab(name).stem == "03_ppo"
        return
    with pytest.raises(LabError, match="00_start_here, 03_ppo"):
        workspace.find_lab(name)


def test_without_labs_it_says_how_to_restore_them(labs):
    for path in labs.iterdir():
        path.unlink()
    with pytest.raises(LabError, match="git restore labs"):
        prepare()


def test_a_copy_finds_helpers_and_runs(labs, tmp_path):
    write(labs / "03_ppo.ipynb", "from helpers import files\nprint(files.ROOT.name, files.work().name)")
    prepare()
    work = tmp_path / "work"
    client = client_for(read(work / "03_ppo.ipynb"), patience())
    done = client.execute(cwd=str(work), env=dict(os.environ), cleanup_kc=True)
    # Where `helpers` is installed from: another clone, if this one uses the environment of that.
    where = "from helpers import files\nprint(files.ROOT.name)"
    installed = subprocess.check_output([sys.executable, "-c", where], cwd=work, text=True).strip()
    assert done.cells[1].outputs[0].text == f"{installed} work\n"


# ---------------------------------------------------------------------------------------------- JupyterLab


def test_jupyterlab_opens_on_work_and_keeps_its_token(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_WORK", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    options = workspace.jupyter_options("03 ppo.ipynb", browser=False, port=9000)
    assert options == [
        f"--ServerApp.root_dir={tmp_path}",
        "--LabApp.default_url=/lab/tree/03%20ppo.ipynb",
        "--LabApp.extension_manager=readonly",
        "--no-browser",
        "--port=9000",
    ]
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert workspace.jupyter_options("a.ipynb", browser=True)[3:] == ["--allow-root"]
    monkeypatch.delattr(os, "geteuid")  # Windows
    assert workspace.jupyter_options("a.ipynb", browser=True)[3:] == []


@pytest.mark.parametrize(("further", "quiet"), [([], True), (["--ip=::1"], True), (["--log-level=INFO"], False)])
def test_the_log_is_cut_unless_asked_for(further, quiet, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RLHF_WORK", str(tmp_path))
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")  # it is set below; this puts it back
    given = []
    monkeypatch.setattr("jupyterlab.labapp.LabApp.launch_instance", given.extend)
    workspace.open_lab("03_ppo.ipynb", browser=False, further=further)
    assert ("--log-level=WARN" in given) == quiet and given[len(given) - len(further) :] == further
    assert "JupyterLab starts with 03_ppo.ipynb" in capsys.readouterr().out


def test_the_start_says_where_things_are_and_how_to_start_over(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_WORK", str(tmp_path / "my work"))
    monkeypatch.setenv("RLHF_RUNS", str(ROOT / "runs"))
    monkeypatch.setattr(sys, "executable", str(ROOT / ".venv" / "bin" / "python"))
    text = workspace.start_text("03_ppo.ipynb", browser=False)
    assert "03_ppo.ipynb" in text and "?token=" in text
    assert f"what you write is in {tmp_path / 'my work'}, what you train in runs\n" in text
    assert f"{Path('.venv', 'bin', 'python')} -m helpers lab --fresh 03; training: delete runs\n" in text
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    text = workspace.start_text("03_ppo.ipynb", browser=True)
    assert "in your browser, in some seconds" in text and " python -m helpers doctor" in text


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [("linux", None, False), ("linux", "DISPLAY", True), ("linux", "BROWSER", True), ("win32", None, True)],
)
def test_a_browser_is_expected_where_there_is_a_display(monkeypatch, platform, variable, expected):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    if variable:
        monkeypatch.setenv(variable, ":0")
    monkeypatch.setattr(sys, "platform", platform)
    assert workspace.has_browser() == expected


def test_announcements_are_off_wherever_jupyterlab_is_installed(tmp_path, monkeypatch):
    from jupyterlab_server.config import get_static_page_config

    monkeypatch.setenv("RLHF_WORK", str(tmp_path / "work"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "user"))
    monkeypatch.setattr("jupyter_core.paths.ENV_CONFIG_PATH", [])  # `make setup` says so there, too
    mine = tmp_path / "mine" / "labconfig" / "page_config.json"
    mine.parent.mkdir(parents=True)
    mine.write_text('{"disabledExtensions": {"other": true}}')
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", str(tmp_path / "mine"))
    assert get_static_page_config()["disabledExtensions"] == {"other": True}
    workspace._silence_announcements()
    announcements = "@jupyterlab/apputils-extension:announcements"
    assert get_static_page_config()["disabledExtensions"] == {"other": True, announcements: True}


@pytest.fixture
def opened(labs, monkeypatch) -> list:
    calls = []
    monkeypatch.setattr(workspace, "open_lab", lambda name, *options: calls.append((name, *options)))
    return calls


def test_the_command_opens_the_lab_and_hands_on_other_options(opened, capsys):
    assert cli.main(["lab"]) == 0
    assert cli.main(["lab", "ppo", "--no-browser", "--port", "9000", "--ServerApp.ip=::1"]) == 0
    assert opened == [
        ("00_start_here.ipynb", True, None, []),
        ("03_ppo.ipynb", False, 9000, ["--ServerApp.ip=::1"]),
    ]
    assert cli.main(["lab", "--fresh", "03"]) == 0
    assert opened[-1][0] == "03_ppo.ipynb"
    assert "is now" in capsys.readouterr().out


def test_the_command_says_what_is_wrong_in_one_line(opened, capsys):
    assert cli.main(["lab", "--fresh"]) == 1
    assert cli.main(["lab", "99"]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2 and all(line.startswith("error: ") for line in errors)
    with pytest.raises(SystemExit):
        cli.main(["doctor", "--no-browser"])
    assert "unrecognized arguments: --no-browser" in capsys.readouterr().err
    assert opened == []


def test_a_real_server_shows_the_copies_to_who_has_the_token_only(tmp_path):
    work, port = tmp_path / "work", _free_port()
    before = {path: path.read_bytes() for path in (ROOT / "labs").glob("*.ipynb")}
    log = tmp_path / "log"
    env = os.environ | {"RLHF_WORK": str(work), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    command = [sys.executable, "-m", "helpers", "lab", "03", "--no-browser", "--port", str(port)]
    with log.open("w") as stream:
        server = subprocess.Popen(command, cwd=ROOT, env=env, stdout=stream, stderr=subprocess.STDOUT)
    try:
        address, token = wait_for_address(server, log)
        assert re.search(r"/lab/tree/03_ppo\.ipynb$", address)
        root = address.split("/lab/")[0]
        heard = psutil.Process(server.pid).net_connections("inet")
        assert {c.laddr.ip for c in heard if c.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
        with pytest.raises(urllib.error.HTTPError, match="403"):
            get(f"{root}/api/contents")
        assert get(address).url.split("?")[0] == f"{root}/login"
        listed = json.load(get(f"{root}/api/contents?token={token}"))["content"]
        assert {item["name"] for item in listed} == {path.name for path in before}
        page = get(f"{address}?token={token}").read().decode()
        assert "apputils-extension:announcements" in page
        assert re.search(r'"can_install": false', page)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(patience())
    assert {path: path.read_bytes() for path in before} == before


def wait_for_address(server: subprocess.Popen, log: Path) -> tuple[str, str]:
    """The notebook's address and the token that it prints, once it answers."""

    def look() -> tuple[str, str] | None:
        assert server.poll() is None, f"JupyterLab did not start:\n{log.read_text()}"
        if found := re.search(r"(http://127\.0\.0\.1:\d+\S+)\?token=(\w+)", log.read_text()):
            with suppress(OSError):  # the address is printed before the server listens
                get(found[1])
                return found[1], found[2]
        return None

    return wait_until(look)


def get(address: str):
    return urllib.request.urlopen(address, timeout=patience())

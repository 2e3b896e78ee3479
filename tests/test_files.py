"""Atomic files and folders, JSONL, checksums: nothing is ever half written, and errors say where and what."""

import errno
import os
import shutil
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import files
from helpers.files import LabError

needs_posix = pytest.mark.skipif(os.name == "nt", reason="needs fork and SIGKILL")


def fill(folder: Path, text: str) -> None:
    (folder / "deep").mkdir()
    for name in ("a", "b", "deep/c"):
        (folder / name).write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def whole(text: str) -> dict[str, str]:
    return dict.fromkeys(("a", "b", "deep/c"), text)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def disk_full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# ------------------------------------------------------------------------------------------- places


def test_data_and_runs_follow_the_environment_at_each_use(monkeypatch, tmp_path):
    monkeypatch.delenv("RLHF_DATA", raising=False)
    monkeypatch.setenv("RLHF_RUNS", "elsewhere")
    assert [files.data(), files.runs()] == [files.ROOT / "data", files.ROOT / "elsewhere"]
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path))
    assert tmp_path == files.runs()


def test_importing_the_package_sets_quiet_defaults_and_imports_nothing_heavy():
    code = (
        "import os, sys; os.environ['DO_NOT_TRACK'] = 'mine'; import helpers, helpers.files;"
        "import helpers.preferences, helpers.runs.artifacts;"
        "names = ('HF_HUB_DISABLE_TELEMETRY', 'TOKENIZERS_PARALLELISM', 'DO_NOT_TRACK');"
        "print([os.environ[name] for name in names],"
        "[m for m in ('torch', 'transformers', 'datasets', 'pandas', 'numpy') if m in sys.modules])"
    )
    environment = {
        name: value for name, value in os.environ.items() if name.partition("_")[0] not in ("HF", "TOKENIZERS")
    }
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=files.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.strip() == "['1', 'false', 'mine'] []"


def test_in_a_notebook_the_message_stands_alone():
    from IPython.core.interactiveshell import InteractiveShell

    shell, seen = InteractiveShell(), []
    shell._showtraceback = lambda kind, error, lines: seen.extend(lines)
    shell.run_cell("from helpers.files import LabError\nraise LabError('a.jsonl:3: this and that')")
    assert seen == ["LabError: a.jsonl:3: this and that"]


# ------------------------------------------------------------------------------------------- writing


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new folder" / "file.txt"
    files.atomic_write(path, "one\n")
    files.atomic_write(path, "zwölf\n")
    assert path.read_bytes() == "zwölf\n".encode()
    files.atomic_write(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert names(path.parent) == ["file.txt"]


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "runs" / "sft"
    assert files.find_folder(path) is None
    with files.atomic_folder(path) as folder:
        fill(folder, "old")
        (folder / "extra").write_text("gone with the next version")
    with files.atomic_folder(path) as folder:
        fill(folder, "new")
        assert "extra" in names(path)
    assert files.find_folder(path) == path
    assert contents(path) == whole("new")
    assert names(path.parent) == ["sft"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_old_folder_stays_if_the_body_raises(tmp_path, error):
    path = tmp_path / "sft"
    with files.atomic_folder(path) as folder:
        fill(folder, "old")
    with pytest.raises(error), files.atomic_folder(path) as folder:
        fill(folder, "new")
        raise error
    assert contents(path) == whole("old")
    assert names(tmp_path) == ["sft"]


@pytest.mark.parametrize("failing", [1, 2])
def test_the_old_folder_comes_back_if_a_rename_fails(tmp_path, monkeypatch, failing):
    path = tmp_path / "sft"
    with files.atomic_folder(path) as folder:
        fill(folder, "old")
    calls, rename = [], os.rename

    def rename_that_fails_once(*arguments):
        calls.append(arguments)
        if len(calls) == failing:
            raise OSError(errno.EIO, "broken disk")
        rename(*arguments)

    monkeypatch.setattr(os, "rename", rename_that_fails_once)
    with pytest.raises(OSError, match="broken disk"), files.atomic_folder(path) as folder:
        fill(folder, "new")
    assert contents(path) == whole("old")
    assert names(tmp_path) == ["sft"]


def test_a_file_in_the_folders_place_is_not_touched(tmp_path):
    (tmp_path / "sft").write_text("mine")
    with pytest.raises(LabError, match="sft is a file"), files.atomic_folder(tmp_path / "sft"):
        pass
    assert (tmp_path / "sft").read_text() == "mine"


def test_writers_of_one_folder_at_the_same_time_leave_one_whole_version(tmp_path):
    path, failures = tmp_path / "sft", []
    with files.atomic_folder(path) as folder:
        fill(folder, "start")

    def write(number):
        try:
            for k in range(10):
                with files.atomic_folder(path) as folder:
                    fill(folder, f"{number}.{k}")
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert files.find_folder(path) is not None
    assert failures == []
    assert contents(path) in [whole(f"{number}.9") for number in range(4)]
    assert names(tmp_path) == ["sft"]


# ------------------------------------------------------------------------------------------- killed

# The driver forks children that rewrite an artifact and a file, kills them, and reads after every death. With
# "random" at random moments; else before each change that they make on the disk, one after the other, and
# starting from a "clean" folder or from what is left by one killed "between" the renames.
DRIVER = """
import os, random, shutil, signal, sys, time
from pathlib import Path
import psutil   # files imports it late: its import is no moment of interest
from helpers import files

path, when = Path(sys.argv[1]), sys.argv[2]
files.os.fsync = lambda handle: None  # a kill loses no cache, and many moments must fit in a second

def rewrite(version):
    with files.atomic_folder(path) as folder:
        for name in "abc":
            (folder / name).write_text(f"{version} " * 500)
    files.atomic_write(path.with_suffix(".txt"), f"{version} " * 500)

def version_of(text):
    (version,) = set(text.split())
    assert text == f"{version} " * 500, "torn"
    return int(version)

def read():
    folder = files.find_folder(path)
    (version,) = {version_of((folder / name).read_text()) for name in "abc"}
    return version, version_of(path.with_suffix(".txt").read_text())

def fork(work, *arguments):
    child = os.fork()
    if child == 0:
        work(*arguments)
        os._exit(0)
    return child

CHANGES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}

def rewrite_and_die_before_change(number):
    left = [number]
    def hook(event, arguments):
        left[0] -= event in CHANGES
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    rewrite(number)

def move_aside():
    os.rename(path, files._sibling(path, "old"))
    files._sibling(path, "new").mkdir()

def rewrite_for_ever(number):
    for version in range(10_000):
        rewrite(number * 10_000 + version)

seen, gaps, status = set(), 0, -1
if when == "random":
    moments = random.Random(0)
    start = time.perf_counter()
    for number in range(10):
        rewrite(number)
    pace = (time.perf_counter() - start) / 10
    for number in range(1, 61):
        child = fork(rewrite_for_ever, number)
        time.sleep(moments.random() * 5 * pace)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        gaps += not path.exists()
        seen.add(read()[0])
else:
    number = 0
    while status != 0:   # the child that has fewer changes to make than `number` ends well
        number += 1
        rewrite(0)
        if when == "between":
            os.waitpid(fork(move_aside), 0)
        _, status = os.waitpid(fork(rewrite_and_die_before_change, number), 0)
        gaps += not path.exists()
        versions = read()
        assert versions in [(0, 0), (number, 0), (number, number)], versions
        seen.add(("old", "new")[versions[0] > 0] + ("old", "new")[versions[1] > 0])
        shutil.rmtree(path, ignore_errors=True)   # by the user: what is found now is whole, too, or nothing
        assert files.find_folder(path) is None or read()
rewrite(-1)
assert read() == (-1, -1)
assert sorted(os.listdir(path.parent)) == [path.name, path.name + ".txt"], os.listdir(path.parent)
print(number, len(seen), gaps)
"""


@needs_posix
@pytest.mark.parametrize("when", ["clean", "between", "random"])
def test_killed_at_any_moment_a_reader_finds_the_old_or_the_new_whole(tmp_path, when):
    ran = subprocess.run(
        [sys.executable, "-c", DRIVER, tmp_path / "sft", when], cwd=files.ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    deaths, different, gaps = map(int, ran.stdout.split())
    assert deaths > 20 and different > 1, "too few moments to mean anything"
    if when != "random":
        assert different == 3 and gaps > 0, "no child died between the renames, or between folder and file"


@needs_posix
def test_killed_between_the_renames_the_old_one_is_found_and_the_next_write_heals(tmp_path):
    path = tmp_path / "sft"
    script = """
        import os, signal, sys
        from pathlib import Path
        from helpers import files

        def write(text):
            with files.atomic_folder(sys.argv[1]) as folder:
                Path(folder, "a").write_text(text)

        write("old")
        rename = files.os.rename
        def rename_then_die(*arguments):
            rename(*arguments)
            os.kill(os.getpid(), signal.SIGKILL)
        files.os.rename = rename_then_die
        write("new")
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(script), str(path)], cwd=files.ROOT)
    assert ran.returncode == -9
    assert not path.exists()
    assert contents(files.find_folder(path)) == {"a": "old"}
    with pytest.raises(ValueError), files.atomic_folder(path):
        raise ValueError  # even a write that fails puts the old one back
    assert contents(path) == {"a": "old"}
    with files.atomic_folder(path) as folder:
        fill(folder, "new")
    assert contents(path) == whole("new")
    assert names(tmp_path) == ["sft"]


@pytest.fixture
def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_what_cannot_be_put_back_is_not_swept_away(tmp_path, monkeypatch, dead_pid):
    path, rename = tmp_path / "sft", os.rename
    aside = tmp_path / f".sft.old-{1:020d}-{files._HOST}-{dead_pid}"
    aside.mkdir()
    fill(aside, "old")

    def refuse_once(*_):
        monkeypatch.setattr(os, "rename", rename)
        raise PermissionError

    monkeypatch.setattr(os, "rename", refuse_once)
    with pytest.raises(ValueError), files.atomic_folder(path):
        raise ValueError
    assert contents(files.find_folder(path)) == whole("old")


def test_only_what_dead_processes_left_is_swept(tmp_path, dead_pid):
    path = tmp_path / "sft"
    stale = tmp_path / f".sft.new-{1:020d}-{files._HOST}-{dead_pid}"
    alive = tmp_path / f".sft.new-{1:020d}-{files._HOST}-{os.getppid()}"
    foreign = tmp_path / f".sft.new-{1:020d}-{'0' * 8}-{dead_pid}"
    other = tmp_path / ".sft.new-mine"
    for folder in (stale, alive, foreign, other):
        folder.mkdir()
    with files.atomic_folder(path) as folder:
        fill(folder, "new")
    assert names(tmp_path) == sorted([alive.name, foreign.name, other.name, "sft"])


# ------------------------------------------------------------------------------------------- full disk


@pytest.mark.parametrize("call", ["write_bytes", "fsync", "mkdir"])
def test_a_full_disk_is_one_message_that_names_the_place(tmp_path, monkeypatch, call):
    folder_path, file_path = tmp_path / "sft", tmp_path / "file"
    files.atomic_write(file_path, "old")
    with files.atomic_folder(folder_path) as folder:
        fill(folder, "old")

    with monkeypatch.context() as patch:
        patch.setattr(os if call == "fsync" else Path, call, disk_full)
        with pytest.raises(LabError) as file_error:
            files.atomic_write(file_path, "new")
        with pytest.raises(LabError) as folder_error, files.atomic_folder(folder_path) as folder:
            (folder / "a").write_bytes(b"new")
    for error, path in ((file_error, file_path), (folder_error, folder_path)):
        assert str(path) in str(error.value)
        assert "no space left" in str(error.value)
        assert "free some space" in str(error.value)
    assert file_path.read_text() == "old"
    assert contents(folder_path) == whole("old")
    assert names(tmp_path) == ["file", "sft"]


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if (
        not mount
        or subprocess.run([mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True).returncode
    ):
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_disk_that_is_really_full(small_disk):
    numpy = pytest.importorskip("safetensors.numpy")
    np = pytest.importorskip("numpy")
    with files.atomic_folder(small_disk / "sft") as folder:
        fill(folder, "old")
    with pytest.raises(LabError, match="no space left"), files.atomic_folder(small_disk / "sft") as folder:
        (folder / "a").write_bytes(b"x" * 300_000)
    with pytest.raises(LabError, match="no space left"), files.atomic_folder(small_disk / "sft") as folder:
        numpy.save_file({"weights": np.zeros(100_000)}, folder / "a")
    with pytest.raises(LabError, match="no space left"):
        files.atomic_write(small_disk / "file", b"x" * 300_000)
    assert contents(small_disk / "sft") == whole("old")
    assert names(small_disk) == ["sft"]


def test_a_place_that_cannot_be_written_is_one_message(tmp_path, monkeypatch):
    def refused(path, *_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "write_bytes", refused)
    with pytest.raises(LabError, match=r"cannot write .*file .*RLHF_RUNS"):
        files.atomic_write(tmp_path / "file", "new")


def test_an_error_of_the_body_about_another_place_is_left_alone(tmp_path):
    with pytest.raises(PermissionError), files.atomic_folder(tmp_path / "sft"):
        raise PermissionError(errno.EACCES, "Permission denied", "/elsewhere/model.bin")


# ------------------------------------------------------------------------------------------- JSONL

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(rows=st.lists(st.dictionaries(st.text(), json_values, max_size=4), min_size=1, max_size=5))
def test_jsonl_round_trip_with_stable_bytes(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("jsonl") / "rows.jsonl"
    files.write_jsonl(path, rows)
    content = path.read_bytes()
    assert files.read_jsonl(path) == list(enumerate(rows, start=1))
    files.write_jsonl(path, [row for _, row in files.read_jsonl(path)])
    assert path.read_bytes() == content


def test_jsonl_from_other_editors(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes('\ufeff{"a": "one\u2028line"}\r\n\r\n{"a": "é"}'.encode())
    assert files.read_jsonl(path) == [(1, {"a": "one\u2028line"}), (3, {"a": "é"})]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "rows.jsonl: the file is empty; it must hold one JSON object a line"),
        (b" \n\n", "rows.jsonl: the file is empty"),
        (b'{"a": 1}\n{"a": 1,}\n', "rows.jsonl:2: invalid JSON at column 9 ("),
        (
            b'{"a": 1}\n\n{"a": "caf\xe9"}\n',
            "rows.jsonl:3: byte 11 of the line (0xe9) is not UTF-8; save the file",
        ),
        ('{"a": 1}'.encode("utf-16"), "rows.jsonl:1: byte 1 of the line (0xff) is not UTF-8"),
        (b"[1, 2]\n", "rows.jsonl:1: a line must be one JSON object"),
        (b"[" * 100_000, "rows.jsonl:1: invalid JSON"),
        (b'{"a": ' + b"9" * 5000 + b"}", "rows.jsonl:1: invalid JSON"),
    ],
)
def test_bad_jsonl_names_file_and_line(tmp_path, content, message):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(LabError) as error:
        files.read_jsonl(path)
    assert str(error.value).startswith(f"{tmp_path}{os.sep}{message}")
    assert error.value.__suppress_context__ or error.value.__context__ is None


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(LabError, match=r"rows\.jsonl: no such file; check the path"):
        files.read_jsonl(tmp_path / "rows.jsonl")
    with pytest.raises(LabError, match="cannot be read"):
        files.read_jsonl(tmp_path)


# ------------------------------------------------------------------------------------------- checksums


@pytest.fixture
def data(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    for name in ("a.jsonl", "models/b.json"):
        (tmp_path / name).write_text(name)
    lines = [
        f"{files.sha256(tmp_path / 'a.jsonl')}  a.jsonl",
        f"{files.sha256(tmp_path / 'models/b.json')} *models/b.json",
    ]
    (tmp_path / "checksums.txt").write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("RLHF_DATA", str(tmp_path))
    return tmp_path


def test_sha256_of_known_content(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")  # FIPS 180-2, appendix B.1
    assert files.sha256(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_checksums_of_everything_a_folder_or_files(data):
    assert files.verify_checksums() == [data / "a.jsonl", data / "models/b.json"]
    assert files.verify_checksums(data / "models") == [data / "models/b.json"]
    assert files.verify_checksums([data / "a.jsonl"]) == [data / "a.jsonl"]


def test_checksums_name_what_is_wrong(data):
    (data / "a.jsonl").write_text("changed")
    (data / "models/b.json").unlink()
    with pytest.raises(LabError, match=r"a\.jsonl \(changed\), .*b\.json \(missing\).*git restore"):
        files.verify_checksums()
    with pytest.raises(LabError, match=r"other \(not listed\)"):
        files.verify_checksums(data / "other")
    (data / "checksums.txt").write_text("0123  a.jsonl\n")
    with pytest.raises(LabError, match=r"checksums\.txt:1: not a line of sha256sum"):
        files.verify_checksums()
    (data / "checksums.txt").unlink()
    with pytest.raises(LabError, match=r"checksums\.txt: no such file"):
        files.verify_checksums()

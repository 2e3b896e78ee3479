"""Files that are whole or absent: where they are, atomic writes, JSON lines, checksums; and the labs' error type.

**Replacing a folder.** No portable call replaces a full folder in one step. So `atomic_folder` uses two renames, and
names that say what is inside (all are siblings of `sft/`, on the same disk):

    .sft.new-<stamp>    being written, or being deleted: nobody ever reads it
    .sft.old-<stamp>    whole: the previous folder, moved aside during the swap

    1. write .new and flush it to disk    2. sft -> .old    3. .new -> sft    4. delete .old

Killed before 2 or after 3, `sft` is there and whole. Killed between them, only `.old` is, and `find_folder` returns
it: read folders through `find_folder`. There is no lock: a writer moves aside whatever it finds and moves its own
folder in, once more if another writer was quicker, so the last one wins. Every name is stamped with its process, and
the next writer puts back or deletes what dead processes left. No kill can mix two versions. But a reader that is half
way through a folder when a living writer replaces it can see files of both.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import shutil
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[1]
SPLITS = ("train", "validation", "test")  # of posts, and of every set of preference pairs
PICKLE_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")  # files of weights that can run code when they are opened

Origin = Literal["yours", "shipped"]  # made on this machine, or part of the repository


def data() -> Path:
    """The folder of what the repository ships: data/, or $RLHF_DATA (a relative path starts at ROOT)."""
    return _folder("data")


def runs() -> Path:
    """The folder of what the labs make: runs/, or $RLHF_RUNS."""
    return _folder("runs")


def work() -> Path:
    """The folder of what the student makes (labels, copies of the labs, progress): work/, or $RLHF_WORK."""
    return _folder("work")


def _folder(name: str) -> Path:
    variable = f"RLHF_{name.upper()}"
    folder = Path(os.environ.get(variable) or name)
    try:
        return ROOT / folder.expanduser()
    except RuntimeError:
        raise LabError(f"{variable} is {shown(folder)}: there is no such user; write the folder's full path") from None


class LabError(Exception):
    """An error in the user's data or set-up; the message says where it is and what to do."""

    def _render_traceback_(self) -> list[str]:  # IPython's hook: in a notebook the message stands alone
        return [f"LabError: {self}"]


# control characters, line ends, marks that change the direction of writing, lone surrogates
INVISIBLE = re.compile("[\0-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
SURROGATE = re.compile("[\ud800-\udfff]")


def _escaped(text: str) -> str:
    return INVISIBLE.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str, most: int = 80) -> str:
    """A name from data as messages show it: on one line, without control characters, at most `most` characters."""
    text = _escaped(text[: most + 1])
    return text if len(text) <= most else f"{text[: most - 3]}..."


def is_broken_text(text: str) -> bool:
    """Whether the text holds a lone surrogate (half of a character), which no file and no tokenizer takes."""
    return not text.isascii() and SURROGATE.search(text) is not None


def shown(path: Path | str) -> str:
    """The path as messages show it: relative to the repository if it is inside, on one line, at most 400 characters."""
    path = Path(path)
    text = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
    text = _escaped(text)
    return text if len(text) <= 400 else f"{text[:100]}...{text[-297:]}"


# ---------------------------------------------------------------------------------------------- writing


def atomic_write(path: Path | str, content: bytes | str) -> None:
    """Write a file so that, killed at any moment, a reader finds the old content or the new.

    Text becomes UTF-8.

    Raises:
        LabError: If the disk is full or the place cannot be written; the old file then stays as it was.
    """
    path = Path(path).absolute()
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        new = _sibling(path, "new")
        try:
            new.write_bytes(content.encode() if isinstance(content, str) else content)
            _flush(new)
            os.replace(new, path)
            _flush(path.parent)
        finally:
            new.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Write a folder so that, killed at any moment, a reader finds the old one or the new, whole.

    If the body raises an error, the old folder stays. The module's docstring says how it is done.

    Yields:
        An empty folder to fill, which replaces `path` when the body has ended.

    Raises:
        LabError: If the disk is full or the place cannot be written.
    """
    path = Path(path).absolute()
    if os.path.isfile(path):  # one look: between two, another writer's swap could move a folder away
        raise LabError(f"{shown(path)} is a file, and a folder must be there: move the file away and run this again")
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        new = _sibling(path, "new")
        new.mkdir()
        try:
            yield new
            for folder, _, names in os.walk(new):
                for name in names:
                    _flush(Path(folder, name))
                _flush(Path(folder))
            _swap(new, path)
        finally:
            shutil.rmtree(new, ignore_errors=True)


def find_folder(path: Path | str) -> Path | None:
    """Where the folder that `atomic_folder(path)` made last is, whole; None if there is none. Changes nothing."""
    path = Path(path).absolute()
    for attempt in range(1000):
        if os.path.isdir(path):  # which, unlike Path's own, is False for a name that cannot be
            return path
        olds = _leftovers(path, "old")
        if olds and (_is_dead(olds[-1]) or attempt == 999):
            return olds[-1]
        if not olds and attempt:  # twice: a swap may have ended between the two looks
            return None
        time.sleep(0.001)  # its writer is alive, between two renames
    return None


def find_own_or_shipped(own: Path, shipped: Path | None) -> tuple[Path, Origin] | None:
    """The folder to use: the reader's own if there is one, else the shipped one; None if there is neither."""
    if folder := find_folder(own):
        return folder, "yours"
    if shipped and (folder := find_folder(shipped)):
        return folder, "shipped"
    return None


def remove_folder(path: Path | str) -> None:
    """Delete the folder that `atomic_folder(path)` made, if any, and what dead writers of it left.

    Killed at any moment, a reader finds the folder whole or finds none: no half of it, and no older one.
    """
    path = Path(path).absolute()
    _sweep(path)  # first: without `path`, a reader would take what a dead writer has moved aside
    if path.is_dir():
        _discard(path, path)


def write_jsonl(path: Path | str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line, atomically; equal rows give equal bytes (UTF-8)."""
    atomic_write(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _swap(new: Path, path: Path) -> None:
    olds = []
    try:
        while True:
            with suppress(FileNotFoundError):
                old = _sibling(path, "old")
                os.rename(path, old)
                olds.append(old)
            try:
                os.rename(new, path)
                break
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # else another writer was quicker
                    raise
    except BaseException:
        with suppress(OSError):
            if not path.exists() and (whole := _leftovers(path, "old")):
                os.rename(whole[-1], path)
        raise
    _flush(path.parent)
    for old in olds:
        _discard(old, path)


def _sweep(path: Path) -> None:
    """Put back what a dead writer of `path` had moved aside, and delete what else dead writers left."""
    news, olds = ([p for p in _leftovers(path, kind) if _is_dead(p)] for kind in ("new", "old"))
    if olds and (whole := find_folder(path)) not in (None, path):
        with suppress(OSError):  # another writer was quicker
            os.rename(whole, path)
    if not path.exists():
        olds = []
    for leftover in news + olds:  # listed before path was seen to exist, so all of them are older
        _discard(leftover, path)


def _discard(leftover: Path, path: Path) -> None:
    """Delete it under a `.new` name: what is half deleted must not look whole."""
    with suppress(OSError):
        if leftover.is_dir():
            doomed = _sibling(path, "new")
            os.rename(leftover, doomed)
            shutil.rmtree(doomed)
        else:
            leftover.unlink()


_STAMP = r"\d{20}-[0-9a-f]{8}-\d+"  # when, on which machine, by which process
_HOST = f"{zlib.crc32(platform.node().encode()):08x}"


def _sibling(path: Path, kind: str) -> Path:
    """A name for a new sibling. The last one moved aside sorts last, even if the clock was set back."""
    olds = _leftovers(path, "old") if kind == "old" else []
    stamp = max([time.time_ns(), *(int(old.name.rsplit("-", 3)[1]) + 1 for old in olds)])
    return path.with_name(f".{path.name}.{kind}-{stamp:020d}-{_HOST}-{os.getpid()}")


def _leftovers(path: Path, kind: str) -> list[Path]:
    """The siblings of that kind, oldest first."""
    name = re.compile(re.escape(f".{path.name}.{kind}-") + _STAMP)
    names = os.listdir(path.parent) if os.path.isdir(path.parent) else []
    return [path.with_name(n) for n in sorted(names) if name.fullmatch(n)]


def _is_dead(leftover: Path) -> bool:
    """Whether the process that made it has ended. Those of another machine count as alive."""
    import psutil  # os.kill(pid, 0), the usual way, ends the process on Windows

    _, host, pid = leftover.name.rsplit("-", 2)
    return host == _HOST and not psutil.pid_exists(int(pid))


def _flush(path: Path) -> None:
    """Flush a file or folder to the disk, so that a power cut cannot undo the order of the steps."""
    if os.name == "nt" or path.is_symlink():  # Windows cannot flush what is open to read
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn a full disk and a place that cannot be written into one LabError that names the place."""
    if "\0" in str(path) or not _is_encodable(path):
        raise LabError(f"cannot write {shown(path)}: no file can have that name; give another")
    try:
        yield
    except LabError:
        raise
    except Exception as error:
        code: int | None = getattr(error, "errno", None)
        place = re.sub(rf"\.([^/\\]+)\.new-{_STAMP}", r"\1", shown(path))  # a file in a folder that is being written
        # safetensors and torch raise errors of their own, which hold the system's only as text
        if code in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error):
            raise LabError(
                f"no space left on the disk while writing {place}: free some space there and run this "
                f"again; what was there before is untouched"
            ) from None
        if code is None and "Read-only file system" in str(error):
            code = errno.EROFS
        if code is not None and _is_refusal(code, getattr(error, "filename", None), path):
            name = "RLHF_WORK" if path.is_relative_to(work()) else "RLHF_RUNS"
            raise LabError(
                f"cannot write {place} ({os.strerror(code)}): close programs that have it open, change "
                f"its permissions, or set {name} to a folder of your own"
            ) from None
        raise


def _is_encodable(path: Path) -> bool:
    with suppress(UnicodeEncodeError):  # half of a character
        return bool(os.fsencode(path))
    return False


REFUSALS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG)


def _is_refusal(code: int, where: str | int | None, path: Path) -> bool:
    """Whether the system refuses to write at `path`, beside it, or in a folder above that is to be made.

    Writing into an open file names no place (`where` is None): then it is the disk that refuses.
    """
    if where is None:
        return code == errno.EROFS
    near = Path(str(where)).is_relative_to(path.parent) or path.is_relative_to(str(where))
    return near and code in REFUSALS


# ---------------------------------------------------------------------------------------------- reading

LONGEST_LINE = 32 * 2**20  # bytes; a row has a few thousand, so a file with a longer line is no file of rows


class BadLine(ValueError):
    """A line that holds no JSON, and what to do about it; `kind` is "not UTF-8" or "not JSON"."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(problem)
        self.kind = kind


def parse_line(line: bytes) -> Any:
    """The JSON value on a line.

    Raises:
        BadLine: If there is none; it names the column or byte.
    """
    try:
        return json.loads(line.decode())
    except UnicodeDecodeError as error:
        raise BadLine(
            "not UTF-8",
            f"byte {error.start + 1} of the line (0x{line[error.start]:02x}) is not UTF-8; "
            f"save the file with the encoding UTF-8",
        ) from None
    except json.JSONDecodeError as error:
        problem = f"invalid JSON at column {error.colno} ({error.msg}); a line must be one JSON object"
        raise BadLine("not JSON", problem) from None
    except (ValueError, RecursionError):
        raise BadLine("not JSON", "invalid JSON: a number is too long, or brackets are too deep") from None


def read_jsonl(path: Path | str) -> list[tuple[int, dict[str, Any]]]:
    """Read a file of one JSON object per line: (line number from 1, object) pairs. Blank lines are skipped.

    Raises:
        LabError: If the file is missing, empty, not UTF-8 or not JSON, or if a line is longer than LONGEST_LINE; it
            names file, line, and column or byte.
    """
    path = Path(path)
    try:
        content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")  # some editors put this mark before UTF-8
    except FileNotFoundError:
        raise LabError(f"{shown(path)}: no such file; check the path, which starts at {Path.cwd()}") from None
    except (OSError, ValueError) as error:  # ValueError: NUL or half of a character in the name
        reason = getattr(error, "strerror", None) or "no name of a file"
        raise LabError(f"{shown(path)}: cannot be read ({reason}); give another file") from None
    rows = []
    for number, line in enumerate(content.split(b"\n"), start=1):  # not splitlines: strings may hold U+2028
        if not line.strip():
            continue
        where = f"{shown(path)}:{number}"
        if len(line) > LONGEST_LINE:
            raise LabError(
                f"{where}: the line has {len(line):,} bytes, more than {LONGEST_LINE:,}; a line must be one row"
            )
        try:
            value = parse_line(line)
        except BadLine as error:
            raise LabError(f"{where}: {error}") from None
        if not isinstance(value, dict):
            raise LabError(f'{where}: a line must be one JSON object, such as {{"prompt": "..."}}')
        rows.append((number, value))
    if not rows:
        raise LabError(f"{shown(path)}: the file is empty; it must hold one JSON object a line")
    return rows


def sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_checksums(only: Path | str | Iterable[Path | str] | None = None, listing: Path | None = None) -> list[Path]:
    """Compare files with a listing in sha256sum's format.

    Args:
        only: A folder (all listed files in it) or the files to compare; by default every listed file.
        listing: By default `data/checksums.txt`; its paths start at its own folder.

    Returns:
        The files that were compared.

    Raises:
        LabError: Naming every file that is missing, changed or (if asked for by name) not listed.
    """
    listing = (listing or data() / "checksums.txt").absolute()
    if not listing.is_file():
        raise LabError(f"{shown(listing)}: no such file; restore it with `git restore {shown(listing)}`")
    expected = {}
    for number, line in enumerate(listing.read_text("utf-8", errors="replace").splitlines(), start=1):
        if not (match := re.fullmatch(r"([0-9a-f]{64}) [ *](.+)", line)):
            raise LabError(f"{shown(listing)}:{number}: not a line of sha256sum, `<64 hex digits>  <path>`")
        expected[listing.parent / match[2]] = match[1]

    if only is None:
        wanted = list(expected)
    elif isinstance(only, (str, Path)):
        folder = Path(only).absolute()
        wanted = [path for path in expected if path.is_relative_to(folder)] or [folder]
    else:
        wanted = [Path(path).absolute() for path in only]

    wrong = []
    for path in wanted:
        if path not in expected:
            wrong.append(f"{shown(path)} (not listed)")
        elif not path.is_file():
            wrong.append(f"{shown(path)} (missing)")
        elif sha256(path) != expected[path]:
            wrong.append(f"{shown(path)} (changed)")
    if wrong:
        raise LabError(
            f"files differ from {shown(listing)}: {', '.join(wrong)}; restore them with "
            f"`git restore {shown(listing.parent)}`, or list them anew if you changed them yourself"
        )
    return wanted

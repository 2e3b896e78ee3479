"""Students' copies of the labs: `work/` is made from `labs/`, and what was written there is never overwritten.

A copy belongs to the student as soon as the source of a cell is not what was copied. Outputs, execution counts,
metadata and empty cells do not count: running a lab does not make it one's own. `work/.copies.json` holds a digest
of the sources that each copy was made from; where that is lost, the copy is kept.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import nbformat

from .. import files
from ..files import ROOT, LabError, atomic_write, shown
from .notebooks import read

LABS = ROOT / "labs"
FIRST = "00_start_here.ipynb"

State = Literal["missing", "untouched", "yours", "outdated", "unknown", "unreadable"]
SAYS: dict[State, str] = {
    "outdated": "has changed in the repository; your copy is kept",
    "unknown": "differs from your copy, and it is not known what your copy was made from; your copy is kept",
    "unreadable": "cannot be opened in your folder: your copy is no longer a notebook; it is kept",
}


def find_lab(name: str) -> Path:
    """The repository's lab of that name: "03", "03_ppo", "ppo", a file's name or path.

    Raises:
        LabError: there is none, or more than one.
    """
    wanted = Path(name).name.removesuffix(".ipynb")
    labs = all_labs()
    exact = [lab for lab in labs if wanted in (lab.stem, *lab.stem.split("_", 1))]
    found = exact or [lab for lab in labs if wanted and lab.stem.startswith(wanted)]
    if len(found) != 1:
        raise LabError(f"no lab {shown(name)!r}: give one of {', '.join(lab.stem for lab in labs)}, or its number")
    return found[0]


def all_labs() -> list[Path]:
    """The repository's labs in their order.

    Raises:
        LabError: there are none.
    """
    labs = sorted(LABS.glob("*.ipynb"))
    if not labs:
        raise LabError(f"there are no labs in {shown(LABS)}: restore them with `git restore labs`")
    return labs


# ---------------------------------------------------------------------------------------------- copies


def prepare(fresh: str | None = None) -> list[str]:
    """Bring work/ up to date with labs/: copy what is missing, renew what nobody wrote in, keep the rest.

    Two calls at once do no harm: both write the same, and what is moved aside gets a name of its own.

    Args:
        fresh: a lab whose copy is moved to `NAME.mine-1.ipynb` (or the next free number) and made anew.

    Returns:
        What the student should know, a line each; nothing for what is as it should be.

    Raises:
        LabError: no such lab, work/ is labs/ itself, or it cannot be written.
    """
    labs, work = all_labs(), files.work()
    if work.resolve() == LABS.resolve():
        raise LabError(f"RLHF_WORK is {shown(LABS)} itself, which is never edited: give another folder")
    notes = []
    if fresh and (kept := _move_aside(copy := work / find_lab(fresh).name)):
        notes.append(f"Your {copy.name} is now {shown(kept)}")
    record = _read_record()
    before = dict(record)
    for lab in labs:
        original, copy = read(lab), work / lab.name
        current = _digest(original)
        state = _state(copy, record.get(lab.name), current)
        if state in ("missing", "untouched"):
            atomic_write(copy, _copy_text(original))
        if state in SAYS:
            number = lab.stem.split("_")[0]
            notes.append(f"{lab.name} {SAYS[state]}. For a new copy: python -m helpers lab --fresh {number}")
        if state not in ("outdated", "unreadable"):  # of these it is said every time
            record[lab.name] = current
    if record != before:
        atomic_write(_record_path(), json.dumps(record, indent=2) + "\n")
    return notes


def write_stored(lab: Path) -> Path:
    """Write `NAME.stored.ipynb` beside the copies: the lab with its stored outputs, to show or to read.

    What somebody wrote into an earlier one is moved aside.

    Raises:
        LabError: the folder cannot be written.
    """
    original, stored = read(lab), files.work() / f"{lab.stem}.stored.ipynb"
    if _state(stored, None, _digest(original)) in SAYS:
        _move_aside(stored)
    atomic_write(stored, nbformat.writes(original).rstrip("\n") + "\n")
    return stored


def _state(copy: Path, copied: str | None, current: str) -> State:
    if not copy.exists():
        return "missing"
    try:
        return compare(_digest(read(copy)), copied, current)
    except LabError:
        return "unreadable"


def compare(copy: str, copied: str | None, current: str) -> State:
    """What a copy is, by three digests.

    Args:
        copy: of the copy as it is.
        copied: of the lab when it was copied; None: not known.
        current: of the lab now.
    """
    if copy == current:
        return "yours"  # nothing to renew, and its outputs are the student's
    if copy == copied:
        return "untouched"
    if copied is None:
        return "unknown"
    return "yours" if copied == current else "outdated"


def _digest(notebook: nbformat.NotebookNode) -> str:
    """SHA-256 of what an author writes: type and source of every cell that is not empty."""
    cells = [(cell.cell_type, cell.source) for cell in notebook.cells if cell.source.strip()]
    return sha256(json.dumps(cells).encode()).hexdigest()


def _copy_text(notebook: nbformat.NotebookNode) -> str:
    """The file of a copy, with nothing run yet: a stored output would answer a prediction before it is made."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return nbformat.writes(notebook).rstrip("\n") + "\n"


def _move_aside(copy: Path) -> Path | None:
    """Rename a copy to the first free NAME.mine-N.ipynb; None if there is no copy."""
    if not copy.exists():
        return None
    number = 0
    while True:
        number += 1
        kept = copy.with_name(f"{copy.stem}.mine-{number}.ipynb")
        try:
            _rename_to_new(copy, kept)
            return kept
        except FileExistsError:
            continue
        except FileNotFoundError:  # another process has just moved it
            return None
        except OSError as error:
            raise LabError(
                f"cannot move {shown(copy)} ({error.strerror}): close the program that has it open, and "
                f"check that its folder can be written and its disk has space"
            ) from None


def _rename_to_new(path: Path, new: Path) -> None:
    """Rename a file, never onto another: of two at once, one gets FileExistsError.

    Killed on the way, it has both names; on a disk without hard links the new one may be an empty file.
    """
    try:
        os.link(path, new)
        remove = path.unlink
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:
        new.touch(exist_ok=False)
        remove = partial(os.replace, path, new)
    try:
        remove()
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise


def _record_path() -> Path:
    return files.work() / ".copies.json"


def _read_record() -> dict[str, str]:
    """Digests by file name; what cannot be read counts as lost, which only means that copies are kept."""
    try:
        record = json.loads(_record_path().read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


# ---------------------------------------------------------------------------------------------- JupyterLab


def open_lab(name: str, browser: bool = True, port: int | None = None, further: Sequence[str] = ()) -> None:
    """Run JupyterLab on work/, with the notebook of that name open, until it is stopped. It keeps its token.

    What it logs is cut to warnings and the address, unless the further options say otherwise.

    Args:
        name: of the file in work/.
        browser: open one, if this machine has one.
        port: default: JupyterLab's choice.
        further: JupyterLab's own options, such as "--ip=0.0.0.0".
    """
    browser = browser and has_browser()
    print(start_text(name, browser), flush=True)  # before the import, which takes a while
    from jupyterlab.labapp import LabApp

    _silence_announcements()
    options = jupyter_options(name, browser, port)
    if not any(option == "--debug" or "log" in option for option in further):
        options.append("--log-level=WARN")  # the address is still shown, and not buried
    LabApp.launch_instance([*options, *further])


def start_text(name: str, browser: bool) -> str:
    """What the terminal says first: what comes, where things are, how to stop, how to start over."""
    if browser:
        comes = "Opening it in your browser, in some seconds; if nothing opens, go to an address below."
    else:
        comes = "Open an address that ends in ?token=... in your browser; it is printed below in some seconds."
    work, runs = shown(files.work()), shown(files.runs())
    python = Path(sys.executable)
    helpers = f"{shown(python) if python.is_relative_to(ROOT) else 'python'} -m helpers"
    return "\n".join(
        [
            f"JupyterLab starts with {name}. {comes}",
            f"  where        what you write is in {work}, what you train in {runs}",
            "  to stop      Ctrl + C twice, here",
            f"  start over   a lab: {helpers} lab --fresh {name.split('_')[0]}; training: delete {runs}",
            f"  in trouble   {helpers} doctor",
        ]
    )


def jupyter_options(name: str, browser: bool, port: int | None = None) -> list[str]:
    """JupyterLab's options for the notebook `name` in work/."""
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [
        f"--ServerApp.root_dir={files.work()}",
        f"--LabApp.default_url=/lab/tree/{quote(name)}",
        "--LabApp.extension_manager=readonly",  # nothing is installed from the network by a click
        *([] if browser else ["--no-browser"]),
        *([f"--port={port}"] if port is not None else []),
        *(["--allow-root"] if is_root else []),
    ]


def has_browser() -> bool:
    """Whether this machine can show a browser window, as far as one can tell."""
    shows = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.platform in ("win32", "darwin") or any(os.environ.get(name) for name in shows)


def _silence_announcements() -> None:
    """Turn off JupyterLab's news and version checks, which would call home, without touching the user's settings."""
    folder = files.work() / ".jupyter"
    page = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
    atomic_write(folder / "labconfig" / "page_config.json", json.dumps(page) + "\n")
    paths = [str(folder), os.environ.get("JUPYTER_CONFIG_PATH")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))

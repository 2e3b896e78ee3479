"""Execute the labs and store their outputs so that only what is deterministic remains.

The stored outputs serve two readers: the student who has not run the lab yet, and nbval, which runs it
again and compares. Whatever differs between two good runs (widget ids, timings, addresses, warnings) is noise
to both. The patterns that nbval blanks (tests/nbval_sanitize.cfg) are blanked here as well.
"""

from __future__ import annotations

import os
import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from ..files import ROOT, LabError, atomic_write, is_broken_text, shown

CELL_TIMEOUT = 300  # seconds; nbval's limit in the Makefile is the same

KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE_INFO = {"name": "python"}
AUTHORED_METADATA = {"deletable", "editable", "jupyter", "slideshow", "tags"}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def execute_and_normalize(path: str | Path, timeout: int = CELL_TIMEOUT) -> bool:
    """Run a notebook from top to bottom, in its own folder and this Python, and store the normalized outputs.

    Args:
        path: the notebook; it is replaced only if its content changed, and whole or not at all.
        timeout: seconds that one cell may take.

    Returns:
        Whether the file changed.

    Raises:
        LabError: the file is no notebook, or a cell failed; the file is left as it was.
    """
    path = Path(path)
    text = normalized_text(_execute(read(path), path, timeout))
    if text == path.read_text("utf-8"):
        return False
    atomic_write(path, text)
    return True


def read(path: str | Path) -> NotebookNode:
    """Read a notebook (nbformat 4).

    Raises:
        LabError: there is no such file, or it is no notebook.
    """
    try:
        notebook = nbformat.read(path, as_version=4)
        problem = _shape_problem(notebook)
    except FileNotFoundError:
        raise LabError(f"{shown(path)}: no such notebook") from None
    except Exception as error:  # nbformat's old converters raise anything on a malformed file
        problem = ascii(_one_line(error))[1:-1][:200]
    if problem:
        raise LabError(f"{shown(path)}: not a notebook: {problem}; download it again, or save it anew in JupyterLab")
    return notebook


def _shape_problem(notebook: NotebookNode) -> str:
    """What is wrong, if these modules could not rely on the cells; nbformat lets pass almost anything."""
    for number, cell in enumerate(_list(notebook, "cells"), start=1):
        kind = cell.get("cell_type")
        if kind not in ("code", "markdown", "raw") or not isinstance(cell.get("source"), str):
            return f"cell {number} has no kind or no text"
        if is_broken_text(cell.source):
            return f"cell {number} holds half of a character"
        if not isinstance(cell.setdefault("metadata", NotebookNode()), dict):
            return f"cell {number} has metadata that are no object"
        if kind == "code" and not isinstance(cell.setdefault("execution_count", None), int | None):
            return f"cell {number} has an execution count that is no number"
        if kind == "code" and not all(map(_is_output, _list(cell, "outputs"))):
            return f"cell {number} has an output of no known form"
    return ""


def _list(node: NotebookNode, name: str) -> list[NotebookNode]:
    """The list of objects under that name, empty if there is none; ValueError if it is something else."""
    found = node.setdefault(name, [])
    if not isinstance(found, list) or not all(isinstance(part, NotebookNode) for part in found):
        raise ValueError(f"its {name} are no list of objects")
    return found


def _is_output(output: NotebookNode) -> bool:
    match output.get("output_type"):
        case "stream":
            return isinstance(output.get("name"), str) and isinstance(output.get("text"), str)
        case "display_data" | "execute_result":
            return isinstance(output.get("data"), dict) and isinstance(output.get("metadata", {}), dict)
        case "error":
            lines = output.get("traceback")
            texts = [output.get("ename"), output.get("evalue"), *(lines if isinstance(lines, list) else [None])]
            return all(isinstance(text, str) for text in texts)
    return False


def client_for(notebook: NotebookNode, timeout: int, **options: Any) -> NotebookClient:
    """The client that executes a notebook in this Python.

    Args:
        notebook: outputs are put into it.
        timeout: seconds that one cell may take.
        **options: further ones of NotebookClient.
    """
    return NotebookClient(
        notebook,
        # Without kernel folders, "python3" is the Python that runs this, whatever else is installed.
        km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[])),
        timeout=timeout,
        store_widget_state=False,  # a FigureWidget's state alone is 5 MB
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        **options,
    )


def problem(error: BaseException, timeout: int) -> str:
    """What made an execution end early, in one line."""
    match error:
        case CellExecutionError():
            return f"{error.ename}: {_one_line(error.evalue)}"
        case CellTimeoutError():
            return f"took longer than {timeout} s"
        case DeadKernelError():
            return "the kernel died (out of memory?)"
    return f"{type(error).__name__}: {_one_line(error)}"


def place(number: int, source: str) -> str:
    """How messages name the cell `In [number]`: with its first line."""
    return f"cell [{number}] ({source.strip().splitlines()[0]})"


def _execute(notebook: NotebookNode, path: Path, timeout: int) -> NotebookNode:
    started: list[str] = []  # the source of each cell, in the order of execution
    client = client_for(notebook, timeout, on_cell_execute=lambda cell, **_: started.append(cell.source))
    folder = path.resolve().parent
    try:
        return client.execute(cwd=str(folder), env=os.environ | {"PWD": str(folder)}, cleanup_kc=True)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        where = place(len(started), started[-1]) if started else "before the first cell"
        raise LabError(f"{shown(path)}, {where}: {problem(error, timeout)}") from None


def normalized_text(notebook: NotebookNode) -> str:
    """The content of the notebook's file once normalized."""
    return nbformat.writes(normalize(notebook)).rstrip("\n") + "\n"


def normalize(notebook: NotebookNode) -> NotebookNode:
    """A copy with only what its author wrote and what every run of it repeats; idempotent."""
    cells: list[NotebookNode] = []
    seen: set[str] = set()
    count = 0
    for cell in notebook.cells:
        clean = NotebookNode(
            id=_unused_id(cell, seen),
            cell_type=cell.cell_type,
            metadata={key: cell.metadata[key] for key in cell.metadata if key in AUTHORED_METADATA},
            source=cell.source,
        )
        if "attachments" in cell:
            clean.attachments = cell.attachments
        if cell.cell_type == "code":
            executed = cell.execution_count is not None and bool(cell.source.strip())
            count += executed
            clean.execution_count = count if executed else None
            clean.outputs = _normalize_outputs(cell.outputs, clean.execution_count) if executed else []
        cells.append(nbformat.from_dict(clean))
    metadata = {"kernelspec": KERNELSPEC, "language_info": LANGUAGE_INFO}
    return nbformat.from_dict({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})


def _unused_id(cell: NotebookNode, seen: set[str]) -> str:
    """The cell's own id, or one made from its text if it has none or shares it."""
    number, candidate = 0, cell.get("id")
    while not candidate or candidate in seen:
        candidate = sha256(f"{number} {cell.cell_type} {cell.source}".encode()).hexdigest()[:8]
        number += 1
    seen.add(candidate)
    return candidate


def _normalize_outputs(outputs: list[NotebookNode], execution_count: int) -> list[NotebookNode]:
    kept: list[NotebookNode] = []
    for output in map(nbformat.from_dict, outputs):
        match output.output_type:
            case "stream" if output.name == "stderr":
                continue  # warnings and progress bars; they differ between machines
            case "stream" if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text  # how a stream is cut into messages is a matter of timing
                continue
            case "display_data" | "execute_result":
                # A view without its widget shows as an error; the text beside it says what to do.
                output.data = {kind: data for kind, data in output.data.items() if kind != WIDGET_VIEW}
                if not output.data:
                    continue
                if output.output_type == "execute_result":
                    output.execution_count = execution_count
            case "error":
                output.traceback = [f"{output.ename}: {output.evalue}"]  # the full one is full of paths
        kept.append(output)
    return [_sanitize_output(output) for output in kept]


def _sanitize_output(output: NotebookNode) -> NotebookNode:
    if output.output_type == "stream":
        output.text = sanitize(output.text)
    elif output.output_type == "error":
        output.evalue = sanitize(output.evalue)
        output.traceback = [sanitize(line) for line in output.traceback]
    else:
        output.data = {k: sanitize(v) if isinstance(v, str) else v for k, v in output.data.items()}
    return nbformat.from_dict(output)


def sanitize(text: str) -> str:
    """Blank what differs between two good runs, by the same patterns as nbval."""
    for pattern, replacement in sanitize_patterns():
        text = re.sub(pattern, replacement, text)
    return text


@cache
def sanitize_patterns() -> tuple[tuple[str, str], ...]:
    """The (regex, replacement) pairs of tests/nbval_sanitize.cfg, read as nbval reads them."""
    text = (ROOT / "tests" / "nbval_sanitize.cfg").read_text("utf-8")
    return tuple(re.findall(r"^regex: (.*)$\n^replace: (.*)$", text, flags=re.MULTILINE))


def _one_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__

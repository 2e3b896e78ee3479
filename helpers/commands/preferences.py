"""The command that inspects a preference set."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError, Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import files
from ..files import LabError
from .registry import JSON, argument, command, positive

if TYPE_CHECKING:  # at run time a command imports what it needs
    from ..preferences import Preference


def _columns(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(ours and theirs for ours, _, theirs in pairs):
        raise ArgumentTypeError(f"must be like prompt=question,chosen=best, not {text!r}")
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}


@command(
    "inspect",
    "say what a preference set is like: repeats, contradictions, leaks, shortcuts",
    argument(
        "set",
        nargs="?",
        help="a file or folder (.jsonl, .json, .csv, .parquet, also .gz), a Hub id, or train, validation or test: a "
        "split of the shipped set; default: the whole set",
    ),
    argument(
        "--columns",
        type=_columns,
        metavar="OURS=THEIRS,...",
        help="what the set calls our fields, as in prompt=question,chosen=best; default: guessed, and shown",
    ),
    argument("--split", help="read this split only"),
    argument("--limit", type=positive, help="read at most this many rows"),
    argument("--report", type=Path, metavar="FILE", help="default: runs/inspect/NAME.html"),
    JSON,
)
def _inspect(args: Namespace) -> int:
    from ..preferences import Reading, load_preferences, stream_preferences
    from ..preferences.diagnostics import diagnose, file_name, summary
    from ..views.diagnostics import report_html

    report = args.report or files.runs() / "inspect" / file_name(args.set)
    for target in (report, args.json):
        if args.set and target and target.resolve() == Path(args.set).resolve():
            raise LabError(f"{files.shown(target)} is the set itself: give the report a name of its own")
    options: dict[str, Any] = {"columns": args.columns, "split": args.split, "limit": args.limit}
    rows: Iterable[Preference]
    if args.set in (None, *files.SPLITS):
        rows = shipped = load_preferences(args.set, **options)
        reading = shipped.reading
    else:
        reading = Reading()
        rows = stream_preferences(args.set, **options, reading=reading)
    found = diagnose(rows, args.set or "the shipped set", reading)
    page, numbers = report_html(found), json.dumps(found.as_dict(), indent=2) + "\n"
    files.atomic_write(report, page)
    if args.json:
        files.atomic_write(args.json, numbers)
    print(summary(found), "", f"written: {files.shown(report)}", sep="\n")
    return 0

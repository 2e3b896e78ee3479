"""Commands for students and teachers: set up, open the labs, check them, grade notebooks."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from .. import files
from ..files import LabError
from .registry import JSON, PROFILE, argument, command, positive


@command("doctor", "say what this machine can run, and what to do about each problem", PROFILE)
def _doctor(args: Namespace) -> int:
    from ..classroom import doctor

    checks = doctor.check(args.profile)
    print(doctor.report(checks))
    return int(any(check.status == "problem" for check in checks))


@command(
    "lab",
    "open JupyterLab on your own copies of the labs, in work/ (or $RLHF_WORK)",
    argument("name", nargs="?", help="the lab to open, such as 03 or 03_ppo; default: the first"),
    argument(
        "--fresh", action="store_true", help="make a new copy of this lab; yours is kept beside it as NAME.mine-1.ipynb"
    ),
    argument("--stored", action="store_true", help="open this lab with all its stored outputs, to read or to show"),
    argument("--no-browser", action="store_true", help="only print the address"),
    argument("--port", type=positive, help="default: 8888, or the next one that is free"),
    further="Further options go to JupyterLab; write those with a value as --NAME=VALUE.",
)
def _lab(args: Namespace) -> int:
    from ..classroom import workspace

    if args.fresh and not args.name:
        raise LabError("--fresh makes a new copy of one lab: name the lab, as in `python -m helpers lab --fresh 03`")
    lab = workspace.find_lab(args.name or workspace.FIRST)
    for note in workspace.prepare(fresh=args.name if args.fresh else None):
        print(note)
    name = workspace.write_stored(lab).name if args.stored else lab.name
    workspace.open_lab(name, not args.no_browser, args.port, args.further)
    return 0


@command(
    "check-labs",
    "before class: execute the labs, from nothing, and report on each",
    PROFILE,
    argument("labs", nargs="*", help="labs (03, 03_ppo) or notebooks of your own; default: all labs"),
    argument("--limit", type=positive, default=300, help="seconds that one cell may take; default: 300"),
    JSON,
)
def _check_labs(args: Namespace) -> int:
    from ..classroom import check_labs

    results = check_labs.check(args.labs, args.profile, args.limit)
    print(check_labs.report(results))
    if args.json:
        check_labs.write_json(results, args.json)
    return int(not all(result.ok for result in results))


@command(
    "grade",
    "run the checks of students' notebooks, and write a table and a summary",
    argument("folder", type=Path, help="a folder of notebooks, or of one folder for each student"),
    argument("--out", type=Path, help="folder for grades.csv and summary.md; default: the folder with the notebooks"),
)
def _grade(args: Namespace) -> int:
    from ..classroom.grading import grade, summary, write_csv

    grades = []
    for row in grade(args.folder):
        grades.append(row)
        print(f"{row.notebook}: {row.exercise or row.message} {row.result}")
    out = args.out or args.folder
    write_csv(out / "grades.csv", grades)
    files.atomic_write(out / "summary.md", summary(grades))
    print(f"written: {files.shown(out / 'grades.csv')} and summary.md")
    return 0

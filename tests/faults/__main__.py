"""Kill processes in every scenario, or let the disk refuse, and print what was lost (`make soak`)."""

from __future__ import annotations

import argparse
import errno
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from .harness import Figures, Killer, soak
from .scenarios import CARELESS, SCENARIOS, SHORT


def main() -> int:
    if sys.argv[1:2] == ["--inside"]:  # the process that `soak` starts
        inside(*sys.argv[2:])
        return 0

    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"default: all of {', '.join(SCENARIOS)}")
    parser.add_argument("--kills", type=int, default=30, help="how many of each scenario (default: 30)")
    parser.add_argument("--each-call", action="store_true", help="instead, one kill at each call that changes the disk")
    parser.add_argument("--disk", choices=DISKS, help="instead, a disk that is so from some call on")
    parser.add_argument("--seed", type=int, default=0, help="of the moments; another one finds other moments")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the figures, too")
    options = parser.parse_args()
    if unknown := set(options.scenarios) - set(SCENARIOS):
        parser.error(f"no scenario {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")

    print(f"| scenario | {' | '.join(COUNTS.values())} |", "| --- |" + " --: |" * len(COUNTS), sep="\n", flush=True)
    found = []
    for name in options.scenarios or SCENARIOS:
        started = time.monotonic()
        kills = None if options.each_call and not options.disk else options.kills
        figures = soak(name, kills, options.seed, DISKS.get(options.disk, 0))
        found.append(
            {key: getattr(figures, key) for key in ("name", *COUNTS, "calls", "reads", "problems")}
            | {"seconds": round(time.monotonic() - started)}
        )
        print(row(SCENARIOS[name].__doc__.splitlines()[0], figures), flush=True)
    total = Figures("all", **{key: sum(f[key] for f in found) for key in COUNTS})
    print(row("all", total))
    for problem in (problem for figures in found for problem in figures["problems"]):
        print(problem, file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps({"seed": options.seed, "scenarios": found}, indent=1) + "\n")
    return bool(total.lost or total.half)


def inside(root: str, name: str, kills: str, seed: str, error: str) -> None:
    figures = Figures(name)
    killer = Killer((SCENARIOS | SHORT | CARELESS)[name](), figures, int(seed), Path(root))
    if int(error):
        killer.refused(int(error), int(kills))
    elif int(kills):
        killer.at_random(int(kills))
    else:
        killer.at_each_call()
    print(json.dumps(asdict(figures) | {"messages": sorted(figures.messages)}))


DISKS = {"full": errno.ENOSPC, "read-only": errno.EROFS}
COUNTS = {
    "kills": "kills",
    "in_a_step": "within a step",
    "at_a_call": "at a chosen call",
    "refusals": "refused with a message",
    "done": "steps acknowledged",
    "ends": "restarted to the end",
    "lost": "lost",
    "half": "half",
}


def row(says: str, figures: Figures) -> str:
    return f"| {says} | {' | '.join(str(getattr(figures, key)) for key in COUNTS)} |"


if __name__ == "__main__":
    sys.exit(main())

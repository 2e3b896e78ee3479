"""The headline numbers: the whole pipeline with three PPO seeds, and the time of every lab.

    python -m benchmarks    both; about 20 minutes on two cores (`make bench` goes on with the other benchmarks)
    python -m benchmarks --skip-labs

Nothing else should run meanwhile. The numbers go to benchmarks/results.json, from which the README's table is written.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from helpers import files

RESULTS = Path(__file__).with_name("results.json")


def time_labs() -> dict[str, float]:
    """Seconds that nbval takes for each lab, from an empty `runs/`."""
    seconds = {}
    for lab in sorted((files.ROOT / "labs").glob("*.ipynb")):
        started = time.perf_counter()
        subprocess.run(["make", "nbval", f"LABS={lab.relative_to(files.ROOT)}"], cwd=files.ROOT, check=True)
        seconds[lab.stem] = round(time.perf_counter() - started, 1)
    return seconds | {"total": round(sum(seconds.values()), 1)}


def measure_pipeline(seeds: int, reuse: bool = False) -> dict:
    """`python -m helpers pipeline` in a folder of its own; with `reuse`, on the shipped SFT and reward adapters."""
    with tempfile.TemporaryDirectory() as runs:
        target = Path(runs) / "pipeline.json"
        options = f"--profile tiny --seeds {seeds} {'--reuse' if reuse else ''} --json".split()
        subprocess.run(
            [sys.executable, "-m", "helpers", "pipeline", *options, str(target)],
            cwd=files.ROOT,
            env={**os.environ, "RLHF_RUNS": runs, "RLHF_WORK": runs},
            check=True,
        )
        return json.loads(target.read_text("utf-8"))


def main() -> None:
    """Measure what the command line asks for, and write benchmarks/results.json."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="PPO seeds; default: 3")
    parser.add_argument("--reuse", action="store_true", help="do not train SFT and reward model again")
    parser.add_argument("--skip-labs", action="store_true", help="leave the labs' times out")
    parser.add_argument("--skip-pipeline", action="store_true", help="leave the pipeline out")
    args = parser.parse_args()
    results = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    results["machine"] = {"cores": os.cpu_count(), "python": platform.python_version()}
    if not args.skip_pipeline:
        results["pipeline"] = measure_pipeline(args.seeds, args.reuse)
    if not args.skip_labs:
        results["lab_seconds"] = time_labs()
    files.atomic_write(RESULTS, json.dumps(results, indent=2) + "\n")
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()

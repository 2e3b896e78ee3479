"""Commands that make what the workbook ships: answers of lab 04, experiments, data, the labs' stored outputs."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from .. import files
from ..experiments import experiment_names, make_experiment, write_results
from .progress import show
from .registry import PROFILE, argument, command, positive


@command(
    "grid",
    "lab 04's grid: every model by every prompting technique on every task, with intervals",
    PROFILE,
    argument("models", nargs="*", help="Hub ids or folders; default: the tiny ones (on a GPU: the real ones)"),
    argument("--csv", type=Path, metavar="FILE", help="write the table to FILE, too"),
    argument("--ship", action="store_true", help="ask what has no shipped answers yet, and write the answers to data/"),
)
def _grid(args: Namespace) -> int:
    from ..experiments import prompting_grid
    from ..models.profiles import get_profile
    from ..prompting.grid_summary import summary
    from ..runs.stages import load_shared

    profile = get_profile(args.profile)
    shared = load_shared(profile, policy_from="ppo")
    models, absent = prompting_grid.all_models(shared, args.models or prompting_grid.wanted(profile))
    for name, reason in absent.items():
        print(f"{name} is left out: {reason}", file=sys.stderr)
    if args.ship:
        print(f"written: {files.shown(prompting_grid.ship(models))}")
    table = summary(prompting_grid.ask_all(models))
    print(table.to_string(index=False, float_format="%.2f"))
    if args.csv:
        files.atomic_write(args.csv, table.to_csv(index=False))
    return 0


@command(
    "experiment",
    "make the experiments of labs 02 (reward_models), 03 (adapted_layers), 05 (overoptimization) and "
    "06 (direct_alignment) again; hours",
    PROFILE,
    argument("name", choices=experiment_names(), help="which one"),
    argument("--seeds", type=positive, default=3, help="of every training; default: 3"),
    argument("--processes", type=positive, help="how many at once, one core each; default: one for each core"),
    argument("--ship", action="store_true", help="write the results to data/"),
)
def _experiment(args: Namespace) -> int:
    from ..experiments.collect_data import write_checksums
    from ..experiments.runner import make_all, own_folder
    from ..models.profiles import get_profile

    experiment = make_experiment(args.name, get_profile(args.profile), args.seeds)
    for part in make_all(experiment, args.processes):
        print(f"{part['part']}: {'made' if part['made'] else 'there already'}", flush=True)
    folder = files.data() / args.name if args.ship else own_folder(experiment.profile.name, args.name)
    write_results(experiment, folder)
    if args.ship:
        write_checksums()
    print(f"written to {files.shown(folder)}")
    return 0


@command(
    "data",
    "make the shipped data again: prompts, demonstrations, preference pairs, ratings, labels, adapters, recordings",
    argument(
        "part",
        nargs="?",
        choices=("all", "prompts", "preferences", "labels", "adapters", "recordings", "gallery", "checksums"),
        default="all",
        help="default: all",
    ),
)
def _data(args: Namespace) -> int:
    from ..experiments import collect_data, failures
    from ..models.profiles import get_profile
    from ..models.shared_base import SharedBase
    from ..runs import stages
    from ..training.ppo_config import PPOConfig

    profile = get_profile("tiny")
    if args.part in ("all", "prompts"):
        collect_data.collect_prompts()
    if args.part in ("all", "preferences"):
        show(stages.sft(profile), profile.sft.steps, "sft")
        shared = SharedBase.load(profile, sft=collect_data.ship("sft"))
        show(collect_data.collect_preferences(shared), 3, "preferences")
    if args.part in ("all", "labels"):
        collect_data.collect_demo_labels()
    if args.part in ("all", "adapters"):
        show(stages.reward_model(profile), profile.reward_model.steps, "reward model")
        collect_data.ship("reward_model")
        show(stages.ppo(profile), PPOConfig().updates, "ppo")
        collect_data.ship("ppo")
        show(stages.dpo(profile), profile.dpo.steps, "dpo")
        collect_data.ship("dpo")
    if args.part in ("all", "recordings"):
        show(stages.record_shipped(profile), None, "recordings")
    if args.part in ("all", "gallery"):
        show(failures.record_all(profile), None, "failure gallery")
    collect_data.write_checksums()
    return 0


@command(
    "notebooks",
    "execute the labs in place and normalize their outputs",
    argument("paths", nargs="*", type=Path, help="default: all of labs/"),
)
def _notebooks(args: Namespace) -> int:
    from ..classroom import notebooks

    for path in args.paths or sorted((files.ROOT / "labs").glob("*.ipynb")):
        changed = notebooks.execute_and_normalize(path)
        print(f"{files.shown(path.resolve())}: {'updated' if changed else 'unchanged'}", flush=True)
    return 0

"""The command line: `python -m helpers COMMAND`, for people without a notebook and for batch machines."""

import argparse
import json
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from . import __version__, files
from .files import LabError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers",
        description="RLHF on a laptop: preference data, reward model, PPO with 4-bit LoRA, and their measurements.",
        epilog="Results go to runs/ (or $RLHF_RUNS). Start with: python -m helpers doctor",
    )
    parser.add_argument("--version", action="version", version=f"rlhf-labs {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, help: str, profile: bool = True) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        if profile:
            sub.add_argument(
                "--profile",
                help="tiny (default), llama2-7b, or a Llama-2 checkpoint's folder or Hub id; default: $RLHF_PROFILE",
            )
        return sub

    command("doctor", "say what this machine can run, and what to do about each problem")

    lab = command("lab", "open JupyterLab on your own copies of the labs, in work/ (or $RLHF_WORK)", profile=False)
    lab.add_argument("name", nargs="?", help="the lab to open, such as 03 or 03_ppo; default: the first")
    lab.add_argument(
        "--fresh", action="store_true", help="make a new copy of this lab; yours is kept beside it as NAME.mine-1.ipynb"
    )
    lab.add_argument("--no-browser", action="store_true", help="only print the address")
    lab.add_argument("--port", type=_positive, help="default: 8888, or the next one that is free")
    lab.epilog = "Further options go to JupyterLab; write those with a value as --NAME=VALUE."

    check_labs = command("check-labs", "before class: execute the labs, from nothing, and say what came of each")
    check_labs.add_argument("labs", nargs="*", help="labs (03, 03_ppo) or notebooks of your own; default: all labs")
    check_labs.add_argument("--limit", type=_positive, default=300, help="seconds that one cell may take; default: 300")
    check_labs.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE, too")

    grade = command("grade", "run the checks of students' notebooks, and write a table and a summary", profile=False)
    grade.add_argument("folder", type=Path, help="a folder of notebooks, or of one folder for each student")
    grade.add_argument("--out", type=Path, help="folder for grades.csv and summary.md; default: the graded one")

    train = command("train", "train one stage; the next stage takes its result from runs/")
    train.add_argument(
        "stage",
        choices=("base", "gpt2", "t5", "sft", "reward", "ppo", "dpo"),
        help="base, gpt2, t5: the tiny models from nothing (CPU, about an hour each)",
    )
    train.add_argument("--seed", type=_seed, default=0, help="default: 0")
    train.add_argument(
        "--steps",
        type=_positive,
        help="optimizer steps (ppo: updates; base, gpt2, t5: of each phase); default: the profile's",
    )
    train.add_argument("--beta", type=float, help="ppo and dpo: KL coefficient")
    train.add_argument(
        "--fresh", action="store_true", help="begin anew; default: go on from the checkpoint of a stopped run"
    )
    train.add_argument("--record", metavar="NAME", help="keep the records in runs/, to be replayed in a lab")
    train.add_argument("--output", type=Path, help="base, gpt2, t5: folder to write; default: its own in data/models")

    inspect = command(
        "inspect", "say what a preference set is like: repeats, contradictions, leaks, shortcuts", profile=False
    )
    inspect.add_argument(
        "set",
        nargs="?",
        help="a file or folder (.jsonl, .json, .csv, .parquet, also .gz), a Hub id, or train, validation or test: a "
        "split of the shipped set; default: the whole of it",
    )
    inspect.add_argument(
        "--columns",
        type=_columns,
        metavar="OURS=THEIRS,...",
        help="what the set calls our fields, as in prompt=question,chosen=best; default: guessed, and shown",
    )
    inspect.add_argument("--split", help="read this split only")
    inspect.add_argument("--limit", type=_positive, help="read so many rows at the most")
    inspect.add_argument("--report", type=Path, metavar="FILE", help="default: runs/inspect/NAME.html")
    inspect.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE, too")

    evaluate = command("evaluate", "sample base, SFT and PPO model on held-out prompts and compare them")
    evaluate.add_argument("--n", type=_positive, default=512, help="held-out prompts; default: 512")
    evaluate.add_argument("--seed", type=_seed, default=0, help="default: 0")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE, too")

    pipeline = command("pipeline", "the whole sequence: SFT, reward model, PPO, evaluation, with every headline number")
    pipeline.add_argument("--seed", type=_seed, default=0, help="first seed; default: 0")
    pipeline.add_argument(
        "--seeds", type=_positive, default=1, help="PPO runs, each with a seed of its own; default: 1"
    )
    pipeline.add_argument("--n", type=_positive, default=512, help="held-out prompts; default: 512")
    pipeline.add_argument("--reuse", action="store_true", help="take SFT adapter and reward model where there are some")
    pipeline.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE, too")

    asking = command("grid", "lab 04's grid: every model by every prompting technique on every task, with intervals")
    asking.add_argument(
        "models", nargs="*", help="Hub ids or folders; default: the tiny ones (on a GPU: the real ones)"
    )
    asking.add_argument("--csv", type=Path, metavar="FILE", help="write the table to FILE, too")
    asking.add_argument(
        "--ship", action="store_true", help="ask what has no shipped answers, and write them to data/, for everybody"
    )

    sweep = command(
        "sweep", "make the experiments of labs 02 (reward_study), 05 (overoptimization) and 06 (alignment) again; hours"
    )
    names = ("overoptimization", "alignment", "reward_study")
    sweep.add_argument("experiment", nargs="?", choices=names, default=names[0], help="default: overoptimization")
    sweep.add_argument("--seeds", type=_positive, default=3, help="of everything; default: 3")
    sweep.add_argument("--processes", type=_positive, help="side by side, a core each; default: as many as cores")
    sweep.add_argument("--ship", action="store_true", help="write what was found to data/, for everybody")

    data = command(
        "data",
        "make the shipped data again: prompts, demonstrations, preference pairs, ratings, labels, adapters, recordings",
        profile=False,
    )
    data.add_argument(
        "part",
        nargs="?",
        choices=("all", "prompts", "preferences", "labels", "adapters", "recordings", "gallery", "checksums"),
        default="all",
        help="default: all",
    )

    notebooks = command("notebooks", "execute the labs in place and normalize their outputs", profile=False)
    notebooks.add_argument("paths", nargs="*", type=Path, help="default: all of labs/")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"must be from 0 to {2**32 - 1}, not {value}")
    return value


def _columns(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(ours and theirs for ours, _, theirs in pairs):
        raise argparse.ArgumentTypeError(f"must be like prompt=question,chosen=best, not {text!r}")
    return {ours.strip(): theirs.strip() for ours, _, theirs in pairs}


def _show(stream: Iterator[dict], total: int | None, label: str):
    """Run a stream of records behind a progress bar; return what it returns."""
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=label, unit="step", file=sys.stderr) as bar:
        while True:
            try:
                record = next(stream)
            except StopIteration as end:
                return end.value
            bar.update()
            stage = "/".join(str(record[key]) for key in ("stage", "recording", "seed") if key in record)
            if stage:
                bar.set_description_str(stage)
            shown = ("loss", "heldout_loss", "accuracy", "reward", "kl", "gold", "split", "pairs")
            bar.set_postfix({k: record[k] for k in shown if k in record})


def _write_json(path: Path | None, numbers: dict) -> None:
    text = json.dumps(numbers, indent=2) + "\n"
    print(text, end="")
    if path:
        files.atomic_write(path, text)


def _doctor(args: argparse.Namespace) -> int:
    from .classroom import doctor

    checks = doctor.check(args.profile)
    print(doctor.report(checks))
    return int(any(check.status == "problem" for check in checks))


def _lab(args: argparse.Namespace) -> int:
    from .classroom import workspace

    if args.fresh and not args.name:
        raise LabError("--fresh makes a new copy of one lab: say which, as in `python -m helpers lab --fresh 03`")
    lab = workspace.find_lab(args.name or workspace.FIRST)
    for note in workspace.prepare(fresh=args.name if args.fresh else None):
        print(note)
    workspace.open_lab(lab, not args.no_browser, args.port, args.further)
    return 0


def _check_labs(args: argparse.Namespace) -> int:
    from .classroom import check_labs

    results = check_labs.check(args.labs, args.profile, args.limit)
    print(check_labs.report(results))
    if args.json:
        check_labs.write_json(results, args.json)
    return int(not all(result.ok for result in results))


def _grade(args) -> int:
    from .classroom.grading import grade, summary, write_csv

    grades = []
    for row in grade(args.folder):
        grades.append(row)
        print(f"{row.notebook}: {row.exercise or row.message} {row.result}")
    out = args.out or args.folder
    write_csv(out / "grades.csv", grades)
    files.atomic_write(out / "summary.md", summary(grades))
    print(f"written: {files.shown(out / 'grades.csv')} and summary.md")
    return 0


def _train_from_nothing(args: argparse.Namespace) -> int:
    from .training.pretraining.base import BaseConfig, train_base
    from .training.pretraining.gpt2 import GPT2Recipe, train_gpt2
    from .training.pretraining.t5 import T5Recipe, train_t5

    make, train, names, phases = {
        "base": (BaseConfig, train_base, ["tiny-llama2"], ("steps", "copy_steps")),
        "gpt2": (GPT2Recipe, train_gpt2, ["tiny-gpt2"], ("steps", "answer_steps", "few_shot_steps")),
        "t5": (T5Recipe, train_t5, ["tiny-t5", "tiny-flan-t5"], ("steps", "tuning_steps")),
    }[args.stage]
    parent = files.data() / "models"
    folders = [args.output or parent / names[0], *((args.output or parent).parent / name for name in names[1:])]
    config = make(seed=args.seed, **(dict.fromkeys(phases, args.steps) if args.steps else {}))
    _show(train(*folders, config), sum(getattr(config, phase) for phase in phases), args.stage)
    print(f"written: {', '.join(map(files.shown, folders))}")
    return 0


def _train(args: argparse.Namespace) -> int:
    from .models.profiles import get_profile

    profile = get_profile(args.profile)
    if args.stage in ("base", "gpt2", "t5"):
        return _train_from_nothing(args)
    from .runs import stages
    from .runs.artifacts import Artifacts
    from .training.distributed import Distributed
    from .training.ppo_config import PPOConfig

    distributed = Distributed.from_environment(cpu=not profile.needs_gpu)
    if distributed.size > 1 and args.stage != "ppo":
        raise LabError(f"{args.stage} runs in one process; only ppo can be started in several")
    keeping = {"resume": not args.fresh, "record": args.record}
    if args.stage == "ppo":
        changes = {"updates": args.steps, "beta": args.beta}
        config = PPOConfig.of(profile, seed=args.seed, **{k: v for k, v in changes.items() if v is not None})
        run = stages.ppo(profile, config=config, distributed=distributed, **keeping)
        if not distributed.is_main_process:
            deque(run, maxlen=0)  # the first process shows how it goes
            return 0
        _show(run, config.updates, "ppo")
    elif args.stage == "sft":
        _show(stages.sft(profile, seed=args.seed, steps=args.steps, **keeping), args.steps or profile.sft.steps, "sft")
    elif args.stage == "dpo":
        beta = {} if args.beta is None else {"beta": args.beta}
        run = stages.dpo(profile, seed=args.seed, steps=args.steps, **beta, **keeping)
        _show(run, args.steps or profile.dpo.steps, "dpo")
    else:
        steps = args.steps or profile.reward_model.steps
        _show(stages.reward_model(profile, seed=args.seed, steps=args.steps, **keeping), steps, "reward model")
    name = {"reward": "reward_model"}.get(args.stage, args.stage)
    print(Artifacts(profile.name).find(name).describe())
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from .evaluation.policies import compare_models, gold_gain, win_rates
    from .models.profiles import get_profile
    from .preferences import read_prompts
    from .runs import stages
    from .runs.artifacts import Artifacts

    profile = get_profile(args.profile)
    print(Artifacts(profile.name).describe(), file=sys.stderr)
    prompts = [row.prompt for row in read_prompts("heldout")][: args.n]
    samples = compare_models(stages.load_shared(profile, policy_from="ppo"), prompts, seed=args.seed)
    columns = samples.groupby("model", sort=False)[["gold", "proxy", "kl", "words", "ended"]].mean()
    gold = {name: rows["gold"].to_numpy() for name, rows in samples.groupby("model")}
    gain = gold_gain([gold["ppo"]], [gold["sft"]])
    print(columns.round(2).to_string(), "", f"gold reward, PPO - SFT: {gain}", sep="\n")
    if args.json:
        numbers = columns.round(4).to_dict("index") | {
            "gold_gain": gain._asdict(),
            "win_rates": win_rates(samples).round(4).to_dict(),
        }
        files.atomic_write(args.json, json.dumps(numbers, indent=2) + "\n")
    return 0


def _inspect(args: argparse.Namespace) -> int:
    from .preferences import SPLITS, Reading, load_preferences, stream_preferences
    from .preferences.diagnostics import diagnose, file_name, summary
    from .views.diagnostics import report_html

    report = args.report or files.runs() / "inspect" / file_name(args.set)
    for target in (report, args.json):
        if args.set and target and target.resolve() == Path(args.set).resolve():
            raise LabError(f"{files.shown(target)} is the set itself: give the report a name of its own")
    reading = Reading()
    how = {"columns": args.columns, "split": args.split, "limit": args.limit}
    if args.set in (None, *SPLITS):
        rows = load_preferences(args.set, **how)
        reading = rows.reading
    else:
        rows = stream_preferences(args.set, **how, reading=reading)
    found = diagnose(rows, args.set or "the shipped set", reading)
    page, numbers = report_html(found), json.dumps(found.as_dict(), indent=2) + "\n"
    files.atomic_write(report, page)
    if args.json:
        files.atomic_write(args.json, numbers)
    print(summary(found), "", f"written: {files.shown(report)}", sep="\n")
    return 0


def _pipeline(args: argparse.Namespace) -> int:
    from .models.profiles import get_profile
    from .runs import pipeline
    from .training.ppo_config import PPOConfig

    profile = get_profile(args.profile)
    total = profile.sft.steps + profile.reward_model.steps + args.seeds * (PPOConfig.of(profile).updates + 3)
    stream = pipeline.run(profile, seed=args.seed, seeds=args.seeds, n_prompts=args.n, reuse=args.reuse)
    _write_json(args.json, _show(stream, total, "pipeline"))
    return 0


def _grid(args: argparse.Namespace) -> int:
    from .experiments import prompting_grid as lab_grid
    from .models.profiles import get_profile
    from .prompting.grid import summary
    from .runs.stages import load_shared

    profile = get_profile(args.profile)
    shared = load_shared(profile, policy_from="ppo")
    models, absent = lab_grid.all_models(shared, args.models or lab_grid.wanted(profile))
    for name, reason in absent.items():
        print(f"{name} is left out: {reason}", file=sys.stderr)
    if args.ship:
        print(f"written: {files.shown(lab_grid.ship(models))}")
    table = summary(lab_grid.ask_all(models))
    print(table.to_string(index=False, float_format="%.2f"))
    if args.csv:
        files.atomic_write(args.csv, table.to_csv(index=False))
    return 0


def _sweep(args: argparse.Namespace) -> int:
    from .experiments.collect_data import write_checksums
    from .experiments.runner import make_all, own_folder
    from .models.profiles import get_profile

    experiment, write_results = _experiment(args.experiment)
    whole = experiment(get_profile(args.profile), args.seeds)
    for part in make_all(whole, args.processes):
        print(f"{part['part']}: {'made' if part['made'] else 'there already'}", flush=True)
    folder = files.data() / args.experiment if args.ship else own_folder(whole.profile.name, args.experiment)
    write_results(whole, folder)
    if args.ship:
        write_checksums()
    print(f"written to {files.shown(folder)}")
    return 0


def _experiment(name: str):
    """(profile, seeds) -> the experiment of that name, and what writes its results into a folder."""
    if name == "alignment":
        from .experiments import direct_alignment as module
        from .experiments.direct_alignment import DirectAlignment as Experiment
        from .experiments.direct_alignment_results import write_results
    elif name == "reward_study":
        from .experiments import reward_models as module
        from .experiments.reward_models import RewardModels as Experiment
        from .experiments.reward_models_results import write_results
    else:
        from .experiments import overoptimization as module
        from .experiments.overoptimization import Overoptimization as Experiment
        from .experiments.overoptimization_results import write_results
    return lambda profile, seeds: Experiment(profile, module.Plan(seeds=seeds)), write_results


def _data(args: argparse.Namespace) -> int:
    from .experiments import collect_data as collection
    from .experiments import failures
    from .models.profiles import get_profile
    from .models.shared_base import SharedBase
    from .runs import stages
    from .training.ppo_config import PPOConfig

    profile = get_profile("tiny")
    if args.part in ("all", "prompts"):
        collection.collect_prompts()
    if args.part in ("all", "preferences"):
        _show(stages.sft(profile), profile.sft.steps, "sft")
        shared = SharedBase.load(profile, sft=collection.ship("sft"))
        _show(collection.collect_preferences(shared), 3, "preferences")
    if args.part in ("all", "labels"):
        collection.collect_demo_labels()
    if args.part in ("all", "adapters"):
        _show(stages.reward_model(profile), profile.reward_model.steps, "reward model")
        collection.ship("reward_model")
        _show(stages.ppo(profile), PPOConfig().updates, "ppo")
        collection.ship("ppo")
        _show(stages.dpo(profile), profile.dpo.steps, "dpo")
        collection.ship("dpo")
    if args.part in ("all", "recordings"):
        _show(stages.record_shipped(profile), None, "recordings")
    if args.part in ("all", "gallery"):
        _show(failures.record_all(profile), None, "failure gallery")
    collection.write_checksums()
    return 0


def _notebooks(args: argparse.Namespace) -> int:
    from .classroom import notebooks

    for path in args.paths or sorted((files.ROOT / "labs").glob("*.ipynb")):
        changed = notebooks.execute_and_normalize(path)
        print(f"{files.shown(path.resolve())}: {'updated' if changed else 'unchanged'}", flush=True)
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    args, args.further = parser.parse_known_args(arguments)
    if args.further and args.command != "lab":
        parser.error(f"unrecognized arguments: {' '.join(args.further)}")
    run = {
        "doctor": _doctor,
        "lab": _lab,
        "check-labs": _check_labs,
        "grade": _grade,
        "train": _train,
        "inspect": _inspect,
        "evaluate": _evaluate,
        "pipeline": _pipeline,
        "grid": _grid,
        "sweep": _sweep,
        "data": _data,
        "notebooks": _notebooks,
    }[args.command]
    try:
        return run(args)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; what was there before is as it was", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())

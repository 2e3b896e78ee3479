"""Commands that train and measure: one stage, all of them, the finished models."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import files
from ..files import LabError
from .progress import show
from .registry import HELDOUT, JSON, PROFILE, SEED, argument, command, positive, seed

if TYPE_CHECKING:  # at run time a command imports what it needs
    from ..models.profiles import Profile
    from ..runs.streams import Record


@command(
    "train",
    "train one stage; the next stage takes its result from runs/",
    PROFILE,
    argument(
        "stage",
        choices=("base", "gpt2", "t5", "sft", "reward", "ppo", "dpo"),
        help="base, gpt2, t5: the tiny models from nothing (CPU, about an hour each)",
    ),
    SEED,
    argument(
        "--steps",
        type=positive,
        help="optimizer steps (ppo: updates; base, gpt2, t5: of each phase); default: the profile's",
    ),
    argument("--beta", type=float, help="ppo and dpo: KL coefficient"),
    argument("--fresh", action="store_true", help="start anew; default: go on from the checkpoint of a stopped run"),
    argument("--record", metavar="NAME", help="keep the records in runs/, so that a lab can replay them"),
    argument("--output", type=Path, help="base, gpt2, t5: folder to write; default: its own in data/models"),
)
def _train(args: Namespace) -> int:
    from ..models.profiles import get_profile

    profile = get_profile(args.profile)
    return _pretrain(args) if args.stage in ("base", "gpt2", "t5") else _train_stage(args, profile)


def _pretrain(args: Namespace) -> int:
    from ..training.pretraining.base import BaseConfig, train_base
    from ..training.pretraining.gpt2 import GPT2Recipe, train_gpt2
    from ..training.pretraining.t5 import T5Recipe, train_t5

    pretraining: dict[str, tuple[Callable[..., Any], Callable[..., Iterator[Record]], list[str], tuple[str, ...]]] = {
        "base": (BaseConfig, train_base, ["tiny-llama2"], ("steps", "copy_steps")),
        "gpt2": (GPT2Recipe, train_gpt2, ["tiny-gpt2"], ("steps", "answer_steps", "few_shot_steps")),
        "t5": (T5Recipe, train_t5, ["tiny-t5", "tiny-flan-t5"], ("steps", "tuning_steps")),
    }
    make, train, names, phases = pretraining[args.stage]
    parent = files.data() / "models"
    folders = [args.output or parent / names[0], *((args.output or parent).parent / name for name in names[1:])]
    config = make(seed=args.seed, **(dict.fromkeys(phases, args.steps) if args.steps else {}))
    show(train(*folders, config), sum(getattr(config, phase) for phase in phases), args.stage)
    print(f"written: {', '.join(map(files.shown, folders))}")
    return 0


def _train_stage(args: Namespace, profile: Profile) -> int:
    from ..runs import stages
    from ..runs.artifacts import Artifacts
    from ..training.distributed import Distributed
    from ..training.ppo_config import PPOConfig

    distributed = Distributed.from_environment(cpu=not profile.needs_gpu)
    if distributed.size > 1 and args.stage != "ppo":
        raise LabError(f"{args.stage} runs in one process; only ppo can run in several")
    name = "reward_model" if args.stage == "reward" else args.stage
    options: dict[str, Any] = {"resume": not args.fresh, "record": args.record}
    beta = {} if args.beta is None else {"beta": args.beta}
    run: Generator[Record, None, object]
    if name == "ppo":
        updates = {} if args.steps is None else {"updates": args.steps}
        config = PPOConfig.of(profile, seed=args.seed, **updates, **beta)
        steps = config.updates
        run = stages.ppo(profile, config=config, distributed=distributed, **options)
        if not distributed.is_main_process:
            deque(run, maxlen=0)  # the first process shows how it goes
            return 0
    else:
        steps = getattr(profile, name).with_steps(args.steps).steps
        options |= {"seed": args.seed, "steps": args.steps}
        match name:
            case "sft":
                run = stages.sft(profile, **options)
            case "reward_model":
                run = stages.reward_model(profile, **options)
            case _:
                run = stages.dpo(profile, **options, **beta)
    show(run, steps, name.replace("_", " "))
    print(Artifacts(profile.name).find(name).describe())
    return 0


@command(
    "evaluate", "sample base, SFT and PPO model on held-out prompts and compare them", PROFILE, HELDOUT, SEED, JSON
)
def _evaluate(args: Namespace) -> int:
    from ..evaluation.policies import compare_models, gold_gain, win_rates
    from ..models.profiles import get_profile
    from ..preferences import read_prompts
    from ..runs import stages
    from ..runs.artifacts import Artifacts

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


@command(
    "pipeline",
    "the whole sequence: SFT, reward model, PPO, evaluation, with every headline number",
    PROFILE,
    argument("--seed", type=seed, default=0, help="first seed; default: 0"),
    argument("--seeds", type=positive, default=1, help="PPO runs, each with a seed of its own; default: 1"),
    HELDOUT,
    argument("--reuse", action="store_true", help="use SFT adapter and reward model from runs/, if they are there"),
    JSON,
)
def _pipeline(args: Namespace) -> int:
    from ..models.profiles import get_profile
    from ..runs import pipeline
    from ..training.ppo_config import PPOConfig

    profile = get_profile(args.profile)
    total = profile.sft.steps + profile.reward_model.steps + args.seeds * (PPOConfig.of(profile).updates + 3)
    stream = pipeline.run(profile, seed=args.seed, seeds=args.seeds, n_prompts=args.n, reuse=args.reuse)
    text = json.dumps(show(stream, total, "pipeline"), indent=2) + "\n"
    print(text, end="")
    if args.json:
        files.atomic_write(args.json, text)
    return 0

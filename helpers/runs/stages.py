"""The stages of RLHF as the labs and the command line run them: train, keep the records, store the artifact.

Each stage is a generator of records. It writes its artifact only at the end, so a stage that is closed early, or
killed, leaves what was there before. What was done is not lost: run again with the same settings, it goes on from its
last checkpoint to the same numbers. It then first yields the records made before, each with "replayed": True; the first
new one has "resumed_at", the step of the checkpoint. resume=False begins anew.

Every stage takes record, a name under which `recordings.load_recording` finds the run's records from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from peft import PeftModel
from torch.optim import Optimizer

from .. import files
from ..evaluation.policies import Judged
from ..models.profiles import Profile, StageConfig
from ..models.reward_scale import RewardScale
from ..models.shared_base import SharedBase
from ..preferences import Demonstration, Preference, load_preferences, read_demonstrations, read_prompts
from ..simulation.gold import gold_reward
from ..training.checkpoints import Checkpoint
from ..training.distributed import SINGLE_PROCESS, Distributed
from ..training.dpo import train_dpo
from ..training.losses import Losses
from ..training.ppo import adamw
from ..training.ppo_config import PPOConfig
from ..training.reward_model import save_reward_model, train_reward_model
from ..training.rewards import Reward
from ..training.rollouts import Tokens
from ..training.sft import train_sft
from ..training.train_ppo import train_ppo
from ..training.trl_bridge import save_adapter
from . import recordings
from .artifacts import Artifact, Artifacts
from .recordings import Header, recorded
from .streams import Record, map_records

RECORDED_BETAS = (0.0, 0.02, 0.2)  # KL coefficients of the shipped recordings, beside the default
RECORDED_REWARD_STEPS = 70  # as many as lab 02 trains

Trained = TypeVar("Trained")


def sft(
    profile: Profile,
    demonstrations: Sequence[Demonstration] | None = None,
    *,
    seed: int = 0,
    steps: int | None = None,
    resume: bool = True,
    record: str | None = None,
) -> Generator[Record]:
    """Supervised fine-tuning on `demonstrations` (default: the shipped ones); saves the artifact "sft"."""
    rows = read_demonstrations() if demonstrations is None else demonstrations
    stage = profile.sft.with_steps(steps)
    header = _header("sft", "Supervised fine-tuning", profile, seed, stage)
    checkpoint = _checkpoint(profile, "sft", resume)
    training = train_sft(profile, rows, seed=seed, stage=stage, checkpoint=checkpoint)
    yield from _recorded_and_saved(training, header, record, checkpoint, save_adapter)


def reward_model(
    profile: Profile,
    pairs: Sequence[Preference] | None = None,
    *,
    seed: int = 0,
    steps: int | None = None,
    resume: bool = True,
    record: str | None = None,
) -> Generator[Record]:
    """Reward-model training on `pairs` (default: the shipped training split); saves the artifact "reward_model"."""
    rows = load_preferences("train") if pairs is None else pairs
    stage = profile.reward_model.with_steps(steps)
    header = _header("reward_model", "Reward model", profile, seed, stage)
    checkpoint = _checkpoint(profile, "reward_model", resume)
    training = train_reward_model(profile, rows, seed=seed, stage=stage, checkpoint=checkpoint)

    def write(trained: tuple[PeftModel, RewardScale], folder: Path) -> None:
        save_reward_model(*trained, folder)

    yield from _recorded_and_saved(training, header, record, checkpoint, write)


def dpo(
    profile: Profile,
    pairs: Sequence[Preference] | None = None,
    *,
    beta: float = 0.1,
    seed: int = 0,
    steps: int | None = None,
    resume: bool = True,
    record: str | None = None,
) -> Generator[Record]:
    """DPO from the SFT policy on `pairs` (default: the shipped training split); saves the artifact "dpo"."""
    rows = load_preferences("train") if pairs is None else pairs
    reference = Artifacts(profile.name).find("sft")
    stage = profile.dpo.with_steps(steps)
    header = _header("dpo", f"DPO, beta {beta:g}", profile, seed, stage, beta=beta)
    checkpoint = _checkpoint(profile, "dpo", resume)
    training = train_dpo(profile, rows, reference.path, beta=beta, seed=seed, stage=stage, checkpoint=checkpoint)
    yield from _recorded_and_saved(training, header, record, checkpoint, save_adapter, parents=[reference])


def load_shared(profile: Profile, *, policy_from: str = "sft", seed: int = 0) -> SharedBase:
    """One base with the artifacts that PPO begins from: the SFT adapter, twice, and the reward model.

    Args:
        profile: whose artifacts to load.
        policy_from: "sft" for a policy to train; "ppo" or "dpo" for the tuned one.
        seed: of what is new, such as the value head.

    Raises:
        LabError: an artifact is missing.
    """
    store = Artifacts(profile.name)
    shared = SharedBase.load(profile, sft=store.find("sft").path, reward=store.find("reward_model").path, seed=seed)
    if policy_from != "sft":
        shared.load_policy(store.find(policy_from).path)
    return shared


def ppo(
    profile: Profile,
    prompts: Sequence[str] | None = None,
    *,
    shared: SharedBase | None = None,
    reward: Reward | None = None,
    config: PPOConfig | None = None,
    losses: Losses = Losses(),
    tokens: Tokens = Tokens(),
    optimizer: Callable[[SharedBase, float], Optimizer] = adamw,
    save: bool = True,
    resume: bool = True,
    record: str | None = None,
    distributed: Distributed = SINGLE_PROCESS,
) -> Generator[Record, None, SharedBase]:
    """PPO on `prompts` (default: the shipped ones) from the SFT policy.

    Args:
        profile: the model, and whose artifacts it begins from.
        prompts: texts to sample responses to.
        shared: the model to train, in place (default: `load_shared`).
        reward: default: the reward model of `shared`.
        config: default: `PPOConfig.of(profile)`.
        losses: the mathematics of an update (default: the functions of `formulas.objectives`).
        tokens: how prompts and responses become tensors.
        optimizer: (shared, learning rate) -> the optimizer.
        save: whether to store the artifact "ppo".
        resume: whether to go on from the checkpoint of a stopped run.
        record: name of the recording, if there is to be one.
        distributed: the processes that share the work; the first of them writes.

    Returns:
        The model with the trained policy.
    """
    config = config or PPOConfig.of(profile)
    store = Artifacts(profile.name)
    parents = [store.find("sft"), store.find("reward_model")] if save else []  # missing ones are missed at once
    shared = shared or load_shared(profile, seed=config.seed)
    texts = [row.prompt for row in read_prompts("train")] if prompts is None else list(prompts)
    checkpoint = _checkpoint(profile, "ppo" if save else f"ppo-{record or 'unsaved'}", resume, every=5)
    training = train_ppo(
        shared,
        texts,
        reward,
        config,
        losses=losses,
        checkpoint=checkpoint,
        distributed=distributed,
        tokens=tokens,
        optimizer=optimizer,
    )
    records: list[Record] = []
    record = record if distributed.is_main_process else None
    yield from _keep(recorded(training, record, _ppo_header(profile, config)), records)
    if not distributed.is_main_process:
        return shared
    if save:
        kept = _artifact_records(records)
        with store.save("ppo", records=kept, seeds=[config.seed], parents=parents) as folder:
            shared.write_policy(folder)
    checkpoint.remove()
    return shared


def ppo_with_gold(
    profile: Profile,
    config: PPOConfig,
    *,
    shared: SharedBase | None = None,
    reward: Reward | None = None,
    losses: Losses = Losses(),
    tokens: Tokens = Tokens(),
    optimizer: Callable[[SharedBase, float], Optimizer] = adamw,
    record: str | None = None,
    title: str | None = None,
) -> Generator[Record, None, SharedBase]:
    """PPO on the shipped prompts, not stored, with the gold reward beside what the training sees.

    Args:
        profile: the model, and whose artifacts it begins from.
        config: the settings.
        shared: the model to train, in place (default: `load_shared`).
        reward: default: the reward model of `shared`.
        losses: as for `ppo`.
        tokens: as for `ppo`.
        optimizer: as for `ppo`.
        record: name of the recording, if there is to be one.
        title: of the recording (default: with the KL coefficient).

    Yields:
        The records of `ppo` with "gold", the mean gold reward of the rollouts; their samples have a "gold" each too.

    Returns:
        The model with the trained policy.
    """
    shared = shared or load_shared(profile, seed=config.seed)
    judge = Judged(reward or shared.reward)

    def with_gold(row: Record) -> Record:
        # Of the rollouts, not of the few prompts that are watched.
        gold = next(batch for batch in reversed(judge.gold) if len(batch) == config.batch_size)
        samples = [s | {"gold": gold_reward(s["prompt"], s["completion"])} for s in row["samples"]]
        return row | {"gold": sum(gold) / len(gold), "samples": samples}

    training = ppo(
        profile,
        shared=shared,
        reward=judge,
        config=config,
        losses=losses,
        tokens=tokens,
        optimizer=optimizer,
        save=False,
        resume=False,
    )
    return (yield from recorded(map_records(training, with_gold), record, _ppo_header(profile, config, title)))


def record_shipped(profile: Profile, *, steps: int | None = None) -> Generator[Record]:
    """Run the stages whose recordings `data/recordings` ships, and ship each as it is done.

    Args:
        profile: the model that is trained.
        steps: of every run, for a trial; default: as each stage says.

    Yields:
        The records, each with "recording", its name; those of PPO are as from `ppo_with_gold`.
    """
    changes = {} if steps is None else {"updates": steps}
    configs = {"ppo": PPOConfig.of(profile, inspect=1, watch=2, **changes)}
    configs |= {f"ppo-beta-{beta:g}": PPOConfig.of(profile, beta=beta, **changes) for beta in RECORDED_BETAS}
    for name, config in configs.items():
        yield from _shipped(name, profile, ppo_with_gold(profile, config, record=name))
    # After PPO, which would take this short reward model for the reader's own.
    steps = steps or RECORDED_REWARD_STEPS
    yield from _shipped("reward_model", profile, reward_model(profile, steps=steps, record="reward_model"))


def _shipped(name: str, profile: Profile, run: Generator[Record, None, object]) -> Generator[Record]:
    """Pass a recorded run's records on, with the recording's name, and ship the recording."""
    yield from map_records(run, lambda record: {"recording": name} | record)
    recordings.ship(name, profile.name)


def _recorded_and_saved(
    training: Generator[Record, None, Trained],
    header: Header,
    record: str | None,
    checkpoint: Checkpoint,
    write: Callable[[Trained, Path], None],
    parents: Sequence[Artifact] = (),
) -> Generator[Record]:
    """Pass a training's records on, record them, and store what it returns as the artifact of the header's stage.

    `write(trained, folder)` fills the artifact's folder.
    """
    records: list[Record] = []
    trained = yield from _keep(recorded(training, record, header), records)
    kept = _artifact_records(records, "seconds")
    with Artifacts(header.profile).save(header.stage, records=kept, seeds=[header.seed], parents=parents) as folder:
        write(trained, folder)
    checkpoint.remove()


def _header(name: str, title: str, profile: Profile, seed: int, stage: StageConfig, **settings: float) -> Header:
    """What a recording says of a stage; `settings` are those beside the stage's own."""
    return Header(name, title, profile.name, seed, stage.steps, asdict(stage) | settings)


def _ppo_header(profile: Profile, config: PPOConfig, title: str | None = None) -> Header:
    title = title or f"PPO, KL coefficient {config.beta:g}"
    return Header("ppo", title, profile.name, config.seed, config.updates, asdict(config))


def _checkpoint(profile: Profile, name: str, resume: bool, every: int = 25) -> Checkpoint:
    return Checkpoint(files.runs() / profile.name / "checkpoints" / name, every, resume)


def _keep(stream: Generator[Record, None, Trained], records: list[Record]) -> Generator[Record, None, Trained]:
    """Pass a stream's records on, and append each to `records`."""

    def append(record: Record) -> Record:
        records.append(record)
        return record

    return map_records(stream, append)


def _artifact_records(records: Sequence[Record], *but: str) -> list[Record]:
    """The records as an artifact keeps them: without texts, without what a resumed run adds, and without `but`."""
    dropped = {"samples", "tokens", "replayed", "resumed_at", *but}
    return [{key: value for key, value in record.items() if key not in dropped} for record in records]

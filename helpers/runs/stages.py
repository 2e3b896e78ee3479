"""The stages of RLHF as the labs and the command line run them: train, keep the records, store the artifact.

Each stage is a generator of records. It writes its artifact only at the end, so a stage that is closed early, or
killed, leaves what was there before. What was done is not lost: run again with the same settings, it goes on from its
last checkpoint to the same numbers. It then first yields the records made before, each with "replayed": True; the first
new one has "resumed_at", the step of the checkpoint. resume=False begins anew.

Every stage takes record, a name under which `recordings.load_recording` finds the run's records from then on.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict, replace
from json import dumps
from pathlib import Path
from typing import Any

from peft import PeftModel

from .. import files
from . import recordings
from .artifacts import Artifact, Artifacts
from ..evaluation.policies import Judged
from ..models.profiles import Profile
from ..models.shared_base import SharedBase
from ..preferences import Demonstration, Preference, load_preferences, read_demonstrations, read_prompts
from .recordings import Header, recorded
from ..simulation.gold import gold_reward
from ..training.checkpoints import Checkpoint
from ..training.dpo import train_dpo
from ..training.distributed import SINGLE_PROCESS
from ..training.losses import Losses
from ..training.ppo_config import PPOConfig
from ..training.rewards import Reward
from ..training.train_ppo import train_ppo
from ..training.reward_model import Normalization, train_reward_model
from ..training.sft import train_sft
from ..training.distributed import Distributed
from ..training.trl_bridge import save_adapter

RECORDED_BETAS = (0.0, 0.02, 0.2)  # KL coefficients of the shipped recordings, beside the default
RECORDED_REWARD_STEPS = 70  # as many as lab 02 trains


def sft(
    profile: Profile,
    demonstrations: Sequence[Demonstration] | None = None,
    *,
    seed: int = 0,
    steps: int | None = None,
    resume: bool = True,
    record: str | None = None,
) -> Iterator[dict]:
    """Supervised fine-tuning on `demonstrations` (default: the shipped ones); saves the artifact "sft"."""
    rows = read_demonstrations() if demonstrations is None else demonstrations
    checkpoint = _checkpoint(profile, "sft", 25, resume)
    stage = replace(profile.sft, steps=steps or profile.sft.steps)
    header = Header("sft", "Supervised fine-tuning", profile.name, seed, stage.steps, asdict(stage))
    run = train_sft(profile, rows, seed=seed, stage=stage, checkpoint=checkpoint)
    yield from _saved(run, header, checkpoint, record, save_adapter)


def reward_model(
    profile: Profile,
    pairs: Sequence[Preference] | None = None,
    *,
    seed: int = 0,
    steps: int | None = None,
    resume: bool = True,
    record: str | None = None,
) -> Iterator[dict]:
    """Reward-model training on `pairs` (default: the shipped training split); saves the artifact "reward_model"."""
    rows = load_preferences("train") if pairs is None else pairs
    checkpoint = _checkpoint(profile, "reward_model", 25, resume)
    stage = replace(profile.reward_model, steps=steps or profile.reward_model.steps)
    header = Header("reward_model", "Reward model", profile.name, seed, stage.steps, asdict(stage))
    run = train_reward_model(profile, rows, seed=seed, stage=stage, checkpoint=checkpoint)

    def write(trained: tuple[PeftModel, Normalization], folder: Path) -> None:
        model, normalization = trained
        save_adapter(model, folder)
        (folder / "reward.json").write_text(dumps(asdict(normalization), indent=2) + "\n", "utf-8")

    yield from _saved(run, header, checkpoint, record, write)


def dpo(
    profile: Profile,
    pairs: Sequence[Preference] | None = None,
    *,
    beta: float = 0.1,
    seed: int = 0,
    steps: int | None = None,
    resume: bool = True,
    record: str | None = None,
) -> Iterator[dict]:
    """DPO from the SFT policy on `pairs` (default: the shipped training split); saves the artifact "dpo"."""
    rows = load_preferences("train") if pairs is None else pairs
    sft = Artifacts(profile.name).find("sft")
    checkpoint = _checkpoint(profile, "dpo", 25, resume)
    stage = replace(profile.dpo, steps=steps or profile.dpo.steps)
    header = Header("dpo", f"DPO, beta {beta:g}", profile.name, seed, stage.steps, asdict(stage) | {"beta": beta})
    run = train_dpo(profile, rows, sft.path, beta=beta, seed=seed, stage=stage, checkpoint=checkpoint)
    yield from _saved(run, header, checkpoint, record, save_adapter, parents=[sft])


def load_shared(profile: Profile, *, policy_from: str = "sft", seed: int = 0) -> SharedBase:
    """One base with the artifacts that PPO begins from: the SFT adapter, twice, and the reward model.

    policy_from: "sft" for a policy to train; "ppo" for the tuned one. Raises LabError where an artifact is missing.
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
    losses: Losses | None = None,
    save: bool = True,
    resume: bool = True,
    record: str | None = None,
    distributed: Distributed = SINGLE_PROCESS,
) -> Iterator[dict]:
    """PPO on `prompts` (default: the shipped ones) from the SFT policy.

    save: whether to store the artifact "ppo".
    shared: the model to train, in place (default: `load_shared`). Returns it.
    losses: losses, advantages and so on (default: those of `objectives`).
    distributed: the processes that share the work; the first of them writes.
    """
    config = config or PPOConfig.of(profile)
    store = Artifacts(profile.name)
    parents = [store.find("sft"), store.find("reward_model")] if save else []  # missing ones are missed at once
    shared = shared or load_shared(profile, seed=config.seed)
    texts = [row.prompt for row in read_prompts("train")] if prompts is None else list(prompts)
    title = f"PPO, KL coefficient {config.beta:g}"
    header = Header("ppo", title, profile.name, config.seed, config.updates, asdict(config))
    checkpoint = _checkpoint(profile, "ppo" if save else f"ppo-{record or 'unsaved'}", 5, resume)
    records: list[dict] = []
    losses = formulas or Losses()
    run = train_ppo(shared, texts, reward, config, losses=losses, checkpoint=checkpoint, distributed=distributed)
    yield from _remembered(recorded(run, record if distributed.is_main_process else None, header), records)
    if not distributed.is_main_process:
        return shared
    if save:
        with store.save("ppo", records=_lasting(records), seeds=[config.seed], parents=parents) as folder:
            shared.write_policy(folder)
    checkpoint.remove()
    return shared


def record_shipped(profile: Profile, *, steps: int | None = None) -> Iterator[dict]:
    """Run the stages whose recordings `data/recordings` ships, and ship each as it is done.

    steps: of every run, for a trial; default: as each stage says. Yields the records, each with "recording", its name.
    Those of PPO are as from `ppo_with_gold`.
    """
    changes = {} if steps is None else {"updates": steps}
    betas = {f"ppo-beta-{beta:g}": PPOConfig.of(profile, beta=beta, **changes) for beta in RECORDED_BETAS}
    runs = {}
    for name, config in ({"ppo": PPOConfig.of(profile, inspect=1, watch=2, **changes)} | betas).items():
        runs[name] = ppo_with_gold(profile, config, record=name)
    # After PPO, which would take this short reward model for the reader's own.
    runs["reward_model"] = reward_model(profile, steps=steps or RECORDED_REWARD_STEPS, record="reward_model")
    for name, run in runs.items():
        yield from ({"recording": name} | record for record in run)
        recordings.ship(name, profile.name)


def ppo_with_gold(
    profile: Profile,
    config: PPOConfig,
    *,
    shared: SharedBase | None = None,
    reward: Reward | None = None,
    losses: Losses | None = None,
    record: str | None = None,
    title: str | None = None,
) -> Iterator[dict]:
    """PPO on the shipped prompts, not stored, whose records also have "gold": the mean gold reward of the rollouts; and
    so have their samples. The training never sees it.

    shared: the model to train, in place (default: `load_shared`). reward: default its reward model. title: of the
    recording.
    """
    shared = shared or load_shared(profile, seed=config.seed)
    judge = Judged(reward or shared.reward)

    def judged() -> Generator[dict]:
        for row in ppo(
            profile, shared=shared, reward=judge, config=config, losses=losses, save=False, resume=False
        ):
            # Of the rollouts, not of the few prompts that are watched.
            gold = next(batch for batch in reversed(judge.gold) if len(batch) == config.batch_size)
            samples = [s | {"gold": gold_reward(s["prompt"], s["completion"])} for s in row["samples"]]
            yield row | {"gold": sum(gold) / len(gold), "samples": samples}

    title = title or f"PPO, KL coefficient {config.beta:g}"
    header = Header("ppo", title, profile.name, config.seed, config.updates, asdict(config))
    yield from recorded(judged(), record, header)


def _saved(
    run: Iterator[dict],
    header: Header,
    checkpoint: Checkpoint,
    record: str | None,
    write: Callable[[Any, Path], None],
    parents: Sequence[Artifact] = (),
) -> Iterator[dict]:
    """Pass a training's records on, record them, and store what it returns as the artifact of the header's stage:
    `write(returned, folder)` fills the folder."""
    records: list[dict] = []
    trained = yield from _remembered(recorded(run, record, header), records)
    store = Artifacts(header.profile)
    with store.save(header.stage, records=_lasting(records, "seconds"), seeds=[header.seed], parents=parents) as folder:
        write(trained, folder)
    checkpoint.remove()


def _checkpoint(profile: Profile, name: str, every: int, resume: bool) -> Checkpoint:
    return Checkpoint(files.runs() / profile.name / "checkpoints" / name, every, resume)


def _lasting(records: Sequence[dict], *but: str) -> list[dict]:
    """The records as an artifact keeps them: without texts, without what a resumed run adds, and without `but`."""
    dropped = {"samples", "tokens", "replayed", "resumed_at", *but}
    return [{key: value for key, value in record.items() if key not in dropped} for record in records]


def _remembered(stream: Iterator[dict], records: list[dict]):
    """Pass a stream's records on, keep them in `records`, and return what the stream returns."""
    try:
        while True:
            record = next(stream)
            records.append(record)
            yield record
    except StopIteration as end:
        return end.value
    finally:
        stream.close()

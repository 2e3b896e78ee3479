"""The stages of RLHF as the labs and the command line run them: train, keep the records, store the artifact.

Each stage is a generator of records. It writes its artifact only at the end, so a stage that is closed early, or
killed, leaves what was there before.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from json import dumps

from .artifacts import Artifacts
from .models.profiles import Profile
from .models.roles import SharedBase
from .preferences import Demonstration, Preference, load_preferences, read_demonstrations, read_prompts
from .training.ppo import PPOConfig, Reward, train_ppo
from .training.reward_model import train_reward_model
from .training.sft import train_sft
from .training.trl_stream import save_adapter


def sft(
    profile: Profile,
    demonstrations: Sequence[Demonstration] | None = None,
    *,
    seed: int = 0,
    steps: int | None = None,
) -> Iterator[dict]:
    """Supervised fine-tuning on `demonstrations` (default: the shipped ones); saves the artifact "sft"."""
    rows = read_demonstrations() if demonstrations is None else demonstrations
    records: list[dict] = []
    model = yield from _remembered(train_sft(profile, rows, seed=seed, steps=steps), records)
    with Artifacts(profile.name).save("sft", records=records, seeds=[seed]) as folder:
        save_adapter(model, folder)


def reward_model(
    profile: Profile, pairs: Sequence[Preference] | None = None, *, seed: int = 0, steps: int | None = None
) -> Iterator[dict]:
    """Reward-model training on `pairs` (default: the shipped training split); saves the artifact "reward_model"."""
    rows = load_preferences("train") if pairs is None else pairs
    records: list[dict] = []
    model, normalisation = yield from _remembered(train_reward_model(profile, rows, seed=seed, steps=steps), records)
    with Artifacts(profile.name).save("reward_model", records=records, seeds=[seed]) as folder:
        save_adapter(model, folder)
        (folder / "reward.json").write_text(dumps(asdict(normalisation), indent=2) + "\n", "utf-8")


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
    save: bool = True,
) -> Iterator[dict]:
    """PPO on `prompts` (default: the shipped ones) from the SFT policy.

    save: whether to store the artifact "ppo".
    shared: the model to train, in place (default: `load_shared`). Returns it.
    """
    config = config or PPOConfig.of(profile)
    store = Artifacts(profile.name)
    parents = [store.find("sft"), store.find("reward_model")] if save else []  # missing ones are missed at once
    shared = shared or load_shared(profile, seed=config.seed)
    texts = [row.prompt for row in read_prompts("train")] if prompts is None else list(prompts)
    records: list[dict] = []
    yield from _remembered(train_ppo(shared, texts, reward, config), records)
    if save:
        kept = [{key: value for key, value in record.items() if key != "samples"} for record in records]
        with store.save("ppo", records=kept, seeds=[config.seed], parents=parents) as folder:
            shared.write_policy(folder)
    return shared


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

"""Direct preference optimization (DPO): the policy learns from pairs, without a reward model and without sampling."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from peft import PeftModel, set_peft_model_state_dict
from peft.utils import load_peft_weights
from transformers import PreTrainedTokenizerBase, set_seed
from trl import DPOConfig, DPOTrainer

from ..files import LabError, atomic_folder, sha256
from ..models.loading import completion_ids, load_base, load_tokenizer, prompt_ids
from ..models.merged_lora import multiply_merged
from ..models.profiles import Profile, StageConfig
from ..preferences import Preference
from .checkpoints import Checkpoint
from .trl_bridge import save_adapter, train

RECORDED = {
    "rewards/accuracies": "accuracy",
    "rewards/margins": "reward_margin",
    "rewards/chosen": "chosen_reward",
    "rewards/rejected": "rejected_reward",
    "learning_rate": "learning_rate",
}


class _DPOTrainer(DPOTrainer):
    """TRL's trainer on rows that are tokenized, prompt and completion apart, as everywhere here.

    The reference is the adapter in the folder `sft`. TRL copies the policy instead, which in a resumed run has moved
    on.
    """

    def __init__(self, *, model: PeftModel, sft: Path, **arguments: Any) -> None:
        super().__init__(model=model, **arguments)
        weights = load_peft_weights(str(sft), device=str(model.device))
        set_peft_model_state_dict(model, weights, adapter_name="ref")

    def _prepare_dataset(self, dataset: Dataset, *_) -> Dataset:
        return dataset


def train_dpo(
    profile: Profile,
    pairs: Sequence[Preference],
    sft: Path,
    *,
    beta: float = 0.1,
    seed: int = 0,
    stage: StageConfig | None = None,
    steps: int | None = None,
    output: Path | str | None = None,
    checkpoint: Checkpoint | None = None,
) -> Generator[dict[str, float], None, PeftModel]:
    """Train a copy of the SFT adapter in the folder `sft`; that adapter itself, frozen, is the reference.

    The loss is that of `objectives.dpo_loss`: with the implicit reward beta log(policy / reference) of a whole
    completion, the mean of -log sigmoid(reward of the chosen - reward of the rejected) (Rafailov et al. 2023).
    Seeds the global random generators. Stops when closed, and then writes no adapter.

    Args:
        profile: the base model and how it is trained.
        pairs: the preference pairs.
        sft: folder of the SFT adapter.
        beta: KL coefficient, in the implicit reward.
        seed: of the order of the pairs.
        stage: how to train; default: the profile's `dpo`.
        steps: optimizer steps; default: the stage's.
        output: folder for the adapter, written whole at the end.
        checkpoint: as for `train_sft`.

    Yields:
        A record a step: step, loss, accuracy (of the implicit reward, on the batch), reward_margin, chosen_reward,
        rejected_reward, learning_rate, seconds.

    Returns:
        The trained model.

    Raises:
        LabError: the set is empty; and as `load_base`.
    """
    if not pairs:
        raise LabError("there are no preference pairs to train on: give at least one")
    stage = (stage or profile.dpo).with_steps(steps)
    tokenizer = load_tokenizer(profile)
    set_seed(seed)
    model = multiply_merged(PeftModel.from_pretrained(load_base(profile), sft, is_trainable=True))
    yield from train(
        _DPOTrainer,
        DPOConfig,
        profile,
        stage,
        model=model,
        names=RECORDED,
        seed=seed,
        checkpoint=checkpoint,
        options={"max_length": None, "train_sampling_strategy": "group_by_length", "beta": beta},
        facts={"beta": beta, "sft": sha256(sft / "adapter_model.safetensors")},
        train_dataset=dpo_dataset(profile, tokenizer, pairs),
        processing_class=tokenizer,
        sft=sft,
    )
    model.delete_adapter("ref")  # TRL's name for the frozen copy
    if output is not None:
        with atomic_folder(output) as folder:
            save_adapter(model, folder)
    return model


def dpo_dataset(profile: Profile, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Preference]) -> Dataset:
    """Tokenized rows for `DPOTrainer`: prompt_ids, chosen_ids and rejected_ids (without the prompt), length."""
    prompts = prompt_ids(profile, tokenizer, [row.prompt for row in pairs])
    chosen = completion_ids(profile, tokenizer, [row.chosen for row in pairs])
    rejected = completion_ids(profile, tokenizer, [row.rejected for row in pairs])
    lengths = [len(p) + max(len(a), len(b)) for p, a, b in zip(prompts, chosen, rejected, strict=True)]
    return Dataset.from_dict({"prompt_ids": prompts, "chosen_ids": chosen, "rejected_ids": rejected, "length": lengths})

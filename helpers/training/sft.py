"""Supervised fine-tuning (SFT): the base model learns to imitate demonstrations."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from datasets import Dataset
from peft import PeftModel, get_peft_model
from transformers import PreTrainedTokenizerBase, set_seed
from trl import SFTConfig, SFTTrainer

from ..files import LabError, atomic_folder, sha256
from ..models.loading import completion_ids, load_base, load_tokenizer, lora_config, prompt_ids
from ..models.merged_lora import multiply_merged
from ..models.profiles import Profile, StageConfig
from ..preferences import Demonstration
from .checkpoints import Checkpoint
from .trl_bridge import save_adapter, train

RECORDED = {"mean_token_accuracy": "token_accuracy", "entropy": "entropy", "learning_rate": "learning_rate"}


def train_sft(
    profile: Profile,
    demonstrations: Sequence[Demonstration],
    *,
    start: Path | None = None,
    seed: int = 0,
    stage: StageConfig | None = None,
    steps: int | None = None,
    output: Path | str | None = None,
    checkpoint: Checkpoint | None = None,
) -> Generator[dict[str, float], None, PeftModel]:
    """Train a LoRA adapter of the 4-bit base on the completions' tokens, given the prompts.

    Seeds the global random generators. Stops when closed, and then writes no adapter.

    Args:
        profile: the base model and how it is trained.
        demonstrations: prompts with the completions to imitate.
        start: folder of an adapter to go on from; default: a new one.
        seed: of a new adapter's first weights and of the order of the demonstrations.
        stage: how to train; default: as the profile says.
        steps: optimizer steps; default: the stage's.
        output: folder for the adapter, written whole at the end.
        checkpoint: where to keep the run's state, and to go on from; delete it when the model is stored
            (`checkpoints.resumable` says what that adds to the records).

    Yields:
        A record a step: step, loss (nats per completion token), token_accuracy, entropy (nats), learning_rate, seconds.

    Returns:
        The trained model.

    Raises:
        LabError: the set is empty; and as `load_base`.
    """
    if not demonstrations:
        raise LabError("there are no demonstrations to train on: give at least one")
    stage = (stage or profile.sft).with_steps(steps)
    tokenizer = load_tokenizer(profile)
    dataset = sft_dataset(profile, tokenizer, demonstrations)
    set_seed(seed)
    base = load_base(profile)
    if start:
        model = PeftModel.from_pretrained(base, start, is_trainable=True)
    else:
        model = get_peft_model(base, lora_config(profile, "causal"))
    model = multiply_merged(model)
    yield from train(
        SFTTrainer,
        SFTConfig,
        profile,
        stage,
        model=model,
        names=RECORDED,
        seed=seed,
        checkpoint=checkpoint,
        facts={"start": start and sha256(start / "adapter_model.safetensors")},
        train_dataset=dataset,
        processing_class=tokenizer,
    )
    if output is not None:
        with atomic_folder(output) as folder:
            save_adapter(model, folder)
    return model


def sft_dataset(
    profile: Profile, tokenizer: PreTrainedTokenizerBase, demonstrations: Sequence[Demonstration]
) -> Dataset:
    """Tokenized rows for `SFTTrainer`: input_ids, labels (-100, no loss, on the prompt) and length."""
    prompts = prompt_ids(profile, tokenizer, [row.prompt for row in demonstrations])
    completions = completion_ids(profile, tokenizer, [row.completion for row in demonstrations])
    pairs = list(zip(prompts, completions, strict=True))
    return Dataset.from_dict(
        {
            "input_ids": [prompt + completion for prompt, completion in pairs],
            "labels": [[-100] * len(prompt) + completion for prompt, completion in pairs],
            "length": [len(prompt) + len(completion) for prompt, completion in pairs],
        }
    )

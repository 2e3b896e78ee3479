"""The reward model: a scalar head on the base model, trained on pairs (Ouyang et al. 2022, eq. 1)."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from peft import PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedTokenizerBase, set_seed
from trl import RewardConfig, RewardTrainer

from ..files import LabError, atomic_folder
from ..models.generation import batches_by_length, pad_right
from ..models.loading import completion_ids, load_base, load_tokenizer, lora_config, prompt_ids
from ..models.merged_lora import multiply_merged
from ..models.profiles import Profile, StageConfig
from ..models.reward_scale import RewardScale
from ..preferences import Preference
from .checkpoints import Checkpoint
from .trl_bridge import save_adapter, train

RECORDED = {
    "accuracy": "accuracy",
    "margin": "reward_margin",
    "mean_reward": "mean_reward",
    "learning_rate": "learning_rate",
}
REFERENCE_PAIRS = 256  # training pairs whose scores set mean 0 and deviation 1, if no reference is given


def train_reward_model(
    profile: Profile,
    pairs: Sequence[Preference],
    *,
    seed: int = 0,
    stage: StageConfig | None = None,
    steps: int | None = None,
    margins: Mapping[int, float] | None = None,
    reference: Sequence[tuple[str, str]] | None = None,
    output: Path | str | None = None,
    checkpoint: Checkpoint | None = None,
    full: bool = False,
) -> Generator[dict[str, float], None, tuple[nn.Module, RewardScale]]:
    """Train a LoRA adapter and a score head r on the 4-bit base.

    The loss is the mean of -log sigmoid(r(chosen) - r(rejected) - m). Seeds the global random generators. Stops when
    closed, and then writes no adapter.

    Args:
        profile: the base model and how it is trained.
        pairs: the preference pairs.
        seed: of the head's first weights and of the order of the pairs.
        stage: how to train; default: as the profile says.
        steps: optimizer steps; default: the stage's.
        margins: strength -> m, such as {4: 1, 3: 2/3, 2: 1/3, 1: 0} (Touvron et al. 2023, table 27); default 0, as for
            pairs of which nobody said how much better.
        reference: (prompt, completion) texts on which normalized scores are to have mean 0 and standard deviation 1;
            default: both completions of the first 256 pairs.
        output: folder for the adapter and reward.json (mean, std), written whole at the end.
        checkpoint: where to keep the run's state, and to go on from; delete it when the model is stored
            (`checkpoints.resumable` says what that adds to the records).
        full: full fine-tuning instead: no adapter, nothing in 4 bits, every weight trains. It is there to be compared
            with LoRA, and is neither stored nor resumed: no `output`, no `checkpoint`. It needs a lower learning rate.

    Yields:
        A record a step, measured on its batch: step, loss, accuracy, reward_margin (mean of r(chosen) - r(rejected)),
        mean_reward, learning_rate; and seconds.

    Returns:
        The trained model, and the scale of its scores.

    Raises:
        LabError: the set is empty; and as `load_base`.
        ValueError: `full` with an `output` or a `checkpoint`.
    """
    if not pairs:
        raise LabError("there are no preference pairs to train on: give at least one")
    if full and (output or checkpoint):
        raise ValueError("full fine-tuning is not stored: leave out `output` and `checkpoint`")
    stage = (stage or profile.reward_model).with_steps(steps)
    if reference is None:
        sample = pairs[:REFERENCE_PAIRS]
        reference = [(row.prompt, text) for row in sample for text in (row.chosen, row.rejected)]
    tokenizer = load_tokenizer(profile)
    dataset = reward_dataset(profile, tokenizer, pairs, margins)
    set_seed(seed)
    model = new_reward_model(profile, full=full)
    yield from train(
        RewardTrainer,
        RewardConfig,
        profile,
        stage,
        model=model,
        names=RECORDED,
        seed=seed,
        checkpoint=checkpoint,
        train_dataset=dataset,
        processing_class=tokenizer,
    )
    prompts, completions = zip(*reference, strict=True)
    scale = RewardScale.of(score_texts(profile, model, tokenizer, prompts, completions))
    if output is not None:
        with atomic_folder(output) as folder:
            save_reward_model(model, scale, folder)
    return model, scale


def save_reward_model(model: PeftModel, scale: RewardScale, folder: Path) -> None:
    """Write the adapter with its score head, and reward.json, into an existing folder."""
    save_adapter(model, folder)
    scale.write(folder)


def new_reward_model(profile: Profile, *, full: bool = False) -> nn.Module:
    """An untrained reward model, its head drawn with torch's generator; `full`: as `train_reward_model` says."""
    if full:
        return load_base(profile, quantize=False, head="score").requires_grad_(True)
    return multiply_merged(get_peft_model(load_base(profile, head="score"), lora_config(profile, "score")))


def reward_dataset(
    profile: Profile,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[Preference],
    margins: Mapping[int, float] | None = None,
) -> Dataset:
    """Tokenized rows for `RewardTrainer`.

    Args:
        profile: how long prompts and completions may be.
        tokenizer: the base model's.
        pairs: the preference pairs.
        margins: strength -> margin, as for `train_reward_model`.

    Returns:
        A row a pair: chosen_ids and rejected_ids (with the prompt), length (of the longer), and margin if there are
        margins.
    """
    prompts = prompt_ids(profile, tokenizer, [row.prompt for row in pairs])
    chosen = completion_ids(profile, tokenizer, [row.chosen for row in pairs])
    rejected = completion_ids(profile, tokenizer, [row.rejected for row in pairs])
    chosen = [prompt + completion for prompt, completion in zip(prompts, chosen, strict=True)]
    rejected = [prompt + completion for prompt, completion in zip(prompts, rejected, strict=True)]
    lengths = [max(len(a), len(b)) for a, b in zip(chosen, rejected, strict=True)]
    columns: dict[str, list] = {"chosen_ids": chosen, "rejected_ids": rejected, "length": lengths}
    if margins is not None:  # TRL subtracts a column of this name
        columns["margin"] = [0.0 if row.strength is None else float(margins[row.strength]) for row in pairs]
    return Dataset.from_dict(columns)


@torch.no_grad()
def score_texts(
    profile: Profile,
    model: nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    completions: Sequence[str],
    *,
    batch: int = 32,
) -> np.ndarray:
    """Scores of completions, as the model gives them (not normalized): float64 (n,).

    `prompts` and `completions` are n texts each; `batch` is the number of sequences per forward pass.
    """
    encoded = zip(prompt_ids(profile, tokenizer, prompts), completion_ids(profile, tokenizer, completions), strict=True)
    ids = [prompt + completion for prompt, completion in encoded]
    training = model.training
    model.eval()
    scores = np.empty(len(ids))
    for rows in batches_by_length(ids, batch):
        input_ids, mask = pad_right([ids[i] for i in rows], tokenizer.pad_token_id, profile.device)
        out = model(input_ids=input_ids, attention_mask=mask, use_cache=False)
        scores[rows] = out.logits[:, 0].float().cpu().numpy()
    model.train(training)
    return scores

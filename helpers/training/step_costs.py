"""What a step of reward-model training costs, measured: the bytes that its tensors hold, and its seconds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
from bitsandbytes.functional import QuantState
from torch import Tensor, nn

from ..formulas.objectives import bradley_terry_loss
from ..models.generation import pad_right
from ..models.loading import load_tokenizer
from ..models.profiles import Profile
from ..preferences import Preference
from .reward_model import new_reward_model, reward_dataset


@dataclass(frozen=True)
class StepCosts:
    """The costs of one model."""

    trained: int  # weights that train
    weights: int  # bytes, as are the next two
    gradients: int
    optimizer: int
    seconds: list[float]  # of each measured step


class _TimedTraining:
    """A reward model, its optimizer, and the seconds of its steps."""

    def __init__(self, profile: Profile, full: bool) -> None:
        self.model = new_reward_model(profile, full=full).train()
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(self.trained, lr=1e-5, weight_decay=0.0, fused=True)
        self.seconds: list[float] = []

    def step(self, ids: Tensor, mask: Tensor) -> None:
        start = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        chosen, rejected = self.model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, 0].chunk(2)
        bradley_terry_loss(chosen, rejected).backward()
        self.optimizer.step()
        self.seconds.append(time.perf_counter() - start)

    def costs(self) -> StepCosts:
        states: Iterable[object] = chain.from_iterable(state.values() for state in self.optimizer.state.values())
        return StepCosts(
            trained=sum(p.numel() for p in self.trained),
            weights=weight_bytes(self.model),
            gradients=_bytes(p.grad for p in self.trained if p.grad is not None),
            optimizer=_bytes(value for value in states if torch.is_tensor(value)),
            seconds=self.seconds[1:],
        )


def step_costs(
    profiles: Sequence[tuple[Profile, bool]], pairs: Sequence[Preference], steps: int = 8
) -> list[StepCosts]:
    """What a step costs with each profile, in float32.

    The models take turns, each on the same batch, so that a busy machine slows all alike: compare the seconds of a step
    with those of another model's same step. The first batch warms up and is not counted. Activations are not counted in
    the bytes, nor the unpacked copies of `merged_lora`, which save time.

    Args:
        profiles: each with whether it is for full fine-tuning.
        pairs: at least `steps` + 1 batches.
        steps: measured steps.
    """
    trainings = [_TimedTraining(profile, full) for profile, full in profiles]
    profile = profiles[0][0]
    tokenizer, size = load_tokenizer(profile), profile.reward_model.micro_batch_size
    rows = reward_dataset(profile, tokenizer, pairs[: (steps + 1) * size])
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        ids, mask = pad_right(batch["chosen_ids"] + batch["rejected_ids"], tokenizer.pad_token_id, profile.device)
        for training in trainings:
            training.step(ids, mask)
    return [training.costs() for training in trainings]


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all weights, packed ones as they are packed, with the scales of their blocks."""
    states = [weight.quant_state for weight in model.parameters() if hasattr(weight, "quant_state")]
    return _bytes([*model.parameters(), *chain.from_iterable(map(_scales, states))])


def _scales(state: QuantState) -> list[Tensor]:
    """The tensors of a quantization state, those of the quantized scales in it as well."""
    nested = [state.offset, *_scales(state.state2)] if state.nested else []
    return [state.absmax, state.code, *nested]


def _bytes(tensors: Iterable[Tensor]) -> int:
    """What the tensors hold, those that share their memory counted once."""
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values())

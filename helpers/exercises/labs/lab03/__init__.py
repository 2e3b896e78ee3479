"""Lab 03, PPO: its losses, the KL penalty, 4-bit LoRA and DPO."""

from .dpo import COMPLETION_LOGPROBS, DPO_LOSS
from .kl import KL_K1, KL_K2, KL_K3, KL_PENALIZED_REWARDS
from .lora import LORA_FORWARD, LORA_MERGE
from .masks import MASKED_MEAN, MASKED_WHITEN
from .policy_losses import CLIPPED_POLICY_LOSS, REINFORCE_LOSS
from .quantization import DEQUANTIZE_NF4, QUANTIZE_NF4
from .questions import QUESTIONS
from .values import CLIPPED_VALUE_LOSS, GAE

EXERCISES = [
    MASKED_MEAN,
    REINFORCE_LOSS,
    CLIPPED_POLICY_LOSS,
    GAE,
    MASKED_WHITEN,
    CLIPPED_VALUE_LOSS,
    KL_K1,
    KL_K2,
    KL_K3,
    KL_PENALIZED_REWARDS,
    QUANTIZE_NF4,
    DEQUANTIZE_NF4,
    LORA_FORWARD,
    LORA_MERGE,
    COMPLETION_LOGPROBS,
    DPO_LOSS,
]

__all__ = ["EXERCISES", "QUESTIONS"]

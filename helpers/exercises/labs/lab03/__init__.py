"""Lab 03, PPO: its losses, the KL penalty, 4-bit LoRA and DPO."""

from .completions import COMPLETION_LOGPROBS
from .dequantization import DEQUANTIZE_NF4
from .dpo import DPO_LOSS
from .gae import GAE
from .kl import KL_K1, KL_K2
from .kl_k3 import KL_K3
from .lora import LORA_FORWARD, LORA_MERGE
from .masks import MASKED_MEAN, MASKED_WHITEN
from .penalized_rewards import KL_PENALIZED_REWARDS
from .policy_losses import CLIPPED_POLICY_LOSS, REINFORCE_LOSS
from .quantization import QUANTIZE_NF4
from .questions import QUESTIONS
from .values import CLIPPED_VALUE_LOSS

EXERCISES = [
    REINFORCE_LOSS,
    CLIPPED_POLICY_LOSS,
    KL_K1,
    GAE,
    MASKED_MEAN,
    MASKED_WHITEN,
    CLIPPED_VALUE_LOSS,
    KL_PENALIZED_REWARDS,
    KL_K2,
    KL_K3,
    COMPLETION_LOGPROBS,
    QUANTIZE_NF4,
    DEQUANTIZE_NF4,
    LORA_FORWARD,
    LORA_MERGE,
    DPO_LOSS,
]

__all__ = ["EXERCISES", "QUESTIONS"]

"""Answers to the exercises of lab 03."""

from . import dpo, kl, lora, masks, policy_losses, quantization, values

MODULES = (masks, policy_losses, values, kl, quantization, lora, dpo)
RIGHT = {name: answers for module in MODULES for name, answers in module.RIGHT.items()}
WRONG = {name: answers for module in MODULES for name, answers in module.WRONG.items()}

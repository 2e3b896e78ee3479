"""The formulas of RLHF as small pure functions: objectives, LoRA, quantization, statistics, a bandit."""

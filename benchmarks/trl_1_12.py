"""What every run of TRL 1.12's PPOTrainer here has in common: no logs, no files, a CPU, responses that end at </s>."""

OPTIONS = {
    "num_mini_batches": 1,
    "temperature": 1.0,
    "stop_token": "eos",
    "logging_steps": 1,
    "save_strategy": "no",
    "report_to": [],
    "gradient_checkpointing": False,
    "bf16": False,
    "use_cpu": True,
    "num_sample_generations": 0,
}

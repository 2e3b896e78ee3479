"""Turn a TRL trainer, which calls back, into a generator of records."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from peft import PeftModel
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback

from ..models.loading import sort_adapter_config
from ..models.profiles import Profile, StageConfig

Result = TypeVar("Result")
Emit = Callable[[dict[str, float]], None]


class _Closed(BaseException):
    """The consumer has closed the stream; BaseException, so that no handler of errors takes it for one."""


@dataclass
class _Ended:
    result: Any
    error: BaseException | None


def stream(work: Callable[[Emit], Result]) -> Iterator[dict[str, float]]:
    """Run `work(emit)` in a thread, yield what it emits, and return what it returns.

    The two threads take turns, as coroutines do: the work runs only while the consumer waits for the next
    record, so what the consumer does in between (sampling, say) meets no race and cannot change the result.
    Closing the generator raises inside the work's `emit` and waits for it to end. What the work raises is
    raised here.
    """
    records: SimpleQueue = SimpleQueue()
    turns: SimpleQueue = SimpleQueue()  # True: go on; False: closed

    def emit(record: dict[str, float]) -> None:
        records.put(record)
        if not turns.get():
            raise _Closed

    def run() -> None:
        result = error = None
        try:
            result = work(emit)
        except _Closed:
            pass
        except BaseException as raised:  # whatever it is, it belongs to the consumer
            error = raised
        records.put(_Ended(result, error))

    worker = threading.Thread(target=run, name="training", daemon=True)
    worker.start()
    ended = False
    try:
        while not (ended := isinstance(record := records.get(), _Ended)):
            yield record
            turns.put(True)
    finally:
        if not ended:
            turns.put(False)
        worker.join()
    if record.error is not None:
        raise record.error
    return record.result


def train(
    trainer: type,
    config: type,
    profile: Profile,
    stage: StageConfig,
    *,
    model: PeftModel,
    emit: Emit,
    names: Mapping[str, str],
    seed: int,
    **arguments: Any,
) -> None:
    """Train `model`'s adapter with TRL's `trainer(args=config(...), **arguments)`; emit one record a step.

    names: TRL's name of a metric -> its name in the records.
    arguments: `train_dataset` (tokenised, with a column "length") and `processing_class`.
    """
    on_gpu = profile.needs_gpu
    with tempfile.TemporaryDirectory() as folder:
        args = config(
            output_dir=folder,
            seed=seed,
            max_steps=stage.steps,
            per_device_train_batch_size=stage.micro_batch_size,
            gradient_accumulation_steps=max(1, stage.batch_size // stage.micro_batch_size),
            learning_rate=stage.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=int(stage.warmup * stage.steps),
            weight_decay=0.0,
            max_length=None,  # the rows are tokenised and cut already
            train_sampling_strategy="group_by_length",  # little padding
            remove_unused_columns=False,  # else "length" is gone before it is used
            use_cpu=not on_gpu,
            bf16=on_gpu,  # on CPUs without bf16 instructions twice as slow as float32
            activation_checkpointing=profile.gradient_checkpointing,  # TRL's default: on
            dataloader_pin_memory=on_gpu,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        weights = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
        running = trainer(model=model, args=args, callbacks=[_Records(emit, names)], **arguments)
        if not on_gpu:  # TRL casts the trainable weights of 4-bit models to bfloat16
            for name, parameter in model.named_parameters():
                if name in weights:
                    parameter.data = weights[name]
        running.remove_callback(PrinterCallback)
        running.train()
        model.eval()


class _Records(TrainerCallback):
    def __init__(self, emit: Emit, names: Mapping[str, str]) -> None:
        self.emit, self.names = emit, names

    def on_log(self, args, state, control, logs=None, **_) -> None:
        if "loss" in logs:  # the last log is the run's summary
            record = {self.names[name]: float(logs[name]) for name in self.names}
            self.emit({"step": state.global_step, "loss": float(logs["loss"]), **record})


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Write adapter_config.json and adapter_model.safetensors into `folder`; equal adapters, equal bytes."""
    model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # peft's card is a form to be filled in
    sort_adapter_config(folder)

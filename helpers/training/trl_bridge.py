"""Turn a TRL trainer, which calls back, into a generator of records."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from peft import PeftModel
from torch import nn
from transformers import TrainerCallback, TrainerState
from transformers.trainer_callback import PrinterCallback

from ..models.loading import sort_adapter_config
from ..models.profiles import Profile, StageConfig
from . import checkpoints
from .checkpoints import Checkpoint, State

Result = TypeVar("Result")
Emit = Callable[[dict[str, float]], None]

TOKENIZED = MappingProxyType(
    {
        "max_length": None,  # the rows are tokenized and cut already
        "train_sampling_strategy": "group_by_length",  # little padding
    }
)


class _Closed(BaseException):
    """The consumer has closed the stream; BaseException, so that no handler of errors takes it for one."""


@dataclass
class _Ended:
    """What the work returned, or raised."""

    result: Any
    error: BaseException | None


def stream(work: Callable[[Emit], Result]) -> Generator[dict[str, float], None, Result]:
    """Run `work(emit)` in a thread, yield what it emits, and return what it returns.

    The two threads take turns, as coroutines do: the work runs only while the consumer waits for the next record, so
    what the consumer does in between (sampling, say) meets no race and cannot change the result. Closing the generator
    raises inside the work's `emit` and waits for it to end. What the work raises is raised here.
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
    model: nn.Module,
    names: Mapping[str, str],
    seed: int,
    checkpoint: Checkpoint | None = None,
    options: Mapping[str, Any] = TOKENIZED,
    facts: Mapping[str, Any] = MappingProxyType({}),
    **arguments: Any,
) -> Generator[dict[str, float], None, None]:
    """Train `model`'s adapter with TRL's `trainer(args=config(...), **arguments)`, a record a step.

    Args:
        trainer: TRL's trainer class.
        config: its class of settings.
        profile: the base model, and where it trains.
        stage: how to train.
        model: what to train.
        names: TRL's name of a metric -> its name in the records.
        seed: of the order of the rows.
        checkpoint: where to keep the run's state and to go on from, see `checkpoints.resumable`.
        options: of the `config`, beside those that follow from `profile` and `stage`.
        facts: what else a run must have in common with its checkpoint.
        **arguments: `train_dataset` (by default tokenized, with a column "length"), `processing_class` and others.

    Yields:
        A record a step: step, loss, the metrics of `names`, seconds.
    """
    on_gpu = profile.needs_gpu
    recorder = _Recorder(names)

    def work(emit: Emit, state: State | None, folder: str) -> None:
        settings = dict(
            output_dir=folder,
            seed=seed,
            max_steps=stage.steps,
            per_device_train_batch_size=stage.micro_batch_size,
            gradient_accumulation_steps=max(1, stage.batch_size // stage.micro_batch_size),
            learning_rate=stage.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=int(stage.warmup * stage.steps),
            weight_decay=0.0,
            remove_unused_columns=False,  # else "length" is gone before it is used
            use_cpu=not on_gpu,
            bf16=on_gpu,  # on CPUs without bf16 instructions twice as slow as float32
            optim="paged_adamw_8bit" if profile.paged_optimizer else "adamw_torch_fused",
            activation_checkpointing=profile.gradient_checkpointing,  # TRL's default: on
            dataloader_pin_memory=on_gpu,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        args = config(**settings | dict(options))
        before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
        running = trainer(model=model, args=args, callbacks=[recorder], **arguments)
        if not on_gpu:  # TRL casts the trainable weights of 4-bit models to bfloat16
            for name, parameter in model.named_parameters():
                if name in before:
                    parameter.data = before[name]
        running.remove_callback(PrinterCallback)
        recorder.begin(emit, state)
        running.train(resume_from_checkpoint=state and _resume_folder(model, args, state))

    def start(state: State | None) -> Generator[dict[str, float], None, None]:
        if state:
            checkpoints.load_weights(model, state)
            if state.step >= stage.steps:  # else one step too many is taken
                return
        with tempfile.TemporaryDirectory() as folder:
            yield from stream(lambda emit: work(emit, state, folder))

    fingerprint: dict[str, Any] = {}
    if checkpoint:
        fingerprint = {
            "trainer": trainer.__name__,
            "seed": seed,
            **asdict(stage),
            "profile": checkpoints.profile_digest(profile),
            "base model": checkpoints.frozen_digest(model),
            "data": checkpoints.digest(arguments["train_dataset"].to_dict()),
            **facts,
        }
    yield from checkpoints.resumable(start, recorder.snapshot, checkpoint, fingerprint)
    model.eval()


class _Recorder(TrainerCallback):
    """Emits a trainer's logs as records, takes its state and gives it one back.

    transformers' own checkpoints are pickles, and they resume inexactly: the rows of an epoch are drawn with torch's
    generator, which is then not in the state it had when the epoch began. So here it learns from a file only at which
    step it is; the rest is restored when it calls back.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names
        self.trainer: dict[str, Any] = {}  # model, optimizer and lr_scheduler, once it runs

    def begin(self, emit: Emit, state: State | None) -> None:
        """Get ready for a run: where its records go, and the state it goes on from."""
        self.emit, self.state, self.started = emit, state, time.perf_counter()

    def snapshot(self) -> State | None:
        """The state after the last record; None before the training begins."""
        if not self.trainer:
            return None
        tensors, optimizer = checkpoints.optimizer_state(self.trainer["optimizer"])
        tensors |= checkpoints.weights(self.trainer["model"]) | checkpoints.random_state()
        schedule = self.trainer["lr_scheduler"].state_dict()
        facts = {"optimizer": optimizer, "schedule": schedule, "epoch_ended": self.epoch_ended}
        return State(self.step, tensors | {"random.epoch": self.epoch_random}, facts)

    def on_train_begin(self, args, state, control, **trainer) -> None:
        if self.state:
            checkpoints.load_weights(trainer["model"], self.state)
            checkpoints.load_optimizer(trainer["optimizer"], self.state.tensors, self.state.facts["optimizer"])
            trainer["lr_scheduler"].load_state_dict(self.state.facts["schedule"])
        self.trainer = {name: trainer[name] for name in ("model", "optimizer", "lr_scheduler")}

    def on_epoch_begin(self, args, state, control, **_) -> None:
        """The order of the epoch's rows is drawn right after this."""
        if self.state and self.state.facts["epoch_ended"]:
            checkpoints.set_random_state(self.state.tensors)
            self.state = None
        elif self.state:
            torch.set_rng_state(self.state.tensors["random.epoch"])
        self.epoch_random = torch.get_rng_state()

    def on_step_begin(self, args, state, control, **_) -> None:
        if self.state:
            checkpoints.set_random_state(self.state.tensors)
            self.state = None

    def on_log(self, args, state, control, logs=None, **_) -> None:
        if "loss" in logs:  # the last log is the run's summary
            self.step, self.epoch_ended = state.global_step, float(state.epoch).is_integer()
            record = {self.names[name]: float(logs[name]) for name in self.names}
            seconds = time.perf_counter() - self.started
            self.emit({"step": self.step, "loss": float(logs["loss"]), **record, "seconds": seconds})
            self.started = time.perf_counter()  # the consumer has asked for the next record


def _resume_folder(model: PeftModel, args: Any, state: State) -> str:
    """A folder, in the trainer's own, that tells it at which step it goes on; the trainer needs an adapter there."""
    folder = Path(args.output_dir, "resumed")
    folder.mkdir()
    save_adapter(model, folder)
    resumed = TrainerState(global_step=state.step, train_batch_size=args.per_device_train_batch_size)
    resumed.compute_steps(args, args.max_steps)
    resumed.save_to_json(str(folder / "trainer_state.json"))
    return str(folder)


def save_adapter(model: PeftModel, folder: Path) -> None:
    """Write adapter_config.json and adapter_model.safetensors into `folder`; equal adapters, equal bytes."""
    model.save_pretrained(folder, safe_serialization=True, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # peft's card is a form to be filled in
    sort_adapter_config(folder)

"""A progress bar on stderr for what a command runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..runs.streams import Record


def show(stream: Iterator[Record], total: int | None, label: str) -> Any:
    """Run a stream of records behind a progress bar.

    Args:
        stream: the records.
        total: how many there will be, if that is known.
        label: what the bar is called, unless the records name their stage.

    Returns:
        What the stream returns, if it is a generator that does; else None.
    """
    from tqdm.auto import tqdm

    with tqdm(total=total, desc=label, unit="step", file=sys.stderr) as bar:
        while True:
            try:
                record = next(stream)
            except StopIteration as end:
                return end.value
            bar.update()
            stage = "/".join(str(record[key]) for key in ("stage", "recording", "seed") if key in record)
            if stage:
                bar.set_description_str(stage)
            shown = ("loss", "heldout_loss", "accuracy", "reward", "kl", "gold", "split", "pairs")
            bar.set_postfix({k: record[k] for k in shown if k in record})

"""Streams of records: what every stage of training yields."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, TypeVar

Record = dict[str, Any]  # one step: its number, "step", and what was measured
Result = TypeVar("Result")


def map_records(
    stream: Generator[Record, None, Result], function: Callable[[Record], Record]
) -> Generator[Record, None, Result]:
    """Yield `function(record)` for each record of a stream, and return what the stream returns.

    The stream is closed when this one is.
    """
    try:
        while True:
            try:
                record = next(stream)
            except StopIteration as end:
                return end.value
            yield function(record)
    finally:
        stream.close()

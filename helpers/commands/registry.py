"""How a command is declared: `@command(name, help, argument(...), ...)` above the function that runs it."""

from __future__ import annotations

from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Run = Callable[[Namespace], int]


@dataclass(frozen=True)
class Argument:
    """What `ArgumentParser.add_argument` takes."""

    names: tuple[str, ...]
    options: dict[str, Any]


@dataclass(frozen=True)
class Command:
    """How a command is called, and the function that runs it and returns the exit status."""

    run: Run
    help: str
    arguments: tuple[Argument, ...]
    further: str  # what becomes of options that are not known; if empty, they are an error


COMMANDS: dict[str, Command] = {}


def argument(*names: str, **options: Any) -> Argument:
    """An argument of a command, as for `ArgumentParser.add_argument`."""
    return Argument(names, options)


def command(name: str, help: str, *arguments: Argument, further: str = "") -> Callable[[Run], Run]:
    """Make the decorated function the command of that name."""

    def register(run: Run) -> Run:
        COMMANDS[name] = Command(run, help, arguments, further)
        return run

    return register


# ------------------------------------------------------------------------- arguments of several commands


def positive(text: str) -> int:
    """The type of an argument that is a number of at least 1."""
    value = int(text)
    if value < 1:
        raise ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def seed(text: str) -> int:
    """The type of an argument that is a seed."""
    value = int(text)
    if not 0 <= value < 2**32:
        raise ArgumentTypeError(f"must be from 0 to {2**32 - 1}, not {value}")
    return value


PROFILE = argument(
    "--profile",
    help="tiny (default), llama2-7b, or a Llama-2 checkpoint's folder or Hub id; default: $RLHF_PROFILE",
)
SEED = argument("--seed", type=seed, default=0, help="default: 0")
HELDOUT = argument("--n", type=positive, default=512, help="held-out prompts; default: 512")
JSON = argument("--json", type=Path, metavar="FILE", help="write the numbers to FILE, too")

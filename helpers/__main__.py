"""The command line: `python -m helpers COMMAND`, for people without a notebook and for batch machines."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path

from . import __version__
from .commands import COMMANDS
from .files import LabError


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns its exit status, 1 after a LabError.

    Args:
        arguments: default: those that the process was started with.
    """
    parser = _parser()
    args, further = parser.parse_known_args(arguments)
    if further and not COMMANDS[args.command].further:
        parser.error(f"unrecognized arguments: {' '.join(further)}")
    args.further = further
    try:
        return COMMANDS[args.command].run(args)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; what was there before is unchanged", file=sys.stderr)
        return 130


def _parser() -> ArgumentParser:
    called = "rlhf-labs" if Path(sys.argv[0]).stem == "rlhf-labs" else "python -m helpers"
    parser = ArgumentParser(
        prog=called,
        description="RLHF on a laptop: preference data, reward model, PPO with 4-bit LoRA, and their measurements.",
        epilog=f"Results go to runs/ (or $RLHF_RUNS). Start with: {called} doctor",
    )
    parser.add_argument("--version", action="version", version=f"rlhf-labs {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, entry in COMMANDS.items():
        sub = commands.add_parser(name, help=entry.help, description=entry.help, epilog=entry.further or None)
        for each in entry.arguments:
            sub.add_argument(*each.names, **each.options)
    return parser


if __name__ == "__main__":
    sys.exit(main())

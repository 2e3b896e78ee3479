"""The commands of `python -m helpers`: each registers itself, with the function that runs it, in `COMMANDS`.

Importing this room imports nothing heavy: a command imports what it needs when it runs.
"""

from . import classroom, preferences, training, workbook  # in this order they stand in the help
from .registry import COMMANDS

__all__ = ["COMMANDS", "classroom", "preferences", "training", "workbook"]

"""Preference pairs, prompts, demonstrations and ratings: the row types, the project's own files, and every form in
which the field publishes preference sets.

`rows` holds the row types and their checks; `own_files` the project's JSONL files, read strictly; `conversations`
prompts of several turns; `schemas` what the public sets call things; `sources` the records of files and of the Hub;
`sets` puts these together and gives each set its `reading`, the account of what was read and left out; `export` writes
back.
"""

from .export import to_dataset, write_hub_folder, write_preferences
from .own_files import read_demonstrations, read_preferences, read_prompts, read_ratings, write_rows
from .reading import PreferenceSet, Reading
from .rows import SPLITS, Demonstration, Pair, Preference, Prompt, Rating, Row, Turn, check_preferences
from .sets import load_preferences, read_pairs, stream_preferences

__all__ = [
    "SPLITS",
    "Demonstration",
    "Pair",
    "Preference",
    "PreferenceSet",
    "Prompt",
    "Rating",
    "Reading",
    "Row",
    "Turn",
    "check_preferences",
    "load_preferences",
    "read_demonstrations",
    "read_pairs",
    "read_preferences",
    "read_prompts",
    "read_ratings",
    "stream_preferences",
    "to_dataset",
    "write_hub_folder",
    "write_preferences",
    "write_rows",
]

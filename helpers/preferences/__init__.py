"""Preference pairs, prompts, demonstrations and ratings: rows, files, and the field's public sets.

`rows` holds the row types and their checks, `own_files` the project's JSONL files, which are read strictly. For sets of
any form that the field publishes, `record_files` and `sources` read the records of files, folders and the Hub,
`schemas` knows what the sets call things, `conversion` (with `cells` and `conversations`) makes a row of a record, and
`sets` puts these together and gives each set its `reading`, the account of what was read and left out. `export` writes
back.
"""

from .export import to_dataset, write_hub_folder, write_preferences
from .own_files import read_demonstrations, read_preferences, read_prompts, read_ratings, write_rows
from .reading import PreferenceSet, Reading
from .rows import Demonstration, Pair, Preference, Prompt, Rating, Row, Turn, check_unique_ids
from .sets import load_preferences, read_pairs, stream_preferences

__all__ = [
    "Demonstration",
    "Pair",
    "Preference",
    "PreferenceSet",
    "Prompt",
    "Rating",
    "Reading",
    "Row",
    "Turn",
    "check_unique_ids",
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

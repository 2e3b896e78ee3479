"""RLHF Labs: the package that the notebooks are built on.

From the ground up, each floor importing only from those below it: files; objectives and statistics;
preferences and simulation; models; training; evaluation; views; artifacts and the command line
(`python -m helpers`).

Importing this package imports nothing heavy. It only sets defaults that libraries read when they are
imported, so that nothing leaves the machine; a value that is already in the environment wins.
"""

import os

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # else a fork after tokenising warns or hangs

__version__ = "0.1.0"

"""Fixtures that several test files use, how hypothesis draws its examples, and how processes are to run."""

import os
import sys

from hypothesis import settings

# Before torch is imported, and for every process that a test starts: one thread each, since as many processes run side
# by side as there are cores; and bytecode is kept, since some processes do little else than import.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

from .support.shared_base import adapters, shared  # noqa: E402, F401
from .support.tiny import checkpoint, profile  # noqa: E402, F401

# The same examples in every run: what fails, fails for whoever made it fail. To look for new ones:
# `.venv/bin/python -m pytest --hypothesis-profile=default`.
settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")

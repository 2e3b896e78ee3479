"""Fixtures that several test files use, and how hypothesis draws its examples."""

from hypothesis import settings

from .support.shared_base import adapters, shared  # noqa: F401
from .support.tiny import checkpoint, profile  # noqa: F401

# The same examples in every run: what fails, fails for whoever made it fail. To look for new ones:
# `.venv/bin/python -m pytest --hypothesis-profile=default`.
settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")

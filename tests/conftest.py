"""Fixtures that several test files use."""

from .shared_base import adapters, shared  # noqa: F401
from .tiny import checkpoint, profile  # noqa: F401

"""Fixtures that several test files use."""

from .tiny import checkpoint, profile  # noqa: F401

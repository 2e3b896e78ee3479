"""Fingerprints of checkpoints: 64 hexadecimal digits for all that decides what a checkpoint computes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ..files import sha256

SMALL = 100 * 2**20  # bytes: weights that stay on the CPU everywhere, and files whose every byte is hashed


def hash_files(folder: Path) -> str:
    """The fingerprint of a checkpoint's folder: its weights, configuration and tokenizer.

    A file above `SMALL` counts by its name, size and time of change, not by its content.
    """
    parts = []
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".model", ".txt", ".jinja"):
            stat = path.stat()
            large = f"{stat.st_size} {stat.st_mtime_ns}"
            parts.append(f"{path.name} {sha256(path) if stat.st_size <= SMALL else large}")
    return digest(*parts)


def digest(*parts: str) -> str:
    """The fingerprint of several texts in their order."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

"""What one lab hands to the next: trained adapters, found in the reader's own runs or as shipped.

An artifact is a folder of a peft adapter (`adapter_config.json`, `adapter_model.safetensors`, what else its
maker puts there) with `records.jsonl`, the training records, and `artifact.json`, the manifest.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from .. import files
from ..files import PICKLE_SUFFIXES, LabError, Origin

COMMANDS = {  # name: the command that makes it
    "sft": "python -m helpers train sft",
    "reward_model": "python -m helpers train reward",
    "ppo": "python -m helpers train ppo",
    "dpo": "python -m helpers train dpo",
}
LABS = {"reward_model": "02", "ppo": "03", "dpo": "06"}  # name: the lab that makes it too
PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate")


@dataclass(frozen=True)
class Artifact:
    """A whole artifact on disk."""

    name: str
    path: Path
    origin: Origin

    @property
    def digest(self) -> str:
        """SHA-256 of the adapter's weights: what the manifest of an artifact made from this one records."""
        return files.sha256(self.path / "adapter_model.safetensors")

    @property
    def manifest(self) -> dict[str, Any]:
        """Its `artifact.json`: name, profile, created, command, versions, seeds, parents. Empty if none."""
        path = self.path / "artifact.json"
        return _read_object(path, files.shown(self.path)) if path.exists() else {}

    @property
    def records(self) -> list[dict[str, Any]]:
        """The records of its training, one dict a step; empty if there are none.

        Raises:
            LabError: the file cannot be read.
        """
        path = self.path / "records.jsonl"
        return [row for _, row in files.read_jsonl(path)] if path.exists() else []

    def describe(self) -> str:
        """One line for a lab to print."""
        created = self.manifest.get("created")
        return f"{self.name}: {self.origin} ({files.shown(self.path)}{f', made {created}' if created else ''})"


class Artifacts:
    """The artifacts of one profile: the reader's own first, then, for the tiny profile, the shipped ones."""

    def __init__(self, profile_name: str) -> None:
        self.profile_name = profile_name

    def path(self, name: str) -> Path:
        """Where the reader's own artifact is saved: runs/<profile>/<name>.

        Raises:
            LabError: the name is unknown.
        """
        if name not in COMMANDS:
            raise LabError(f"unknown artifact {name!r}: use one of {', '.join(COMMANDS)}")
        return files.runs() / self.profile_name / name

    def find(self, name: str) -> Artifact:
        """The artifact to use.

        A broken artifact of the reader's own is an error: the shipped one never takes its place in silence.

        Raises:
            LabError: there is none (the message says what makes it), or it is not whole.
        """
        found = self._locate(name)
        if found is None:
            lab = f"lab {LABS[name]}, or " if name in LABS else ""
            raise LabError(f"there is no {name} for the profile {self.profile_name} yet: run {lab}`{COMMANDS[name]}`")
        folder, origin = found
        check_adapter(folder)
        return Artifact(name, folder, origin)

    def has(self, name: str) -> bool:
        """Whether `find` would find it; a broken one is there, and an error when it is used."""
        return self._locate(name) is not None

    def _locate(self, name: str) -> tuple[Path, Origin] | None:
        shipped = files.data() / "adapters" / name if self.profile_name == "tiny" else None
        return files.find_own_or_shipped(self.path(name), shipped)

    @contextmanager
    def save(
        self,
        name: str,
        *,
        records: Iterable[Mapping[str, Any]] = (),
        seeds: Iterable[int] = (),
        parents: Iterable[Artifact] = (),
        command: str | None = None,
    ) -> Iterator[Path]:
        """Yield a folder to put the adapter in; it replaces the artifact, whole, when the body has ended.

        After any error the old artifact is still there.

        Args:
            name: a key of `COMMANDS`.
            records: of the training, in order; read when the body has ended.
            seeds: of the training.
            parents: what it was made from.
            command: what makes it again (default: the `python -m helpers` command).

        Raises:
            LabError: the folder then holds no whole adapter, or pickles, or the disk is full.
        """
        path = self.path(name)
        manifest = {
            "name": name,
            "profile": self.profile_name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command or COMMANDS[name],
            "versions": {"python": platform.python_version()} | _versions(),
            "seeds": list(seeds),
            "parents": {parent.name: parent.digest for parent in parents},
        }
        with files.atomic_folder(path) as folder:
            yield folder
            check_adapter(folder, called=path)
            if rows := [dict(record) for record in records]:
                files.write_jsonl(folder / "records.jsonl", rows)
            files.atomic_write(folder / "artifact.json", json.dumps(manifest, indent=2) + "\n")

    def describe(self) -> str:
        """What there is and what is missing, a line for each name."""
        lines = []
        for name in COMMANDS:
            try:
                lines.append(self.find(name).describe())
            except LabError as error:
                lines.append(f"{name}: {error}")
        return "\n".join(lines)


def check_adapter(folder: Path, called: Path | None = None) -> None:
    """Raise an error unless the folder holds a readable peft adapter and no pickle, which could run code.

    Args:
        folder: to check.
        called: the path that messages name, if not the folder's own.

    Raises:
        LabError: the folder holds something else.
    """
    place = files.shown(called or folder)
    if pickles := sorted(p.name for p in folder.rglob("*") if p.suffix.lower() in PICKLE_SUFFIXES):
        raise LabError(
            f"{place} holds pickled files ({', '.join(pickles)}), which can run code when read; "
            f"only .safetensors weights are loaded: delete them, or save the adapter again"
        )
    weights = folder / "adapter_model.safetensors"
    if missing := [p.name for p in (folder / "adapter_config.json", weights) if not p.is_file()]:
        raise LabError(
            f"{place} is not a peft adapter: {' and '.join(missing)} missing; make it again, with "
            f"`model.save_pretrained(folder)`, or delete the folder"
        )
    _read_object(folder / "adapter_config.json", place)

    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="np"):
            pass
    except SafetensorError as error:
        raise LabError(f"{place}/{weights.name} is not safetensors, or is cut off: {error}; make it again") from None


def _read_object(path: Path, place: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise LabError(f"{place}/{path.name}: invalid JSON ({error}); make the artifact again") from None
    if not isinstance(value, dict):
        raise LabError(f"{place}/{path.name}: must be one JSON object; make the artifact again")
    return value


def _versions() -> dict[str, str]:
    installed = {}
    for package in PACKAGES:
        try:
            installed[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return installed

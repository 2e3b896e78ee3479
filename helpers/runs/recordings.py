"""Recorded runs, to be replayed where there is no time for the run itself: the reader's own, and those in data/.

A recording is a folder that grows with its run, so that a killed run leaves what it had:

    recording.json    stage, title, profile, seed, total (steps of the whole run), config, created
    records.jsonl     the run's records, a line each, their numbers rounded to 5 digits
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Generator
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from .. import files
from ..files import LabError, Origin, shown
from ..models.profiles import get_profile
from .streams import Record, map_records

LIMIT = 400_000  # bytes of a recording in data/

Result = TypeVar("Result")


@dataclass(frozen=True)
class Header:
    """What a recording says of its run."""

    stage: str  # sft, reward_model or ppo
    title: str
    profile: str
    seed: int
    total: int  # steps of the whole run, were it not stopped
    config: dict[str, Any] = field(default_factory=dict)
    created: str = ""  # ISO 8601, UTC; not of the shipped ones


@dataclass(frozen=True)
class Recording(Header):
    """A recorded run."""

    name: str = ""
    origin: Origin = "yours"
    records: list[Record] = field(default_factory=list)  # as the run yielded them, with "step" and "seconds"

    @property
    def description(self) -> str:
        """One line for a lab to print."""
        made = {"yours": f"your recording of {self.created[:10]}", "shipped": "shipped with the labs"}[self.origin]
        return (
            f"{self.name}: {made}, profile {self.profile}, seed {self.seed}, {len(self.records)} of {self.total} steps"
        )


def recorded(
    stream: Generator[Record, None, Result], name: str | None, header: Header
) -> Generator[Record, None, Result]:
    """Pass a stream's records on, write them to a recording, and return what the stream returns.

    Args:
        stream: the run.
        name: of the recording, in the folder of the header's profile, where it replaces an older one of that name;
            None records nothing.
        header: what the recording says of the run.

    Raises:
        LabError: the name is no file name, or the place cannot be written.
    """
    if not name:
        return (yield from stream)
    folder = own_folder(name, header.profile)
    about = asdict(header) | {"created": datetime.now(UTC).isoformat(timespec="seconds")}
    with files.atomic_folder(folder) as new:
        (new / "recording.json").write_text(json.dumps(about, indent=2) + "\n", "utf-8")
        (new / "records.jsonl").touch()

    def write(record: Record) -> Record:
        _append(folder / "records.jsonl", record)
        return record

    return (yield from map_records(stream, write))


def load_recording(name: str, profile: str | None = None) -> Recording:
    """The recording of that name: the reader's own, or else the shipped one.

    The last line of a killed run, if it is cut, is left out.

    Args:
        name: of the recording.
        profile: whose recordings to look through; default: as `get_profile`.

    Raises:
        LabError: there is none, or it is broken; the message names file and line or field.
    """
    found = files.find_own_or_shipped(own_folder(name, profile), files.data() / "recordings" / name)
    if found is None:
        known = ", ".join(recording_names(profile)) or "none yet"
        raise LabError(
            f"there is no recording {name!r}; there are: {known}. To make one, run a stage with record={name!r}, such "
            f"as stages.ppo(profile, record={name!r})"
        )
    folder, origin = found
    header = _read_header(folder / "recording.json")
    records = _read_records(folder / "records.jsonl")
    return Recording(**asdict(header), name=name, origin=origin, records=records)


def recording_names(profile: str | None = None) -> list[str]:
    """The names that `load_recording` would find, broken ones too, in order."""
    places = [files.data() / "recordings", files.runs() / (profile or get_profile().name) / "recordings"]
    paths = [path for place in places if os.path.isdir(place) for path in place.iterdir()]
    return sorted({path.name for path in paths if NAME.fullmatch(path.name)})


def ship(name: str, profile: str = "tiny") -> Path:
    """Copy the reader's own recording to data/recordings/, without its date; returns the new folder.

    Raises:
        LabError: there is none, or it is larger than 400 kB, since everybody who clones the repository gets it.
    """
    recording = load_recording(name, profile)
    source, target = own_folder(name, profile), files.data() / "recordings" / name
    if recording.origin != "yours":
        raise LabError(f"there is no recording {name!r} of your own to ship: run the stage with record={name!r}")
    size = sum(path.stat().st_size for path in source.iterdir())
    if size > LIMIT:
        raise LabError(
            f"{shown(source)} has {size:,} bytes, and the limit is {LIMIT:,}: record fewer tokens or samples"
        )
    with files.atomic_folder(target) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        header = json.loads((folder / "recording.json").read_bytes()) | {"created": ""}
        (folder / "recording.json").write_text(json.dumps(header, indent=2) + "\n", "utf-8")
    return target


NAME = re.compile(  # not one that Windows keeps for itself, or cuts
    r"(?!(?:CON|PRN|AUX|NUL|COM\d|LPT\d)(?:\.|$))[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?", re.IGNORECASE
)


def own_folder(name: str, profile: str | None = None) -> Path:
    """Where the reader's own recording of that name is.

    Raises:
        LabError: the name is no plain file name.
    """
    if not NAME.fullmatch(name):
        raise LabError(
            f"{name[:80]!r} is no name for a recording: use up to 64 letters, digits, dots, hyphens and underscores, "
            f"a letter or digit first"
        )
    return files.runs() / (profile or get_profile().name) / "recordings" / name


# ------------------------------------------------------------------------------------- lines and fields


def _append(path: Path, record: Record) -> None:
    kept = {key: _short(value) for key, value in record.items() if key not in ("replayed", "resumed_at")}
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(kept, separators=(",", ":")) + "\n")
    except OSError as error:
        raise LabError(f"cannot write {shown(path)} ({error.strerror}): free space or run without record=") from None


def _short(value: Any) -> Any:
    """Floats with 5 digits, NaN and infinity as None; the rest as it is."""
    match value:
        case float():
            short = float(f"{value:.5g}")  # infinite just below the largest float
            return short if math.isfinite(short) else value if math.isfinite(value) else None
        case list() | tuple():
            return [_short(item) for item in value]
        case dict():
            return {key: _short(item) for key, item in value.items()}
    return value


TYPES = {"str": (str, "a text"), "int": (int, "a whole number"), "dict[str, Any]": (dict, "an object")}


def _read_header(path: Path) -> Header:
    remedy = "record the run again, or delete the folder"
    try:
        values = json.loads(path.read_bytes())
    except OSError:
        raise LabError(f"{shown(path)}: no such file; {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise LabError(f"{shown(path)}: invalid JSON ({error}); {remedy}") from None
    if not isinstance(values, dict):
        raise LabError(f"{shown(path)}: must be one JSON object; {remedy}")
    for column in fields(Header):
        kind, called = TYPES[str(column.type)]
        if not isinstance(values.get(column.name), kind) or isinstance(values[column.name], bool):
            raise LabError(f'{shown(path)}: field "{column.name}" must be {called}; {remedy}')
    return Header(**{column.name: values[column.name] for column in fields(Header)})


def _read_records(path: Path) -> list[Record]:
    try:
        whole, _, _ = path.read_bytes().rpartition(b"\n")  # what follows is half a line of a killed run
    except OSError:
        raise LabError(f"{shown(path)}: no such file; record the run again, or delete the folder") from None
    records = []
    for number, line in enumerate(whole.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise LabError(f"{shown(path)}:{number}: invalid JSON ({error}); delete the line") from None
        if not isinstance(record, dict) or type(record.get("step")) is not int:
            raise LabError(
                f'{shown(path)}:{number}: a line must be an object with a whole number "step"; delete the line'
            )
        records.append(record)
    if not records:
        raise LabError(f"{shown(path)}: holds no record yet; run the stage again, for at least one step")
    return records

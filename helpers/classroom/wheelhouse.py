"""A folder of wheels that sets the labs up with no network: `make wheelhouse`, then `make lab WHEELHOUSE=folder`.

    python -m helpers.classroom.wheelhouse [FOLDER] [--system windows] [--python 3.12] [--cpu]

pip downloads what pyproject.toml pins, in the versions of constraints.txt where there is one. Asked for another
system, pip still decides by *this* one whether a requirement such as `pywinpty; os_name == "nt"` applies. So for
another system pip fetches single wheels, and what each asks for there is read from it, until nothing is missing.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from email import message_from_bytes
from hashlib import file_digest
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from ..files import ROOT, LabError, atomic_write

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
ROUNDS = 12  # of looking for what is missing: how deep dependencies lie; for this computer's system one is enough

# name: pip's platform tags, and what markers see there
SYSTEMS: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "linux": (
        tuple(f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 24, 17, 12, 5)) + ("manylinux2014_x86_64",),
        {"os_name": "posix", "sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
    ),
    "windows": (
        ("win_amd64",),
        {"os_name": "nt", "sys_platform": "win32", "platform_system": "Windows", "platform_machine": "AMD64"},
    ),
    "macos": (
        ("macosx_14_0_arm64", "macosx_14_0_universal2"),
        {"os_name": "posix", "sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
    ),
}

README = """# Wheels for the RLHF labs

{count} wheels, {size:.0f} MB, for {system} with Python {python} or a later {minor}.
They set the labs up with no network. `sha256sum -c SHA256SUMS` says whether a copy is whole.

With make, in the folder of the labs:

    make lab WHEELHOUSE=path/of/this/folder

Without make (Windows, in PowerShell, in the folder of the labs):

    py -{minor} -m venv .venv
    .venv\\Scripts\\pip install --no-index --find-links path\\of\\this\\folder -e .[test]
    .venv\\Scripts\\python -m helpers lab
"""


def pinned() -> list[str]:
    """What a set-up asks pip for: the project's dependencies, its tests' and what builds it."""
    read = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project = read["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["test"], *read["build-system"]["requires"]]


def build(folder: Path, system: str | None = None, python: str | None = None, cpu: bool = False) -> list[str]:
    """Download every wheel into `folder` and write its README.md and SHA256SUMS. What is there already stays.

    Args:
        folder: made if it is not there.
        system: a key of SYSTEMS; default: this computer's.
        python: as "3.12" or "3.12.4"; default: the one that runs this. Some packages ask for a late patch release.
        cpu: take PyTorch's builds without CUDA.

    Returns:
        What is still missing, as requirements: empty if the folder is complete.

    Raises:
        LabError: pip could not download something; pip's own words stand above.
    """
    folder.mkdir(parents=True, exist_ok=True)
    python = python or platform.python_version()
    wanted = pinned()
    for _ in range(ROUNDS):
        _download(folder, wanted, system, python, cpu)
        found = missing(folder, environment(system, python))
        if not found or found == wanted:
            break
        wanted = found
    wheels = sorted(folder.glob("*.whl"))
    size = sum(wheel.stat().st_size for wheel in wheels) / 1e6
    named = system or f"computers like the one that fetched them ({platform.system()} {platform.machine()})"
    atomic_write(
        folder / "README.md",
        README.format(count=len(wheels), size=size, system=named, python=python, minor=".".join(python.split(".")[:2])),
    )
    atomic_write(folder / "SHA256SUMS", "".join(f"{_digest(wheel)}  {wheel.name}\n" for wheel in wheels))
    return found


def _download(folder: Path, wanted: list[str], system: str | None, python: str, cpu: bool) -> None:
    lock = ROOT / "constraints.txt"
    command = [sys.executable, "-m", "pip", "download", "--only-binary=:all:", "--dest", str(folder)]
    command += ["--find-links", str(folder)]  # a second call fetches only what is new
    command += ["--constraint", str(lock)] if lock.exists() else []
    command += ["--extra-index-url", CPU_INDEX] if cpu else []
    command += ["--python-version", python, "--implementation", "cp"]
    command += ["--no-deps", *(f"--platform={tag}" for tag in SYSTEMS[system][0])] if system else []
    if subprocess.run([*command, *wanted]).returncode:
        raise LabError(
            f"{folder} is not complete: pip says above what it could not download. When there is a network "
            f"again, run the same command; it goes on from where it stopped"
        )


# ---------------------------------------------------------------------------------------------- what is missing


def environment(system: str | None, python: str) -> dict[str, str]:
    """What a requirement's marker sees on that system."""
    here = {name: str(value) for name, value in default_environment().items()}
    changed = SYSTEMS[system][1] if system else {}
    return {
        **here,
        **changed,
        "python_version": ".".join(python.split(".")[:2]),
        "python_full_version": python,
    }


def missing(folder: Path, env: dict[str, str], roots: Iterable[str] | None = None) -> list[str]:
    """Requirements that the wheels of `folder` do not meet, from the project's own (or `roots`) downwards.

    Only what is asked for counts: an extra's requirements where somebody asks for that extra.

    Args:
        folder: with the wheels.
        env: what markers see, as from `environment`.
        roots: requirements to begin with; default: `pinned()`.

    Raises:
        LabError: a file is no wheel.
    """
    wheels: dict[NormalizedName, list[tuple[Version, Path]]] = {}
    for path in sorted(folder.glob("*.whl")):
        wheel, version, *_ = parse_wheel_filename(path.name)
        wheels.setdefault(wheel, []).append((version, path))
    unmet: dict[NormalizedName, str] = {}
    seen: set[tuple[NormalizedName, str]] = set()
    asked = [Requirement(text) for text in (pinned() if roots is None else roots)]
    while asked:
        requirement = asked.pop()
        name = canonicalize_name(requirement.name)
        met = [path for version, path in wheels.get(name, ()) if requirement.specifier.contains(version, True)]
        if not met:
            unmet[name] = f"{requirement.name}{requirement.specifier}"
            continue
        for extra in {"", *requirement.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                asked += _asks_for(met[-1], env | {"extra": extra})
    return [unmet[name] for name in sorted(unmet)]


def _asks_for(wheel: Path, env: dict[str, str]) -> Iterator[Requirement]:
    """The requirements of a wheel that apply there."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            names = [name.split("/") for name in archive.namelist()]  # some wheels have others' metadata deeper down
            (metadata,) = ["/".join(name) for name in names if name[1:] == ["METADATA"]]
            lines = message_from_bytes(archive.read(metadata)).get_all("Requires-Dist", [])
    except (zipfile.BadZipFile, ValueError):
        raise LabError(f"{wheel} is damaged or is not a wheel: delete it and run this again") from None
    for line in lines:
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(env):
            yield requirement


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def main(arguments: list[str] | None = None) -> int:
    """Build the wheelhouse; 1 if something is missing in it."""
    parser = argparse.ArgumentParser(prog="python -m helpers.classroom.wheelhouse", description=main.__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="default: wheelhouse/ (or wheelhouse/SYSTEM)")
    parser.add_argument("--system", choices=SYSTEMS, help="that the wheels are for; default: this computer's")
    parser.add_argument("--python", metavar="3.N", help="that the wheels are for; default: the one that runs this")
    parser.add_argument("--cpu", action="store_true", help="PyTorch without CUDA (Linux: 0.2 instead of 2.7 GB)")
    options = parser.parse_args(arguments)
    folder = options.folder or ROOT / "wheelhouse" / (options.system or "")
    try:
        absent = build(folder, options.system, options.python, options.cpu)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for requirement in absent:
        print(f"missing: {requirement}", file=sys.stderr)
    print(f"{folder}: {'not complete' if absent else 'complete'}; its README.md says how to install from it")
    return bool(absent)


if __name__ == "__main__":
    sys.exit(main())

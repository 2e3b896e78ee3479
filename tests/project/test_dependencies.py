"""The packages of the set-up: each at one version, in constraints.txt, and each with the license that the docs say."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.files import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DIRECT = [Requirement(text) for text in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["test"]]


def constraints() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    parsed = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(requirement.url is None for requirement in parsed)
    parsed = [requirement for requirement in parsed if not requirement.marker or requirement.marker.evaluate()]
    pins = {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in parsed}
    assert len(pins) == len(parsed)
    return pins


def needed() -> dict[str, str]:
    """Every package that the project needs on this machine, directly or not -> the installed version."""
    found: dict[str, str] = {}
    waiting: list[Requirement] = list(DIRECT)
    seen = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if (key := (name, frozenset(requirement.extras))) in seen:
            continue
        seen.add(key)
        found[name] = metadata.version(name)
        for text in metadata.requires(name) or []:
            further = Requirement(text)
            extras = ("", *requirement.extras)
            if further.marker is None or any(further.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(further)
    return found


def test_the_constraints_are_the_pins_of_the_project():
    pins = constraints()
    for requirement in DIRECT:
        assert f"=={pins[canonicalize_name(requirement.name)]}" == str(requirement.specifier)
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in pins.values())  # no +cpu, no ranges


def test_the_constraints_cover_all_that_is_installed():
    pins, wanted = constraints(), needed()
    assert {name: version.split("+")[0] for name, version in wanted.items()} == {name: pins[name] for name in wanted}


def license(name: str) -> str:
    """What a package says of its license: the expression if it has one, else its classifier, else its first line."""
    about = metadata.metadata(name)
    classifiers = [c.split(" :: ")[-1] for c in about.get_all("Classifier") or [] if c.startswith("License ::")]
    said = about.get("License-Expression") or ", ".join(classifiers) or (about.get("License") or "").splitlines()[0]
    return said.strip()


def test_the_licenses_are_those_in_the_table():
    table = dict(
        re.findall(r"^\| (\w[\w.-]*) \| ([^|]+?) \|", (ROOT / "docs" / "licenses.md").read_text("utf-8"), re.MULTILINE)
    )
    assert table.pop("package") == "license"
    assert table == {requirement.name: license(requirement.name) for requirement in DIRECT}

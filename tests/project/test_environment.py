"""environment.yml (conda) and pyproject.toml (pip) describe one environment."""

import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from helpers.files import ROOT

MISSION_PACKAGES = {
    "jupyterlab", "torch", "transformers", "trl", "peft", "bitsandbytes", "ipywidgets", "pandas", "plotly",
}  # fmt: skip


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture(scope="module")
def conda() -> list:
    return yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))["dependencies"]


@pytest.fixture(scope="module")
def conda_pip(conda) -> list[str]:
    (section,) = [item["pip"] for item in conda if isinstance(item, dict)]
    return section


def pins(requirements: list[str]) -> dict[str, SpecifierSet]:
    parsed = [Requirement(text) for text in requirements]
    return {requirement.name: requirement.specifier for requirement in parsed}


def test_conda_names_the_nine_packages_with_the_same_pins(project, conda_pip):
    conda_pins = pins([line for line in conda_pip if not line.startswith("-")])
    pip_pins = pins(project["dependencies"])
    assert set(conda_pins) == MISSION_PACKAGES
    assert conda_pins == {name: pip_pins[name] for name in MISSION_PACKAGES}


def test_conda_installs_everything_else_through_the_project_itself(conda, conda_pip):
    assert [line for line in conda_pip if line.startswith("-")] == ["-c constraints.txt", "-e .[test]"]
    assert "pip" in conda


def test_conda_and_pip_ask_for_the_same_python(project, conda):
    (python,) = [Requirement(item) for item in conda if str(item).startswith("python")]
    assert python.specifier == SpecifierSet(project["requires-python"])


def test_every_dependency_is_pinned_exactly(project):
    requirements = project["dependencies"] + project["optional-dependencies"]["test"]
    loose = [name for name, pin in pins(requirements).items() if [s.operator for s in pin] != ["=="]]
    assert loose == []

"""The wheelhouse is complete or says what is missing, for this system and for others. No test uses the network."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from helpers.classroom import wheelhouse
from helpers.classroom.wheelhouse import environment, missing, pinned
from helpers.files import LabError


def wheel(folder: Path, name: str, version: str, *asks_for: str) -> None:
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    lines += [f"Requires-Dist: {requirement}" for requirement in asks_for]
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{name}-{version}.dist-info/METADATA", "\n".join(lines) + "\n\n")
        archive.writestr(f"{name}/_vendor/other-9.dist-info/METADATA", "Requires-Dist: nothing-of-ours\n")
        archive.writestr(f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        archive.writestr(f"{name}-{version}.dist-info/RECORD", "")


def test_what_is_asked_for_in_turn_is_found_missing(tmp_path):
    wheel(tmp_path, "app", "1.0", "Some.Library>=2", "extra-only; extra == 'more'")
    env = environment(None, "3.11.7")
    assert missing(tmp_path, env, ["app==1.0"]) == ["Some.Library>=2"]
    wheel(tmp_path, "some_library", "1.9")
    assert missing(tmp_path, env, ["app==1.0"]) == ["Some.Library>=2"]  # too old
    wheel(tmp_path, "some_library", "2.1", "app")  # a circle
    assert missing(tmp_path, env, ["app==1.0"]) == []
    assert missing(tmp_path, env, ["app[more]==1.0"]) == ["extra-only"]
    assert missing(tmp_path, env, ["app==2"]) == ["app==2"]


@pytest.mark.parametrize(("system", "absent"), [("linux", "pexpect"), ("macos", "appnope"), ("windows", "pywinpty")])
def test_markers_are_those_of_the_system_the_wheels_are_for(system, absent, tmp_path):
    wheel(
        tmp_path, "app", "1.0", "pexpect; platform_system == 'Linux'", "appnope; sys_platform == 'darwin'",
        "pywinpty; os_name == 'nt'", "old; python_version < '3.11'",
    )  # fmt: skip
    assert missing(tmp_path, environment(system, "3.12.1"), ["app"]) == [absent]


def test_a_damaged_wheel_is_named(tmp_path):
    (tmp_path / "app-1.0-py3-none-any.whl").write_bytes(b"cut off")
    with pytest.raises(LabError, match=r"app-1\.0.*delete it"):
        missing(tmp_path, environment(None, "3.11.7"), ["app"])


def test_a_set_up_asks_for_exact_versions_and_for_what_builds_the_project():
    names = {Requirement(text).name: str(Requirement(text).specifier) for text in pinned()}
    assert names["torch"].startswith("==") and "pytest" in names and "setuptools" in names


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """Packages of a shop on this disk instead of the network; the project asks for `app` only."""
    shop = tmp_path / "shop"
    shop.mkdir()
    wheel(shop, "app", "1.0", "library", "pywinpty; os_name == 'nt'", "linux-only; sys_platform == 'linux'")
    for name in ("library", "pywinpty"):
        wheel(shop, name, "2.0")
    wheel(shop, "linux_only", "3.0")
    monkeypatch.setattr(wheelhouse, "pinned", lambda: ["app==1.0"])
    monkeypatch.setattr(wheelhouse, "ROOT", tmp_path)  # without a constraints.txt
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(shop))
    return shop


@pytest.mark.parametrize(("system", "wanted"), [("linux", "linux_only-3.0"), ("windows", "pywinpty-2.0")])
def test_a_folder_is_filled_for_a_system_and_says_how_to_use_it(system, wanted, shelf, tmp_path):
    folder = tmp_path / "wheel house"
    assert wheelhouse.build(folder, system, "3.11.7") == []
    names = [f"{name}-py3-none-any.whl" for name in sorted(["app-1.0", "library-2.0", wanted])]
    assert sorted(path.name for path in folder.glob("*.whl")) == names
    readme = (folder / "README.md").read_text("utf-8")
    assert readme.startswith("# Wheels") and f"for {system} with Python 3.11.7" in readme and "WHEELHOUSE=" in readme
    assert [line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines()] == names


def test_it_installs_with_no_network_and_no_index(shelf, tmp_path, monkeypatch):
    folder = tmp_path / "wheel house"
    assert wheelhouse.build(folder) == []
    monkeypatch.delenv("PIP_FIND_LINKS")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-index",
        "--find-links",
        folder,
        "--target",
        tmp_path / "to",
    ]
    subprocess.run([*command, "app"], check=True, capture_output=True)
    assert {path.name.split("-")[0] for path in (tmp_path / "to").glob("*.dist-info")} >= {"app", "library"}


def test_what_cannot_be_had_is_one_message(shelf, tmp_path, capfd):
    (shelf / "library-2.0-py3-none-any.whl").unlink()
    assert wheelhouse.main([str(tmp_path / "wheels"), "--system", "windows"]) == 1
    assert "it goes on from where it stopped" in capfd.readouterr().err

"""Settings: profiles, the environment, PPO's knobs, names of labs, and the command line."""

import contextlib
import io
import os
from dataclasses import fields, replace

import pytest
from hypothesis import strategies as st

from helpers import __main__ as command_line
from helpers import files
from helpers.classroom import workspace
from helpers.commands import COMMANDS
from helpers.files import LabError
from helpers.labeling.store import LabelStore
from helpers.models.profiles import PROFILES, Profile, get_profile
from helpers.preferences import load_preferences
from helpers.runs.artifacts import Artifacts
from helpers.runs.recordings import load_recording
from helpers.training.ppo_config import PPOConfig

from .harness import any_text, ends_well, inputs, odd_numbers, odd_texts

# What the environment can hold: no NUL; halves of characters are bytes that were not UTF-8.
in_the_environment = (odd_texts | st.sampled_from(["/proc/self/mem/x", "/etc/passwd/x", "~root/x"])).filter(
    lambda text: "\0" not in text
)


def set_environment(patch, name: str, text: str) -> None:
    try:
        patch.setenv(name, text)
    except UnicodeEncodeError:  # half of a character that is no byte's
        patch.setenv(name, os.fsdecode(text.encode("utf-8", "surrogatepass")))


@inputs(600, name=odd_texts | any_text.map(lambda text: f"meta-llama/{text}"))
def test_names_of_profiles(name):
    found = ends_well(lambda: get_profile(name), "unknown profile")
    assert isinstance(found, LabError) or (isinstance(found, Profile) and found.context > 0)


USES = {
    "PROFILE": lambda: get_profile(),
    "RUNS": lambda: (Artifacts("tiny").has("dpo"), load_recording("none")),
    "WORK": lambda: (LabelStore().labels(), workspace._read_record()),
    "DATA": lambda: load_preferences(),
}


@inputs(300, name=st.sampled_from(sorted(USES)), value=in_the_environment)
def test_the_environment(monkeypatch, name, value):
    with monkeypatch.context() as patch:
        set_environment(patch, f"RLHF_{name}", value)
        ends_well(
            USES[name], "unknown profile", "no recording", "no such", "RLHF_", "no name", "cannot be read", "labels"
        )


@inputs(250, name=odd_texts, folder=st.booleans())
def test_places_that_cannot_be_written(tmp_path, name, folder):
    """Below a file, where no folder can be, whatever the name."""
    (tmp_path / "file").write_text("x")
    path = tmp_path / "file" / name.replace("/", "").replace("..", "").replace("\0", "")

    def act():
        if folder:
            with files.atomic_folder(path / "a"):
                pass
        else:
            files.atomic_write(path / "a", "x")

    assert isinstance(ends_well(act, str(tmp_path / "file"), folder=tmp_path), LabError)


NUMBERS = {field.name for field in fields(PPOConfig) if field.type in (int, float) or "None" in str(field.type)}


@inputs(
    900,
    changes=st.dictionaries(st.sampled_from(sorted(NUMBERS)), odd_numbers, min_size=1, max_size=3),
    profile=st.sampled_from(sorted(PROFILES)),
)
def test_settings_of_ppo(changes, profile):
    given = PROFILES[profile]
    made = ends_well(lambda: PPOConfig.of(given, **changes), *changes)
    if not isinstance(made, LabError):
        assert ends_well(lambda: replace(made, seed=1), "PPO").seed == 1
        assert made.batch_size % min(made.batch_size, made.minibatch_size) == 0


@inputs(300, name=odd_texts)
def test_names_of_labs(name):
    found = ends_well(lambda: workspace.find_lab(name), "lab")
    assert isinstance(found, LabError) or found.parent == workspace.LABS


# --- The command line ---------------------------------------------------------

OPTIONS = ["--profile", "--seed", "--steps", "--beta", "--fresh", "--record", "--columns", "--limit", "--json", "--n"]
OPTIONS += ["--port", "--out", "--help", "--version", "--seeds", "--processes", "--ship", "--csv", "--st", "-x", "--"]
VALUES = ["sft", "ppo", "1", "-1", "0", "1.5", "nan", "1e999", "9" * 5000, "٣", "a=b", "a=b,c", "=", ",", "tiny", "all"]
VALUES += ["reward_models"]


@pytest.fixture
def only_parsed(monkeypatch):
    """The command line, with nothing behind it."""
    for name, command in COMMANDS.items():
        monkeypatch.setitem(COMMANDS, name, replace(command, run=lambda args: 0))


@inputs(
    900,
    command=st.sampled_from(sorted(COMMANDS)) | odd_texts,
    further=st.lists(st.sampled_from(OPTIONS) | st.sampled_from(VALUES) | odd_texts, max_size=4),
)
def test_arguments(only_parsed, command, further):
    told, said = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace"), io.StringIO()
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(said):
            assert command_line.main([command, *further]) == 0
    except SystemExit as end:
        told.flush()
        shown = told.buffer.getvalue().decode()
        if end.code == 0:
            assert said.getvalue() and not shown
        else:
            assert end.code == 2
            assert shown.startswith("usage: python -m helpers") and "error: " in shown and "Traceback" not in shown

"""The commands, and the pipeline behind one of them."""

import json
import subprocess
import sys
import tomllib
from dataclasses import replace
from importlib import import_module

import pandas as pd
import pytest

from helpers import __main__ as cli
from helpers import files
from helpers.commands import COMMANDS
from helpers.experiments import prompting_grid as lab_grid
from helpers.models.shared_base import SharedBase
from helpers.prompting import techniques
from helpers.prompting.items import items
from helpers.runs import artifacts, pipeline, stages
from helpers.training.ppo_config import PPOConfig


@pytest.fixture(autouse=True)
def own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "runs"))


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_explains_itself(command, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main([*command.split(), "--help"])
    assert end.value.code == 0
    assert f"usage: python -m helpers {command}" in capsys.readouterr().out


def test_the_commands_stand_in_the_order_of_the_work(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("    ")]
    assert list(COMMANDS) == [
        "doctor", "lab", "check-labs", "grade", "inspect", "train", "evaluate", "pipeline", "grid", "experiment",
        "data", "notebooks",
    ]  # fmt: skip
    assert [words[0] for words in lines if words[0] in COMMANDS] == list(COMMANDS)


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("/venv/bin/rlhf-labs", "rlhf-labs"),
        ("rlhf-labs.exe", "rlhf-labs"),
        ("/repository/helpers/__main__.py", "python -m helpers"),
    ],
)
def test_the_help_says_how_it_was_called(called, name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [called])
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = capsys.readouterr().out
    assert said.startswith(f"usage: {name} [-h]") and f"Start with: {name} doctor" in " ".join(said.split())


def test_the_console_script_is_the_command_line():
    scripts = tomllib.loads((files.ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    module, _, function = scripts["rlhf-labs"].partition(":")
    assert getattr(import_module(module), function) is cli.main


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from helpers.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=files.ROOT, check=True)
    assert not {"torch", "numpy", "pandas", "plotly", "tqdm"} & set(done.stdout.split())


def test_an_option_that_no_command_knows_is_an_error(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["doctor", "--no-browser"])
    assert end.value.code == 2 and "unrecognized arguments: --no-browser" in capsys.readouterr().err


def test_an_experiment_is_asked_for_by_its_name(capsys):
    for arguments in ([], ["sweep"]):
        with pytest.raises(SystemExit) as end:
            cli.main(["experiment", *arguments])
        assert end.value.code == 2
    said = capsys.readouterr().err
    assert "the following arguments are required: name" in said
    assert all(f"{name}" in said for name in ("overoptimization", "direct_alignment", "reward_models"))


def test_an_unknown_profile_is_one_line_and_no_traceback(capsys):
    assert cli.main(["train", "sft", "--profile", "llama9"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: unknown profile 'llama9'")
    assert error.count("\n") == 1


def test_llama2_without_a_gpu_says_what_works_meanwhile(capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert cli.main(["train", "sft", "--profile", "llama2-7b"]) == 1
    assert "RLHF_PROFILE=tiny" in capsys.readouterr().err


def test_steps_must_be_positive(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "sft", "--steps", "0"])
    assert "must be at least 1" in capsys.readouterr().err


def test_it_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "helpers", "--version"], capture_output=True, text=True, cwd=files.ROOT, check=True
    )
    assert done.stdout.startswith("rlhf-labs ")


def test_pipeline_gives_every_headline_number(profile, tmp_path, monkeypatch, capsys):
    """The whole sequence on a random model, a few steps a stage, through the command line."""
    short = replace(
        profile,
        name="short",
        max_response_tokens=8,
        max_prompt_tokens=1000,
        sft=replace(profile.sft, steps=1, batch_size=2, micro_batch_size=2),
        reward_model=replace(profile.reward_model, steps=1, batch_size=2, micro_batch_size=2),
    )
    of = lambda profile, **changes: PPOConfig(updates=1, batch_size=2, minibatch_size=2, epochs=1, **changes)  # noqa: E731
    monkeypatch.setattr("helpers.models.profiles.get_profile", lambda name=None: short)
    monkeypatch.setattr(PPOConfig, "of", of)
    for module in (stages, pipeline):
        rows = {split: stages.load_preferences(split)[:24] for split in ("train", "test")}
        monkeypatch.setattr(module, "load_preferences", rows.get)
    target = tmp_path / "numbers.json"
    assert cli.main(["pipeline", "--seeds", "2", "--n", "3", "--json", str(target)]) == 0
    numbers = json.loads(target.read_text())
    assert json.loads(capsys.readouterr().out) == numbers
    assert 0 <= numbers["reward_model"]["accuracy"] <= 1
    assert 0.5 <= numbers["reward_model"]["best_possible_accuracy"] <= 1
    assert 0 <= numbers["reward_model"]["length_baseline_accuracy"] <= 1
    low, high = numbers["gold"]["gain_interval"]
    assert low <= numbers["gold"]["ppo"] - numbers["gold"]["sft"] + 1e-3
    assert high >= numbers["gold"]["ppo"] - numbers["gold"]["sft"] - 1e-3
    assert {"base", "sft", "ppo"} <= set(numbers["gold"]) and {"sft", "ppo"} <= set(numbers["proxy"])
    assert numbers["n_prompts"] == 3 and numbers["seconds"]["total"] > 0 and "kl" in numbers
    # What it leaves can be loaded, and carries its history.
    store = artifacts.Artifacts("short")
    ppo = store.find("ppo")
    assert ppo.manifest["parents"]["sft"] == store.find("sft").digest
    assert SharedBase.load(short, sft=store.find("sft").path).has_reference_adapter
    stages.load_shared(short, policy_from="ppo")


def test_the_grid_leaves_out_what_it_cannot_have_and_writes_its_table(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lab_grid, "GRID", (techniques.FEW_SHOT,))
    monkeypatch.setattr(lab_grid, "grid_items", lambda n=2: {"topic": items("topic", 2)})
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert cli.main(["grid", "tiny-gpt2", "nobody/nothing", "--csv", str(tmp_path / "table.csv")]) == 0
    said = capsys.readouterr()
    assert "nothing is left out: " in said.err
    table = pd.read_csv(tmp_path / "table.csv")
    assert {"base", "sft", "ppo", "dpo", "tiny-gpt2"} == set(table["model"])
    assert (table["n"] == 2).all() and table["estimate"].between(0, 1).all()

"""Ten thousand inputs: what the tests of this folder say they draw (that they do, conftest.py sees to)."""

import importlib
import os
from pathlib import Path

import pytest

from . import harness
from .harness import INPUTS, ends_well


def test_there_are_ten_thousand_inputs():
    for path in Path(__file__).parent.glob("test_*.py"):
        importlib.import_module(f"{__package__}.{path.stem}")
    total = sum(INPUTS.values())
    print(*(f"{n:6,} {name.removeprefix('tests.fuzz.')}" for name, n in INPUTS.items()), f"{total:6,} in all", sep="\n")
    assert total >= 10_000, INPUTS


def test_a_write_to_anywhere_else_is_stopped(monkeypatch, tmp_path):
    """Names are drawn at random, and "/" is one: the tests that write must not be trusted to keep to their folder."""
    monkeypatch.setattr(harness, "OURS", tmp_path.resolve() / "ours")
    other = tmp_path / "other"
    other.write_text("as it was")
    for act in (lambda: os.open(other, os.O_WRONLY), lambda: other.rename(tmp_path / "new")):
        with pytest.raises(AssertionError, match="outside of"):
            ends_well(act, "nothing")

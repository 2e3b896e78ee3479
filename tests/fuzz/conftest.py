"""What all the fuzzing tests share: no network, a real terminal for the stacks of what hangs, and the count."""

import os

import pytest

from . import harness


@pytest.fixture(scope="session", autouse=True)
def a_terminal_for_stacks(request):
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        harness.terminal = os.dup(2)
    yield
    os.close(harness.terminal)
    harness.terminal = 2


@pytest.fixture(autouse=True)
def all_inputs_are_drawn(request):
    yield
    if wanted := getattr(request.function, "wanted", 0):
        assert len(request.function.drawn) >= wanted, f"drew {len(request.function.drawn)} inputs of {wanted}"


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """runs/ and work/ of the test's own."""
    for name in ("RUNS", "WORK"):
        monkeypatch.setenv(f"RLHF_{name}", str(tmp_path / name.lower()))
    monkeypatch.delenv("RLHF_PROFILE", raising=False)
    return tmp_path

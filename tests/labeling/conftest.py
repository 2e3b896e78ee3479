"""Empty stores of labels."""

import pytest

from helpers.labeling.store import LabelStore


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_WORK", str(tmp_path / "work"))
    return LabelStore()


@pytest.fixture(scope="module")
def new_store(tmp_path_factory):
    """For hypothesis, which runs one test many times: a fresh store at each call."""
    return lambda: LabelStore(tmp_path_factory.mktemp("store") / "labels.sqlite")

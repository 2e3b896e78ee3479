"""Shared by the unit tests and nbval's run over the labs."""

import pytest

import helpers  # noqa: F401  # sets the environment, which the kernels of nbval and the tests' processes inherit


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path):
    """Let nbval compare everything but stderr: progress bars and warnings differ between machines."""
    collectors = yield
    for collector in collectors:
        if file_path.suffix == ".ipynb":
            collector.skip_compare += ("stderr",)
    return collectors

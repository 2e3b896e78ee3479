"""One JupyterLab and one browser for all tests here; each test has a folder and a kernel of its own."""

from pathlib import Path

import pytest

from .jupyterlab import BrowserUnavailable, JupyterLab, chromium, server


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="package")
def jupyterlab(tmp_path_factory):
    root = tmp_path_factory.mktemp("jupyterlab")
    try:
        with chromium() as browser, server(root) as address:
            yield JupyterLab(root, address, browser, browser.new_context())
    except BrowserUnavailable as reason:
        pytest.skip(f"no browser to test in: {reason}")


@pytest.fixture
def folder(jupyterlab, request, monkeypatch):
    """A folder that JupyterLab serves. A kernel that is started in it has its runs/ and work/, as the test has."""
    folder = jupyterlab.root / request.node.name
    folder.mkdir()
    for name in ("runs", "work"):
        monkeypatch.setenv(f"RLHF_{name.upper()}", str(folder / name))
    return folder

"""The first lab in a real JupyterLab, in a real browser: Run All succeeds, and everything is drawn."""

import shutil

import pytest

from helpers.files import ROOT
from tests.browser.jupyterlab import BrowserUnavailable, open_notebook

LAB = ROOT / "labs" / "00_start_here.ipynb"


@pytest.mark.skipif(not LAB.exists(), reason=f"{LAB.name} is absent")
def test_run_all_in_jupyterlab(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("RLHF_WORK", str(tmp_path / "work"))
    labs = shutil.copytree(LAB.parent, tmp_path / "labs", ignore=shutil.ignore_patterns(".*"))
    try:
        with open_notebook(labs / LAB.name) as notebook:
            succeeded = notebook.run_all(seconds=300)
            assert notebook.error_outputs() == []
            assert notebook.page_errors == []
            assert succeeded
    except BrowserUnavailable as reason:
        pytest.skip(f"no browser to test in: {reason}")

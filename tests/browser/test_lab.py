"""The first lab in a real JupyterLab, in a real browser: Run All succeeds, and everything is drawn."""

import shutil

import pytest

from helpers.files import ROOT

LAB = ROOT / "labs" / "00_start_here.ipynb"


@pytest.mark.skipif(not LAB.exists(), reason=f"{LAB.name} is absent")
def test_run_all_in_jupyterlab(jupyterlab, folder):
    labs = shutil.copytree(LAB.parent, folder / "labs", ignore=shutil.ignore_patterns(".*"))
    with jupyterlab.open(labs / LAB.name) as notebook:
        succeeded = notebook.run_all()
        assert notebook.error_outputs() == []
        assert notebook.page_errors == []
        assert succeeded

"""Exercises and questions in a real JupyterLab: hints open, answers are explained, and all is there after a restart."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from helpers.classroom.notebooks import KERNELSPEC
from tests.browser.jupyterlab import BrowserUnavailable, open_notebook

CELLS = [
    "from helpers.exercises import check, predict, progress, quiz, reveal",
    "def bradley_terry_loss(chosen, rejected):\n    return -(chosen - rejected).sigmoid().log().mean()\n\n"
    "bradley_terry_loss = check(bradley_terry_loss)",
    'quiz("constant")',
    'predict("test_accuracy")',
    'reveal("test_accuracy", 0.8)',
    'progress("02")',
]


def test_exercises_in_jupyterlab(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_WORK", str(tmp_path / "work"))
    path = tmp_path / "labs" / "exercises.ipynb"
    path.parent.mkdir()
    cells = [new_code_cell(cell) for cell in CELLS]
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": KERNELSPEC}), path)
    try:
        with open_notebook(path) as notebook:
            page = notebook.page
            page.set_default_timeout(20_000)
            assert notebook.run_all(120)
            text = page.locator(".jp-OutputArea-output")
            assert "is -inf in float32" in text.first.inner_text()  # the misconception is named

            page.get_by_role("button", name="Hint 1 of 3").click()
            page.get_by_text("Hint 1: The probability that the chosen one wins").wait_for()
            page.get_by_role("button", name="Show solution").click()
            page.get_by_text("def bradley_terry_loss(chosen: Tensor").wait_for()

            page.get_by_role("button", name="It rises").click()
            page.get_by_text("✗ Not quite.").wait_for()
            page.get_by_role("button", name="It stays the same").click()
            page.get_by_text("✓ Right.").wait_for()

            page.get_by_role("button", name="Keep my prediction").click()
            page.get_by_text("Kept: 0.75").wait_for()

            page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
            notebook.wait_until_idle()
            assert notebook.run_all(120)
            page.get_by_text("✓ Right.").wait_for()
            page.get_by_text("You predicted 0.75; measured: 0.80.").wait_for()
            panel = text.last.inner_text()
            assert "1 hints" in panel and "solution seen" in panel and "answered" in panel
            assert notebook.page_errors == []
    except BrowserUnavailable as reason:
        pytest.skip(f"no browser to test in: {reason}")

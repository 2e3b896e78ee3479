"""Exercises and questions in a real JupyterLab: hints open, answers are explained, and all is there after a restart."""

from .pages import write_notebook

CELLS = [
    "from helpers.exercises import check, predict, progress, quiz, reveal",
    "def bradley_terry_loss(chosen, rejected):\n    return -(chosen - rejected).sigmoid().log().mean()\n\n"
    "bradley_terry_loss = check(bradley_terry_loss)",
    'quiz("constant")',
    'predict("test_accuracy")',
    'reveal("test_accuracy", 0.8)',
    'progress("02")',
]


def test_exercises_in_jupyterlab(jupyterlab, folder):
    with jupyterlab.open(write_notebook(folder / "exercises.ipynb", CELLS)) as notebook:
        page = notebook.page
        assert notebook.run_all()
        text = page.locator(".jp-OutputArea-output")
        assert "badly wrong" in text.first.inner_text()  # the misconception is named

        page.get_by_role("button", name="Hint 1 of 3").click()
        page.get_by_text("Hint 1: The probability that the chosen one wins").wait_for()
        page.get_by_role("button", name="Show solution").click()
        page.get_by_text("def bradley_terry_loss(chosen: Tensor").wait_for()

        page.get_by_role("radio", name="It rises").click()
        page.get_by_text("✗ Not quite.").wait_for()
        page.get_by_role("radio", name="It stays the same").click()
        page.get_by_text("✓ Right.").wait_for()

        page.get_by_role("button", name="Keep my prediction").click()
        page.get_by_text("Kept: 0.75").wait_for()

        page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
        notebook.wait_until_idle()
        assert notebook.run_all()
        page.get_by_text("✓ Right.").wait_for()
        page.get_by_text("You predicted 0.75; measured: 0.80.").wait_for()
        panel = text.last.inner_text()
        assert "1 hints" in panel and "solution seen" in panel and "answered" in panel
        assert notebook.page_errors == []

"""Notebooks in a real JupyterLab and a real browser that notes every error and every request."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from helpers.classroom.notebooks import KERNELSPEC

from ..support.patience import patience
from .jupyterlab import JupyterLab, Notebook

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


expect = playwright_api.expect

expect.set_options(timeout=1000 * patience())


# anywidget throws this, uncaught, where a widget's code took over 2 s to load; ours go on all the same
# (`state_view.StateView`).
SLOW_LOAD = "[anywidget] Failed to initialize model."


HOSTILE = "<img src=x onerror='window.hacked = 1'><script>window.hacked = 1</script> **bold** \u202eright to left 🙂 "


FAKES = f"""
import json, time
from pathlib import Path
from types import SimpleNamespace
from helpers.views.live import LiveRun

HOSTILE = {HOSTILE!r}
PANELS = {{"reward": "proxy reward, sd", "kl": "KL to the reference, nats"}}

def tokens(step, n=24):
    place = list(range(n))
    names = ("logprob", "ref_logprob", "kl", "reward", "value", "advantage", "return", "new_logprob")
    columns = {{name: [round(0.01 * i * step - 0.1 * k, 3) for i in place] for k, name in enumerate(names)}}
    ratio = [round(0.7 + 0.03 * i, 2) for i in place]
    return {{"prompt": HOSTILE, "completion": "c", "score": 1.0, "ended": True, **columns, "ratio": ratio,
            "token": [HOSTILE[:12], "\\n", *(f" word{{i}}" for i in place[2:])], "clipped": [r > 1.2 for r in ratio]}}

def record(step, pause=0.1):
    texts = {{"prompt": HOSTILE + "prompt " * 30, "completion": f"{{HOSTILE}} now {{step}}", "before": "old"}}
    measures = {{"reward": 0.1 * step, "kl": 0.05 * step, "seconds": pause}}
    return {{"step": step, **measures, "samples": [texts | {{"reward": 0.1}}], "tokens": [tokens(step)]}}

def train(n, file, pause=0.1):
    "A run that goes on from its checkpoint, and writes it when it ends or is closed."
    path = Path(file)
    done = json.loads(path.read_text()) if path.exists() else []
    yield from ({{**kept, "replayed": True}} for kept in done)
    resumed = {{"resumed_at": len(done)}} if done else {{}}
    try:
        for step in range(len(done) + 1, n + 1):
            time.sleep(pause)
            done.append(record(step, pause) | resumed)
            resumed = {{}}
            yield done[-1]
    finally:
        path.write_text(json.dumps(done))
    return "the policy"
"""


class Page:
    """A notebook that is open in a browser which notes every error and every request."""

    def __init__(self, page, address: str, path: str) -> None:
        self.problems: list[str] = []
        self.elsewhere: list[str] = []
        self.slow_loads = 0
        self.page = page
        page.on("console", lambda message: self._note(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self._note(str(error)))
        page.on("request", lambda request: self._trace(request.url))
        self.notebook = Notebook(page, address, path)
        page.evaluate("() => window.jupyterapp.shell.collapseLeft()")

    def _note(self, text: str) -> None:
        if SLOW_LOAD in text:
            self.slow_loads += 1
        else:
            self.problems.append(text)

    def _trace(self, url: str) -> None:
        if not re.match(r"(http|ws)://127\.0\.0\.1[:/]|data:|blob:|about:", url):
            self.elsewhere.append(url)

    def cell(self, number: int):
        return self.page.locator(".jp-NotebookPanel .jp-Cell").nth(number)

    def see(self, where, text: str | re.Pattern) -> None:
        """Wait until it is there."""
        expect(where).to_contain_text(text)

    def start_all(self) -> None:
        """Run All Cells, without waiting for the end."""
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def start(self, number: int) -> None:
        """Run one cell, without waiting for the end."""
        self.page.evaluate(
            """number => {
                window.jupyterapp.shell.currentWidget.content.activeCellIndex = number;
                window.jupyterapp.commands.execute('notebook:run-cell');
            }""",
            number,
        )

    def interrupt(self) -> None:
        """As the square in the toolbar does."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()")

    def theme(self, name: str) -> None:
        """Light or Dark."""
        self.page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", f"JupyterLab {name}"
        )
        is_light = "true" if name == "Light" else "false"
        self.page.wait_for_selector(f"body[data-jp-theme-light='{is_light}']", state="attached")

    def check(self) -> None:
        """Nothing went wrong, nothing left the machine, and no text of the data was taken for code."""
        assert self.problems == [] and self.notebook.error_outputs() == []
        assert self.elsewhere == []
        assert self.page.evaluate("() => window.hacked") is None


def write_notebook(path: Path, cells: list[str]) -> Path:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata={"kernelspec": KERNELSPEC}
    )
    nbformat.write(notebook, path)
    return path


def wait_in(page, look: Callable[[], object]) -> None:
    """Wait until it is true. What the page does is heard of only while playwright is at work."""
    end = time.monotonic() + patience()
    while not look():
        assert time.monotonic() < end, "it did not happen"
        page.wait_for_timeout(50)


def lab(jupyterlab: JupyterLab, folder: Path, cells: list[str], script: str = "", width: int = 1280):
    """A notebook of these cells in a Page (a context manager); `script` runs in the page before all else."""
    return jupyterlab.open(write_notebook(folder / "live.ipynb", cells), width, script, make=Page)


def stop(page: Page, cell: int, at: int) -> int:
    """Press the Stop button of the run in this cell once it has done so many steps; returns where it stopped."""
    progress = page.cell(cell).locator(".rlhf-progress")
    numbers = "|".join(map(str, range(at, at + 1000)))
    page.see(progress, re.compile(rf"(update|step) ({numbers}) of"))
    page.cell(cell).get_by_role("button", name="Stop").click()
    page.see(progress, "run the cell again to go on")
    return int(re.search(r"stopped at (?:update|step) (\d+);", progress.inner_text())[1])


CONTRASTS = """
    () => {
        const numbers = css => css.match(/[\\d.]+/g).map(Number);
        const light = css => {
            const linear = x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
            const [r, g, b] = numbers(css).map(x => linear(x / 255));
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const ground = element => {
            for (let e = element; e; e = e.parentElement) {
                const css = getComputedStyle(e).backgroundColor;
                if ((numbers(css)[3] ?? 1) === 1) return css;
            }
            return "rgb(255, 255, 255)";
        };
        const texts = ".rlhf-samples td, .rlhf-samples th, .rlhf-samples caption, .rlhf-strip span, .rlhf-strip small,"
            + ".rlhf-strip .below, .rlhf-strip b, .rlhf-strip summary, .rlhf-chart .title, .rlhf-card .widget-label";
        return [...document.querySelectorAll(texts)].filter(e => e.textContent && e.offsetParent).map(e => {
            const [low, high] = [light(getComputedStyle(e).color), light(ground(e))].sort((a, b) => a - b);
            return [(high + 0.05) / (low + 0.05), e.className + ": " + e.textContent.slice(0, 30)];
        });
    }
"""

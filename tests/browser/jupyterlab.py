"""A private JupyterLab on loopback, driven by headless Chromium, for the browser test and for screenshots.

    python tests/browser/jupyterlab.py labs/03_ppo.ipynb look.png          # as committed: look-1.png, look-2.png, ...
    python tests/browser/jupyterlab.py labs/03_ppo.ipynb look.png --run    # after Run All
    python tests/browser/jupyterlab.py labs/03_ppo.ipynb look.png --dark   # in JupyterLab's dark theme

The notebook itself stays as it is: its folder is copied first.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]  # a copy of labs/ finds `helpers` there
if __name__ == "__main__":
    sys.path.insert(0, str(PROJECT))

from tests.support.patience import patience, slowdown, wait_until  # noqa: E402

SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
    # Every cell is laid out, so that all of the notebook can be asserted on and photographed.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none", "scrollPastEnd": False},
}
DARK = {"@jupyterlab/apputils-extension:themes": {"theme": "JupyterLab Dark"}}
CHROMIUM_OPTIONS = ["--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"]
# Chromium's sandbox refuses to run as root, as containers do.
CHROMIUM_AS_ROOT = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []


class BrowserUnavailable(Exception):
    """Chromium or playwright is absent; the message says which."""


def find_chromium() -> str:
    """The Chromium to drive: $CHROMIUM, or one on the path. Raises BrowserUnavailable."""
    named = os.environ.get("CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    for found in filter(None, map(shutil.which, names)):
        return found
    raise BrowserUnavailable(f"none of these programs was found: {', '.join(names)}")


# What a kernel runs first: the labs write below the notebook's folder, so that each test has places of its own.
STARTUP = """
import os
os.environ |= {f"RLHF_{name.upper()}": os.path.abspath(name) for name in ("runs", "work")}
del os
"""


@contextmanager
def chromium() -> Iterator:
    """A headless browser, closed at the end. Raises BrowserUnavailable if Chromium or playwright is absent."""
    found = find_chromium()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise BrowserUnavailable("playwright is not installed") from None
    with sync_playwright() as playwright:
        options = CHROMIUM_OPTIONS + CHROMIUM_AS_ROOT
        browser = playwright.chromium.launch(executable_path=found, headless=True, args=options)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def server(root: Path, *, dark: bool = False) -> Iterator[str]:
    """Serve `root` with JupyterLab on 127.0.0.1 and yield its address; the user's settings stay."""
    with tempfile.TemporaryDirectory(prefix="jupyterlab-", ignore_cleanup_errors=True) as folder:
        private = Path(folder)
        overrides = private / "config" / "labconfig" / "default_setting_overrides.json"
        overrides.parent.mkdir(parents=True)
        overrides.write_text(json.dumps(SETTINGS | DARK if dark else SETTINGS))
        startup = private / "ipython" / "profile_default" / "startup" / "folders.py"
        startup.parent.mkdir(parents=True)
        startup.write_text(STARTUP)
        env = os.environ | {
            "JUPYTER_CONFIG_DIR": str(private / "config"),
            "JUPYTER_RUNTIME_DIR": str(private / "runtime"),
            "JUPYTER_DATA_DIR": str(private / "data"),
            "IPYTHONDIR": str(private / "ipython"),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")])),
            "JUPYTERLAB_SETTINGS_DIR": str(private / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(private / "workspaces"),
        }
        port = _free_port()
        command = [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"),
            *(f"--ServerApp.root_dir={root.resolve()}", "--ServerApp.port_retries=0"),
            "--IdentityProvider.token=",  # loopback, and only for as long as the test lasts
            *("--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True", "--allow-root"),
        ]
        log = private / "server.log"
        with log.open("w") as stream:
            process = subprocess.Popen(command, env=env, stdout=stream, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}"
            _wait_until_up(address, process, log)
            yield address
        finally:
            process.send_signal(signal.SIGTERM)  # the server shuts its kernels down
            try:
                process.wait(patience())
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def _wait_until_up(address: str, process: subprocess.Popen, log: Path) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{address}/api/status", timeout=patience()):
                return True
        except (urllib.error.URLError, OSError):
            return False

    if not wait_until(lambda: "up" if answers() else process.poll() is not None and "ended") == "up":
        raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


class Notebook:
    """A notebook open in JupyterLab, in a browser page."""

    def __init__(self, page, address: str, path: str):
        self.page = page
        self.page_errors: list[str] = []
        page.on("pageerror", lambda error: self.page_errors.append(str(error)))
        page.set_default_navigation_timeout(1000 * patience())
        page.goto(f"{address}/lab/tree/{path}?reset", wait_until="domcontentloaded")
        page.set_default_timeout(1000 * patience())
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        self.wait_until_idle()

    def wait_until_idle(self) -> None:
        """Wait until the kernel is there and idle (the toolbar shows "idle" before there is one)."""
        self.page.wait_for_function(
            """async () => {
                const widget = window.jupyterapp.shell.currentWidget;
                if (!widget || !widget.context) return false;
                await widget.context.ready;
                await widget.sessionContext.ready;
                const kernel = widget.sessionContext.session?.kernel;
                return kernel?.status === 'idle';
            }"""
        )

    def run_all(self, seconds: float | None = None) -> bool:
        """Run All Cells, wait for the end, and say whether every cell succeeded. seconds: a limit of one's own."""
        seconds = seconds or patience()
        completed = self.page.evaluate(
            """async (milliseconds) => {
                const command = window.jupyterapp.commands.execute('notebook:run-all-cells');
                const limit = new Promise(resolve => setTimeout(() => resolve('timeout'), milliseconds));
                return await Promise.race([command.then(() => 'done'), limit]);
            }""",
            seconds * 1000,
        )
        if completed == "timeout":
            raise TimeoutError(f"Run All took longer than {seconds} s")
        self.wait_until_idle()
        self.page.wait_for_timeout(1000 * slowdown())  # the last outputs are drawn
        counts = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .filter(cell => cell.model.type === 'code' && cell.model.sharedModel.getSource().trim())
                .map(cell => cell.model.executionCount)"""
        )
        return all(count is not None for count in counts) and not self.error_outputs()

    def error_outputs(self) -> list[str]:
        """Every error that a cell ended in, and the text of every widget or figure that could not be drawn."""
        errors = self.page.evaluate(
            """() => window.jupyterapp.shell.currentWidget.content.widgets
                .flatMap(cell => cell.model.outputs?.toJSON() ?? [])
                .filter(output => output.output_type === 'error')
                .map(output => `${output.ename}: ${output.evalue}`)"""
        )
        return errors + self.page.locator(".jupyter-widgets-error-widget").all_inner_texts()

    def screenshots(self, out: Path) -> list[Path]:
        """Photograph the notebook from top to bottom; out.png stands for out-1.png, out-2.png, ..."""
        self.page.evaluate(
            """() => {
                window.jupyterapp.shell.collapseLeft();
                document.querySelector('.jp-WindowedPanel-outer').scrollTop = 0;
            }"""
        )
        scroller = self.page.locator(".jp-NotebookPanel .jp-WindowedPanel-outer").first
        saved: list[Path] = []
        while True:
            self.page.wait_for_timeout(700 * slowdown())  # figures are drawn when they come into view
            saved.append(out.with_name(f"{out.stem}-{len(saved) + 1}{out.suffix}"))
            scroller.screenshot(path=saved[-1])
            moved = scroller.evaluate(
                "e => { const y = e.scrollTop; e.scrollTop += e.clientHeight - 40; return e.scrollTop > y; }"
            )
            if not moved:
                return saved


@contextmanager
def open_notebook(path: Path, width: int = 1280, height: int = 1400, *, dark: bool = False) -> Iterator[Notebook]:
    """Serve the notebook's folder, open it in a headless browser, and close everything at the end.

    Raises BrowserUnavailable if Chromium or playwright is absent.
    """
    with chromium() as browser, server(path.parent, dark=dark) as address:
        page = browser.new_page(viewport={"width": width, "height": height})
        yield Notebook(page, address, path.name)


@dataclass(frozen=True)
class JupyterLab:
    """A server that many notebooks are opened on, one after the other, in one browser: a test needs no other."""

    root: Path
    address: str
    browser: Any  # of playwright
    context: Any  # of its pages that share a cache

    @contextmanager
    def open(self, path: Path, width: int = 1280, script: str = "", make: Callable = Notebook) -> Iterator:
        """`make(page, address, path)` of a notebook below `root`; its page and its kernel end afterwards.

        script: what the page runs before all else.
        """
        page = self.context.new_page()
        try:
            page.set_viewport_size({"width": width, "height": 1400})
            page.add_init_script(script)
            yield make(page, self.address, str(path.relative_to(self.root)))
        finally:
            end_kernel(page)
            page.close()


def end_kernel(page) -> None:
    """Shut the kernel of the page's notebook down, if there is one."""
    page.evaluate("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()")


def main() -> int:
    """Take screenshots of a notebook in JupyterLab."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("notebook", type=Path)
    parser.add_argument("out", type=Path, help="OUT.png stands for OUT-1.png, OUT-2.png, ..., from top to bottom")
    parser.add_argument("--run", action="store_true", help="Run All Cells first")
    parser.add_argument("--dark", action="store_true", help="in JupyterLab's dark theme")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for Run All (default: 600)")
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=1400)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(options.notebook.parent, Path(folder) / "labs")) / options.notebook.name
        try:
            with open_notebook(copy, options.width, options.height, dark=options.dark) as notebook:
                ok = notebook.run_all(options.timeout) if options.run else True
                saved = notebook.screenshots(options.out)
                problems = notebook.error_outputs() + notebook.page_errors
        except BrowserUnavailable as error:
            sys.exit(f"error: {error}")
    print(*saved, sep="\n")
    for problem in problems:
        print("error:", problem, file=sys.stderr)
    return 0 if ok and not problems else 1


if __name__ == "__main__":
    sys.exit(main())

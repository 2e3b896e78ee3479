"""Hostile texts through every view, in a real JupyterLab: none of them runs, and nothing is fetched.

The same strings, shown on purpose without care, do run and do fetch: otherwise the detector would prove nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support import hostile_views
from tests.support.injections import injections

from ..support.patience import slowdown, wait_until
from .jupyterlab import Notebook, end_kernel
from .pages import wait_in, write_notebook

SET_UP = """
from IPython.display import display
from tests.support import hostile_views
from tests.support.injections import injections
texts = [injection.text for injection in injections({beacon!r})]
def show(*names):
    for name in names:
        for thing in hostile_views.made(name, texts):
            display(thing)
"""
ELSEWHERE = """
import pandas as pd
from helpers.exercises import check
from helpers.files import LabError
print("\\n".join(texts))
display(pd.DataFrame({"text": texts}, index=texts), hostile_views.read_set(texts))
display(check(lambda x: x, name="\\n".join(texts)) and None)
try:
    raise LabError("\\n".join(texts))
except LabError:
    get_ipython().showtraceback()
"""
RUN_CELL = """
    async number => {
        const { content } = window.jupyterapp.shell.currentWidget;
        content.activeCellIndex = number;
        await window.jupyterapp.commands.execute("notebook:run-cell");
    }
"""
WRITE_LAST_CELL = """
    code => window.jupyterapp.shell.currentWidget.content.widgets.at(-1).model.sharedModel.setSource(code)
"""
# The control: the same, without care.
CARELESS = """
import plotly.graph_objects as go
from IPython.display import HTML
from ipywidgets import HTML as Box
careless = {injection.name: injection.text for injection in injections(%r)}
display(HTML(careless["image that fails"]), Box(careless["image from elsewhere"]))
display(go.Figure(layout={"title": {"text": careless["plotly background"]}}))
"""
# Attributes that act; those that only say something (title, aria-label, data-*) may hold any text.
# Links out are let be where JupyterLab makes them of addresses in printed text, and MathJax of \\href: they wait for a
# click, and run nothing. plotly may make none at all.
FOUND = """
    port => {
        const acting = ["href", "xlink:href", "src", "srcset", "srcdoc", "action", "formaction", "data", "poster",
                        "ping", "style", "background", "http-equiv", "filter", "fill", "mask", "clip-path"];
        const ours = value => value.includes("hack(") || value.includes(port);
        const isWebLink = (element, value) =>
            element.matches(".jp-RenderedText a, mjx-container *") && /^(https?|data):/.test(value);
        const found = [];
        for (const cell of document.querySelectorAll(".jp-CodeCell")) {
            const code = cell.querySelector(".jp-InputArea-editor").innerText.slice(0, 60);
            for (const element of cell.querySelectorAll(".jp-OutputArea *"))
                for (const { name, value } of element.attributes)
                    if ((name.startsWith("on") || acting.includes(name)) && ours(value) && !isWebLink(element, value))
                        found.push(`${code}: ${element.tagName} ${name}=${value.slice(0, 200)}`);
            for (const sheet of cell.querySelectorAll(".jp-OutputArea style"))
                if (ours(sheet.textContent)) found.push(`${code}: ${sheet.textContent.slice(0, 200)}`);
            for (const link of cell.querySelectorAll(".js-plotly-plot text a, .js-plotly-plot tspan[style]"))
                if (link.getAttribute("style") !== "font-weight:bold")  // our own headings
                    found.push(`${code}: ${link.outerHTML.slice(0, 200)}`);
        }
        return found;
    }
"""
# Every label that a reader could bring up with the mouse.
HOVER = """
    async () => {
        const plotly = await globalThis.rlhfPlotly;
        let labels = 0;
        for (const figure of document.querySelectorAll(".js-plotly-plot")) {
            figure.scrollIntoView();
            for (const [curveNumber, trace] of (figure.calcdata ?? []).entries())
                for (let first = 0; first < trace.length; first += 20) {
                    const points = [...trace.keys()].slice(first, first + 20);
                    const at = points.map(pointNumber => ({ curveNumber, pointNumber }));
                    try { plotly.Fx.hover(figure, at); } catch { continue; }
                    labels += figure.querySelectorAll(".hoverlayer text").length;
                }
            plotly.Fx.unhover(figure);
        }
        return labels;
    }
"""


class Beacon:
    """A listener on loopback that no text may reach. `numbers`: of the injections that did."""

    def __init__(self) -> None:
        heard = self.heard = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                heard.append(self.path)
                self.send_response(200)
                self.end_headers()

            do_POST = do_HEAD = do_GET

            def log_message(self, *_) -> None:
                """Nothing on the screen."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def numbers(self) -> set[int]:
        first = (path.strip("/").split("/")[0].split("?")[0].split(".")[0] for path in self.heard)
        return {int(number) for number in first if number.isdecimal()}


class Detector:
    """What texts do in the pages of a browser context: run, open, ask for what is not the page's own."""

    def __init__(self, context) -> None:
        self.ran: set[int] = set()
        self.dialogs: list[str] = []
        self.requests: list[str] = []
        self.pages = 0
        context.expose_binding("hack", lambda _, number: self.ran.add(number))
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("page", self._opened)

    def _opened(self, page) -> None:
        self.pages += 1
        page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))

    def elsewhere(self, origin: str) -> list[str]:
        """Requests to anywhere but the server's own address; data and blob are in the page itself."""
        own = (f"{origin}/", origin.replace("http", "ws", 1) + "/", "data:", "blob:", "about:")
        return [url for url in self.requests if not url.startswith(own)]


@pytest.fixture
def beacon() -> Iterator[Beacon]:
    listener = Beacon()
    yield listener
    listener.server.shutdown()
    listener.server.server_close()


def test_every_view_is_among_those_that_are_shown():
    assert set(hostile_views.VIEWS) | hostile_views.TEXTLESS == hostile_views.all_views()
    assert not set(hostile_views.VIEWS) & hostile_views.TEXTLESS


def test_no_text_runs_or_fetches_anything_in_any_view(jupyterlab, folder, beacon):
    cells = [SET_UP.format(beacon=beacon.address), *(f"show({name!r})" for name in hostile_views.VIEWS), ELSEWHERE]
    path = write_notebook(folder / "hostile.ipynb", cells).relative_to(jupyterlab.root)
    address = jupyterlab.address
    with jupyterlab.browser.new_context(viewport={"width": 1280, "height": 1000}) as context:
        detector = Detector(context)
        page = context.new_page()
        notebook = Notebook(page, address, str(path))
        for number in range(len(cells)):
            page.evaluate(RUN_CELL, number)
        failed = [text for text in notebook.error_outputs() if "LabError" not in text]
        assert failed == []
        outputs = page.locator(".jp-NotebookPanel .jp-Cell:has(.jp-OutputArea-output)")
        expected = len(hostile_views.VIEWS) + 1
        # A busy machine draws the last of them later.
        assert wait_until(outputs.count, lambda drawn: drawn == expected) == expected
        assert page.evaluate(HOVER) > 2000
        report = context.new_page()  # the page that `python -m helpers inspect` writes, as it is opened later
        texts = [injection.text for injection in injections(beacon.address)]
        report.set_content(hostile_views.made("diagnostics.report_html", texts)[0].data)
        report.wait_for_timeout(1000 * slowdown())
        where = page.url
        found = page.evaluate(FOUND, beacon.address.rsplit(":", 1)[1])
        assert found == []
        assert (detector.ran, detector.dialogs, beacon.heard) == (set(), [], [])
        assert detector.elsewhere(address) == []
        assert detector.pages == 2 and where.startswith(f"{address}/lab/tree/{path}")

        # The same eyes see what is shown without care.
        page.evaluate(WRITE_LAST_CELL, CARELESS % beacon.address)
        page.evaluate(RUN_CELL, len(cells) - 1)
        number = {injection.name: injection.number for injection in injections(beacon.address)}
        fetched = {number["image from elsewhere"], number["plotly background"]}
        wait_in(page, lambda: number["image that fails"] in detector.ran and fetched <= beacon.numbers)
        assert detector.elsewhere(address)
        end_kernel(page)


def test_the_strings_do_run_where_nobody_takes_care(jupyterlab, beacon):
    of_html = {one.number: one for one in injections(beacon.address) if one.kind == "html"}
    with jupyterlab.browser.new_context() as context:
        detector = Detector(context)
        page = context.new_page()
        page.set_content("<!doctype html><title>x</title>")
        page.evaluate(IN_FRAMES, [one.text for one in of_html.values()])
        page.wait_for_timeout(2000 * slowdown())  # for all that needs no click
        page.evaluate(CLICK)
        wait_in(page, lambda: {of_html[n].name for n in of_html.keys() - detector.ran - beacon.numbers} <= ASLEEP)


# Each string is the body of a page of its own.
IN_FRAMES = """
    texts => texts.forEach(text => {
        const frame = document.createElement("iframe");
        frame.srcdoc = "<!doctype html><body>" + text + "<p>and so on</p>";
        document.body.append(frame);
    })
"""
CLICK = """
    () => [...document.querySelectorAll("iframe")].forEach(frame => {
        frame.contentDocument?.querySelectorAll("a, button, [type=image]").forEach(element =>
            element.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true })));
    })
"""
# Other browsers obey them, or older ones did; of those that want the focus, one gets it.
ASLEEP = {
    "custom element", "input that focuses", "math link", "old comment for one browser", "track", "wheel of a marquee",
}  # fmt: skip

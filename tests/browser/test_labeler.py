"""The labeler as it is used: in JupyterLab, by keyboard and mouse, with a kernel that is killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from helpers.labeling.store import LabelStore
from helpers.preferences import Pair, write_rows

from .jupyterlab import Notebook, end_kernel
from .pages import expect, write_notebook

HOSTILE = Pair(
    "hostile",
    "POST: <script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>\n# Title **bold** [link](x) $x$\n"
    + "W" * 500
    + "\n\nTL;DR:",
    " \u0645\u0631\u062d\u0628\u0627 \u0628\u0643\u0645 <b>a</b>",
    " \U0001f438 <svg onload='window.pwned = 1'>" + "y" * 500,
    "test",
)
PAIRS = [
    Pair(f"p{i}", f"POST: number {i}\n\nTL;DR:", f" First summary {i}.", f" Second summary {i}.", "a>b")
    for i in range(12)
]
PAIRS.insert(2, HOSTILE)

CELLS = (
    """from helpers.labeling.session import LabelingSession, RatingSession
from helpers.preferences import read_pairs
from helpers.views.labeler import Labeler, Rater

pairs = read_pairs("pairs.jsonl")
session = LabelingSession(pairs, "ann", repeat_every=5)
labeler = Labeler(session)
labeler""",
    "labeler",
    "Rater(RatingSession(pairs, 'ann'))",
)


@contextmanager
def labeling(jupyterlab, folder: Path, width: int = 1280) -> Iterator[tuple[Notebook, "Watch"]]:
    """The folder's notebook in JupyterLab, all cells run, with everything that the page says and asks for."""
    context = jupyterlab.browser.new_context(viewport={"width": width, "height": 1000})
    try:
        page = context.new_page()
        where = jupyterlab.address, str((folder / "labeling.ipynb").relative_to(jupyterlab.root))
        watch = Watch(page, where)
        notebook = Notebook(page, *where)
        assert notebook.run_all(), notebook.error_outputs()
        yield notebook, watch
        end_kernel(page)
    finally:
        context.close()


class Watch:
    """What the page logged as errors, and every address that it asked for; `notebook`: server and path."""

    def __init__(self, page, notebook: tuple[str, str]):
        self.notebook = notebook
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.context.on("request", lambda request: self.requests.append(request.url))

    def outside(self) -> list[str]:
        inside = ("data", "blob")
        urls = [urlsplit(url) for url in self.requests]
        return [url.geturl() for url in urls if url.scheme not in inside and url.hostname != "127.0.0.1"]


@pytest.fixture
def folder(folder):
    write_rows(folder / "pairs.jsonl", PAIRS)
    write_notebook(folder / "labeling.ipynb", CELLS)
    return folder


def in_kernel(notebook: Notebook, code: str) -> str:
    """Run code in the notebook's kernel and return what it printed."""
    return notebook.page.evaluate(
        """async (code) => {
            const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            const future = kernel.requestExecute({code});
            let printed = '';
            future.onIOPub = message => { printed += message.content.text ?? ''; };
            await future.done;
            return printed;
        }""",
        code,
    )


def cells(notebook: Notebook) -> list[tuple[str, str]]:
    return notebook.page.evaluate(
        """() => window.jupyterapp.shell.currentWidget.content.widgets
            .map(cell => [cell.model.type, cell.model.sharedModel.getSource()])"""
    )


def wait_for_status(view, text: str) -> None:
    expect(view.locator("[role=status]")).to_contain_text(text)


def shown(view) -> list[str]:
    return view.locator(".rlhf-text").all_inner_texts()


def test_ten_labels_survive_a_killed_kernel(jupyterlab, folder):
    store = LabelStore()
    with labeling(jupyterlab, folder) as (notebook, watch):
        page = notebook.page
        view, second = page.locator(".rlhf-labeler").nth(0), page.locator(".rlhf-labeler").nth(1)
        before = cells(notebook)

        # Keys, and none of them reaches JupyterLab, where "a" and "b" insert cells, "d d" deletes, "m" is Markdown.
        view.locator(".rlhf-post").click()
        for key in ["a", "d", "d", "b", "m", "x", "z", "Enter", "4"]:
            page.keyboard.press(key)
        assert "First pick a side" in view.locator("[role=status]").inner_text()
        assert store.labels() == []
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowRight")
        assert view.locator(".rlhf-pick").nth(0).get_attribute("aria-pressed") == "false"
        assert view.locator(".rlhf-pick").nth(1).get_attribute("aria-pressed") == "true"
        right = shown(view)[2]
        page.keyboard.press("4")
        wait_for_status(view, "saved 1 of 16")
        (label,) = store.labels("ann")
        chosen = label.pair.completion_a if label.choice == "a" else label.pair.completion_b
        assert (label.pair, label.strength, chosen.strip()) == (PAIRS[0], 4, right)
        assert label.seconds > 0

        # The mouse, and both views of the widget stay in step.
        second.locator('[data-answer="left 2"]').click()
        wait_for_status(second, "saved 2 of 16")
        assert shown(view) == shown(second) and "window.pwned" in shown(view)[0]
        assert "Question 3 of 16; 2 saved" in view.locator(".rlhf-counter").inner_text()

        # Hostile text is text.
        assert shown(view)[0] == HOSTILE.prompt
        assert sorted(shown(view)[1:]) == sorted([HOSTILE.completion_a.strip(), HOSTILE.completion_b.strip()])
        assert view.locator(".rlhf-text *").count() == 0
        assert page.evaluate("window.pwned") is None
        for element in (".rlhf-labeler", ".rlhf-text"):
            overflow = "elements => elements.some(e => e.scrollWidth > e.clientWidth + 1)"
            assert not page.locator(element).evaluate_all(overflow)

        # Ties, skips, undo, and a key held down, which is one answer.
        view.focus()
        page.keyboard.press("t")
        wait_for_status(view, "saved 3 of 16")
        page.keyboard.press("s")
        wait_for_status(view, "saved 4 of 16")
        page.keyboard.press("u")
        wait_for_status(view, "taken back; saved 3 of 16")
        assert [label.choice for label in store.labels()][2:] == ["tie"]
        assert [label.choice for label in store.labels(undone=True)] == ["skip"]
        page.keyboard.down("ArrowLeft")
        page.keyboard.down("1")
        page.keyboard.down("1")
        page.keyboard.up("1")
        wait_for_status(view, "saved 4 of 16")
        for number in range(5, 11):
            view.locator(f'[data-answer="{("left", "right")[number % 2]} {1 + number % 4}"]').click()
            wait_for_status(view, f"saved {number} of 16")
            assert len(store.labels()) == number  # what is acknowledged is on disk
        assert [label.repeat for label in store.labels()] == [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
        assert cells(notebook) == before
        assert watch.errors == []

        # The kernel dies: nothing is acknowledged any more, and nothing that was is lost.
        kept = store.labels()
        kernel = psutil.Process(int(in_kernel(notebook, "import os; print(os.getpid())")))
        kernel.suspend()
        view.locator('[data-answer="left 4"]').click()
        wait_for_status(view, "Not saved yet: the kernel does not answer")
        assert view.get_by_role("button", name="Send again").is_visible()
        assert view.locator('[data-answer="left 4"]').get_attribute("aria-pressed") == "true"
        kernel.kill()
        wait_for_status(view, "Your last answer may not be saved. The kernel was stopped.")
        assert "10 saved" in view.locator(".rlhf-counter").inner_text()
        page.get_by_text("appears to have died").wait_for()
        page.keyboard.press("Enter")
        view.locator('[data-answer="tie"]').click(force=True)
        assert view.locator('[data-answer="tie"]').get_attribute("aria-disabled") == "true"
        assert store.labels() == kept

        # Reload, run again: the session goes on.
        page.on("dialog", lambda dialog: dialog.accept())
        notebook = Notebook(page, *watch.notebook)
        assert notebook.run_all(), notebook.error_outputs()
        view = page.locator(".rlhf-labeler").first
        assert "Question 11 of 16; 10 saved" in view.locator(".rlhf-counter").inner_text()
        view.locator('[data-answer="tie"]').click()
        wait_for_status(view, "saved 11 of 16")
        assert store.labels()[:10] == kept and store.labels()[10].choice == "tie"
        assert watch.outside() == [] and len(watch.requests) > 10


def test_failures_restarts_and_ratings(jupyterlab, folder):
    store = LabelStore()
    with labeling(jupyterlab, folder, width=800) as (notebook, watch):
        page = notebook.page
        view, rater = page.locator(".rlhf-labeler").nth(0), page.locator(".rlhf-labeler").nth(2)
        # Narrow: one card below the other.
        a, b = (view.locator(".rlhf-card").nth(i).bounding_box() for i in (0, 1))
        assert b["y"] >= a["y"] + a["height"] and a["x"] == b["x"]

        # A write that fails is not acknowledged; once it can work, "Send again" saves it, once.
        in_kernel(
            notebook,
            "import pathlib; good = session.store.path; session.store.path = pathlib.Path('/dev/null/labels.sqlite')",
        )
        view.focus()
        page.keyboard.press("t")
        wait_for_status(view, "Not saved: ")
        assert "0 saved" in view.locator(".rlhf-counter").inner_text() and store.labels() == []
        in_kernel(notebook, "session.store.path = good")
        view.get_by_role("button", name="Send again").click()
        wait_for_status(view, "saved 1 of 16")
        assert [label.choice for label in store.labels()] == ["tie"]
        assert not view.get_by_role("button", name="Send again").is_visible()

        # A kernel that does not answer: the answer waits, and is saved in the end.
        kernel = psutil.Process(int(in_kernel(notebook, "import os; print(os.getpid())")))
        kernel.suspend()
        view.focus()
        page.keyboard.press("s")
        wait_for_status(view, "Not saved yet: the kernel does not answer")
        assert len(store.labels()) == 1
        kernel.resume()
        wait_for_status(view, "saved 2 of 16")
        assert len(store.labels()) == 2

        # Ratings, by key and by mouse.
        rater.focus()
        page.keyboard.press("6")
        wait_for_status(rater, "saved 1 of 26")
        rater.locator('[data-answer="rate 2"]').click()
        wait_for_status(rater, "saved 2 of 26")
        assert [rating.rating for rating in store.ratings("ann")] == [6, 2]
        page.keyboard.press("u")
        wait_for_status(rater, "taken back; saved 1 of 26")

        # A second tab on the same kernel shows the same question and stays in step.
        page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
        tab = Notebook(page.context.new_page(), *watch.notebook).page
        other = tab.locator(".rlhf-labeler").first
        other.wait_for()
        assert shown(other) == shown(view)
        other.locator('[data-answer="right 3"]').click()
        wait_for_status(other, "saved 3 of 16")
        expect(view.locator(".rlhf-counter")).to_contain_text("Question 4 of 16; 3 saved")
        assert shown(other) == shown(view)
        tab.close()

        # The control: beside the widget, on a button of no widget, JupyterLab takes the letters.
        before = cells(notebook)
        view.focus()
        page.keyboard.press("b")
        assert cells(notebook) == before
        view.evaluate("element => element.after(document.createElement('button'))")
        view.evaluate("element => element.nextSibling.focus()")
        page.keyboard.press("b")
        page.wait_for_function(
            "n => window.jupyterapp.shell.currentWidget.content.widgets.length === n", arg=len(before) + 1
        )

        # A restart that JupyterLab knows of is said at once, and closes the view.
        page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel()")
        wait_for_status(view, "The kernel was stopped.")
        notebook.wait_until_idle()
        view.locator('[data-answer="tie"]').click(force=True)
        assert len(store.labels()) == 3
        assert watch.errors == [] and watch.outside() == []

"""The playground in a real JupyterLab, in a real browser: generate, compare, stop; text that stays text."""

from __future__ import annotations

import json
import re

from .pages import CONTRASTS, HOSTILE, Page, expect, lab

MODELS = f"""
import time
from helpers.prompting.templates import TEMPLATES, Template
from helpers.views.playground import Playground

HOSTILE = {HOSTILE!r}

class Fake:
    "Streams its words one by one; what it writes is hostile, and it never ends if `endless`."
    context = 128

    def __init__(self, text, pause=0.02, endless=False):
        self.words, self.pause, self.endless = text.split(" "), pause, endless

    def render(self, ask):
        return ask.query

    def count_tokens(self, text):
        return len(text.split())

    def next_tokens(self, prompt, n=10):
        tokens = [" I", HOSTILE[:28], "\\n", " Want", " We", " The", " Hoping", " What", " My", " a-very-long-token"]
        return [(token, 0.5 ** (i + 1)) for i, token in enumerate(tokens)][:n]

    def stream(self, prompt, *, max_new_tokens=48, seed=0, **decoding):
        while True:
            for word in self.words:
                time.sleep(self.pause)
                yield " " + word
            if not self.endless:
                return

class Broken(Fake):
    def stream(self, prompt, **_):
        raise RuntimeError(f"no luck with\\n{{HOSTILE}}")

models = {{
    "tiny": Fake("I want to train my puppy, but our toddler chases every animal. " + HOSTILE),
    "endless": Fake("and so on", 0.1, endless=True),
    "broken": Broken(""),
    HOSTILE: Fake("x"),
}}
pg = Playground(models, [*TEMPLATES, Template(HOSTILE, "<b>{{text}}</b>", {{"text": HOSTILE}})])
pg
"""
UNNAMED = """
    () => [...document.querySelectorAll(".rlhf-playground :is(input, select, textarea, button)")]
        .filter(e => e.offsetParent)
        .filter(e => !(e.labels?.length && e.labels[0].textContent.trim()) && !e.ariaLabel && !e.textContent.trim())
        .map(e => e.outerHTML)
"""
# What sticks out of the playground, or is cut off in it: controls, texts and bars must be seen whole.
SPILLED = """
    () => {
        const box = document.querySelector(".rlhf-playground").getBoundingClientRect();
        return [...document.querySelectorAll(".rlhf-playground *")]
            .filter(e => e.offsetParent && !e.closest(".rlhf-announcer"))
            .filter(e => {
                const { left, right } = e.getBoundingClientRect();
                const cut = e.matches("label, .widget-label, button, pre") && e.scrollWidth > e.clientWidth + 1;
                return left < box.left - 1 || right > box.right + 1 || cut;
            })
            .map(e => e.outerHTML.slice(0, 200));
    }
"""


def kept(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "work" / "playground.jsonl").read_text("utf-8").splitlines()]


def columns(page: Page):
    """The settings and the outcomes, which come in the order A, B."""
    view = page.page.locator(".rlhf-playground")
    return view, view.locator(".rlhf-setting"), view.locator(".rlhf-outcome")


def test_generate_compare_and_stop(jupyterlab, folder):
    with lab(
        jupyterlab, folder, [MODELS, 'print("kernel:", pg.settings[0].outcome.state["running"])', "pg.history.shape"]
    ) as page:
        page.start(0)
        view, settings, outcomes = columns(page)
        expect(settings).to_have_count(1)
        a = settings.nth(0)

        # The prompt follows what is typed; letters are text, not JupyterLab's shortcuts.
        a.get_by_label("template").select_option("zero-shot: topic")
        a.get_by_label("sentence").fill("")
        a.get_by_label("sentence").press_sequentially("A bad dog barks, dd. ")
        page.page.keyboard.insert_text(HOSTILE)
        expect(a.get_by_label("prompt of setting A")).to_have_text(f"Sentence: A bad dog barks, dd. {HOSTILE}\nTopic:")
        page.see(a, re.compile(r"\(\d+ tokens; the model's context is 128\)"))
        assert page.page.locator(".jp-NotebookPanel .jp-Cell").count() == 3

        # By keyboard alone: on to Generate, and press it.
        a.get_by_label("sentence").focus()
        for _ in range(20):
            page.page.keyboard.press("Tab")
            if page.page.evaluate("() => document.activeElement.textContent.trim()") == "Generate":
                break
        page.page.keyboard.press("Enter")
        page.see(outcomes.nth(0), "finished")
        completion = outcomes.nth(0).get_by_label("completion A")
        page.see(completion, f"toddler chases every animal. {HOSTILE.strip()}")
        expect(outcomes.nth(0).locator("tr")).to_have_count(10)
        page.see(outcomes.nth(0).locator("tr").nth(1), "<img·src=x")
        page.see(outcomes.nth(0).locator("tr").nth(0), "50.0 %")
        (record,) = kept(folder)
        assert record["slots"]["sentence"].endswith(HOSTILE) and record["completion"].strip().endswith(HOSTILE.strip())

        # Two settings: B begins as A, and takes another way of decoding and a model that never ends.
        view.get_by_role("button", name="Compare").click()
        expect(settings).to_have_count(2)
        b = view.get_by_role("group", name="setting B")
        expect(b.get_by_label("sentence")).to_have_value(f"A bad dog barks, dd. {HOSTILE}")
        b.get_by_label("decoding").select_option("sampling")
        b.get_by_label("temperature").fill("0.7")
        b.get_by_label("temperature").press("Tab")  # sends it, before the kernel can put back the old one
        b.get_by_label("model", exact=True).select_option("endless")
        assert page.page.evaluate(UNNAMED) == []
        view.get_by_role("button", name="Generate").click()
        page.see(view.get_by_role("group", name="outcome B"), "and so on and so on")
        page.start(1)  # the kernel is free meanwhile
        page.see(page.cell(1), "kernel: False")
        view.get_by_role("button", name="Stop").click()
        page.see(outcomes.nth(1), "stopped, and not kept in the history")
        page.see(outcomes.nth(1), "temperature 0.7, top-k 0, top-p 1, seed 0")
        page.see(outcomes.nth(0), "finished")
        assert len(kept(folder)) == 2

        # What fails is a line, and the playground goes on; so do hostile names.
        b.get_by_label("model", exact=True).select_option("broken")
        a.get_by_label("model", exact=True).select_option(HOSTILE)
        a.get_by_label("template").select_option(HOSTILE)
        view.get_by_role("button", name="Generate").click()
        page.see(outcomes.nth(1), f"failed: RuntimeError: no luck with {HOSTILE.strip()}")
        page.see(outcomes.nth(0), f"{HOSTILE} · {HOSTILE} · greedy")
        view.get_by_role("button", name="Export CSV").click()
        page.see(view, "3 generations are in")
        page.start(2)
        page.see(page.cell(2), "(3, 9)")
        assert (folder / "work" / "playground.csv").read_text("utf-8").startswith('"time","model"')
        page.check()


TEXTS = ".rlhf-playground :is(pre, th, td, .words, .heading, caption, select, textarea, input, label, button)"


def at_rest(page, settings) -> list[dict]:
    """The boxes of both settings, once the new width has gone through the whole page."""
    boxes = None
    while boxes != (boxes := [settings.nth(i).bounding_box() for i in (0, 1)]):
        page.page.wait_for_timeout(200)
    return boxes


def test_everything_is_in_sight_in_both_themes_in_a_wide_and_a_narrow_window(jupyterlab, folder):
    with lab(jupyterlab, folder, [MODELS]) as page:
        page.start(0)
        view, settings, outcomes = columns(page)
        view.get_by_role("button", name="Compare").click()
        b = view.get_by_role("group", name="setting B")
        b.get_by_label("decoding").select_option("sampling")
        b.get_by_label("model", exact=True).select_option("broken")
        view.get_by_role("button", name="Generate").click()
        page.see(outcomes.nth(1), "failed")
        for width in (1280, 800):
            page.page.set_viewport_size({"width": width, "height": 1400})
            expect(view).not_to_have_css("width", "0px")
            a, b = at_rest(page, settings)
            assert a["y"] == b["y"] and b["x"] >= a["x"] + a["width"], "side by side"
            assert page.page.evaluate(SPILLED) == []
        contrasts = CONTRASTS.replace('const texts = "', f'const texts = "{TEXTS}, ')
        for theme in ("Light", "Dark"):
            page.theme(theme)
            read = page.page.evaluate(contrasts)
            # not of what is disabled: it is meant to look so
            assert len(read) > 40 and [what for c, what in read if c < 4.5 and "Stop" not in what] == []
        page.check()

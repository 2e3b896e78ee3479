"""Live runs, replays, the microscope and the explorers in a real JupyterLab, in a real browser.

Other browser tests of a run can use `lab`, `Page`, `stop` and `HOSTILE`: see `test_stop_and_resume`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest

from tests.browser.jupyterlab import (
    CHROMIUM_AS_ROOT,
    CHROMIUM_OPTIONS,
    BrowserUnavailable,
    Notebook,
    find_chromium,
    server,
)

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = playwright_api.expect

PATIENCE = 120_000  # milliseconds; the machines of CI are slow, and nothing here is a race
# anywidget throws this, uncaught, where a widget's code took over 2 s to load; ours go on all the same (`card.Fed`).
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
        expect(where).to_contain_text(text, timeout=PATIENCE)

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
        self.page.wait_for_selector(f"body[data-jp-theme-light='{is_light}']", state="attached", timeout=PATIENCE)

    def check(self) -> None:
        """Nothing went wrong, nothing left the machine, and no text of the data was taken for code."""
        assert self.problems == [] and self.notebook.error_outputs() == []
        assert self.elsewhere == []
        assert self.page.evaluate("() => window.hacked") is None


@contextmanager
def lab(folder: Path, cells: list[str], script: str = "", width: int = 1280) -> Iterator[Page]:
    """A notebook of these cells in a browser; `script` runs in the page before all else. Skips without a browser."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
        metadata={"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}},
    )
    nbformat.write(notebook, folder / "live.ipynb")
    try:
        chromium = find_chromium()
    except BrowserUnavailable as reason:
        pytest.skip(f"no browser to test in: {reason}")
    with server(folder) as address, playwright_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, headless=True, args=CHROMIUM_OPTIONS + CHROMIUM_AS_ROOT
        )
        try:
            page = browser.new_page(viewport={"width": width, "height": 1400})
            page.add_init_script(script)
            yield Page(page, address, "live.ipynb")
        finally:
            browser.close()


def stop(page: Page, cell: int, at: int) -> int:
    """Press the Stop button of the run in this cell once it has done so many steps; returns where it stopped."""
    progress = page.cell(cell).locator(".rlhf-progress")
    page.see(progress, re.compile(rf"(update|step) ({at}|[1-9]\d+) of"))
    page.cell(cell).get_by_role("button", name="Stop").click()
    page.see(progress, "run the cell again to go on")
    return int(re.search(r"stopped at (?:update|step) (\d+);", progress.inner_text())[1])


# --- Live ---------------------------------------------------------------------

RUN = """
total = int(Path("total").read_text())
run = LiveRun("PPO", PANELS, total=total)
display(run.view)
result = await run.follow(train(total, "checkpoint.json"))
print("cell:", run.outcome, result, len(run.records))
""".strip()
BROKEN = """
def broken():
    yield record(1)
    raise ValueError("the reward gave <b>no</b> numbers")

run = LiveRun("PPO", PANELS)
display(run.view)
await run.follow(broken())
""".strip()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "total").write_text("9000")  # more than any test waits for
    return tmp_path


def kept(folder: Path) -> list[int]:
    """The steps that the run's checkpoint holds."""
    return [record["step"] for record in json.loads((folder / "checkpoint.json").read_text())]


def test_stop_and_resume(folder):
    with lab(folder, [FAKES, RUN, 'print("next cell:", run.outcome)']) as page:
        page.start_all()
        step = stop(page, 1, at=3)
        page.see(page.cell(1), f"cell: stopped None {step}")
        page.see(page.cell(2), "next cell: stopped")  # Run All waited for the run
        assert kept(folder) == list(range(1, step + 1)) and step >= 3

        total = step + 20
        (folder / "total").write_text(str(total))
        page.start(1)
        page.see(page.cell(1), f"cell: finished the policy {total}")
        assert kept(folder) == list(range(1, total + 1))
        page.see(page.cell(1).locator(".rlhf-chart"), f"{0.1 * (total - 2):.2f} sd (update {total} of {total})")
        page.see(page.cell(1).locator(".rlhf-samples"), f"now {total}")
        expect(page.cell(1).locator(".rlhf-chart .shapelayer path")).to_have_count(2)  # where it was resumed
        expect(page.cell(1).get_by_role("button", name="Stop")).to_be_disabled()
        expect(page.cell(1).locator(".jp-OutputArea-child")).to_have_count(2)  # one view and one line, no second figure
        page.check()


PPO = [
    """
from helpers import stages
from helpers.models.profiles import get_profile
from helpers.training.ppo_config import PPOConfig
from helpers.views.live import PANELS, LiveRun

profile = get_profile("tiny")
config = PPOConfig.of(profile, updates=16, batch_size=8, watch=1)
shared = stages.load_shared(profile)
""".strip(),
    """
run = LiveRun("PPO", PANELS["ppo"], config.updates)
display(run.view)
await run.follow(stages.ppo(profile, shared=shared, config=config))
""".strip(),
    """
again = stages.load_shared(profile)
whole = list(stages.ppo(profile, shared=again, config=config, save=False))
measures = [[(r["reward"], r["kl"], r["policy_loss"]) for r in records] for records in (run.records, whole)]
print("same records:", measures[0] == measures[1])
weights = [list(model.trainable_parameters()) for model in (shared, again)]
print("same weights:", all((a == b).all().item() for a, b in zip(*weights, strict=True)))
""".strip(),
]


def test_a_real_ppo_run_is_stopped_and_goes_on_in_a_new_kernel(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "runs"))
    with lab(tmp_path, PPO) as page:
        page.start(0)
        page.start(1)
        step = stop(page, 1, at=2)
        assert 2 <= step < 16, "it must not have ended by itself"
        page.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        page.notebook.wait_until_idle()

        page.start_all()
        page.see(page.cell(1).locator(".rlhf-progress"), re.compile(r"update 16 of 16"))
        expect(page.cell(1).locator(".rlhf-chart .shapelayer path")).to_have_count(4, timeout=PATIENCE)  # one a panel
        page.see(page.cell(2), "same records: True")
        page.see(page.cell(2), "same weights: True")
        page.check()


def test_interrupt_ends_a_run_well(folder):
    with lab(folder, [FAKES, RUN, BROKEN]) as page:
        page.start(0)
        page.start(1)
        progress = page.cell(1).locator(".rlhf-progress")
        page.see(progress, re.compile(r"update \d+ of 9000 · \d+:\d\d left"))
        page.interrupt()
        page.see(progress, re.compile(r"interrupted at update \d+; run the cell again to go on"))
        step = int(re.search(r"update (\d+);", progress.inner_text())[1])
        page.see(page.cell(1), f"cell: interrupted None {step}")
        assert kept(folder) == list(range(1, step + 1))
        page.check()

        page.start(2)
        words = "failed at update 1: ValueError: the reward gave <b>no</b> numbers"
        page.see(page.cell(2).locator(".rlhf-progress"), words)
        page.see(page.cell(2), "Traceback")  # the cell's own error
        assert page.problems == [] and page.elsewhere == []


def test_an_open_prompt_holds_the_samples_while_the_run_goes_on(folder):
    with lab(folder, [FAKES, RUN]) as page:
        page.start_all()
        samples, progress = (page.cell(1).locator(name) for name in (".rlhf-samples", ".rlhf-progress"))
        samples.locator("summary").first.click(timeout=PATIENCE)
        page.see(samples, "held while a prompt is open")
        held = samples.locator("td").nth(2).inner_text()
        page.see(samples.locator("details div"), "onerror='window.hacked = 1'")  # the whole prompt, as text
        step = int(re.search(r"update (\d+)", progress.inner_text())[1])
        page.see(progress, re.compile("update (" + "|".join(str(step + more) for more in range(40, 300)) + ") of"))
        assert samples.locator("td").nth(2).inner_text() == held
        samples.locator("summary").first.click()
        expect(samples.locator("td").nth(2)).not_to_have_text(held, timeout=PATIENCE)
        stop(page, 1, at=1)
        page.check()


def test_views_live_on_where_anywidget_gives_up(folder):
    """anywidget drops all news for a widget whose code took over 2 s to load; here it never has the time."""
    script = """
        const timeout = AbortSignal.timeout;
        AbortSignal.timeout = milliseconds => timeout.call(AbortSignal, milliseconds === 2000 ? 0 : milliseconds);
    """
    with lab(folder, [FAKES, RUN], script) as page:
        page.start_all()
        stop(page, 1, at=12)
        page.see(page.cell(1).locator(".rlhf-chart"), "PPO: proxy reward")
        expect(page.cell(1).locator(".rlhf-chart .js-line").first).to_be_visible(timeout=PATIENCE)
        assert page.slow_loads > 0  # else this test shows nothing
        page.check()


# --- Replay, microscope, explorers --------------------------------------------

VIEWS = [
    FAKES
    + """
import torch
from helpers.formulas.quantization import NF4_LEVELS, dequantize_nf4, quantize_nf4
from helpers.views import explorers
from helpers.views.microscope import Microscope
from helpers.views.replay import Replay

records = [record(step, pause=4.5) for step in range(1, 41)]
recording = SimpleNamespace(title="PPO", stage="other", total=40, records=records, description="40 updates")
""",
    "Replay(recording, PANELS, unit='update').view",
    "Microscope(records[:3]).view",
    "explorers.bradley_terry_explorer()",
    "explorers.clip_explorer()",
    "explorers.beta_explorer({0.05: records, 0.1: records[:20]})",
    "explorers.decoding_explorer([f' word{i}' for i in range(50)], torch.arange(50) / 10)",
    "explorers.nf4_explorer(torch.randn(4096, generator=torch.manual_seed(0)),"
    " lambda w, block: dequantize_nf4(*quantize_nf4(w, block)), NF4_LEVELS)",
    """
import pandas as pd
from helpers.views.overoptimization import PointReader

points = [
    {"curve": curve, "at": at, "d": at / 10, "measure": measure, "estimate": y, "low": y - 0.1, "high": y + 0.1}
    for y, curve in enumerate(("few", "many")) for measure in ("gold", "proxy") for at in (8, 16, 24)
]
texts = {"prompt": HOSTILE, "before": "before", "gold": 1.0, "proxy": 0.5}
PointReader(pd.DataFrame(points), lambda curve, at: [texts | {"completion": f"{HOSTILE} {curve} {at}"}], "update").view
""",
]
EXPLORERS = range(3, 8)

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


@pytest.fixture(scope="module")
def views(tmp_path_factory):
    with lab(tmp_path_factory.mktemp("views"), VIEWS) as page:
        assert page.notebook.run_all(seconds=300)
        for number in range(1, len(VIEWS)):
            page.cell(number).scroll_into_view_if_needed()
            expect(page.cell(number).locator(".main-svg").first).to_be_visible(timeout=PATIENCE)
        yield page


def test_a_replay_is_scrubbed_and_played(views):
    cell = views.cell(1)
    line = cell.locator(".widget-label", has_text="recorded")
    views.see(line, "update 1 of 40 · recorded, 0:04 of 3:00")
    handle = cell.get_by_role("slider")
    handle.focus()
    handle.press("End")
    views.see(line, "update 40 of 40")
    views.see(cell.locator(".rlhf-chart"), "PPO: proxy reward 0.30 to 3.80 sd (update 40 of 40)")
    views.see(cell.locator(".rlhf-samples"), "now 40")
    points = cell.locator(".rlhf-chart .point")
    expect(points).to_have_count(80, timeout=PATIENCE)  # 40 updates in two panels
    handle.press("Home")
    expect(points).to_have_count(2, timeout=PATIENCE)
    cell.locator(".jupyter-widgets.widget-play button").first.click()
    views.see(line, re.compile(r"update ([3-9]|\d\d) of 40"))
    cell.locator(".jupyter-widgets.widget-play button").first.click()
    views.check()


def test_the_microscope_shows_all_values_of_a_token(views):
    cell = views.cell(2)
    below = cell.locator(".rlhf-strip .below")
    options = cell.locator(".rlhf-strip [role=option]")
    expect(options).to_have_count(24)
    views.see(options.nth(0), HOSTILE[:4])
    views.see(options.nth(1), "⏎")
    options.nth(5).hover()
    views.see(
        below, re.compile(r"token 5 ·word5: log-probability \+0\.15, .*KL -0\.05, .*advantage -0\.35, .*ratio \+0\.85")
    )
    options.nth(0).focus()
    options.nth(0).press("ArrowRight")
    views.see(below, "token 1 ⏎")
    views.page.keyboard.press("End")
    views.see(below, re.compile("token 23 .*, clipped"))
    expect(cell.locator(".rlhf-chart .shapelayer path")).to_have_count(3, timeout=PATIENCE)  # one through the token

    plot = cell.locator(".rlhf-chart .nsewdrag").first.bounding_box()
    views.page.mouse.move(plot["x"] + plot["width"] / 2, plot["y"] + plot["height"] / 2)
    hover = cell.locator(".rlhf-chart .hoverlayer")
    for name in ("policy", "reference", "KL", "reward", "value", "advantage", "ratio"):
        views.see(hover, name)

    handle = cell.get_by_role("slider")
    handle.focus()
    handle.press("ArrowLeft")
    views.see(cell.locator(".rlhf-chart"), "Update 2: 24 tokens")
    cell.get_by_role("combobox").last.select_option("ratio")
    views.see(options.nth(23), "1.39 ✕")
    views.check()


@pytest.mark.parametrize("number", EXPLORERS)
def test_every_slider_of_an_explorer_moves_its_figure(views, number):
    cell = views.cell(number)
    title = cell.locator(".rlhf-chart .title")
    handles = cell.get_by_role("slider")
    for place in range(handles.count()):
        before = title.inner_text()
        handles.nth(place).focus()
        handles.nth(place).press("ArrowRight")
        expect(title).not_to_have_text(before, timeout=PATIENCE)
        expect(cell.locator(".rlhf-aide")).to_have_text(title.inner_text(), timeout=PATIENCE)
    views.check()


def test_a_click_on_a_point_opens_its_texts(views):
    cell = views.cell(8)
    title, samples = cell.locator(".rlhf-chart .title"), cell.locator(".rlhf-samples")
    views.see(title, "few, update 24")
    points = cell.locator(".rlhf-chart .point")
    expect(points).to_have_count(14, timeout=PATIENCE)  # two curves of three in two panels, and two rings
    points.nth(4).scroll_into_view_if_needed()
    place = points.nth(4).bounding_box()  # the second of "many" in the first panel
    views.page.mouse.move(place["x"] + place["width"] / 2 + 1, place["y"] + place["height"] / 2)
    views.page.mouse.down()
    views.page.mouse.up()
    views.see(title, "many, update 16")
    views.see(samples, "many 16")
    handle = cell.get_by_role("slider")  # and without a mouse
    handle.focus()
    handle.press("ArrowLeft")
    views.see(title, "many, update 8")
    views.see(samples, "many 8")
    cell.get_by_role("combobox").select_option("few")
    views.see(title, "few, update 8")
    views.check()


def test_keys_in_a_card_do_not_reach_jupyterlab(views):
    def cells():
        script = "() => window.jupyterapp.shell.currentWidget.content.widgets.map(c => c.model.type + c.model.id)"
        return views.page.evaluate(script)

    before = cells()
    cards = views.cell(2), views.cell(4)
    targets = [cards[0].locator(".rlhf-strip [role=option]").first, cards[1].get_by_role("slider").first]
    for target in [*targets, cards[0].locator("summary")]:
        target.focus()
        for key in ("a", "b", "m", "x", "d", "d"):
            views.page.keyboard.press(key)
            assert cells() == before, key
    assert cards[1].locator(".rlhf-card").get_attribute("aria-label") == "Clip explorer"
    views.check()


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("width", [1280, 800])
def test_everything_can_be_read_and_nothing_overflows(views, theme, width):
    views.page.set_viewport_size({"width": width, "height": 1400})
    views.theme(theme)
    views.page.wait_for_timeout(1500)  # figures take the new width
    contrasts = views.page.evaluate(CONTRASTS)
    assert len(contrasts) > 60
    assert [what for value, what in contrasts if value < 4.5] == []
    too_wide = views.page.evaluate(
        """() => [...document.querySelectorAll(".rlhf-card, .rlhf-card > *, .rlhf-chart > div")]
            .filter(e => e.scrollWidth > e.clientWidth + 1 && !e.matches(".rlhf-aide")).map(e => e.className)"""
    )
    assert too_wide == []
    charts = views.page.locator(".rlhf-card .rlhf-chart .main-svg").evaluate_all("svgs => svgs.map(s => s.clientWidth)")
    cards = views.page.locator(".rlhf-card .rlhf-chart").evaluate_all("all => all.map(e => e.clientWidth)")
    assert set(charts) <= set(cards)
    views.check()

"""Live runs, replays, the microscope and the explorers in a real JupyterLab, in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ..support.patience import slowdown
from .pages import CONTRASTS, FAKES, HOSTILE, expect, lab, stop

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
def running(folder):
    """The folder of a run that is longer than any test waits for."""
    (folder / "total").write_text("9000")
    return folder


def kept(folder: Path) -> list[int]:
    """The steps that the run's checkpoint holds."""
    return [record["step"] for record in json.loads((folder / "checkpoint.json").read_text())]


def test_stop_and_resume(jupyterlab, running):
    with lab(jupyterlab, running, [FAKES, RUN, 'print("next cell:", run.outcome)']) as page:
        page.start_all()
        step = stop(page, 1, at=3)
        page.see(page.cell(1), f"cell: stopped None {step}")
        page.see(page.cell(2), "next cell: stopped")  # Run All waited for the run
        assert kept(running) == list(range(1, step + 1)) and step >= 3

        total = step + 20
        (running / "total").write_text(str(total))
        page.start(1)
        page.see(page.cell(1), f"cell: finished the policy {total}")
        assert kept(running) == list(range(1, total + 1))
        page.see(page.cell(1).locator(".rlhf-chart"), f"{0.1 * (total - 2):.2f} sd (update {total} of {total})")
        page.see(page.cell(1).locator(".rlhf-samples"), f"now {total}")
        expect(page.cell(1).locator(".rlhf-chart .shapelayer path")).to_have_count(2)  # where it was resumed
        expect(page.cell(1).get_by_role("button", name="Stop")).to_be_disabled()
        expect(page.cell(1).locator(".jp-OutputArea-child")).to_have_count(2)  # one view and one line, no second figure
        page.check()


PPO = [
    """
import time
from pathlib import Path
from helpers.runs import stages
from helpers.models.profiles import get_profile
from helpers.training.ppo_config import PPOConfig
from helpers.views.live import LiveRun
from helpers.views.run_curves import PANELS

def slowly(run):
    "Until the run was stopped, so that there is time to press the button."
    try:
        while True:
            yield next(run)
            time.sleep(0 if Path("was_stopped").exists() else 1)
    except StopIteration as end:
        return end.value
    finally:
        run.close()

profile = get_profile("tiny")
config = PPOConfig.of(profile, updates=10, batch_size=4, watch=1)
shared = stages.load_shared(profile)
""".strip(),
    """
run = LiveRun("PPO", PANELS["ppo"], config.updates)
display(run.view)
await run.follow(slowly(stages.ppo(profile, shared=shared, config=config)))
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


def test_a_real_ppo_run_is_stopped_and_goes_on_in_a_new_kernel(jupyterlab, folder):
    with lab(jupyterlab, folder, PPO) as page:
        page.start(0)
        page.start(1)
        step = stop(page, 1, at=2)
        assert 2 <= step < 10, "it must not have ended by itself"
        (folder / "was_stopped").touch()
        page.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
        page.notebook.wait_until_idle()

        page.start_all()
        page.see(page.cell(1).locator(".rlhf-progress"), re.compile(r"update 10 of 10"))
        expect(page.cell(1).locator(".rlhf-chart .shapelayer path")).to_have_count(4)  # one a panel
        page.see(page.cell(2), "same records: True")
        page.see(page.cell(2), "same weights: True")
        page.check()


def test_interrupt_ends_a_run_well(jupyterlab, running):
    with lab(jupyterlab, running, [FAKES, RUN, BROKEN]) as page:
        page.start(0)
        page.start(1)
        progress = page.cell(1).locator(".rlhf-progress")
        page.see(progress, re.compile(r"update \d+ of 9000 · \d+:\d\d left"))
        page.interrupt()
        page.see(progress, re.compile(r"interrupted at update \d+; run the cell again to go on"))
        step = int(re.search(r"update (\d+);", progress.inner_text())[1])
        page.see(page.cell(1), f"cell: interrupted None {step}")
        assert kept(running) == list(range(1, step + 1))
        page.check()

        page.start(2)
        words = "failed at update 1: ValueError: the reward gave <b>no</b> numbers"
        page.see(page.cell(2).locator(".rlhf-progress"), words)
        page.see(page.cell(2), "Traceback")  # the cell's own error
        assert page.problems == [] and page.elsewhere == []


def test_an_open_prompt_holds_the_samples_while_the_run_goes_on(jupyterlab, running):
    with lab(jupyterlab, running, [FAKES, RUN]) as page:
        page.start_all()
        samples, progress = (page.cell(1).locator(name) for name in (".rlhf-samples", ".rlhf-progress"))
        samples.locator("summary").first.click()
        page.see(samples, "held while a prompt is open")
        held = samples.locator("td").nth(2).inner_text()
        page.see(samples.locator("details div"), "onerror='window.hacked = 1'")  # the whole prompt, as text
        step = int(re.search(r"update (\d+)", progress.inner_text())[1])
        page.see(progress, re.compile("update (" + "|".join(str(step + more) for more in range(40, 300)) + ") of"))
        assert samples.locator("td").nth(2).inner_text() == held
        samples.locator("summary").first.click()
        expect(samples.locator("td").nth(2)).not_to_have_text(held)
        stop(page, 1, at=1)
        page.check()


def test_views_live_on_where_anywidget_gives_up(jupyterlab, running):
    """anywidget drops all news for a widget whose code took over 2 s to load; here it never has the time."""
    script = """
        const timeout = AbortSignal.timeout;
        AbortSignal.timeout = milliseconds => timeout.call(AbortSignal, milliseconds === 2000 ? 0 : milliseconds);
    """
    with lab(jupyterlab, running, [FAKES, RUN], script) as page:
        page.start_all()
        stop(page, 1, at=12)
        page.see(page.cell(1).locator(".rlhf-chart"), "PPO: proxy reward")
        expect(page.cell(1).locator(".rlhf-chart .js-line").first).to_be_visible()
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
    "explorers.clip_explorer()",
    "explorers.beta_explorer({0.05: records, 0.1: records[:20]})",
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
EXPLORERS = range(3, 6)


@pytest.fixture(scope="module")
def views(jupyterlab):
    (jupyterlab.root / "views").mkdir()
    with lab(jupyterlab, jupyterlab.root / "views", VIEWS) as page:
        assert page.notebook.run_all()
        for number in range(1, len(VIEWS)):
            page.cell(number).scroll_into_view_if_needed()
            expect(page.cell(number).locator(".main-svg").first).to_be_visible()
        yield page


def test_a_replay_is_scrubbed_and_played(views):
    cell = views.cell(1)
    line = cell.locator(".widget-label", has_text="recorded")
    views.see(line, "update 40 of 40")
    handle = cell.get_by_role("slider")
    handle.focus()
    views.see(cell.locator(".rlhf-chart"), "PPO: proxy reward 0.30 to 3.80 sd (update 40 of 40)")
    views.see(cell.locator(".rlhf-samples"), "now 40")
    points = cell.locator(".rlhf-chart .point")
    expect(points).to_have_count(80)  # 40 updates in two panels
    cell.locator(".jupyter-widgets.widget-play button").first.click()  # from the end it begins anew
    views.see(line, re.compile(r"update ([3-9]|[12]\d) of 40"))
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
    expect(cell.locator(".rlhf-chart .shapelayer path")).to_have_count(3)  # one through the token

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
        expect(title).not_to_have_text(before)
        expect(cell.locator(".rlhf-announcer")).to_have_text(title.inner_text())
    views.check()


def test_a_click_on_a_point_opens_its_texts(views):
    cell = views.cell(6)
    title, samples = cell.locator(".rlhf-chart .title"), cell.locator(".rlhf-samples")
    views.see(title, "few, update 24")
    points = cell.locator(".rlhf-chart .point")
    expect(points).to_have_count(14)  # two curves of three in two panels, and two rings
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
    cards = views.cell(2), views.cell(3)
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
    views.page.wait_for_timeout(1500 * slowdown())  # figures take the new width
    contrasts = views.page.evaluate(CONTRASTS)
    assert len(contrasts) > 60
    assert [what for value, what in contrasts if value < 4.5] == []
    too_wide = views.page.evaluate(
        """() => [...document.querySelectorAll(".rlhf-card, .rlhf-card > *, .rlhf-chart > div")]
            .filter(e => e.scrollWidth > e.clientWidth + 1 && !e.matches(".rlhf-announcer")).map(e => e.className)"""
    )
    assert too_wide == []
    charts = views.page.locator(".rlhf-card .rlhf-chart .main-svg").evaluate_all("svgs => svgs.map(s => s.clientWidth)")
    cards = views.page.locator(".rlhf-card .rlhf-chart").evaluate_all("all => all.map(e => e.clientWidth)")
    assert set(charts) <= set(cards)
    views.check()

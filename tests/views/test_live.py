"""Live runs and replays without a kernel: fake runs, clicks, interrupts, and what the views then hold."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from types import SimpleNamespace

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.classroom.notebooks import execute_and_normalize
from helpers.files import LabError
from helpers.views import card, live
from helpers.views.live import LiveRun
from helpers.views.replay import TICK, Replay, pace

PANELS = {"reward": "proxy reward, sd", "kl": "KL to the reference, nats"}
EVIL = "<img src=x onerror=alert(1)> & <b>bold</b>"


def record(step: int, **more) -> dict:
    return {"step": step, "reward": 0.1 * step, "kl": 0.05 * step, "seconds": 2.0} | more


def run_of(n: int, **more):
    for step in range(1, n + 1):
        yield record(step, **more)
    return "the policy"


class Gate:
    """A run that waits before each record until it is let through, and tells what became of it."""

    def __init__(self, n: int = 100) -> None:
        self.turn = threading.Semaphore(0)
        self.started = threading.Event()
        self.closed_in = None
        self.threads = set()
        self.stream = self._stream(n)

    def _stream(self, n):
        try:
            for step in range(1, n + 1):
                self.threads.add(threading.get_ident())
                self.started.set()
                assert self.turn.acquire(timeout=30)
                yield record(step)
        except GeneratorExit:
            self.closed_in = threading.get_ident()
            raise
        return "the policy"


async def until(condition) -> None:
    for _ in range(3000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never happened")


# --- Words and figures --------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.none(), st.floats(-100, 100), st.just(math.nan), st.just("absent"))), st.integers(1, 7))
def test_series_are_the_finite_values_and_the_means_of_the_last_ones(values, window):
    records = [{"step": i} | ({} if v == "absent" else {"reward": v}) for i, v in enumerate(values)]
    known = [(i, v) for i, v in enumerate(values) if isinstance(v, float) and math.isfinite(v)]
    frame = live.series(records, "reward", window)
    assert frame["step"].tolist() == [i for i, _ in known]
    assert frame["value"].tolist() == pytest.approx([v for _, v in known], abs=1e-4)
    tails = [[v for _, v in known[max(0, end - window) : end]] for end in range(1, len(known) + 1)]
    assert frame["mean"].tolist() == pytest.approx([sum(tail) / len(tail) for tail in tails], abs=1e-3)


def test_curves_hold_a_panel_for_each_measure():
    figure = live.curves(list(run_of(8)), PANELS, 40, title="It rose", guides={"kl": 0.2})
    assert [trace.name for trace in figure.data] == ["update", "mean of 5"] * 2
    assert [figure.layout.yaxis.title.text, figure.layout.yaxis2.title.text] == list(PANELS.values())
    assert figure.layout.xaxis.range == figure.layout.xaxis2.range == (0, 41)
    assert figure.layout.shapes[0].y0 == 0.2 and len(figure.layout.shapes) == 1
    assert card.title_of(figure) == "It rose"


def test_curves_mark_where_a_run_was_resumed():
    records = [record(1, replayed=True), record(2, resumed_at=1), record(3)]
    assert {shape.x0 for shape in live.curves(records, PANELS).layout.shapes} == {1.5}


@pytest.mark.parametrize("n", range(1, 8))
def test_panels_do_not_overlap(n):
    figure = live.curves([], {f"m{i}": f"measure {i}" for i in range(n)}, 10)
    boxes = [
        (*figure.layout[f"xaxis{i + 1 if i else ''}"].domain, *figure.layout[f"yaxis{i + 1 if i else ''}"].domain)
        for i in range(n)
    ]
    assert all(0 <= left < right <= 1.001 and 0 <= low < high <= 1 for left, right, low, high in boxes)
    for i, (left, right, low, high) in enumerate(boxes):
        for left2, right2, low2, high2 in boxes[i + 1 :]:
            assert right <= left2 or right2 <= left or high <= low2 or high2 <= low


def test_time_left_is_that_of_recent_steps():
    records = [record(1, seconds=100.0), *(record(step, seconds=2.0) for step in range(2, 11))]
    assert live.seconds_left(records, 40) == 60
    assert live.seconds_left(records, None) is None
    assert live.seconds_left([record(1, replayed=True)], 40) is None
    assert live.seconds_left([{"step": 1}], 40) is None
    assert live.clock(185) == "3:05"


def test_samples_are_those_of_the_watched_prompts_if_there_are_any():
    sample = {"prompt": "p", "completion": "c", "reward": 1.0}
    assert live.samples_of([]) == (0, [])
    assert live.samples_of([record(1, samples=[sample]), record(2)]) == (1, [sample])
    watched = [sample | {"before": "b"}]
    assert live.samples_of([record(1, watched=watched), record(2, samples=[sample])]) == (1, watched)


def test_the_sample_table_holds_texts_as_they_are():
    samples = [
        {"prompt": EVIL + " word" * 40, "completion": EVIL, "reward": 1.0, "before": "", "before_reward": 0.2},
        {"prompt": "short", "completion": "c", "reward": math.nan, "before": None},
    ]
    headings, rows = live.sample_table(samples)
    assert headings == ["prompt", "before", "now", "proxy reward"]
    assert rows[0]["prompt"] == samples[0]["prompt"] and rows[0]["short"].startswith(EVIL)
    assert rows[0]["short"].endswith("…") and len(rows[0]["short"]) <= live.SHORT + 1
    assert rows[0]["cells"] == ["(nothing)", EVIL, "+0.20 → +1.00"]
    assert rows[1] == {"short": "short", "prompt": "short", "cells": ["(nothing)", "c", "–"]}
    headings, rows = live.sample_table([{"prompt": "p", "completion": "c", "gold": 2}])
    assert headings == ["prompt", "now", "proxy reward", "gold reward"] and rows[0]["cells"] == ["c", "–", "+2.00"]


# --- Live ---------------------------------------------------------------------


def test_a_run_is_followed_to_its_end():
    run = LiveRun("PPO", PANELS, total=30)
    assert repr(run.view) == "PPO: run this cell to watch it"
    assert run.play(run_of(30)) == "the policy"
    assert run.outcome == "finished" and [r["step"] for r in run.records] == list(range(1, 31))
    chart = run._parts.chart
    assert chart.state["figure"]["data"][0]["x"] == list(range(1, 31))
    assert chart.title == "PPO: proxy reward 0.30 to 2.80 sd (update 30 of 30)" == card.title_of(run.figure())
    assert run._progress.state == {
        "step": 30, "total": 30, "running": False, "words": "finished: update 30 of 30 in 1:00",
    }  # fmt: skip
    assert run._button.disabled
    assert card.PLOTLY in run.view.bundle() and repr(run.view) == chart.title


def test_the_finding_is_the_final_title():
    run = LiveRun("PPO", PANELS, total=3, finding=lambda records: f"{len(records)} updates & <b>none</b> in vain")
    run.play(run_of(3))
    assert run._parts.chart.title == "PPO: 3 updates & <b>none</b> in vain (update 3 of 3)"
    assert "<b>" not in run.figure().layout.title.text


def test_any_iterable_can_be_followed_and_a_run_can_be_followed_again():
    run = LiveRun("SFT", {"loss": "loss"}, unit="step")
    assert run.play([]) is None and run.outcome == "finished"
    assert run._parts.chart.title == "SFT: no step yet" and run.view.bundle().keys() & {card.PLOTLY} == set()
    assert run.play([{"step": 1, "loss": 3.0}]) is None
    assert len(run.records) == 1 and "loss 3.00 to 3.00 (step 1)" in run._parts.chart.title


def test_stop_closes_the_run_between_two_records_in_its_own_thread():
    async def scene():
        run, gate = LiveRun("PPO", PANELS, total=100), Gate()
        task = asyncio.create_task(run.follow(gate.stream))
        gate.turn.release(3)
        await until(lambda: len(run.records) == 3)
        assert run.outcome == "running" and not run._button.disabled
        run._button.click()
        assert run._progress.state["words"] == "stopping after this update" and run._button.disabled
        run._button.click()  # ipywidgets' click asks not whether the button is disabled
        assert gate.closed_in is None and not task.done()  # the record that it is busy with comes first
        gate.turn.release()
        assert await task is None
        return run, gate

    run, gate = asyncio.run(scene())
    assert run.outcome == "stopped" and len(run.records) == 4
    assert run._progress.state["words"] == "stopped at update 4; run the cell again to go on"
    assert gate.threads == {gate.closed_in} and gate.closed_in != threading.get_ident()


def test_stop_does_nothing_before_and_after_a_run():
    run = LiveRun("PPO", PANELS)
    run._button.click()
    assert run.outcome == "waiting" and run._progress.state["words"] == "not started"
    run.play(run_of(2))
    run._button.click()
    assert run.outcome == "finished" and run._progress.state["words"].startswith("finished")


def test_a_slow_run_leaves_the_event_loop_free():
    async def scene():
        run, gate = LiveRun("PPO", PANELS), Gate(n=2)
        task = asyncio.create_task(run.follow(gate.stream))
        await until(gate.started.is_set)  # would wait for ever if the loop waited for the run
        assert run.outcome == "running"
        gate.turn.release(2)
        return await task

    assert asyncio.run(scene()) == "the policy"


@pytest.mark.parametrize("times", [1, 3])
def test_interrupts_end_the_run_and_not_the_cell(times):
    async def scene():
        run, gate = LiveRun("PPO", PANELS), Gate()
        task = asyncio.create_task(run.follow(gate.stream))
        gate.turn.release(2)
        await until(lambda: len(run.records) == 2)
        for _ in range(times):  # as ipykernel does at a SIGINT
            task.cancel()
            await asyncio.sleep(0.05)
        assert not task.done()
        gate.turn.release()
        assert await task is None
        assert not task.cancelled()
        return run, gate

    run, gate = asyncio.run(scene())
    assert run.outcome == "interrupted" and len(run.records) == 3 and gate.closed_in
    assert run._progress.state["words"] == "interrupted at update 3; run the cell again to go on"


def test_what_a_run_raises_reaches_the_cell():
    error = LabError("the reward gave no numbers <b>")

    def broken():
        yield record(1)
        raise error

    run = LiveRun("PPO", PANELS)
    with pytest.raises(LabError) as raised:
        run.play(broken())
    assert raised.value is error
    assert run.outcome == "failed" and len(run.records) == 1
    assert run._progress.state["words"] == "failed at update 1: LabError: the reward gave no numbers <b>"


def test_what_closing_raises_reaches_the_cell():
    def unsaved():
        try:
            for step in range(1, 100):
                yield record(step)
                stop.set()
        finally:
            raise LabError("no space left on the disk")

    async def scene():
        task = asyncio.create_task(run.follow(unsaved()))
        await until(stop.is_set)
        run.stop()
        await task

    stop, run = threading.Event(), LiveRun("PPO", PANELS)
    with pytest.raises(LabError, match="no space"):
        asyncio.run(scene())
    assert run.outcome == "failed"


def test_a_view_that_breaks_leaves_no_run_behind():
    closed = threading.Event()

    def odd():
        try:
            yield {"reward": 1.0}  # no step
            time.sleep(0.3)
            yield {"reward": 1.0}
        finally:
            closed.set()

    run = LiveRun("PPO", PANELS)
    with pytest.raises(KeyError, match="step"):
        run.play(odd())
    assert closed.is_set() and run.outcome == "failed" and not run._driver.is_alive()


def test_a_run_that_never_yields_can_be_stopped():
    async def scene():
        run, gate = LiveRun("PPO", PANELS), Gate(n=1)
        task = asyncio.create_task(run.follow(gate.stream))
        await until(gate.started.is_set)
        run.stop()
        gate.turn.release()
        return await task, run

    result, run = asyncio.run(scene())
    assert result is None and run.outcome == "stopped"


def test_two_cannot_use_one_view():
    async def scene():
        run, gate = LiveRun("PPO", PANELS), Gate(n=1)
        task = asyncio.create_task(run.follow(gate.stream))
        await until(gate.started.is_set)
        with pytest.raises(RuntimeError, match="running already"):
            await run.follow(run_of(1))
        gate.turn.release()
        assert await task == "the policy"

    asyncio.run(scene())


def test_redraws_are_throttled(monkeypatch):
    drawn = []
    monkeypatch.setattr(live.RunView, "draw", lambda self, records, title, samples=True: drawn.append(samples))

    def quick():
        for step in range(1, 400):
            time.sleep(0.001)
            yield record(step)

    started = time.monotonic()
    LiveRun("PPO", PANELS, total=400).play(quick())
    seconds = time.monotonic() - started
    assert (
        3 <= len(drawn) <= seconds / live.REDRAW + 4
    )  # one at the start, one at the end of each pause, two at the end
    assert sum(drawn) <= seconds / live.SAMPLES + 3  # the samples want to be read


def test_a_resumed_run_shows_what_was_before_and_says_so():
    async def scene():
        run, gate = LiveRun("PPO", PANELS, total=20), threading.Event()

        def resumed():
            yield from (record(step, replayed=True) for step in range(1, 13))
            yield record(13, resumed_at=12)
            gate.wait(30)

        task = asyncio.create_task(run.follow(resumed()))
        await until(lambda: len(run.records) == 13)
        words = run._progress.state["words"]
        gate.set()
        await task
        return run, words

    run, words = asyncio.run(scene())
    assert words == "update 13 of 20 · 0:14 left · resumed at 12"
    assert {shape["x0"] for shape in run._parts.chart.state["figure"]["layout"]["shapes"]} == {12.5}
    assert run._progress.state["words"] == "finished: update 13 of 20 in 0:02"  # not what was replayed


def test_screen_readers_hear_of_the_start_each_tenth_and_the_end(monkeypatch):
    heard = []
    monkeypatch.setattr(card.Card, "say", lambda self, news: heard.append(news))
    run = LiveRun("PPO", PANELS, total=40)
    run.play(run_of(40))
    assert heard[0] == "PPO: started" and heard[-1] == "PPO: finished: update 40 of 40 in 1:20"
    assert len(heard) <= 12


def test_what_a_run_prints_is_seen_in_the_context_of_its_cell():
    import contextvars

    cell = contextvars.ContextVar("cell", default=None)
    seen = []

    def looking():
        seen.append(cell.get())
        yield record(1)

    async def scene():
        cell.set("cell 7")
        await LiveRun("PPO", PANELS).follow(looking())

    asyncio.run(scene())
    assert seen == ["cell 7"]


# --- Cards --------------------------------------------------------------------


class Handle:
    def __init__(self):
        self.updates = []

    def update(self, bundle, raw):
        self.updates.append(bundle)


def test_a_card_that_no_browser_drew_leaves_its_figure():
    run = LiveRun("PPO", PANELS)
    run.view._handle = handle = Handle()
    run.play(run_of(5))
    assert len(handle.updates) == 1 and card.PLOTLY in handle.updates[0]
    assert handle.updates[0]["text/plain"].startswith("PPO: proxy reward")


def test_a_card_that_a_browser_drew_is_left_alone():
    run = LiveRun("PPO", PANELS)
    run.view._handle = handle = Handle()
    run.view._aide._answer.set_state({"value": '"seen"'})  # as the browser does
    run.play(run_of(5))
    assert handle.updates == []


def test_stored_notebooks_hold_figures_and_are_the_same_each_time(tmp_path):
    cells = [
        "from types import SimpleNamespace\n"
        "from helpers.views.live import LiveRun\nfrom helpers.views.replay import Replay",
        "records = [{'step': i, 'loss': 1 / i, 'seconds': 1.0} for i in range(1, 9)]\n"
        "run = LiveRun('SFT', {'loss': 'loss, nats'}, total=8, unit='step')\n"
        "display(run.view)\nresult = await run.follow(records)",
        "print(run.outcome)",
        "recording = SimpleNamespace(title='SFT', stage='sft', total=8, records=records, description='d')\n"
        "Replay(recording, {'loss': 'loss, nats'}).view",
    ]
    path = tmp_path / "runs.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells]), path)
    assert execute_and_normalize(path)
    _, live_cell, outcome, replay = nbformat.read(path, 4).cells
    title = "SFT: loss 0.46 to 0.18 nats (step 8 of 8)"
    assert [output.data["text/plain"] for output in live_cell.outputs] == [title]
    assert len(live_cell.outputs[0].data[card.PLOTLY]["data"][0]["x"]) in (1, 2, 8)  # a list, or packed
    assert outcome.outputs[0].text == "finished\n"
    assert replay.outputs[0].data["text/plain"] == f"{title}. Run this cell to replay it"
    assert card.PLOTLY in replay.outputs[0].data
    assert path.stat().st_size < 60_000
    assert not execute_and_normalize(path)


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=20))
def test_tokens_can_be_seen(text):
    import unicodedata

    shown = card.visible(text)
    assert shown and not any(c.isspace() or unicodedata.category(c) in ("Cc", "Cf") for c in shown)


def test_tokens_are_seen_with_signs():
    assert card.visible(" the\n") == "·the⏎" and card.visible("") == "∅" and card.visible("\u200b") == "⟨200B⟩"
    assert card.visible("a" * 30, 12) == "a" * 11 + "…"


# --- Replay -------------------------------------------------------------------


def recording(n: int = 40, **more) -> SimpleNamespace:
    sample = {"prompt": EVIL, "completion": "c", "reward": 1.0}
    records = [record(step, seconds=4.5, samples=[sample | {"completion": f"c{step}"}]) for step in range(1, n + 1)]
    facts = {"title": "PPO", "stage": "other", "total": n, "records": records, "description": EVIL}
    return SimpleNamespace(**(facts | more))


def test_a_replay_follows_its_scrubber():
    replay = Replay(recording(), PANELS)
    chart, samples = replay._parts.chart, replay._parts.samples
    assert chart.state["figure"]["data"][0]["x"] == [1]
    replay.slider.value = 12
    assert chart.state["figure"]["data"][0]["x"] == list(range(1, 13))
    assert chart.title == "PPO: proxy reward 0.30 to 1.00 sd (update 12 of 40)".replace("update", "step")
    assert samples.state["rows"][0]["cells"][0] == "c12" and samples.state["caption"] == "Samples of step 12"
    assert replay.words.value == "step 12 of 40 · recorded, 0:54 of 3:00"
    assert replay.player.value == 12  # so that playing goes on from here
    replay.slider.value = 3
    assert chart.state["figure"]["data"][0]["x"] == [1, 2, 3]


def test_a_replay_plays_three_minutes_in_twenty_seconds_to_the_very_end():
    replay = Replay(recording(n=43), PANELS)
    assert replay.speed.value == pytest.approx(43 * 4.5 / 20, rel=0.01)
    ticks = 0
    while replay.player.value + replay.player.step <= replay.player.max:  # what the browser's player does
        replay.player.value += replay.player.step
        ticks += 1
    assert replay.slider.value == 43
    assert ticks * replay.player.interval / 1000 == pytest.approx(20, rel=0.1)


def test_the_speed_can_be_chosen():
    replay = Replay(recording(), PANELS, speed=1)
    assert replay.player.interval == 4500 and replay.player.step == 1
    replay.speed.value = 100
    assert replay.player.interval == 270 and replay.player.step == 6


@settings(deadline=None, max_examples=50)
@given(st.floats(0.1, 10_000), st.integers(1, 5000), st.floats(0.5, 200))
def test_the_pace_is_the_speed_and_never_too_quick_to_draw(seconds, n, speed):
    interval, stride = pace(seconds, n, speed)
    assert interval >= 1000 * TICK - 1 or interval == 1
    assert interval / stride == pytest.approx(1000 * seconds / n / speed, rel=0.01, abs=1 / stride)


def test_the_axes_are_those_of_the_whole_run_from_the_first_frame_on():
    replay = Replay(recording(), PANELS)
    before = replay._parts.chart.state["figure"]["layout"]["yaxis"]["range"]
    replay.slider.value = 40
    assert replay._parts.chart.state["figure"]["layout"]["yaxis"]["range"] == before
    assert before[0] < 0.1 and before[1] > 4.0


def test_panels_come_from_the_stage_or_from_the_records():
    assert list(Replay(recording()).panels) == ["reward", "kl"]
    records = [record(1, entropy=2.0, explained_variance=0.1)]
    assert Replay(recording(stage="ppo", records=records)).panels == live.PANELS["ppo"]


def test_bad_recordings_are_refused():
    with pytest.raises(LabError, match="no records"):
        Replay(recording(records=[]))
    with pytest.raises(LabError, match="no 'gold'; it has"):
        Replay(recording(), {"gold": "gold reward"})


def test_the_whole_run_stands_for_a_replay_where_no_widgets_run():
    view = Replay(recording(), PANELS, finding=lambda records: f"{len(records)} updates").view
    assert repr(view) == "PPO: 40 updates (step 40 of 40). Run this cell to replay it"
    assert view.bundle()[card.PLOTLY]["layout"]["title"]["text"] == "PPO: 40 updates (step 40 of 40)"

"""Live runs without a kernel: fake runs, clicks, interrupts, and what the views then hold."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from helpers.files import LabError
from helpers.views import card, live
from helpers.views.chart import title_of
from helpers.views.live import LiveRun

from ..support.patience import patience
from ..support.runs import PANELS, record, run_of


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
                assert self.turn.acquire(timeout=patience())
                yield record(step)
        except GeneratorExit:
            self.closed_in = threading.get_ident()
            raise
        return "the policy"


async def until(condition) -> None:
    async with asyncio.timeout(patience()):
        while not condition():
            await asyncio.sleep(0.01)


def test_time_left_is_that_of_recent_steps():
    records = [record(1, seconds=100.0), *(record(step, seconds=2.0) for step in range(2, 11))]
    assert live.seconds_left(records, 40) == 60
    assert live.seconds_left(records, None) is None
    assert live.seconds_left([record(1, replayed=True)], 40) is None
    assert live.seconds_left([{"step": 1}], 40) is None
    assert live.clock(185) == "3:05"


def test_a_run_is_followed_to_its_end():
    run = LiveRun("PPO", PANELS, total=30)
    assert repr(run.view) == "PPO: run this cell to watch it"
    assert run.play(run_of(30)) == "the policy"
    assert run.outcome == "finished" and [r["step"] for r in run.records] == list(range(1, 31))
    chart = run._parts.chart
    assert chart.state["figure"]["data"][0]["x"] == list(range(1, 31))
    assert chart.title == "PPO: proxy reward 0.30 to 2.80 sd (update 30 of 30)" == title_of(run.figure())
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
            gate.wait(patience())

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
    monkeypatch.setattr(card.Card, "announce", lambda self, news: heard.append(news))
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

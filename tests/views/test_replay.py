"""Replays without a kernel: what they show where the slider stands, their speed, and what they refuse."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.files import LabError
from helpers.views import card, run_curves
from helpers.views.replay import TICK, Replay, pace

from ..support.runs import EVIL, PANELS, record


def recording(n: int = 40, **more) -> SimpleNamespace:
    sample = {"prompt": EVIL, "completion": "c", "reward": 1.0}
    records = [record(step, seconds=4.5, samples=[sample | {"completion": f"c{step}"}]) for step in range(1, n + 1)]
    facts = {"title": "PPO", "stage": "other", "total": n, "records": records, "description": EVIL}
    return SimpleNamespace(**(facts | more))


def test_a_replay_follows_its_scrubber():
    replay = Replay(recording(), PANELS)
    chart, samples = replay._parts.chart, replay._parts.samples
    assert chart.state["figure"]["data"][0]["x"] == list(range(1, 41)), "it begins full, not as one dot"
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
    assert replay.player.value == replay.player.max  # from there the browser's player begins anew
    replay.player.value, ticks = replay.player.min, 0
    assert replay.slider.value == 1
    while replay.player.value + replay.player.step <= replay.player.max:  # what the browser's player does
        replay.player.value += replay.player.step
        ticks += 1
    assert replay.slider.value == 43 and replay.player.value == replay.player.max
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
    assert Replay(recording(stage="ppo", records=records)).panels == run_curves.PANELS["ppo"]


def test_bad_recordings_are_refused():
    with pytest.raises(LabError, match="no records"):
        Replay(recording(records=[]))
    with pytest.raises(LabError, match="no 'gold'; it has"):
        Replay(recording(), {"gold": "gold reward"})


def test_the_whole_run_stands_for_a_replay_where_no_widgets_run():
    view = Replay(recording(), PANELS, finding=lambda records: f"{len(records)} updates").view
    assert repr(view) == "PPO: 40 updates (step 40 of 40). Run this cell to replay it"
    assert view.bundle()[card.PLOTLY]["layout"]["title"]["text"] == "PPO: 40 updates (step 40 of 40)"

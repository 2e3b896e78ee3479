"""Cards where no browser draws them, and where one does."""

from __future__ import annotations

import nbformat

from helpers.classroom.notebooks import execute_and_normalize
from helpers.views import card
from helpers.views.live import LiveRun

from ..support.runs import PANELS, run_of


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
    run.view._announcer._answer.set_state({"value": '"drawn"'})  # as the browser does
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

"""The playground without a browser: fake models, presses of its buttons, and what is then shown and kept."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import threading

import ipywidgets as widgets
import pytest

from helpers import files
from helpers.files import ROOT, LabError
from helpers.models.language_model_loading import load_language_model
from helpers.prompting.history import COLUMNS
from helpers.prompting.templates import TEMPLATES, Template
from helpers.views.playground import Playground
from helpers.views.playground_setting import one_line

from ..support.patience import patience
from ..support.playground import Fake, playground, run

EVIL = "<img src=x onerror=alert(1)> & <b>bold</b>"


class Broken(Fake):
    """Raises after its first word."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def stream(self, prompt, **_):
        yield " one"
        raise self.error


class Gated(Fake):
    """Waits before each word until it is let through, and tells what became of it."""

    def __init__(self) -> None:
        super().__init__()
        self.turn, self.waiting, self.closed = threading.Semaphore(0), threading.Semaphore(0), False

    def stream(self, prompt, **_):
        try:
            while True:
                self.waiting.release()
                assert self.turn.acquire(timeout=patience())
                yield " word"
        finally:
            self.closed = True

    def step(self) -> None:
        """Let one word through, and wait until the next one is asked for."""
        assert self.waiting.acquire(timeout=patience())
        self.turn.release()


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_WORK", str(tmp_path))
    return tmp_path


# --- Controls -----------------------------------------------------------------


def test_its_text_is_the_same_in_every_run():
    pg = playground()
    assert repr(pg) == repr(pg.widget) == pg.widget.bundle()["text/plain"] == "Playground: run this cell to use it"


def test_the_exact_prompt_and_its_tokens_follow_every_change():
    pg = playground(templates=[Template("t", "Say {what} to {whom}.", {"what": "this", "whom": "me"}), *TEMPLATES])
    a = pg.settings[0]
    assert a.prompt.state["text"] == "[Say this to me.]"
    assert a.prompt.state["note"] == "4 tokens; the model's context is 64"
    a.slots["what"].value = "{whom} {0.__class__} " + EVIL
    assert a.prompt.state["text"] == "[Say {whom} {0.__class__} " + EVIL + " to me.]"
    a.template.value = "zero-shot: topic"
    assert [slot.description for slot in a._chosen_slots.children] == ["sentence"]
    assert a.prompt.state["text"] == "[Sentence: I want to foster newborn kittens.\nTopic:]"


def test_an_example_fills_the_slots_until_one_is_changed():
    pg = playground(examples={"x": {"sentence": "He barks.", "no such slot": "-"}, "y": {"sentence": "It stalls."}})
    a = pg.settings[0]
    a.template.value, a.example.value = "few-shot: topic", "x"
    assert a.request().prompt.endswith("Sentence: He barks.\nTopic:]") and a.example.value == "x"
    a.example.value = "y"
    assert a.slots["sentence"].value == "It stalls." and a.example.value == "y"
    a.slots["sentence"].value = "It sings."
    assert a.example.value == "as written below"


@pytest.mark.parametrize(
    ("how", "numbers", "asked"),
    [
        ("greedy", {}, (48, 0, {"do_sample": False})),
        (
            "sampling",
            {"temperature": 0.7, "top_k": 5, "top_p": 0.9, "seed": 3, "repetition_penalty": 1.2, "max_new_tokens": 9},
            (9, 3, {"do_sample": True, "temperature": 0.7, "top_k": 5, "top_p": 0.9}),
        ),
        ("beams", {"num_beams": 5}, (48, 0, {"do_sample": False, "num_beams": 5})),
    ],
)
def test_the_model_is_asked_for_what_the_controls_say(how, numbers, asked):
    model = Fake()
    pg = playground(model)
    a = pg.settings[0]
    a.how.value = how
    for name, value in numbers.items():
        assert a.numbers[name] in a._chosen_numbers.children
        a.numbers[name].value = value
    assert run(pg)["words"] == "finished"
    most, seed, decoding = asked
    decoding = decoding | {"repetition_penalty": numbers.get("repetition_penalty", 1.0)}
    assert model.asked == [(a.request().prompt, most, seed, decoding)]


def test_a_real_model_writes_what_it_writes_elsewhere(checkpoint):
    model = load_language_model(checkpoint)
    pg = playground(model)
    a = pg.settings[0]
    a.template.value, a.slots["text"].value, a.how.value = "free text", "My dog", "sampling"
    a.numbers["seed"].value, a.numbers["max_new_tokens"].value = 3, 12
    assert run(pg)["text"] == model.complete(["My dog"], max_new_tokens=12, seed=3)[0] != ""
    assert pg.history["next_tokens"][0] == [list(pair) for pair in model.next_tokens("My dog", 10)]
    a.how.value = "beams"
    beams = model.complete(["My dog"], max_new_tokens=12, do_sample=False, num_beams=4)[0]
    assert run(pg)["text"] == beams
    a.numbers["max_new_tokens"].value = 4000
    shown = run(pg)
    assert shown["bad"] and "take a shorter prompt" in shown["words"] and len(pg.history) == 2


def test_all_controls_have_a_label():
    def inside(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from inside(child)

    pg = playground()
    pg._compare.value = True
    controls = [w for w in inside(pg.widget) if hasattr(w, "description") and not isinstance(w, widgets.Label)]
    assert len(controls) > 20 and all(control.description for control in controls)


def test_what_it_cannot_work_with_is_refused():
    with pytest.raises(LabError, match="needs a model"):
        Playground({})
    with pytest.raises(LabError, match="needs a template"):
        playground(templates=[])
    with pytest.raises(LabError, match="two templates have the same name"):
        playground(templates=[TEMPLATES[0], TEMPLATES[0]])


# --- Generating ---------------------------------------------------------------


def test_a_completion_is_shown_and_kept():
    pg = playground(Fake(f" {EVIL} end"))
    shown = run(pg)
    assert shown["text"] == f" {EVIL} end" and not shown["running"] and not shown["bad"]
    assert shown["bars"] == [("·one", 0.75), ("⏎", 0.25)]
    assert shown["title"].startswith("model 0 · zero-shot: TL;DR · greedy (")
    (row,) = pg.history.to_dict("records")
    assert (row["model"], row["template"], row["seed"]) == ("model 0", "zero-shot: TL;DR", 0)
    assert row["slots"] == dict(TEMPLATES[0].slots) and row["prompt"] == pg.settings[0].request().prompt
    assert row["completion"] == f" {EVIL} end" and row["next_tokens"] == [[" one", 0.75], ["\n", 0.25]]
    assert row["decoding"] == {"do_sample": False, "repetition_penalty": 1.0, "max_new_tokens": 48}
    assert row["time"].endswith("+00:00")


def test_the_text_is_shown_while_it_grows(monkeypatch):
    monkeypatch.setattr("helpers.views.playground.REDRAW", 0)
    model = Gated()
    pg = playground(model)
    pg.generate()
    model.step()
    model.step()
    assert model.waiting.acquire(timeout=patience())  # it waits for the third word
    shown = pg.settings[0].outcome.state
    assert shown["text"] == " word word" and shown["running"] and shown["words"] == "generating"
    pg.stop()
    model.turn.release()
    assert pg.wait(patience())


def test_stop_ends_a_generation_closes_its_stream_and_keeps_nothing():
    model = Gated()
    pg = playground(model)
    pg._compare.value = True
    pg.generate()
    model.step()
    assert model.waiting.acquire(timeout=patience())
    assert pg._start.disabled and not pg._stop.disabled
    pg.generate()  # is ignored: one is going on
    pg._stop.click()
    assert pg._stop.disabled and not pg.wait(0)
    model.turn.release()
    assert pg.wait(patience()) and model.closed
    a, b = (setting.outcome.state for setting in pg.settings)
    assert a["words"] == "stopped, and not kept in the history" and a["text"].startswith(" word") and not a["running"]
    assert b["words"] == "stopped before it began"
    assert pg.history.empty and list(pg.history.columns) == list(COLUMNS)
    assert not pg._start.disabled


def test_two_settings_side_by_side():
    pg = playground(Fake(" from zero"), Fake(" from one"))
    a, b = pg.settings
    a.template.value, a.slots["sentence"].value, a.how.value = "zero-shot: topic", "He barks.", "sampling"
    assert len(pg._controls.children) == len(pg._outcomes.children) == 1
    pg._compare.value = True
    assert len(pg._controls.children) == len(pg._outcomes.children) == 2
    assert b.request() == a.request()  # B begins as A
    b.model.value = "model 1"
    run(pg)
    assert (a.outcome.state["text"], b.outcome.state["text"]) == (" from zero", " from one")
    assert pg._news.value == "A finished; B finished"
    assert pg.history["model"].tolist() == ["model 0", "model 1"]
    pg._compare.value = False
    run(pg)
    assert pg.history["model"].tolist() == ["model 0", "model 1", "model 0"]
    pg._compare.value = True
    assert b.model.value == "model 1"  # once used, B stays as it is


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (LabError("the prompt has 99 tokens;\n64 fit"), "failed: the prompt has 99 tokens; 64 fit"),
        (MemoryError(), "failed: Out of memory. Choose a smaller model,"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "failed: Out of memory."),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory"), "failed: Out of memory."),
        (ValueError(f"top_p\nis {EVIL}"), f"failed: ValueError: top_p is {EVIL}"),
    ],
)
def test_an_error_is_one_line_and_the_playground_goes_on(error, line):
    pg = playground(Broken(error), Fake())
    pg._compare.value = True
    pg.settings[1].model.value = "model 1"
    shown = run(pg)
    assert shown["words"].startswith(line) and "\n" not in shown["words"] and shown["bad"] and not shown["running"]
    assert pg.settings[1].outcome.state["words"] == "finished"
    pg._compare.value, pg.settings[0].model.value = False, "model 1"
    shown = run(pg)
    assert shown["words"] == "finished" and not shown["bad"]
    assert pg.history["model"].tolist() == ["model 1", "model 1"]


def test_a_prompt_that_the_model_cannot_write_is_a_line_too():
    class Mute(Fake):
        def render(self, ask):
            raise LabError("this model has no chat template")

    pg = playground(Mute(), Fake())
    a = pg.settings[0]
    assert a.prompt.state["text"] == "this model has no chat template" and a.prompt.state["bad"]
    assert run(pg)["words"] == "this model has no chat template"
    a.model.value = "model 1"
    assert not a.prompt.state["bad"] and run(pg)["words"] == "finished"


def test_long_errors_are_cut():
    assert len(one_line(ValueError("x" * 5000))) < 400


def test_a_history_that_cannot_be_written_is_a_line_and_the_text_stays(tmp_path):
    (tmp_path / "file").write_text("")
    shown = run(playground(history=tmp_path / "file" / "history.jsonl"))
    assert shown["bad"] and "history.jsonl cannot be written" in shown["words"] and shown["text"] == " one two three"


# --- History ------------------------------------------------------------------


def test_the_history_outlives_the_kernel():
    """A process is killed in the middle of its second generation; a new playground has the first."""
    script = """
import sys, time
from tests.support.playground import Fake, playground, run

class Hangs(Fake):
    def stream(self, prompt, **_):
        yield " begun"
        print("hangs", flush=True)
        time.sleep(600)

pg = playground(Fake(), Hangs())
run(pg)
pg.settings[0].model.value = "model 1"
pg.generate()
time.sleep(600)
"""
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "hangs\n"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    pg = playground(Fake(" later"))
    assert pg.history["completion"].tolist() == [" one two three"]
    run(pg)
    assert pg.history["completion"].tolist() == [" one two three", " later"]
    assert (files.work() / "playground.jsonl").read_bytes().count(b"\n") == 2


def test_the_export_button_writes_beside_the_history(work):
    pg = playground()
    run(pg)
    pg._export.click()
    assert pg._news.value == f"1 generations are in {work / 'playground.csv'}"
    with open(work / "playground.csv", encoding="utf-8", newline="") as file:
        assert [row["completion"] for row in csv.DictReader(file)] == [" one two three"]
    assert pg.export(work / "all.jsonl") == 1

"""The labeler's widgets without a browser: messages in, replies out, and the figures."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers.labeling.agreement import AGREEMENT
from helpers.labeling.session import LabelingSession, RatingSession
from helpers.labeling.store import LabelStore
from helpers.preferences import Pair
from helpers.views import labeler as views

PAIRS = [Pair(f"p{i}", f"POST: {i}", f" one {i}", f" two {i}", "sft>base") for i in range(6)]


@pytest.fixture
def store(tmp_path):
    return LabelStore(tmp_path / "labels.sqlite")


@pytest.fixture
def widget(store):
    return views.Labeler(LabelingSession(PAIRS, "ann", store, repeat_every=4))


@pytest.fixture
def sent(widget, monkeypatch):
    """The replies that went to the browser, each with the number of labels that were on disk at that moment."""
    replies = []
    monkeypatch.setattr(
        type(widget), "send", lambda self, reply: replies.append((reply, len(self.session.store.labels())))
    )
    return replies


def choose(widget, number="1", side="left", strength=3, **changes) -> dict:
    message = {"id": number, "action": "choose", "side": side, "strength": strength, "token": widget.state["token"]}
    return widget.answer(message | changes)


def test_an_answer_is_acknowledged_after_it_is_on_disk(widget, sent, store):
    first = widget.state
    assert (first["prompt"], first["saved"], first["total"], first["can_undo"]) == ("POST: 0", 0, 7, False)
    assert set(first["texts"]) == {" one 0", " two 0"}
    reply = choose(widget, side="right", strength=4)
    assert reply == {"id": "1", "ok": True, "retry": False, "text": "saved 1 of 7"}
    assert sent == [(reply, 1)]
    (label,) = store.labels()
    assert (label.strength, label.pair) == (4, PAIRS[0])
    assert (PAIRS[0].completion_a if label.choice == "a" else PAIRS[0].completion_b) == first["texts"][1]
    assert widget.state["prompt"] == "POST: 1" and widget.state["can_undo"]


def test_the_browser_is_not_told_which_text_is_which(widget, store):
    first = widget.state
    assert set(first) == {"token", "prompt", "texts", "saved", "total", "can_undo"}
    assert re.fullmatch("[0-9a-f]{16}", first["token"])
    rater = views.Rater(RatingSession(PAIRS, "ann", store))
    assert set(rater.state) == set(first) and len(rater.state["texts"]) == 1


def test_a_message_sent_again_is_answered_again_and_acted_on_once(widget, sent, store):
    token = widget.state["token"]
    assert choose(widget) == choose(widget, token=token) == choose(widget, action="undo")
    assert len(store.labels()) == 1 and len(sent) == 3


def test_an_answer_to_the_question_before_is_refused_and_the_view_moves_on(widget, sent, store):
    other = views.Labeler(LabelingSession(PAIRS, "ann", store, repeat_every=4))
    choose(other)
    reply = choose(widget)
    assert (reply["ok"], reply["retry"]) == (False, False) and "answered already" in reply["text"]
    assert len(store.labels()) == 1 and widget.state["token"] == other.state["token"]


def test_tie_skip_undo_and_the_end(widget, sent, store):
    for number, action in enumerate(["tie", "skip", "undo", "undo", "undo"]):
        reply = widget.answer({"id": str(number), "action": action, "token": widget.state["token"]})
    assert [reply["text"] for reply, _ in sent] == [
        "saved 1 of 7",
        "saved 2 of 7",
        "taken back; saved 1 of 7",
        "taken back; saved 0 of 7",
        "there is nothing of this session to take back",
    ]
    assert not reply["ok"] and not widget.state["can_undo"]
    number = 10
    while widget.state["token"]:
        assert choose(widget, str(number := number + 1))["ok"]
    assert (widget.state["saved"], widget.state["total"], widget.state["texts"]) == (7, 7, [])
    assert not choose(widget, "99")["ok"] and len(store.labels()) == 7


def test_a_failed_write_is_not_acknowledged_and_can_be_sent_again(widget, sent, store, tmp_path):
    good = store.path
    (tmp_path / "file").touch()
    store.path = tmp_path / "file" / "labels.sqlite"
    token = widget.state["token"]
    reply = widget.answer({"id": "1", "action": "tie", "token": token})
    assert (reply["ok"], reply["retry"]) == (False, True) and reply["text"].startswith("Not saved: ")
    assert widget.state["token"] == token
    store.path = good
    assert widget.answer({"id": "1", "action": "tie", "token": token})["text"] == "saved 1 of 7"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"action": "delete"},
        {"action": None},
        {"strength": 9},
        {"strength": "3"},
        {"strength": [3]},
        {"strength": None},
        {"side": "middle"},
        {"token": 7},
        {"action": "rate", "rating": 3},
    ],
)
def test_a_message_that_is_no_answer_changes_nothing(widget, sent, store, wrong):
    message = {"id": "1", "action": "choose", "side": "left", "strength": 3, "token": widget.state["token"]}
    widget.answer((message | wrong) if wrong else {})
    ((reply, saved),) = sent
    assert not reply["ok"] and not reply["retry"] and reply["text"] and saved == 0


def test_the_rater(store):
    widget = views.Rater(RatingSession(PAIRS, "ann", store))
    assert (widget.kind, widget.state["total"]) == ("ratings", 12)
    reply = widget.answer({"id": "1", "action": "rate", "rating": 6, "token": widget.state["token"]})
    assert reply["text"] == "saved 1 of 12" and store.ratings()[0].rating == 6
    assert not widget.answer({"id": "2", "action": "undo", "token": "that of a view behind"})["ok"]
    undo = {"id": "3", "action": "undo", "token": widget.state["token"]}
    assert widget.answer(undo)["text"] == "taken back; saved 0 of 12"
    assert not widget.answer({"id": "4", "action": "rate", "rating": 9, "token": widget.state["token"]})["ok"]


def test_a_stored_notebook_says_what_to_do(widget, store):
    shown, _ = widget._repr_mimebundle_()
    assert shown["text/plain"] == "Labeler: run this cell to use it"
    assert "application/vnd.jupyter.widget-view+json" in shown
    assert repr(views.Rater(RatingSession(PAIRS, "ann", store))) == "Rater: run this cell to use it"


def test_the_script_shows_text_as_text_and_asks_nothing_of_the_network():
    script = (views.FOLDER / "labeler.js").read_text()
    style = (views.FOLDER / "labeler.css").read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", script)
    assert not re.search(r"https?:|fetch\(|import\s|url\(|@import", script + style)
    for color in re.findall(r"#[0-9a-f]{3,8}\b", style):  # only as fallbacks of the theme's own colors
        assert re.search(rf"var\(--jp-[a-z0-9-]+, {color}\)", style)


def contrast(one: str, other: str) -> float:
    """WCAG 2.1's contrast ratio of two colors, #rrggbb."""

    def luminance(color: str) -> float:
        parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_fallback_colors_can_be_read():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    style = (views.FOLDER / "labeler.css").read_text()
    fallback = dict(re.findall(r"--rlhf-(\w+): var\(--jp-[a-z0-9-]+, (#\w+)\)", style))
    full = {name: c if len(c) == 7 else "#" + "".join(2 * x for x in c[1:]) for name, c in fallback.items()}
    for text in ("text", "line", "mark"):
        assert contrast(full[text], full["back"]) >= 4.5
    assert contrast(full["text"], full["fill"]) >= 4.5


# ------------------------------------------------------------------------------------------- figures


def test_agreement_figure_says_too_few_instead_of_drawing_a_point():
    nan = float("nan")
    table = pd.DataFrame(
        [(40, 0.8, 0.65, 0.9, 0.6, 0.4, 0.8, ""), (3, *[nan] * 6, "too few: 3 of 10")],
        index=["gold reward", "classmate <b>bob</b>"],
        columns=list(AGREEMENT),
    )
    figure = views.agreement_figure(table, "title")
    assert list(figure.data[0].x)[0] == 0.8 and list(figure.data[1].x)[0] == 0.6
    assert figure.data[0].error_x.array[0] == pytest.approx(0.1)
    notes = [a.text for a in figure.layout.annotations]
    assert notes == ["too few: 3 of 10"] * 2
    assert "classmate &lt;b&gt;bob&lt;/b&gt;" in figure.data[0].y
    views.agreement_figure(table.iloc[1:], "title")


def test_pairs_with_hostile_texts_are_sent_as_they_are(store):
    text = "<script>window.pwned = 1</script>"
    widget = views.Labeler(LabelingSession([replace(PAIRS[0], prompt=text, completion_a=text)], "ann", store))
    assert widget.state["prompt"] == text and text in widget.state["texts"]

"""Texts stay texts in all that the views make, without a browser: tests/browser/test_injection.py looks with one."""

from __future__ import annotations

import re
import unicodedata
from html.parser import HTMLParser

import ipywidgets as widgets
import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.views.text import as_html, as_label, visible
from tests.support import hostile_views
from tests.support.injections import injections

TEXTS = [injection.text for injection in injections("http://127.0.0.1:9")]
OURS = {
    "a", "b", "br", "code", "details", "div", "h2", "hr", "i", "li", "p", "pre", "small", "span", "style", "summary",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
OF_PLOTLY = re.compile(r"<(?!/?b>|br>|/?extra>)")  # the tags that the figures are made with


class Reader(HTMLParser):
    """What a browser would see: the tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, str]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags += [(tag, name) for name, _ in attributes] or [(tag, "")]

    def handle_data(self, data):
        self.text += data


@given(st.text() | st.sampled_from(TEXTS) | st.text("<>&\"'$\\()[]{}`abc"))
def test_a_text_as_html_reads_as_the_text(text):
    page = Reader(as_html(text))
    assert page.text == text
    assert set(page.tags) <= {("span", "")}
    assert not re.search(r"\$[^<]|\\[^<]", as_html(text))  # nothing that MathJax would take for a sign of mathematics


@given(st.text())
def test_a_label_has_no_tag(text):
    assert "<" not in as_label(text) and Reader(as_label(text)).text == text
    assert as_label(3) == 3


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=20))
def test_tokens_can_be_seen(text):
    shown = visible(text)
    assert shown and not any(c.isspace() or unicodedata.category(c) in ("Cc", "Cf") for c in shown)


def test_tokens_are_seen_with_signs():
    assert visible(" the\n") == "·the⏎" and visible("") == "∅" and visible("\u200b") == "⟨200B⟩"
    assert visible("a" * 30, 12) == "a" * 11 + "…"


def test_every_view_is_listed():
    assert set(hostile_views.VIEWS) | hostile_views.TEXTLESS == hostile_views.all_views()
    assert not set(hostile_views.VIEWS) & hostile_views.TEXTLESS


# The report is a whole page, with tags of its own: tests/views/test_diagnostics.py reads it.
@pytest.mark.parametrize("name", [name for name in hostile_views.VIEWS if name != "diagnostics.report_html"])
def test_no_text_is_a_tag_in_what_a_view_makes(name, tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_WORK", str(tmp_path))
    for thing in hostile_views.made(name, TEXTS):
        for figure in figures(thing):
            assert [text for text in texts_of(figure.to_plotly_json()) if OF_PLOTLY.search(text)] == []
        for page in pages(thing):
            found = {
                tag
                for tag in Reader(page).tags
                if tag[0] not in OURS or tag[1] not in ("", "style", "role", "class", "border")
            }
            assert found == set()


def figures(thing) -> list[go.Figure]:
    if isinstance(thing, go.Figure):
        return [thing]
    return [go.Figure(w.state["figure"]) for w in inside(thing) if "figure" in getattr(w, "state", {})]


def pages(thing) -> list[str]:
    """All HTML of an output or of the widgets in it."""
    if isinstance(thing, widgets.Widget):
        return [w.value for w in inside(thing) if isinstance(w, widgets.HTML)]
    html = getattr(thing, "_repr_html_", None)
    return [] if html is None or isinstance(thing, (go.Figure, pd.DataFrame)) else [html()]


def inside(thing) -> list[widgets.Widget]:
    if not isinstance(thing, widgets.Widget):
        return []
    return [thing, *(w for child in getattr(thing, "children", ()) for w in inside(child))]


def texts_of(value) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [
            text for key, entry in value.items() if key not in ("legendgroup", "template") for text in texts_of(entry)
        ]
    if isinstance(value, (list, tuple)):
        return [text for entry in value for text in texts_of(entry)]
    return texts_of(value.tolist()) if hasattr(value, "tolist") else []

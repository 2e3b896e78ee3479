"""The diagnostics page: what it says is what was found, and no text of a set does anything in it."""

import base64
import hashlib
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers.preferences import Reading
from helpers.preferences.diagnostics import diagnose, findings
from helpers.views import diagnostics as views

from ..browser.jupyterlab import CHROMIUM_AS_ROOT, CHROMIUM_OPTIONS, BrowserUnavailable, find_chromium
from ..support.preferences import plain_set, row

HOSTILE = (
    "<script>alert(1)</script>",
    "</title></style></svg><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "<a href='javascript:alert(1)'>x</a>",
    "--><!-- ]]> {{7*7}} ${x} &lt;b&gt;",
    "<base href=//evil.example><link rel=stylesheet href=//evil.example/x.css>",
    "$\\href{javascript:alert(1)}{x}$",
    "\x1b[2J\x00\u202e",
)
FIGURES = (views.judges_figure, views.words_figure)
TAGS = set(
    "html head meta title style body h1 h2 ul li p div table tr th td details summary svg text rect line".split()
)
TAGS |= {"circle", "polygon", "span", "tspan"}
ATTRIBUTES = set("lang charset http-equiv content name class x y x1 y1 x2 y2 cx cy r width height points".split())
ATTRIBUTES |= {"viewbox", "role", "aria-label", "text-anchor"}


class Page(HTMLParser):
    """The page as a browser reads it: every tag and attribute, and the text outside of the style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.texts, self.style, self.metas, self.open = [], [], [], "", [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "meta":
            self.metas.append(dict(attrs))
        else:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another tag"

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.texts.append(data)

    def handle_comment(self, data):
        raise AssertionError("the page has no comments of its own")

    @property
    def text(self) -> str:
        return "".join(self.texts)


def checked(html: str) -> Page:
    """The page, after seeing that it holds only what the project writes."""
    page = Page(html)
    assert not page.open and set(page.tags) <= TAGS
    assert {name for name, _ in page.attributes} <= ATTRIBUTES
    return page


def hostile_set():
    rows = plain_set(80)
    for i, bad in enumerate(HOSTILE * 12):  # each is an annotator with enough pairs to be drawn
        texts = {"prompt": f"{bad} {i % 40}", "chosen": f"{bad} good <i>{i}", "rejected": f"{bad} bad {i}"}
        rows.append(row(**texts, id=bad, annotator=bad, source=bad, where=f"{bad}:{i}"))
    rows += [replace(r, chosen=r.rejected, rejected=r.chosen, annotator="ann") for r in rows[-20:]]
    reading = Reading(source=HOSTILE[0], schema=HOSTILE[1], columns={"prompt": HOSTILE[2]}, license=HOSTILE[3])
    reading.leave_out(HOSTILE[4], HOSTILE[5])
    return diagnose(rows, name=HOSTILE[1], reading=reading)


@pytest.fixture(scope="module")
def found():
    rows = plain_set(200, annotator="bob") + plain_set(60, seed=1, split="test")
    rows[:200] = [replace(r, chosen=f"{r.chosen} certainly") for r in rows[:200]]
    rows.append(replace(rows[0], chosen=rows[0].rejected, rejected=rows[0].chosen, id="turned", annotator="ann"))
    rows.append(replace(rows[1], id="leak", split="test"))
    return diagnose(rows, name="a set")


def test_the_page_says_what_was_found(found):
    page = checked(views.report_html(found))
    for finding in findings(found):
        assert finding in page.text
    assert "2 rows contradict each other: 1 pair of completions" in page.text and "test in train" in page.text
    assert "2 judgments of 1 pair." in page.text
    assert "certainly" in page.text and "rows to look at" in page.text.lower()
    assert [page.tags.count("svg")] == [5]  # troubles, lengths, annotators, judges, words
    assert page.tags.count("details") == len(found.worst) + 1
    for text in found.worst[["prompt", "chosen", "rejected"]].to_numpy().ravel():
        assert text in page.text


def test_the_page_needs_nothing_and_allows_nothing(found):
    html = views.report_html(found)
    page = checked(html)
    policy = next(meta["content"] for meta in page.metas if meta.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'" and rules["style-src"] == f"'sha256-{digest}'"
    assert not {"script-src", "connect-src", "img-src"} & set(rules)  # so all of them are as default-src
    assert html.index("Content-Security-Policy") < html.index("<style") < html.index("<body")
    assert not re.search(r"url\(|@import|https?:", page.style) and "prefers-color-scheme: dark" in page.style
    assert views.report_html(found) == html


def test_hostile_texts_are_shown_as_text():
    found = hostile_set()
    page = checked(views.report_html(found))
    for bad in HOSTILE[:-1]:
        assert bad in page.text
    assert "\\x1b[2J\\x00" in page.text and not {"\x1b", "\x00"} & set(page.text)
    checked(f"<html>{views.overview(found).data}</html>".replace(' style="max-width:60em"', ""))
    for figure in FIGURES:
        assert not re.search(r"<(?!br>|extra>|/extra>)", _texts(figure(found)))


def _texts(figure) -> str:
    """All that plotly could read as HTML: titles, names, labels of axes and points."""
    parts = [str(figure.layout.title.text)]
    for trace in figure.data:
        parts += [str(trace.name), str(trace.hovertemplate), *map(str, trace.y), *map(str, trace.x)]
    return "\n".join(parts)


@pytest.mark.parametrize("escaped", (True, False))
def test_nothing_of_it_runs_in_a_browser(tmp_path, escaped):
    """Escaping keeps every text out of the markup; if it failed, the page's policy would still stop what they do."""
    try:
        from playwright.sync_api import sync_playwright

        chromium = find_chromium()
    except (ImportError, BrowserUnavailable) as reason:
        pytest.skip(f"no browser to test in: {reason}")
    html = views.report_html(hostile_set())
    (tmp_path / "page.html").write_text(html if escaped else unescape(html))
    seen = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS + CHROMIUM_AS_ROOT)
        page = browser.new_page()
        page.on("dialog", lambda dialog: (seen.append("dialog"), dialog.dismiss()))
        page.on("response", lambda response: seen.append(response.url.rsplit("/")[-1]))
        page.on("console", lambda message: seen.append(f"console: {message.text}"))
        page.goto((tmp_path / "page.html").as_uri())
        page.wait_for_timeout(300)
        images = page.locator("img").count()
        browser.close()
    refused = [line for line in seen if "Content Security Policy" in line]
    assert set(seen) - set(refused) == {"page.html"}
    assert (not refused and not images) if escaped else (images and any("inline script" in line for line in refused))


MARKUP = st.text(alphabet=st.sampled_from("<>&\"'/=;abis! \\$"), max_size=40)


@settings(deadline=None)
@given(MARKUP, MARKUP)
@example("<b>", "<img src=x>")
def test_no_name_opens_a_tag(name, other):
    table = pd.DataFrame({other: [name, 1, 2.5, np.nan]}, index=[name, other, "x", "y"])
    checked(f"<html>{views._table(table, name)}{views._list([name, other])}{views._label(0, 0, name)}</html>")


def test_figures_state_the_finding_and_hold_the_numbers(found):
    judges, words = (figure(found) for figure in FIGURES)
    assert list(judges.data[0].x) == pytest.approx(found.judges["estimate"], abs=1e-4)
    assert words.data[0].y[0] == "certainly" and words.data[0].x[0] == pytest.approx(found.words["z"].iloc[0], abs=0.01)
    assert words.data[0].marker.symbol != words.data[1].marker.symbol
    table = views.troubles(found).set_index("what")
    assert table.loc["rows that contradict another", "n"] == 2 and table.loc["prompts of test in train", "n"] == 1
    page = checked(views.report_html(found)).text
    assert "The longer completion is chosen" in page
    assert all(what in page for what in table.index)


@given(st.dictionaries(st.integers(-400, 400), st.integers(1, 50), min_size=1, max_size=40))
def test_bins_keep_every_pair_on_its_side_of_zero(tally):
    table = pd.DataFrame(sorted(tally.items()), columns=["words", "pairs"])
    middles, pairs, width = views._binned(table)
    assert pairs.sum() == table["pairs"].sum() and len(middles) <= views.BINS + 1
    assert pairs[middles > 0].sum() == table[table["words"] > 0]["pairs"].sum()
    assert np.allclose(np.diff(middles), width)


def test_a_set_of_one_row_has_a_page_and_figures():
    found = diagnose([row("?", "!", "...")])
    assert "Too few pairs to hold some out" in checked(views.report_html(found)).text
    for figure in FIGURES:
        assert figure(found).layout.title.text
    assert "nothing can leak" in views.report_html(found)

"""The pictures: what the files hold, who can read them, and that they say what is true of the code."""

from __future__ import annotations

import re
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from helpers.simulation.annotators import ANNOTATORS
from helpers.simulation.gold import PENALTY, gold_reward
from helpers.views import pictures
from helpers.views.pictures import drawing, recorded, world
from helpers.views.pictures.__main__ import FOLDER
from helpers.views.style import contrast

SVG = "{http://www.w3.org/2000/svg}"
made = pytest.mark.parametrize("make", pictures.ALL, ids=lambda make: make.__name__)


def words(picture: pictures.Picture) -> str:
    return "\n".join("".join(text.itertext()) for text in ElementTree.fromstring(picture.svg).iter(f"{SVG}text"))


@made
def test_the_file_is_what_the_function_draws(make):
    picture = make()
    assert picture.name == make.__name__
    assert (FOLDER / f"{picture.name}.svg").read_text(encoding="utf-8") == picture.svg, (
        "run `python -m helpers.views.pictures`"
    )


def test_every_file_is_a_picture():
    assert {path.stem for path in FOLDER.iterdir()} == {make.__name__ for make in pictures.ALL}


@made
def test_a_picture_is_read_by_a_screen_reader_and_holds_no_program(make):
    picture = make()
    root = ElementTree.fromstring(picture.svg)
    assert root.get("role") == "img" and root.get("aria-labelledby") == "title text"
    assert root.find(f"{SVG}title").text == picture.title and root.find(f"{SVG}desc").text == picture.text
    assert len(picture.text) > 200
    assert "<script" not in picture.svg and "href" not in picture.svg and not re.search(r"\son\w+=", picture.svg)
    assert root.get("width") == str(drawing.WIDTH)


@made
def test_a_notebook_shows_an_image_with_a_text_that_follows_the_theme(make):
    picture = make()
    html = picture._repr_html_()
    assert html.startswith("<style>") and "body[data-jp-theme-light=false] .rlhf-picture" in html
    before, address = html.split('" src="')
    assert '<img class="rlhf-picture" style="' in before and f'alt="{picture.title}. ' in before
    assert address.startswith("data:image/svg+xml,") and address.endswith('">')
    assert unquote(address[len("data:image/svg+xml,") : -len('">')]) == picture.svg
    assert repr(picture) == f"{picture.title}. {picture.text}"


@made
def test_no_word_leaves_the_paper(make):
    """By the width of the widest usual font, about 0.62 of its size for a letter."""
    for text in ElementTree.fromstring(make().svg).iter(f"{SVG}text"):
        long = len("".join(text.itertext())) * 0.6 * float(text.get("font-size"))
        x = float(text.get("x")) - {"start": 0, "middle": long / 2, "end": long}[text.get("text-anchor", "start")]
        assert x >= 4 and x + long <= drawing.WIDTH - 4, "".join(text.itertext())


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_words_have_a_contrast_of_4_5_and_lines_of_3(scheme):
    paper, ink, soft = (drawing.PAPER[name][scheme] for name in ("paper", "ink", "soft"))
    for kind in drawing.KINDS.values():
        line, area = kind[scheme]
        for back in (paper, area):
            assert contrast(ink, back) >= 4.5 and contrast(soft, back) >= 4.5, (kind, back)
        assert contrast(line, paper) >= 4.5 and contrast(line, area) >= 4.5 or kind == drawing.KINDS["data"], kind
        assert contrast(line, paper) >= 3 and contrast(line, area) >= 3


def test_the_small_world_is_drawn_from_its_data():
    shown = words(pictures.small_world())
    assert all(name.capitalize() in shown for name in ANNOTATORS)
    assert all(f"\u2212{weight:g}\n" in shown for weight in PENALTY.values()) and set(world.FAULTS) == set(PENALTY)
    post = world.example()
    assert all(word in shown for word in post.body.split())
    perfect = f" I want to {post.goal.text(0)}, but {post.constraint.text(0)}. {post.question.text(0).capitalize()}?"
    assert gold_reward(post.prompt, perfect) == 3
    plain, fussy = world.worth(ANNOTATORS["ada"]), world.worth(ANNOTATORS["elena"])
    assert plain["goal"] == 1 and plain["length"] == 0 and fussy["invented"] == -1.5
    assert world.worth(ANNOTATORS["chloe"])["question"] == pytest.approx(0.35)


def test_the_run_is_the_shipped_one_and_stands_still_for_those_who_ask():
    picture = pictures.run()
    records = recorded.shipped_records()
    assert picture.svg.count("<circle") == 3 * len(records)
    moving = picture.svg[picture.svg.index("@media (prefers-reduced-motion:no-preference)") :]
    assert picture.svg.count("animation:") == moving.count("animation:") == 2
    assert "infinite" not in picture.svg, "what moves for longer than five seconds needs a button to stop it"
    shown = " ".join(words(picture).split())
    assert " ".join(records[-1]["samples"][1]["completion"].split()) in shown
    assert f"{len(records)} updates" in shown

"""The look of all figures: colors that can be seen, titles and legends apart, no button that uploads, and words."""

import json

import plotly.graph_objects as go
import plotly.io as pio
import pytest

from helpers.views import style
from helpers.views.chart import Chart, as_json

PAPER, DARK_PAGE = "#ffffff", "#111111"  # of JupyterLab's dark theme


def figure(title="The finding", n=2):
    lines = [go.Scatter(x=[1, 2], y=[1, i], name=f"curve {i}") for i in range(n)]
    return style.styled(go.Figure(lines), title, "update", "reward, sd")


def test_contrast_is_that_of_wcag():
    assert style.contrast("#ffffff", "#000000") == pytest.approx(21)
    assert style.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("color", [*style.PALETTE, *style.INK, *style.COLORS.values(), *(m[0] for m in style.MARKS)])
def test_lines_have_a_contrast_of_3_on_white_and_on_a_dark_page(color):
    assert style.contrast(color, PAPER) >= 3 and style.contrast(color, DARK_PAGE) >= 3


def test_words_have_a_contrast_of_4_5_on_the_paper_that_the_figure_brings():
    layout = figure().layout
    assert layout.paper_bgcolor == "white" and style.contrast(layout.font.color, PAPER) >= 4.5
    grays = [f"#{gray:02x}{gray:02x}{gray:02x}" for gray in range(256)]
    both = max(min(style.contrast(gray, PAPER), style.contrast(gray, DARK_PAGE)) for gray in grays)
    assert both < 4.5, "a gray that is read on both would make the paper needless"


def test_the_title_stands_above_and_the_legend_below():
    title = "A finding with so many words that it needs a second line, and then some more of them for a third one"
    layout = figure(title).layout
    assert layout.title.text.count("<br>") == 1 and style.title_of(figure(title)) == title
    assert layout.margin.t >= 26 + 20  # the foot of the second line
    assert (layout.legend.yref, layout.legend.y, layout.legend.yanchor) == ("container", 0, "bottom")


def test_no_figure_offers_to_upload_itself():
    renderer = pio.renderers["plotly_mimetype"]
    shown = renderer.to_mimebundle(figure().to_dict())["application/vnd.plotly.v1+json"]
    assert shown["config"]["showSendToCloud"] is False
    assert as_json(figure())["config"]["showSendToCloud"] is False
    chart = Chart(style.styled(figure(), "The finding", "", "", 300)).state["figure"]
    assert chart["config"]["showSendToCloud"] is False and chart["config"]["modeBarButtons"] == [["toImage"]]


def test_a_displayed_figure_says_in_words_what_it_shows(monkeypatch):
    monkeypatch.setattr(pio.renderers, "default", "plotly_mimetype+described")
    bundle = figure("It <rose>")._repr_mimebundle_()
    assert bundle["text/plain"] == "Figure. It <rose>; x: update; y: reward, sd; shown: curve 0, curve 1"
    assert json.dumps(bundle["application/vnd.plotly.v1+json"])
    assert Chart(figure("It <rose>")).state["text"] == bundle["text/plain"]
    assert style.described(go.Figure()) == "Figure. a figure without a title"

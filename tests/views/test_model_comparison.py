"""Lab 04's views of judging: standings, agreement, and who wrote what, from small tables."""

import numpy as np
import pandas as pd
import pytest

from helpers.labeling.standings import NOTHING_YET, standings
from helpers.labeling.verdicts import agreement, verdict_table
from helpers.preferences import Pair
from helpers.views.labeler import agreement_figure
from helpers.views.model_comparison import AXES, agreement_table, standings_figure, who_wrote_what

HOSTILE = "<img src=x onerror=alert(1)>"


def verdicts(judge, outcomes, models=("x", "y")) -> pd.DataFrame:
    pairs = [Pair(f"p{i}", f"POST: {i}", f" one {i}", f" two {i}", ">".join(models)) for i in range(len(outcomes))]
    return verdict_table(judge, pairs, outcomes)


@pytest.fixture
def table() -> pd.DataFrame:
    frames = [verdicts("you", [np.nan] * 20), verdicts("gold reward", [1, 1, 0, 0.5] * 5)]
    return standings(pd.concat(frames, ignore_index=True), 50)


@pytest.mark.parametrize("measure", AXES)
def test_standings_have_a_dot_and_interval_a_judge_and_model(table, measure):
    figure = standings_figure(table, "X is ahead", measure)
    you, gold = figure.data
    assert figure.layout.title.text == "X is ahead" and figure.layout.yaxis.title.text == AXES[measure][0]
    assert np.isnan(list(you.y)).all() and you.name == f"you: {NOTHING_YET}" and gold.name == "gold reward"
    rows = table[table["judge"] == "gold reward"]
    assert list(gold.x) == ["x", "y"] and gold.y == pytest.approx(rows[measure], abs=1e-3)
    assert gold.y + np.array(gold.error_y.array) == pytest.approx(rows[f"{measure}_high"], abs=2e-3)
    assert gold.y - np.array(gold.error_y.arrayminus) == pytest.approx(rows[f"{measure}_low"], abs=2e-3)


def test_judges_differ_in_more_than_color():
    frames = [verdicts(judge, [1, 0] * 10) for judge in ("a", "b", "c")]
    figure = standings_figure(standings(pd.concat(frames), 50), "t")
    assert (
        len({trace.marker.symbol for trace in figure.data}) == len({trace.marker.color for trace in figure.data}) == 3
    )


def test_without_labels_the_figure_says_so():
    alone = standings(verdicts("you", [np.nan] * 20))
    assert [a.text for a in standings_figure(alone, "t").layout.annotations] == [f"you: {NOTHING_YET}"]
    few = standings(verdicts("you", [1.0] * 4))
    assert [a.text for a in standings_figure(few, "t").layout.annotations] == ["you: too few: 4 of 10"]
    assert "nobody has judged" in standings_figure(standings(alone[:0]), "t").layout.annotations[0].text


def test_names_are_shown_as_text():
    frame = verdicts(HOSTILE, [1, 0] * 10, models=(HOSTILE[:-1], "y"))
    figure = standings_figure(standings(frame, 50), "t")
    assert "<img" not in str(figure.to_plotly_json())
    assert "&lt;img" in figure.data[0].name and "&lt;img" in figure.data[0].x[0]


def test_agreement_in_words():
    frames = [
        verdicts("you", [1, 0, 0.5] * 2),
        *(verdicts(judge, [1, 0, 1] * 6) for judge in ("gold", "draft overlap")),
    ]
    table = agreement(pd.concat(frames))
    words = agreement_table(table)
    assert words.loc["you and gold"].tolist() == [4, "too few: 4 of 10", "too few: 4 of 10"]
    assert words.loc["gold and draft overlap", "n"] == 18 and words.loc[
        "gold and draft overlap", "agreement"
    ].startswith("1.00 [0.8")
    assert words.loc["gold and draft overlap", "kappa"] == "1.00 [1.00, 1.00]"
    assert len(agreement_figure(table, "t").data) == 2
    assert agreement_table(table[:0]).empty


def test_writers_are_revealed_only_where_the_judge_has_judged():
    pairs = [Pair(f"p{i}", f"POST: {i}", f" one {i}", f" two {i}", f"first{i}>second{i}") for i in range(4)]
    mine = verdict_table("you", pairs, [1, np.nan, 0.5, np.nan])
    gold = verdict_table("gold reward", pairs, [0.0, 1, 0, 0])
    html = who_wrote_what(pd.concat([mine, gold]), pairs, "you").data
    assert "you: first0; gold reward: second0" in html
    assert "you: a tie; gold reward: second2" in html
    assert "2 of 4 pairs stay hidden: not judged yet by you" in html
    assert not any(word in html for word in ("first1", "second1", "first3", "POST: 1", "one 3"))
    nothing = who_wrote_what(mine.assign(outcome=np.nan), pairs, "you").data
    assert "4 of 4 pairs stay hidden" in nothing and "first" not in nothing
    assert "There are no pairs" in who_wrote_what(mine, [], "you").data


def test_what_models_wrote_is_shown_as_text():
    pair = Pair("p", f"POST {HOSTILE}", f" {HOSTILE}", " two", f"{HOSTILE[:-1]}>y")
    html = who_wrote_what(verdict_table(HOSTILE, [pair], [1.0]), [pair], HOSTILE).data
    assert "<img" not in html and html.count("&lt;img") == 5

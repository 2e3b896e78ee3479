"""Judges have one interface; places are balanced; relabeling keeps what the judge said."""

import numpy as np
import pytest
from scipy.special import expit

from helpers import evaluation
from helpers.files import LabError
from helpers.labeling.judges import (
    chat_judge,
    draft_overlap_judge,
    longer_judge,
    post_overlap_judge,
    relabel,
    score_judge,
)
from helpers.models.profiles import get_profile
from helpers.models.shared_base import SharedBase
from helpers.preferences import load_preferences

PAIRS = load_preferences("test")[:12]


def columns(pairs):
    return [p.prompt for p in pairs], [p.chosen for p in pairs], [p.rejected for p in pairs]


def by_length(question: str) -> str:
    a, b = question.split("TL;DR A:")[1].split("\n\nWhich")[0].split("\n\nTL;DR B:")
    return " A." if len(a) >= len(b) else "**B**, since it is longer"


def test_a_chat_model_is_asked_with_criteria_post_and_both_texts():
    asked = []
    chat_judge(lambda question: asked.append(question) or "A", "Be brief.")(["POST: x\n\nTL;DR:"], [" one"], [" two"])
    assert len(asked) == 2 and all(q.startswith("Be brief.\n\nPOST: x") for q in asked)
    assert "TL;DR A: one\n\nTL;DR B: two" in asked[0] and "TL;DR A: two\n\nTL;DR B: one" in asked[1]


def test_its_verdict_is_that_of_both_orders():
    prompts, a, b = columns(PAIRS)
    sure = chat_judge(by_length)(prompts, a, b)
    lengths = np.array([[len(x), len(y)] for x, y in zip(a, b, strict=True)])
    unequal = lengths[:, 0] != lengths[:, 1]
    assert (sure[unequal] == (lengths[unequal, 0] > lengths[unequal, 1])).all()
    assert (chat_judge(lambda question: "A")(prompts, a, b) == 0.5).all()  # in love with the first place


def test_an_answer_that_is_none_is_refused():
    with pytest.raises(LabError, match="answered 'Both are good"):
        chat_judge(lambda question: "Both are good")(["p"], ["a"], ["b"])


@pytest.fixture(scope="module")
def by_draft():
    return draft_overlap_judge(SharedBase.load(get_profile("tiny")))


def test_overlap_with_a_draft_prefers_a_tldr_of_this_post(by_draft):
    """Held against texts of other posts, which no label is needed to tell apart."""
    prompts, own, _ = columns(PAIRS)
    sure = by_draft(prompts, own, own[1:] + own[:1])
    assert sure.mean() > 0.9
    np.testing.assert_allclose(by_draft(prompts, own[1:] + own[:1], own), 1 - sure)
    assert (by_draft(prompts, own, own) == 0.5).all()


def test_overlap_with_the_post_is_the_baseline_as_a_judge():
    prompts, a, b = columns(PAIRS)
    sure = post_overlap_judge(prompts, a, b)
    np.testing.assert_array_equal(sure, evaluation.right(evaluation.overlap_margins(PAIRS)))
    np.testing.assert_array_equal(post_overlap_judge(prompts, b, a), 1 - sure)


def test_the_judge_by_length_counts_words():
    assert longer_judge(["p"] * 3, ["one two", "one", "a-long-word"], ["one", "one two", "two"]).tolist() == [1, 0, 0.5]


def test_relabeled_pairs_are_as_the_judge_sees_them():
    def shorter(prompts, a, b):
        return np.array([(np.sign(len(y) - len(x)) + 1) / 2 for x, y in zip(a, b, strict=True)])

    rows = relabel(PAIRS, shorter, "short")
    assert all(len(row.chosen) < len(row.rejected) for row in rows)
    assert len(rows) == sum(len(p.chosen) != len(p.rejected) for p in PAIRS)
    originals = {p.id: p for p in PAIRS}
    for row in rows:
        pair = originals[row.id.removesuffix("/short")]
        kept = row.chosen == pair.chosen
        assert {row.chosen, row.rejected} == {pair.chosen, pair.rejected} and row.annotator == "short"
        assert row.source == (pair.source if kept else ">".join(reversed(pair.source.split(">"))))


def test_a_score_judge_is_as_sure_as_bradley_terry_and_knows_rounding():
    judge = score_judge(lambda prompts, texts: np.array([float(t) for t in texts]))
    sure = judge(["p"] * 3, ["2.0", "0.30000000000000004", "0"], ["0.5", "0.3", "9"])
    assert sure == pytest.approx([expit(1.5), 0.5, expit(-9)]) and sure[1] == 0.5

"""The samples of a run's records as a table."""

from __future__ import annotations

import math

from helpers.views import run_view

from ..support.runs import EVIL, record


def test_samples_are_those_of_the_watched_prompts_if_there_are_any():
    sample = {"prompt": "p", "completion": "c", "reward": 1.0}
    assert run_view.samples_of([]) == (0, [])
    assert run_view.samples_of([record(1, samples=[sample]), record(2)]) == (1, [sample])
    watched = [sample | {"before": "b"}]
    assert run_view.samples_of([record(1, watched=watched), record(2, samples=[sample])]) == (1, watched)


def test_the_sample_table_holds_texts_as_they_are():
    samples = [
        {"prompt": EVIL + " word" * 40, "completion": EVIL, "reward": 1.0, "before": "", "before_reward": 0.2},
        {"prompt": "short", "completion": "c", "reward": math.nan, "before": None},
    ]
    headings, rows = run_view.sample_table(samples)
    assert headings == ["prompt", "before", "now", "reward"]
    assert rows[0]["prompt"] == samples[0]["prompt"] and rows[0]["short"].startswith(EVIL)
    assert rows[0]["short"].endswith("…") and len(rows[0]["short"]) <= run_view.SHORT + 1
    assert rows[0]["cells"] == ["(nothing)", EVIL, "+0.20 → +1.00"]
    assert rows[1] == {"short": "short", "prompt": "short", "cells": ["(nothing)", "c", "–"]}
    headings, rows = run_view.sample_table([{"prompt": "p", "completion": "c", "gold": 2}])
    assert headings == ["prompt", "now", "reward", "gold reward"] and rows[0]["cells"] == ["c", "–", "+2.00"]

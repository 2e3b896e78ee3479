"""The history of finished generations: it survives cut lines and full disks, and its exports lose nothing."""

from __future__ import annotations

import csv
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import files
from helpers.files import LabError
from helpers.prompting import history
from helpers.prompting.history import COLUMNS, History


def test_a_line_that_was_cut_off_costs_that_line_only(tmp_path):
    log = History(tmp_path / "deep" / "history.jsonl")
    assert log.records() == []
    log.append({"completion": "first \u2028 é"})
    with open(log.path, "ab") as file:
        file.write(b'{"completion": "cut o')
    log.append({"completion": "\ud800 third"})  # half a character, as a browser can send it
    assert [record["completion"] for record in log.records()] == ["first \u2028 é", "? third"]


def test_a_full_disk_is_said(tmp_path, monkeypatch):
    log = History(tmp_path / "history.jsonl")

    def full(_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(history.os, "fsync", full)
    with pytest.raises(LabError, match="cannot be written .*No space left"):
        log.append({"completion": "x"})


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "\t=1", "\r\n-2", "＝1", "'quoted", "\u00a0@x"]
HARMLESS = ["", " plain", "1=1", "a - b", "<b>bold</b>", 'a "quoted", b\nc']


def record(text: str) -> dict:
    return {
        "time": "2026-01-01T00:00:00+00:00",
        "model": text,
        "template": text,
        "slots": {"post": text},
        "prompt": text,
        "decoding": {"top_p": 0.9},
        "seed": 1,
        "completion": text,
        "next_tokens": [[text, 0.5]],
    }


def test_an_export_to_csv_has_no_formulas_and_loses_nothing(tmp_path):
    log = History(tmp_path / "history.jsonl")
    for text in FORMULAS + HARMLESS:
        log.append(record(text))
    assert log.export(tmp_path / "out.csv") == len(FORMULAS + HARMLESS)
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    for text, row in zip(FORMULAS + HARMLESS, rows, strict=True):
        for column in ("model", "template", "prompt", "completion"):
            assert row[column] == ("'" + text if text in FORMULAS else text)
        assert json.loads(row["slots"]) == {"post": text} and json.loads(row["next_tokens"]) == [[text, 0.5]]
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in row.values())
        assert row["seed"] == "1"


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(codec="utf-8")))
def test_an_exported_text_can_be_read_back(text):
    cell = history._cell(text)
    assert cell.removeprefix("'") == text and cell.lstrip()[:1] not in tuple("=+-@")


def test_an_export_to_jsonl_has_the_records_as_they_are(tmp_path):
    log = History(tmp_path / "history.jsonl")
    for text in FORMULAS:
        log.append(record(text))
    assert log.export(tmp_path / "out.jsonl") == len(FORMULAS)
    assert [row for _, row in files.read_jsonl(tmp_path / "out.jsonl")] == log.records() == list(map(record, FORMULAS))


def test_an_export_that_makes_no_sense_is_refused(tmp_path):
    log = History(tmp_path / "history.jsonl")
    log.append(record("x"))
    before = log.path.read_bytes()
    for name in ("out.xlsx", "out"):
        with pytest.raises(LabError, match=r"end the name with \.csv or \.jsonl"):
            log.export(tmp_path / name)
    with pytest.raises(LabError, match="is the history itself"):
        log.export(tmp_path / "." / "history.jsonl")
    assert log.path.read_bytes() == before

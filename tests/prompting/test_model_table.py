"""The table of known models: the page and the file that lab 04 shows say the same, and every row names its source."""

import re

import pandas as pd
import pytest

from helpers import files

COLUMNS = "model year pretraining supervised preferences method weights data code source labs".split()
ARXIV = re.compile(r"\barXiv (\d{4}\.\d{5})\b")


@pytest.fixture(scope="module")
def models() -> pd.DataFrame:
    return pd.read_csv(files.data() / "prompting" / "models.csv", dtype=str, keep_default_na=False)


def test_every_cell_says_something_and_every_row_has_a_source(models):
    assert list(models.columns) == COLUMNS
    assert (models.map(str.strip) == models).all(axis=None) and (models != "").all(axis=None)
    assert models.model.is_unique
    assert all(map(ARXIV.search, models.source))
    assert set(models[["weights", "data", "code"]].stack()) == {"yes", "no", "in part"}


def test_a_row_is_of_the_year_of_its_first_source_and_years_ascend(models):
    years = models.year.astype(int)
    assert years.is_monotonic_increasing
    first = models.source.map(lambda source: 2000 + int(ARXIV.search(source)[1][:2]))
    assert (first == years).all()


def test_labs_exist(models):
    shipped = {path.name[:2] for path in (files.ROOT / "labs").glob("[0-9]*.ipynb")}
    named = {lab for cell in models.labs for lab in cell.split(", ")}
    assert named <= shipped


def test_the_page_and_the_file_agree(models):
    page = (files.ROOT / "docs" / "models.md").read_text("utf-8")
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")][2:]
    expected = [
        [*row[:6], " / ".join(row[6:9]), ARXIV.sub(r"[arXiv \1](https://arxiv.org/abs/\1)", row[9]), row[10]]
        for row in models.to_numpy().tolist()
    ]
    assert rows == expected
    assert "November 2026" in page

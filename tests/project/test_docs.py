"""README and docs: short, with links that lead somewhere, and with the times that the labs state."""

import re
from pathlib import Path

import pytest

from helpers.classroom.notebooks import read
from helpers.files import ROOT

from ..support.core_path import stated_times

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "data" / "README.md",
]
PAGES += [ROOT / "benchmarks" / "README.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's titles, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text("utf-8")):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_short_and_states_the_times_of_the_labs():
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.splitlines()) <= 100
    for path in sorted((ROOT / "labs").glob("*.ipynb")):
        times = stated_times(read(path))
        whole = times.reading + times.running + times.exercises
        row = next(line for line in text.splitlines() if line.startswith("|") and f"](labs/{path.name})" in line)
        assert row.rstrip().endswith(f"| {times.core} | {whole} |"), row

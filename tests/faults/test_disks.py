"""Disks that are full, or become read-only in the middle: one message with the place, and what was kept stays."""

import errno
import re

import pytest

from .harness import CAN_KILL, build_calls, soak

SAMPLE = ("artifact", "export", "grid", "labels", "recording")  # `make soak` takes all scenarios


@pytest.fixture(scope="module", autouse=True)
def _calls(tmp_path_factory):
    if not CAN_KILL or not build_calls(tmp_path_factory.mktemp("calls")):
        pytest.skip("needs Linux and a C compiler")


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (errno.ENOSPC, "no space left|free space|the space on its disk"),
        (errno.EROFS, "cannot (write|be read or written)"),
    ],
    ids=["full", "read-only"],
)
@pytest.mark.parametrize("name", SAMPLE)
def test_a_disk_that_refuses_is_one_message_and_loses_nothing(name, error, says):
    figures = soak(name, kills=4, error=error)
    assert figures.problems == [] and (figures.lost, figures.half) == (0, 0)
    assert figures.refusals >= 2 and figures.ends >= 4
    assert figures.messages and all(re.search(says, message) for message in figures.messages)

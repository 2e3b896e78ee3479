"""Recordings: what is written, what a killed run leaves, which one is found, and what a broken one says."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import files
from helpers.files import ROOT, LabError
from helpers.runs.recordings import Header, Recording, load_recording, own_folder, recorded, recording_names, ship

HEADER = Header("ppo", "PPO <b>", "tiny", 3, 4, {"beta": 0.05})
HOSTILE = "</script><img onerror=alert(1)> \u2028 \u202e né \N{GRINNING FACE}\n"


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("RLHF_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("RLHF_PROFILE", raising=False)


def steps(n, **more):
    for step in range(1, n + 1):
        yield {"step": step, "loss": 1 / 3, "seconds": 0.25, **more}
    return "result"


def record(name, stream, header=HEADER):
    """All records of a recorded stream, and what it returns."""
    stream, records = recorded(stream, name, header), []
    while True:
        try:
            records.append(next(stream))
        except StopIteration as end:
            return records, end.value


def test_what_is_recorded_is_what_is_loaded():
    samples = [{"prompt": HOSTILE, "completion": "", "reward": 0.12345678}]
    tokens = [{"token": ["a", "\\xe2"], "kl": [0.1, math.nan], "clipped": [True, False]}]
    records, result = record("mine", steps(3, samples=samples, tokens=tokens, replayed=True, resumed_at=2))
    assert result == "result" and records == list(steps(3, samples=samples, tokens=tokens, replayed=True, resumed_at=2))
    loaded = load_recording("mine")
    assert (loaded.name, loaded.origin, loaded.seed, loaded.total) == ("mine", "yours", 3, 4)
    assert (loaded.stage, loaded.title, loaded.config) == ("ppo", "PPO <b>", {"beta": 0.05})
    assert [r["step"] for r in loaded.records] == [1, 2, 3]
    assert loaded.records[0] == {
        "step": 1,
        "loss": 0.33333,
        "seconds": 0.25,
        "samples": [{"prompt": HOSTILE, "completion": "", "reward": 0.12346}],
        "tokens": [{"token": ["a", "\\xe2"], "kl": [0.1, None], "clipped": [True, False]}],
    }
    assert "3 of 4 steps" in loaded.description and "your recording of 20" in loaded.description


def test_without_a_name_nothing_is_written():
    assert record(None, steps(2)) == (list(steps(2)), "result")
    assert not files.runs().exists()


def test_a_stopped_run_is_recorded_as_far_as_it_went_and_its_stream_is_closed():
    closed = []

    def stream():
        try:
            yield from steps(9)
        finally:
            closed.append(True)

    run = recorded(stream(), "mine", HEADER)
    next(run), next(run)
    run.close()
    assert closed and [r["step"] for r in load_recording("mine").records] == [1, 2]
    record("mine", steps(1))  # a new run replaces it
    assert len(load_recording("mine").records) == 1


def test_a_killed_process_leaves_a_recording():
    code = (
        "import os, signal\n"
        "from helpers.runs.recordings import Header, recorded\n"
        "stream = ({'step': i, 'loss': 0.5} for i in range(1, 9))\n"
        "for r in recorded(stream, 'mine', Header('sft', 't', 'tiny', 0, 8)):\n"
        "    if r['step'] == 3:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == -9
    assert [r["step"] for r in load_recording("mine").records] == [1, 2, 3]
    path = own_folder("mine") / "records.jsonl"
    path.write_bytes(path.read_bytes() + b'{"step": 4, "lo')  # half a line
    assert len(load_recording("mine").records) == 3


def test_ones_own_recording_comes_first_then_the_shipped_one():
    record("both", steps(2))
    assert ship("both") == files.data() / "recordings" / "both"
    record("both", steps(1))
    assert (load_recording("both").origin, len(load_recording("both").records)) == ("yours", 1)
    assert load_recording("both", "llama2-7b").origin == "shipped"
    shipped = load_recording("both", "llama2-7b")
    assert shipped.created == "" and len(shipped.records) == 2 and "shipped with the labs" in shipped.description


def test_the_names_are_ones_own_and_the_shipped_ones():
    assert recording_names() == []
    record("a", steps(2))
    record("b", steps(1))
    ship("b")
    (own_folder("a") / "recording.json").write_text("{}")  # a broken one is listed, and an error when it is loaded
    assert recording_names() == ["a", "b"]
    assert recording_names("llama2-7b") == ["b"]
    with pytest.raises(LabError, match='field "stage" must be a text'):
        load_recording("a")
    b = load_recording("b")
    assert (b.name, b.origin, b.stage, b.title, len(b.records), b.total) == ("b", "yours", "ppo", "PPO <b>", 1, 4)


def test_what_is_shipped_is_small():
    record("mine", steps(3, samples=[{"prompt": "x" * 200_000}]))
    with pytest.raises(LabError, match=r"has 600,\d+ bytes, and the limit is 400,000"):
        ship("mine")
    record("small", steps(1))
    ship("small")
    (own_folder("small") / "recording.json").unlink()
    (own_folder("small") / "records.jsonl").unlink()
    own_folder("small").rmdir()
    with pytest.raises(LabError, match="of your own to ship"):
        ship("small")


def test_no_such_recording():
    with pytest.raises(LabError, match="no recording 'mine'; there are: none yet"):
        load_recording("mine")
    record("other", steps(1))
    with pytest.raises(LabError, match="no recording 'mine'; there are: other. To make one, .*record='mine'"):
        load_recording("mine")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\\b", "/etc", ".hidden", "a b", "x" * 65, "a\n"])
def test_a_name_that_is_no_file_name_is_refused_before_the_run(name):
    with pytest.raises(LabError, match="is no name for a recording"):
        load_recording(name)
    if name:
        with pytest.raises(LabError, match="is no name for a recording"):
            next(recorded(steps(1), name, HEADER))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("recording.json", b"{", "recording.json: invalid JSON"),
        ("recording.json", b"[]", "recording.json: must be one JSON object"),
        ("recording.json", None, "recording.json: no such file"),
        ("recording.json", {"total": "40"}, 'field "total" must be a whole number'),
        ("recording.json", {"seed": True}, 'field "seed" must be a whole number'),
        ("recording.json", {"config": []}, 'field "config" must be an object'),
        ("records.jsonl", b'{"step": 1}\n{"step"\n', "records.jsonl:2: invalid JSON"),
        ("records.jsonl", b'{"step": 1}\n\xff\xfe\n', "records.jsonl:2: invalid JSON"),
        ("records.jsonl", b"[" * 100_000 + b"\n", "records.jsonl:1: invalid JSON"),
        ("records.jsonl", b'{"loss": 1}\n', 'records.jsonl:1: a line must be an object with a whole number "step"'),
        ("records.jsonl", b'{"step": true}\n', "records.jsonl:1: a line must be"),
        ("records.jsonl", b"[1]\n", "records.jsonl:1: a line must be"),
        ("records.jsonl", b"", "records.jsonl: holds no record yet"),
        ("records.jsonl", None, "records.jsonl: no such file"),
    ],
)
def test_a_broken_recording_is_one_error_that_says_where(file, content, message):
    record("mine", steps(2))
    path = own_folder("mine") / file
    if content is None:
        path.unlink()
    elif isinstance(content, dict):
        path.write_text(json.dumps(json.loads(path.read_text()) | content))
    else:
        path.write_bytes(content)
    with pytest.raises(LabError, match=message) as error:
        load_recording("mine")
    assert "\n" not in str(error.value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(st.lists(st.dictionaries(st.text(min_size=1), VALUES, max_size=4), min_size=1, max_size=3))
def test_any_record_comes_back_up_to_rounding(contents):
    def alike(a, b):
        if isinstance(a, float):
            return b is None if not math.isfinite(a) else b == pytest.approx(a, rel=1e-4)
        if isinstance(a, list):
            return len(a) == len(b) and all(map(alike, a, b))
        if isinstance(a, dict):
            return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
        return a == b

    skipped = ("replayed", "resumed_at")
    kept = [{k: v for k, v in content.items() if k not in skipped} for content in contents]
    records = [content | {"step": number} for number, content in enumerate(kept)]
    record("any", (r for r in records))
    assert all(map(alike, records, load_recording("any").records))


def test_a_recording_is_what_the_replay_asks_for():
    record("mine", steps(2))
    loaded = load_recording("mine")
    assert isinstance(loaded, Recording)
    assert all(hasattr(loaded, name) for name in ("title", "stage", "total", "records", "description"))

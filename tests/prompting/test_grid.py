"""The grid: a cell is asked once, whatever ends the run; and the table says no more than its answers allow."""

import json
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import files
from helpers.files import ROOT, LabError
from helpers.formulas.statistics import accuracy_interval, paired_difference
from helpers.models.prompt_formats import Ask, flan, llama2_chat
from helpers.prompting import grid
from helpers.prompting.answer_cache import read_shipped, write_shipped
from helpers.prompting.grid import COLUMNS, Item, Technique, cell_key, run_grid
from helpers.prompting.grid_summary import gains, summary

from ..support.prompting_grid import GREEDY, SUMS, TASKS, TOPICS, ZERO_SHOT, FakeModel, ask_plainly, is_right, run


def message(act, *arguments, **settings) -> str:
    with pytest.raises(LabError) as error:
        act(*arguments, **settings)
    return str(error.value)


# ------------------------------------------------------------------------------------------- the table


def test_a_row_an_answer():
    model = FakeModel()
    frame = run(model, [ZERO_SHOT, GREEDY])
    assert list(frame) == COLUMNS
    assert len(frame) == 10 * 3 + 10  # three seeds; a greedy technique runs once
    assert list(frame[frame["technique"] == "greedy"]["seed"].unique()) == [0]
    for row in frame.itertuples():
        (item,) = [item for item in TASKS[row.task] if item.id == row.item]
        prompt = model.render(item.ask)
        assert [row.answer] == model.complete([prompt], seed=row.seed, do_sample=row.technique != "greedy")
        assert (row.score, row.reason) == (is_right(item, row.answer), "")


def test_which_cells_there_are():
    techniques = [
        replace(ZERO_SHOT, name="sums only", tasks=("sums",), seeded=False),
        replace(ZERO_SHOT, name="topics only", tasks=("topic",)),
    ]
    frame = run({"a": FakeModel(), "b": FakeModel()}, techniques, seeds=(4, 4, 7), only=lambda *cell: "b" not in cell)
    cells = frame[["model", "technique", "task", "seed"]].drop_duplicates().values.tolist()
    assert cells == [
        ["a", "sums only", "sums", 0],
        ["a", "topics only", "topic", 4],
        ["a", "topics only", "topic", 7],
    ]
    assert run(FakeModel(), only=lambda *cell: False).columns.to_list() == COLUMNS
    assert len(frame) == 4 + 2 * 6  # a seed that is named twice runs once
    nothing_asked = FakeModel()
    assert len(run(nothing_asked, items={"none": []})) == 0 and not nothing_asked.calls


def test_techniques_may_have_names_of_their_own():
    frame = run(FakeModel(), {"plainly": ZERO_SHOT})
    assert list(frame["technique"].unique()) == ["plainly"]


def test_no_score_is_not_a_number():
    frame = run(FakeModel(), items={"topic": TOPICS}, score=lambda item, answer: None if item.id == "t0" else 1)
    assert frame["score"].isna().sum() == 3 and set(frame["reason"]) == {""}
    (row,) = summary(frame).to_dict("records")
    assert (row["n"], row["estimate"], row["reason"]) == (5, 1.0, "")


@pytest.mark.parametrize(
    "error", [LabError("the prompt has 70 tokens"), MemoryError(), RuntimeError("CUDA: Out of memory")]
)
def test_one_failed_cell_does_not_end_the_grid(error, tmp_path):
    def fail(calls):
        if calls == 2:
            raise error

    frame = run(FakeModel(call=fail), items={"topic": TOPICS}, cache=tmp_path)
    (failed,) = frame[frame["reason"] != ""].to_dict("records")
    assert (failed["seed"], failed["item"], failed["answer"]) == (1, "", "") and np.isnan(failed["score"])
    assert ("70 tokens" if isinstance(error, LabError) else "out of memory") in failed["reason"]
    assert len(frame) == 2 * 6 + 1 and len(list(tmp_path.iterdir())) == 2
    (row,) = summary(frame).to_dict("records")
    assert (row["n"], row["seeds"], row["reason"]) == (6, 2, failed["reason"])

    again = FakeModel()  # what failed is tried again, and nothing else
    assert (run(again, items={"topic": TOPICS}, cache=tmp_path)["reason"] == "").all()
    assert [call[-1] for call in again.calls] == [1]


def test_what_torch_says_without_memory_is_a_reason():
    import torch  # here, since the processes below import this file and need it not

    for error in (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), None):
        model = FakeModel()

        def fail(calls, error=error):
            if error:
                raise error
            torch.empty(2**55, dtype=torch.uint8)

        model.call = fail
        assert run(model)["reason"].str.contains("out of memory").all()


def test_a_mistake_in_the_code_is_no_reason():
    def fail(calls):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        run(FakeModel(call=fail))
    with pytest.raises(AttributeError):
        run(FakeModel(), [Technique("typo", lambda model, items, seed: model.complet(items))])


def test_prompts_that_cannot_be_rendered_are_a_reason():
    def refuse(ask):
        raise LabError("no such slot")

    assert set(run(FakeModel(form=refuse))["reason"]) == {"no such slot"}


@pytest.mark.parametrize("answers", [["0"] * 5, [0] * 6])
def test_not_one_text_an_item(answers, tmp_path):
    wrong = Technique("wrong", lambda model, items, seed: answers)
    frame = run(FakeModel(), [wrong], {"topic": TOPICS}, cache=tmp_path)
    assert frame["reason"].str.contains("'wrong' must give 6 texts").all() and not list(tmp_path.iterdir())


def test_what_cannot_be_told_apart():
    assert "two techniques have the name 'zero-shot'" in message(run, FakeModel(), [ZERO_SHOT, ZERO_SHOT])
    assert "'topic' have the id 't0'" in message(run, FakeModel(), items={"topic": [TOPICS[0], TOPICS[0]]})
    assert "'odd' must be plain data" in message(Technique, "odd", ask_plainly, {"answer": ask_plainly})
    assert "'odd' must be plain data" in message(Technique, "odd", ask_plainly, {"temperature": float("nan")})


def test_progress_counts_what_was_cached(tmp_path, capsys):
    for cached in (0, 3):
        run_grid({"fake": FakeModel()}, [ZERO_SHOT], {"sums": SUMS}, score=is_right, cache=tmp_path)
        last = capsys.readouterr().err.split("\r")[-1]
        assert "fake:" in last and "3/3" in last and f"cached={cached}" in last


# ------------------------------------------------------------------------------------------- the key

CHANGES = {
    "model": lambda cell: cell | {"model": FakeModel("other weights")},
    "form, by the options": lambda cell: cell | {"model": FakeModel(form=flan)},
    "form, by its marks": lambda cell: cell | {"model": FakeModel(form=llama2_chat)},
    "technique": lambda cell: cell | {"technique": replace(ZERO_SHOT, name="other")},
    "settings": lambda cell: cell | {"technique": replace(ZERO_SHOT, settings={"samples": 5})},
    "version": lambda cell: cell | {"technique": replace(ZERO_SHOT, version=2)},
    "item left out": lambda cell: cell | {"items": TOPICS[1:]},
    "order of the items": lambda cell: cell | {"items": TOPICS[::-1]},  # what is sampled depends on the batch
    "target": lambda cell: cell | {"items": [replace(TOPICS[0], target="?"), *TOPICS[1:]]},
    "task": lambda cell: cell | {"items": [replace(TOPICS[0], task="?"), *TOPICS[1:]]},
    "id": lambda cell: cell | {"items": [replace(TOPICS[0], id="?"), *TOPICS[1:]]},
    "seed": lambda cell: cell | {"seed": 1},
} | {
    f"ask, its {part}": lambda cell, part=part, value=value: (
        cell | {"items": [replace(TOPICS[0], ask=replace(TOPICS[0].ask, **{part: value})), *TOPICS[1:]]}
    )
    for part, value in {
        "query": "?", "cue": "?", "instruction": "?", "options": ("?",), "examples": (("?", "!"),), "role": "?"
    }.items()
}  # fmt: skip


def key(model=None, technique=ZERO_SHOT, items=TOPICS, seed=0) -> str:
    return cell_key(model or FakeModel(), technique, items, seed)


def test_each_thing_that_matters_gives_another_key():
    keys = {name: key(**change({})) for name, change in CHANGES.items()} | {"none": key()}
    assert len(set(keys.values())) == len(CHANGES) + 1


def test_other_libraries_or_another_format_give_another_key(monkeypatch):
    keys, installed = {key()}, dict(grid._versions())
    for library in installed:
        monkeypatch.setattr(grid, "_versions", lambda other=library: installed | {other: "0"})
        keys.add(key())
    monkeypatch.setattr(grid, "CACHE_FORMAT", 0)
    keys.add(key())
    assert len(keys) == 4 and set(installed) == {"torch", "transformers"}


def test_what_does_not_matter_gives_the_same_key():
    model = FakeModel()
    model.name = "another name"
    technique = replace(ZERO_SHOT, answer=GREEDY.answer, tasks=("topic",), seeded=False)
    assert key(model, technique, tuple(TOPICS)) == key()
    a, b = ({"top_k": 5, "temperature": 0.5}, MappingProxyType({"temperature": 0.5, "top_k": 5}))
    assert key(technique=replace(ZERO_SHOT, settings=a)) == key(technique=replace(ZERO_SHOT, settings=b))


PLAIN_DATA = st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=3), st.lists, max_leaves=4)
TEXTS = st.text(max_size=3)
CONTENT = st.tuples(
    st.dictionaries(TEXTS, PLAIN_DATA, max_size=2), st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=2), TEXTS
)


@settings(deadline=None)
@given(CONTENT, CONTENT)
def test_equal_content_is_an_equal_key(a, b):
    def of(content):
        settings, asked, name = content
        items = [Item("topic", Ask(query), target, "id") for query, target in asked]
        return key(technique=Technique(name, ask_plainly, settings), items=items)

    assert (of(a) == of(b)) == (json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True))
    assert of(a) == of((dict(reversed(a[0].items())), *a[1:]))


def test_items_are_plain_data():
    item = replace(TOPICS[0], ask=Ask("q", options=("a", "b"), examples=(("q", "a"),)))
    read = json.loads(json.dumps(asdict(item)))
    assert read["ask"]["examples"] == [["q", "a"]] and read["target"] == "0"


# ------------------------------------------------------------------------------------------- the cache


def test_nothing_is_asked_twice(tmp_path):
    first = run(FakeModel(), [ZERO_SHOT, GREEDY], cache=tmp_path)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    model = FakeModel()
    again = run({"renamed": model}, [ZERO_SHOT, GREEDY], cache=tmp_path, score=lambda item, answer: 0.5)
    assert not model.calls and (again["score"] == 0.5).all()  # scores are made anew
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    pd.testing.assert_frame_equal(again.drop(columns=["model", "score"]), first.drop(columns=["model", "score"]))
    run(model, [ZERO_SHOT, GREEDY], cache=tmp_path, seeds=(2, 3))
    assert {call[-1] for call in model.calls} == {3}


def test_where_the_cache_is(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "runs"))
    run_grid({"fake": FakeModel()}, [ZERO_SHOT], TASKS, score=is_right, progress=False)
    assert len(list((files.runs() / "prompting").iterdir())) == 6
    run(FakeModel(), cache=None)
    assert [path.name for path in tmp_path.rglob("*") if path.is_dir()] == ["runs", "prompting"]
    (tmp_path / "file").write_text("")
    assert "is a file" in message(run, FakeModel(), cache=tmp_path / "file")


def change_answer(content: bytes) -> bytes:
    read = json.loads(content)
    return json.dumps(read | {"answers": ["0"] * len(read["answers"])}).encode()


@pytest.mark.parametrize(
    "broken",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"[]",
        lambda content: b'"text"',
        lambda content: b"{}",
        lambda content: b"\xff" + content,
        lambda content: b"[" * 100_000,
        lambda content: content.replace(b'"key": "', b'"key": "0'),
        change_answer,
    ],
)
def test_a_broken_file_is_made_again(broken, tmp_path):
    items = {"topic": TOPICS}
    whole = run(FakeModel(), items=items, cache=tmp_path, seeds=[0])
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    path.write_bytes(broken(content))
    model = FakeModel()
    with pytest.warns(UserWarning, match="damaged, or no file of this cache"):
        again = run(model, items=items, cache=tmp_path, seeds=[0])
    pd.testing.assert_frame_equal(again, whole)
    assert len(model.calls) == 1 and path.read_bytes() == content


def test_a_cell_of_another_name_is_not_trusted(tmp_path):
    run(FakeModel(), items={"topic": TOPICS}, cache=tmp_path, seeds=[0])
    (path,) = tmp_path.iterdir()
    path.rename(tmp_path / f"{key(seed=1)}.json")
    model = FakeModel()
    with pytest.warns(UserWarning, match="damaged"):
        run(model, items={"topic": TOPICS}, cache=tmp_path, seeds=[1])
    assert len(model.calls) == 1


def test_stopped_by_hand(tmp_path):
    def stop(calls):
        if calls == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(FakeModel(call=stop), cache=tmp_path)
    model = FakeModel()
    pd.testing.assert_frame_equal(run(model, cache=tmp_path), run(FakeModel()))
    assert len(model.calls) == 6 - 3


CHILD = """
import sys, time
from tests.support.prompting_grid import FakeModel, run

def call(calls):
    print(calls, flush=True)
    if calls == int(sys.argv[2]):
        time.sleep(600)
    time.sleep(float(sys.argv[3]))

print("ready", flush=True)
sys.stdin.readline()
print(run(FakeModel(call=call), cache=sys.argv[1]).to_json(), flush=True)
"""


def child(folder, hangs_at: int, seconds: float = 0.0) -> subprocess.Popen:
    """A process that runs the grid once it is sent a line; each call takes `seconds`, and one never ends."""
    command = [sys.executable, "-c", CHILD, str(folder), str(hangs_at), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_a_killed_process(tmp_path):
    """SIGKILL, while a cell is being asked: all cells before it are kept, and nothing half."""
    process = child(tmp_path, hangs_at=4)
    with process:
        try:
            process.stdin.write("\n")
            process.stdin.flush()
            assert [process.stdout.readline() for _ in range(5)] == ["ready\n", "1\n", "2\n", "3\n", "4\n"]
        finally:
            process.send_signal(signal.SIGKILL)
    assert len(list(tmp_path.iterdir())) == 3
    model = FakeModel()
    pd.testing.assert_frame_equal(run(model, cache=tmp_path), run(FakeModel()))
    assert len(model.calls) == 6 - 3


def test_two_processes_on_one_cache(tmp_path):
    processes = [child(tmp_path, hangs_at=0, seconds=0.02) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    tables = [process.communicate()[0].splitlines()[-1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    model = FakeModel()
    assert tables == [run(model, cache=tmp_path).to_json()] * 2 and not model.calls
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json"] * 6


# ------------------------------------------------------------------------------------------- what it says


def table(scores, technique="zero-shot", seeds=None) -> pd.DataFrame:
    """The rows of a grid with these scores (seeds, items)."""
    scores = np.asarray(scores, float)
    return pd.DataFrame(
        [
            ["m", technique, "topic", (seeds or range(len(scores)))[s], f"i{i}", "", scores[s, i], ""]
            for s, i in np.ndindex(scores.shape)
        ],
        columns=COLUMNS,
    )


def the_row(frame) -> dict:
    (row,) = frame.to_dict("records")
    return row


def limits(row) -> tuple[float, float]:
    return row["low"], row["high"]


def bootstrap_by_hand(values, n_resamples=2000):
    """Draws rows and columns with replacement, one table at a time (Owen 2007)."""
    rng = np.random.default_rng(123)
    seeds, n = values.shape
    means = [values[rng.integers(seeds, size=seeds)][:, rng.integers(n, size=n)].mean() for _ in range(n_resamples)]
    return tuple(np.quantile(means, [0.025, 0.975]))


RNG = np.random.default_rng(0)
SCORES = (RNG.random((3, 40)) < RNG.random(40)).astype(float)
BETTER = np.maximum(SCORES, RNG.random((3, 40)) < 0.3)


@pytest.mark.parametrize("scores", [SCORES, SCORES[:1], RNG.normal(size=(4, 30))])
def test_intervals_are_those_of_a_second_implementation(scores):
    row = the_row(summary(table(scores)))
    assert row["estimate"] == pytest.approx(scores.mean())
    assert (row["n"], row["seeds"]) == scores.shape[::-1]
    assert limits(row) == pytest.approx(bootstrap_by_hand(scores), abs=0.03)


@pytest.mark.parametrize("value", [0, 1])
def test_no_score_differs_from_another(value):
    row = the_row(summary(table(np.full((3, 20), value))))
    wilson = accuracy_interval([value] * 20)
    assert (row["estimate"], *limits(row), row["n"], row["seeds"]) == (*wilson[:4], 3)
    assert row["high"] - row["low"] > 0.15


def test_one_item_has_no_interval():
    row = the_row(summary(table([[0.25]])))
    assert row["estimate"] == 0.25 and np.isnan(limits(row)).all()
    frame = pd.concat([table([[0.25]]), table([[0.5]], "other")])
    assert the_row(gains(frame))["verdict"] == ""


def test_gains_are_paired():
    frame = pd.concat([table(SCORES), table(BETTER, "other").sample(frac=1, random_state=0)])
    row = the_row(gains(frame))
    assert row["estimate"] == pytest.approx((BETTER - SCORES).mean())
    assert limits(row) == pytest.approx(bootstrap_by_hand(BETTER - SCORES), abs=0.03)
    assert (row["technique"], row["n"], row["seeds"], row["verdict"]) == ("other", 40, 3, "up")
    other_way = the_row(gains(frame, against="other"))
    assert other_way["verdict"] == "down" and limits(other_way) == pytest.approx((-row["high"], -row["low"]), abs=0.02)


def test_gains_over_what_ran_once():
    frame = pd.concat([table(SCORES[:1]), table(BETTER, "other")])
    row = the_row(gains(frame))
    assert row["estimate"] == pytest.approx(BETTER.mean() - SCORES[0].mean()) and row["seeds"] == 3
    row = the_row(gains(pd.concat([table(SCORES[:1]), table(BETTER[:1], "other")])))
    assert limits(row) == pytest.approx(paired_difference(BETTER[0], SCORES[0])[1:3], abs=0.03)


def test_only_seeds_and_items_that_both_have_are_compared():
    a, b = table(SCORES, seeds=[0, 1, 2]), table(BETTER, "other", seeds=[2, 1, 5])
    b = b[b["item"] != "i7"]
    row = the_row(gains(pd.concat([a, b])))
    expected = np.delete(np.stack([BETTER[1] - SCORES[1], BETTER[0] - SCORES[2]]), 7, axis=1)
    assert (row["n"], row["seeds"], row["estimate"]) == (39, 2, pytest.approx(expected.mean()))
    apart = the_row(gains(pd.concat([a, table(BETTER, "other", seeds=[5, 6, 7])])))
    assert np.isnan(apart["estimate"]) and (apart["n"], apart["verdict"]) == (0, "")


@pytest.mark.parametrize(
    "before, after, n, verdict",
    [
        (0, 1, 20, "up"),
        (1, 0, 20, "down"),
        (0, 1, 3, "no detectable difference"),
        (1, 1, 20, "no detectable difference"),
    ],
)
def test_equal_differences_are_not_certainty(before, after, n, verdict):
    row = the_row(gains(pd.concat([table(np.full((2, n), before)), table(np.full((2, n), after), "other")])))
    assert row["verdict"] == verdict
    assert -1 <= row["low"] <= row["estimate"] == after - before <= row["high"] <= 1 and row["high"] > row["low"]
    if abs(after - before) == 1:  # gained on n of n: as wins are counted, twice Wilson's limit less 1
        worst = 2 * accuracy_interval([1] * n).low - 1
        assert min(map(abs, limits(row))) == pytest.approx(abs(worst))


def test_gains_that_are_all_one_number_but_not_of_right_and_wrong():
    row = the_row(gains(pd.concat([table(np.full((2, 5), 2.5)), table(np.full((2, 5), 3.5), "other")])))
    assert (row["estimate"], *limits(row)) == (1, 1, 1)
    row = the_row(gains(pd.concat([table(np.full((2, 5), 2.5)), table(np.full((2, 5), 2.5), "other")])))
    assert (row["estimate"], *limits(row)) == (0, 0, 0)


def test_nothing_to_say_where_nothing_was_answered():
    def fail(calls):
        raise LabError("too long")

    frame = pd.concat(
        [run({"a": FakeModel()}, [ZERO_SHOT, GREEDY]), run({"b": FakeModel(call=fail)}, [ZERO_SHOT, GREEDY])]
    )
    frame = frame[(frame["model"] == "b") | (frame["technique"] == "greedy")]  # a has nothing to compare with
    failed = summary(frame).query("model == 'b'")
    assert (failed["reason"] == "too long").all() and failed["estimate"].isna().all() and (failed["n"] == 0).all()
    rows = gains(frame)
    assert len(rows) == 4 and rows["estimate"].isna().all() and (rows["verdict"] == "").all()


def test_what_cannot_be_compared():
    assert "no technique 'few-shot' to compare with; it has 'zero-shot'" in message(gains, table(SCORES), "few-shot")
    twice = pd.concat([table(SCORES), table(SCORES[:1])])
    assert "two rows of m, zero-shot, topic, 0, i0" in message(summary, twice)


def test_a_table_that_was_stored_says_the_same(tmp_path):
    frame = run(FakeModel(), [ZERO_SHOT, GREEDY])
    frame.to_csv(tmp_path / "grid.csv", index=False)
    stored = pd.read_csv(tmp_path / "grid.csv")
    pd.testing.assert_frame_equal(summary(stored), summary(frame))
    pd.testing.assert_frame_equal(gains(stored), gains(frame))


# ------------------------------------------------------------------------------------------ what is shipped


def test_shipped_answers_are_not_asked_for_and_are_those_that_were_kept(tmp_path):
    kept = run(FakeModel(), [ZERO_SHOT, GREEDY], cache=tmp_path / "cells")
    write_shipped(tmp_path / "cells", tmp_path / "answers.jsonl")
    other = FakeModel()
    again = run(other, [ZERO_SHOT, GREEDY], shipped=tmp_path / "answers.jsonl")
    assert not other.calls
    pd.testing.assert_frame_equal(kept, again)


def test_new_cells_are_added_to_a_shipped_file_and_those_that_nobody_asks_for_go(tmp_path):
    path = tmp_path / "answers.jsonl"
    for name, technique in (("old", ZERO_SHOT), ("new", GREEDY)):
        run(FakeModel(), [technique], cache=tmp_path / name)
        write_shipped(tmp_path / name, path)
    both = grid.grid_keys({"m": FakeModel()}, [ZERO_SHOT, GREEDY], TASKS)
    assert set(read_shipped(path)) == both
    wanted = grid.grid_keys({"m": FakeModel()}, [GREEDY], TASKS)
    write_shipped(tmp_path / "new", path, wanted)
    assert set(read_shipped(path)) == wanted < both


def test_another_model_does_not_get_shipped_answers(tmp_path):
    run(FakeModel(), cache=tmp_path / "cells")
    write_shipped(tmp_path / "cells", tmp_path / "answers.jsonl")
    mine = FakeModel("mine")
    run(mine, shipped=tmp_path / "answers.jsonl")
    assert len(mine.calls) == 2 * 3


def test_a_shipped_file_is_the_same_in_whatever_order_its_cells_were_made(tmp_path):
    for name, seeds in (("a", (0, 1)), ("b", (1, 0))):
        run(FakeModel(), cache=tmp_path / name, seeds=seeds)
        write_shipped(tmp_path / name, tmp_path / f"{name}.jsonl")
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


@pytest.mark.parametrize("row", ['{"key": "k"}', '{"answers": ["a"]}', '{"key": "k", "answers": [1]}'])
def test_a_file_that_holds_no_cells_is_refused_by_line(tmp_path, row):
    (tmp_path / "bad.jsonl").write_text(f'{{"key": "k", "answers": ["a"]}}\n{row}\n', "utf-8")
    assert "bad.jsonl:2" in message(read_shipped, tmp_path / "bad.jsonl")

"""Diagnostics: planted faults are counted, a second implementation agrees, order does not matter, memory is bounded."""

import gzip
import json
import random
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import __main__ as cli
from helpers import files
from helpers.files import LabError
from helpers.formulas.statistics import cohen_kappa, win_rate
from helpers.preferences import Preference, Reading, load_preferences, write_rows
from helpers.preferences.diagnostics import diagnose, file_name, findings, measures, summary
from helpers.preferences.diagnostics.agreement import krippendorff_alpha
from helpers.preferences.diagnostics.columns import SHOWN, Columns, Lowest, Sample
from helpers.preferences.diagnostics.near_duplicates import plain_words
from helpers.preferences.diagnostics.shortcuts import accuracy_over_prompts, give_away_words, held_out

from ...support.preferences import WORDS, plain_set, row

REAL = files.ROOT.parent / "shared" / "data" / "hh-rlhf-harmless-base" / "test.jsonl.gz"


def same(a, b) -> bool:
    """Whether two Diagnostics hold the same numbers."""
    return json.dumps(a.as_dict(), allow_nan=False) == json.dumps(b.as_dict(), allow_nan=False)


# --- Planted faults -----------------------------------------------------------


def test_a_set_without_faults_has_none():
    found = diagnose(plain_set(100) + plain_set(30, seed=1, split="test"))
    assert (found.n, found.sampled, found.contradictions, found.contradicting, found.twins) == (130, 130, 0, 0, 0.0)
    assert not found.repeats[["exact", "words", "near"]].to_numpy().any()
    assert found.leaks.loc["test in train"].tolist() == [30, 0, 0, 30, 0]
    assert found.agreement is None and found.ties is None
    assert found.longer.estimate == 0.5  # equal lengths count half
    assert not any(
        word in " ".join(findings(found)) for word in ("contradict", "Leakage", "repeat", "longer", "nearly")
    )


def test_repeats_of_each_degree():
    rows = plain_set(40)
    first = rows[0]
    words = first.prompt.split()
    words[-1] = "changed"
    rows += [
        replace(first, id="again"),
        replace(first, id="loud", prompt=first.prompt.upper() + "!"),
        replace(first, id="near", prompt=" ".join(words), chosen="quite another text", rejected="and this is new too"),
    ]
    repeats = diagnose(rows).repeats
    assert repeats.loc["pairs"].tolist() == [43, 42, 1, 2, 0, 0]
    assert repeats.loc["prompts"].tolist() == [43, 42, 1, 2, 41, 1]
    assert repeats.loc["completions"].tolist() == [86, 82, 4, 4, 82, 0]


def test_contradictions_are_pairs_chosen_both_ways():
    rows = plain_set(20)
    turned = [replace(r, id=f"turned {r.id}", chosen=r.rejected, rejected=r.chosen) for r in rows[:3]]
    elsewhere = replace(turned[0], id="elsewhere", prompt="another prompt")  # no contradiction: another question
    found = diagnose([*rows, *turned, replace(rows[0], id="again"), elsewhere])
    assert (found.contradictions, found.contradicting) == (3, 7)
    told = found.worst[found.worst["why"] == "another row says the opposite"]
    assert len(told) == measures.WORST
    assert findings(found)[0].startswith("7 rows contradict each other: 3 pairs")


def test_leaks_between_splits_of_each_degree():
    train, test = plain_set(50), plain_set(10, seed=5, split="test")
    nearly = " ".join([*train[2].prompt.split()[:-1], "different"])
    test[0] = replace(test[0], prompt=train[0].prompt)
    test[1] = replace(test[1], prompt=train[1].prompt.title() + " ?")
    test[2] = replace(test[2], prompt=nearly)
    validation = [replace(test[3], id="v", split="validation")]
    found = diagnose([*train, *test, *validation])
    assert found.leaks.loc["test in train"].tolist() == [10, 1, 2, 10, 3]
    assert found.leaks.loc["test in validation"].tolist() == [10, 1, 1, 10, 1]
    assert found.leaks.loc["validation in train"].tolist() == [1, 0, 0, 1, 0]
    leaked = found.worst[found.worst["why"].str.contains("another split")]
    assert set(leaked["id"]) == {test[0].id, test[1].id, test[2].id, test[3].id}


def test_leaks_are_found_beyond_the_sample():
    """Exact and same-word leaks are of all rows, whatever was sampled."""
    train, test = plain_set(300), plain_set(40, seed=5, split="test")
    test = [replace(t, prompt=r.prompt.upper()) for t, r in zip(test, train, strict=False)]
    leak = diagnose([*train, *test], sample=10).leaks.loc["test in train"]
    assert leak.tolist() == [40, 0, 40, 10, 10]


def test_lengths_and_shared_starts():
    rows = [
        row("one two", "a b c", "a b"),
        row("one two three four", "x", "x y z"),
        row("one", "same start here now then", "same start there now then"),
    ]
    found = diagnose(rows)
    assert found.lengths.loc["prompt", ["mean", "min", "50%", "max"]].tolist() == [pytest.approx(7 / 3), 1, 2, 4]
    assert found.lengths.loc["chosen", ["min", "50%", "max"]].tolist() == [1, 3, 5]
    assert found.differences.to_dict("list") == {"words": [-2, 0, 1], "pairs": [1, 1, 1]}
    assert found.longer == win_rate([3, 1, 5], [2, 3, 5])
    assert found.starts.set_index("words")["pairs"].to_dict() == {1: 3, 2: 2, 3: 0, 5: 0, 10: 0, 20: 0}


def test_near_twins_among_the_completions():
    long = " ".join(WORDS)
    rows = [*plain_set(9), row("p", f"{long} yes", f"{long} no")]  # 15 of 17 runs in common
    found = diagnose(rows)
    assert found.twins == 0.1
    told = found.worst[found.worst["why"] == "the two completions are nearly the same"]
    assert told["detail"].tolist() == [f"{15 / 17:.2f} of 1 in common"]


def test_counts_and_ties():
    reading = Reading(source="some.jsonl", schema="generic", n_read=9, n_pairs=6, n_ties=3)
    rows = plain_set(6)
    rows[:2] = [replace(r, split="test", annotator="bob", strength=4) for r in rows[:2]]
    found = diagnose(iter(rows), reading=reading)
    counts = found.counts.set_index(["what", "name"])["pairs"].to_dict()
    assert counts == {
        ("split", "train"): 4, ("split", "test"): 2, ("annotator", "ann"): 4, ("annotator", "bob"): 2,
        ("source", "a>b"): 6, ("strength", "not given"): 4, ("strength", "4"): 2,
    }  # fmt: skip
    assert found.ties == 3 and found.name == "some.jsonl" and "ties, left out: 3" in summary(found)


def test_many_names_are_summed_up():
    rows = [replace(r, annotator=f"worker {i}") for i, r in enumerate(plain_set(60))]
    counts = diagnose(rows).counts
    people = counts[counts["what"] == "annotator"]
    assert len(people) == SHOWN + 1 and people["pairs"].sum() == 60
    assert people["name"].iloc[-1] == f"{60 - SHOWN} others"


# --- Judges and words ---------------------------------------------------------


def test_a_word_that_gives_the_answer_away_is_found_by_judge_and_table():
    rows = plain_set(300)
    rows = [replace(r, chosen=f"{r.chosen} Certainly", rejected=f"{r.rejected} sorry") for r in rows]
    found = diagnose(rows)
    assert found.words["word"].iloc[0] == "certainly" and found.words["word"].iloc[-1] == "sorry"
    assert found.words[["chosen", "rejected"]].iloc[0].tolist() == [300, 0]
    assert found.words["z"].iloc[0] > found.z_limit > found.words["z"].iloc[1]
    bag = found.judges.loc["bag of words"]
    assert bag["estimate"] == 1 and 0.9 < bag["low"] < 1  # Wilson's: all right is not certainty
    assert found.judges.loc["length only", "estimate"] == 0.5
    assert found.heldout == "a fifth of the prompts, drawn by hash"


def test_no_word_stands_out_where_chance_chose():
    found = diagnose(plain_set(600))
    assert (found.words["z"].abs() < found.z_limit).all()
    assert found.judges.loc["bag of words", "low"] < 0.5 < found.judges.loc["bag of words", "high"]


def test_the_shipped_set_scores_as_the_labs_say():
    from helpers.evaluation.baselines import length_baseline

    rows = load_preferences()
    train, test = ([r for r in rows if r.split == split] for split in ("train", "test"))
    found = diagnose(rows)
    length = found.judges.loc["length only"]
    assert length["estimate"] == pytest.approx(length_baseline(train, test).estimate)
    assert length["n"] == len({r.prompt for r in test}) and found.heldout == "the set's own test split"
    assert 0.7 < found.judges.loc["bag of words", "estimate"] < 0.85
    assert found.leaks["near"].sum() == 0


def test_the_interval_keeps_pairs_of_one_prompt_together():
    prompts = np.repeat(np.arange(30), 50)
    margins = np.where(prompts % 2 == 0, 1.0, -1.0)  # all 50 pairs of a prompt stand or fall together
    interval = accuracy_over_prompts(margins, prompts)
    assert interval.estimate == 0.5 and interval.n == 30
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(30), rel=0.1)


def test_no_prompt_is_on_both_sides_of_a_split_by_hash():
    prompts = plain_set(60)
    rows = [replace(r, id=f"{i} {r.id}", prompt=r.prompt + "!" * i) for r in prompts for i in range(5)]
    columns, kept = Columns(), Lowest(1000)
    for r in rows:
        kept.offer(columns.add(r), r)
    drawn = Sample(list(kept.pairs()), columns.table(), 0)
    train, test, _ = held_out(drawn)
    words = [{tuple(plain_words(drawn.rows[i].prompt)) for i in side} for side in (train, test)]
    assert not words[0] & words[1] and len(words[0] | words[1]) == 60
    assert len(train) + len(test) == 300 and 0 < len(words[1]) < 30


def test_log_odds_against_the_formula_written_out():
    rows = plain_set(200)
    rows = [replace(r, chosen=f"{r.chosen} aha") if i % 3 else r for i, r in enumerate(rows)]
    table, n, limit = give_away_words(rows, most=100)
    chosen, rejected = (
        pd.Series([word for r in rows for word in set(getattr(r, side).split())]).value_counts()
        for side in ("chosen", "rejected")
    )
    words = sorted(set(chosen.index) | set(rejected.index))
    assert n == len(words) == len(table)
    y = {w: (chosen.get(w, 0), rejected.get(w, 0)) for w in words}
    prior = {w: 0.1 * sum(y[w]) for w in words}
    total = [sum(y[w][side] for w in words) for side in (0, 1)]
    mass = sum(prior.values())
    for line in table.to_dict("records"):
        w = line["word"]
        odds = [(y[w][s] + prior[w]) / (total[s] + mass - y[w][s] - prior[w]) for s in (0, 1)]
        sd = np.sqrt(1 / (y[w][0] + prior[w]) + 1 / (y[w][1] + prior[w]))
        assert line["log_odds"] == pytest.approx(np.log(odds[0] / odds[1]))
        assert line["z"] == pytest.approx(np.log(odds[0] / odds[1]) / sd)


def test_few_rows_and_odd_texts_leave_gaps_and_no_error():
    found = diagnose([row("?", "!", "...")])
    assert found.judges.empty and found.words.empty and np.isnan(found.z_limit)
    assert "nothing: that takes" in found.heldout
    many = diagnose([row(f"? {i}", "!" * (i + 1), "." * (i + 1)) for i in range(200)])
    assert list(many.judges.index) == ["length only"]
    for one in (found, many):
        assert json.dumps(one.as_dict(), allow_nan=False) and summary(one)
    with pytest.raises(LabError, match="nothing.jsonl: there are no pairs to examine; give a file"):
        diagnose([], "nothing.jsonl")
    reading = Reading(source="x.csv", n_read=2)
    for line in (3, 4):
        reading.leave_out("no prompt", f"x.csv:{line}")
    with pytest.raises(
        LabError, match=r"x.csv: .* of 2 rows read, 2 were left out because: no prompt .*x.csv:3, x.csv:4"
    ):
        diagnose([], reading=reading)


# --- Annotators ---------------------------------------------------------------


def by_annotators(table: list[str]) -> list[Preference]:
    """A row a pair: for each annotator "1" (the first text is chosen), "0" or "." (not asked)."""
    rows = []
    for pair, line in enumerate(table):
        for annotator, choice in enumerate(line):
            if choice != ".":
                texts = (f"text {pair} one", f"text {pair} two")
                chosen, rejected = texts if choice == "1" else texts[::-1]
                rows.append(row(f"prompt {pair}", chosen, rejected, annotator=f"a{annotator}"))
    return rows


def alpha_by_coincidences(units: list[str]) -> float:
    """Krippendorff's alpha from its coincidence matrix, of nominal data with missing values ("."), his steps B to D."""
    values = sorted({v for unit in units for v in unit} - {"."})
    matrix = defaultdict(float)
    for unit in units:
        given = [v for v in unit if v != "."]
        for i, a in enumerate(given):
            for j, b in enumerate(given):
                if i != j and len(given) > 1:
                    matrix[a, b] += 1 / (len(given) - 1)
    n_v = {v: sum(matrix[v, w] for w in values) for v in values}
    n = sum(n_v.values())
    agree = sum(matrix[v, v] for v in values)
    chance = sum(n_v[v] * (n_v[v] - 1) for v in values)
    return ((n - 1) * agree - chance) / (n * (n - 1) - chance)


def test_alpha_of_krippendorffs_own_example():
    """Krippendorff 2011, section A (two observers, binary data): alpha = 0.095."""
    first, second = "0100000010", "1110010000"
    assert alpha_by_coincidences([a + b for a, b in zip(first, second, strict=True)]) == pytest.approx(0.095, abs=5e-4)


@given(st.lists(st.text(alphabet="01.", min_size=4, max_size=4), min_size=2, max_size=12))
@settings(max_examples=30, deadline=None)
def test_alpha_is_krippendorffs_of_every_pair_in_both_orders(table):
    turned = [unit.translate(str.maketrans("01", "10")) for unit in table]
    rows = by_annotators(table)
    several = [unit for unit in table if len(unit.replace(".", "")) >= 2]
    found = diagnose(rows or [row()]).agreement
    if not several:
        assert found is None
        return
    assert found.pairs == len(several) and found.judgments == sum(len(u.replace(".", "")) for u in several)
    assert found.alpha.estimate == pytest.approx(alpha_by_coincidences(several + turned))
    alike = [np.mean([a == b for a, b in combinations(u.replace(".", ""), 2)]) for u in several]
    assert found.same.estimate == pytest.approx(np.mean(alike))


def test_alpha_at_its_ends():
    assert krippendorff_alpha(np.array([3.0, 2]), np.array([3.0, 0])) == 1
    rng = np.random.default_rng(0)
    assert abs(krippendorff_alpha(np.full(5000, 4.0), rng.binomial(4, 0.5, 5000).astype(float))) < 0.03


def test_kappa_of_every_two_annotators():
    rng = random.Random(0)
    table = ["".join((a := rng.choice("01"), a if rng.random() < 0.8 else "01"[a == "0"], "1")) for _ in range(200)]
    found = diagnose(by_annotators(table)).agreement
    kappas = found.kappas.set_index("annotators")
    assert kappas.index.tolist() == ["a0 and a1", "a0 and a2", "a1 and a2"] and (kappas["n"] == 200).all()
    a, b = (np.array([line[i] for line in table]) for i in (0, 1))
    both_orders = cohen_kappa(np.r_[a == "1", a == "0"], np.r_[b == "1", b == "0"])
    assert kappas.loc["a0 and a1", "kappa"] == pytest.approx(both_orders)
    assert kappas.loc["a0 and a1", "agree"] == np.mean(a == b)


def test_who_is_unknown_or_of_two_minds_does_not_count():
    a, b = ("prompt", "text one", "text two"), ("prompt", "text two", "text one")
    assert diagnose([row(*a, annotator="unknown"), row(*b, annotator="unknown"), row(*a)]).agreement is None
    assert diagnose([row(*a, annotator="x"), row(*b, annotator="x"), row(*a, annotator="y")]).agreement is None
    found = diagnose([row(*a, annotator="x"), row(*a, annotator="x"), row(*a, annotator="y")])
    assert (found.agreement.pairs, found.agreement.judgments) == (1, 2)


# --- Properties ---------------------------------------------------------------

TEXTS = st.sampled_from(["a", "a b", "A b!", "b", "b c d e", "b c d e f", "c", "?"])


@st.composite
def small_sets(draw):
    rows = []
    for i in range(draw(st.integers(1, 14))):
        chosen, rejected = draw(TEXTS), draw(TEXTS)
        if chosen != rejected:
            split, who = draw(st.sampled_from(["train", "validation", "test"])), draw(st.sampled_from(["x", "y"]))
            rows.append(row(draw(TEXTS), chosen, rejected, id=str(i), split=split, annotator=who))
    return rows or [row(id="0")]


@given(small_sets(), st.randoms())
@settings(max_examples=25, deadline=None)
def test_order_does_not_matter(rows, rng):
    shuffled = list(rows)
    rng.shuffle(shuffled)
    assert same(diagnose(rows), diagnose(shuffled))


def test_order_does_not_matter_to_a_sample_nor_to_judges():
    rows = plain_set(400) + plain_set(100, seed=2, split="test", annotator="bob")
    shuffled = random.Random(0).sample(rows, len(rows))
    assert same(diagnose(rows, sample=150), diagnose(iter(shuffled), sample=150))
    assert not same(diagnose(rows, sample=150), diagnose(rows, sample=150, seed=1))  # another sample


@given(small_sets())
@settings(max_examples=40, deadline=None)
def test_a_second_implementation_counts_the_same(rows):
    found = diagnose(rows)
    said = defaultdict(set)
    for r in rows:
        said[r.prompt, frozenset((r.chosen, r.rejected))].add(r.chosen)
    both = {pair for pair, chosen in said.items() if len(chosen) == 2}
    assert found.contradictions == len(both)
    assert found.contradicting == sum((r.prompt, frozenset((r.chosen, r.rejected))) in both for r in rows)
    assert found.repeats.loc["pairs", "exact"] == len(rows) - len({(r.prompt, r.chosen, r.rejected) for r in rows})
    plain = lambda text: text.lower().replace("!", "")  # noqa: E731 (all that the texts above differ in)
    assert found.repeats.loc["prompts", "words"] == len(rows) - len({plain(r.prompt) for r in rows})
    for seen, held in combinations(("train", "validation", "test"), 2):
        a, b = ({r.prompt for r in rows if r.split == split} for split in (seen, held))
        if a and b:
            leak = found.leaks.loc[f"{held} in {seen}"]
            assert leak["n"] == len(b) and leak["exact"] == len(a & b)
            assert leak["words"] == sum(plain(p) in set(map(plain, a)) for p in b)
        else:
            assert f"{held} in {seen}" not in found.leaks.index


def test_a_sample_is_even_and_of_bounded_size():
    kept = Lowest(500)
    rows = plain_set(2000)
    for number, r in enumerate(rows):
        kept.offer(number, r)
    numbers = sorted(number for number, _ in kept.pairs())
    assert len(numbers) == 500 and 900 < np.mean(numbers) < 1100
    narrow = Lowest(500, characters=50_000)
    for number, r in enumerate(rows):
        narrow.offer(number, r)
    few = [number for number, _ in narrow.pairs()]
    assert 0 < len(few) < 500 and set(few) < set(numbers)
    assert sum(len(rows[i].prompt) + len(rows[i].chosen) + len(rows[i].rejected) for i in few) <= 50_000
    assert few == [number for number, _ in kept.pairs()][: len(few)]


def test_one_huge_row_is_kept_alone_and_shown_cut():
    found = diagnose([row("p", "x " * 60_000, "y"), *plain_set(3)])
    assert found.lengths.loc["chosen", "max"] == 60_000
    assert found.worst.map(len)["chosen"].max() < 1_100


MEMORY = """
import resource, sys
from helpers.preferences.diagnostics import diagnose
from helpers.preferences import Preference

def rows(n):
    for i in range(n):
        words = " ".join(f"w{i * 31 % 9973 + j}" for j in range(60))
        texts = words, f"a{i} {words[:200]}", f"b{i} {words[100:300]}"
        yield Preference(*texts, str(i), "s", f"x{i % 7}", None, "train")

diagnose(rows(2000), sample=1000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert diagnose(rows(int(sys.argv[1])), sample=1000).n == int(sys.argv[1])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_memory_grows_by_some_bytes_a_row_not_by_the_texts():
    """20,000 rows of 900 characters, of which 1,000 are kept: the texts would be 18 MB, and 900 bytes a row."""
    n = 20_000
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(n)], capture_output=True, text=True, cwd=files.ROOT, check=True
    )
    assert int(done.stdout) < 500 * n


# --- Text and command line ----------------------------------------------------


def test_the_summary_moves_no_cursor():
    hostile = "\x1b[2J\x07\u202e\r\nevil"
    rows = [replace(r, annotator=hostile, source=hostile) for r in plain_set(30)]
    reading = Reading(source=hostile, schema=hostile, license=hostile)
    reading.leave_out(hostile, hostile)
    text = summary(diagnose(rows, name=f"set {hostile}", reading=reading))
    assert all(c.isprintable() or c == "\n" for c in text)
    assert text.count("\\x1b[2J\\x07\\u202e\\r\\nevil") >= 6 and not any(
        line.startswith("evil") for line in text.split("\n")
    )
    with pytest.raises(LabError) as error:
        diagnose([], reading=reading)
    assert str(error.value).isprintable()


@pytest.fixture
def own_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def test_inspect_writes_report_and_numbers(tmp_path, own_runs, capsys):
    write_rows(tmp_path / "my set.jsonl", plain_set(120))
    target = tmp_path / "numbers.json"
    assert cli.main(["inspect", str(tmp_path / "my set.jsonl"), "--json", str(target)]) == 0
    said = capsys.readouterr().out
    assert "120 pairs" in said and "To know before training" in said and "my-set.html" in said
    numbers = json.loads(target.read_text())
    assert numbers["n"] == 120 and numbers["repeats"][0] == {
        "name": "pairs", "n": 120, "distinct": 120, "exact": 0, "words": 0, "n_near": 0, "near": 0,
    }  # fmt: skip
    page = (own_runs / "inspect" / "my-set.html").read_text()
    assert page.startswith("<!DOCTYPE html>") and "120 pairs" in page


def test_inspect_of_a_broken_set_is_one_message_and_no_file(tmp_path, own_runs, capsys):
    broken = tmp_path / "broken.jsonl"
    for content in ("{not json\n", "", '{"a": 1}\n'):
        broken.write_text(content)
        assert cli.main(["inspect", str(broken), "--json", str(tmp_path / "numbers.json")]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1 and "broken.jsonl" in error
    assert cli.main(["inspect", str(tmp_path / "absent.jsonl")]) == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["broken.jsonl"]


def test_inspect_does_not_write_over_the_set(tmp_path, own_runs, capsys):
    path = tmp_path / "set.jsonl"
    write_rows(path, plain_set(5))
    before = path.read_bytes()
    for option in ("--report", "--json"):
        assert cli.main(["inspect", str(path), option, str(path)]) == 1
        assert "is the set itself" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_columns_must_be_pairs(capsys):
    for wrong in ("prompt", "prompt=", "=x", "prompt=x,"):
        with pytest.raises(SystemExit):
            cli.main(["inspect", "x.jsonl", "--columns", wrong])
        assert "must be like prompt=question,chosen=best" in capsys.readouterr().err


@given(
    st.one_of(st.text(max_size=30), st.sampled_from(["../../etc/passwd", "/", "..", "a/b:c", "x.jsonl.gz", ".gz", ""]))
)
def test_a_report_stays_in_its_folder(source):
    name = file_name(source)
    assert name.endswith(".html") and (Path("/runs/inspect") / name).resolve().parent == Path("/runs/inspect")
    assert Path(name).name == name and len(name) <= 85 and name.isascii()


@pytest.mark.skipif(not REAL.is_file(), reason="the real pairs are not part of the project")
def test_the_real_pairs(tmp_path, own_runs, capsys):
    with gzip.open(REAL, "rt", encoding="utf-8") as file:
        records = [json.loads(line) for line in file]
    numbers = tmp_path / "numbers.json"
    assert cli.main(["inspect", str(REAL), "--json", str(numbers)]) == 0
    found = json.loads(numbers.read_text())
    assert found["n"] + sum(found["reading"]["left_out"].values()) == len(records)
    split = [[r[side].rpartition("\n\nAssistant:") for side in ("chosen", "rejected")] for r in records]
    split = [
        (a, b) for a, b in split if a[0] == b[0] and a[2].strip() != b[2].strip() and a[2].strip() and b[2].strip()
    ]
    assert found["n"] == len(split)
    longer = [np.sign(len(a[2].split()) - len(b[2].split())) / 2 + 0.5 for a, b in split]
    assert found["longer"]["estimate"] == pytest.approx(np.mean(longer))
    assert (own_runs / "inspect" / "test.html").is_file()

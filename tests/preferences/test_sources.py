"""Files of every kind, whole and broken, folders, and the Hub: what is read, and what is left out at which place."""

import csv
import gzip
import json
import random
import re
import subprocess
import sys
from types import SimpleNamespace

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCardData
from hypothesis import given
from hypothesis import strategies as st

from helpers import files
from helpers.files import LabError
from helpers.preferences import Reading, load_preferences, record_files, stream_preferences

RECORDS = [{"prompt": f"Q{i}", "chosen": f'good {i}, "he" said\r\n– é', "rejected": f"bad {i}"} for i in range(5)]


def write(path, records=RECORDS):
    """Written by other libraries than the project's, so that what they write is what is read."""
    name = path.name.removesuffix(".gz")
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = path.with_name(name)
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(records), plain, row_group_size=2)
    elif name.endswith(".csv"):
        pd.DataFrame(records).to_csv(plain, index=False, lineterminator="\r\n")
    elif name.endswith(".jsonl"):
        plain.write_text("".join(json.dumps(record) + "\n" for record in records))
    elif name == "wrapped.json":
        plain.write_text(json.dumps({"version": 1, "data": records}, indent=1))
    elif name == "lines.json":
        plain.write_text("".join(json.dumps(record) + "\n" for record in records))
    else:
        plain.write_text(json.dumps(records))
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(plain.read_bytes()))
        plain.unlink()
    return path


def texts(rows):
    return [(row.prompt, row.chosen, row.rejected) for row in rows]


def message(source, **keywords) -> str:
    with pytest.raises(LabError) as error:
        load_preferences(source, **keywords)
    assert error.value.__suppress_context__ or error.value.__context__ is None, "more than one error is shown"
    assert len(str(error.value)) < 900 and "\n" not in str(error.value)
    return str(error.value)


# --- Good files ---------------------------------------------------------------

NAMES = ["a.jsonl", "a.json", "wrapped.json", "lines.json", "a.csv", "a.parquet"]


@pytest.mark.parametrize("name", [*NAMES, *(f"{name}.gz" for name in NAMES)])
def test_a_kind_of_file(tmp_path, name):
    path = write(tmp_path / name)
    rows = load_preferences(str(path))
    assert texts(rows) == [tuple(record.values()) for record in RECORDS]
    assert rows.reading.n_read == rows.reading.n_pairs == 5 and not rows.reading.left_out
    places = [int(re.fullmatch(re.escape(str(path)) + r":(\d+)", row.where)[1]) for row in rows]
    first = {"a.csv": 2}.get(name.removesuffix(".gz"), 1)
    step = {"a.csv": 2}.get(name.removesuffix(".gz"), 1)  # a break within a cell: two lines a row
    assert places == [first + step * i for i in range(5)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json"])
def test_a_byte_order_mark_is_passed_over(tmp_path, name):
    path = write(tmp_path / name)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert texts(load_preferences(path)) == [tuple(record.values()) for record in RECORDS]


def test_windows_line_ends_and_blank_lines(tmp_path):
    path = write(tmp_path / "a.jsonl")
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n\r\n"))
    assert len(load_preferences(path)) == 5


def test_nul_bytes_are_text(tmp_path):
    for name in NAMES:
        path = write(tmp_path / name, [record | {"chosen": "a\0b"} for record in RECORDS])
        assert {row.chosen for row in load_preferences(path)} == {"a\0b"}


def test_a_file_of_an_unknown_suffix_is_read_as_lines(tmp_path):
    path = write(tmp_path / "a.jsonl").rename(tmp_path / "pairs.txt")
    assert len(load_preferences(path)) == 5


# --- Broken files -------------------------------------------------------------


def spoil(path, kind):
    content = path.read_bytes()
    if kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "noise":
        path.write_bytes(random.Random(0).randbytes(3000))
    elif kind == "utf-16":
        path.write_bytes(content.decode().encode("utf-16"))
    elif kind == "gone":
        path.unlink()


@pytest.mark.parametrize(
    ("name", "kind", "problem"),
    [
        ("a.parquet", "cut", "not a Parquet file that can be read"),
        ("a.parquet", "noise", "not a Parquet file that can be read"),
        ("a.parquet", "empty", "not a Parquet file that can be read"),
        ("a.jsonl.gz", "cut", "the gzip file is cut off or damaged"),
        ("a.parquet.gz", "cut", "the gzip file is cut off or damaged"),
        ("a.json.gz", "cut", "the gzip file is cut off or damaged"),
        ("a.json", "cut", r"invalid JSON at column \d+"),
        ("a.json", "noise", "is not UTF-8"),
        ("a.json", "empty", "the file is empty"),
        ("a.jsonl", "empty", "the file is empty"),
        ("a.jsonl", "noise", "not UTF-8; the set must begin with a record that can be read"),
        ("a.csv", "empty", "the file is empty"),
        ("a.csv", "noise", "not UTF-8|not a row of CSV"),
        ("a.csv", "utf-16", "UTF-16; save it with the encoding UTF-8"),
        ("a.jsonl", "utf-16", "UTF-16; save it with the encoding UTF-8"),
        *((name, "gone", "no such file; check the path") for name in ("a.jsonl", "a.csv", "a.json", "a.parquet")),
    ],
)
def test_a_broken_file_is_one_message(tmp_path, name, kind, problem):
    path = write(tmp_path / name)
    spoil(path, kind)
    found = message(path)
    assert found.startswith(str(path)) and re.search(problem, found), found


def test_broken_lines_are_left_out_with_their_places(tmp_path):
    path = write(tmp_path / "a.jsonl")
    lines = path.read_bytes().splitlines()
    lines[1:1] = [b'{"prompt": "a"', b'{"prompt": "caf\xe9"}', b"[1, 2]", b"1" * 5000, b"[" * 100_000]
    lines.append(b'{"prompt": "Q", "chosen": "\\ud83d", "rejected": "b"}')
    path.write_bytes(b"\n".join(lines))
    reading = load_preferences(path).reading
    assert (reading.n_read, reading.n_pairs) == (11, 5)
    assert reading.left_out == {
        "not JSON": 3,
        "not UTF-8": 1,
        "not an object with columns": 1,
        "the chosen side holds half of a character": 1,
    }
    assert reading.examples["not JSON"] == [f"{path}:{n}" for n in (2, 5, 6)]
    assert message(path, strict=True).startswith(f"{path}:2: invalid JSON at column 15")


def test_only_the_first_places_are_kept(tmp_path):
    path = write(tmp_path / "a.jsonl", [*RECORDS, *([RECORDS[0] | {"chosen": ""}] * 50)])
    reading = load_preferences(path).reading
    assert reading.left_out == {"the chosen side is blank": 50}
    assert reading.examples == {"the chosen side is blank": [f"{path}:{n}" for n in range(6, 11)]}


def test_broken_rows_of_csv(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b'prompt,chosen,rejected\nQ,a,b\nQ,caf\xe9,b\nQ,a\n\nQ,"c\nd",e\nQ,,b\n')
    rows = load_preferences(path)
    assert texts(rows) == [("Q", "a", "b"), ("Q", "c\nd", "e")]
    assert rows.reading.examples == {
        "not UTF-8": [f"{path}:3"],
        "not as many cells as the header has": [f"{path}:4"],
        "the chosen side is blank": [f"{path}:8"],
    }
    path.write_bytes(b'prompt,chosen,rejected\nQ,a,b\nQ,"a"b,c\n')
    assert message(path).startswith(f"{path}:3: not a row of CSV")
    path.write_bytes(b'prompt,chosen,rejected\nQ,a,b\nQ,"never closed,c\n')
    assert message(path).startswith(f"{path}:3: not a row of CSV")
    path.write_bytes(b"prompt,chosen,chosen\nQ,a,b\n")
    assert 'the header has the column "chosen" twice' in message(path)
    path.write_bytes(b"prompt,chosen,rejected\n")
    assert "no records" in message(path)


def test_text_in_parquet_that_is_not_utf8_costs_one_row(tmp_path):
    chosen = pa.Array.from_buffers(
        pa.string(), 3, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0\5\0\0\0\6\0\0\0"), pa.py_buffer(b"acaf\xe9c")]
    )
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"prompt": ["Q"] * 3, "chosen": chosen, "rejected": ["x"] * 3}), path)
    rows = load_preferences(path)
    assert [row.chosen for row in rows] == ["a", "c"]
    assert rows.reading.examples == {"a cell is not UTF-8 or out of range": [f"{path}:2"]}


def test_lines_and_files_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(record_files, "MAX_LINE", 2000)
    monkeypatch.setattr(record_files, "MAX_JSON", 3000)
    monkeypatch.setattr(record_files, "MAX_PARQUET", 1000)
    long = [*RECORDS, RECORDS[0] | {"chosen": "x" * 4000}]
    for name in ("a.jsonl", "a.jsonl.gz", "lines.json"):
        path = write(tmp_path / name, long)
        assert message(path).startswith(f"{path}:6: the line is longer than")
    path = write(tmp_path / "a.csv", long)
    assert message(path).startswith(f"{path}:12: the line is longer than")
    path.write_bytes(b'prompt,chosen,rejected\nQ,a,b\nQ,"' + b"x\n" * 1500)
    assert message(path).startswith(f"{path}:3: the row that begins here is longer than")
    for name in ("a.json", "a.json.gz"):
        path = write(tmp_path / name, long)
        assert message(path).startswith(f"{path}: a JSON file is read whole and may have")
    path = write(tmp_path / "a.parquet.gz", long)
    assert message(path).startswith(f"{path}: unpacked it has more than")


def test_a_gzip_bomb_is_stopped_at_the_bound(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * (record_files.MAX_LINE + 2**20), 1))
    assert message(path).startswith(f"{path}:1: the line is longer than 32 MiB")


@given(content=st.binary(max_size=300), name=st.sampled_from(NAMES), good=st.booleans())
def test_any_bytes_give_pairs_or_one_message(tmp_path_factory, content, name, good):
    path = tmp_path_factory.mktemp("bytes") / name
    start = write(path).read_bytes() if good and not name.endswith((".json", ".parquet")) else b""
    path.write_bytes(start + content)
    try:
        assert load_preferences(path)
    except LabError as error:
        assert str(error).startswith(str(path))


@given(data=st.data(), name=st.sampled_from(["a.parquet", "a.csv", "a.jsonl.gz", "a.json"]))
def test_a_few_changed_bytes_give_pairs_or_one_message(tmp_path_factory, data, name):
    path = write(tmp_path_factory.mktemp("bytes") / name)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        load_preferences(path)
    except LabError as error:
        assert str(error).startswith(str(path))


# --- Folders ------------------------------------------------------------------


def test_a_folder_with_its_splits(tmp_path):
    write(tmp_path / "data" / "train-00000-of-00002.parquet", RECORDS[:2])
    write(tmp_path / "data" / "train-00001-of-00002.parquet", RECORDS[2:3])
    write(tmp_path / "test_prefs" / "part.parquet", RECORDS[3:])
    write(tmp_path / "dataset_infos.json", [{"not": "pairs"}])
    write(tmp_path / ".cache" / "x.parquet")
    (tmp_path / "README.md").write_text("---\nlicense: cc-by-4.0\n---\n# A set\n")
    rows = load_preferences(tmp_path)
    assert [row.split for row in rows] == ["train"] * 3 + ["test"] * 2
    assert [row.id for row in rows] == ["train-00001", "train-00002", "train-00003", "test-00001", "test-00002"]
    assert rows.reading.splits == {"train": 3, "test": 2}
    assert rows.reading.license == "cc-by-4.0"
    assert texts(load_preferences(tmp_path, split="test")) == texts(rows)[3:]
    assert message(tmp_path, split="dev").endswith("no split 'dev'; it has 'train', 'test'")


@pytest.mark.parametrize("card", ["", "no front matter", "---\nlicense: [a\n---\n", "---\nlicense: 5\n---\n", "\0\x80"])
def test_a_card_that_says_nothing(tmp_path, card):
    write(tmp_path / "train.jsonl")
    (tmp_path / "README.md").write_text(card)
    assert load_preferences(tmp_path).reading.license == ""


def test_a_folder_without_data(tmp_path):
    assert message(tmp_path).startswith(f"{tmp_path}: no file of preference pairs in it")


# --- The Hub ------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch):
    """A Hub with one set of two splits, and the calls that were made to it."""
    calls = []

    def load_dataset(name, config, *, streaming, **options):
        calls.append((name, config, streaming, options))
        if name == "owner/missing":
            raise datasets.exceptions.DatasetNotFoundError("Dataset 'owner/missing' doesn't exist\non the Hub")
        splits = ("train_sft", "train_prefs", "test_prefs") if "ultra" in name else ("train", "test")
        kind = datasets.IterableDatasetDict if streaming else datasets.DatasetDict
        made = {split: datasets.Dataset.from_list(RECORDS) for split in splits}
        return kind({split: rows.to_iterable_dataset() if streaming else rows for split, rows in made.items()})

    class Api:
        def dataset_info(self, name, timeout):
            return SimpleNamespace(card_data=DatasetCardData(license="odc-by") if name == "owner/set" else None)

    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    return calls


def test_a_set_of_the_hub(hub):
    rows = load_preferences("owner/set")
    assert texts(rows) == [tuple(record.values()) for record in RECORDS] * 2
    assert (rows[7].split, rows[7].where, rows[7].id) == ("test", "owner/set[test]:3", "test-00003")
    assert (rows.reading.source, rows.reading.license) == ("owner/set", "odc-by")
    assert rows.reading.splits == {"train": 5, "test": 5} and rows.reading.n_duplicates == 5
    assert len(load_preferences("owner/set:config", split="test", limit=2)) == 2
    assert hub == [("owner/set", None, True, {}), ("owner/set", "config", True, {})]


def test_what_is_known_of_a_set(hub):
    rows = load_preferences("HuggingFaceH4/ultrafeedback_binarized")
    assert list(rows.reading.splits) == ["train_prefs", "test_prefs"] and rows.reading.license == "mit"
    load_preferences("nvidia/HelpSteer2")
    assert hub[-1] == ("nvidia/HelpSteer2", None, True, {"data_dir": "preference"})
    assert "read trl-lib/tldr-preference" in message("openai/summarize_from_feedback")
    assert len(hub) == 2


def test_offline_what_was_downloaded_is_read(hub, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    assert len(load_preferences("owner/set")) == 10
    assert hub == [("owner/set", None, False, {})]


def test_a_set_that_cannot_be_read(hub, monkeypatch):
    found = message("owner/missing")
    assert found.startswith("owner/missing: there is no such file") and "doesn't exist on the Hub" in found
    assert "hf auth login" in found and "HF_HUB_OFFLINE=1" in found

    def broken(*arguments, **keywords):
        def rows():
            yield RECORDS[0]
            raise ConnectionError("the line went dead")

        return datasets.IterableDatasetDict({"train": datasets.IterableDataset.from_generator(rows)})

    monkeypatch.setattr("datasets.load_dataset", broken)
    assert "the line went dead" in message("owner/set")


def test_a_folder_is_taken_before_the_hub(tmp_path, monkeypatch, hub):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "owner" / "set" / "train.jsonl")
    assert len(load_preferences("owner/set")) == 5 and not hub


# --- Memory -------------------------------------------------------------------

STREAM = """
import sys, psutil, pyarrow.parquet
from helpers.preferences import Reading, stream_preferences
def now(): return psutil.Process().memory_info().rss / 2**20
reading, most, start = Reading(), 0, now()
for n, row in enumerate(stream_preferences(sys.argv[1], reading=reading), start=1):
    if n % 1000 == 0: most = max(most, now())
print(n, reading.n_pairs, reading.n_duplicates, most - start)
"""  # not the peak that the system keeps: a process inherits its parent's


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.parquet", "a.csv"])
def test_a_long_set_streams_in_little_memory(tmp_path, name):
    """40,000 pairs of about 3 kB: 115 MiB of text, of which 70 bytes a pair may stay (the digests)."""
    rng, n = random.Random(0), 40_000
    path = tmp_path / name
    filler = "word " * 300
    records = ({"prompt": f"{rng.random()} {filler}", "chosen": f"a {filler}", "rejected": "b"} for _ in range(n))
    if name.endswith("parquet"):
        with pq.ParquetWriter(path, pa.schema(dict.fromkeys(RECORDS[0], pa.string()))) as writer:
            for _ in range(n // 2000):
                writer.write_table(pa.Table.from_pylist([next(records) for _ in range(2000)]))
    elif name.endswith("csv"):
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, RECORDS[0])
            writer.writeheader()
            writer.writerows(records)
    else:
        with gzip.open(path, "wt", compresslevel=1) as file:
            file.writelines(json.dumps(record) + "\n" for record in records)
    ran = subprocess.run(
        [sys.executable, "-c", STREAM, path], cwd=files.ROOT, capture_output=True, text=True, check=True
    )
    read, kept, duplicates, grown = ran.stdout.split()
    assert (int(read), int(kept), int(duplicates)) == (n, n, 0)
    assert float(grown) < 100, f"{grown} MiB more than before"


def test_the_account_fills_while_a_set_is_read(tmp_path):
    path = write(tmp_path / "a.jsonl")
    reading = Reading()
    rows = stream_preferences(path, reading=reading)
    next(rows)
    assert (reading.n_read, reading.schema, reading.source) == (1, "standard, explicit prompt", str(path))
    assert len(list(rows)) == 4 and reading.n_read == 5

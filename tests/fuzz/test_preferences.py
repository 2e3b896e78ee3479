"""Preference sets: every schema, every kind of file, folders, columns by hand, the project's own files, write-back."""

import csv
import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from helpers.files import SPLITS, LabError
from helpers.preferences import (
    Preference,
    Turn,
    load_preferences,
    read_demonstrations,
    read_pairs,
    read_preferences,
    read_prompts,
    read_ratings,
    write_hub_folder,
    write_preferences,
    write_rows,
)
from helpers.preferences.schemas import FIELDS

from ..support import preferences as schemas
from .harness import any_text, as_json, as_jsonl, changed, changed_bytes, ends_well, inputs, odd_texts, odd_values

OWN = {
    "prompt": "A post.",
    "chosen": " Good.",
    "rejected": " Bad.",
    "id": "p1/ann",
    "source": "sft>base",
    "annotator": "ann",
    "strength": 2,
    "split": "train",
    "turns": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}],
}
RECORDS = [
    *(schemas.HH, schemas.TLDR, schemas.ULTRA, schemas.HELPSTEER2, schemas.HELPSTEER3, schemas.PKU, schemas.OPENAI),
    *(schemas.ARENA, OWN, {"chosen": "Q one", "rejected": "Q two"}, {"prompt": "Q", "chosen": "a", "rejected": "b"}),
]


def as_csv(records: list[dict]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for record in records for name in record)))
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue().encode("utf-8", "surrogatepass")


def as_parquet(records: list[dict]) -> bytes:
    content = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), content, row_group_size=1)
    return content.getvalue()


def written(records: list, name: str, plainly: bool = True) -> bytes:
    """The content of a file of that name."""
    content = {
        "a.jsonl": lambda: as_jsonl(records, plainly),
        "a.json": lambda: as_json(records, plainly),
        "wrapped.json": lambda: as_json({"data": records}, plainly),
        "lines.json": lambda: as_jsonl(records, plainly),
        "a.csv": lambda: as_csv(records),
        "a.parquet": lambda: as_parquet(records),
    }[name.removesuffix(".gz")]()
    return gzip.compress(content, 1) if name.endswith(".gz") else content


KINDS = ("a.jsonl", "a.json", "wrapped.json", "lines.json", "a.csv", "a.parquet")
GOOD = {
    (kind, number): written([record, record | {"id": "other"}], kind)
    for kind in (*KINDS, "a.jsonl.gz", "a.csv.gz", "a.parquet.gz")
    for number, record in enumerate(RECORDS)
}


def load(path, **how):
    """Any result must be rows that hold, and the account must add up."""
    before = path.read_bytes() if path.is_file() else None
    rows = ends_well(lambda: load_preferences(path, **how), str(path), folder=path if path.is_dir() else None)
    assert before is None or path.read_bytes() == before
    if not isinstance(rows, LabError):
        reading = rows.reading
        assert reading.n_read == len(rows) + reading.n_ties + reading.left_out.total() and rows
        "\n".join(reading.lines()).encode()
        "".join(row.prompt + row.chosen + row.rejected + row.id + row.source + row.annotator for row in rows).encode()


@inputs(
    1200,
    records=st.sampled_from(RECORDS).flatmap(lambda record: st.lists(changed(record), min_size=1, max_size=2)),
    name=st.sampled_from(["a.jsonl", "a.json", "wrapped.json", "lines.json", "a.jsonl.gz"]),
    plainly=st.booleans(),
    strict=st.booleans(),
)
def test_odd_values_in_every_schema(tmp_path, records, name, plainly, strict):
    path = tmp_path / name
    path.write_bytes(written(records, name, plainly))
    load(path, strict=strict)


@inputs(
    400,
    record=st.sampled_from(RECORDS),
    data=st.data(),
    strict=st.booleans(),
)
def test_odd_cells_of_csv(tmp_path, record, data, strict):
    names = [data.draw(odd_texts) if data.draw(st.integers(0, 9)) == 0 else name for name in record]
    cells = [data.draw(odd_texts) if data.draw(st.integers(0, 3)) == 0 else value for value in record.values()]
    path = tmp_path / "a.csv"
    path.write_bytes(as_csv([dict(zip(names, cells, strict=True))]))
    load(path, strict=strict)


PARQUET = {
    "text": st.sampled_from(["a", "", "\n\nHuman: a\n\nAssistant: b"]) | st.none(),
    "number": st.integers(-(2**63), 2**63 - 1) | st.none(),
    "float": st.floats() | st.none(),
    "bytes": st.binary(max_size=4),
    "list": st.lists(
        st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant", ""]), "content": st.text(max_size=3)})
    ),
    "date": st.datetimes() | st.none(),
}


@inputs(300, record=st.sampled_from(RECORDS), data=st.data())
def test_odd_columns_of_parquet(tmp_path, record, data):
    columns = {name: data.draw(st.sampled_from(["as it is", *PARQUET])) for name in record}
    rows = [
        {name: record[name] if kind == "as it is" else data.draw(PARQUET[kind]) for name, kind in columns.items()}
        for _ in range(2)
    ]
    path = tmp_path / "a.parquet"
    path.write_bytes(as_parquet(rows))
    load(path)


@inputs(1200, change=st.sampled_from(sorted(GOOD)).flatmap(lambda k: st.tuples(st.just(k), changed_bytes(GOOD[k]))))
def test_changed_and_cut_files(tmp_path, change):
    (name, _), content = change
    path = tmp_path / name
    path.write_bytes(content)
    load(path)


@inputs(
    500, content=st.binary(max_size=200), name=st.sampled_from([*KINDS, "a.jsonl.gz", "a.parquet.gz", "a.txt", "a"])
)
def test_any_bytes(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    load(path)


@inputs(
    150,
    parts=st.dictionaries(
        st.sampled_from(["train.jsonl", "data/test.jsonl", "dev/a.jsonl", ".hidden.jsonl", "a.csv", "b.json"]),
        st.sampled_from(RECORDS).flatmap(lambda record: changed_bytes(as_jsonl([record]))),
        max_size=3,
    ),
    card=st.binary(max_size=20) | changed_bytes(b"---\nlicense: mit\nconfigs:\n- config_name: a\n---\n# Set\n"),
    split=st.none() | st.sampled_from(SPLITS) | any_text,
)
def test_folders(tmp_path_factory, parts, card, split):
    folder = tmp_path_factory.mktemp("set")
    for name, content in parts.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "README.md").write_bytes(card)
    load(folder, split=split)


@inputs(
    800,
    record=st.sampled_from(RECORDS),
    columns=st.dictionaries(
        st.sampled_from(FIELDS) | odd_texts,
        st.sampled_from(["prompt", "chosen", "info.post", "summaries.0.text", "summaries.99.text", "context.-1"])
        | st.just(f"summaries.{'9' * 5000}.text")
        | odd_texts
        | odd_values,
        max_size=4,
    ),
)
def test_columns_by_hand(tmp_path, record, columns):
    path = tmp_path / "a.jsonl"
    path.write_bytes(as_jsonl([record]))
    rows = ends_well(lambda: load_preferences(path, columns=columns), "columns", str(path))
    assert isinstance(rows, LabError) or rows


ROWS = (
    (read_preferences, OWN),
    (read_prompts, {"id": "p", "prompt": "A post."}),
    (read_demonstrations, {"id": "p", "prompt": "A post.", "completion": " So."}),
    (read_ratings, {"id": "p", "prompt": "A post.", "completion": " So.", "annotator": "ann", "rating": 3}),
    (read_pairs, {"id": "p", "prompt": "A post.", "completion_a": " A.", "completion_b": " B.", "source": "me"}),
)


@inputs(
    800,
    case=st.sampled_from(ROWS).flatmap(lambda case: st.tuples(st.just(case), changed(case[1], 2))),
    plainly=st.booleans(),
)
def test_rows_of_the_projects_own(tmp_path, case, plainly):
    (read, good), bad = case
    path = tmp_path / "own.jsonl"
    path.write_bytes(as_jsonl([good, bad], plainly))
    ends_well(lambda: read(path), f"{path}:2")


@inputs(300, source=odd_texts.filter(lambda text: "/" not in text and text not in ("", "~", ".")), data=st.data())
def test_names_of_sets(source, data):
    source += data.draw(st.sampled_from(["", ".jsonl", ".json", ".csv", ".parquet", ".jsonl.gz"]))
    read = data.draw(st.sampled_from([load_preferences, read_preferences, read_prompts, read_ratings]))
    ends_well(lambda: read(source), "no such file", "cannot be read", "unknown split", "is too long")


readable = st.text(max_size=8).filter(str.strip)


@inputs(
    300,
    rows=st.lists(
        st.builds(
            Preference,
            prompt=readable,
            chosen=readable.map(lambda text: f"a{text}"),
            rejected=readable.map(lambda text: f"b{text}"),
            id=readable,
            source=readable,
            annotator=readable,
            strength=st.none() | st.integers(1, 4),
            split=st.sampled_from(SPLITS),
            turns=st.just(()) | st.builds(lambda a, b: (Turn("user", a), Turn("assistant", b)), readable, readable),
        ),
        max_size=3,
    ),
    name=st.sampled_from(["a.jsonl", "a.csv", "a.parquet", "a.jsonl.gz", "a.csv.gz", "a.parquet.gz", "a.xlsx", "a"]),
)
def test_what_is_written_is_read_back(tmp_path_factory, rows, name):
    folder = tmp_path_factory.mktemp("out")
    path = folder / name
    failed = ends_well(lambda: write_preferences(path, rows), str(path), 'field "id"', folder=folder)
    if not isinstance(failed, LabError):
        assert load_preferences(path) == rows


@inputs(60, name=any_text, license=odd_texts, description=odd_texts, language=odd_texts)
def test_words_for_a_dataset_card(tmp_path_factory, name, license, description, language):
    folder = tmp_path_factory.mktemp("out")
    row = Preference("Q", "a", "b", "1", "me", "ann", None, "train")
    about = {"name": name, "license": license, "description": description, "language": language}
    made = ends_well(lambda: write_hub_folder(folder / "hub", [row], **about), "name, license", folder=folder)
    if not isinstance(made, LabError):
        assert load_preferences(made) == [row]


@inputs(100, text=any_text)
def test_rows_that_cannot_be_written(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("out") / "own.jsonl"
    make = lambda: [Preference("Q", f"a{text}", "b", "1", "me", "ann", None, "train")]  # noqa: E731
    ends_well(lambda: write_rows(path, make()), "field", str(path), folder=path.parent)
    assert not path.exists() or read_preferences(path) == make()

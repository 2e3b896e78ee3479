"""Prompts: templates, the prompt set and its rules, the grid's cache and shipped answers, names of models."""

import json
import warnings

from hypothesis import strategies as st

from helpers.files import LabError
from helpers.models.language_model_loading import _folder, _last_part
from helpers.models.prompt_formats import FORMATS, Ask
from helpers.prompting import answer_cache
from helpers.prompting.answer_rules import RULES
from helpers.prompting.prompt_set import PromptItem, compared_pairs, decision, read_prompt_set, score
from helpers.prompting.templates import TEMPLATES, Template, fill

from .harness import any_text, as_json, as_jsonl, changed, changed_bytes, ends_well, inputs, odd_texts, odd_values

# --- Templates ----------------------------------------------------------------

pieces = st.sampled_from(
    ["{", "}", "{{", "}}", "{post}", "{title}", "{post!r}", "{post:>9}", "{0}", "{a.b}", "{a[0]}", "{}"]
)


@inputs(
    900,
    text=st.lists(pieces | any_text, max_size=5).map("".join) | odd_texts,
    slots=st.dictionaries(st.sampled_from(["post", "title"]) | odd_texts, odd_texts, max_size=2),
    name=odd_texts,
    values=st.dictionaries(st.sampled_from(["post", "title"]), odd_texts | odd_values, max_size=2),
)
def test_templates(text, slots, name, values):
    made = ends_well(lambda: Template(name, text, slots), "template")
    if not isinstance(made, LabError):
        prompt = ends_well(lambda: fill(made, values), "template")
        assert isinstance(prompt, (LabError, str))
        filled = fill(made, dict.fromkeys(slots, "{post}"))
        assert filled.count("{post}") >= len(slots)  # values are text, whatever they look like


@inputs(300, template=st.sampled_from(TEMPLATES), values=st.lists(odd_texts, min_size=9, max_size=9))
def test_values_of_slots(template, values):
    slots = dict(zip(template.slots, values, strict=False))
    prompt = fill(template, slots)
    assert all(value in prompt for value in slots.values())


@inputs(
    200, parts=st.lists(odd_texts, min_size=4, max_size=4), pairs=st.lists(st.tuples(odd_texts, odd_texts), max_size=2)
)
def test_forms_of_prompts(parts, pairs):
    query, cue, instruction, role = parts
    for form in FORMATS.values():
        assert query.strip() in form(Ask(query, cue, instruction, ("yes", "no"), tuple(pairs), role))


# --- The prompt set -----------------------------------------------------------

RULE_PARTS = {
    "contains_any": {"words": ["cup"]},
    "choice": {"options": ["a", "b"], "right": "a"},
    "number": {"value": 12},
    "regex": {"pattern": "a+"},
    "contains_all": {"words": ["cup"]},
    "avoids": {"words": ["cup"]},
    "sentences": {"most": 2},
    "words": {"most": 9},
    "list_of": {"items": 3},
    "json_keys": {"keys": ["a"]},
    "all_of": {"rules": [{"kind": "lower_case"}, {"kind": "regex", "pattern": "x"}]},
    "compared": {"options": ["a", "b"]},
}
ITEM = {"id": "x-a", "category": "logic", "prompt": "Is it so? Say yes.", "rule": {}, "note": "Says yes."}
ITEMS = [ITEM | {"rule": {"kind": kind} | rest} for kind, rest in RULE_PARTS.items()]


def test_every_kind_of_rule_is_here():
    assert {*RULES, "compared"} <= {*RULE_PARTS, "lower_case", "declines"}
    assert [PromptItem(**item) for item in ITEMS]


@inputs(
    900,
    item=st.sampled_from(ITEMS).flatmap(lambda item: changed(item, 2)),
    answer=odd_texts | st.sampled_from(["yes", "the answer is 12", "not 3, but 4. So a."]),
)
def test_prompts_and_their_rules(tmp_path, item, answer):
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(as_jsonl([item]))
    items = ends_well(lambda: read_prompt_set(path), f"{path}:1")
    if not isinstance(items, LabError):
        ends_well(lambda: compared_pairs(items), "comparison", "compared")
        ends_well(lambda: score(items[0], answer), "rule")
        ends_well(lambda: decision(items[0], answer), "compared")


@inputs(200, content=changed_bytes(as_jsonl(ITEMS[:2])) | st.binary(max_size=40))
def test_changed_and_cut_prompt_sets(tmp_path, content):
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(content)
    ends_well(lambda: read_prompt_set(path), str(path), folder=tmp_path)


# --- The grid's answers -------------------------------------------------------

KEY = "0123456789abcdef"
ANSWERS = ["yes", "no"]
CELL = {
    "cell": {"model": "m", "technique": "t", "task": "k", "seed": 0},
    "key": KEY,
    "sha256": answer_cache.sha256_of(ANSWERS),
    "answers": ANSWERS,
}


def with_its_hash(cell):
    """So that only the form of the answers can be wrong."""
    try:
        return cell | {"sha256": answer_cache.sha256_of(cell["answers"])}
    except (TypeError, KeyError, ValueError):
        return cell


@inputs(
    600,
    content=changed_bytes(as_json(CELL))
    | changed(CELL).map(as_json)
    | odd_values.map(lambda answers: as_json(with_its_hash(CELL | {"answers": answers}))),
)
def test_files_of_the_cache(tmp_path, content):
    path = tmp_path / f"{KEY}.json"
    path.write_bytes(content)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = answer_cache.read_cell(path, 2)
    assert found is None or (len(found) == 2 and all(isinstance(answer, str) for answer in found))
    assert (found is None) == bool(told) and all(str(path) in str(warning.message) for warning in told)


@inputs(
    500,
    rows=st.lists(st.just(CELL) | changed(CELL, 2), min_size=1, max_size=3),
    tail=st.binary(max_size=5),
)
def test_shipped_answers(tmp_path, rows, tail):
    path = tmp_path / "answers.jsonl"
    path.write_bytes(as_jsonl(rows) + tail)
    found = ends_well(lambda: answer_cache.read_shipped(path), str(path))
    if not isinstance(found, LabError):
        json.dumps(found).encode()
        assert all(isinstance(answer, str) for answers in found.values() for answer in answers)


@inputs(
    250,
    rows=st.lists(st.just(CELL) | changed(CELL, 1), max_size=2),
    cached=changed_bytes(as_json(CELL)) | changed(CELL, 2).map(as_json),
)
def test_cells_that_are_to_be_shipped(tmp_path_factory, rows, cached):
    folder = tmp_path_factory.mktemp("grid")
    path, cache = folder / "answers.jsonl", folder / "cache"
    cache.mkdir()
    (cache / f"{KEY}.json").write_bytes(cached)
    if rows:
        path.write_bytes(as_jsonl(rows))
    done = ends_well(lambda: answer_cache.write_shipped(cache, path), str(path), str(cache), folder=folder)
    if not isinstance(done, LabError):
        assert not rows or KEY in answer_cache.read_shipped(path) or CELL not in rows


# --- Models -------------------------------------------------------------------


@inputs(300, source=odd_texts, prefix=st.sampled_from(["", "data/models/", "./", "~", "/", "tiny-gpt2/", "C:\\"]))
def test_names_of_models(monkeypatch, source, prefix):
    monkeypatch.setattr("helpers.models.language_model_loading.size_on_hub", lambda source: 0)
    monkeypatch.setattr("helpers.models.language_model_loading.download", refuse)
    ends_well(
        lambda: (_last_part(prefix + source), _folder(prefix + source)), "no such folder", "no network", "no such user"
    )


def refuse(source, **_):
    raise LabError("no network")

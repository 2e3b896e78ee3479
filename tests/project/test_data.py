"""The shipped data: what its card promises, and the code that collected it."""

import random

import pytest

from helpers import files
from helpers.experiments import collect_data as collection
from helpers.preferences import load_preferences, read_demonstrations, read_prompts, read_ratings, to_dataset
from helpers.simulation.gold import gold_reward, stated_facts
from helpers.simulation.posts import draw_posts, split_of
from helpers.simulation.wording import ESSENTIAL


@pytest.fixture(scope="module")
def pairs():
    return load_preferences()


def combination(prompt: str) -> tuple:
    """(topic, goal, constraint, question) of a prompt, as the reader finds them."""
    facts = {m.fact.kind: m.fact for m in stated_facts(prompt)}
    return facts["goal"].topic, *(facts[kind].index for kind in ESSENTIAL)


def test_sizes(pairs):
    counts = {split: sum(pair.split == split for pair in pairs) for split in files.SPLITS}
    assert counts == {"train": 8000, "validation": 1000, "test": 1000}
    assert len(read_prompts("train")) == 2000
    assert len(read_prompts("heldout")) == 512
    assert len(read_demonstrations()) == 2000
    assert len(read_ratings()) == 3200


def test_prompts_of_different_sets_are_disjoint(pairs):
    sets = [{pair.prompt for pair in pairs if pair.split == split} for split in files.SPLITS]
    sets += [{row.prompt for row in rows} for rows in (read_demonstrations(), read_prompts("train"))]
    sets += [{row.prompt for row in read_prompts("heldout")}]
    assert len(set().union(*sets)) == sum(map(len, sets))


def test_no_combination_of_facts_is_in_two_splits(pairs):
    for pair in random.Random(0).sample(pairs, 600):
        assert split_of(*combination(pair.prompt)) == pair.split
    for row in random.Random(0).sample(read_prompts("heldout"), 100):
        assert split_of(*combination(row.prompt)) == "test"
    for row in random.Random(0).sample(read_demonstrations() + read_prompts("train"), 200):
        assert split_of(*combination(row.prompt)) == "train"


def test_people_prefer_what_is_better(pairs):
    sample = random.Random(0).sample(pairs, 1000)
    better = [gold_reward(p.prompt, p.chosen) - gold_reward(p.prompt, p.rejected) for p in sample]
    assert sum(d > 0 for d in better) > 2 * sum(d < 0 for d in better)
    assert any(d < 0 for d in better)  # but they err, as people do


def test_checksums():
    assert len(files.verify_checksums()) > 10


def test_the_prompts_and_demonstrations_come_out_the_same(tmp_path, monkeypatch):
    shipped = {name: files.sha256(files.data() / name) for name in ("demonstrations.jsonl", "prompts/heldout.jsonl")}
    monkeypatch.setenv("RLHF_DATA", str(tmp_path))
    collection.collect_prompts()
    assert {name: files.sha256(tmp_path / name) for name in shipped} == shipped


def test_the_card_loads_offline_as_a_dataset(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    loaded = datasets.load_dataset(str(files.ROOT / "data"), "preferences", cache_dir=str(tmp_path))
    assert {split: len(rows) for split, rows in loaded.items()} == {"train": 8000, "validation": 1000, "test": 1000}
    prompts = datasets.load_dataset(str(files.ROOT / "data"), "prompts", cache_dir=str(tmp_path))
    assert len(prompts["heldout"]) == 512
    assert to_dataset(load_preferences("test")).column_names == ["prompt", "chosen", "rejected"]


class Sampler:
    """Stands in for a model: each role completes with its own words, so that pairs and labels can be checked."""

    def complete(self, prompts, role, seed, batch_size):
        rng = random.Random(f"{role}/{seed}")
        return [f" {role} says {rng.randrange(1000)}." for _ in prompts]


def test_pairs_are_labeled_once_and_keep_their_sources():
    prompts = [post.prompt for post in draw_posts(40, 1, "train")]
    sampler = Sampler()
    completions = [sampler.complete(prompts, role, seed, 8) for seed, role in enumerate(("sft", "sft", "sft", "base"))]
    rows = list(collection._label(prompts, list(zip(*completions, strict=True)), "train", random.Random(0)))
    assert len({row.id for row in rows}) == len(rows) <= 80
    for row in rows:
        assert ("base" in row.source) == (" base says" in row.chosen + row.rejected)
    texts = [(row.prompt, text) for row in rows for text in (row.chosen, row.rejected)]
    assert len(set(texts)) == len(texts)  # no completion is in two pairs
    again = list(collection._label(prompts, list(zip(*completions, strict=True)), "train", random.Random(0)))
    assert rows == again

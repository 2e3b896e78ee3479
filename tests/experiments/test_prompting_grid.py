"""Lab 04's grid as shipped: its answers are those of the shipped models, and what they give when asked again."""

import json

import pytest

from helpers import files
from helpers.experiments import prompting_grid as lab_grid
from helpers.files import ROOT
from helpers.models.profiles import get_profile
from helpers.prompting.answer_cache import read_shipped
from helpers.prompting.grid import Technique, cell_key, run_grid
from helpers.prompting.items import TASKS, grid_score
from helpers.prompting.techniques import FEW_SHOT, GRID, INSTRUCTION
from helpers.runs.stages import load_shared


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RLHF_RUNS", str(tmp_path_factory.mktemp("runs")))
        shared = load_shared(get_profile("tiny"), policy_from="ppo")
        found, absent = lab_grid.all_models(shared, lab_grid.TINY)
    assert not absent
    return found


def shipped_cells():
    path = ROOT / "data" / "prompting" / "answers.jsonl"
    return {tuple(row["cell"].values()): row for _, row in files.read_jsonl(path)}


def test_every_cell_is_shipped_but_those_whose_prompts_do_not_fit(models):
    """It fails after a change of a technique, task, model or pinned library; then: python -m helpers grid --ship"""
    cells, items = read_shipped(lab_grid.shipped_answers()), lab_grid.grid_items()
    absent = {
        (name, technique.name, task)
        for name, model in models.items()
        for technique in GRID
        for task in technique.tasks or TASKS
        for seed in technique.seeds((0, 1, 2))
        if cell_key(model, technique, items[task], seed) not in cells
    }
    assert len(absent) < 25
    chosen = [technique for technique in GRID if any(technique.name == name for _, name, _ in absent)]
    again = run_grid(
        models, chosen, items, score=grid_score, cache=None, progress=False, only=lambda *cell: cell in absent
    )
    assert again["reason"].str.contains("tokens and [0-9]+ fit").all()


@pytest.mark.parametrize(
    ("name", "technique", "task"),
    [("tiny-gpt2", FEW_SHOT, "sort"), ("tiny-gpt2", INSTRUCTION, "topic"), ("ppo", FEW_SHOT, "topic")],
)
def test_asked_again_they_answer_nearly_the_same(models, name, technique, task):
    """Not bit for bit: another processor adds in another order."""
    items = {task: lab_grid.grid_items()[task]}
    again = run_grid({name: models[name]}, [technique], items, score=grid_score, seeds=(0,), cache=None, progress=False)
    shipped = shipped_cells()[name, technique.name, task, 0]["answers"]
    same = [a == b for a, b in zip(again["answer"], shipped, strict=True)]
    assert sum(same) >= 0.9 * len(same)


def test_a_model_of_ones_own_is_asked(models, tmp_path):
    asked = []

    def answer(model, items, seed):
        asked.append(seed)
        return ["pets"] * len(items)

    other = Technique("mine", answer)
    items = {"topic": lab_grid.grid_items(2)["topic"]}
    shipped = lab_grid.shipped_answers()
    run_grid({"base": models["base"]}, [other], items, score=grid_score, cache=tmp_path, shipped=shipped)
    assert asked == [0, 1, 2]


def test_the_shipped_file_is_not_large():
    path = ROOT / "data" / "prompting" / "answers.jsonl"
    assert path.stat().st_size < 4 * 2**20
    assert json.loads(path.read_text("utf-8").split("\n", 1)[0])["cell"]["model"] in {"base", "dpo", "ppo", "sft"}

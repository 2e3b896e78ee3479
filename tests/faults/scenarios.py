"""What is killed: labeling, class files, artifacts, checkpoints, grids, exports, copies of the labs, recordings.

Each scenario is made by a function, so that only its own libraries are imported. What `done` is told is what a person
or a later step relies on; the checks compare the folder with that, and with nothing else.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from helpers import files
from helpers.files import LabError

from .harness import Half, Lost, Scenario

SCENARIOS: dict[str, Callable[[], Scenario]] = {}


def scenario(make: Callable[[], Scenario]) -> Callable[[], Scenario]:
    SCENARIOS[make.__name__] = make
    return make


def some_pairs(n: int) -> list:
    from helpers.preferences import Pair

    texts = "a rather long text, so that a row takes several pages of the database " * 8
    return [Pair(f"p{i}", f"POST: {i} {texts}", f" one {i}", f" two {i}", "sft>base") for i in range(n)]


@scenario
def labels() -> Scenario:
    """A person compares 24 pairs, and takes every seventh answer back to give it again."""
    from helpers.labeling.session import LabelingSession
    from helpers.labeling.store import LabelStore

    pairs = some_pairs(24)

    def work(folder, begin, done):
        session = LabelingSession(pairs, "ann", repeat_every=5)
        undone = len(session.store.labels(undone=True))
        while session.current:
            begin("label")
            label = session.choose("left", 3)
            done(["label", label.number])
            if session.progress.saved % 7 == 0 and session.progress.saved // 7 > undone:
                begin("undo")
                done(["undo", session.store.undo(session.id)])
                undone += 1

    def check(folder, done):
        store = LabelStore()
        live, taken_back = ({label.number for label in store.labels(undone=flag)} for flag in (False, True))
        if missing := {n for _, n in done} - live - taken_back:
            raise Lost(f"labels {missing}")
        if back := {n for what, n in done if what == "undo"} - taken_back:
            raise Lost(f"undone labels that count again: {back}")
        answers = [(label.pair.id, label.repeat) for label in store.labels()]
        if len(set(answers)) != len(answers):
            raise Half(f"one question has two answers: {answers}")

    def outcome(folder):
        return [[label.pair.id, label.choice, label.repeat] for label in LabelStore().labels()]

    return Scenario(work, check, outcome)


@scenario
def progress() -> Scenario:
    """Exercises: verdicts and hints, one after the other."""
    from helpers.exercises.progress import Progress

    def work(folder, begin, done):
        kept = Progress(name="ann")
        for number in range(len(kept.values("verdict", "gae")), 30):
            begin()
            kept.add("verdict", "gae", number)
            done(number)

    def check(folder, done):
        found = Progress(name="ann").values("verdict", "gae")
        if found != list(range(len(found))):
            raise Half(str(found))
        if done and done[-1] >= len(found):
            raise Lost(f"{done[-1]} of {found}")

    return Scenario(work, check, lambda _: Progress(name="ann").values("verdict", "gae"))


@scenario
def label_files() -> Scenario:
    """A class's file is imported, row by row, and what is in the store is exported after every fourth row."""
    from helpers.labeling.files import export_preferences, import_preferences
    from helpers.labeling.store import LabelStore
    from helpers.preferences import Preference, read_preferences, write_rows

    rows = [
        Preference(p.prompt, p.completion_a, p.completion_b, f"{p.id}/ann", p.source, "ann", 2, "train")
        for p in some_pairs(16)
    ]

    def path():
        return files.work() / "labels.jsonl"

    def work(folder, begin, done):
        store = LabelStore()
        for first in range(0, len(rows), 4):
            begin(f"import {first}")
            import_preferences(store, rows[first : first + 4])
            done(["imported", first + 4])
            begin(f"export {first}")
            if not path().exists() or len(read_preferences(path())) <= first + 4:
                write_rows(path(), export_preferences(store, annotator="ann"))
            done(["exported", first + 4])

    def check(folder, done):
        steps = dict(done)
        stored = {label.pair.id for label in LabelStore().labels("ann")}
        if lost := {f"p{i}" for i in range(steps.get("imported", 0))} - stored:
            raise Lost(f"imported rows {lost}")
        kept = read_preferences(path()) if path().exists() else []
        if len(kept) < steps.get("exported", 0):
            raise Lost(f"{len(kept)} of {steps['exported']} exported rows")
        if [row.id for row in kept] != [row.id for row in rows[: len(kept)]]:
            raise Half(str([row.id for row in kept]))

    def outcome(folder):
        return [[row.id, row.chosen, row.strength] for row in read_preferences(path())]

    return Scenario(work, check, outcome)


@scenario
def artifact() -> Scenario:
    """A trained adapter is saved over the one before, twenty times, while somebody reads it."""
    import numpy
    from safetensors.numpy import load_file, save_file

    from helpers.runs.artifacts import Artifacts

    def read():
        found = Artifacts("llama2-7b").find("sft")
        config = json.loads((found.path / "adapter_config.json").read_bytes())
        weights = load_file(found.path / "adapter_model.safetensors")["weights"]
        return {config["version"], found.manifest["seeds"][0], found.records[-1]["step"], *weights.tolist()}

    def work(folder, begin, done):
        made = Artifacts("llama2-7b")
        first = min(read()) + 1 if made.has("sft") else 0
        for version in range(min(first, 19), 20):  # the last once more, for a write clears away what the dead left
            begin()
            records = [{"step": version, "text": "long " * 500}]
            with made.save("sft", seeds=[version], records=records) as new:
                (new / "adapter_config.json").write_text(json.dumps({"version": version}))
                save_file({"weights": numpy.full(5000, version)}, new / "adapter_model.safetensors")
            done(version)

    def check(folder, done):
        if not Artifacts("llama2-7b").has("sft"):
            if done:
                raise Lost(f"no artifact, after {done[-1]}")
            return
        versions = read()
        if len(versions) > 1:
            raise Half(f"files of the versions {versions}")
        if done and min(versions) < done[-1]:
            raise Lost(f"{versions}, after {done[-1]}")

    def watch(folder):
        """As a lab reads: the folder that is found is there; a file that is read is whole. Files of two versions are
        what a living writer may show (see `files`), so each is looked at by itself."""
        if not (folder / "runs" / "llama2-7b" / "sft").exists():
            return
        found = files.find_folder(folder / "runs" / "llama2-7b" / "sft")
        if found is None:
            raise Half("the artifact was there, and is not")
        try:
            if len(set(load_file(found / "adapter_model.safetensors")["weights"].tolist())) > 1:
                raise Half("weights of two versions in one file")
        except FileNotFoundError:  # replaced meanwhile
            pass

    return Scenario(work, check, lambda _: sorted(read()), watch)


@scenario
def checkpoint() -> Scenario:
    """A run with a state of one number and a checkpoint after every second step, its result stored at its end."""
    import torch

    from helpers.training.checkpoints import Checkpoint, State, random_state, resumable, set_random_state

    steps, fingerprint = 16, {"seed": 0}
    torch.set_num_threads(1)

    class Run:
        def __init__(self):
            torch.manual_seed(0)
            self.step, self.sum, self.large = 0, torch.zeros(()), torch.zeros(20_000)

        def snapshot(self):
            return State(self.step, {"sum": self.sum.clone(), "large": self.large} | random_state())

        def start(self, state):
            if state:
                self.step, self.sum, self.large = state.step, state.tensors["sum"], state.tensors["large"]
                set_random_state(state.tensors)
                if set(self.large.tolist()) != {state.step}:
                    raise Half("weights of another step")
            while self.step < steps:
                self.step, self.sum = self.step + 1, self.sum + torch.rand(())
                self.large = torch.full((20_000,), float(self.step))
                yield {"step": self.step, "sum": self.sum.item()}

    def place():
        return Checkpoint(files.runs() / "tiny" / "checkpoints" / "toy", every=2)

    def result():
        return files.runs() / "tiny" / "toy.json"

    def work(folder, begin, done):
        if result().exists():
            return place().remove()
        run, records = Run(), []
        begin(0)
        for record in resumable(run.start, run.snapshot, place(), fingerprint):
            records.append(record)
            done(["step", record["step"]])
            begin(record["step"] + 1)
        files.atomic_write(result(), json.dumps([[r["step"], r["sum"]] for r in records]))
        done(["stored", steps])
        begin("remove")
        place().remove()
        done(["removed", steps])

    def check(folder, done):
        marks, stored = dict(done), None
        if result().exists():
            stored = json.loads(result().read_bytes())
            if len(stored) != steps:
                raise Half(f"{len(stored)} of {steps} records")
        elif "stored" in marks:
            raise Lost("the result")
        folder = files.find_folder(place().folder)
        if "removed" in marks and folder:
            raise Half(f"a checkpoint that was removed is back: {folder.name}")
        found = place().find(fingerprint)
        if folder and not found:
            raise Half(f"{folder} cannot be read: {sorted(p.name for p in folder.iterdir())}")
        kept = found[0].step if found else 0
        if not stored and kept < marks.get("step", 0) // 2 * 2:
            raise Lost(f"the run goes on at {kept}, after step {marks['step']}")

    return Scenario(work, check, lambda _: json.loads(result().read_bytes()))


@scenario
def training() -> Scenario:
    """Real PPO on a tiny random model, with a checkpoint after every update."""
    import tempfile
    from types import SimpleNamespace

    import torch
    from peft import get_peft_model

    from helpers.models.loading import load_base, lora_config
    from helpers.training.checkpoints import Checkpoint
    from helpers.training.trl_bridge import save_adapter
    from tests.support import tiny, training_runs

    torch.set_num_threads(1)
    home = Path(tempfile.mkdtemp())
    profile = tiny.short(str(tiny.make_checkpoint(home / "base")))
    for name, task in (("sft", "causal"), ("reward", "score")):
        torch.manual_seed(1)
        (home / name).mkdir()
        save_adapter(get_peft_model(load_base(profile, head=task), lora_config(profile, task)), home / name)
    (home / "reward" / "reward.json").write_text('{"mean": 0.5, "std": 2.0}')
    adapters = SimpleNamespace(sft=home / "sft", reward=home / "reward")

    def place():
        return Checkpoint(files.runs() / "tiny" / "checkpoints" / "ppo", every=1)

    def result():
        return files.runs() / "tiny" / "ppo.json"

    def work(folder, begin, done):
        if result().exists():
            return
        stream, weights_of = training_runs.ppo(profile, adapters, place())
        records = []
        begin(0)
        for record in stream:
            records.append(record)
            done(record["step"])
            begin(record["step"] + 1)
        total = {name: value.double().sum().item() for name, value in weights_of(None).items()}
        files.atomic_write(result(), json.dumps([training_runs.bare(records), total]))
        done(len(records))

    def check(folder, done):
        folder = files.find_folder(place().folder)
        step = json.loads((folder / "checkpoint.json").read_bytes())["step"] if folder else 0
        if done and step < done[-1]:
            raise Lost(f"update {done[-1]}; the checkpoint is at {step}")

    return Scenario(work, check, lambda _: json.loads(result().read_bytes()))


@scenario
def grid() -> Scenario:
    """Prompting cells: 2 techniques x 2 tasks, one of them with five seeds."""
    from helpers.prompting.answer_cache import sha256_of
    from tests.support import prompting_grid

    seeds = range(5)

    def run(call=None):
        model = prompting_grid.FakeModel(call=call)
        techniques = [prompting_grid.ZERO_SHOT, prompting_grid.GREEDY]
        return model, prompting_grid.run(model, techniques, seeds=seeds, cache="cells")

    def whole_cells():
        kept = list((files.runs() / "cells").glob("*.json")) if (files.runs() / "cells").exists() else []
        for path in kept:
            content = json.loads(path.read_bytes())
            if content["sha256"] != sha256_of(content["answers"]):
                raise Half(f"{path.name}: {content}")
        return len(kept)

    def work(folder, begin, done):
        before = whole_cells()

        def call(number):  # that the next cell is asked for says that those before it are kept
            done(before + number - 1)
            begin(before + number)

        run(call)
        done(12)

    def check(folder, done):
        kept = whole_cells()
        if done and kept < done[-1]:
            raise Lost(f"{kept} cells are kept, of {done[-1]}")

    def outcome(folder):
        model, frame = run()
        return [len(model.calls), json.loads(frame.to_json(orient="values"))]

    return Scenario(work, check, outcome)


def some_rows(version: int) -> list:
    from helpers.preferences import Preference

    texts = [f" {version} is right" * 20, f" {version} is wrong" * 20]
    return [Preference(f"POST: {i}", *texts, f"{version}-{i}", str(version), "ann", 2, "train") for i in range(200)]


def one_version(sources: list[str]) -> int:
    if len(set(sources)) > 1 or len(sources) not in (0, 200):
        raise Half(f"{len(sources)} rows of the versions {set(sources)}")
    return int(sources[0]) if sources else -1


@scenario
def export() -> Scenario:
    """200 preference rows are written to a JSONL file and a packed CSV file, again and again, with other rows."""
    import csv
    import gzip
    import io

    from helpers.preferences import read_preferences, write_preferences

    def paths():
        return files.work() / "exports" / "rows.jsonl", files.work() / "exports" / "rows.csv.gz"

    def versions(folder=None):
        jsonl, packed = paths()
        rows = [row.source for row in read_preferences(jsonl)] if jsonl.exists() else []
        text = gzip.decompress(packed.read_bytes()).decode() if packed.exists() else ""
        return one_version(rows), one_version([row["source"] for row in csv.DictReader(io.StringIO(text))])

    def work(folder, begin, done):
        for version in range(min(versions()) + 1, 10):
            for path in paths():
                begin()
                write_preferences(path, some_rows(version))
                done([path.name, version])

    def check(folder, done):
        for (name, version), found in zip(dict(done).items(), versions(), strict=False):
            if found < version:
                raise Lost(f"{name} has the version {found}, after {version}")

    return Scenario(work, check, versions, versions)


@scenario
def hub_folder() -> Scenario:
    """A folder for the Hub, rows as Parquet and a card, is written again and again, with other rows."""
    import pyarrow.parquet

    from helpers.preferences import write_hub_folder

    def version_of(folder):
        if folder is None:
            return -1
        card = (folder / "README.md").read_text().split("# version ")[1].split()[0]
        rows = pyarrow.parquet.read_table(folder / "data" / "train.parquet", use_threads=False)
        return one_version([*rows["source"].to_pylist(), *([] if rows["source"][0].as_py() == card else ["other"])])

    def now(folder=None):
        return version_of(files.find_folder(files.work() / "hub"))

    def work(folder, begin, done):
        for version in range(min(now() + 1, 9), 10):  # as in `artifact`
            begin()
            about = {"name": f"version {version}", "license": "mit", "description": "Rows."}
            write_hub_folder(files.work() / "hub", some_rows(version), **about)
            done(version)

    def check(folder, done):
        if now() < max(done, default=-1):
            raise Lost(f"version {now()}, after {done[-1]}")

    return Scenario(work, check, now)


@scenario
def copies() -> Scenario:
    """Students' copies: labs that are renewed, one that is edited, and one moved aside for a new copy, three times."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    from helpers.classroom import workspace

    nbformat.validate(new_notebook())  # it loads the schema: once here, and not in every child
    names = ["00_start_here.ipynb", "03_ppo.ipynb"]

    def put(path, source):
        cells = [new_code_cell(source, id="cell"), new_code_cell("# " + "long " * 500, id="long")]
        files.atomic_write(path, nbformat.writes(new_notebook(cells=cells)) + "\n")

    def source(path):
        return workspace.read(path).cells[0].source

    def work(folder, begin, done):
        workspace.LABS = folder / "labs"
        state = folder / "round"
        first = int(state.read_text()) if state.exists() else 0
        for number in range(first, 3):
            for name in names:
                put(workspace.LABS / name, f"version = {number}")
            begin("prepare")
            workspace.prepare()
            done(["prepared", number])
            mine = files.work() / "03_ppo.ipynb"
            if f"my answer {number}" not in written():
                put(mine, f"my answer {number}")  # JupyterLab saves
            done(["written", number])
            begin("fresh")
            if source(mine) == f"my answer {number}":
                workspace.prepare(fresh="03")
            done(["fresh", number])
            files.atomic_write(state, str(number + 1))

    def written():
        return [source(path) for path in files.work().glob("*.ipynb")]

    def check(folder, done):
        workspace.LABS = folder / "labs"
        try:
            texts = written()
        except LabError as error:
            raise Half(str(error)) from None
        record = files.work() / ".copies.json"
        if record.exists():
            json.loads(record.read_bytes())
        answers = {f"my answer {n}" for what, n in done if what == "written"}
        if answers - set(texts):
            raise Lost(f"{answers - set(texts)} of a student")
        if any(what == "prepared" for what, _ in done) and not {*names[:1]} <= {p.name for p in files.work().iterdir()}:
            raise Lost("a copy")

    def outcome(folder):
        return sorted(set(written()))

    return Scenario(work, check, outcome, same_files=False)  # as in `moved_aside`


@scenario
def recording() -> Scenario:
    """Three runs are recorded, a line a step; one that was cut off is recorded anew."""
    from helpers.runs.recordings import Header, load_recording, recorded, recording_names

    def stream():
        for step in range(1, 21):
            yield {"step": step, "text": "long " * 3000}  # more than a buffer holds

    def kept(name):
        try:
            return [record["step"] for record in load_recording(name, "tiny").records]
        except LabError as error:
            if "holds no record yet" in str(error) or "there is no recording" in str(error):
                return []
            raise

    def work(folder, begin, done):
        for name in ("one", "two", "three"):
            if len(kept(name)) < 20:
                done([name, 0])
                begin()
                for record in recorded(stream(), name, Header("ppo", "title", "tiny", 0, 20)):
                    done([name, record["step"]])
                    begin()

    def check(folder, done):
        for name, step in dict(done).items():
            steps = kept(name)
            if steps != list(range(1, len(steps) + 1)):
                raise Half(f"{name}: {steps}")
            if len(steps) < step:
                raise Lost(f"{len(steps)} records of {name}, after {step}")
        for name in recording_names("tiny"):
            try:
                kept(name)
            except LabError as error:
                raise Half(str(error)) from None

    return Scenario(work, check, lambda _: [kept(name) for name in ("one", "two", "three")])


# ------------------------------------------------------------------------------------------- short ones


def removed() -> Scenario:
    """A folder is written twice, and removed."""
    path, marker = lambda: files.runs() / "it", lambda: files.runs() / "marker"

    def version():
        if not (found := files.find_folder(path())):
            return 0
        texts = {(found / name).read_text() if (found / name).exists() else "" for name in ("a", "b")}
        if len(texts) > 1 or texts == {""}:
            raise Half(f"{found.name}: {texts}")
        return int(texts.pop())

    def work(folder, begin, done):
        for number in () if marker().exists() else range(version() + 1, 3):
            begin()
            with files.atomic_folder(path()) as new:
                for name in ("a", "b"):
                    (new / name).write_text(str(number))
            done(number)
        files.atomic_write(marker(), "")
        begin()
        files.remove_folder(path())
        done("removed")

    def check(folder, done):
        now = version()
        if done and done[-1] == "removed" and now:
            raise Half(f"version {now} is back")
        if not marker().exists() and now < max(done, default=0):
            raise Lost(f"version {now} after {done}")

    return Scenario(work, check, lambda _: version())


def moved_aside() -> Scenario:
    """A student asks for a new copy of a lab."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    from helpers.classroom import workspace

    nbformat.validate(new_notebook())  # as in `copies`

    def work(folder, begin, done):
        workspace.LABS = folder / "labs"
        copy = files.work() / "03_ppo.ipynb"
        lab = workspace.LABS / copy.name
        for path, text in ((copy, "loss = 1"), (lab, "loss = ...")):
            if not lab.exists():
                files.atomic_write(path, nbformat.writes(new_notebook(cells=[new_code_cell(text, id="c")])) + "\n")
        done("loss = 1")
        begin()
        workspace.prepare(fresh="03" if copy.exists() and "loss = 1" in copy.read_text() else None)
        done("loss = ...")

    def check(folder, done):
        try:
            texts = {workspace.read(path).cells[0].source for path in files.work().glob("*.ipynb")}
        except LabError as error:
            raise Half(str(error)) from None
        if set(done) - texts:
            raise Lost(f"{set(done) - texts}")

    def outcome(folder):
        return workspace.read(files.work() / "03_ppo.ipynb").cells[0].source

    return Scenario(work, check, outcome, same_files=False)  # killed between two calls, it is kept under two names


SHORT = {"removed": removed, "moved_aside": moved_aside}


def careless() -> Scenario:
    """How not to do it: the harness must see that something is half written, and that something is lost."""

    def numbers():
        path = files.work() / "numbers"
        return path.read_text().split(",") if path.exists() else []

    def work(folder, begin, done):
        files.work().mkdir(exist_ok=True)
        for number in range(len(numbers()), 20):
            begin()
            done(number)
            time.sleep(0.005)  # so that a kill often falls between what was announced and what is there
            (files.work() / "numbers").write_text(",".join(map(str, [*range(number), "1" * 9])))

    def check(folder, done):
        found = numbers()
        if found and found[-1] != "1" * 9:
            raise Half(str(found))
        if len(found) <= max(done, default=-1):
            raise Lost(f"{done} of {found}")

    return Scenario(work, check, lambda _: numbers())


CARELESS = {"careless": careless}

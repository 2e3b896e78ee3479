"""What the code may never do with data: run it, follow its names out of a folder, take in a line without end."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from helpers import files
from helpers.classroom import workspace
from helpers.files import ROOT, LabError
from helpers.runs import recordings
from helpers.runs.artifacts import Artifacts
from tests.support.injections import PATHS

# --- No code from data --------------------------------------------------------

UNPICKLING = {"pickle", "cPickle", "_pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
SHELLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
PICKLED = {"torch.save", "pd.read_pickle", "pandas.read_pickle", "datasets.load_from_disk"}
UNPACKING = {"extractall", "unpack_archive"}  # a name in an archive can lead out of the folder
RUNS_CODE = {"helpers/classroom/grading.py"}  # the students' answers, which is what it is for
TOKENIZERS_AND_SETTINGS = re.compile(r"(Tokenizer(Fast)?|Config|PeftModel)$")  # they hold no weights, or refuse pickles


def problems(source: str, where: str = "") -> list[str]:
    """What of a module could run code that data holds, each with its line."""
    return [f"{where}:{node.lineno}: {said}" for node in ast.walk(ast.parse(source)) for said in _said(node, where)]


def _said(node: ast.AST, where: str) -> Iterator[str]:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        named = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        for name in named:
            if name.split(".")[0] in UNPICKLING:
                yield f"imports {name}"
    if not isinstance(node, ast.Call):
        return
    called = ast.unparse(node.func)
    last = called.rsplit(".", 1)[-1]
    options = {option.arg: ast.unparse(option.value) for option in node.keywords}
    if called in {"eval", "exec", "compile", "__import__"} and where not in RUNS_CODE:
        yield f"runs code with {called}"
    if called in SHELLS or options.get("shell", "False") != "False":
        yield f"asks a shell ({called})"
    if called in PICKLED or last in {"read_pickle", "to_pickle"} | UNPACKING:
        yield f"reads or writes pickles or archives ({called})"
    if called.endswith("torch.load") and options.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if options.get("allow_pickle", "False") != "False" or options.get("trust_remote_code", "False") != "False":
        yield f"{called} takes code from data"
    if called.startswith("yaml.") and last not in {"safe_load", "safe_dump", "dump"}:
        yield f"{called}: use safe_load"
    if last == "from_pretrained":
        kind = called.rpartition(".")[0]
        is_model = not TOKENIZERS_AND_SETTINGS.search(kind)
        if is_model and options.get("use_safetensors") != "True":
            yield f"{called} without use_safetensors=True"
        if kind.lower().startswith("auto") and options.get("trust_remote_code") != "False":
            yield f"{called} without trust_remote_code=False"


BAD = [
    "import pickle", "from joblib import load", "import os.path, marshal", "archive.extractall(folder)", "eval(text)",
    "exec(row['code'])", "subprocess.run(name, shell=True)", "os.system(f'ls {name}')", "torch.load(path)",
    "torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)", "frame.to_pickle(path)",
    "AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, trust_remote_code=True)",
    "AutoTokenizer.from_pretrained(folder)", "LlamaForCausalLM.from_pretrained(folder)", "yaml.load(text)",
    "torch.save(model, path)", "shutil.unpack_archive(path)", "__import__(name)",
]  # fmt: skip


@pytest.mark.parametrize("source", BAD)
def test_what_runs_code_from_data_is_seen(source):
    assert problems(source) != []


def test_no_module_runs_code_from_data():
    found = []
    for folder in ("helpers", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            found += problems(path.read_text("utf-8"), path.relative_to(ROOT).as_posix())
    assert found == []


def test_no_lab_runs_code_from_data():
    found = []
    for path in sorted((ROOT / "labs").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                code = TransformerManager().transform_cell(cell.source)
                # `!command` and `%%bash` become calls of get_ipython()
                assert not re.search(r"get_ipython\(\)\.(system|getoutput|run_cell_magic)", code)
                found += problems(code, path.name)
    assert found == []


# --- Names become paths -------------------------------------------------------


@pytest.fixture
def places(tmp_path, monkeypatch):
    """runs/ and work/ in a folder of their own, with something beside them that a name could reach."""
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "inside" / "runs"))
    monkeypatch.setenv("RLHF_WORK", str(tmp_path / "inside" / "work"))
    (tmp_path / "hacked").mkdir()
    (tmp_path / "hacked" / "adapter_config.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize("name", PATHS.values(), ids=list(PATHS))
def test_a_name_never_leaves_its_folder(places, name):
    def of_a_lab(name: str) -> Path:
        return files.work() / workspace.find_lab(name).name

    for place, make in (
        (files.runs(), Artifacts("tiny").path),
        (files.runs(), lambda name: recordings.own_folder(name, "tiny")),
        (files.work(), of_a_lab),
    ):
        try:
            path = make(name)
        except LabError as error:
            assert len(str(error)) < 20_000
        else:
            assert path.resolve().is_relative_to(place.resolve()) and path.resolve() != place.resolve()
    with pytest.raises(LabError):
        recordings.load_recording(name, "tiny")


# --- Long lines ---------------------------------------------------------------


def test_a_line_may_be_long_but_not_endless(tmp_path, monkeypatch):
    path = tmp_path / "rows.jsonl"
    monkeypatch.setattr(files, "LONGEST_LINE", 1000)
    path.write_text(json.dumps({"prompt": "x" * 900}) + "\n")
    assert files.read_jsonl(path)[0][1] == {"prompt": "x" * 900}
    path.write_text('{"a": 1}\n' + json.dumps({"prompt": "x" * 1000}) + "\n")
    with pytest.raises(LabError, match=r"rows\.jsonl:2: the line has 1,014 bytes, more than 1,000"):
        files.read_jsonl(path)
    path.write_text("x" * 1001)  # and before anybody tries to read it as JSON
    with pytest.raises(LabError, match=":1: the line has 1,001 bytes"):
        files.read_jsonl(path)


# --- Who can reach JupyterLab -------------------------------------------------


def test_jupyterlab_listens_on_loopback_behind_a_token(tmp_path, monkeypatch):
    monkeypatch.setenv("RLHF_WORK", str(tmp_path))
    options = workspace.jupyter_options("00_start_here.ipynb", browser=False)
    assert not any(re.search(r"ip=|token|password|disable_check_xsrf|allow_origin|allow_remote", o) for o in options)

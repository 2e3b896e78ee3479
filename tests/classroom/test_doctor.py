"""The doctor's checks, on this machine as it is and as it might be."""

import importlib.metadata
import re
import sys
from types import SimpleNamespace

import psutil
import pytest
import torch

from helpers.classroom import doctor
from helpers.classroom.doctor import Check, check, report, to_frame
from helpers.files import LabError
from helpers.models.profiles import PROFILES

NAMES = ["Python", "packages", "processors", "memory", "disk", "GPU", "4 bits", "model", "data", "runs"]
SECRET = "hf_not_a_real_token"


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    """No model in the cache, no token, and runs of its own."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "RLHF_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def network(monkeypatch):
    """Fail on any attempt to reach another machine."""

    def refuse(*_, **__):
        raise AssertionError("the doctor used the network")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.mark.parametrize("profile", PROFILES)
def test_every_subject_is_checked_without_the_network(profile, network):
    checks = check(profile)
    assert [c.name for c in checks if c.name in NAMES] == NAMES
    assert all(c.detail for c in checks)
    assert all(c.advice for c in checks if c.status == "warning")


def test_this_machine_can_run_the_default_profile():
    found = by_name(check())
    for name in ("Python", "GPU", "4 bits", "runs"):
        assert found[name].status == "ok", found[name]


def test_an_unknown_profile_is_an_error():
    with pytest.raises(LabError, match="tinny"):
        check("tinny")


@pytest.mark.parametrize(("memory_gb", "total_gb", "status"), [(8, 16, "ok"), (1, 16, "warning"), (0.5, 1, "problem")])
def test_memory(monkeypatch, memory_gb, total_gb, status):
    state = SimpleNamespace(available=memory_gb * 1e9, total=total_gb * 1e9)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: state)
    assert by_name(check())["memory"].status == status


def test_another_version_is_a_warning_and_an_absent_package_a_problem(monkeypatch):
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "plotly":
            raise importlib.metadata.PackageNotFoundError(name)
        return {"trl": "1.12.0", "torch": "2.13.0+cpu"}.get(name) or real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = by_name(check())
    assert found["plotly"].status == "problem"
    assert found["versions"].status == "warning" and "trl 1.12.0 (pinned: 1.16.0)" in found["versions"].detail
    assert "torch" not in found["versions"].detail  # a local build of the pinned version is that version


def test_a_gpu_profile_without_a_gpu_says_what_works_meanwhile(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu = by_name(check("llama2-7b"))["GPU"]
    assert gpu.status == "problem" and "profile tiny" in gpu.advice


@pytest.mark.parametrize(("gigabytes", "status"), [(80, "ok"), (8, "problem")])
def test_gpu_memory(monkeypatch, gigabytes, status):
    card = SimpleNamespace(name="Example GPU", total_memory=gigabytes * 1e9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    gpu = doctor._gpu(doctor.ON_GPU)
    assert gpu.status == status and "Example GPU" in gpu.detail


def test_a_large_profile_is_told_its_memory_and_time_before_any_download(network):
    found = by_name(check("llama2-7b"))
    memory, time = found["PPO memory"].detail, found["PPO time"].detail
    total, *parts = (float(number) for number in re.findall(r"\d+\.\d", memory))
    assert 6 < total < 16 and total == pytest.approx(sum(parts), abs=0.05 * len(parts) + 0.05)
    assert "estimated" in memory and "base model 3.9" in memory
    assert "estimated" in time and re.search(r"\d+ s on A100", time)
    assert "too large for T4" in by_name(check("meta-llama/Llama-2-70b-hf"))["PPO time"].detail
    assert "has been downloaded" in by_name(check("somebody/else"))["PPO memory"].detail
    assert not {"PPO memory", "PPO time"} & by_name(check("tiny")).keys()


def test_broken_bitsandbytes_is_a_problem_not_a_crash(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no kernel image\nmore lines")

    monkeypatch.setattr("bitsandbytes.matmul_4bit", fail)
    four_bits = by_name(check())["4 bits"]
    assert four_bits.status == "problem" and four_bits.detail.endswith("no kernel image")


def test_wrong_gradients_in_4_bits_are_found(monkeypatch):
    monkeypatch.setattr("bitsandbytes.matmul_4bit", lambda x, *_, **__: x * 2)
    assert by_name(check())["4 bits"].status == "problem"


def test_the_gated_model_without_a_token_and_with_one(monkeypatch):
    model = by_name(check("llama2-7b"))["model"]
    assert model.status == "problem" and "no Hugging Face token" in model.detail
    monkeypatch.setenv("HF_TOKEN", SECRET)
    checks = check("llama2-7b")
    assert by_name(checks)["model"].status == "warning"
    assert SECRET not in report(checks) + to_frame(checks).to_string()


def test_the_gated_model_offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in by_name(check("llama2-7b"))["model"].detail


def test_a_model_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: str(tmp_path / "config.json"))
    assert by_name(check("llama2-7b"))["model"].status == "ok"


def test_runs_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("RLHF_RUNS", str(tmp_path / "file" / "runs"))
    runs = by_name(check())["runs"]
    assert runs.status == "problem" and "RLHF_RUNS" in runs.advice


def test_changed_data_is_a_problem(monkeypatch):
    def changed():
        raise LabError("data/ratings.jsonl (changed)")

    monkeypatch.setattr(doctor.files, "verify_checksums", changed)
    data = by_name(check())["data"]
    assert data.status == "problem" and "ratings.jsonl" in data.detail


def test_torch_that_cannot_be_loaded_is_a_problem_and_the_rest_is_still_looked_at(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # `import torch` then raises ImportError
    found = by_name(check())
    assert found["torch"].status == "problem" and "make setup" in found["torch"].advice
    assert list(found) == [*NAMES[:5], "torch", *NAMES[7:]]


def test_table_and_report():
    checks = [Check("memory", "warning", "1 GB free", "close programs"), Check("GPU", "ok", "none")]
    frame = to_frame(checks)
    assert list(frame.columns) == ["name", "status", "detail", "advice"] and len(frame) == 2
    lines = report(checks).splitlines()
    assert lines[0].split() == ["warning", "memory", "1", "GB", "free"]
    assert lines[1].strip() == "close programs"
    assert lines[-1].startswith("0 problems, 1 warning. ")
    assert list(to_frame([]).columns) == list(frame.columns)

"""What this machine can run, and what to do about each problem. Nothing here uses the network."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd
import psutil

from .. import files
from ..files import ROOT, LabError, shown
from ..models.profiles import Profile, get_profile

GB = 1e9
SET_UP = "make setup"
BEGIN_AGAIN = "make clean, then make lab; what you made in runs/ and work/ stays"


@dataclass(frozen=True)
class Check:
    """One line of the report. A warning means slower or with less; a problem means that labs will fail."""

    name: str
    status: Literal["ok", "warning", "problem"]
    detail: str
    advice: str = ""


@dataclass(frozen=True)
class Needs:
    """What a profile asks of a machine, in GB (1e9 bytes)."""

    memory: float
    disk: float
    gpu_memory: float = 0.0


ON_CPU = Needs(memory=2, disk=1)
ON_GPU = Needs(memory=16, disk=30, gpu_memory=14)  # 7 billion parameters: 13 GB to fetch, 4 GB in 4 bits


def check(profile: str | Profile | None = None) -> list[Check]:
    """Examine this machine for one profile (default: the one in use).

    Returns:
        The checks, in the order of a set-up: Python first, results last.

    Raises:
        LabError: the profile is unknown.
    """
    return list(_examine(profile if isinstance(profile, Profile) else get_profile(profile)))


def _examine(profile: Profile) -> Iterator[Check]:
    needs = ON_GPU if profile.needs_gpu else ON_CPU
    yield _python()
    yield from _packages()
    yield _processors()
    yield _memory(needs)
    yield _disk(needs)
    if broken := _torch():
        yield broken
    else:
        yield _gpu(needs)
        yield from _ppo(profile) if profile.needs_gpu else ()
        yield _four_bits(profile)
    yield _model(profile)
    yield _data()
    yield _runs()


def to_frame(checks: list[Check]) -> pd.DataFrame:
    """The checks as a table with the columns name, status, detail, advice."""
    return pd.DataFrame([asdict(check) for check in checks], columns=["name", "status", "detail", "advice"])


def report(checks: list[Check]) -> str:
    """The checks as text for a terminal, advice below what needs it, and a summary in the last line."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(f"{check.status:8} {check.name:{width}}  {check.detail}")
        if check.advice:
            lines.append(" " * (width + 11) + check.advice)
    problems, warnings = (sum(c.status == status for c in checks) for status in ("problem", "warning"))
    counted = f"{problems} problem{'s' * (problems != 1)}, {warnings} warning{'s' * (warnings != 1)}."
    verdict = "Solve the problems first." if problems else "This machine is ready for this profile."
    return "\n".join([*lines, "", f"{counted} {verdict}"])


# ---------------------------------------------------------------------------------------------- software


def _python() -> Check:
    wanted = _project()["requires-python"]
    detail = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    low, high = (tuple(map(int, version.split("."))) for version in re.findall(r"\d+\.\d+", wanted))
    if low <= tuple(map(int, platform.python_version_tuple()[:2])) < high:
        return Check("Python", "ok", detail)
    return Check("Python", "problem", detail, f"the labs need Python {wanted}: install one, then {SET_UP}")


def _packages() -> Iterator[Check]:
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)$", "\n".join(_project()["dependencies"]), re.MULTILINE))
    other, good = [], 0
    for name, pinned in pins.items():
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Check(name, "problem", f"not installed ({pinned} is pinned)", SET_UP)
            continue
        if installed.split("+")[0] == pinned:  # "2.13.0+cpu" is a build of 2.13.0
            good += 1
        else:
            other.append(f"{name} {installed} (pinned: {pinned})")
    if other:
        yield Check("versions", "warning", "; ".join(other), f"outputs may differ from the stored ones: {SET_UP}")
    yield Check("packages", "ok", f"{good} of {len(pins)} at the pinned versions, torch {_torch_build()}")


def _torch_build() -> str:
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


# ---------------------------------------------------------------------------------------------- hardware


def _processors() -> Check:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores >= 2:
        return Check("processors", "ok", f"{cores}")
    return Check("processors", "warning", "1", "the labs state times for two: expect twice as long")


def _memory(needs: Needs) -> Check:
    memory = psutil.virtual_memory()
    detail = f"{memory.available / GB:.1f} GB free of {memory.total / GB:.1f} GB"
    if memory.available >= needs.memory * GB:
        return Check("memory", "ok", detail)
    advice = f"this profile needs {needs.memory:g} GB free: close other programs or notebooks"
    return Check("memory", "problem" if memory.total < needs.memory * GB else "warning", detail, advice)


def _disk(needs: Needs) -> Check:
    place = next(folder for folder in [files.runs(), *files.runs().parents] if folder.exists())
    free = shutil.disk_usage(place).free
    detail = f"{free / GB:.1f} GB free"
    if free >= needs.disk * GB:
        return Check("disk", "ok", detail)
    advice = f"this profile needs {needs.disk:g} GB: delete old runs, or set RLHF_RUNS to a folder elsewhere"
    return Check("disk", "problem", detail, advice)


def _torch() -> Check | None:
    """None, or why torch cannot be used: half installed, or a library of the system is absent."""
    try:
        import torch  # noqa: F401
    except Exception as failure:  # an OSError where a DLL is absent (Windows), ImportError, AttributeError, ...
        reason = (str(failure).strip().splitlines() or [type(failure).__name__])[0]
        advice = f"{SET_UP}; if that does not help: {BEGIN_AGAIN}"
        if os.name == "nt":
            advice = f"install Microsoft's Visual C++ Redistributable (https://aka.ms/vc14/vc_redist.x64.exe); {advice}"
        return Check("torch", "problem", f"cannot be loaded: {reason}", advice)
    return None


def _gpu(needs: Needs) -> Check:
    import torch

    if not torch.cuda.is_available():
        if not needs.gpu_memory:
            return Check("GPU", "ok", "none, and this profile needs none")
        advice = "until then use the profile tiny"
        if torch.version.cuda is None and shutil.which("nvidia-smi"):
            advice = "torch was installed without CUDA: make clean, then make setup without CPU=1; " + advice
        elif shutil.which("nvidia-smi"):
            advice = "torch cannot use it: update the NVIDIA driver; " + advice
        return Check("GPU", "problem", f"none that torch can use (torch {torch.__version__})", advice)
    properties = torch.cuda.get_device_properties(0)
    detail = f"{properties.name}, {properties.total_memory / GB:.1f} GB, CUDA {torch.version.cuda}"
    if properties.total_memory >= needs.gpu_memory * GB:
        return Check("GPU", "ok", detail)
    advice = f"this profile needs {needs.gpu_memory:g} GB: use a larger GPU, or the profile tiny"
    return Check("GPU", "problem", detail, advice)


def _ppo(profile: Profile) -> Iterator[Check]:
    """What PPO on a large model is estimated to take, before anything is downloaded."""
    from ..models import costs
    from ..training.ppo_config import PPOConfig

    shape, config = costs.Shape.of(profile), PPOConfig.of(profile)
    if shape is None:
        yield Check("PPO memory", "ok", f"estimated once {profile.base} has been downloaded")
        return
    parts = costs.memory(profile, shape, microbatch=config.microbatch_size or config.minibatch_size)
    listed = ", ".join(f"{name} {size / GB:.1f}" for name, size in parts.items())
    held, times = sum(parts.values()), []
    yield Check("PPO memory", "ok", f"{held / GB:.1f} GB of GPU memory, estimated: {listed}")
    for name, gpu in costs.GPUS.items():
        parts = costs.seconds(profile, shape, gpu, batch=config.batch_size, epochs=config.epochs)
        times.append(f"{sum(parts.values()):.0f} s on {name}" if held < gpu.memory else f"too large for {name}")
    yield Check("PPO time", "ok", f"an update of {config.batch_size} rollouts, estimated: {', '.join(times)}")


def _four_bits(profile: Profile) -> Check:
    """Multiply by a small NF4 matrix, differentiate, and compare with the same matrix in full precision."""
    import torch

    device = profile.device if torch.cuda.is_available() else "cpu"
    try:
        from bitsandbytes import functional, matmul_4bit

        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(64, 64, generator=generator).to(device)
        x = torch.randn(8, 64, generator=generator).to(device).requires_grad_()
        packed, state = functional.quantize_4bit(weight, quant_type="nf4", compress_statistics=True)
        rounded = functional.dequantize_4bit(packed, state)
        product = matmul_4bit(x, packed.t(), quant_state=state)
        (gradient,) = torch.autograd.grad(product.square().sum(), x)
        exact = 2 * (x @ rounded.T) @ rounded
        error = ((gradient - exact).norm() / exact.norm()).item()
        loss = ((rounded - weight).norm() / weight.norm()).item()
    except Exception as failure:  # a missing kernel, library or driver: each has an exception of its own
        reason = (str(failure).strip().splitlines() or [type(failure).__name__])[0]
        return Check("4 bits", "problem", f"bitsandbytes fails on {device}: {reason}", f"{SET_UP}; see README.md")
    if error < 1e-3 and loss < 0.15:
        return Check("4 bits", "ok", f"NF4 on {device}: weights rounded by {loss:.0%}, gradients right")
    detail = f"NF4 is wrong on {device}: weights change by {loss:.0%}, gradients are off by {error:.0%}"
    return Check("4 bits", "problem", detail, f"{SET_UP}; see README.md")


# ---------------------------------------------------------------------------------------- models and data


def _model(profile: Profile) -> Check:
    """Whether the base model is here, or may be fetched. A token is only looked for, never shown."""
    from huggingface_hub import constants, get_token, try_to_load_from_cache

    if (ROOT / profile.base).is_dir():
        return Check("model", "ok", profile.base)
    if profile.base.count("/") != 1:  # no id of the Hub, so a folder that is gone
        return Check("model", "problem", f"there is no folder {profile.base}", "git restore data")
    if isinstance(try_to_load_from_cache(profile.base, "config.json"), str):
        return Check("model", "ok", f"{profile.base} is in the Hugging Face cache")
    absent = f"{profile.base} is not in the Hugging Face cache"
    if constants.HF_HUB_OFFLINE:
        return Check("model", "problem", f"{absent}, and HF_HUB_OFFLINE is set", "unset it to download once")
    if not profile.gated:
        return Check("model", "warning", absent, "the first use downloads it")
    license = f"accept the license at https://huggingface.co/{profile.base}"
    if get_token() is None:
        advice = f"{license}, then run: hf auth login; until then use the profile tiny"
        return Check("model", "problem", f"{absent}, and there is no Hugging Face token", advice)
    return Check("model", "warning", f"{absent}; there is a token", f"{license}; the first use downloads it")


def _data() -> Check:
    try:
        compared = files.verify_checksums()
    except LabError as error:
        return Check("data", "problem", str(error))
    return Check("data", "ok", f"{len(compared)} files in {shown(files.data())}, as listed in checksums.txt")


def _runs() -> Check:
    try:
        files.runs().mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=files.runs()):
            pass
    except OSError as error:
        detail = f"{shown(files.runs())} cannot be written ({error.strerror})"
        return Check("runs", "problem", detail, "set RLHF_RUNS to a folder of your own")
    return Check("runs", "ok", f"{shown(files.runs())} can be written")

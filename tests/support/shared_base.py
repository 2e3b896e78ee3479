"""A small SharedBase for tests: random adapters, no training; conftest.py offers the fixtures to all tests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from peft import PeftModel, get_peft_model
from torch import nn

from helpers.models.loading import load_base, lora_config
from helpers.models.profiles import Profile
from helpers.models.reward_scale import RewardScale
from helpers.models.shared_base import SharedBase
from helpers.training.trl_bridge import save_adapter

from .tiny import WORDS

PROMPTS = [f"POST: {' '.join(WORDS[i : i + 1 + i % 4])}" for i in range(8)]
COMPLETIONS = [
    " please",
    " never dog",
    "",
    " help help help money",
    " cat.",
    " house lease",
    " a",
    " winter letter job",
]


@pytest.fixture(scope="session")
def adapters(profile, tmp_path_factory) -> SimpleNamespace:
    """Those of the session's checkpoint."""
    return random_adapters(profile, tmp_path_factory.mktemp("adapters"))


def random_adapters(profile: Profile, root: Path) -> SimpleNamespace:
    """Folders `sft` and `reward` with random adapters of a profile, as the trainers save them."""
    for name, task, seed in (("sft", "causal", 1), ("reward", "score", 2)):
        torch.manual_seed(seed)
        model = get_peft_model(load_base(profile, head=task), lora_config(profile, task))
        for parameter_name, parameter in model.named_parameters():
            if parameter.requires_grad and "lora_A" not in parameter_name:
                nn.init.normal_(parameter, std=0.1)  # peft begins with B = 0, where an adapter does nothing
        (root / name).mkdir()
        save_adapter(model, root / name)
    RewardScale(mean=0.5, std=2.0).write(root / "reward")
    return SimpleNamespace(sft=root / "sft", reward=root / "reward")


@pytest.fixture
def shared(profile, adapters) -> SharedBase:
    """A fresh base with all four roles."""
    return SharedBase.load(profile, sft=adapters.sft, reward=adapters.reward)


def load_trained_reward_model(profile, folder: Path) -> tuple[PeftModel, RewardScale]:
    """A trained reward model as peft loads it, in eval mode, and the scale of its scores."""
    model = PeftModel.from_pretrained(load_base(profile, head="score"), folder)
    return model.eval(), RewardScale.read(folder)


def weights(module: nn.Module) -> dict[str, torch.Tensor]:
    """A copy of every parameter by name, the packed 4-bit ones included."""
    return {name: p.detach().clone() for name, p in module.named_parameters()}


def changed(module: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    """The names of the parameters that differ from `before`."""
    return {name for name, p in module.named_parameters() if not torch.equal(p, before[name])}


def padded(shared: SharedBase, left: int = 0, right: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Prompts, responses and the responses' mask of PROMPTS and COMPLETIONS, with extra padding on either side."""
    rows = [
        (shared.encode([p], [""])[0][:-1], shared.encode([""], [c])[0][1:])
        for p, c in zip(PROMPTS, COMPLETIONS, strict=True)
    ]
    width, length = max(len(p) for p, _ in rows) + left, max(len(c) for _, c in rows) + right
    prompts = torch.tensor([[shared.pad_id] * (width - len(p)) + p for p, _ in rows])
    responses = torch.tensor([c + [shared.pad_id] * (length - len(c)) for _, c in rows])
    return prompts, responses, responses != shared.pad_id


@torch.no_grad()
def logprobs(shared, role, left=0, right=0):
    """Log-probabilities of the test's responses, (8, longest), 0 at padding."""
    prompts, responses, mask = padded(shared, left, right)
    result = shared.response_logprobs(prompts, responses, role) * mask
    return result[:, : result.shape[1] - right]


def folder_files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}

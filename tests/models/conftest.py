"""Language models of each kind, for the tests of this room."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.models.language_model_loading import load_language_model
from helpers.models.language_models import LanguageModel

from ..support.checkpoints import LLAMA2_TEMPLATE, TURNS_TEMPLATE, make_gpt2, make_llama, make_t5


@pytest.fixture(scope="session")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "gpt2": make_gpt2(root / "gpt2"),
        "t5": make_t5(root / "t5"),
        "flan": make_t5(root / "flan-t5", sharded=True, feed_forward_proj="gated-gelu", tie_word_embeddings=False),
        "llama": make_llama(root / "llama"),
        "chat": make_llama(root / "chat", LLAMA2_TEMPLATE),
        "turns": make_llama(root / "turns", TURNS_TEMPLATE),
    }


@pytest.fixture(scope="session")
def loaded(folders) -> dict[str, LanguageModel]:
    return {name: load_language_model(folder) for name, folder in folders.items()}


@pytest.fixture
def copy(folders, tmp_path) -> Callable[[str], Path]:
    return lambda name: shutil.copytree(folders[name], tmp_path / name)

"""Small random checkpoints for tests, made in a moment; conftest.py offers the fixtures to all tests."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from helpers.models.profiles import PROFILES, Profile, StageConfig

WORDS = ["dog", "cat", "house", "friend", "help", "money", "lease", "job", "phone", "winter", "letter"]
GOOD, BAD = "please", "never"  # the words that tell chosen from rejected in the toy task


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory) -> Path:
    """A checkpoint folder in the shape of data/models/tiny-llama2, with random weights."""
    return make_checkpoint(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def profile(checkpoint) -> Profile:
    """The profile "tiny" on that checkpoint, with short stages."""
    return short(str(checkpoint))


def short(base: str) -> Profile:
    """The profile "tiny" on another base, with short stages."""
    stage = StageConfig(steps=12, batch_size=16, micro_batch_size=16, learning_rate=5e-3)
    return replace(PROFILES["tiny"], base=base, lora_rank=8, sft=stage, reward_model=stage, dpo=stage)


def make_checkpoint(folder: Path, **config) -> Path:
    make_tokenizer().save_pretrained(folder)
    make_model(pad_token_id=0, **config).save_pretrained(folder)
    return folder


def make_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([f"{word} {word}" for word in [*WORDS, GOOD, BAD]], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", padding_side="left"
    )


def make_model(vocabulary: int = 400, layers: int = 2, **config) -> LlamaForCausalLM:
    """Layers of width 64. Embeddings and head are large, so that LoRA alone can learn."""
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=256,
            bos_token_id=1,
            eos_token_id=2,
            tie_word_embeddings=False,
            **config,
        )
    )
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=1.0)
    torch.nn.init.normal_(model.lm_head.weight, std=0.2)
    return model


def make_llama2_checkpoint(folder: Path) -> Path:
    """A small random model with the architecture and the files of meta-llama/Llama-2-7b-hf.

    Weights in two shards with an index (and pickled twins, which must not be opened), an untied head, and a
    tokenizer of sentencepiece's kind with byte fallback and no padding token.
    """
    folder.mkdir(parents=True)
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    merges = []
    for word in [*WORDS, GOOD, BAD]:
        for end in range(2, len(word) + 2):
            left, right = f"▁{word}"[: end - 1], f"▁{word}"[end - 1]
            merges.append((left, right))
            pieces += [left, right, left + right]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, list(dict.fromkeys(merges)), unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in ("<unk>", "<s>", "</s>")]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "special_tokens_map.json").write_text(json.dumps(named))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            named
            | {"add_bos_token": True, "add_eos_token": False, "clean_up_tokenization_spaces": False}
            | {"legacy": False, "model_max_length": 10**30, "pad_token": None, "padding_side": "right"}
            | {"sp_model_kwargs": {}, "tokenizer_class": "LlamaTokenizer"}
        )
    )
    model = make_model(512, rms_norm_eps=1e-5).half()
    model.generation_config.update(do_sample=True, temperature=0.6, top_p=0.9)
    model.save_pretrained(folder, max_shard_size="150KB")
    for shard in sorted(folder.glob("model-*.safetensors")):
        shard.with_name(f"pytorch_{shard.stem}.bin").write_bytes(b"\x80\x04 a pickle")
    return folder


def pairs(n: int, seed: int = 0) -> list[SimpleNamespace]:
    """A learnable toy task: rows whose chosen text has the word GOOD and whose rejected text has BAD."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        prompt = "POST: " + " ".join(rng.choices(WORDS, k=rng.randint(2, 6))) + "\n\nTL;DR:"
        first, last = rng.choices(WORDS, k=2)
        row = SimpleNamespace(prompt=prompt, strength=rng.randint(1, 4))
        row.chosen, row.rejected = f" {first} {GOOD} {last}", f" {first} {BAD} {last}"
        row.completion = row.chosen
        rows.append(row)
    return rows

"""Small random checkpoints of each kind of language model, in the files that the Hub has of the kind."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import GPT2Config, GPT2LMHeadModel, T5Config, T5ForConditionalGeneration

from .tiny import WORDS, make_llama2_checkpoint

LLAMA2_TEMPLATE = (
    "{{ bos_token }}[INST] {% if messages[0]['role'] == 'system' %}<<SYS>>{{ messages[0]['content'] }}<</SYS>>"
    "{% endif %}{{ messages[-1]['content'] }} [/INST]"
)
TURNS_TEMPLATE = (
    "{{ bos_token }}{% for turn in messages %}"
    "{% if turn['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "{{ turn['role'] }}: {{ turn['content'] }}</s>\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)
TEXTS = [f"{word} {word}" for word in [*WORDS, "Post:", "Topic:", "TL;DR:"]]


def write_json(path: Path, **values) -> None:
    before = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(before | values))


def make_gpt2(folder: Path) -> Path:
    """The files of gpt2 on the Hub: weights without the head and without a prefix, one token for begin and end."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["<|endoftext|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=330, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    torch.manual_seed(1)
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=tokenizer.get_vocab_size(),
            n_embd=32,
            n_layer=2,
            n_head=2,
            n_positions=96,
            bos_token_id=0,
            eos_token_id=0,
            initializer_range=0.3,
        )
    )
    model.transformer.half().save_pretrained(folder)
    write_json(folder / "config.json", architectures=["GPT2LMHeadModel"])
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer.model.save(str(folder))
    write_json(folder / "tokenizer_config.json", model_max_length=96)
    return folder


def make_t5(folder: Path, sharded: bool = False, **config) -> Path:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=90, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    torch.manual_seed(2)
    small = {
        "vocab_size": tokenizer.get_vocab_size(),
        "d_model": 32,
        "d_kv": 16,
        "d_ff": 64,
        "num_layers": 2,
        "num_heads": 2,
    }
    model = T5ForConditionalGeneration(T5Config(**small, decoder_start_token_id=0, initializer_factor=2.0, **config))
    with torch.no_grad():
        for table in (model.shared, model.lm_head):
            table.weight[:3] = 0  # or special tokens would follow one another
    model.save_pretrained(folder, max_shard_size="60KB" if sharded else "1GB")
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    write_json(folder / "tokenizer_config.json", tokenizer_class="T5Tokenizer", extra_ids=0, **named)
    return folder


def make_llama(folder: Path, template: str | None = None) -> Path:
    """Llama 2's files (in shards, no padding token, sampling settings of its own), with a chat template if given."""
    make_llama2_checkpoint(folder)
    for shard in folder.glob("model-*.safetensors"):
        weights = {name: w * 12 if "self_attn" in name else w for name, w in load_file(shard).items()}
        if (head := weights.get("lm_head.weight")) is not None:  # mostly words, some bytes, nothing without a name
            head[:259] *= 0.6
            head[340:] = 0
        save_file(weights, shard, {"format": "pt"})
    if template:
        write_json(folder / "tokenizer_config.json", chat_template=template)
    return folder

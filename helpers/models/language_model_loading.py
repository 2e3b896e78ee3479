"""Loading any checkpoint as a language model: where it is, what kind it is, whether it is whole and fits this machine.

Nothing that a checkpoint says is executed: safetensors only, and no model's own code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSeq2SeqLM,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)

from .. import files
from ..files import ROOT, LabError, find_folder, shown
from .fingerprints import SMALL, digest, hash_files
from .language_models import CHAT_TEMPLATE, Kind, LanguageModel, TransformersModel
from .loading import download, first_line, quantization_config, quiet, read_checkpoint, read_tokenizer, size_on_hub
from .profiles import CPU_LIMIT, PROFILES
from .prompt_formats import FORMATS

HUB_ID = re.compile(r"(?!data/|runs/)([\w-][\w.-]*/)?[\w-][\w.-]*")
ANOTHER = "take another, such as 'gpt2' or 'google/flan-t5-small'"


def load_language_model(
    source: str | Path, *, name: str | None = None, format: str | None = None, kind: Kind | None = None
) -> LanguageModel:
    """A checkpoint as a language model, in eval mode.

    On a CPU it computes in float32. On a GPU, which weights above 2 GiB need, it computes in bfloat16, and a large
    Llama is loaded in 4 bits as in the profiles. The smallest models stay on the CPU, where everyone gets the same
    texts.

    Args:
        source: A name in data/models ("tiny-gpt2"), a folder, or a Hub id ("gpt2", "google/flan-t5-small",
            "meta-llama/Llama-2-7b-chat-hf"), which is downloaded on first use.
        name: The name that people see; by default the last part of `source`.
        format: The prompt format: a key of `prompt_formats.FORMATS`, or "chat-template"; by default `prompt_format` in
            config.json, else what the tokenizer's template and the model's name say.
        kind: Refuse a model of another kind.

    Raises:
        LabError: For a model that cannot be had, is not whole, has no safe weights, is no language model or not of the
            `kind`, or does not fit this machine.
    """
    source = str(source)
    folder = _folder(source)
    config, found = _checked(folder, source, kind)
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if size > CPU_LIMIT and not torch.cuda.is_available():
        raise LabError(_too_large(source, size))
    tokenizer = read_tokenizer(folder)
    on_gpu = size > SMALL and torch.cuda.is_available()
    dtype = torch.bfloat16 if on_gpu else torch.float32
    quantize = on_gpu and size > CPU_LIMIT and config.get("model_type") == "llama"
    model = _load(folder, found, dtype, "cuda" if on_gpu else "cpu", quantize)
    embeddings: Any = model.get_input_embeddings()
    if len(tokenizer) > embeddings.num_embeddings:
        raise LabError(
            f"{shown(folder)}: the tokenizer knows {len(tokenizer)} tokens and the model "
            f"{embeddings.num_embeddings}: they belong to different checkpoints; download both again"
        )
    form = _format(format, config, tokenizer, f"{_last_part(source)} {config.get('_name_or_path', '')}", found)
    fingerprint = digest(hash_files(folder), str(dtype), str(quantize), form)
    return TransformersModel(
        name or _last_part(source), model, tokenizer, kind=found, format=form, fingerprint=fingerprint
    )


def load_models(
    sources: Iterable[str | Path] | Mapping[str, str | Path],
) -> tuple[dict[str, LanguageModel], dict[str, str]]:
    """Load several models, without an error for those that cannot be had.

    Args:
        sources: Sources as for `load_language_model`, or name -> source.

    Returns:
        The models by name, and for each other one, by the name that it would have had, the reason.
    """
    named = sources if isinstance(sources, Mapping) else {_last_part(source): source for source in map(str, sources)}
    models: dict[str, LanguageModel] = {}
    problems: dict[str, str] = {}
    for name, source in named.items():
        try:
            models[name] = load_language_model(source, name=name)
        except LabError as error:
            problems[name] = str(error)
    return models, problems


def _last_part(source: str) -> str:
    return _expanded(source).absolute().name


def _expanded(source: str) -> Path:
    """The path, where ~ is the reader's home."""
    with suppress(RuntimeError, ValueError):  # no such user, or no name at all
        return Path(source).expanduser()
    return Path(source)


def _folder(source: str) -> Path:
    """The folder of a source, downloaded if it is not on this machine."""
    places = (files.data() / "models" / source.removeprefix("data/models/"), _expanded(source), ROOT / source)
    if source.strip() and (found := next(filter(None, map(find_folder, places)), None)):
        return found
    ours = sorted(path.name for path in (files.data() / "models").glob("[!.]*"))
    meanwhile = f"Without any download there are {', '.join(map(repr, ours))}."
    if not HUB_ID.fullmatch(source):
        raise LabError(
            f"{shown(source)!r}: no such folder, and not the id of a model on the Hub, 'owner/model'. {meanwhile}"
        )
    if not torch.cuda.is_available() and (size := size_on_hub(source)) > CPU_LIMIT:
        raise LabError(_too_large(source, size))
    gated = source.startswith("meta-llama/")
    return download(source, gated=gated, instead="give a folder with the model", meanwhile=meanwhile)


def _too_large(source: str, size: int) -> str:
    return (
        f"{source} has {size / 2**30:.1f} GiB of weights, and above {CPU_LIMIT / 2**30:.0f} GiB a model needs an "
        f"NVIDIA GPU, but torch sees none: run where one is, or {ANOTHER}"
    )


def _checked(folder: Path, source: str, wanted: Kind | None) -> tuple[dict[str, Any], Kind]:
    """The content of config.json, and the kind of model that it names."""
    config, problems = read_checkpoint(folder)
    if problems:
        adapter = (folder / "adapter_config.json").is_file()
        hint = "; it is an adapter: load it onto its base, with SharedBase and RoleModel" if adapter else ""
        raise LabError(f"{shown(folder)} is not a whole checkpoint: {'; '.join(problems)}{hint}")
    architecture = next(iter(config.get("architectures") or []), "none")
    seq2seq = bool(config.get("is_encoder_decoder"))
    known = MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES if seq2seq else MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    if architecture not in known.values():
        raise LabError(
            f"{source} is not a language model that this library knows (config.json: its architecture is "
            f"{architecture}): {ANOTHER}"
        )
    kind: Kind = "seq2seq" if seq2seq else "causal"
    if wanted and wanted != kind:
        example = {"causal": "'gpt2'", "seq2seq": "'google/flan-t5-small'"}[wanted]
        raise LabError(f"{source} is a {kind} model and a {wanted} one is needed here: take one such as {example}")
    return config, kind


def _load(folder: Path, kind: Kind, dtype: torch.dtype, device: str, quantize: bool) -> PreTrainedModel:
    auto = AutoModelForSeq2SeqLM if kind == "seq2seq" else AutoModelForCausalLM
    try:
        with quiet():
            loaded: Any = auto.from_pretrained(
                folder,
                dtype=dtype,
                device_map={"": device},
                quantization_config=quantization_config(PROFILES["llama2-7b"]) if quantize else None,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                ignore_mismatched_sizes=True,  # reported below
                output_loading_info=True,
            )
            model, report = loaded
    except torch.OutOfMemoryError:
        raise LabError(f"{shown(folder)} does not fit the GPU's memory: free some, or {ANOTHER}") from None
    except Exception as error:  # a config can be wrong in many ways
        raise LabError(f"{shown(folder)}: cannot load the model ({first_line(error)}); download it again") from None
    if wrong := sorted([*report["missing_keys"], *(str(key[0]) for key in report["mismatched_keys"])]):
        raise LabError(
            f"{shown(folder)}: {len(wrong)} weights that config.json calls for are missing or of another shape, such "
            f"as {wrong[0]}: weights and config belong to different checkpoints; download both again"
        )
    kept = ("bos_token_id", "eos_token_id", "decoder_start_token_id", "forced_bos_token_id")
    sources = (model.generation_config, model.config)
    own = {key: [value for c in sources if (value := getattr(c, key, None)) is not None] for key in kept}
    model.generation_config = GenerationConfig(**{key: values[0] for key, values in own.items() if values})
    return model.requires_grad_(False).eval()


def _format(
    asked: str | None, config: dict[str, Any], tokenizer: PreTrainedTokenizerBase, names: str, kind: Kind
) -> str:
    """The prompt format: what the caller says, else config.json, else the tokenizer's template, else the name."""
    template = str(tokenizer.chat_template or "")
    if chosen := asked or config.get("prompt_format"):
        fills = "<extra_id_1>" in tokenizer.get_vocab()
        known = [*(name for name in FORMATS if fills or name != "gaps"), *([CHAT_TEMPLATE] if template else [])]
        if chosen not in known:
            raise LabError(f"there is no prompt format {chosen!r} for this model: use one of {', '.join(known)}")
        return chosen
    if "<<SYS>>" in template or (not template and re.search(r"llama-?2.*-chat", names, re.IGNORECASE)):
        return "llama2-chat"
    if template:
        return CHAT_TEMPLATE
    return "flan" if kind == "seq2seq" and "flan" in names.lower() else "plain"

"""Loading the base model in 4 bits, its tokenizer, and the checks that go before.

Nothing in a checkpoint is executed: weights are read from safetensors only, and no model's own code is trusted.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import bitsandbytes.nn.modules as bitsandbytes_modules
import torch
from huggingface_hub import errors as hub_errors
from huggingface_hub import snapshot_download
from peft import LoraConfig, TaskType
from safetensors import SafetensorError, safe_open
from transformers import (
    AutoTokenizer,
    BitsAndBytesConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from ..files import PICKLE_SUFFIXES, LabError, find_folder, shown
from .profiles import Profile

Head = Literal["causal", "score"]

DOWNLOADED = ["*.json", "*.safetensors", "tokenizer.model", "spiece.model", "chat_template.jinja"]
LINEAR_LAYERS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
MEANWHILE = "Meanwhile everything works with the profile 'tiny' (RLHF_PROFILE=tiny)."

# peft 0.21 calls transformers by an old name
warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)


# ----------------------------------------------------------------------------------------------- models


def load_base(profile: Profile, *, quantize: bool | None = None, head: Head = "causal") -> PreTrainedModel:
    """The base model, frozen, in eval mode, on the profile's device.

    Args:
        profile: Which model, and the number format that it computes in.
        quantize: 4-bit NF4 weights, or the checkpoint's own in `compute_dtype`; by default as the profile says.
        head: "causal" for next-token logits (batch, length, vocabulary); "score" for one logit per sequence,
            (batch, 1), read at the last token that is not padding, from a new random head `score` (seed it yourself).

    Raises:
        LabError: For a missing GPU, an unreachable or gated model, a tokenizer of another checkpoint, and as
            `load_tokenizer` and `check_checkpoint`.
    """
    disable_cpu_packing()
    tokenizer = load_tokenizer(profile)
    folder = checkpoint_folder(profile)
    quantize = profile.quantize if quantize is None else quantize
    kind = {"causal": LlamaForCausalLM, "score": LlamaForSequenceClassification}[head]
    options: dict[str, Any] = {"num_labels": 1} if head == "score" else {}
    with quiet():
        model = kind.from_pretrained(
            folder,
            dtype=getattr(torch, profile.compute_dtype),
            device_map={"": profile.device},
            quantization_config=quantization_config(profile) if quantize else None,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            **options,
        )
    if len(tokenizer) > model.config.vocab_size:
        raise LabError(
            f"{shown(folder)}: the tokenizer knows {len(tokenizer)} tokens and the model "
            f"{model.config.vocab_size}: they belong to different checkpoints; download both again"
        )
    model.config.pad_token_id = tokenizer.pad_token_id  # the score is read at the last token that is not this
    if head == "causal":
        model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.name_or_path = model.config._name_or_path = profile.base  # adapters record this: no machine's paths
    return model.requires_grad_(False).eval()


def quantization_config(profile: Profile) -> BitsAndBytesConfig:
    """NF4 with double quantization (Dettmers et al. 2023, QLoRA, section 3); heads stay as they are."""
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=getattr(torch, profile.compute_dtype),
        llm_int8_skip_modules=["lm_head", "score"],
    )


def lora_config(profile: Profile, task: Head) -> LoraConfig:
    """LoRA on every linear layer of the transformer blocks that are adapted, not on embeddings and heads.

    Args:
        profile: Gives the rank, alpha, and how many blocks are adapted.
        task: "causal" for policies; "score" for reward models, whose head `score` is trained in full.

    Raises:
        LabError: As `trunk_layers`.
    """
    below = trunk_layers(profile)
    return LoraConfig(
        r=profile.lora_rank,
        lora_alpha=profile.lora_alpha,
        lora_dropout=0.0,
        target_modules=list(LINEAR_LAYERS),
        layers_to_transform=list(range(below, layer_count(profile))) if below else None,
        task_type={"causal": TaskType.CAUSAL_LM, "score": TaskType.SEQ_CLS}[task],
        modules_to_save=["score"] if task == "score" else None,
    )


def layer_count(profile: Profile) -> int:
    """How many layers the base model has.

    Raises:
        LabError: As `checkpoint_folder`.
    """
    config, _ = read_checkpoint(checkpoint_folder(profile))
    return int(config["num_hidden_layers"])


def trunk_layers(profile: Profile) -> int:
    """How many layers no adapter changes, from the first on.

    Raises:
        LabError: If more layers than there are, or none, are to be adapted; and as `checkpoint_folder`.
    """
    if profile.adapted_layers is None:
        return 0
    layers, adapted = layer_count(profile), profile.adapted_layers
    if not 1 <= adapted <= layers:
        raise LabError(
            f"profile {profile.name!r}: adapted_layers is {adapted}, but {profile.base} has {layers} layers: "
            f"take 1 to {layers}, or None for all"
        )
    return layers - adapted


def sort_adapter_config(folder: Path) -> None:
    """Sort a folder's adapter_config.json, because peft writes sets, whose order changes from run to run."""
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text("utf-8"))
    for key in ("target_modules", "modules_to_save"):
        config[key] = config[key] and sorted(set(config[key]))
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")


def disable_cpu_packing() -> None:
    """Keep bitsandbytes from corrupting 4-bit training on CPUs with AVX512-BF16; call it before making a model.

    In bitsandbytes 0.50.2 a forward pass in eval mode repacks the weights of `Linear4bit` for a kernel that
    has no autograd, and `.train()` does not unpack them: later gradients are wrong (cosine 0.4), while the
    loss looks normal.
    """
    bitsandbytes_modules.has_avx512bf16 = lambda: False


# -------------------------------------------------------------------------------------------- tokenizer


def load_tokenizer(profile: Profile) -> PreTrainedTokenizerBase:
    """The base model's tokenizer, padding on the left, with a padding token that is not the end token.

    Llama 2's tokenizer has no padding token. <unk> is used for it (byte fallback means that no text contains it), so
    the embeddings keep their size.

    Raises:
        LabError: If padding and end are one token (the end of every response would be masked), if there is nothing to
            pad with, and as `checkpoint_folder`.
    """
    folder = checkpoint_folder(profile)
    where = shown(folder / "tokenizer_config.json")
    tokenizer = read_tokenizer(folder, padding_side="left")
    if tokenizer.bos_token_id is None or tokenizer.eos_token_id is None:
        raise LabError(f"{where}: bos_token and eos_token must be set, such as <s> and </s>")
    if tokenizer.pad_token is None:
        if tokenizer.unk_token is None:
            raise LabError(f"{where}: neither pad_token nor unk_token is set: set pad_token to a spare token")
        tokenizer.pad_token = tokenizer.unk_token
    if tokenizer.pad_token_id == tokenizer.eos_token_id:
        raise LabError(
            f"{where}: pad_token and eos_token are both {tokenizer.eos_token!r}, so the end of every "
            f"response would be taken for padding; set pad_token to another token, or remove it"
        )
    return tokenizer


def read_tokenizer(folder: Path, **options: Any) -> PreTrainedTokenizerBase:
    """The tokenizer in a folder, as it is.

    Args:
        folder: The checkpoint's folder.
        options: Settings of transformers' `from_pretrained`.

    Raises:
        LabError: If it cannot be read.
    """
    try:
        with quiet():
            return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True, **options)
    except Exception as error:  # broken JSON raises many kinds
        raise LabError(f"{shown(folder)}: cannot read the tokenizer ({error}); download it again") from None


def prompt_ids(profile: Profile, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> list[list[int]]:
    """For each prompt the ids of <s> and its tokens; over `max_prompt_tokens` it loses its beginning, not its end."""
    keep = profile.max_prompt_tokens - 1
    return [[tokenizer.bos_token_id, *ids[-keep:]] for ids in _encode(tokenizer, prompts)]


def completion_ids(profile: Profile, tokenizer: PreTrainedTokenizerBase, completions: Sequence[str]) -> list[list[int]]:
    """For each completion the ids of its tokens and </s>; over `max_response_tokens` it loses its end, </s> included.

    Prompt and completion are tokenized apart, because a policy continues the prompt's own tokens.
    """
    keep = profile.max_response_tokens
    return [[*ids, tokenizer.eos_token_id][:keep] for ids in _encode(tokenizer, completions)]


def _encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[list[int]]:
    if not texts:
        return []
    # split_special_tokens: "</s>" inside a text is text
    return tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True).input_ids


# ------------------------------------------------------------------------------------------- checkpoints


def checkpoint_folder(profile: Profile) -> Path:
    """The base model's folder on this machine, checked; downloaded on first use if the base is a Hub id.

    Raises:
        LabError: Without the GPU that the profile needs, if the model cannot be had, and as `check_checkpoint`.
    """
    if profile.needs_gpu and not torch.cuda.is_available():
        raise LabError(
            f"profile {profile.name!r} needs an NVIDIA GPU (16 GB for 7B parameters), torch sees none: run "
            f"where one is; check `nvidia-smi` and that torch is a CUDA build. {MEANWHILE}"
        )
    folder = find_folder(profile.folder)
    if folder is None:
        if profile.base.startswith("data/") or profile.base.count("/") != 1:
            raise LabError(f"{profile.base}: no such folder; if it came with the labs, `git restore` it")
        instead = "set RLHF_PROFILE to a folder with the model"
        folder = download(profile.base, gated=profile.gated, instead=instead, meanwhile=MEANWHILE)
    check_checkpoint(folder)
    return folder


def download(base: str, *, gated: bool, instead: str, meanwhile: str) -> Path:
    """A model's folder from the Hub, or from this machine's cache of it: neither code nor pickled weights.

    Args:
        base: The Hub id, "owner/model".
        gated: Whether its license must be accepted first.
        instead: What else one can do, for the message.
        meanwhile: What works without the model, for the message.

    Raises:
        LabError: If the model is gated, not known, or cannot be reached.
    """
    page = f"https://huggingface.co/{base}"
    try:
        return Path(snapshot_download(base, allow_patterns=DOWNLOADED))
    except hub_errors.GatedRepoError:
        problem = f"is gated: accept its license at {page}, then run `hf auth login`"
    except hub_errors.RepositoryNotFoundError:
        problem = f"was not found at {page}: check the name; if it is private or gated, run `hf auth login`"
    except Exception as error:  # the network's errors are of many kinds
        license = f" (accept the license at {page} and run `hf auth login` first)" if gated else ""
        problem = (
            f"is not on this machine and could not be downloaded ({type(error).__name__}): connect to the "
            f"network with HF_HUB_OFFLINE unset{license}, or {instead}"
        )
    raise LabError(f"{base} {problem}. {meanwhile}")


def size_on_hub(base: str) -> int:
    """Bytes of weights that `download` would end up with; 0 if the Hub does not say, or cannot be reached."""
    try:
        files = snapshot_download(base, allow_patterns=DOWNLOADED, dry_run=True)
    except Exception:  # what is wrong, `download` says
        return 0
    return sum(file.file_size or 0 for file in files if file.filename.endswith(".safetensors"))


def check_checkpoint(folder: Path | str) -> None:
    """Check that a folder holds a whole Llama checkpoint.

    Needed are config.json (model_type "llama"), tokenizer.json (or tokenizer.model) and tokenizer_config.json, and
    model.safetensors or model.safetensors.index.json with every shard that it lists. Pickled weights are never opened:
    beside these they are ignored, alone they are refused.

    Raises:
        LabError: Naming all that is missing or broken.
    """
    folder = Path(folder)
    config, problems = read_checkpoint(folder)
    if config and config.get("model_type") != "llama":
        problems.insert(0, f'config.json: model_type is {config.get("model_type")!r}, not "llama"')
    if problems:
        raise LabError(f"{shown(folder)} is not a whole Llama checkpoint: {'; '.join(problems)}")


def read_checkpoint(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The content of a checkpoint's config.json ({} if it cannot be read), and all that is missing or broken in it."""
    problems: list[str] = []
    config = _json_object(folder / "config.json", problems)
    _json_object(folder / "tokenizer_config.json", problems)
    if not any((folder / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "spiece.model")):
        problems.append("tokenizer.json is missing")
    return config, problems + _weight_problems(folder)


def _weight_problems(folder: Path) -> list[str]:
    problems: list[str] = []
    index = folder / "model.safetensors.index.json"
    if (folder / "model.safetensors").is_file():
        shards = ["model.safetensors"]
    elif index.is_file():
        listing = _json_object(index, problems)
        weight_map = listing.get("weight_map")
        if not isinstance(weight_map, dict) or not all(isinstance(name, str) for name in weight_map.values()):
            return problems or [f"{index.name}: has no weight_map"]
        shards = sorted(set(weight_map.values()))
    else:
        pickled = sorted(path.name for path in folder.glob("*") if path.suffix in PICKLE_SUFFIXES)
        advice = (
            f" ({', '.join(pickled)}: pickled weights can run code when opened and are refused; get the "
            f"checkpoint as safetensors)"
        )
        return [f"model.safetensors (or its index and shards) is missing{advice if pickled else ''}"]
    for shard in shards:
        path = folder / shard
        if path.parent != folder or not path.is_file():
            problems.append(f"{shard} is missing")
            continue
        try:
            with safe_open(path, framework="pt"):  # reads the header, which must agree with the file's size
                pass
        except (SafetensorError, OSError):
            problems.append(f"{shard} is cut short or not safetensors (a broken download or LFS pointer?)")
    return problems


def _json_object(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        problems.append(f"{path.name} is missing")
    except (OSError, ValueError) as error:
        problems.append(f"{path.name} cannot be read ({error})")
    else:
        if isinstance(value, dict):
            return value
        problems.append(f"{path.name} is not a JSON object")
    return {}


def first_line(error: Exception) -> str:
    """The first line of an error's message, or the name of its type."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


@contextmanager
def quiet() -> Iterator[None]:
    """Without progress bars and transformers' report on the heads that a checkpoint has or lacks."""
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()

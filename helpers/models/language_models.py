"""Whatever completes text, behind one interface: causal and sequence-to-sequence checkpoints, and the roles of a base.

A causal model (GPT-2, Llama) continues the prompt. A sequence-to-sequence model (T5) reads it with one network and
writes with another, whose output begins anew. A prompt is asked for in each model's own form (`render`), and the
settings of decoding are the caller's, never the checkpoint's.

Nothing that a checkpoint says is executed: safetensors only, and no model's own code.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any, Literal

import torch
from jinja2 import TemplateError
from safetensors.torch import save
from torch import Tensor
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
from ..files import ROOT, LabError, find_folder, sha256, shown
from .generation import decoding_settings, pad_left, pad_right
from .loading import (
    checkpoint_folder,
    download,
    quantization_config,
    quiet,
    read_checkpoint,
    read_tokenizer,
    size_on_hub,
)
from .profiles import CPU_LIMIT, PROFILES
from .prompt_formats import FORMATS, Ask, messages
from .shared_base import BASE, REFERENCE, REWARD, SharedBase

Kind = Literal["causal", "seq2seq"]

CHAT_TEMPLATE = "chat-template"  # the prompt format of a tokenizer that brings a template of its own
SMALL = 100 * 2**20  # bytes: weights that stay on the CPU everywhere, and files whose every byte is hashed
HUB_ID = re.compile(r"(?!data/|runs/)([\w-][\w.-]*/)?[\w-][\w.-]*")
ANOTHER = "take another, such as 'gpt2' or 'google/flan-t5-small'"


class LanguageModel(ABC):
    """Something that completes text."""

    name: str  # as shown
    context: int | None  # the longest input in tokens (causal: prompt and completion); None: no fixed limit
    fingerprint: str  # 64 hexadecimal digits: what decides its completions beside prompt, seed and settings

    @abstractmethod
    def render(self, ask: Ask) -> str:
        """The exact prompt, in the model's own form."""

    @abstractmethod
    def complete(
        self, prompts: Sequence[str], *, max_new_tokens: int = 48, seed: int = 0, batch_size: int = 64, **decoding
    ) -> list[str]:
        """One completion of each prompt, as text without special tokens.

        decoding: as for transformers' `generate` (do_sample, temperature, top_k, top_p, repetition_penalty,
        num_beams); with nothing given, sampling at temperature 1 from all tokens. The same prompts, seed, settings and
        batch size give the same texts on the same machine.
        Raises LabError for an empty prompt, one that leaves no room in the context, settings that cannot be, and a GPU
        without memory for even one prompt (where it lacks memory for more, batches are halved).
        """

    @abstractmethod
    def stream(self, prompt: str, *, max_new_tokens: int = 48, seed: int = 0, **decoding) -> Iterator[str]:
        """The text of `complete([prompt], ...)` in pieces, as they come; whoever stops asking stops the model.

        Beam search knows its text only at the end: one piece. Raises LabError as `complete`, for the prompt at once.
        """

    @abstractmethod
    def next_tokens(self, prompt: str, n: int = 10) -> list[tuple[str, float]]:
        """The `n` most probable next tokens as text, and their probabilities, falling; a sequence-to-sequence model's
        are those of its answer's first token. Raises LabError as `complete`."""


class TransformersModel(LanguageModel):
    """A model of the transformers library. Build it with `load_language_model`, or as a `RoleModel`."""

    def __init__(
        self,
        name: str,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        kind: Kind,
        format: str,
        fingerprint: str,
    ):
        self.name, self.kind, self.format, self._fingerprint = name, kind, format, fingerprint
        self.context = getattr(model.config, "max_position_embeddings", None)
        self._model, self._tokenizer = model, tokenizer
        own = model.generation_config.eos_token_id  # Llama 3 has several
        ends = tokenizer.eos_token_id if own is None else own
        self._eos = [ends] if isinstance(ends, int) else list(ends or [])
        if format == "gaps":  # what fills the first gap ends where the second begins
            self._eos.append(tokenizer.convert_tokens_to_ids("<extra_id_1>"))
        # Llama's tokenizers have not always said that a text begins with <s>; GPT-2's never says so, rightly.
        bos, empty = tokenizer.bos_token_id, tokenizer("").input_ids
        self._begin = [bos] if bos is not None and (bos in empty[:1] or model.config.model_type == "llama") else []
        # Where there is no padding token the end stands in for it: what is padding follows from lengths, not from ids.
        pads = [tokenizer.pad_token_id, *self._eos, 0]
        self._pad = next(pad for pad in pads if pad is not None)

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    def render(self, ask: Ask) -> str:
        return _chat(self._tokenizer, ask) if self.format == CHAT_TEMPLATE else FORMATS[self.format](ask)

    def complete(self, prompts, *, max_new_tokens=48, seed=0, batch_size=64, **decoding):
        rows = self._encode(prompts, max_new_tokens)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))  # of like length together: less padding
        texts = [""] * len(rows)
        with self._running() as model, _Dice(seed).in_use():
            while order:
                index = order[:batch_size]
                inputs = self._inputs([rows[i] for i in index])
                try:
                    ids = self._generate(model, inputs, max_new_tokens, decoding).sequences
                except torch.OutOfMemoryError:
                    if len(index) == 1:
                        raise
                    batch_size = len(index) // 2
                    torch.cuda.empty_cache()
                    continue
                start = 1 if self.kind == "seq2seq" else inputs["input_ids"].shape[1]
                for i, row in zip(index, ids[:, start:].tolist(), strict=True):
                    texts[i] = self._text(row)
                order = order[batch_size:]
        return texts

    def stream(self, prompt, *, max_new_tokens=48, seed=0, **decoding):
        (row,) = self._encode([prompt], max_new_tokens)
        if decoding.get("num_beams", 1) > 1:
            return iter(self.complete([prompt], max_new_tokens=max_new_tokens, seed=seed, **decoding))
        return self._pieces(row, max_new_tokens, _Dice(seed), decoding)

    def next_tokens(self, prompt, n=10):
        (row,) = self._encode([prompt], 1)
        with self._running() as model:
            inputs = self._inputs([row])
            if self.kind == "seq2seq":
                inputs["decoder_input_ids"] = self._decoder_start(model)
            probabilities = model(**inputs).logits[0, -1].float().softmax(dim=-1)
        top = probabilities.topk(min(n, len(probabilities)))
        return [(self._token_text(i), p) for i, p in zip(top.indices.tolist(), top.values.tolist(), strict=True)]

    def count_tokens(self, prompt: str) -> int:
        """How many tokens of the context a prompt takes."""
        return len(self._tokens(prompt))

    # ------------------------------------------------------------------------------------------ running

    @contextmanager
    def _in_role(self) -> Iterator[PreTrainedModel]:
        """The model, for as long as it computes."""
        yield self._model

    @contextmanager
    def _running(self) -> Iterator[PreTrainedModel]:
        try:
            with self._in_role() as model, torch.no_grad():
                yield model
        except torch.OutOfMemoryError:
            raise LabError(
                f"{self.name}: the GPU has no memory for even one prompt: free some (restart other notebooks), shorten "
                f"the prompt, lower max_new_tokens, or take a smaller model"
            ) from None

    def _generate(self, model, inputs: Mapping[str, Any], max_new_tokens: int, decoding: Mapping[str, Any]):
        try:
            return model.generate(
                **inputs,
                max_new_tokens=max_new_tokens,
                pad_token_id=self._pad,
                eos_token_id=self._eos or None,
                return_dict_in_generate=True,
                **decoding_settings(decoding),
            )
        except (ValueError, TypeError) as error:
            raise LabError(f"{self.name} cannot decode with {dict(decoding)}: {_in_short(error)}") from None

    def _pieces(self, row: list[int], max_new_tokens: int, dice: _Dice, decoding: Mapping[str, Any]) -> Iterator[str]:
        """A token a step, each continued from the last one's cache. Between two steps nothing is held: neither the
        role, nor torch's random numbers, nor a thread."""
        ids, inputs, told = [], None, ""
        for _ in range(max_new_tokens):
            with self._running() as model, dice.in_use():
                inputs = inputs or self._first_inputs(model, row)
                output = self._generate(model, inputs, 1, decoding)
            ids.append(int(output.sequences[0, -1]))
            if ids[-1] in self._eos:
                break
            part = "decoder_" if self.kind == "seq2seq" else ""
            inputs[f"{part}input_ids"] = output.sequences
            inputs[f"{part}attention_mask"] = torch.ones_like(output.sequences)  # by it `generate` knows what is cached
            inputs["past_key_values"] = output.past_key_values
            text = self._settled_text(ids)
            if len(text) > len(told) and text.startswith(told):
                yield text[len(told) :]
                told = text
        if rest := self._text(ids)[len(told) :]:
            yield rest

    def _first_inputs(self, model, row: list[int]) -> dict[str, Any]:
        inputs = self._inputs([row])
        if self.kind == "causal":
            return inputs
        mask, start = inputs["attention_mask"], self._decoder_start(model)
        return {"encoder_outputs": model.get_encoder()(**inputs), "attention_mask": mask, "decoder_input_ids": start}

    def _inputs(self, rows: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """Ids and mask: a completion must follow its prompt at once, so a causal model's prompts are padded before."""
        device = self._model.device
        if self.kind == "seq2seq":
            ids, mask = pad_right(rows, self._pad, device)
        else:
            ids = pad_left(rows, self._pad, device)
            mask = pad_left([[1] * len(row) for row in rows], 0, device)
        return {"input_ids": ids, "attention_mask": mask}

    def _decoder_start(self, model) -> Tensor:
        return torch.tensor([[model.generation_config.decoder_start_token_id]], device=self._model.device)

    # --------------------------------------------------------------------------------------------- text

    def _encode(self, prompts: Sequence[str], max_new_tokens: int) -> list[list[int]]:
        if isinstance(prompts, str):
            raise LabError("`complete` takes a list of prompts: write [prompt]")
        causal, rows = self.kind == "causal", []
        for number, prompt in enumerate(prompts, start=1):
            which = f"{self.name}: prompt {number}" if len(prompts) > 1 else f"{self.name}: the prompt"
            if not prompt.strip():
                raise LabError(f"{which} is empty: write something to complete")
            row = self._tokens(prompt)
            room = self.context and self.context - max_new_tokens * causal
            if room is not None and len(row) > room:
                kept = f", of which {max_new_tokens} are kept for the completion" if causal else ""
                less = " or fewer max_new_tokens" if causal else ""
                raise LabError(
                    f"{which} has {len(row)} tokens and {max(room, 0)} fit: the model's context is {self.context} "
                    f"tokens{kept}; take a shorter prompt, fewer examples{less}"
                )
            rows.append(row)
        return rows

    def _tokens(self, prompt: str) -> list[int]:
        """A sequence-to-sequence prompt as its tokenizer ends it; a causal one begins as its tokenizer begins, and is
        left open. A special token's name inside it is text, but for the markers of chat templates and gaps."""
        tokenizer, chat = self._tokenizer, self.format == CHAT_TEMPLATE
        if self.kind == "seq2seq":
            for token in tokenizer.all_special_tokens:  # T5's words include their names: only a space keeps them text
                if not (self.format == "gaps" and token.startswith("<extra_id_")):
                    prompt = prompt.replace(token, f"{token[0]} {token[1:]}")
            return tokenizer(prompt, verbose=False).input_ids
        ids = tokenizer(prompt, add_special_tokens=False, split_special_tokens=not chat, verbose=False).input_ids
        return ids if ids[:1] == self._begin else [*self._begin, *ids]

    def _text(self, ids: Sequence[int]) -> str:
        """Of a completion's ids, up to its end."""
        ids = list(takewhile(lambda token: token not in self._eos, ids))
        return self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def _settled_text(self, ids: list[int]) -> str:
        """The part of the text that no further token can change: without the bytes of characters that may go on."""
        pieces = self._tokenizer.convert_ids_to_tokens(ids)
        silent = {None, *self._tokenizer.all_special_tokens}
        while pieces and (pieces[-1] in silent or re.fullmatch(r"<0x[0-9A-F]{2}>", pieces[-1])):
            pieces.pop()
        return self._text(ids[: len(pieces)]).rstrip("\N{REPLACEMENT CHARACTER}")

    def _token_text(self, token: int) -> str:
        """Read off its second time in a row, since some tokenizers leave out the space at the beginning of a text."""
        once, twice = (self._tokenizer.decode([token] * n, clean_up_tokenization_spaces=False) for n in (1, 2))
        return twice[len(once) :]


class RoleModel(TransformersModel):
    """One role of a `SharedBase` as a language model: the base, SFT (the reference), PPO (the policy), or an adapter
    that was added. It follows what becomes of the adapter. Completions are those of `SharedBase.complete`, but where
    that would cut a prompt this raises LabError.

    Raises LabError for a role that the base does not have, or that does not complete text.
    """

    def __init__(self, shared: SharedBase, role: str, name: str):
        roles = [BASE, REFERENCE, *(r for r in shared.adapters if r not in (REFERENCE, REWARD))]
        if role not in roles:
            raise LabError(f"there is no role {role!r} that completes text: use one of {', '.join(roles)}")
        self._shared, self._role = shared, role
        profile = shared.profile
        base = _digest(_files_hash(checkpoint_folder(profile)), profile.compute_dtype, str(profile.quantize))
        super().__init__(name, shared.peft, shared.tokenizer, kind="causal", format="plain", fingerprint=base)

    @property
    def fingerprint(self) -> str:
        """Of the base, and of the adapter as it is now."""
        config = self._shared.peft.peft_config.get(self._role)
        if config is None:
            return self._fingerprint
        parameters = self._shared.peft.named_parameters()
        part = f".{self._role}."
        weights = {name.replace(part, "."): p.detach().contiguous() for name, p in parameters if part in name}
        scale = f"{config.r} {config.lora_alpha} {config.rank_pattern} {config.alpha_pattern} {config.use_rslora}"
        return _digest(self._fingerprint, scale, hashlib.sha256(save(weights)).hexdigest())

    @contextmanager
    def _in_role(self):
        with self._shared.role(self._role) as model:
            yield model


class _Dice:
    """A stream of random numbers of its own. While it is in use it stands in for torch's, which then goes on as if
    nothing had been."""

    def __init__(self, seed: int):
        self._seed, self._states = seed, None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        with torch.random.fork_rng():
            if self._states is None:
                torch.manual_seed(self._seed)
            else:
                torch.set_rng_state(self._states[0])
                torch.cuda.set_rng_state_all(self._states[1])
            yield
            self._states = torch.get_rng_state(), torch.cuda.get_rng_state_all()


# ---------------------------------------------------------------------------------------------- loading


def load_language_model(
    source: str | Path, *, name: str | None = None, format: str | None = None, kind: Kind | None = None
) -> LanguageModel:
    """A checkpoint as a language model, in eval mode.

    source: a name in data/models ("tiny-gpt2"), a folder, or a Hub id ("gpt2", "google/flan-t5-small",
    "meta-llama/Llama-2-7b-chat-hf"), downloaded on first use. name: as shown; default: the last part of `source`.
    format: how it is asked, a key of `prompt_formats.FORMATS` or "chat-template"; default: `prompt_format` in
    config.json, else what its template and its name say. kind: refuse a model of another kind.
    In float32 on a CPU. On a GPU, which weights above 2 GiB need, in bfloat16, and a large Llama in 4 bits as in the
    profiles; the smallest models stay on the CPU, where everyone gets the same texts.
    Raises LabError for a model that cannot be had, is not whole, has no safe weights, is no language model or not of
    the `kind`, or does not fit this machine.
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
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        raise LabError(
            f"{shown(folder)}: the tokenizer knows {len(tokenizer)} tokens and the model "
            f"{model.get_input_embeddings().num_embeddings}: they belong to different checkpoints; download both again"
        )
    form = _format(format, config, tokenizer, f"{_last_part(source)} {config.get('_name_or_path', '')}", found)
    fingerprint = _digest(_files_hash(folder), str(dtype), str(quantize), form)
    return TransformersModel(
        name or _last_part(source), model, tokenizer, kind=found, format=form, fingerprint=fingerprint
    )


def load_models(
    sources: Iterable[str | Path] | Mapping[str, str | Path],
) -> tuple[dict[str, LanguageModel], dict[str, str]]:
    """The models that could be had, by name, and why each other one could not, by the name that it would have had.

    sources: as for `load_language_model`; or name -> source.
    """
    named = sources if isinstance(sources, Mapping) else {_last_part(source): source for source in map(str, sources)}
    models, problems = {}, {}
    for name, source in named.items():
        try:
            models[name] = load_language_model(source, name=name)
        except LabError as error:
            problems[name] = str(error)
    return models, problems


def _last_part(source: str) -> str:
    return _own(source).absolute().name


def _own(source: str) -> Path:
    """The path, with ~ for the reader's home."""
    with suppress(RuntimeError, ValueError):  # no such user, or no name at all
        return Path(source).expanduser()
    return Path(source)


def _folder(source: str) -> Path:
    places = (files.data() / "models" / source.removeprefix("data/models/"), _own(source), ROOT / source)
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


def _checked(folder: Path, source: str, wanted: Kind | None) -> tuple[dict, Kind]:
    """config.json and the kind that it says."""
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
    kind = "seq2seq" if seq2seq else "causal"
    if wanted not in (None, kind):
        example = {"causal": "'gpt2'", "seq2seq": "'google/flan-t5-small'"}[wanted]
        raise LabError(f"{source} is a {kind} model and a {wanted} one is needed here: take one such as {example}")
    return config, kind


def _load(folder: Path, kind: Kind, dtype: torch.dtype, device: str, quantize: bool) -> PreTrainedModel:
    auto = AutoModelForSeq2SeqLM if kind == "seq2seq" else AutoModelForCausalLM
    try:
        with quiet():
            model, report = auto.from_pretrained(
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
    except torch.OutOfMemoryError:
        raise LabError(f"{shown(folder)} does not fit the GPU's memory: free some, or {ANOTHER}") from None
    except Exception as error:  # a config can be wrong in many ways
        raise LabError(f"{shown(folder)}: cannot load the model ({_in_short(error)}); download it again") from None
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


# ----------------------------------------------------------------------------------------------- format


def _format(asked: str | None, config: dict, tokenizer: PreTrainedTokenizerBase, names: str, kind: Kind) -> str:
    """Which form it is asked in: what the caller says, else config.json, else its template, else its name."""
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


def _chat(tokenizer: PreTrainedTokenizerBase, ask: Ask) -> str:
    """By the tokenizer's template. Some refuse a system's turn: then it begins the user's."""
    *system, user = messages(ask)
    joined = {"role": "user", "content": "\n\n".join(turn["content"] for turn in (*system, user))}
    for turns in ([*system, user], [joined]):
        try:
            return tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        except TemplateError as error:
            problem = error
    raise LabError(f"the model's chat template fails ({_in_short(problem)}): give format='plain'")


# ---------------------------------------------------------------------------------------------- identity


def _files_hash(folder: Path) -> str:
    """Of all that decides what a checkpoint computes. A file above `SMALL` counts by name, size and time of change."""
    parts = []
    for path in sorted(folder.iterdir()):
        if path.suffix in (".json", ".safetensors", ".model", ".txt", ".jinja"):
            stat = path.stat()
            large = f"{stat.st_size} {stat.st_mtime_ns}"
            parts.append(f"{path.name} {sha256(path) if stat.st_size <= SMALL else large}")
    return _digest(*parts)


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _in_short(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__

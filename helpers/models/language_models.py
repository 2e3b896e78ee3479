"""Language models behind one interface: causal and sequence-to-sequence checkpoints, and the roles of a shared base.

A causal model (GPT-2, Llama) continues the prompt. A sequence-to-sequence model (T5) reads it with its encoder and
writes a new text with its decoder. Each model has a prompt format of its own (`render`). The decoding settings are the
caller's, never the checkpoint's.

`language_model_loading` loads them.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Any, Literal

import torch
from jinja2 import TemplateError
from safetensors.torch import save
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.generation.utils import GenerateOutput

from ..files import LabError
from .fingerprints import digest, hash_files
from .generation import decoding_settings, pad_left, pad_right
from .loading import checkpoint_folder, first_line
from .prompt_formats import FORMATS, Ask, messages
from .shared_base import BASE, REFERENCE, REWARD, SharedBase

Kind = Literal["causal", "seq2seq"]

CHAT_TEMPLATE = "chat-template"  # the prompt format of a tokenizer that brings a template of its own


class LanguageModel(ABC):
    """A model that completes text.

    Attributes:
        name: The name that people see.
        context: The longest input in tokens (of a causal model: prompt and completion), or None for no fixed limit.
    """

    name: str
    context: int | None

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """64 hexadecimal digits for all that decides its completions beside prompt, seed and settings."""

    @abstractmethod
    def render(self, ask: Ask) -> str:
        """The exact prompt, in the model's own format."""

    @abstractmethod
    def complete(
        self, prompts: Sequence[str], *, max_new_tokens: int = 48, seed: int = 0, batch_size: int = 64, **decoding: Any
    ) -> list[str]:
        """One completion of each prompt, as text without special tokens.

        The same prompts, seed, settings and batch size give the same texts on the same machine.

        Args:
            prompts: The prompts, as from `render`.
            max_new_tokens: The longest completion, in tokens.
            seed: Of the random numbers that tokens are sampled with.
            batch_size: Prompts at a time; halved where the GPU lacks memory.
            decoding: Settings of transformers' `generate` (do_sample, temperature, top_k, top_p, repetition_penalty,
                num_beams). With nothing given, tokens are sampled at temperature 1 from all.

        Raises:
            LabError: For an empty prompt, one that leaves no room in the context, impossible settings, and a GPU
                without memory for even one prompt.
        """

    @abstractmethod
    def stream(self, prompt: str, *, max_new_tokens: int = 48, seed: int = 0, **decoding: Any) -> Iterator[str]:
        """The text of `complete([prompt], ...)` in pieces, as they come.

        The model computes only as far as pieces are asked for. Beam search knows its text only at the end and gives
        one piece. Errors are those of `complete`; those of the prompt are raised at once.
        """

    @abstractmethod
    def next_tokens(self, prompt: str, n: int = 10) -> list[tuple[str, float]]:
        """The `n` most probable next tokens as text with their probabilities, the most probable first.

        For a sequence-to-sequence model, these are the first tokens of its answer. Errors are those of `complete`.
        """


class TransformersModel(LanguageModel):
    """A model of the transformers library; built by `load_language_model`, or as a `RoleModel`."""

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
        """Of the checkpoint's files, its number format and its prompt format."""
        return self._fingerprint

    def render(self, ask: Ask) -> str:
        """The exact prompt, by the model's prompt format or its tokenizer's chat template."""
        return _chat(self._tokenizer, ask) if self.format == CHAT_TEMPLATE else FORMATS[self.format](ask)

    def complete(
        self, prompts: Sequence[str], *, max_new_tokens: int = 48, seed: int = 0, batch_size: int = 64, **decoding: Any
    ) -> list[str]:
        """One completion of each prompt, as `LanguageModel.complete` describes."""
        rows = self._encode(prompts, max_new_tokens)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))  # of like length together: less padding
        texts = [""] * len(rows)
        with self._running() as model, _RandomStream(seed).in_use():
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

    def stream(self, prompt: str, *, max_new_tokens: int = 48, seed: int = 0, **decoding: Any) -> Iterator[str]:
        """The completion of the prompt in pieces, as `LanguageModel.stream` describes."""
        (row,) = self._encode([prompt], max_new_tokens)
        if decoding.get("num_beams", 1) > 1:
            return iter(self.complete([prompt], max_new_tokens=max_new_tokens, seed=seed, **decoding))
        return self._pieces(row, max_new_tokens, _RandomStream(seed), decoding)

    def next_tokens(self, prompt: str, n: int = 10) -> list[tuple[str, float]]:
        """The `n` most probable next tokens, as `LanguageModel.next_tokens` describes."""
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
        """The model without gradients; a GPU that is full raises LabError."""
        try:
            with self._in_role() as model, torch.no_grad():
                yield model
        except torch.OutOfMemoryError:
            raise LabError(
                f"{self.name}: the GPU has no memory for even one prompt: free some (restart other notebooks), shorten "
                f"the prompt, lower max_new_tokens, or take a smaller model"
            ) from None

    def _generate(
        self, model: Any, inputs: Mapping[str, Any], max_new_tokens: int, decoding: Mapping[str, Any]
    ) -> GenerateOutput:
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
            raise LabError(f"{self.name} cannot decode with {dict(decoding)}: {first_line(error)}") from None

    def _pieces(
        self, row: list[int], max_new_tokens: int, random_stream: _RandomStream, decoding: Mapping[str, Any]
    ) -> Iterator[str]:
        """One token per step, each continued from the cache of the step before.

        Between two steps nothing is held: neither the role, nor torch's random numbers, nor a thread.
        """
        ids: list[int] = []
        inputs: dict[str, Any] = {}
        emitted = ""
        for _ in range(max_new_tokens):
            with self._running() as model, random_stream.in_use():
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
            if len(text) > len(emitted) and text.startswith(emitted):
                yield text[len(emitted) :]
                emitted = text
        if rest := self._text(ids)[len(emitted) :]:
            yield rest

    def _first_inputs(self, model: Any, row: list[int]) -> dict[str, Any]:
        inputs = self._inputs([row])
        if self.kind == "causal":
            return inputs
        mask, start = inputs["attention_mask"], self._decoder_start(model)
        return {"encoder_outputs": model.get_encoder()(**inputs), "attention_mask": mask, "decoder_input_ids": start}

    def _inputs(self, rows: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """Ids and mask, (batch, longest) each.

        A causal model's prompts are padded on the left: a completion must follow its prompt at once.
        """
        device = self._model.device
        if self.kind == "seq2seq":
            ids, mask = pad_right(rows, self._pad, device)
        else:
            ids = pad_left(rows, self._pad, device)
            mask = pad_left([[1] * len(row) for row in rows], 0, device)
        return {"input_ids": ids, "attention_mask": mask}

    def _decoder_start(self, model: Any) -> Tensor:
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
        """The ids of a prompt, special tokens added as its kind of model needs them.

        A sequence-to-sequence prompt ends as its tokenizer ends it; a causal one begins as its tokenizer begins, and is
        left open. A special token's name inside it is text, but for the markers of chat templates and gaps.
        """
        tokenizer, chat = self._tokenizer, self.format == CHAT_TEMPLATE
        if self.kind == "seq2seq":
            for token in tokenizer.all_special_tokens:  # T5's words include their names: only a space keeps them text
                if not (self.format == "gaps" and token.startswith("<extra_id_")):
                    prompt = prompt.replace(token, f"{token[0]} {token[1:]}")
            return tokenizer(prompt, verbose=False).input_ids
        ids = tokenizer(prompt, add_special_tokens=False, split_special_tokens=not chat, verbose=False).input_ids
        return ids if ids[:1] == self._begin else [*self._begin, *ids]

    def _text(self, ids: Sequence[int]) -> str:
        """The text of a completion's ids, up to its end token."""
        return self._decode(list(takewhile(lambda token: token not in self._eos, ids)), skip_special_tokens=True)

    def _decode(self, ids: list[int], *, skip_special_tokens: bool = False) -> str:
        text = self._tokenizer.decode(ids, skip_special_tokens=skip_special_tokens, clean_up_tokenization_spaces=False)
        assert isinstance(text, str)  # of a list of lists it would be a list
        return text

    def _settled_text(self, ids: list[int]) -> str:
        """The part of the text that no further token can change: without the bytes of characters that may go on."""
        pieces = list(self._tokenizer.convert_ids_to_tokens(ids))
        silent = {None, *self._tokenizer.all_special_tokens}
        while pieces and (pieces[-1] in silent or re.fullmatch(r"<0x[0-9A-F]{2}>", pieces[-1])):
            pieces.pop()
        return self._text(ids[: len(pieces)]).rstrip("\N{REPLACEMENT CHARACTER}")

    def _token_text(self, token: int) -> str:
        """The token's text after itself: some tokenizers leave out the space at the beginning of a text."""
        once, twice = (self._decode([token] * n) for n in (1, 2))
        return twice[len(once) :]


class RoleModel(TransformersModel):
    """One role of a `SharedBase` as a language model.

    The role is the base, SFT (the reference), PPO (the policy), or an adapter that was added; the model follows changes
    of the adapter. Completions are those of `SharedBase.complete`, but where that would cut a prompt this raises
    LabError.

    Args:
        shared: The model with its adapters.
        role: The name of the role.
        name: The name that people see.

    Raises:
        LabError: For a role that the base does not have, or that does not complete text.
    """

    def __init__(self, shared: SharedBase, role: str, name: str):
        roles = [BASE, REFERENCE, *(r for r in shared.adapters if r not in (REFERENCE, REWARD))]
        if role not in roles:
            raise LabError(f"there is no role {role!r} that completes text: use one of {', '.join(roles)}")
        self._shared, self._role = shared, role
        profile = shared.profile
        base = digest(hash_files(checkpoint_folder(profile)), profile.compute_dtype, str(profile.quantize))
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
        return digest(self._fingerprint, scale, hashlib.sha256(save(weights)).hexdigest())

    @contextmanager
    def _in_role(self) -> Iterator[PreTrainedModel]:
        with self._shared.role(self._role) as model:
            yield model


class _RandomStream:
    """A random number stream of its own; while it is in use it replaces torch's, which is restored afterwards."""

    def __init__(self, seed: int):
        self._seed = seed
        self._states: tuple[Tensor, list[Tensor]] | None = None  # of the CPU, and of each GPU

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


def _chat(tokenizer: PreTrainedTokenizerBase, ask: Ask) -> str:
    """The prompt by the tokenizer's template; where that refuses a system turn, its text begins the user's turn."""
    *system, user = messages(ask)
    joined = {"role": "user", "content": "\n\n".join(turn["content"] for turn in (*system, user))}
    for turns in ([*system, user], [joined]):
        try:
            text = tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
            assert isinstance(text, str)  # tokenize=False
            return text
        except TemplateError as error:
            problem = first_line(error)
    raise LabError(f"the model's chat template fails ({problem}): give format='plain'")

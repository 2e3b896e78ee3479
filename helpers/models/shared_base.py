"""One quantized base model in the four roles of PPO.

PPO needs a policy, a reference policy, a reward model and a value function. Four models of 7B parameters in 16 bits are
56 GB of weights, and training two of them in full takes far more. One 4-bit base, with small sets of weights that are
switched on and off, does it on one GPU (Hydra-RLHF, Santacroce et al. 2023):

    reference   the SFT adapter, frozen (or no adapter at all, where there was no SFT)
    policy      a copy of the reference's adapter, trained
    value       a linear head on the policy's last hidden states, trained
    reward      an adapter of its own and a linear score head, frozen

and, with all adapters off, the base model itself is still there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import PeftConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.utils import load_peft_weights
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..files import ROOT, LabError, shown
from ..formulas.objectives import response_logprobs
from .costs import WIDTHS, Shape, rows_that_fit
from .decoder import Decoder, Places, TrunkMemory
from .generation import batches_by_length, complete, pad_right
from .loading import (
    completion_ids,
    layer_count,
    load_base,
    load_tokenizer,
    lora_config,
    prompt_ids,
    sort_adapter_config,
    trunk_layers,
)
from .merged_lora import multiply_merged
from .profiles import Profile
from .reward_scale import RewardScale
from .sampling import sample_ids

POLICY, REFERENCE, REWARD, BASE = "policy", "reference", "reward", "base"


def _adapter_config(folder: Path, profile: Profile) -> PeftConfig:
    """The adapter's configuration, as peft's; LabError if it was trained on another base."""
    config = PeftConfig.from_pretrained(folder)
    base = config.base_model_name_or_path
    if base != profile.base and (ROOT / str(base)).resolve() != (ROOT / profile.base).resolve():
        raise LabError(
            f"the adapter {shown(folder)} was trained on the base model {base}, not on {profile.base}: "
            "take the profile that it belongs to, or train it anew"
        )
    named = getattr(config, "layers_to_transform", None)
    if named is not None or profile.adapted_layers is not None:
        layers = layer_count(profile)
        own = set(range(trunk_layers(profile), layers))
        adapted = set(range(layers)) if named is None else {named} if isinstance(named, int) else set(named)
        if adapted != own:
            raise LabError(
                f"the adapter {shown(folder)} changes {len(adapted)} of {layers} layers, the profile {profile.name!r} "
                f"the last {len(own)}: take a profile with adapted_layers={len(adapted)}, or train it anew"
            )
    return config


@contextmanager
def _training(layers: nn.ModuleList, on: bool) -> Iterator[None]:
    """Set the layers' `training`, which gradient checkpointing goes by, and nothing else here: none has dropout.

    Elsewhere it must be off: checkpointing would drop the cache that sampling needs.
    """
    for layer in layers:
        layer.training = on
    try:
        yield
    finally:
        for layer in layers:
            layer.training = False


class SharedBase(nn.Module):
    """A 4-bit causal language model with the adapters and heads of PPO's four roles.

    Build it with `SharedBase.load`. Every forward pass says which role it is for: `hidden_states(..., role)`.

    Attributes:
        profile: Of the base model.
        tokenizer: Of the base model, padding on the left.
        peft: The base with all adapters.
        has_reference_adapter: Whether the reference is an SFT adapter; else it is the base.
        value_head: Hidden states -> values, (hidden,) -> (1,).
        score_head: Hidden states -> raw reward-model scores; None without a reward model.
        reward_scale: Normalizes the scores.
        trunk_memory: Where `on`, the trunk's states of a sequence are computed once, whatever role asks for them.
    """

    def __init__(self, profile: Profile, sft: Path | None = None, reward: Path | None = None, seed: int = 0):
        super().__init__()
        self.profile = profile
        self.tokenizer = load_tokenizer(profile)
        torch.manual_seed(seed)
        base = load_base(profile)
        config = _adapter_config(sft, profile) if sft else lora_config(profile, "causal")
        config.inference_mode = False
        self.peft = multiply_merged(get_peft_model(base, config, adapter_name=POLICY))
        if profile.gradient_checkpointing:
            base.gradient_checkpointing_enable({"use_reentrant": False})
        self.has_reference_adapter = sft is not None
        if sft:
            weights = load_peft_weights(str(sft), device=str(self.device))
            set_peft_model_state_dict(self.peft, weights, adapter_name=POLICY)
            self.peft.add_adapter(REFERENCE, config)
            set_peft_model_state_dict(self.peft, weights, adapter_name=REFERENCE)
        self.decoder = Decoder(base.model, trunk_layers(profile))
        self.trunk_memory = TrunkMemory()
        self.value_head = nn.Linear(base.config.hidden_size, 1, device=self.device)
        nn.init.zeros_(self.value_head.weight)
        nn.init.zeros_(self.value_head.bias)
        self.score_head: nn.Linear | None = None
        self.reward_scale = RewardScale(mean=0.0, std=1.0)
        if reward:
            self._load_reward(reward)
        self._freeze_all_but_policy()
        self.peft.eval()

    @classmethod
    def load(
        cls, profile: Profile, *, sft: Path | None = None, reward: Path | None = None, seed: int = 0
    ) -> SharedBase:
        """The base of `profile` in 4 bits, with adapters.

        Args:
            profile: Which base model.
            sft: Folder of the SFT adapter, which the policy starts from; by default the policy starts from the base.
            reward: Folder of the reward model's adapter, if there is one.
            seed: Of a new policy's adapter.

        Raises:
            LabError: For an adapter of another base, and as `load_base`.
        """
        return cls(profile, sft, reward, seed)

    def _load_reward(self, folder: Path) -> None:
        """Load a reward adapter as TRL's RewardTrainer saves it (task SEQ_CLS): LoRA weights and the score head."""
        config = _adapter_config(folder, self.profile)
        config.task_type, config.modules_to_save = None, None
        weights = load_peft_weights(str(folder), device=str(self.device))
        (score_name,) = [name for name in weights if name.endswith("score.weight")]
        score_weight = weights.pop(score_name)
        self.peft.add_adapter(REWARD, config)
        set_peft_model_state_dict(self.peft, weights, adapter_name=REWARD)
        self.score_head = nn.Linear(score_weight.shape[1], 1, bias=False, device=self.device)
        self.score_head.weight.data.copy_(score_weight)
        self.score_head.requires_grad_(False)
        self.reward_scale = RewardScale.read(folder)

    def _freeze_all_but_policy(self) -> None:
        for name, parameter in self.peft.named_parameters():
            parameter.requires_grad_(f".{POLICY}." in name)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.peft.device

    @property
    def pad_id(self) -> int:
        """The padding token."""
        return self.tokenizer.pad_token_id

    @property
    def eos_id(self) -> int:
        """The end token, </s>."""
        return self.tokenizer.eos_token_id

    def trainable_parameters(self) -> list[nn.Parameter]:
        """The policy's adapter and the value head: all that PPO trains."""
        return [p for p in self.parameters() if p.requires_grad]

    @contextmanager
    def role(self, role: str) -> Iterator[PeftModel]:
        """The model with the adapter of `role` switched on (none for the base, or for a reference without SFT).

        peft's own `set_adapter` also changes which weights are trained, which drops gradients. This changes only the
        adapter that the forward pass uses.
        """
        if role == BASE or (role == REFERENCE and not self.has_reference_adapter):
            with self.peft.disable_adapter():
                yield self.peft
            self._freeze_all_but_policy()
            return
        layers = [module for module in self.peft.modules() if isinstance(module, LoraLayer)]
        before = layers[0].active_adapters
        for layer in layers:
            layer._active_adapter = [role]
        try:
            yield self.peft
        finally:
            for layer in layers:
                layer._active_adapter = before

    def hidden_states(self, ids: Tensor, attention_mask: Tensor, role: str = POLICY) -> Tensor:
        """Last hidden states (batch, length, hidden) of a role, for `ids` (batch, length) padded on either side.

        `attention_mask` (batch, length) is 1 or true at real tokens.
        """
        decoder, mask = self.decoder, attention_mask.bool()
        with self.role(role), _training(decoder.model.layers, torch.is_grad_enabled()):
            states = self._below_the_branch(ids, mask)
            return decoder.branch(states, self._places(states, mask))

    def _below_the_branch(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The states where the branch begins: from memory as far as they are there."""
        if not self.decoder.below:
            return self.decoder.embedded(ids)
        return self.trunk_memory.states(ids, mask, self._trunk_states)

    def _trunk_states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The states where the branch begins, of sequences (batch, length) padded on either side."""
        states = self.decoder.embedded(ids)
        return self.decoder.trunk(states, self._places(states, mask))

    def _places(self, states: Tensor, mask: Tensor) -> Places:
        """The places of whole sequences, whose real tokens `mask` (batch, length) tells."""
        ones = mask.long()
        if (ones.diff(dim=1) <= 0).all():  # padded on the right alone, where no real token looks
            return self.decoder.places(states)
        return self.decoder.places(states, ones, (ones.cumsum(1) - 1).clamp(min=0))

    def response_states(self, prompt_ids: Tensor, response_ids: Tensor, role: str = POLICY) -> Tensor:
        """The hidden states that predict each response token: (batch, response, hidden).

        The padding between and around prompts and responses costs nothing: rows are moved to the left, and are as wide
        as the longest of them.

        Args:
            prompt_ids: (batch, prompt), padded on the left.
            response_ids: (batch, response), padded on the right.
            role: Which adapter is on.
        """
        ids = torch.cat([prompt_ids, response_ids], dim=1)
        padding = (prompt_ids != self.pad_id).long().argmax(dim=1, keepdim=True)
        at = torch.arange(ids.shape[1], device=ids.device)
        ends = (at * (ids != self.pad_id)).amax(dim=1, keepdim=True) + 1
        width = int((ends - padding).max())
        moved = ids.gather(1, (at[:width] + padding).clamp(max=ids.shape[1] - 1))
        hidden = self.hidden_states(moved, at[:width] < ends - padding, role)
        # A token's probability stands at the token before it: the prompt's last one for the first.
        read = (at[prompt_ids.shape[1] :] - 1 - padding).clamp(max=width - 1)
        return hidden.gather(1, read.unsqueeze(-1).expand(-1, -1, hidden.shape[-1]))

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token logits, float32, of hidden states: (..., hidden) -> (..., vocabulary)."""
        return self.peft.base_model.model.lm_head(hidden).float()

    def values(self, hidden: Tensor) -> Tensor:
        """The values of the policy's hidden states: (..., hidden) -> (...)."""
        return self.value_head(hidden.float()).squeeze(-1)

    def response_logprobs(
        self, prompt_ids: Tensor, response_ids: Tensor, role: str = POLICY, temperature: float = 1.0
    ) -> Tensor:
        """Log-probability of every response token under a role: (batch, response).

        Args:
            prompt_ids: (batch, prompt), padded on the left.
            response_ids: (batch, response), padded on the right.
            role: Which adapter is on.
            temperature: What the logits are divided by.
        """
        hidden = self.response_states(prompt_ids, response_ids, role)
        return response_logprobs(self.logits(hidden) / temperature, response_ids)

    def sample(
        self, prompt_ids: Tensor, uniforms: Tensor, role: str = POLICY, temperature: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Sample a response to each prompt, as many rows at a time as the GPU's memory allows.

        Args:
            prompt_ids: (batch, prompt), padded on the left.
            uniforms: (batch, longest response), random numbers in [0, 1) that decide the tokens.
            role: Which adapter is on.
            temperature: What the logits are divided by.

        Returns:
            Response ids (batch, response) and the hidden states that they were drawn from (batch, response, hidden), as
            from `sampling.sample_ids`.
        """
        head = self.peft.base_model.model.lm_head
        size = self.rows_at_once(prompt_ids.shape[1], uniforms.shape[1]) or len(prompt_ids)
        with self.role(role):
            parts = [
                sample_ids(self.decoder, head, *part, pad_id=self.pad_id, eos_id=self.eos_id, temperature=temperature)
                for part in zip(prompt_ids.split(size), uniforms.split(size), strict=True)
            ]
        width = max(part.ids.shape[1] for part in parts)
        ids = torch.cat([F.pad(part.ids, (0, width - part.ids.shape[1]), value=self.pad_id) for part in parts])
        states = torch.cat([F.pad(part.states, (0, 0, 0, width - part.states.shape[1])) for part in parts])
        # In 16 bits a pass with a cache rounds otherwise than the passes without one.
        if states.dtype == torch.float32:
            rows = torch.cat([prompt_ids, ids], dim=1)
            trunk = [states for part in parts for states in part.trunk or []]
            for row, known in zip(rows, trunk, strict=False):
                self.trunk_memory.keep(row[row != self.pad_id], known)
        return ids, states

    def rows_at_once(self, prompt: int, response: int) -> int | None:
        """How many rows the GPU's free memory allows to sample at a time; None on a CPU, for any number.

        `prompt` and `response` are the tokens of a row.
        """
        if self.device.type != "cuda":
            return None
        shape = Shape.of_config(self.peft.config.to_dict())
        unused = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
        free = torch.cuda.mem_get_info(self.device)[0] + unused
        return rows_that_fit(shape, prompt, response, WIDTHS[self.profile.compute_dtype], free)

    def complete(self, prompts: Sequence[str], role: str = POLICY, **decoding: Any) -> list[str]:
        """One completion of each prompt by the model in `role`; settings as for `generation.complete`."""
        longest = decoding.get("max_new_tokens") or self.profile.max_response_tokens
        if rows := self.rows_at_once(self.profile.max_prompt_tokens, longest):
            decoding = {"batch_size": rows} | decoding
        with self.role(role):
            return complete(self.peft, self.profile, self.tokenizer, prompts, **decoding)

    def encode(self, prompts: Sequence[str], completions: Sequence[str]) -> list[list[int]]:
        """Token ids of <s> prompt completion </s>, the two encoded apart as in training."""
        heads = prompt_ids(self.profile, self.tokenizer, prompts)
        tails = completion_ids(self.profile, self.tokenizer, completions)
        return [head + tail for head, tail in zip(heads, tails, strict=True)]

    @torch.no_grad()
    def reward(self, prompts: Sequence[str], completions: Sequence[str], batch_size: int | None = None) -> Tensor:
        """Normalized reward-model scores (batch,), float32: mean 0 and standard deviation 1 on the reference set.

        Args:
            prompts: (batch,) texts.
            completions: (batch,) texts.
            batch_size: Rows per forward pass; by default as many as in the reward model's training.

        Raises:
            ValueError: If there is no reward model.
        """
        if self.score_head is None:
            raise ValueError("this SharedBase was loaded without a reward model")
        rows = self.encode(prompts, completions)
        scores = torch.empty(len(rows))
        for index in batches_by_length(rows, batch_size or self.profile.reward_model.micro_batch_size):
            ids, mask = pad_right([rows[i] for i in index], self.pad_id, self.device)
            last = mask.sum(1) - 1
            hidden = self.hidden_states(ids, mask, REWARD)[torch.arange(len(index), device=self.device), last]
            scores[index] = self.score_head(hidden.to(self.score_head.weight.dtype)).squeeze(-1).float().cpu()
        return self.reward_scale(scores)

    def add_adapter(self, name: str, folder: Path) -> None:
        """Add a frozen adapter from a folder; `name` is then a role.

        It replaces an adapter that was added by that name before.

        Raises:
            LabError: For a name that is not free, and for an adapter of another base.
        """
        self._check_free(name)
        config = _adapter_config(folder, self.profile)
        self._remove(name)
        self.peft.add_adapter(name, config)
        set_peft_model_state_dict(self.peft, load_peft_weights(str(folder), device=str(self.device)), adapter_name=name)
        self._freeze_all_but_policy()

    def mix_adapters(self, name: str, weights: Mapping[str, float]) -> None:
        """Add a frozen adapter that is the weighted sum of the updates of others; `name` is then a role.

        The base counts as 0, so weights that sum to less than 1 lead back to it. The adapter replaces one that was
        added by that name before.

        Args:
            name: Of the new adapter.
            weights: Role -> weight, of adapters that are there.

        Raises:
            LabError: For a name that is not free, and for a role without an adapter.
        """
        self._check_free(name)
        if absent := [role for role in weights if role not in self.adapters or role == name]:
            others = ", ".join(role for role in self.adapters if role != name)
            raise LabError(f"there is no adapter {absent[0]!r} to mix into {name!r}: use some of {others}")
        self._remove(name)
        # "cat" puts the thin matrices beside one another, which is the sum; "linear" would multiply across adapters.
        self.peft.add_weighted_adapter(list(weights), list(weights.values()), name, combination_type="cat")
        self._freeze_all_but_policy()

    @property
    def adapters(self) -> list[str]:
        """The roles that have an adapter."""
        return list(self.peft.peft_config)

    def _check_free(self, name: str) -> None:
        if name in (POLICY, REFERENCE, REWARD, BASE):
            raise LabError(f"{name!r} is a role already: give the adapter another name")
        if not name or "." in name or hasattr(nn.ModuleDict, name):  # torch's own, such as "half"
            raise LabError(f"{name!r} cannot name an adapter: give it another name")

    def _remove(self, name: str) -> None:
        """Delete the adapter of that name, if any, so that a cell that adds one can run twice."""
        if name in self.adapters:
            self.peft.delete_adapter(name)

    def load_policy(self, folder: Path) -> None:
        """Load the policy's adapter, and the value head if there is one, from a folder that `write_policy` filled."""
        weights = load_peft_weights(str(folder), device=str(self.device))
        set_peft_model_state_dict(self.peft, weights, adapter_name=POLICY)
        if (head := folder / "value_head.safetensors").is_file():
            self.value_head.load_state_dict(load_file(head, device=str(self.device)))

    def write_policy(self, folder: Path) -> None:
        """Write the policy's adapter, in peft's files, and the value head into an existing folder."""
        # Embeddings are not trained; peft would look for the base's own on the hub, and warn.
        weights = get_peft_model_state_dict(self.peft, adapter_name=POLICY, save_embedding_layers=False)
        save_file({k: v.contiguous().cpu() for k, v in weights.items()}, folder / "adapter_model.safetensors")
        self.peft.peft_config[POLICY].save_pretrained(folder)
        sort_adapter_config(folder)
        head = {k: v.contiguous().cpu() for k, v in self.value_head.state_dict().items()}
        save_file(head, folder / "value_head.safetensors")

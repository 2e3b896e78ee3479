"""What a record shows of a rollout: its value function, samples, and single responses token by token."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import torch
from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ..formulas.objectives import kl_k1, masked_mean
from ..models.shared_base import POLICY, REFERENCE, SharedBase
from .rewards import Reward, scores_of
from .rollouts import Rollout


def explained_variance(rollout: Rollout) -> float:
    """Share of the returns' variance over tokens that the value function explains: 1 at best, 0 for a constant."""
    residual = masked_mean((rollout.returns - rollout.values) ** 2, rollout.mask)
    spread = masked_mean((rollout.returns - masked_mean(rollout.returns, rollout.mask)) ** 2, rollout.mask)
    return (1 - residual / spread.clamp(min=1e-8)).item()


def first_samples(rollout: Rollout, n: int = 4) -> list[dict]:
    """The first `n` prompts with completion and reward (the score, missing-EOS penalty included)."""
    columns = rollout.prompts[:n], rollout.completions[:n], rollout.scores[:n].tolist()
    return [{"prompt": p, "completion": c, "reward": s} for p, c, s in zip(*columns, strict=True)]


def greedy_watcher(
    shared: SharedBase, reward: Reward, prompts: Sequence[str], max_new_tokens: int | None
) -> Callable[[], list[dict]]:
    """A function that has the policy, as it is when called, complete `prompts` greedily.

    It draws nothing from the training's random generators.

    Returns:
        A function that returns a row a prompt: prompt, before and before_reward (the reference's completion),
        completion and reward (the policy's).
    """

    def greedy(role: str) -> tuple[list[str], list[float]]:
        if not prompts:
            return [], []
        with torch.random.fork_rng():
            texts = shared.complete(prompts, role, max_new_tokens=max_new_tokens, do_sample=False)
            return texts, scores_of(reward, prompts, texts, shared.device).tolist()

    before = greedy(REFERENCE)

    def watch() -> list[dict]:
        names = ("prompt", "before", "before_reward", "completion", "reward")
        return [dict(zip(names, row, strict=True)) for row in zip(prompts, *before, *greedy(POLICY), strict=True)]

    return watch


def inspect_response(
    rollout: Rollout, row: int, new_logprobs: Tensor, tokenizer: PreTrainedTokenizerBase, clip: float
) -> dict:
    """One response of a rollout, token by token, as a record holds it: JSON values, rounded to 4 digits.

    Args:
        rollout: the rollout.
        row: which response.
        new_logprobs: (response,), of its tokens after the update.
        tokenizer: for the tokens' texts.
        clip: as in `PPOConfig`.

    Returns:
        prompt, completion, score, ended, and lists with an entry a token: token (its text), logprob, ref_logprob, kl,
        reward, value, advantage (whitened, as used), return, new_logprob, ratio (new policy / old policy), clipped
        (whether the ratio lies beyond the clip on the side to which the advantage pushes it, where the token has no
        gradient any more).
    """
    real = rollout.mask[row]
    logprobs, advantages = rollout.logprobs[row], rollout.advantages[row]
    ratio = (new_logprobs - logprobs).exp()
    gain = (ratio - 1) * advantages.sign()
    columns = {
        "logprob": logprobs,
        "ref_logprob": rollout.ref_logprobs[row],
        "kl": kl_k1(logprobs, rollout.ref_logprobs[row]),
        "reward": rollout.rewards[row],
        "value": rollout.values[row],
        "advantage": advantages,
        "return": rollout.returns[row],
        "new_logprob": new_logprobs,
        "ratio": ratio,
    }
    return {
        "prompt": rollout.prompts[row],
        "completion": rollout.completions[row],
        "score": round(rollout.scores[row].item(), 4),
        "ended": bool(rollout.ended[row]),
        "token": token_texts(tokenizer, rollout.response_ids[row][real].tolist()),
        **{name: [round(x, 4) + 0.0 for x in values[real].tolist()] for name, values in columns.items()},  # no -0.0
        "clipped": (gain > clip)[real].tolist(),
    }


def token_texts(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> list[str]:
    r"""The text of each token; together they spell the response.

    Bytes that are no character by themselves are shown as \xe2, an id that the tokenizer does not know as <400>.
    """
    space = tokenizer.convert_tokens_to_ids("▁")
    sentencepiece = space not in (None, tokenizer.unk_token_id)  # as Llama 2's; else byte-level BPE, as GPT-2's
    whole = {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}

    def text(token: str | None, number: int) -> str:
        if token is None or token in whole:
            return token or f"<{number}>"
        if sentencepiece:
            byte = re.fullmatch("<0x([0-9A-F]{2})>", token)
            raw = bytes.fromhex(byte[1]) if byte else token.replace("▁", " ").encode()
        else:
            raw = bytes(BYTES[character] for character in token)
        return raw.decode(errors="backslashreplace")

    return [text(token, number) for token, number in zip(tokenizer.convert_ids_to_tokens(list(ids)), ids, strict=True)]


def _byte_level_alphabet() -> dict[str, int]:
    """Character of a byte-level token -> byte: a printable Latin-1 character is itself, the rest stand in order."""
    alphabet = sorted(ByteLevel.alphabet())
    themselves = {c: ord(c) for c in alphabet if ord(c) < 256}
    rest = (byte for byte in range(256) if byte not in themselves.values())
    return themselves | dict(zip((c for c in alphabet if ord(c) > 255), rest, strict=True))


BYTES = _byte_level_alphabet()

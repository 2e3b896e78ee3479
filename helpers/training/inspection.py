"""What a record tells of a rollout, token by token: the numbers that lab 03's microscope shows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tokenizers.pre_tokenizers import ByteLevel
from torch import Tensor

from ..formulas.objectives import kl_k1

if TYPE_CHECKING:
    from .ppo import Rollout


def inspected(rollout: Rollout, row: int, new_logprobs: Tensor, tokenizer, clip: float) -> dict:
    """One response of a rollout, token by token, as a record holds it: JSON values, rounded to 4 digits.

    new_logprobs: (response,), of its tokens after the update. Returns prompt, completion, score, ended, and lists with
    an entry a token: token (its text), logprob, ref_logprob, kl, reward, value, advantage (whitened, as used), return,
    new_logprob, ratio (new policy / old policy), clipped (whether the ratio lies beyond the clip on the side to which
    the advantage pushes it, where the token has no gradient any more).
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


def token_texts(tokenizer, ids: Sequence[int]) -> list[str]:
    """The text of each token; together they spell the response. Bytes that are no character by themselves are shown as
    \\xe2, an id that the tokenizer does not know as <400>."""
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

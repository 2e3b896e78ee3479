"""Prompt formats: a task as data, and the text that each kind of model gets for it.

A base model continues text, so its prompt is the beginning of a text. A model tuned on instructions was tuned on
prompts of one format, and answers best in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ask:
    """A task for a model, before it is written in a model's format; all parts but `query` may be empty.

    Query and cue stand side by side, and the answer's first token brings the space after a cue.

    Attributes:
        query: The input with its own line ends, such as "Sentence: My cat is ill." and a line end.
        cue: The beginning of the answer's line, such as "Topic:".
        instruction: What to do, one sentence or more.
        options: The possible answers.
        examples: The (query, answer) of worked examples, in their order.
        role: Who the model is to be, such as "You are a vet."
    """

    query: str
    cue: str = ""
    instruction: str = ""
    options: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    role: str = ""


def worked(ask: Ask) -> list[str]:
    """The texts of the worked examples, and of the query, whose answer is left open."""
    cue = f"{ask.cue} " if ask.cue else ""
    return [*(f"{query}{cue}{answer}".strip() for query, answer in ask.examples), f"{ask.query}{ask.cue}"]


def plain(ask: Ask) -> str:
    """The format for a base model: role and instruction on one line, the examples, the query, the cue."""
    header = f"{ask.role} {ask.instruction}".strip()
    return "\n\n".join([header, *worked(ask)] if header else worked(ask))


def flan(ask: Ask) -> str:
    """FLAN's format (Wei et al. 2022): role and instruction, one option per line, then examples and query."""
    header = f"{ask.role} {ask.instruction}".strip()
    options = "OPTIONS:\n" + "\n".join(f"- {option}" for option in ask.options) if ask.options else ""
    return "\n\n".join(part for part in (header, options, *worked(ask)) if part)


def span_corruption(ask: Ask) -> str:
    """The format for a T5 that was never tuned, which fills gaps in a text (Raffel et al. 2020): the answer is one."""
    return f"{plain(ask)} <extra_id_0>"


def messages(ask: Ask) -> list[dict[str, str]]:
    """A conversation as chat templates take it: the role is the system's turn, all else the user's."""
    choose = f"Choose one of: {', '.join(ask.options)}." if ask.options else ""
    header = f"{ask.instruction} {choose}".strip()
    asked = "\n\n".join([header, *worked(ask)] if header else worked(ask))
    system = [{"role": "system", "content": ask.role}] if ask.role else []
    return [*system, {"role": "user", "content": asked}]


def llama2_chat(ask: Ask) -> str:
    """Llama 2's chat format (Touvron et al. 2023), without the <s> that the tokenizer adds."""
    *system, user = messages(ask)
    before = f"<<SYS>>\n{system[0]['content']}\n<</SYS>>\n\n" if system else ""
    return f"[INST] {before}{user['content'].strip()} [/INST]"


FORMATS: dict[str, Callable[[Ask], str]] = {
    "plain": plain,
    "flan": flan,
    "gaps": span_corruption,
    "llama2-chat": llama2_chat,
}

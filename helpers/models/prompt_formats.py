"""What is asked of a model, and the text that each kind of model is asked with.

A base model continues text, so a prompt is the beginning of one. A model that was tuned on instructions was tuned on
prompts of some form, and answers best in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ask:
    """What is asked, before it takes any model's form. All parts but `query` may be empty.

    query: the input with its own line ends, such as "Sentence: My cat is ill.\\n"; cue: the beginning of the answer's
    line, such as "Topic:". The two stand side by side, and the answer's first token brings the space after a cue.
    instruction: what to do, a sentence or more. options: the answers there are to choose from.
    examples: (query, answer) of worked examples, in their order. role: who the model is to be ("You are a vet.").
    """

    query: str
    cue: str = ""
    instruction: str = ""
    options: tuple[str, ...] = ()
    examples: tuple[tuple[str, str], ...] = ()
    role: str = ""


def worked(ask: Ask) -> list[str]:
    """The worked examples, and the query whose answer is left open: a text each."""
    cue = f"{ask.cue} " if ask.cue else ""
    return [*(f"{query}{cue}{answer}".strip() for query, answer in ask.examples), f"{ask.query}{ask.cue}"]


def plain(ask: Ask) -> str:
    """For a base model: role and instruction as a text would have them, the examples, the query, the cue."""
    header = f"{ask.role} {ask.instruction}".strip()
    return "\n\n".join([header, *worked(ask)] if header else worked(ask))


def flan(ask: Ask) -> str:
    """As in FLAN's templates (Wei et al. 2022): the instruction, the options one a line, then examples and query."""
    header = f"{ask.role} {ask.instruction}".strip()
    options = "OPTIONS:\n" + "\n".join(f"- {option}" for option in ask.options) if ask.options else ""
    return "\n\n".join(part for part in (header, options, *worked(ask)) if part)


def gaps(ask: Ask) -> str:
    """For a T5 that was never tuned: it fills the gaps in a text, so the answer is one (Raffel et al. 2020)."""
    return f"{plain(ask)} <extra_id_0>"


def messages(ask: Ask) -> list[dict[str, str]]:
    """The turns of a conversation, as chat templates take them: the role is the system's, all else the user's."""
    choose = f"Choose one of: {', '.join(ask.options)}." if ask.options else ""
    header = f"{ask.instruction} {choose}".strip()
    asked = "\n\n".join([header, *worked(ask)] if header else worked(ask))
    system = [{"role": "system", "content": ask.role}] if ask.role else []
    return [*system, {"role": "user", "content": asked}]


def llama2_chat(ask: Ask) -> str:
    """Llama 2's chat form (Touvron et al. 2023); the tokenizer puts <s> before it."""
    *system, user = messages(ask)
    before = f"<<SYS>>\n{system[0]['content']}\n<</SYS>>\n\n" if system else ""
    return f"[INST] {before}{user['content'].strip()} [/INST]"


FORMATS: dict[str, Callable[[Ask], str]] = {"plain": plain, "flan": flan, "gaps": gaps, "llama2-chat": llama2_chat}

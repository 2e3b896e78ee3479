"""Prompts and sides as the sets write them (plain text, lists of messages, whole dialogues), as text and turns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from os.path import commonprefix
from typing import Any, NamedTuple

from ..files import is_broken_text
from .reading import LeftOut
from .rows import Preference, Turn

_ROLES = {"human": "user", "prompter": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
_NAMES = {"user": "Human", "assistant": "Assistant", "system": "System"}
_ASSISTANT = "\n\nAssistant:"
_SPEAKER = re.compile(r"\n\n(Human|Assistant):")
_BORDER = re.compile(r"\s+|(?<=[。！？：])")  # where a prompt may end; Chinese and Japanese have no spaces
_HELPSTEER = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")  # between the turns of a HelpSteer2 prompt


class Parts(NamedTuple):
    """A record's prompt and its two completions, apart.

    Attributes:
        turns: The prompt's turns; empty if it is one question.
        prompt: The prompt as text; what is no text in the record is none here (see `check_text`).
        chosen: The chosen completion.
        rejected: The rejected completion.
    """

    turns: tuple[Turn, ...]
    prompt: Any
    chosen: str
    rejected: str


def text_of(turns: Sequence[Turn]) -> str:
    """A conversation as the text that a completion follows: in hh-rlhf's form, or the words of a single question."""
    if len(turns) == 1 and turns[0].role == "user":
        return turns[0].content
    lines = (f"\n\n{_NAMES.get(turn.role, turn.role.capitalize())}: {turn.content}" for turn in turns)
    return "".join(lines) + _ASSISTANT


def turns_of(row: Preference) -> tuple[Turn, ...]:
    """The turns of the row's prompt: one question of the user's if the row does not list them."""
    return row.turns or (Turn("user", row.prompt),)


def extract_prompt(prompt: Any, chosen: Any, rejected: Any) -> Parts:
    """The prompt and the two completions of a record, apart, whatever form its prompt and sides have.

    Args:
        prompt: The record's prompt; None if it has none, because both sides begin with it.
        chosen: The record's chosen side.
        rejected: The record's rejected side.

    Raises:
        LeftOut: The record is no pair; the message is the reason.
    """
    chosen_turns, rejected_turns = messages(chosen), messages(rejected)
    if chosen_turns and rejected_turns:
        return _extract_from_messages(prompt, chosen_turns, rejected_turns)
    if chosen_turns or rejected_turns:
        raise LeftOut("one side is messages, the other is not")
    check_text(chosen, "chosen side")
    check_text(rejected, "rejected side")
    if is_dialogue(chosen) and is_dialogue(rejected):
        return _extract_from_dialogues(chosen, rejected)
    if prompt is not None:
        return Parts(*_prompt(prompt), chosen, rejected)
    return _extract_from_texts(chosen, rejected)


def _extract_from_messages(prompt: Any, chosen: list[Turn], rejected: list[Turn]) -> Parts:
    """Each side's last message is the answer; what stands before it must be the same on both sides."""
    heads = [side[:-1] for side in (chosen, rejected)]
    if not chosen[-1].role == rejected[-1].role == "assistant":
        raise LeftOut("a side does not end with the assistant's turn")
    if heads[0] != heads[1]:
        raise LeftOut("the two sides' prompts differ")
    turns = heads[0]
    given = messages(prompt)
    if given and turns[: len(given)] != given:
        turns = given + turns
    if not turns:
        if prompt is None:
            raise LeftOut("there is no prompt")
        return Parts(*_prompt(prompt), chosen[-1].content, rejected[-1].content)
    return Parts(*_turns_and_text(turns), chosen[-1].content, rejected[-1].content)


def _extract_from_dialogues(chosen: str, rejected: str) -> Parts:
    """hh-rlhf's sides: the answer is what follows the last "Assistant:", and the same must stand before it."""
    cuts = [side.rfind(_ASSISTANT) + len(_ASSISTANT) for side in (chosen, rejected)]
    prompt, answers = chosen[: cuts[0]], (chosen[cuts[0] :], rejected[cuts[1] :])
    if prompt != rejected[: cuts[1]]:
        raise LeftOut("the two sides' prompts differ")
    if any("\n\nHuman:" in answer for answer in answers):
        raise LeftOut("a side does not end with the assistant's turn")
    return Parts(_dialogue_turns(prompt), prompt, *answers)


def _extract_from_texts(chosen: str, rejected: str) -> Parts:
    """The prompt is what both texts begin with, up to a border between words; it ends before the space."""
    head = commonprefix([chosen, rejected])
    prompt = head[: max((border.start() for border in _BORDER.finditer(head)), default=0)]
    if not prompt.strip():
        raise LeftOut("there is no prompt: the two sides begin with different words")
    return Parts((), prompt, chosen[len(prompt) :], rejected[len(prompt) :])


def _prompt(value: Any) -> tuple[tuple[Turn, ...], Any]:
    """A prompt's turns and text: from text, messages, or the post of a summary. What is no text stays as it is."""
    if turns := messages(value):
        return _turns_and_text(turns)
    if isinstance(value, Mapping):
        return (), _post(value)
    if isinstance(value, str):
        if is_dialogue(value):
            return _dialogue_turns(value), value
        if "<extra_id_1>" in value:
            pieces = ["User", *_HELPSTEER.split(value)]
            spoken = zip(pieces[::2], pieces[1::2], strict=True)
            return _turns_and_text([Turn(role.lower(), content) for role, content in spoken])
    return (), value


def _post(info: Mapping[str, Any]) -> str:
    """A post in the form of the TL;DR sets, as `trl-lib/tldr-preference` has it; an article as it is."""
    post = info.get("post")
    if isinstance(post, str) and post.strip():
        subreddit, title = (str(info.get(name) or "").strip() for name in ("subreddit", "title"))
        return f"SUBREDDIT: r/{subreddit}\n\nTITLE: {title}\n\nPOST: {post}\n\nTL;DR:"
    article = info.get("article")
    if isinstance(article, str) and article.strip():
        return f"{article}\n\nTL;DR:"
    raise LeftOut("there is no prompt")


def _turns_and_text(turns: Sequence[Turn]) -> tuple[tuple[Turn, ...], str]:
    """The turns as a row keeps them, none where they are one question, and their text."""
    text = text_of(turns)
    return (() if len(turns) == 1 and text == turns[0].content else tuple(turns)), text


def is_dialogue(text: str) -> bool:
    """Whether the text is a whole dialogue as hh-rlhf writes it, from "Human:" to an "Assistant:"."""
    return text.lstrip("\n").startswith("Human:") and _ASSISTANT in text


def _dialogue_turns(prompt: str) -> tuple[Turn, ...]:
    """The turns of hh-rlhf's text, whose last "Assistant:" is the place of the answer, not a turn."""
    pieces = _SPEAKER.split("\n\n" + prompt.strip().removesuffix(_ASSISTANT))[1:]
    return tuple(
        Turn("user" if speaker == "Human" else "assistant", content.strip())
        for speaker, content in zip(pieces[::2], pieces[1::2], strict=True)
    )


def messages(value: Any) -> list[Turn] | None:
    """The turns of a list of messages (also of one message, or written as JSON in a cell); None if it is no such list.

    Messages have role and content, or from and value.
    """
    if isinstance(value, str):
        if not value.lstrip().startswith("[{"):
            return None
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes)):
        return None
    turns = []
    for message in value:
        if not isinstance(message, Mapping):
            return None
        role = message.get("role", message.get("from"))
        content = message.get("content", message.get("value"))
        if not isinstance(role, str) or not role.strip() or not isinstance(content, str):
            return None
        turns.append(Turn(_ROLES.get(role.lower(), role), content))
    return turns or None


def check_text(value: Any, name: str) -> None:
    """Check that a part of a record is text that can be used.

    Raises:
        LeftOut: It is missing, no text, blank or broken; `name` says what it is.
    """
    if value is None:
        raise LeftOut(f"the {name} is missing")
    if not isinstance(value, str):
        raise LeftOut(f"the {name} is not text")
    if not value.strip():
        raise LeftOut(f"the {name} is blank")
    if is_broken_text(value):
        raise LeftOut(f"the {name} holds half of a character")

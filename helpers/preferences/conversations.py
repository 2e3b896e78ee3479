"""Prompts and sides as the sets write them - plain text, lists of messages, whole dialogues - as text and turns."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from os.path import commonprefix
from typing import Any

from ..files import is_broken_text
from .reading import LeftOut
from .rows import Preference, Turn

_ROLES = {"human": "user", "prompter": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
_NAMES = {"user": "Human", "assistant": "Assistant", "system": "System"}
_ASSISTANT = "\n\nAssistant:"
_SPEAKER = re.compile(r"\n\n(Human|Assistant):")
_BORDER = re.compile(r"\s+|(?<=[。！？：])")  # where a prompt may end; Chinese and Japanese have no spaces
_HELPSTEER = re.compile(r"\n?<extra_id_1>(User|Assistant)\n")  # between the turns of a HelpSteer2 prompt

Parted = tuple[tuple[Turn, ...], str, Any, Any]


def text_of(turns: Sequence[Turn]) -> str:
    """A conversation as the text that a completion follows: in hh-rlhf's form, or the words of a single question."""
    if len(turns) == 1 and turns[0].role == "user":
        return turns[0].content
    said = (f"\n\n{_NAMES.get(turn.role, turn.role.capitalize())}: {turn.content}" for turn in turns)
    return "".join(said) + _ASSISTANT


def turns_of(row: Preference) -> tuple[Turn, ...]:
    """The turns of the row's prompt: one question of the user's if the row does not list them."""
    return row.turns or (Turn("user", row.prompt),)


def parted(prompt: Any, chosen: Any, rejected: Any) -> Parted:
    """The prompt's turns (empty if one question), its text, and the two completions."""
    sides = [messages(chosen), messages(rejected)]
    if all(sides):
        return _parted_messages(prompt, *sides)
    if any(sides):
        raise LeftOut("one side is messages, the other is not")
    for side in ("chosen", "rejected"):
        check_text(chosen if side == "chosen" else rejected, f"{side} side")
    if is_dialogue(chosen) and is_dialogue(rejected):
        return _parted_dialogues(chosen, rejected)
    if prompt is not None:
        return *_prompt(prompt), chosen, rejected
    return _parted_texts(chosen, rejected)


def _parted_messages(prompt: Any, chosen: list[Turn], rejected: list[Turn]) -> Parted:
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
        return *_prompt(prompt), chosen[-1].content, rejected[-1].content
    return *_kept(turns), chosen[-1].content, rejected[-1].content


def _parted_dialogues(chosen: str, rejected: str) -> Parted:
    """hh-rlhf's sides: the answer is what follows the last "Assistant:", and the same must stand before it."""
    cuts = [side.rfind(_ASSISTANT) + len(_ASSISTANT) for side in (chosen, rejected)]
    prompt, answers = chosen[: cuts[0]], (chosen[cuts[0] :], rejected[cuts[1] :])
    if prompt != rejected[: cuts[1]]:
        raise LeftOut("the two sides' prompts differ")
    if any("\n\nHuman:" in answer for answer in answers):
        raise LeftOut("a side does not end with the assistant's turn")
    return _dialogue_turns(prompt), prompt, *answers


def _parted_texts(chosen: str, rejected: str) -> Parted:
    """The prompt is what both texts begin with, up to a border between words; it ends before the space."""
    head = commonprefix([chosen, rejected])
    prompt = head[: max((border.start() for border in _BORDER.finditer(head)), default=0)]
    if not prompt.strip():
        raise LeftOut("there is no prompt: the two sides begin with different words")
    return (), prompt, chosen[len(prompt) :], rejected[len(prompt) :]


def _prompt(value: Any) -> tuple[tuple[Turn, ...], str]:
    """A prompt's turns and text: from text, messages, or the post of a summary."""
    if turns := messages(value):
        return _kept(turns)
    if isinstance(value, Mapping):
        return (), _post(value)
    if isinstance(value, str):
        if is_dialogue(value):
            return _dialogue_turns(value), value
        if "<extra_id_1>" in value:
            said = ["User", *_HELPSTEER.split(value)]
            return _kept([Turn(role.lower(), content) for role, content in zip(said[::2], said[1::2], strict=True)])
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


def _kept(turns: Sequence[Turn]) -> tuple[tuple[Turn, ...], str]:
    """The turns as a row keeps them, none where they are one question, and their text."""
    text = text_of(turns)
    return (() if len(turns) == 1 and text == turns[0].content else tuple(turns)), text


def is_dialogue(text: str) -> bool:
    return text.lstrip("\n").startswith("Human:") and _ASSISTANT in text


def _dialogue_turns(prompt: str) -> tuple[Turn, ...]:
    """The turns of hh-rlhf's text, whose last "Assistant:" is the place of the answer, not a turn."""
    said = _SPEAKER.split("\n\n" + prompt.strip().removesuffix(_ASSISTANT))[1:]
    return tuple(
        Turn("user" if speaker == "Human" else "assistant", content.strip())
        for speaker, content in zip(said[::2], said[1::2], strict=True)
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
    if value is None:
        raise LeftOut(f"the {name} is missing")
    if not isinstance(value, str):
        raise LeftOut(f"the {name} is not text")
    if not value.strip():
        raise LeftOut(f"the {name} is blank")
    if is_broken_text(value):
        raise LeftOut(f"the {name} holds half of a character")

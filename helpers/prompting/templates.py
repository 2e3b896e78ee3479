"""Prompt templates: texts with {slots} to fill, and a starter set of them, one or more for each technique of lab 04.

The starter set keeps to the forms of the small world's texts (`simulation/corpus.py`, `simulation/tasks.py`), since
small models know no others. A template ends where the answer begins: the space belongs to the answer's first token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from string import Formatter

from ..files import LabError, one_line


@dataclass(frozen=True)
class Template:
    """A prompt with slots. A literal brace is written twice, as in `str.format`: {{ or }}.

    Attributes:
        name: As shown, the technique first ("few-shot: topic").
        text: With {slot} for each slot.
        slots: Slot -> an example of what goes there.

    Raises:
        LabError: A brace stands alone, a slot is more than a name, as in {0.__class__} or {post!r}, or text and
            `slots` do not name the same slots.
    """

    name: str
    text: str
    slots: Mapping[str, str]

    def __post_init__(self) -> None:
        named = [slot for _, slot in self.parts() if slot is not None]
        if unknown := [slot for slot in named if slot not in self.slots]:
            raise LabError(
                f"template {_quoted(self.name)}: its text has a slot {{{unknown[0][:80]}}} that `slots` does not have "
                f"({_listed(self.slots)}); add it there, or write {{{{ and }}}} for braces that are text"
            )
        if unused := [slot for slot in self.slots if slot not in named]:
            raise LabError(
                f"template {_quoted(self.name)}: its text does not have the slot {_quoted(unused[0])}; write it there, "
                f"in braces, where its value goes, or take it out of `slots`"
            )

    def parts(self) -> list[tuple[str, str | None]]:
        """The text in pieces: (literal text, the slot that follows it or None)."""
        try:
            parsed = list(Formatter().parse(self.text))
        except ValueError as error:
            raise LabError(
                f"template {_quoted(self.name)}: {one_line(str(error))}; write {{slot}} for a slot, {{{{ and }}}} for "
                f"braces that are text"
            ) from None
        for _, slot, form, conversion in parsed:
            if slot is not None and (form or conversion or not slot.isidentifier()):
                found = f"{slot}{'!' + conversion if conversion else ''}{':' + form if form else ''}"
                raise LabError(
                    f"template {_quoted(self.name)}: a slot is a name in braces, such as {{post}}, and nothing else; "
                    f"this is none: {{{one_line(found)}}}"
                )
        return [(literal, slot) for literal, slot, _, _ in parsed]


def fill(template: Template, slots: Mapping[str, str]) -> str:
    """The prompt: each slot's value in its place, as it is, braces and all.

    Values for slots that the template does not have are left out, so that one mapping can fill several templates.

    Raises:
        LabError: A value is missing or no text.
    """
    if missing := [slot for slot in template.slots if slot not in slots]:
        raise LabError(
            f"template {_quoted(template.name)} needs a value for {_listed(missing)}; those that were given: "
            f"{_listed(slots)}"
        )
    for slot in template.slots:
        if not isinstance(slots[slot], str):
            raise LabError(f"template {_quoted(template.name)}: the value of {_quoted(slot)} must be text in quotes")
    return "".join(literal + (slots[slot] if slot else "") for literal, slot in template.parts())


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(_quoted, [*names][:9])) or "none"


def _quoted(name: str) -> str:
    return repr(one_line(name))


# ---------------------------------------------------------------------------------------- the starter set

_POST = {
    "subreddit": "Dogtraining",
    "title": "Need a second opinion from pet folks",
    "post": (
        "Long story short, I want to train my puppy to love its crate. Oh, and my best friend sells handmade dog "
        "collars. The only snag is that our toddler chases every animal in sight. Which animal supplies should I get "
        "right away? Thanks in advance!"
    ),
}
_PICKED = {"post": _POST["post"]}
_TLDR = "SUBREDDIT: r/{subreddit}\n\nTITLE: {title}\n\nPOST: {post}\n\nTL;DR:"
_SENTENCE = {"sentence": "I want to foster newborn kittens."}
_COSTS = {"costs": "4 for the vet, 7 for the leash, 5 for the food"}
_REQUEST = {"request": "Explain how to find a good vet."}
_EXAMPLES = {
    "examples": (
        "Sentence: My roommate is behind on rent.\nTopic: housing\n\n"
        "Sentence: I want to bake my own bread.\nTopic: cooking\n\n"
        "Sentence: Which money book should I read?\nTopic: money"
    )
}
_ONE_POST = {
    "example": (
        "SUBREDDIT: r/Cooking\n\nTITLE: Could use some kitchen wisdom\n\nPOST: Long time lurker here. What I'd like is "
        "to cook a week of office food in one go. What makes it hard is that my time to cook is limited to 40 minutes. "
        "Any idea who to ask for cooking lessons?\n\nTL;DR: I want to cook a week of office food in one go, but my "
        "time to cook is limited to 40 minutes. Who should I ask for cooking lessons?"
    )
}
_ROLE = {"role": "You are an experienced vet."}

TEMPLATES: tuple[Template, ...] = (
    Template("zero-shot: TL;DR", _TLDR, _POST),
    Template("zero-shot: topic", "Sentence: {sentence}\nTopic:", _SENTENCE),
    Template("zero-shot: total", "Costs: {costs}.\nTotal:", _COSTS),
    Template("zero-shot: request", "{request}\n", _REQUEST),
    Template("instruction: TL;DR", "Sum up the post.\n\n" + _TLDR, _POST),
    Template("instruction: topic", "Name the topic of the sentence.\n\nSentence: {sentence}\nTopic:", _SENTENCE),
    Template("one-shot: TL;DR", "{example}\n\n" + _TLDR, _ONE_POST | _POST),
    Template("few-shot: topic", "{examples}\n\nSentence: {sentence}\nTopic:", _EXAMPLES | _SENTENCE),
    Template("role: request", "{role} Give advice.\n\n{request}\n", _ROLE | _REQUEST),
    Template("role: TL;DR", "{role} Sum up the post.\n\n" + _TLDR, _ROLE | _POST),
    Template("step by step: TL;DR", "POST: {post}\n\nStep 1, the goal:", _PICKED),
    Template("step by step: total", "Costs: {costs}.\nSteps:", _COSTS),
    Template("free text", "{text}", {"text": "The only snag is that"}),
)
# Values for the slots of any template, by a name to choose them by.
EXAMPLES: Mapping[str, Mapping[str, str]] = {
    "a puppy": _POST | _SENTENCE | _COSTS | _REQUEST | _ROLE,
    "a kitchen": {
        "subreddit": "Baking",
        "title": "Food question from a beginner",
        "post": (
            "Hey folks. I want to fill and fold stuffed pasta myself. My favorite baking show is on tonight, if that "
            "matters. What's holding me back is that my food budget is just $80. I'm not sure who to ask for cooking "
            "lessons."
        ),
        "sentence": "My food budget is just $80.",
        "costs": "8 for the oven, 3 for the bread, 9 for the dinner, 2 for the milk",
        "request": "Tell me who to ask for cooking lessons.",
        "role": "You are a friendly neighbor.",
    },
    "an old car": {
        "subreddit": "MechanicAdvice",
        "title": "Looking for tips from people who have been there",
        "post": (
            "I finally feel ready to swap the transmission in my Corolla. I hang plush dice above my dashboard, if "
            "that matters. It doesn't help that I hurt my wrist changing a tire. Who should I speak with at the DMV?"
        ),
        "sentence": "I hurt my wrist changing a tire.",
        "costs": "6 for the tyres, 6 for the fuel, 1 for the tools, 9 for the paint",
        "request": "Give me advice on swapping the transmission in my Corolla.",
        "role": "You are a careful editor.",
    },
}

"""The sentences that people put around a fact, and the small grammar that fits a fact into them.

Slots: {vp} "adopt a rescue dog", {ving} "adopting a rescue dog", {s} a clause, {S} the same with a capital, {q} "how to
convince my landlord", {Q} "How do I convince my landlord?". The voice is "I" here; `to_plural` turns it into "we".
"""

import re
from functools import cache
from typing import Any

GOAL = (
    "I want to {vp}.",
    "I'd love to {vp}.",
    "I'm hoping to {vp}.",
    "I've decided to {vp}.",
    "My plan is to {vp}.",
    "For a while now I have wanted to {vp}.",
    "I've been thinking about {ving}.",
    "I've been dreaming of {ving}.",
    "The goal is to {vp}.",
    "I would really like to {vp}.",
    "Lately all I can think about is {ving}.",
    "I'm trying to {vp}.",
    "Long story short, I want to {vp}.",
    "I promised myself to {vp}.",
    "I finally feel ready to {vp}.",
    "What I'd like is to {vp}.",
)
CONSTRAINT = (
    "The problem is that {s}.",
    "But {s}.",
    "Unfortunately {s}.",
    "The catch is that {s}.",
    "The trouble is, {s}.",
    "Here's the thing: {s}.",
    "{S}.",
    "However, {s}.",
    "What makes it hard is that {s}.",
    "It doesn't help that {s}.",
    "Thing is, {s}.",
    "The only snag is that {s}.",
    "What's holding me back is that {s}.",
    "Now {s}, which complicates things.",
)
QUESTION = (
    "{Q}",
    "{Q}",
    "Does anyone know {q}?",
    "I'm not sure {q}.",
    "I can't figure out {q}.",
    "So, {Q1}",
    "Can someone tell me {q}?",
    "Mostly I want to know {q}.",
    "I keep wondering {q}.",
    "My question is simple: {Q1}",
    "Any idea {q}?",
    "Please help me understand {q}.",
    "What I can't decide is {q}.",
    "Honestly, {Q1}",
)
DETAIL = (
    "Also, {s}.",
    "For context, {s}.",
    "By the way, {s}.",
    "{S}.",
    "{S}.",
    "Not that it matters, but {s}.",
    "In case it helps, {s}.",
    "Some background: {s}.",
    "{S}, if that matters.",
    "Oh, and {s}.",
    "I should mention that {s}.",
    "Funny enough, {s}.",
    "Full disclosure: {s}.",
)
OPENER = (
    "Hi everyone.",
    "Hi all!",
    "Hello!",
    "Hey everyone, first time posting here.",
    "Long time lurker here.",
    "Sorry if this is the wrong place to ask.",
    "Throwaway for obvious reasons.",
    "On mobile, so please excuse the formatting.",
    "Hey folks.",
    "Okay, here goes.",
    "I never thought I'd post here.",
    "Bear with me, this is a bit of a ramble.",
)
FEELING = (
    "I'm honestly a bit nervous about the whole thing.",
    "I've been going back and forth on this for days.",
    "My head is spinning.",
    "It's been on my mind a lot.",
    "I don't want to mess this up.",
    "Maybe I'm overthinking it.",
    "I feel a little silly asking.",
    "I'm excited, but also pretty lost.",
    "Everyone I ask tells me something different.",
    "I can't be the only one in this situation.",
    "It keeps me up at night.",
    "I've read a dozen threads and I'm still confused.",
)
CLOSER = (
    "Thanks in advance!",
    "Any advice is appreciated.",
    "Thank you!",
    "Thanks for reading.",
    "Be honest, I can take it.",
    "Please be kind.",
    "Would love to hear from people who have been there.",
    "Cheers!",
    "Any pointers welcome.",
    "I'm all ears.",
    "Thanks, everyone.",
    "Appreciate any help.",
)
SUMMARY = (
    "I want to {vp}, but {s}. {Q}",
    "I want to {vp} but {s}. {Q}",
    "Trying to {vp}, but {s}. {Q}",
    "Want to {vp}, but {s}. {Q}",
    "I'd like to {vp}. However, {s}. {Q}",
    "Hoping to {vp}. The problem is that {s}. {Q}",
    "I plan to {vp}, but {s}, and I'm not sure {q}.",
    "My goal is to {vp}, but {s}. {Q}",
    "Thinking about {ving}, but {s}. {Q}",
    "I want to {vp} even though {s}. {Q}",
    "{S}, but I want to {vp}. {Q}",
    "{Q} I want to {vp}, but {s}.",
)
SUMMARY_OF = {  # summaries that leave something out
    ("goal", "constraint"): ("I want to {vp}, but {s}.", "Trying to {vp}, but {s}.", "Want to {vp} but {s}."),
    ("goal", "question"): ("I want to {vp}. {Q}", "Want to {vp}. {Q}", "Hoping to {vp} and not sure {q}."),
    ("constraint", "question"): ("{S}. {Q}", "{S}, and I'm not sure {q}."),
    ("goal",): ("I want to {vp}.", "Trying to {vp}.", "Thinking about {ving}."),
    ("constraint",): ("{S}.", "The problem is that {s}."),
    ("question",): ("{Q}", "Not sure {q}."),
}

# What inflect gets wrong: it doubles the consonant of "brighten", and not that of "quit".
_DOUBLED = {"quit": "quitting", "sublet": "subletting", "transfer": "transferring", "begin": "beginning"}
_PLURAL = (
    (r"\bI'm\b", "we're"),
    (r"\bI am\b", "we are"),
    (r"\bI was\b", "we were"),
    (r"\bI\b", "we"),
    (r"\bmy\b", "our"),
    (r"\bMy\b", "Our"),
    (r"\bme\b", "us"),
    (r"\bmyself\b", "ourselves"),
    (r"\bmine\b", "ours"),
)
# Facts about one person, which nobody says in the plural.
SINGULAR = re.compile(
    r"\bI am \{|\bI'm \{|\bI turn|\b(my|a) "
    r"(wife|husband|partner|girlfriend|boyfriend|spouse|fianc\w*|ex|date|birthday)\b"
    r"|\bmyself\b|\bmy (back|knee|body|doctor|age|\w+ birthday)\b"
)


@cache
def _inflect() -> Any:
    import inflect  # takes two seconds, and the labs write no phrases

    return inflect.engine()


def gerund(verb_phrase: str) -> str:
    """The -ing form of a verb phrase: "adopt a dog" becomes "adopting a dog"."""
    verb, _, rest = verb_phrase.partition(" ")
    participle = _DOUBLED.get(verb) or _inflect().present_participle(verb)
    if verb not in _DOUBLED and len(re.findall(r"[aeiouy]+", verb)) > 1 and participle == verb + verb[-1] + "ing":
        participle = verb + "ing"
    return f"{participle} {rest}".rstrip()


def direct_question(question: str) -> str:
    """An indirect question as a direct one, without a capital.

    "how to convince my landlord" becomes "how do I convince my landlord?", "whether to wait" becomes "should I wait?".
    """
    asked, rest = question.split(" to ", 1)
    if asked == "whether":
        return f"should I {rest}?"
    return f"{asked} {'do' if asked in ('how', 'where') else 'should'} I {rest}?"


def capital(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def fill(template: str, *, goal: str = "", clause: str = "", question: str = "") -> str:
    """Fill a template's slots with a goal, a clause (constraint or detail) and a question of a topic file."""
    direct = direct_question(question) if question else ""
    return template.format(
        vp=goal,
        ving=gerund(goal) if goal else "",
        s=clause,
        S=capital(clause),
        q=question,
        Q=capital(direct),
        Q1=direct,
    )


def to_plural(text: str) -> str:
    """The text in the plural voice: "I want to sell my car" becomes "We want to sell our car"."""
    for pattern, replacement in _PLURAL:
        text = re.sub(pattern, replacement, text)
    return re.sub(r"(^|[.?!]\s+)(we\b)", lambda m: m[1] + capital(m[2]), text)

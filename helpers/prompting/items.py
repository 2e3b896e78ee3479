"""The tasks of lab 04's grid: items to ask, all that a technique may put into their prompts, and what an answer scores.

which      name a sentence's topic or kind, whichever the examples name       right or wrong
topic      name a sentence's topic                                            right or wrong
sort       find a sentence's group, whose name only the examples explain     right or wrong
total      add up three to six costs                                          right or wrong
capitals   name a sentence's topic in capital letters                         right or wrong
leave out  sum up a post without its problem                                  obeyed or not
request    give advice instead of asking for more                             answered or not
tldr       sum up a post                                                      gold reward, -3 to 3

Beside them "mixed" is "which" with as many examples of the other task, for the bias that their order gives.

Posts and lists of costs are of the test split, which no model was trained on. Sentences are of the training split: what
a sentence is about the small models know by heart or not at all, as large ones know the world. New are the prompts:
which examples stand before which query, and what the groups are called.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace

from ..models.prompt_formats import Ask
from ..simulation import tasks
from ..simulation.gold import gold_reward, score
from ..simulation.posts import draw_posts, write_summary
from ..simulation.wording import find_facts
from ..training.pretraining.documents import ask_for
from . import asking
from .asking import first_line
from .grid import Item

EXAMPLES = 12  # worked examples that come with an item, of which a technique shows some
BEST = {"tldr": 3.0}  # the highest score, where it is not 1
TASKS = ("which", "topic", "sort", "total", "capitals", "leave out", "request", "tldr")
NUMBER = re.compile(r"\d+")


def items(task: str, n: int, seed: int = 0) -> list[Item]:
    """`n` items of a task with everything that a technique may use: instruction, options and worked examples.

    No example states what the query states. `simple` takes off what a technique does not use.
    """
    return [_item(task, random.Random(f"grid/{task}/{seed}/{number}"), number) for number in range(n)]


def _item(name: str, rng: random.Random, number: int) -> Item:
    if name in ("tldr", "leave out"):
        return _about_a_post(name, rng, number)
    task = {
        "which": lambda: rng.choice((tasks.TOPIC, tasks.KIND)),
        "mixed": lambda: rng.choice((tasks.TOPIC, tasks.KIND)),
        "topic": lambda: tasks.TOPIC,
        "capitals": lambda: tasks.TOPIC,
        "sort": lambda: tasks.sorting(rng, groups=2, by="topic"),
        "total": lambda: tasks.TOTAL,
        "request": lambda: tasks.REQUEST,
    }[name]()
    split = "test" if name == "total" else "train"
    ask, answer = ask_for(task, rng, split, 2 * EXAMPLES, wording=rng.randrange(3), options=bool(task.options))
    asked = _facts(ask.query)
    others = [example for example in ask.examples if not asked & _facts(example[0])]
    ask = replace(ask, examples=tuple(others[:EXAMPLES]))
    if name in ("which", "mixed"):  # without its cue: the examples' answers begin with it, and so must the answer
        shown = tuple((query, f"{ask.cue} {text}") for query, text in ask.examples)
        ask, answer = replace(ask, cue="", options=(), examples=shown), f"{ask.cue} {answer}"
    if name == "mixed":
        other = tasks.KIND if task is tasks.TOPIC else tasks.TOPIC
        drawn = (other.draw(rng, "train") for _ in range(EXAMPLES))
        ask = replace(ask, examples=(*ask.examples, *((query, f"{other.cue} {text}") for query, text in drawn)))
    if name == "capitals":
        sentence, change = tasks.FORMATS_ASKED["capitals"]
        shown = tuple((query, change(text)) for query, text in ask.examples)
        ask, answer = replace(ask, instruction=f"{ask.instruction} {sentence}", examples=shown), change(answer)
    return Item(name, ask, answer, f"{name} {number}")


def _facts(query: str) -> set[tuple[str, str, int]]:
    return {mention.fact.key for mention in find_facts(query)}


def _about_a_post(name: str, rng: random.Random, number: int) -> Item:
    """A post to sum up; its worked example is a short one, since two posts must fit into a small model's context."""
    (post,) = draw_posts(1, rng.randrange(2**32), "test")
    short = min(draw_posts(150, rng.randrange(2**32), "train"), key=lambda post: len(post.prompt))
    keep = ("goal", "question") if name == "leave out" else ("goal", "constraint", "question")
    task = tasks.without("constraint") if name == "leave out" else tasks.TLDR
    example = (short.prompt.removesuffix(task.cue), write_summary(short, rng, keep))
    instruction = task.instructions[rng.randrange(3)]
    ask = Ask(post.prompt.removesuffix(task.cue), task.cue, instruction, (), (example,))
    return Item(name, ask, post.prompt, f"{name} {number}")


def simple(ask: Ask, *, instruction: bool = False, k: int = 0) -> Ask:
    """The query and its cue alone, or with the instruction (and options), or with the first `k` worked examples."""
    kept = ask if instruction else replace(ask, instruction="", options=())
    return replace(kept, examples=ask.examples[:k])


def last_number(answer: str) -> str:
    """The last number of the first line: a total, with or without steps before it; "" if there is none."""
    return (NUMBER.findall(first_line(answer)) or [""])[-1]


def grid_score(item: Item, answer: str) -> float:
    """What an answer is worth: the gold reward of a TL;DR, else 1 for a right answer and 0 for another."""
    line = first_line(answer)
    match item.task:
        case "tldr":
            return gold_reward(item.target, line)
        case "leave out":
            read = score(item.target, line)
            return float(read.goal and read.question and not read.constraint and not read.invented)
        case "request":
            return float(len(line.split()) >= 3 and not asking.is_request(line))
        case "total":
            return float(last_number(answer) == item.target)
        case _:
            return float(line == item.target)

"""Prompting techniques and ways of decoding, each as a function from a model and items to answers.

Sources
    Brown et al. 2020        Language models are few-shot learners
    Wei et al. 2022          Chain-of-thought prompting elicits reasoning in large language models
    Kojima et al. 2022       Large language models are zero-shot reasoners
    Wang et al. 2023         Self-consistency improves chain of thought reasoning in language models
    Khot et al. 2023         Decomposed prompting
    Madaan et al. 2023       Self-refine
    Zhao et al. 2021         Calibrate before use (order and label bias)
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..models.language_models import LanguageModel
from ..models.prompt_formats import Ask
from ..simulation import tasks
from ..simulation.posts import body
from . import asking
from .grid import Item, Technique
from .items import NUMBER, first_line, last_number, simple

Answer = Callable[[LanguageModel, Sequence[Item], int], list[str]]  # see `Technique.answer`

GREEDY: dict[str, Any] = {"do_sample": False}
SAMPLED: dict[str, Any] = {}  # at temperature 1, from all tokens
SHORT = ("which", "topic", "sort", "capitals", "total")  # tasks with one right answer
TOKENS = {
    "which": 12,
    "mixed": 12,
    "topic": 8,
    "sort": 6,
    "capitals": 12,
    "total": 6,
    "request": 24,
    "leave out": 48,
    "tldr": 48,
}
STEP_TOKENS = {"total": 64, "tldr": 128}
NEW_WORDINGS = {task.name: task.instructions[-1] for task in (tasks.TOPIC, tasks.TOTAL, tasks.TLDR)}  # in no training


def prompt_technique(
    name: str,
    ask: Callable[[Item, int], Ask],
    task_names: Iterable[str],
    decoding: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Technique:
    """The technique that asks once.

    Args:
        name: What it is called.
        ask: Item, seed -> what is asked.
        task_names: The tasks it is meant for; empty: all.
        decoding: For `LanguageModel.complete`; default: greedy, but sampled where the answer is free text.
        **settings: What else `ask` depends on; part of the cache's key.
    """

    def answer(model: LanguageModel, items: Sequence[Item], seed: int) -> list[str]:
        return _complete(model, items, [ask(item, seed) for item in items], seed, decoding)

    return Technique(name, answer, {"decoding": decoding, **settings}, tasks=tuple(task_names))


def _complete(
    model: LanguageModel,
    items: Sequence[Item],
    asks: Sequence[Ask],
    seed: int,
    decoding: Mapping[str, Any] | None = None,
    **more: Any,
) -> list[str]:
    """The model's completions; `decoding` and `more` go before what is usual for the task."""
    task = items[0].task
    decoding = decoding if decoding is not None else SAMPLED if task in ("tldr", "leave out", "request") else GREEDY
    setting = {"max_new_tokens": TOKENS[task], **decoding, **more}
    return model.complete([model.render(ask) for ask in asks], seed=seed, **setting)


def shown(item: Item, k: int, seed: int) -> tuple[tuple[str, str], ...]:
    """`k` of the item's worked examples; the seed decides which, and in what order."""
    examples = item.ask.examples
    return tuple(random.Random(f"{item.id}/{seed}").sample(examples, min(k, len(examples))))


def few_shot(item: Item, k: int, seed: int, *, instruction: bool = False) -> Ask:
    """The query after `k` worked examples."""
    return replace(simple(item.ask, instruction=instruction), examples=shown(item, k, seed))


# ------------------------------------------------------------------------------------------- by prompt


def with_examples(k: int, task_names: Sequence[str] = SHORT) -> Technique:
    """Few-shot with `k` worked examples (Brown et al. 2020)."""
    return prompt_technique(f"{k} examples", lambda item, seed: few_shot(item, k, seed), task_names, k=k)


ZERO_SHOT = prompt_technique("zero-shot", lambda item, seed: simple(item.ask), ())
INSTRUCTION = prompt_technique("instruction", lambda item, seed: simple(item.ask, instruction=True), ())
ROLE = prompt_technique(
    "role",
    lambda item, seed: replace(simple(item.ask, instruction=True), role=tasks.ROLES[1]),
    (),
    role=tasks.ROLES[1],
)
NEW_WORDING = prompt_technique(
    "instruction, new wording",
    lambda item, seed: replace(simple(item.ask), instruction=NEW_WORDINGS[item.task]),
    NEW_WORDINGS,
    wordings=NEW_WORDINGS,
)
FEW_SHOT = with_examples(4)
ONE_SHOT = prompt_technique("one example", lambda item, seed: simple(item.ask, k=1), ("tldr", "leave out"))
BOTH = prompt_technique(
    "instruction and 4 examples", lambda item, seed: few_shot(item, 4, seed, instruction=True), SHORT
)


def in_steps(item: Item, seed: int, k: int = 0) -> Ask:
    """The item, asked for its steps before the answer; worked examples show steps, too."""
    if item.task == "tldr":
        return Ask(f"POST: {body(item.target)}\n\n", asking.STEP_1)
    examples = tuple((query, tasks.running_sum(amounts(query))) for query, _ in shown(item, k, seed))
    instruction = tasks.STEPS.instructions[tasks.TOTAL.instructions.index(item.ask.instruction)]
    return replace(item.ask, cue=tasks.STEPS.cue, instruction=instruction if not k else "", examples=examples)


def amounts(costs: str) -> list[int]:
    """The numbers of a list of costs."""
    return list(map(int, NUMBER.findall(costs)))


def _step_by_step(k: int) -> Answer:
    def answer(model: LanguageModel, items: Sequence[Item], seed: int) -> list[str]:
        longest = STEP_TOKENS[items[0].task]
        texts = _complete(model, items, [in_steps(item, seed, k) for item in items], seed, max_new_tokens=longest)
        return list(map(asking.conclusion, texts)) if items[0].task == "tldr" else texts

    return answer


STEPS = Technique("steps", _step_by_step(0), tasks=("total", "tldr"))
STEPS_SHOWN = Technique("2 examples with steps", _step_by_step(2), {"k": 2}, tasks=("total",))

VOTERS = 9


def _vote(model: LanguageModel, items: Sequence[Item], seed: int) -> list[str]:
    """Sample steps several times, and take the total that most of them end in."""
    asks = [in_steps(item, seed, 2) for item in items]
    texts = _complete(model, items, asks * VOTERS, seed, SAMPLED, max_new_tokens=STEP_TOKENS["total"])
    totals = [last_number(text) for text in texts]
    return [asking.self_consistency_vote(totals[i :: len(items)]) for i in range(len(items))]


def _one_voter(model: LanguageModel, items: Sequence[Item], seed: int) -> list[str]:
    asks = [in_steps(item, seed, 2) for item in items]
    return _complete(model, items, asks, seed, SAMPLED, max_new_tokens=STEP_TOKENS["total"])


VOTE = Technique("steps, vote of nine", _vote, {"voters": VOTERS}, tasks=("total",))
ONE_VOTER = Technique("steps, one sample", _one_voter, tasks=("total",))


def _put_together(model: LanguageModel, items: Sequence[Item], seed: int) -> list[str]:
    """Ask for goal, problem and question one by one, and put the answers into one sentence."""
    parts = []
    for task in (tasks.GOAL, tasks.PROBLEM, tasks.QUESTION):
        asks = [
            Ask(
                f"NOTES: {body(item.target)}\n\n",
                task.cue,
                task.instructions[0] if item.ask.instruction else "",
            )
            for item in items
        ]
        texts = _complete(model, items, asks, seed, SAMPLED, max_new_tokens=30)
        parts.append([first_line(text) for text in texts])
    return [
        f"I want to {goal}, but {problem}. Not sure {question}." for goal, problem, question in zip(*parts, strict=True)
    ]


DECOMPOSITION = Technique("decomposition", _put_together, tasks=("tldr",))


def _self_check(model: LanguageModel, items: Sequence[Item], seed: int) -> list[str]:
    """Answer, ask whether that is right, and where the model says no, answer again by sampling, once."""
    asks = [few_shot(item, 4, seed) for item in items]
    answers = [first_line(text) for text in _complete(model, items, asks, seed)]
    checks = [
        Ask(f"{item.ask.query}{item.ask.cue} {answer}\n", tasks.RIGHT.cue, tasks.RIGHT.instructions[0])
        for item, answer in zip(items, answers, strict=True)
    ]
    verdicts = _complete(model, items, checks, seed)
    second_tries = _complete(model, items, asks, seed, SAMPLED)
    rows = zip(answers, verdicts, second_tries, strict=True)
    return [second if verdict.strip().lower().startswith("no") else first for first, verdict, second in rows]


SELF_CHECK = Technique("4 examples, self-check", _self_check, tasks=("topic", "total"))

# ----------------------------------------------------------------------------------------- by decoding

DECODINGS: dict[str, dict[str, Any]] = {
    "greedy": GREEDY,
    "T = 0.5": {"temperature": 0.5},
    "top-k = 10": {"top_k": 10},
    "top-p = 0.8": {"top_p": 0.8},
    "repetition penalty 1.2": {"repetition_penalty": 1.2},
    "4 beams": {"do_sample": False, "num_beams": 4},
}


def decoded(name: str) -> Technique:
    """Zero-shot with another way of decoding than sampling at temperature 1."""
    setting = DECODINGS[name]
    made = prompt_technique(f"zero-shot, {name}", lambda item, seed: simple(item.ask), ("tldr",), setting)
    return replace(made, seeded=setting.get("do_sample", True))


# ----------------------------------------------------------------------------------------------- bias


def ordered(last: str, k: int = 4) -> Callable[[Item, int], Ask]:
    """Worked examples of two tasks, sorted by task.

    Args:
        last: "right": those of the task that is meant stand at the end; "wrong": those of the other.
        k: How many examples, half of each task.
    """

    def ask(item: Item, seed: int) -> Ask:
        right, wrong = _of_two_tasks(item)
        right, wrong = right[: k // 2], wrong[: k // 2]
        return replace(simple(item.ask), examples=tuple(wrong + right if last == "right" else right + wrong))

    return ask


def lopsided(n_right: int, k: int = 4) -> Callable[[Item, int], Ask]:
    """`n_right` of `k` worked examples are of the task that is meant, in random order."""

    def ask(item: Item, seed: int) -> Ask:
        right, wrong = _of_two_tasks(item)
        mixed = random.Random(f"{item.id}/{seed}").sample(right[:n_right] + wrong[: k - n_right], k)
        return replace(simple(item.ask), examples=tuple(mixed))

    return ask


def _of_two_tasks(item: Item) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The worked examples of the item's own task, and those of the other."""
    own = item.target.split(":")[0]
    right = [example for example in item.ask.examples if example[1].startswith(f"{own}:")]
    return right, [example for example in item.ask.examples if example not in right]


RIGHT_LAST = prompt_technique("the task meant last", ordered("right"), ("mixed",), examples=4)
WRONG_LAST = prompt_technique("the other task last", ordered("wrong"), ("mixed",), examples=4)
LOPSIDED = [prompt_technique(f"{n} of 4 of the task meant", lopsided(n), ("mixed",), n=n) for n in (1, 2, 3)]

GRID = (
    ZERO_SHOT,
    INSTRUCTION,
    NEW_WORDING,
    ROLE,
    FEW_SHOT,
    BOTH,
    STEPS,
    STEPS_SHOWN,
    ONE_VOTER,
    VOTE,
    SELF_CHECK,
    ONE_SHOT,
    DECOMPOSITION,
    *map(decoded, DECODINGS),
)
CURVE = tuple(with_examples(k, ("which", "sort")) for k in (0, 1, 2, 4, 8))
BIAS = (RIGHT_LAST, WRONG_LAST, *LOPSIDED)

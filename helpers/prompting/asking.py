"""Prompts for lab 04, and what can be read off the completions: texts in, texts and numbers out.

All of them use the formats of the tiny base model's training text (`simulation/corpus.py`), because a model this small
knows no other; with a large model the same functions ask the same questions.
"""

import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from ..simulation import corpus
from ..simulation.posts import body
from ..simulation.wording import ESSENTIAL, draw_fact, topics

STEP_1 = "Step 1, the goal:"
REQUEST = re.compile(r"(how|what|which|where|when|who|should|explain|tell|write|give|tips)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Question:
    """A prompt and the line that answers it."""

    prompt: str
    answer: str

    def is_answered_by(self, completion: str) -> bool:
        """Whether the completion's first line is the answer."""
        return first_line(completion) == self.answer


def first_line(completion: str) -> str:
    """The first line that says something, without the space around it."""
    return completion.strip().split("\n")[0].strip()


def few_shot_prompt(examples: Sequence[tuple[str, str]], query: str, label: str) -> str:
    """Worked examples, then the query, whose answer is left for the model to write (Brown et al. 2020).

    Each example is two lines, "Sentence: ..." and "{label}: ...", and a blank line follows. The prompt ends right after
    the query's "{label}:": the space belongs to the answer's first token.

    Args:
        examples: (sentence, answer) of each.
        query: The sentence to classify.
        label: The word before each answer.
    """
    blocks = [f"Sentence: {sentence}\n{label}: {answer}" for sentence, answer in examples]
    return "\n\n".join([*blocks, f"Sentence: {query}\n{label}:"])


def few_shot_questions(
    n: int,
    examples: int,
    task: str = "topic",
    *,
    label: str | None = None,
    named: bool = True,
    seed: int = 0,
    build: Callable[[Sequence[tuple[str, str]], str, str], str] = few_shot_prompt,
) -> list[Question]:
    """`n` sentences to classify, each after `examples` worked ones; the last sentences depend on the seed alone.

    Args:
        n: How many questions.
        examples: How many worked examples stand before each.
        task: "topic" (pets, cars, ...) or "kind" (goal, constraint, question).
        label: The word before each answer (default: the task's name, as in the training text).
        named: Whether the prompt ends with the label, "Topic:"; if not, only the examples tell what to do, and the
            answer is the whole line, "Topic: pets".
        seed: Of the sentences and the examples.
        build: Makes the prompt of examples, query and label.
    """
    label = label or task.capitalize()
    questions = []
    for number in range(n):
        rng = random.Random(f"few-shot/{seed}/{number}")
        sentence, answer = _sentence(rng, task)
        shown = [_sentence(rng, task) for _ in range(examples)]
        prompt = build(shown, sentence, label)
        if named:
            questions.append(Question(prompt, answer))
        else:
            questions.append(Question(prompt.removesuffix(f"{label}:"), f"{label}: {answer}"))
    return questions


def _sentence(rng: random.Random, task: str) -> tuple[str, str]:
    topic, kind = rng.choice(sorted(topics())), rng.choice(ESSENTIAL)
    fact = draw_fact(topic, kind, rng.randrange(len(topics()[topic][kind + "s"])), rng)
    return corpus.sentence(fact, rng.randrange(2)), {"topic": topic, "kind": kind}[task]


def request_prompts(n: int, seed: int = 0) -> list[str]:
    """`n` requests, one line each: "Explain how to find a good vet." and the like."""
    rng = random.Random(f"requests/{seed}")
    return [corpus.requests(rng, "test")[1].split("\n")[0] + "\n" for _ in range(n)]


def is_request(completion: str) -> bool:
    """Whether a completion begins with one more request instead of an answer."""
    return bool(REQUEST.match(completion.lstrip()))


def step_by_step(prompt: str) -> str:
    """The TL;DR prompt, turned into one that asks for goal, problem and question before the TL;DR."""
    return f"POST: {body(prompt)}\n\n{STEP_1}"


def conclusion(completion: str) -> str:
    """The TL;DR at the end of a step-by-step completion; empty if it never came to one."""
    return completion.partition("TL;DR:")[2].split("\n")[0]


def self_consistency_vote(answers: Sequence[str]) -> str:
    """The answer that most of several samples give, as it was first written (Wang et al. 2023).

    Answers that differ only in case or in the space around them are one answer. Of several with equally many votes, the
    first one wins.
    """

    def same(answer: str) -> str:
        return answer.strip().lower()

    votes = Counter(map(same, answers))
    return max(answers, key=lambda answer: votes[same(answer)]).strip()  # max returns the first of equals


def diversity(texts: Sequence[str]) -> float:
    """How different completions of one prompt are, 0 (all the same) to 1.

    The mean over all pairs of texts of one minus Jaccard's index of their word pairs (neighboring words), 0 for two
    texts without any.

    Raises:
        ValueError: There are fewer than two texts.
    """
    if len(texts) < 2:
        raise ValueError("diversity needs at least 2 texts")
    word_pairs = [set(pairwise(text.split())) for text in texts]
    distances = [1 - len(a & b) / len(a | b) if a | b else 0.0 for a, b in combinations(word_pairs, 2)]
    return sum(distances) / len(distances)

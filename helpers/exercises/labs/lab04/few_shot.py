"""Exercise of lab 04: a few-shot prompt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....prompting import asking
from ...exercise import Arguments, Exercise, Misconception
from ...inputs import WORDS, random_words


def _shots(rng: np.random.Generator) -> list[Arguments]:
    labels = rng.permutation(["Topic", "Kind", "Answer", "Mood"])
    return [
        {
            "examples": [
                (f"{random_words(rng, 4)}.", str(answer)) for answer in rng.choice(WORDS, count, replace=False)
            ],
            "query": f"{random_words(rng, 3)}?",
            "label": str(label),
        }
        for count, label in zip((2, 1, 4, 0), labels, strict=True)
    ]


def _prompt(examples: Sequence[tuple[str, str]], query: str, label: str, *, gap: str = "\n\n", end: str = ":") -> str:
    blocks = [f"Sentence: {sentence}\n{label}: {answer}" for sentence, answer in examples]
    return gap.join([*blocks, f"Sentence: {query}\n{label}{end}"])


FEW_SHOT_PROMPT = Exercise(
    name="few_shot_prompt",
    title="A prompt from examples",
    minutes=8,
    difficulty=1,
    deliver='One text: each example as two lines, a blank line after it, and last the query with a bare "{label}:".',
    reference=asking.few_shot_prompt,
    cases=_shots,
    hints=(
        "Write down the text for two examples by hand, and mark what repeats.",
        'The query looks like one more example whose answer is missing. Join all of them with "\\n\\n".',
        "The last character is the label's colon. The space after it belongs to the answer's first token.",
    ),
    misconceptions=(
        Misconception(
            "trailing space",
            "it ends in a space. The space belongs to the answer's first token: after yours the model stands where its "
            "training text never stood",
            lambda examples, query, label: _prompt(examples, query, label, end=": "),
        ),
        Misconception(
            "trailing newline",
            "it ends in a new line: the answer belongs on the label's own line",
            lambda examples, query, label: _prompt(examples, query, label, end=":\n"),
        ),
        Misconception(
            "no label",
            "the query's label is missing at the end: nothing asks for an answer, so the model may write anything",
            lambda examples, query, label: _prompt(examples, query, label).removesuffix(f"\n{label}:"),
        ),
        Misconception(
            "no blank line",
            "there is no blank line between the examples: for the model they are then one text, not several tasks",
            lambda examples, query, label: _prompt(examples, query, label, gap="\n"),
        ),
        Misconception(
            "query first",
            "the query comes before the examples: the model continues the end of the prompt, and there stands an "
            "example that has its answer",
            lambda examples, query, label: "\n\n".join(
                [_prompt([], query, label), *_prompt(examples, query, label).split("\n\n")[:-1]]
            ),
        ),
        Misconception(
            "no answers",
            "the examples have no answers: they show what a sentence looks like, not what to do with it",
            lambda examples, query, label: "\n\n".join(
                _prompt([], sentence, label) for sentence in [*(sentence for sentence, _ in examples), query]
            ),
        ),
        Misconception(
            "one example",
            "only the first example is in it: show all of them",
            lambda examples, query, label: _prompt(examples[:1], query, label),
        ),
    ),
)

"""Exercise of lab 04: a few-shot prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


def _prompt(
    examples: Sequence[tuple[str, str]],
    query: str,
    label: str,
    *,
    gap: str = "\n\n",
    last_gap: str | None = None,
    end: str = ":",
    line: str = "\n",
    colon: str = ": ",
    sentence: str = "Sentence: ",
    query_word: str | None = None,
) -> str:
    """The right prompt, or one with other parts."""
    blocks = [f"{sentence}{text}{line}{label}{colon}{answer}" for text, answer in examples]
    asked = f"{sentence if query_word is None else query_word}{query}{line}{label}{end}"
    between = (gap if last_gap is None else last_gap) if examples else ""
    return gap.join(blocks) + between + asked


def _with(*ends: str, **parts: str) -> tuple[Callable[..., str], ...]:
    """Prompts with other parts, and with each of the ends."""
    return tuple(
        lambda examples, query, label, end=end: _prompt(examples, query, label, **{**parts, "end": end})
        for end in ends or (":", ": ", ":\n")
    )


def _query_first(examples: Sequence[tuple[str, str]], query: str, label: str) -> str:
    return "\n\n".join([_prompt([], query, label), *_prompt(examples, query, label).split("\n\n")[:-1]])


def _no_answers(examples: Sequence[tuple[str, str]], query: str, label: str, end: str = ":", gap: str = "\n\n") -> str:
    sentences = [*(sentence for sentence, _ in examples), query]
    return gap.join(_prompt([], sentence, label, end=end) for sentence in sentences)


def _blocks(examples: Sequence[tuple[str, str]], query: str, label: str) -> list[str]:
    return _prompt(examples, query, label).split("\n\n")


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
            _with(": "),
        ),
        Misconception(
            "trailing newline",
            "it ends in a new line: the answer belongs on the label's own line",
            _with(":\n", ":\n\n", ": \n", ": \n\n"),
        ),
        Misconception(
            "no label",
            "the query's label is missing at the end: nothing asks for an answer, so the model may write anything",
            (
                lambda examples, query, label: _prompt(examples, query, label).removesuffix(f"\n{label}:"),
                lambda examples, query, label: _prompt(examples, query, label).removesuffix(f"{label}:"),
                lambda examples, query, label: (
                    _prompt(examples, query, label)
                    and _prompt(examples, query, label).removesuffix(f"\n{label}:") + "\n\n"
                ),
                lambda examples, query, label: _prompt(examples, query, label, gap="\n").removesuffix(f"\n{label}:"),
                lambda examples, query, label: _prompt(examples, query, label, query_word="").removesuffix(
                    f"\n{label}:"
                ),
            ),
        ),
        Misconception(
            "no colon at the end",
            "the colon after the query's label is missing: the last character is the label's colon",
            _with("", " ", "\n"),
        ),
        Misconception(
            "no blank line",
            "there is no blank line between the examples: for the model they are then one text, not several tasks",
            _with(gap="\n"),
        ),
        Misconception(
            "no line end between examples",
            'nothing, or only a space, stands between one example and the next: a blank line belongs there ("\\n\\n")',
            (*_with(gap=""), *_with(gap=" ")),
        ),
        Misconception(
            "no blank line before the query",
            "the blank line before the query is missing: the query looks like one more example, so it stands apart "
            "like one",
            (*_with(last_gap="\n"), *_with(last_gap=""), *_with(gap="\n", last_gap="\n\n")),
        ),
        Misconception(
            "too many blank lines",
            "there is more than one blank line between the examples, or before the query: one is enough. (Where each "
            'example ends in "\\n\\n" already, join them with "".)',
            (
                *_with(gap="\n\n\n"),
                *_with(gap="\n\n\n\n"),
                *_with(last_gap="\n\n\n"),
                *_with(last_gap="\n\n\n\n"),
                *_with(gap="\n\n\n", last_gap="\n\n"),
            ),
        ),
        Misconception(
            "blank line at the start",
            "it starts with an empty line, or a space: with no examples the prompt is the query's two lines alone",
            (
                lambda examples, query, label: ("" if examples else "\n\n") + _prompt(examples, query, label),
                lambda examples, query, label: ("" if examples else "\n") + _prompt(examples, query, label),
                lambda examples, query, label: "\n" + _prompt(examples, query, label),
                lambda examples, query, label: "\n\n" + _prompt(examples, query, label),
                lambda examples, query, label: ("" if examples else "\n\n") + _prompt(examples, query, label, end=": "),
            ),
        ),
        Misconception(
            "one line",
            "the sentence and its label stand on one line: each example has two lines, with a new line (`\\n`) between "
            "the sentence and the label",
            (*_with(line=" "), *_with(line=""), *_with(line=", "), *_with(line=" ", gap="\n")),
        ),
        Misconception(
            "three lines",
            "there is a blank line between a sentence and its label: the two lines of an example stand together",
            _with(line="\n\n"),
        ),
        Misconception(
            "label of one task",
            "the label is fixed: take the word that `label` holds, for another task it is another one",
            tuple(
                lambda examples, query, label, word=word, end=end: _prompt(examples, query, word, end=end)
                for word in ("Topic", "label", "Label", "{label}", "Answer")
                for end in (":", ": ")
            ),
        ),
        Misconception(
            "label in lower case",
            "the label is written in other letters: take it as it is given",
            (
                lambda examples, query, label: _prompt(examples, query, label.lower()),
                lambda examples, query, label: _prompt(examples, query, label.upper()),
            ),
        ),
        Misconception(
            "no space in the examples",
            "in the examples the space between the label's colon and the answer is missing: only the query ends in a "
            "bare colon",
            (*_with(colon=":"), *_with(colon=":\n"), *_with(colon=" ")),
        ),
        Misconception(
            "no colon space after Sentence",
            'the sentences do not begin with "Sentence: ", as the examples of the statement do: capital S, a colon, a '
            "space, whatever the label is",
            tuple(
                one
                for word in ("", "Sentence:", "Sentence ", "sentence: ", "Text: ", "Query: ", "Input: ", "Q: ", "- ")
                for one in _with(":", ": ", sentence=word)
            ),
        ),
        Misconception(
            "query of another kind",
            'the query does not begin as the examples do: it is one more sentence, "Sentence: ", whose answer is '
            "missing",
            tuple(
                one
                for word in ("", "Query: ", "Question: ", "Input: ", "Text: ", "query: ")
                for one in _with(":", ": ", query_word=word)
            ),
        ),
        Misconception(
            "query first",
            "the query comes before the examples: the model continues the end of the prompt, and there stands an "
            "example that has its answer",
            (
                _query_first,
                lambda examples, query, label: _query_first(examples, query, label).replace("\n\n", "\n"),
                lambda examples, query, label: _query_first(examples, query, label) + "\n\n",
                lambda examples, query, label: _query_first(examples, query, label).replace(
                    f"{query}\n{label}:", f"{query}\n{label}: ", 1
                ),
                lambda examples, query, label: (
                    "\n\n".join([f"Sentence: {query}", *_blocks(examples, query, label)[:-1]]) + f"\n\n{label}:"
                ),
            ),
        ),
        Misconception(
            "no answers",
            "the examples have no answers: they show what a sentence looks like, not what to do with it",
            (
                _no_answers,
                lambda examples, query, label: _no_answers(examples, query, label, end=": "),
                lambda examples, query, label: _no_answers(examples, query, label, gap="\n"),
            ),
        ),
        Misconception(
            "answers without label",
            "the label before the answers of the examples is missing: only the query has it",
            (
                lambda examples, query, label: "\n\n".join(
                    [*(f"Sentence: {text}\n{answer}" for text, answer in examples), _prompt([], query, label)]
                ),
                lambda examples, query, label: "\n\n".join(
                    [*(f"{text}\n{answer}" for text, answer in examples), _prompt([], query, label)]
                ),
            ),
        ),
        Misconception(
            "swapped",
            "the answer stands where the sentence belongs: in `examples` the sentence is first, then its answer",
            (
                lambda examples, query, label: _prompt([(b, a) for a, b in examples], query, label),
                lambda examples, query, label: "\n\n".join(
                    [*(f"{label}: {answer}\nSentence: {text}" for text, answer in examples), _prompt([], query, label)]
                ),
            ),
        ),
        Misconception(
            "one example",
            "not all examples are in it: show all of them",
            (
                lambda examples, query, label: _prompt(examples[:1], query, label),
                lambda examples, query, label: _prompt(examples[-1:], query, label),
                lambda examples, query, label: _prompt(examples[:-1], query, label),
                lambda examples, query, label: _prompt(examples[1:], query, label),
            ),
        ),
        Misconception(
            "no examples",
            "the examples are missing: without them it is no few-shot prompt",
            (
                lambda examples, query, label: _prompt([], query, label),
                lambda examples, query, label: _prompt([], query, label, end=": "),
            ),
        ),
        Misconception(
            "no query",
            "the query is missing at the end: the model has nothing to answer",
            (
                lambda examples, query, label: "\n\n".join(_blocks(examples, query, label)[:-1]),
                lambda examples, query, label: "".join(f"{b}\n\n" for b in _blocks(examples, query, label)[:-1]),
                lambda examples, query, label: "\n\n".join([*_blocks(examples, query, label)[:-1], f"{label}:"]),
            ),
        ),
        Misconception(
            "other order",
            "the examples are in another order than given: keep it",
            (
                lambda examples, query, label: _prompt(examples[::-1], query, label),
                lambda examples, query, label: _prompt(sorted(examples), query, label),
            ),
        ),
        Misconception(
            "a list",
            'it gives the parts one by one: one text is asked for, so join them (`"\\n\\n".join(...)`)',
            (
                _blocks,
                lambda examples, query, label: _prompt(examples, query, label).split("\n"),
                lambda examples, query, label: [b + "\n\n" for b in _blocks(examples, query, label)],
            ),
        ),
        Misconception(
            "tuples",
            "it writes the pairs as Python shows them, with brackets and quotes: take sentence and answer apart, "
            "`for sentence, answer in examples`",
            (
                lambda examples, query, label: "\n\n".join([*map(str, examples), _prompt([], query, label)]),
                lambda examples, query, label: f"{examples}\n\n{_prompt([], query, label)}",
            ),
        ),
    ),
)

"""Exercises and questions of lab 04: prompts, decoding, votes, diversity and embeddings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...formulas import objectives
from ...prompting import asking
from ..exercise import Arguments, Exercise, Misconception
from ..inputs import normal
from ..questions import DIRECTIONS, Choice, Forecast, Guess, Question

WORDS = "dog cat car loan rent garden bread knee exam river vet boss roof seed tyre job".split()


def _words(rng: np.random.Generator, count: int) -> str:
    return " ".join(rng.choice(WORDS, size=count))


# --- Few-shot prompt ----------------------------------------------------------


def _shots(rng: np.random.Generator) -> list[Arguments]:
    labels = rng.permutation(["Topic", "Kind", "Answer", "Mood"])
    return [
        {
            "examples": [(f"{_words(rng, 4)}.", str(answer)) for answer in rng.choice(WORDS, count, replace=False)],
            "query": f"{_words(rng, 3)}?",
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

# --- Self-consistency ---------------------------------------------------------


def _answers(rng: np.random.Generator) -> list[Arguments]:
    low, middle, high = sorted(rng.choice(WORDS, size=3, replace=False).tolist())
    plurality = [middle, *rng.permutation([low] * 3 + [high] * 2 + [middle]).tolist()]
    return [
        {"answers": plurality},
        {"answers": [middle, low, high, low, middle, high]},
        {"answers": [low, f" {high.title()}", f"{high} ", low, high.upper(), middle]},
        {"answers": [high, high, low]},
        {"answers": [low]},
    ]


def _same_answer(a: Any, b: Any) -> bool:
    """Whether two answers are one, in whatever case and space they were handed back."""
    return a.strip().lower() == b.strip().lower() if isinstance(a, str) and isinstance(b, str) else a == b


def _plain_answers(answers: Sequence[str]) -> list[str]:
    return [answer.strip().lower() for answer in answers]


def _most_common(answers: Sequence[str]) -> tuple[str, int]:
    return Counter(_plain_answers(answers)).most_common(1)[0]


SELF_CONSISTENCY_VOTE = Exercise(
    name="self_consistency_vote",
    title="Let samples vote",
    minutes=8,
    difficulty=1,
    deliver="The answer that most samples give; case and outer space do not matter, ties go to the first one seen.",
    reference=asking.self_consistency_vote,
    cases=_answers,
    same=_same_answer,
    hints=(
        "Bring all answers to one form before you count: `strip` and `lower`.",
        "`collections.Counter` counts, and its `most_common` keeps the order of first sight among equals.",
        "`max(answers, key=...)` returns the first of several that are equally good.",
    ),
    misconceptions=(
        Misconception(
            "first sample",
            "that is the first sample, without any vote",
            lambda answers: answers[0],
        ),
        Misconception(
            "case",
            '" Pets" and "pets" are counted as different answers, so the vote splits: bring them to one form first',
            lambda answers: Counter(answers).most_common(1)[0][0],
        ),
        Misconception(
            "alphabet",
            "ties go to the first in the alphabet: were the labels named otherwise, another answer would win. Take "
            "the one that was seen first",
            lambda answers: max(sorted(_plain_answers(answers)), key=_plain_answers(answers).count),
        ),
        Misconception(
            "last seen",
            "ties go to the answer that was seen last: one more sample of the same kind would then change the result. "
            "Take the first",
            lambda answers: max(_plain_answers(answers)[::-1], key=_plain_answers(answers).count),
        ),
        Misconception(
            "more than half",
            "it asks for more than half of the votes; most is enough (a plurality), and there is always an answer",
            lambda answers: _most_common(answers)[0] if _most_common(answers)[1] > len(answers) / 2 else None,
        ),
        Misconception(
            "count",
            "that is how many votes the winner got; return the answer itself",
            lambda answers: _most_common(answers)[1],
        ),
        Misconception(
            "rarest",
            "that is the rarest answer: sort the other way round",
            lambda answers: min(_plain_answers(answers), key=_plain_answers(answers).count),
        ),
    ),
)

# --- Decoding -----------------------------------------------------------------


def _logits_at_temperatures(rng: np.random.Generator) -> list[Arguments]:
    return [
        {"logits": normal(rng, 8, scale=2), "temperature": float(rng.uniform(0.3, 0.7))},
        {"logits": normal(rng, 3, 6, scale=2), "temperature": float(rng.uniform(1.4, 2.5))},
        {"logits": normal(rng, 5) + torch.tensor([200.0, 200, 0, -200, 199]), "temperature": 0.8},
    ]


TEMPERATURE_PROBABILITIES = Exercise(
    name="temperature_probabilities",
    title="Temperature",
    minutes=5,
    difficulty=1,
    deliver="Next-token probabilities: the softmax of logits / temperature over the last axis.",
    reference=objectives.temperature_probabilities,
    cases=_logits_at_temperatures,
    hints=(
        "A temperature near 0 must leave the most probable token alone. Do you divide or multiply the logits?",
        "Divide first, then softmax: dividing probabilities cannot change their proportions.",
        "`tensor.softmax(dim=-1)` takes care of the sum and of large logits.",
    ),
    misconceptions=(
        Misconception(
            "multiplied",
            "the logits are multiplied: a high temperature then makes the favorite *more* probable. Divide",
            lambda logits, temperature: (logits * temperature).softmax(-1),
        ),
        Misconception(
            "after softmax",
            "it divides the probabilities, which then no longer sum to 1: divide the logits, before the softmax",
            lambda logits, temperature: logits.softmax(-1) / temperature,
        ),
        Misconception(
            "no effect",
            "the temperature has no effect: dividing all probabilities by it, and by their sum, gives them back. "
            "Divide the logits",
            lambda logits, temperature: logits.softmax(-1),
        ),
        Misconception(
            "not renormalized",
            "the proportions are right, but the sum is not 1",
            lambda logits, temperature: logits.softmax(-1) ** (1 / temperature),
        ),
        Misconception(
            "overflow",
            "right for small logits, but exp(250) is infinite in float32 and ends as NaN: use softmax, which subtracts "
            "the maximum first",
            lambda logits, temperature: (
                (logits / temperature).exp() / (logits / temperature).exp().sum(-1, keepdim=True)
            ),
        ),
        Misconception(
            "first axis",
            "in a batch the columns sum to 1, not the rows: the vocabulary is on the last axis",
            lambda logits, temperature: (logits / temperature).softmax(0),
        ),
    ),
)  # fmt: skip


def _nuclei(rng: np.random.Generator) -> list[Arguments]:
    """Shuffled probabilities and thresholds that fall in the middle of a token."""
    cases = []
    for size, scale, crossing in ((8, 1.0, 3), (30, 2.0, 5), (5, 0.3, 2), (6, 1.0, 0), (7, 1.0, 6)):
        probabilities = normal(rng, size, scale=scale).softmax(0)
        if crossing == 0:  # one token that holds more than p by itself
            probabilities = 0.1 * probabilities
            probabilities[int(rng.integers(1, size))] += 0.9
        held = probabilities.sort(descending=True).values.cumsum(0)
        before = float(held[crossing - 1]) if crossing else 0.0
        cases.append({"probabilities": probabilities, "p": before + 0.6 * (float(held[crossing]) - before)})
    return cases


def _nucleus(probabilities: Tensor, keep: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The tokens that `keep` chooses by their falling probabilities and by how much is held with each, renormalized."""
    ordered, order = probabilities.sort(descending=True)
    kept = torch.zeros_like(probabilities)
    kept[order] = ordered * keep(ordered, ordered.cumsum(0))
    return kept / kept.sum()


def _first(mask: Tensor) -> Tensor:
    return mask | (torch.arange(len(mask)) == 0)


def _least_probable(probabilities: Tensor, p: float) -> Tensor:
    ordered, order = probabilities.sort()
    kept = torch.zeros_like(probabilities)
    kept[order] = ordered * (ordered.cumsum(0) - ordered < p)
    return kept / kept.sum()


def _in_falling_order(probabilities: Tensor, p: float) -> Tensor:
    ordered = probabilities.sort(descending=True).values
    kept = ordered * (ordered.cumsum(0) - ordered < p)
    return kept / kept.sum()


def _as_they_were(probabilities: Tensor, p: float) -> Tensor:
    return probabilities * (_nucleus(probabilities, lambda ordered, held: held - ordered < p) > 0)


TOP_P = Exercise(
    name="top_p",
    title="Nucleus sampling",
    minutes=12,
    difficulty=3,
    deliver="The fewest most probable tokens that hold at least p, scaled to sum 1, each in its place; all others 0.",
    reference=objectives.top_p,
    cases=_nuclei,
    hints=(
        "Sort from most to least probable and sum up as you go. Which is the first token that you no longer need?",
        "A token stays if those before it hold less than p together. So the one that crosses p stays, and the first "
        "one always.",
        "`ordered, order = probabilities.sort(descending=True)`; `kept[order] = ...` writes each back to its place. "
        "Last, divide by the sum.",
    ),
    misconceptions=(
        Misconception(
            "not renormalized",
            "the right tokens stay, but their probabilities no longer sum to 1: divide by what is left",
            _as_they_were,
        ),
        Misconception(
            "crossing",
            "the token that crosses p is cut away, so less than p is held; and where the first token alone holds more, "
            "nothing is left and 0 / 0 is NaN. Keep it",
            lambda probabilities, p: _nucleus(probabilities, lambda _, held: held <= p),
        ),
        Misconception(
            "crossing, not first",
            "the token that crosses p is cut away (unless it is the first): the ones that stay hold less than p",
            lambda probabilities, p: _nucleus(probabilities, lambda _, held: _first(held <= p)),
        ),
        Misconception(
            "nothing left",
            "right but for one case: where the first token alone holds more than p, nothing is left. The first one "
            "always stays",
            lambda probabilities, p: _nucleus(
                probabilities,
                lambda ordered, held: (held - ordered < p) & ~((torch.arange(len(held)) == 0) & (ordered > p)),
            ),
        ),
        Misconception(
            "order",
            "the result is in falling order: its first entry is no longer that of token 0. Put each back in its place",
            _in_falling_order,
        ),
        Misconception(
            "least probable",
            "it keeps the *least* probable tokens: sort with descending=True",
            _least_probable,
        ),
        Misconception(
            "threshold",
            "it compares each token's own probability with p; top-p looks at what the tokens hold together",
            lambda probabilities, p: _nucleus(probabilities, lambda ordered, _: ordered >= p),
        ),
    ),
)

# --- Diversity ----------------------------------------------------------------


def _groups_of_texts(rng: np.random.Generator) -> list[Arguments]:
    few = rng.permutation(WORDS)[:4].tolist()  # so that texts share word pairs
    twice = " ".join([*few[:2], *few[:2]])
    shared = " ".join(rng.choice(few, size=5))
    return [
        {"texts": [f"{twice} {few[2]}", *(" ".join(rng.choice(few, size=size)) for size in (4, 9)), twice]},
        {"texts": [f"{shared} {_words(rng, 3)}", f"{_words(rng, 2)} {shared}", shared, shared]},
        {"texts": [" ".join(few), " ".join(few[::-1])]},
        {"texts": ["roof", "roof seed roof", str(rng.choice(few))]},
    ]


def _mean_over_pairs(texts: Sequence[str], units: Callable[[str], Any], distance: Callable[[Any, Any], float]) -> float:
    distances = [distance(a, b) for a, b in combinations(map(units, texts), 2)]
    return sum(distances) / len(distances)


def _word_pairs(text: str) -> set:
    return set(pairwise(text.split()))


def _unshared(a: set, b: set) -> float:
    return 1 - len(a & b) / len(a | b) if a | b else 0.0


def _unshared_counted(a: Counter, b: Counter) -> float:
    return 1 - (a & b).total() / (a | b).total() if a | b else 0.0


def _distinct_share(texts: Sequence[str]) -> float:
    seen = [pair for text in texts for pair in pairwise(text.split())]
    return len(set(seen)) / len(seen)


DIVERSITY = Exercise(
    name="diversity",
    title="How different are the samples?",
    minutes=10,
    difficulty=2,
    deliver="Mean over all pairs of texts of 1 - (word pairs in both) / (word pairs in either); 0 if neither has any.",
    reference=asking.diversity,
    cases=_groups_of_texts,
    hints=(
        "The word pairs of a text are its neighboring words, as a set: `set(itertools.pairwise(text.split()))`.",
        "`itertools.combinations(sets, 2)` gives every pair of texts once; a text is not compared with itself.",
        "`a & b` is what both have, `a | b` what either has. One-word texts have no word pairs: mind 0 / 0.",
    ),
    misconceptions=(
        Misconception(
            "similarity",
            "that is how *alike* they are: take 1 minus it",
            lambda texts: 1 - _mean_over_pairs(texts, _word_pairs, _unshared),
        ),
        Misconception(
            "single words",
            "it compares single words: the same words in another order would count as the same text. Compare pairs of "
            "neighbors",
            lambda texts: _mean_over_pairs(texts, lambda text: set(text.split()), _unshared),
        ),
        Misconception(
            "with itself",
            "each text is compared with itself too, which adds zeros: take every pair of two different texts",
            lambda texts: float(np.mean([_unshared(_word_pairs(a), _word_pairs(b)) for a in texts for b in texts])),
        ),
        Misconception(
            "neighbors only",
            "it compares each text with the next only: take every pair of texts",
            lambda texts: float(np.mean([_unshared(_word_pairs(a), _word_pairs(b)) for a, b in pairwise(texts)])),
        ),
        Misconception(
            "counted",
            "a word pair that a text repeats is counted more than once: make it a set",
            lambda texts: _mean_over_pairs(texts, lambda text: Counter(pairwise(text.split())), _unshared_counted),
        ),
        Misconception(
            "distinct",
            "that is the share of distinct word pairs in all texts together (distinct-2); here texts are compared two "
            "by two",
            _distinct_share,
        ),
        Misconception(
            "of one text",
            "it divides by the word pairs of one text alone: b compared with a then gives another number than a with "
            "b. Divide by those in either",
            lambda texts: _mean_over_pairs(texts, _word_pairs, lambda a, b: 1 - len(a & b) / len(a) if a else 0.0),
        ),
    ),
)

# --- Embeddings ---------------------------------------------------------------


def _vectors(rng: np.random.Generator) -> list[Arguments]:
    cases = [{"a": normal(rng, n, d, scale=3), "b": 0.5 + normal(rng, n, d)} for n, d in ((5, 8), (1, 4), (4, 4))]
    along = normal(rng, 3, 6)
    return [*cases, {"a": along, "b": along * torch.tensor([[2.0], [-0.5], [1.0]])}]


COSINE_SIMILARITY = Exercise(
    name="cosine_similarity",
    title="Closeness of two embeddings",
    minutes=5,
    difficulty=1,
    deliver="For each row the dot product of a and b, divided by the product of their lengths: (batch,).",
    reference=objectives.cosine_similarity,
    cases=_vectors,
    hints=(
        "A row of `a` meets the same row of `b`: multiply them and sum over the last axis.",
        "Then divide by both lengths; `norm(dim=-1)` is the square root of the sum of squares.",
    ),
    misconceptions=(
        Misconception(
            "dot product",
            "the lengths are not divided out: a long vector is then close to everything",
            lambda a, b: (a * b).sum(-1),
        ),
        Misconception(
            "squared lengths",
            "it divides by the squared lengths: the square root is missing",
            lambda a, b: (a * b).sum(-1) / ((a**2).sum(-1) * (b**2).sum(-1)),
        ),
        Misconception(
            "one length",
            "it divides by the length of the whole batch: every row has a length of its own",
            lambda a, b: (a * b).sum(-1) / (a.norm() * b.norm()),
        ),
        Misconception(
            "all pairs",
            "every row of a meets every row of b; asked for is each row with its own partner",
            lambda a, b: F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T,
        ),
        Misconception(
            "distance",
            "that is a distance, large where the two differ: return the similarity",
            lambda a, b: 1 - F.cosine_similarity(a, b, dim=-1),
        ),
        Misconception(
            "columns",
            "it compares the columns: an embedding is a row",
            lambda a, b: F.cosine_similarity(a, b, dim=0),
        ),
    ),
)

EXERCISES = [
    FEW_SHOT_PROMPT,
    SELF_CONSISTENCY_VOTE,
    TEMPERATURE_PROBABILITIES,
    TOP_P,
    DIVERSITY,
    COSINE_SIMILARITY,
]

# --- Questions ----------------------------------------------------------------

QUESTIONS = [
    Guess(
        "few_shot_without_examples",
        "how often is the base model right with no example at all (k = 0)?",
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Question(
        "what_examples_change",
        "The base model answers better after four examples in its prompt. What has changed in it?",
        (
            Choice(
                "Its weights moved a little towards the new task",
                "No gradient was taken. The next prompt without examples finds the same model as before.",
            ),
            Choice(
                "Nothing: the same weights read another beginning of a text",
                "In-context learning is a forward pass: the examples are part of the text that is continued.",
                True,
            ),
            Choice(
                "Its adapter was switched on",
                "The base is the model with all adapters off, with examples and without.",
            ),
        ),
    ),
    Guess(
        "unknown_label",
        'how often is it right with four examples, when they say "Answer:" where its training text said "Topic:"?',
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Guess(
        "groups_after_eight",
        "how often is tiny-gpt2 right after eight examples, when the two names mean nothing? (Guessing: 0.5.)",
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Forecast(
        "meant_last",
        "the examples of the task meant stand last instead of first: which way does the base model's accuracy go?",
        DIRECTIONS,
    ),
    Guess(
        "costs_in_steps",
        "how often is tiny-gpt2 right when it writes its steps first?",
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Guess(
        "vote_of_nine",
        "single samples of tiny-gpt2's steps at T = 1 are wrong now and then. How often is a vote of nine right?",
        0.0,
        1.0,
        0.01,
        close=0.03,
    ),
    Question(
        "when_a_vote_helps",
        "For which of these will a vote over samples help most?",
        (
            Choice(
                "An open text, such as a TL;DR",
                "Nearly every sample is a text of its own, so there is nothing to count.",
            ),
            Choice(
                "A question that the model gets wrong in the same way nearly every time",
                "Then most votes go to the wrong answer: a vote only cures mistakes that scatter.",
            ),
            Choice(
                "A question with a short answer, where right samples agree and wrong ones scatter",
                "So the right answer collects votes and no single wrong one does.",
                True,
            ),
        ),
    ),
    Guess(
        "ppo_continues_requests",
        "how often does the PPO model go on with another request?",
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Guess(
        "told_in_capitals",
        'how often is tiny-flan-t5 right when it shall "write the answer in capital letters"?',
        0.0,
        1.0,
        0.05,
        close=0.1,
    ),
    Question(
        "why_requests",
        "A large chat model answers the request, the base model goes on with more requests. Why?",
        (
            Choice(
                "The base model is too small to know an answer",
                "Size is not the point: GPT-3 did it too. A list of requests is a likely text.",
            ),
            Choice(
                "The base was trained to continue texts, the chat model on requests with answers that people preferred",
                "What is likely after a request depends on what the model was tuned on.",
                True,
            ),
            Choice(
                "The base model refuses to answer",
                "It has no notion of a request to refuse: it continues a text.",
            ),
        ),
    ),
    Question(
        "temperature_towards_zero",
        "What do samples become as the temperature goes to 0?",
        (
            Choice(
                "All tokens equally probable",
                "That is a very high temperature: all logits are then near 0 after the division.",
            ),
            Choice(
                "What greedy decoding writes", "The largest logit, divided by almost 0, leaves all others behind.", True
            ),
            Choice(
                "The most probable whole text",
                "Greedy takes the best token at each place, which need not lead to the best whole text.",
            ),
            Choice(
                "Nothing changes, since softmax makes the sum 1 again",
                "The sum is 1 at every temperature; what changes is how it is shared out.",
            ),
        ),
    ),
    Forecast(
        "gold_at_high_temperature",
        "from T = 0.5 to T = 1.5, which way does the gold reward of the SFT model's TL;DRs go?",
        DIRECTIONS,
    ),
    Guess(
        "ppo_beats_base",
        "on what share of the posts does PPO's TL;DR have a higher gold reward than the base model's (a tie is half)?",
        0.0,
        1.0,
        0.05,
        close=0.07,
    ),
    Question(
        "adapters_off",
        "You switch all adapters off after PPO. Which model answers now?",
        (
            Choice(
                "A mixture of base and PPO",
                "The adapters are added to frozen weights; without them nothing of PPO is left.",
            ),
            Choice(
                "The SFT model, from which PPO began",
                "SFT is an adapter too, a copy of which PPO trained. With all of them off, it is off as well.",
            ),
            Choice(
                "The base model, exactly as before",
                "Its weights never moved. Tuning made other texts likely; it took nothing away.",
                True,
            ),
        ),
    ),
    Forecast(
        "steps_for_base",
        "steps before the answer, greedy: which way does the gold reward of the base model go?",
        DIRECTIONS,
    ),
    Forecast(
        "steps_for_ppo",
        "and that of the PPO model?",
        DIRECTIONS,
    ),
    Question(
        "equal_decoding",
        'A report compares "our PPO model (greedy)" with "the base model (T = 1)". What does its gain show?',
        (
            Choice(
                "What PPO taught",
                "Greedy decoding alone raised the base model in the table above: part of the gain is that.",
            ),
            Choice(
                "Training and decoding together, and not which of the two it was",
                "Compare at one decoding, or show all four combinations.",
                True,
            ),
            Choice(
                "Nothing, because greedy texts cannot be scored",
                "They can. There is one for each prompt, so the interval comes from the prompts.",
            ),
        ),
    ),
    Guess(
        "closeness_agrees",
        "on what share of the pairs does closeness to a perfect reference agree with the gold reward?",
        0.5,
        1.0,
        0.01,
        close=0.04,
    ),
    Question(
        "one_digit",
        "Why is the text with the wrong number so close to the reference?",
        (
            Choice(
                "The base model cannot read numbers",
                "It copies them well. But here its states are averaged, and in an average one token hardly shows.",
            ),
            Choice(
                "One token of thirty moves the mean of all little, however much it changes the meaning",
                "Closeness counts how much of the text is the same. What matters may be one token.",
                True,
            ),
            Choice(
                "The cosine leaves out how long the vectors are",
                "Their lengths say little on what is true. The directions are nearly the same, too.",
            ),
        ),
    ),
    Forecast(
        "sft_invents",
        "which way does the number of invented facts go from the base to SFT, both at T = 1?",
        DIRECTIONS,
    ),
]

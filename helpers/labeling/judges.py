"""Judges in the annotators' place, above all models (AI feedback). Every judge is one function, whatever is behind it.

Sources
    Bai et al. 2022      Constitutional AI: harmlessness from AI feedback
    Lee et al. 2024      RLAIF vs. RLHF: scaling reinforcement learning from human feedback with AI feedback
    Zheng et al. 2023    Judging LLM-as-a-judge with MT-bench and chatbot arena (position bias)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ..evaluation import word_f1
from ..files import LabError
from ..models.shared_base import BASE, SharedBase
from ..preferences import Preference
from ..prompting import asking
from ..simulation.gold import gold_reward
from ..simulation.posts import body

Judge = Callable[[Sequence[str], Sequence[str], Sequence[str]], np.ndarray]
"""(prompts, completions a, completions b) -> how sure the judge is that a is better, from 0 to 1: (n,)."""

CRITERIA = "A good TL;DR states the goal, the problem and the question of the post, and nothing else."
QUESTION = """{criteria}

{prompt}

TL;DR A:{a}

TL;DR B:{b}

Which TL;DR is better? Answer with one letter, A or B.
Answer:"""
ANSWER = re.compile(r"\W*([AB])\b")


def chat_judge(chat: Callable[[str], str], criteria: str = CRITERIA) -> Judge:
    """Make a judge of any chat model.

    Each pair is asked about twice, in both orders, since chat models favor a place: two different verdicts are a tie.

    Args:
        chat: a text in, its answer out.
        criteria: what makes a text good.

    Returns:
        The judge. It raises LabError for an answer that is neither A nor B, with its beginning.
    """

    def prefers_first(prompt: str, first: str, second: str) -> bool:
        answer = chat(QUESTION.format(criteria=criteria, prompt=prompt, a=first, b=second))
        found = ANSWER.match(answer)
        if not found:
            raise LabError(
                f"the judge was asked for A or B, and answered {answer[:60]!r}: give it clearer instructions"
            )
        return found[1] == "A"

    def judge(prompts: Sequence[str], a: Sequence[str], b: Sequence[str]) -> np.ndarray:
        rows = zip(prompts, a, b, strict=True)
        return np.array([(prefers_first(p, x, y) + (not prefers_first(p, y, x))) / 2 for p, x, y in rows])

    return judge


def longer_judge(prompts: Sequence[str], a: Sequence[str], b: Sequence[str]) -> np.ndarray:
    """A judge that never reads: the text of more words is better, equally many are a tie."""
    differences = [len(x.split()) - len(y.split()) for x, y in zip(a, b, strict=True)]
    return (np.sign(differences) + 1) / 2


def score_judge(score: Callable[[Sequence[str], Sequence[str]], ArrayLike]) -> Judge:
    """Make a judge of scores.

    It is as sure as Bradley and Terry read the scores, sigmoid(score a - score b); equal but for rounding is a tie.

    Args:
        score: (prompts, completions) -> (n,), such as `SharedBase.reward`.
    """

    def judge(prompts: Sequence[str], a: Sequence[str], b: Sequence[str]) -> np.ndarray:
        difference = np.asarray(score(prompts, a), float) - np.asarray(score(prompts, b), float)
        return expit(difference.round(6))

    return judge


def gold_judge(prompts: Sequence[str], a: Sequence[str], b: Sequence[str]) -> np.ndarray:
    """The gold reward as a judge."""
    return score_judge(lambda prompts, texts: list(map(gold_reward, prompts, texts)))(prompts, a, b)


def post_overlap_judge(prompts: Sequence[str], a: Sequence[str], b: Sequence[str]) -> np.ndarray:
    """A judge without any model: the text that shares more words with the post wins (`word_f1`), equal ones tie."""
    return _more_overlap([body(prompt) for prompt in prompts], a, b)


def draft_overlap_judge(shared: SharedBase) -> Judge:
    """Make a judge that compares words with a draft: the base model's own TL;DR of the post.

    The base model writes one draft of each post, step by step (lab 04), and the text whose words share more with it
    (`word_f1`) is better; equal ones tie. The model itself compares nothing, and sees no label and no gold reward.
    """

    def judge(prompts: Sequence[str], a: Sequence[str], b: Sequence[str]) -> np.ndarray:
        posts = list(dict.fromkeys(prompts))
        asked = [asking.step_by_step(post) for post in posts]
        texts = shared.complete(asked, BASE, max_new_tokens=128, do_sample=False)
        drafts = {post: asking.conclusion(text) for post, text in zip(posts, texts, strict=True)}
        return _more_overlap([drafts[prompt] for prompt in prompts], a, b)

    return judge


def _more_overlap(references: Sequence[str], a: Sequence[str], b: Sequence[str]) -> np.ndarray:
    rows = zip(references, a, b, strict=True)
    return (np.sign([word_f1(x, reference) - word_f1(y, reference) for reference, x, y in rows]) + 1) / 2


def relabel(pairs: Sequence[Preference], judge: Judge, annotator: str) -> list[Preference]:
    """The pairs as the judge sees them: chosen and rejected by its verdict, ties left out; strength 2 throughout."""
    sure = judge([p.prompt for p in pairs], [p.chosen for p in pairs], [p.rejected for p in pairs])
    kept = []
    for pair, chance in zip(pairs, sure, strict=True):
        if chance == 0.5:
            continue
        winner, loser = (pair.chosen, pair.rejected) if chance > 0.5 else (pair.rejected, pair.chosen)
        source = pair.source if chance > 0.5 else ">".join(reversed(pair.source.split(">")))
        row = replace(pair, id=f"{pair.id}/{annotator}", chosen=winner, rejected=loser, source=source)
        kept.append(replace(row, annotator=annotator, strength=2))
    return kept

"""Pairs to label, and sessions that are answered as a test says."""

import pytest
from hypothesis import strategies as st

from helpers.files import LabError
from helpers.labeling.session import LabelingSession
from helpers.preferences import Pair

PAIRS = [Pair(f"p{i}", f"POST: {i}\n\nTL;DR:", f" one {i}", f" two {i} more", "sft>base") for i in range(40)]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def message(act, *arguments, **keywords) -> str:
    with pytest.raises(LabError) as error:
        act(*arguments, **keywords)
    return str(error.value)


def answer_all(session, answer) -> list:
    asked = []
    while question := session.current:
        asked.append(question)
        answer(question)
    return asked


actions = st.sampled_from(["left 1", "left 4", "right 2", "right 3", "tie", "skip", "undo", "new session"])


def act(session, action: str) -> None:
    match action.split():
        case ["undo"]:
            session.undo()
        case ["tie"] | ["skip"]:
            getattr(session, action)()
        case [side, strength]:
            session.choose(side, int(strength))


def label_like(store, pairs, decide, annotator="ann", **options) -> LabelingSession:
    """Label all pairs as `decide(pair, repeat)` says: "a", "b", "tie" or "skip"."""
    session = LabelingSession(pairs, annotator, store, **options)

    def answer(question):
        choice = decide(question.pair, question.repeat)
        if choice in ("tie", "skip"):
            getattr(session, choice)()
        else:
            session.choose("left" if choice == question.left else "right", 2)

    answer_all(session, answer)
    return session

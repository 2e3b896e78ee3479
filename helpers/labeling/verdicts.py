"""Verdicts on texts of models: of people and machines, and how far these agree.

Verdicts are one DataFrame, a row a judge and pair, so that several judges' can be put together with `pd.concat`:

    judge, pair (id), prompt (its number among the pairs), model_a, model_b,
    outcome: 1 a is better, 0.5 tie, 0 b is better, NaN no verdict (not asked yet, or skipped)

A judge without any verdict stays in the table, and what is said of it is a note, never an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..files import LabError
from ..preferences import Pair
from .agreement import AGREEMENT, compared
from .files import first_answers
from .judges import Judge
from .model_pairs import digest
from .session import YOU
from .store import LabelStore

# --- Whose verdicts -----------------------------------------------------------


def human_verdicts(store: LabelStore, pairs: Sequence[Pair], annotator: str = YOU) -> pd.DataFrame:
    """What the annotator said of the pairs, whichever text stood left: their first answer counts, a skip is none.

    Returns:
        A row for each pair, in order; the annotator is the judge. Two pairs of the same texts share one answer.

    Raises:
        LabError: as `LabelStore.labels`, and for a pair whose `source` does not name two models.
    """
    a_is_better = {"a": 1.0, "tie": 0.5, "b": 0.0, "skip": np.nan}
    outcomes: dict[tuple[str, str, str], float] = {}
    for label in first_answers(store, annotator=annotator):
        pair, outcome = label.pair, a_is_better[label.choice]
        outcomes.setdefault((pair.prompt, pair.completion_a, pair.completion_b), outcome)
        outcomes.setdefault((pair.prompt, pair.completion_b, pair.completion_a), 1 - outcome)
    given = [outcomes.get((p.prompt, p.completion_a, p.completion_b), np.nan) for p in pairs]
    return verdict_table(annotator, pairs, given)


def judge_verdicts(pairs: Sequence[Pair], judge: Judge, name: str) -> pd.DataFrame:
    """What a judge called `name` says of the pairs: above 0.5 completion a is better, at 0.5 it is a tie.

    Returns:
        A row for each pair, in order.

    Raises:
        LabError: the `source` of a pair does not name two models, or the judge does not answer each pair with a number
            from 0 to 1.
    """
    sure = np.asarray(
        judge([p.prompt for p in pairs], [p.completion_a for p in pairs], [p.completion_b for p in pairs]), float
    )
    if sure.shape != (len(pairs),) or not ((sure >= 0) & (sure <= 1)).all():
        raise LabError(
            f"the judge {name!r} must give {len(pairs)} numbers from 0 to 1, one a pair; it gave {sure!r:.80}"
        )
    return verdict_table(name, pairs, (np.sign(sure - 0.5) + 1) / 2)


def verdict_table(judge: str, pairs: Sequence[Pair], outcomes: ArrayLike) -> pd.DataFrame:
    """One judge's outcomes (pairs,) as a table of verdicts.

    Raises:
        LabError: the `source` of a pair does not name two models.
    """
    number = {prompt: i for i, prompt in enumerate(dict.fromkeys(p.prompt for p in pairs), start=1)}
    models = [_models(pair) for pair in pairs]
    return pd.DataFrame(
        {
            "judge": pd.Series([judge] * len(pairs), dtype=str),
            "pair": pd.Series([p.id for p in pairs], dtype=str),
            "prompt": pd.Series([number[p.prompt] for p in pairs], dtype=int),
            "model_a": pd.Series([a for a, _ in models], dtype=str),
            "model_b": pd.Series([b for _, b in models], dtype=str),
            "outcome": pd.Series(np.asarray(outcomes, dtype=float), dtype=float),
        }
    )


def _models(pair: Pair) -> list[str]:
    """The two models whose texts it holds."""
    names = pair.source.split(">")
    if len(names) != 2 or names[0] == names[1] or not all(name.strip() for name in names):
        raise LabError(
            f'{pair.where or "pair " + pair.id}: field "source" is {pair.source!r}, which does not name two models as '
            f'"a>b" does; make the pairs with model_pairs'
        )
    return names


# --- Reading a table ----------------------------------------------------------


def given_verdicts(verdicts: pd.DataFrame) -> pd.DataFrame:
    """Verdicts that were given, each once however often the tables were put together."""
    return verdicts.dropna(subset=["outcome"]).drop_duplicates(["judge", "pair"])


def model_names(verdicts: pd.DataFrame) -> list[str]:
    """The models whose texts were judged, in alphabetical order."""
    return sorted({*verdicts["model_a"], *verdicts["model_b"]})


def _of(verdicts: pd.DataFrame, judge: str) -> pd.DataFrame:
    rows = verdicts[verdicts["judge"] == judge]
    if rows.empty:
        known = ", ".join(dict.fromkeys(verdicts["judge"]))
        raise LabError(f"there is no judge {judge!r} among the verdicts; there are: {known or 'none'}")
    return rows


# --- Judges against each other ------------------------------------------------


def agreement(verdicts: pd.DataFrame) -> pd.DataFrame:
    """How far every two judges agree on the pairs that both judged, with the columns AGREEMENT of `labeling.agreement`.

    Pairs that either calls a tie are left out. A pair's texts are named by a coin, not by model, before kappa is
    computed: else chance agreement would depend on which model is usually better.
    """
    verdicts = verdicts.drop_duplicates(["judge", "pair"])
    coin = [digest((p, a)) < digest((p, b)) for p, a, b in verdicts[["pair", "model_a", "model_b"]].to_numpy()]
    decided = verdicts.assign(first=np.where(coin, verdicts["outcome"], 1 - verdicts["outcome"]))
    wide = decided[["pair", "judge", "first"]].pivot(index="pair", columns="judge", values="first")
    wide = wide.where(wide != 0.5)
    answer = {1.0: "first", 0.0: "second"}
    rows = {}
    for a, b in combinations(dict.fromkeys(verdicts["judge"]), 2):
        both = wide[[a, b]].dropna()
        rows[f"{a} and {b}"] = compared(both[a].map(answer).tolist(), both[b].map(answer).tolist())
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(AGREEMENT)).rename_axis("judges")


def disagreements(verdicts: pd.DataFrame, pairs: Sequence[Pair], a: str, b: str) -> pd.DataFrame:
    """The pairs on which judges `a` and `b` differ, opposite verdicts before a tie against a choice.

    Returns:
        Columns pair, prompt, model_a, completion_a, model_b, completion_b, and one for each judge: the model it
        prefers, or "tie".

    Raises:
        LabError: there is no such judge.
    """
    outcome = {name: given_verdicts(_of(verdicts, name)).set_index("pair")["outcome"] for name in (a, b)}
    table = pd.DataFrame(
        [(p.id, p.prompt, _models(p)[0], p.completion_a, _models(p)[1], p.completion_b) for p in pairs],
        columns=["pair", "prompt", "model_a", "completion_a", "model_b", "completion_b"],
    ).drop_duplicates("pair")
    gap = (table["pair"].map(outcome[a]) - table["pair"].map(outcome[b])).abs()
    table = table[gap > 0].loc[gap[gap > 0].sort_values(ascending=False, kind="stable").index]
    for name in (a, b):
        said = table["pair"].map(outcome[name])
        table[name] = table["model_a"].where(said == 1, table["model_b"].where(said == 0, "tie"))
    return table.reset_index(drop=True)

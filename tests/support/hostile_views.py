"""Every view of the labs, made of given texts: each of them stands in each place of the view that shows a text.

Used in the kernel of the notebook that tests/browser/test_injection.py opens, and by its list of what there is.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from IPython.display import HTML

import helpers.views
from helpers.formulas.statistics import Interval
from helpers.labeling.session import LabelingSession, RatingSession
from helpers.labeling.standings import MEASURES, STANDINGS
from helpers.labeling.store import LabelStore
from helpers.preferences import Pair, Preference, PreferenceSet, Reading
from helpers.preferences.diagnostics import Diagnostics, diagnose
from helpers.prompting.templates import Template
from helpers.runs.recordings import Recording
from helpers.views import (
    card,
    chart,
    diagnostics,
    direct_alignment,
    exercises,
    explorers,
    failure_cases,
    labeler,
    live,
    microscope,
    model_comparison,
    overoptimization,
    playground,
    playground_setting,
    ppo,
    preferences,
    prompting,
    replay,
    reward_model,
    run_curves,
    run_view,
    start,
    style,
)
from helpers.views.text import as_label, text_box

Texts = Sequence[str]
BOUNDS = {"estimate": 0.5, "low": 0.4, "high": 0.6}

# Pixels. plotly draws nothing where a legend of texts as long as these leaves no place for the axes.
TALL = 6000

# What shows no text of anybody's: pure functions on numbers, figures of formulas, and what only other views use.
TEXTLESS = {
    "chart.as_json", "diagnostics.troubles", "direct_alignment.mixing_figure",
    "explorers.beta_explorer", "explorers.beta_figure", "explorers.clip_explorer", "explorers.clip_figure",
    "explorers.nf4_explorer", "explorers.nf4_figure", "explorers.quantize_evenly", "explorers.relative_error",
    "explorers.slider", "live.clock", "live.seconds_left", "microscope.colors_of", "microscope.finding",
    "microscope.frame_of", "microscope.rollouts_of", "microscope.strip_of",
    "microscope.token_line", "overoptimization.kl_figure", "playground_setting.Request",
    "playground_setting.one_line", "ppo.finding", "ppo.gains_figure", "ppo.kl_figure", "preferences.BlindPair",
    "ppo.spread_figure", "preferences.blind", "preferences.bradley_terry_curve", "replay.Recording", "replay.pace",
    "reward_model.finding", "reward_model.loss_figure", "reward_model.nf4_figure", "run_curves.change",
    "run_curves.series", "run_view.sample_table", "run_view.samples_of", "start.learning_rate_explorer",
    "preferences.AllaisPair", "start.mean_curve", "state_view.StateView", "style.contrast",
    "style.described", "text.digits", "style.error_bars", "style.luminance", "style.padded_range", "style.title_of",
    "text.as_html", "text.as_label", "text.number", "text.plain", "text.visible",
}  # fmt: skip


def all_views() -> set[str]:
    """Every public function and class of helpers.views, as module.name."""
    names = set()
    for found in pkgutil.iter_modules(helpers.views.__path__):
        module = importlib.import_module(f"helpers.views.{found.name}")
        for name, thing in vars(module).items():
            made_here = getattr(thing, "__module__", None) == module.__name__
            if made_here and not name.startswith("_") and (inspect.isfunction(thing) or inspect.isclass(thing)):
                names.add(f"{found.name}.{name}")
    return names


# --- Pieces -------------------------------------------------------------------


def groups(texts: Texts, size: int) -> Iterator[Texts]:
    """The texts, so many at a time: some figures have colors for a few names only."""
    yield from (texts[start : start + size] for start in range(0, len(texts), size))


def joined(texts: Texts) -> str:
    """All of them in one text, for a place that shows one."""
    return "\n".join(texts)


def packed(view: Callable[[Texts], Any], size: int) -> Callable[[Texts], Any]:
    """A view with so many names, which is what it has room or time for: each name is several texts."""
    return lambda texts: view([joined(texts[start::size]) for start in range(size)])


def intervals(texts: Texts, **columns: Any) -> pd.DataFrame:
    """A row of an interval table for each text, which is its name in the index."""
    return pd.DataFrame([BOUNDS | {"n": 5} | columns for _ in texts], index=list(texts))


def numbers(**columns: Sequence[float]) -> pd.DataFrame:
    """Two points of a curve with their limits."""
    return pd.DataFrame({"estimate": [0.5, 0.6], "low": [0.4, 0.5], "high": [0.6, 0.7]} | columns)


def reward_curves(texts: Texts) -> pd.DataFrame:
    """Curves as `overoptimization` and `direct_alignment` draw them: name and place of each point are texts."""
    rows = [
        {"curve": text, "at": text, "d": d, "measure": measure} | BOUNDS
        for text in texts
        for measure in ("gold", "proxy")
        for d in (0.5, 1.5)
    ]
    return pd.DataFrame(rows)


def first_looks(texts: Texts) -> Iterator[Any]:
    """Each text as post, summary, writer and measure, with the writers shown."""
    for text in texts:
        writers = text, f"{text} other"
        look = start.FirstLook(text, {w: text for w in writers}, {text: dict(zip(writers, (0.1, 0.2), strict=True))})
        look.question.choose("A")
        yield from (look.texts, look.widget)


def records(texts: Texts, n: int = 2) -> list[dict]:
    """Records of a run: samples of all texts, and one rollout with each of them as a token."""
    columns = {name: [0.1] * len(texts) for name in microscope.QUANTITIES}
    rollout = {"prompt": joined(texts), "completion": joined(texts), "score": 1.0, "ended": True, **columns}
    rollout |= {"token": list(texts), "clipped": [False] * len(texts)}
    samples = [{"prompt": text, "completion": text, "before": text, "reward": 0.1, "gold": 0.1} for text in texts]
    measures = {"reward": 0.1, "kl": 0.1, "gold": 0.1, "seconds": 0.1}
    return [{"step": step, **measures, "samples": samples, "tokens": [rollout]} for step in range(1, n + 1)]


def standings(texts: Texts) -> Iterator[go.Figure]:
    """Each text as judge, model and note; with numbers, and without any."""
    for known in (0.5, np.nan):
        values = dict.fromkeys((f"{m}{part}" for m in MEASURES for part in ("", "_low", "_high")), known)
        rows = [{"judge": text, "model": text, "n": 20, "note": text} | values for text in texts]
        yield model_comparison.standings_figure(pd.DataFrame(rows, columns=list(STANDINGS)), "title")


def revealed_writers(texts: Texts) -> HTML:
    """Each text as prompt, completion, model, judge. The sign between two models' names cannot be in one."""
    names = [text.replace(">", "") for text in texts]
    pairs = [Pair(f"p{i}", t, t, f"{t}.", f"{names[i]}>other") for i, t in enumerate(texts)]
    verdicts = pd.DataFrame({"judge": list(texts), "pair": [p.id for p in pairs], "outcome": 1.0})
    mine = pd.DataFrame({"judge": joined(texts), "pair": [p.id for p in pairs], "outcome": 0.0})
    return model_comparison.who_wrote_what(
        pd.concat([verdicts, mine]), [*pairs, Pair("x", "x", "y", "z", "a>b")], joined(texts)
    )


def opened_help(texts: Texts) -> widgets.Widget:
    view = exercises.HelpView(texts, joined(texts), opened=len(texts))
    view.open_solution()
    return view.widget


def choices(texts: Texts) -> Iterator[widgets.Widget]:
    all_of_them = joined(texts)
    yield exercises.ChoiceView(all_of_them, [(text, text) for text in texts]).widget
    yield exercises.ChoiceView(all_of_them, [(all_of_them, all_of_them)], chosen=all_of_them).widget


def browsed(texts: Texts) -> widgets.Widget:
    """A pair of all texts, with its label revealed."""
    text = joined(texts)
    rows = [Preference(text, text, f"{text}.", "id-" + text, text, text, 3, "train")]
    browser = preferences.PairBrowser(rows)
    browser.reveal.value = True
    return browser.box


def asked(texts: Texts) -> Iterator[widgets.Widget]:
    """The labeler and the rater, whose question is all texts."""
    text = joined(texts)
    pairs = [Pair("p", text, text, f"{text}.", "a>b")]
    store = LabelStore()
    yield labeler.Labeler(LabelingSession(pairs, text, store))
    yield labeler.Rater(RatingSession(pairs, text, store))


class Model:
    """A language model that says what it is told."""

    context = 10_000

    def __init__(self, texts: Texts) -> None:
        self.texts = texts

    def render(self, ask) -> str:
        return ask.query

    def count_tokens(self, text: str) -> int:
        return len(text)

    def next_tokens(self, prompt: str, n: int) -> list[tuple[str, float]]:
        return [(text, 0.1) for text in self.texts]

    def stream(self, prompt: str, **_) -> Iterator[str]:
        yield from self.texts


class Broken(Model):
    def stream(self, prompt: str, **_) -> Iterator[str]:
        raise RuntimeError(joined(self.texts))


def played(texts: Texts) -> Iterator[widgets.Widget]:
    """Each text as the name of a model, a template and an example, as a slot, and in what the model writes or says."""
    for kind in (Model, Broken):
        templates = [Template(text, "{slot}", {"slot": joined(texts)}) for text in texts]
        examples = {text: {"slot": text} for text in texts}
        shown = playground.Playground({text: kind(texts) for text in texts}, templates, examples)
        shown.generate()
        shown.wait()
        shown._announce(joined(texts))
        yield shown.widget


def run(texts: Texts) -> widgets.Widget:
    """A run that failed with the texts, which are its title, axes, samples and error as well."""
    text = joined(texts)

    def taken() -> Iterator[dict]:
        yield from records(texts)
        raise RuntimeError(text)

    watched = live.LiveRun(text, dict(zip(("reward", "kl", "gold"), texts, strict=False)), total=2, unit=texts[3])
    with ThreadPoolExecutor(1) as outside_the_event_loop, suppress(RuntimeError):
        outside_the_event_loop.submit(watched.play, taken()).result()
    return watched.view


def drawn_run(texts: Texts) -> widgets.Widget:
    panels = dict(zip(("reward", "kl", "gold"), texts, strict=False))
    parts = run_view.RunView(lambda rows, title: run_curves.curves(rows, panels, title=title), panels, 5, texts[3])
    parts.draw(records(texts), joined(texts))
    return widgets.VBox([parts.chart, parts.samples])


def replayed(texts: Texts) -> widgets.Widget:
    kept = Recording("ppo", joined(texts), joined(texts), 0, 2, name=joined(texts), records=records(texts))
    return replay.Replay(
        kept, {"reward": texts[0], "kl": texts[1]}, unit=texts[2], finding=lambda _: joined(texts)
    ).view


def read_points(texts: Texts) -> widgets.Widget:
    kept = {"prompt": joined(texts), "before": joined(texts), "completion": joined(texts), "gold": 1.0, "proxy": 1.0}
    return overoptimization.PointReader(reward_curves(texts), lambda curve, at: [kept], texts[0]).view


def read_set(texts: Texts) -> PreferenceSet:
    """Pairs of the texts, each twice, the second time chosen the other way; and how they were read."""
    reading = Reading(joined(texts), joined(texts), {text: text for text in texts}, list(texts), joined(texts))
    reading.splits = dict.fromkeys(texts, 1)
    for text in texts:
        reading.leave_out(text, text)
    rows = []
    for number, text in enumerate(texts):
        for split, (chosen, rejected) in {"train": ("a", "b"), "test": ("b", "a")}.items():
            sides = f"{text} one word more {chosen}", f"{text} one word more {rejected}"
            rows.append(Preference(f"{text}?", *sides, f"{split}-{number}", text, text, None, split))
    return PreferenceSet(rows, reading)


@cache
def diagnosed(texts: tuple[str, ...]) -> Diagnostics:
    rows = read_set(texts)
    return diagnose(rows, joined(texts), rows.reading)


def of_diagnostics(show: Callable[[Diagnostics], Any]) -> Callable[[Texts], Any]:
    return lambda texts: show(diagnosed(tuple(texts)))


def many(figure: Callable[[Texts], go.Figure], size: int) -> Callable[[Texts], Iterator[go.Figure]]:
    """Figures of a few texts each."""
    return lambda texts: map(figure, groups(texts, size))


def charted(texts: Texts) -> Iterator[widgets.Widget]:
    for some in groups(texts, 10):
        yield chart.Chart(style.styled(go.Figure(go.Scatter(x=[1], y=[1])), " ".join(some), some[0], some[-1], 300))


def scored(texts: Texts) -> widgets.Widget:
    box = reward_model.scorer(joined(texts), lambda _: dict.fromkeys(texts, 1.0), joined(texts))
    box.children[2].click()
    return box


def interval_points(texts: Texts) -> go.Figure:
    figure = go.Figure()
    reward_model.interval_points(figure, intervals(texts), joined(texts))
    return figure


def as_shares(texts: Texts) -> dict[str, dict[str, Interval]]:
    return {text: {text: Interval(0.5, 0.4, 0.6, 10) for text in texts[:2]} for text in texts}


# --- All of them --------------------------------------------------------------

# A title is shown by `style.styled` in all figures, so that "title" stands where the figure adds nothing to it.
VIEWS: dict[str, Callable[[Texts], Any]] = {
    "direct_alignment.optimal_policy_figure": packed(lambda t: direct_alignment.optimal_policy_figure(
        {1.0: [0.1] * len(t), 0.1: [0.2] * len(t)}, [0.1] * len(t), t
    ), 20),
    "direct_alignment.frontier_figure": packed(
        lambda t: direct_alignment.frontier_figure(reward_curves(t), "title"), 8
    ),
    "direct_alignment.teachers_figure": packed(
        lambda t: direct_alignment.teachers_figure(
            pd.DataFrame(
                {f"{what}{part}": [0.5] * len(t) for what in ("agreement", "gain") for part in ("", "_low", "_high")},
                index=list(t),
            ),
            "title",
        ),
        8,
    ),
    "card.Card": lambda t: card.Card(joined(t), [widgets.Label("x")], lambda: joined(t), lambda: None),
    "chart.Chart": charted,
    "diagnostics.judges_figure": of_diagnostics(diagnostics.judges_figure),
    "diagnostics.overview": of_diagnostics(diagnostics.overview),
    "diagnostics.report_html": of_diagnostics(lambda found: HTML(diagnostics.report_html(found))),
    "diagnostics.words_figure": of_diagnostics(diagnostics.words_figure),
    "exercises.Panel": lambda t: exercises.Panel([widgets.Label("x")], joined(t)),
    "exercises.VerdictView": lambda t: map(exercises.VerdictView, t),
    "exercises.HelpView": opened_help,
    "exercises.ChoiceView": choices,
    "exercises.Choices": choices,
    "exercises.SliderView": lambda t: exercises.SliderView(joined(t), (0, 1, 0.5), joined(t), chosen=0.5).widget,
    "exercises.RevealView": lambda t: exercises.RevealView(joined(t), True).widget,
    "exercises.ProgressView": lambda t: exercises.ProgressView(joined(t), [(text,) * 4 for text in t]).widget,
    "explorers.explorer": lambda t: explorers.explorer(
        joined(t),
        lambda knob: style.styled(go.Figure(), joined(t), "", "", 300),
        knob=explorers.slider(joined(t), 0, 0, 1, 1),
    ),
    "explorers.labels_figure": packed(
        lambda t: explorers.labels_figure({text: numbers(labels=[64, 256]) for text in t}, 0.8, " ".join(t)), 5
    ),
    "explorers.noise_explorer": lambda t: explorers.noise_explorer(
        lambda noise: numbers(labels=[64, 256]), numbers(labels=[64, 256]), 0.8, joined(t)
    ),
    "failure_cases.revealed": lambda t: [
        HTML(failure_cases.revealed(text, text, [text, text], records(t))) for text in t
    ],
    "model_comparison.standings_figure": lambda t: standings([joined(t[start::20]) for start in range(20)]),
    "model_comparison.agreement_table": lambda t: model_comparison.agreement_table(
        intervals(t, agree=np.nan, kappa=np.nan, kappa_low=0, kappa_high=0).assign(note=list(t))
    ),
    "model_comparison.who_wrote_what": revealed_writers,
    "labeler.Labeler": asked,
    "labeler.Rater": asked,
    "labeler.agreement_figure": packed(lambda t: labeler.agreement_figure(
        intervals(t, agree=0.5, kappa=np.nan, kappa_low=0.1, kappa_high=0.2).assign(note=list(t)), "title"
    ), 20),
    "live.LiveRun": run,
    "microscope.Microscope": packed(lambda t: microscope.Microscope(records(t)).view, 40),
    "microscope.Strip": lambda t: microscope.Strip(
        **microscope.strip_of(microscope.frame_of(records(t)[0]), "kl"), summary=joined(t), prompt=joined(t)
    ),
    "microscope.tokens_figure": packed(
        lambda t: microscope.tokens_figure(microscope.frame_of(records(t)[0]), title=" ".join(t[:6])), 40
    ),
    "overoptimization.curves_figure": packed(lambda t: overoptimization.curves_figure(
        reward_curves(t), "title", {text: np.sqrt for text in t[:3]}
    ), 20),
    "overoptimization.PointReader": packed(read_points, 20),
    "overoptimization.selection_figure": packed(lambda t: overoptimization.selection_figure(
        pd.DataFrame([{"error": text, "n": n, **BOUNDS} for text in t[1:4] for n in (1, 4)]), t[0],
    ), 4),
    "overoptimization.gains_figure": packed(lambda t: overoptimization.gains_figure(
        intervals(t).assign(name=list(t)), "title", t[0]
    ), 20),
    "playground.Playground": played,
    "playground_setting.Setting": lambda t: (
        playground_setting.Setting(
            joined(t), {text: Model(t) for text in t}, {text: Template(text, "{slot}", {"slot": text}) for text in t},
            {text: {"slot": text} for text in t},
        ).controls
    ),
    "playground_setting.PromptView": lambda t: playground_setting.PromptView(
        name=joined(t), text=joined(t), note=joined(t), bad=True
    ),
    "playground_setting.OutcomeView": lambda t: playground_setting.OutcomeView(
        name=joined(t), title=joined(t), words=joined(t), text=joined(t), bars=[(text, 0.1) for text in t],
        running=False, bad=True,
    ),
    "ppo.gradient_figure": packed(
        lambda t: ppo.gradient_figure(
            pd.DataFrame([{"n": n, "error": 1 / n, "baseline": text} for text in t for n in (10, 100)])
        ),
        10,
    ),
    "ppo.clipping_figure": packed(
        lambda t: ppo.clipping_figure([0.5, 1.5], {text: [0.5, 1.5] for text in t}, 0.2), 10
    ),
    "ppo.before_after_figure": packed(lambda t: ppo.before_after_figure(
        pd.concat([intervals(t, measure=m).assign(model=list(t)) for m in ("proxy", "gold")]), t[0]
    ), 20),
    "ppo.side_by_side": lambda t: HTML(
        ppo.side_by_side(
            pd.DataFrame({"prompt": list(t)} | {text: list(t) for text in t[:3]}), t[:3], dict(zip(t, t, strict=True))
        )
    ),
    "preferences.PairBrowser": browsed,
    "preferences.rates_figure": packed(lambda t: preferences.rates_figure(intervals(t), "title", t[0]), 20),
    "preferences.scales_figure": packed(
        lambda t: preferences.scales_figure(pd.DataFrame({"annotator": list(t), "rating": 3}), "title"), 10
    ),
    "preferences.agreement_figure": packed(
        lambda t: preferences.agreement_figure(
            pd.DataFrame({text: {(other, other): 0.5 for other in t} for text in t}), "title"
        ),
        8,
    ),
    "preferences.kappa_heatmap": packed(
        lambda t: preferences.kappa_heatmap(pd.DataFrame(0.5, index=list(t), columns=list(t)), "title"), 10
    ),
    "preferences.opinions_figure": packed(
        lambda t: preferences.opinions_figure(pd.DataFrame({text: [0.9, 0.2] for text in t}), "title"), 2
    ),
    "preferences.choices_figure": packed(
        lambda t: preferences.choices_figure(intervals(t, difference=1.0).assign(annotator=list(t)), "title", 0.3), 10
    ),
    "preferences.weights_figure": packed(
        lambda t: preferences.weights_figure(pd.DataFrame(0.5, index=list(t), columns=list(t)), "title"), 10
    ),
    "preferences.strengths_figure": packed(
        lambda t: preferences.strengths_figure(pd.Series(0.5, index=list(t)), "title"), 20
    ),
    "prompting.next_token_bars": packed(lambda t: prompting.next_token_bars(
        pd.DataFrame({"token": list(t), "decoding": list(t), "probability": 0.5}), "title"
    ), 20),
    "prompting.accuracy_by_examples": packed(lambda t: prompting.accuracy_by_examples(
        pd.DataFrame([{"model": text, "k": k} | BOUNDS for text in t for k in (0, 1)]), "title"
    ), 20),
    "prompting.reward_against_diversity": packed(lambda t: prompting.reward_against_diversity(
        pd.DataFrame(
            [{f"{m}{part}": 0.5 for m in ("gold", "diversity") for part in ("", "_low", "_high")} | {"decoding": text}
             for text in t]
        ),
        "title",
    ), 20),
    "prompting.heat_map": packed(
        lambda t: prompting.heat_map(
            pd.DataFrame([{"model": text, "technique": text, "task": text} | BOUNDS for text in t]),
            pd.DataFrame([{"model": text, "technique": text, "task": text, "verdict": text} for text in t]),
            {},
            "title",
        ),
        10,
    ),
    "replay.Replay": replayed,
    "reward_model.interval_table": lambda t: reward_model.interval_table(
        {text: Interval(0.5, 0.4, 0.6, 10) for text in t}
    ),
    "reward_model.interval_points": packed(interval_points, 20),
    "reward_model.accuracy_figure": packed(lambda t: reward_model.accuracy_figure(intervals(t), 0.9, t[0], t[0]), 20),
    "reward_model.group_figure": packed(
        lambda t: reward_model.group_figure({text: intervals(t) for text in t}, t[0]), 5
    ),
    "reward_model.reliability_figure": packed(
        lambda t: reward_model.reliability_figure(
            {text: intervals(t).assign(confidence=np.linspace(0.5, 1, len(t))) for text in t}
        ),
        10,
    ),
    "reward_model.sizes_figure": packed(
        lambda t: reward_model.sizes_figure({text: numbers(labels=[64, 256]) for text in t}, 0.9), 5
    ),
    "reward_model.errors_figure": packed(lambda t: reward_model.errors_figure(as_shares(t)), 10),
    "reward_model.scores_figure": packed(lambda t: reward_model.scores_figure(intervals(t), intervals(t)), 20),
    "reward_model.normalization_figure": packed(
        lambda t: reward_model.normalization_figure(*[{text: [0.0, 1.0, 2.0] for text in t}] * 2), 10
    ),
    "reward_model.best_of_n_figure": packed(
        lambda t: reward_model.best_of_n_figure({text: numbers(n=[1, 4]) for text in t}, [0.0, 0.6]), 10
    ),
    "reward_model.post_html": lambda t: [HTML(reward_model.post_html(text)) for text in t],
    "reward_model.scorer": scored,
    "run_curves.curves": packed(
        lambda t: run_curves.curves(records(t), dict(zip(("reward", "kl", "gold"), t, strict=False)), unit=t[-1]), 4
    ),
    "run_view.Progress": lambda t: run_view.Progress(step=1, total=2, running=True, words=joined(t)),
    "run_view.Samples": lambda t: run_view.Samples(
        caption=joined(t),
        headings=list(t)[:3],
        rows=[{"short": text, "prompt": text, "cells": [text, text]} for text in t],
        hold=False,
    ),
    "run_view.RunView": drawn_run,
    "start.FirstLook": first_looks,
    "start.loss_curves": packed(lambda t: start.loss_curves(
        pd.DataFrame({"step": [0, 1]} | {text: [2.0, 1.0] for text in t}), "title"
    ), 20),
    "start.bandit_curves": packed(
        lambda t: start.bandit_curves({text: numbers(step=[0, 10]) for text in t}, "title"), 20
    ),
    "text.text_box": lambda t: [HTML(text_box(text, text)) for text in t],
    "style.without_data": many(lambda t: style.without_data(go.Figure(), as_label(joined(t))), 10),
    "style.styled": many(
        lambda t: style.styled(go.Figure(go.Scatter(x=[1], y=[1])), " ".join(t), t[0], t[-1], 260), 10
    ),
}  # fmt: skip


def made(name: str, texts: Texts) -> list[Any]:
    """What a view makes of the texts: figures, HTML, widgets, tables."""
    shown = VIEWS[name](texts)
    things = list(shown) if isinstance(shown, (list, map, Iterator)) else [shown]
    for thing in things:
        if isinstance(thing, go.Figure):
            thing.update_layout(height=TALL)
    return things

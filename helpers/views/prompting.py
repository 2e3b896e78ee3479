"""Figures of lab 04, and the blind look at completions of several models."""

import random
from collections import Counter
from html import escape

import ipywidgets as widgets
import pandas as pd
import plotly.graph_objects as go

from .style import COLOURS, DASHES, MARKERS, PALETTE, styled

NAMES = {"base": "base", "sft": "SFT", "ppo": "PPO"}
SYMBOLS = ("circle", "square", "diamond", "x", "triangle-up", "cross")


def next_token_bars(frame: pd.DataFrame, title: str) -> go.Figure:
    """Next-token probabilities as bars: columns token, decoding, probability; one colour and pattern a decoding."""
    figure = go.Figure()
    patterns = ("", "/", ".", "x", "-")
    for i, (name, rows) in enumerate(frame.groupby("decoding", sort=False)):
        figure.add_bar(
            x=rows["token"].map(escape), y=rows["probability"], name=str(name),
            marker={"color": PALETTE[i % len(PALETTE)], "pattern_shape": patterns[i % 5]},
        )  # fmt: skip
    styled(figure, title, "next token", "probability")
    return figure.update_xaxes(type="category")


def accuracy_by_examples(frame: pd.DataFrame, title: str) -> go.Figure:
    """Accuracy against the number of examples in the prompt: columns model, k, estimate, low, high."""
    figure = go.Figure()
    for name, rows in frame.groupby("model", sort=False):
        figure.add_scatter(
            x=rows["k"].astype(str), y=rows["estimate"], name=NAMES.get(name, name), mode="lines+markers",
            error_y=_error_bars(rows, "estimate", "low", "high"),
            line={"color": COLOURS.get(name), "dash": DASHES.get(name), "width": 2.5},
            marker={"symbol": MARKERS.get(name), "size": 9},
        )  # fmt: skip
    styled(figure, title, "examples in the prompt (k)", "accuracy (share right)")
    return figure.update_xaxes(type="category").update_yaxes(range=[-0.03, 1.05])


def reward_against_diversity(frame: pd.DataFrame, title: str) -> go.Figure:
    """One point a way of decoding, with 95 % intervals: columns decoding, gold, gold_low, gold_high and the same of
    diversity."""
    figure = go.Figure()
    for i, row in enumerate(frame.to_dict("records")):
        one = pd.DataFrame([row])
        figure.add_scatter(
            x=one["diversity"], y=one["gold"], name=row["decoding"], mode="markers",
            error_x=_error_bars(one, "diversity", "diversity_low", "diversity_high"),
            error_y=_error_bars(one, "gold", "gold_low", "gold_high"),
            marker={"symbol": SYMBOLS[i % 6], "size": 11, "color": PALETTE[i % len(PALETTE)]},
        )  # fmt: skip
    return styled(figure, title, "diversity of four samples (0 to 1)", "gold reward (-3 to 3)", 400)


def technique_dots(frame: pd.DataFrame, title: str) -> go.Figure:
    """Gold reward of each model with each technique: columns model, technique, estimate, low, high."""
    figure = go.Figure()
    for name, rows in frame.groupby("model", sort=False):
        figure.add_scatter(
            x=rows["technique"], y=rows["estimate"], name=NAMES.get(name, name), mode="markers",
            error_y=_error_bars(rows, "estimate", "low", "high"),
            marker={"symbol": MARKERS.get(name), "size": 11, "color": COLOURS.get(name)},
        )  # fmt: skip
    figure.update_layout(scattermode="group", scattergap=0.6)
    return styled(figure, title, "technique", "gold reward (-3 to 3)", 400).update_xaxes(type="category")


def _error_bars(rows: pd.DataFrame, middle: str, low: str, high: str) -> dict:
    return {"array": rows[high] - rows[middle], "arrayminus": rows[middle] - rows[low], "symmetric": False}


class BlindLook:
    """Completions of several models side by side, their makers hidden until the reader has chosen the best.

    samples: as from `evaluation.compare_models` (columns prompt, completion, model, gold; all models on the same
    prompts in the same order). `widget` shows it; `votes` counts the choices by model.
    """

    def __init__(self, samples: pd.DataFrame, n: int = 10, seed: int = 0) -> None:
        rng = random.Random(seed)
        by_model = {name: rows.to_dict("records") for name, rows in samples.groupby("model", sort=False)}
        self.items: list[list[dict]] = []
        for rows in list(zip(*by_model.values(), strict=True))[:n]:
            self.items.append(rng.sample(rows, len(rows)))
        self.votes: Counter[str] = Counter()
        self.position = 0
        self.revealed = False
        self._text = widgets.HTML()
        self._tally = widgets.HTML()
        letters = "ABCDEF"[: len(by_model)]
        self._choices = [widgets.Button(description=f"{letter} is best") for letter in letters]
        for number, button in enumerate(self._choices):
            button.on_click(lambda _, number=number: self.choose(number))
        self._next = widgets.Button(description="Next post", icon="arrow-right")
        self._next.on_click(lambda _: self.next())
        self.widget = widgets.VBox([self._text, widgets.HBox([*self._choices, self._next]), self._tally])
        self._draw()

    def choose(self, number: int) -> None:
        """Prefer the completion at this place, and reveal who wrote which. A second choice does not count."""
        if self.revealed:
            return
        self.votes[self.items[self.position][number]["model"]] += 1
        self.revealed = True
        self._draw()

    def next(self) -> None:
        """Go to the next post, after the last to the first."""
        self.position = (self.position + 1) % len(self.items)
        self.revealed = False
        self._draw()

    def _draw(self) -> None:
        rows = self.items[self.position]
        style = "line-height: 1.45; max-width: 60em"
        parts = [f'<div style="{style}; white-space: pre-wrap">{escape(rows[0]["prompt"])}</div>']
        for letter, row in zip("ABCDEF", rows, strict=False):
            made = f" <i>({escape(NAMES.get(row['model'], row['model']))}, gold reward {row['gold']:.2f})</i>"
            text = escape(row["completion"].strip()) or "(nothing)"
            parts.append(f'<p style="{style}"><b>{letter}</b>{made if self.revealed else ""}: {text}</p>')
        self._text.value = "".join(parts)
        for button in self._choices:
            button.disabled = self.revealed
        counts = ", ".join(f"{escape(NAMES.get(name, name))} {count}" for name, count in sorted(self.votes.items()))
        self._tally.value = f"Post {self.position + 1} of {len(self.items)}. You preferred: {counts or 'nobody yet'}."

"""Lab 04's playground: a prompt from a template, a way of decoding, and what a model makes of it; two side by side.

Models run in a thread of their own, one after the other, so that the kernel stays free. All texts reach the page as
text: from people, from models, and names as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets
import pandas as pd

from .. import files
from ..files import LabError, shown
from ..prompting.history import History
from ..prompting.templates import EXAMPLES, TEMPLATES, Template
from .card import Card
from .playground_setting import OutcomeView, Request, Setting, one_line
from .text import visible

if TYPE_CHECKING:
    from ..models.language_models import LanguageModel

REDRAW = 0.1  # seconds between two redraws of a text that grows, at least
MOST_PROBABLE = 10  # next tokens shown
LETTERS = ("A", "B")


class Playground:
    """Choose a model, a template and a way of decoding, fill the slots, and watch the completion come.

        Playground(load_models(...)[0]).widget

    Args:
        models: Name -> model.
        templates: Those to choose from.
        examples: Name -> values for slots.
        history: The JSONL file that every finished generation is added to; default: playground.jsonl in
            `files.work()`.

    Raises:
        LabError: Without models or templates, or if two templates have one name.
    """

    def __init__(
        self,
        models: Mapping[str, LanguageModel],
        templates: Sequence[Template] = TEMPLATES,
        examples: Mapping[str, Mapping[str, str]] = EXAMPLES,
        history: Path | str | None = None,
    ) -> None:
        if not models or not templates:
            raise LabError(f"the playground needs a {'template' if models else 'model'}: give at least one")
        named = {template.name: template for template in templates}
        if len(named) < len(templates):
            raise LabError("two templates have the same name: rename one of them")
        self.models = dict(models)
        self.log = History(files.work() / "playground.jsonl" if history is None else history)
        self.settings = [Setting(letter, self.models, named, examples) for letter in LETTERS]
        self._thread: threading.Thread | None = None
        self._busy = False
        self._halt = threading.Event()
        self._start = _button("Generate", "play", self.generate, "Generate with the settings shown")
        self._stop = _button("Stop", "stop", self.stop, "Stop after the next token", disabled=True)
        self._export = _button("Export CSV", "download", self._export_beside, "Write the history as a table")
        self._compare = widgets.ToggleButton(description="Compare", icon="columns", tooltip="Two settings side by side")
        self._compare.observe(lambda change: self._show_columns(change["new"]), "value")
        self._news = widgets.Label("")
        self._news.add_class("rlhf-news")
        self._controls, self._outcomes = widgets.Box(), widgets.Box()
        for box in (self._controls, self._outcomes):
            box.add_class("rlhf-columns")
        bar = widgets.HBox(
            [self._start, self._stop, self._compare, self._export, self._news], layout={"flex_flow": "row wrap"}
        )
        bar.add_class("rlhf-bar")
        self.widget = Card("Playground", [self._controls, bar, self._outcomes], self.__repr__, lambda: None)
        self.widget.add_class("rlhf-playground")
        self._show_columns(False)

    def generate(self) -> None:
        """Start to generate with the settings that are shown, one after the other; `wait` waits for the end."""
        if self._busy:
            return
        self._busy = True
        asked: list[tuple[Setting, Request]] = []
        for setting in self._shown:
            blank = {"title": "", "words": "", "text": "", "bars": [], "running": False, "bad": False}
            try:
                request = setting.request()
            except Exception as error:
                setting.outcome.update(**blank | {"words": one_line(error), "bad": True})
            else:
                setting.outcome.update(**blank | {"title": request.title, "words": "waiting"})
                asked.append((setting, request))
        self._halt.clear()
        self._start.disabled, self._stop.disabled = True, False
        self._announce("generating")
        self._thread = threading.Thread(target=self._work, args=(asked,), name="playground", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the next token. A text that was stopped does not go to the history."""
        if self._busy:
            self._halt.set()
            self._stop.disabled = True
            self._announce("stopping")

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing is being generated, for so many seconds at most.

        Returns:
            Whether nothing is being generated now.
        """
        if self._thread is not None:
            self._thread.join(seconds)
        return not self._busy

    @property
    def history(self) -> pd.DataFrame:
        """All finished generations that the file holds; columns `history.COLUMNS`."""
        return self.log.table()

    def export(self, path: Path | str) -> int:
        """Write the history as CSV or JSONL, by the suffix (see `History.export`).

        Returns:
            The number of rows.
        """
        return self.log.export(path)

    @property
    def _shown(self) -> list[Setting]:
        return self.settings if self._compare.value else self.settings[:1]

    def _show_columns(self, both: bool) -> None:
        if both and not self.settings[1].outcome.state["title"]:  # not used yet
            self.settings[1].copy(self.settings[0])
        self._controls.children = [setting.controls for setting in self._shown]
        self._outcomes.children = [setting.outcome for setting in self._shown]

    def _work(self, asked: Sequence[tuple[Setting, Request]]) -> None:
        try:
            for setting, request in asked:
                self._generate(setting.outcome, request)
        finally:
            outcomes = [f"{setting.letter} {setting.outcome.state['words']}" for setting, _ in asked]
            self._announce("; ".join(outcomes) or "nothing to generate")
            self._busy = False
            self._start.disabled, self._stop.disabled = False, True

    def _generate(self, outcome: OutcomeView, request: Request) -> None:
        """Generate, show it while it grows, and keep it. Whatever is raised becomes a line of the view."""
        if self._halt.is_set():
            outcome.update(words="stopped before it began")
            return
        try:
            outcome.update(words="generating", running=True)
            model = self.models[request.model]
            next_tokens = [(str(token), float(p)) for token, p in model.next_tokens(request.prompt, MOST_PROBABLE)]
            outcome.update(bars=[(visible(token), round(p, 4)) for token, p in next_tokens])
            text, ended = self._stream(model, request, lambda text: outcome.update(text=text))
            outcome.update(text=text)
            if ended:
                self.log.append(_record(request, text, next_tokens))
                outcome.update(words="finished" if text.strip() else "finished: the model wrote nothing")
            else:
                outcome.update(words="stopped, and not kept in the history")
        except Exception as error:
            outcome.update(words=f"failed: {one_line(error)}", bad=True)
        finally:
            outcome.update(running=False)

    def _stream(self, model: LanguageModel, request: Request, show: Callable[[str], None]) -> tuple[str, bool]:
        """The completion, and whether it came to its end; `show` gets it now and then while it grows."""
        text, shown_at = "", 0.0
        pieces = model.stream(request.prompt, seed=request.seed, **request.decoding)
        with closing(pieces) if isinstance(pieces, Generator) else nullcontext():
            while not self._halt.is_set():
                if (piece := next(pieces, None)) is None:
                    return text, True
                text += piece
                if time.monotonic() - shown_at >= REDRAW:
                    show(text)
                    shown_at = time.monotonic()
        return text, False

    def _export_beside(self) -> None:
        path = self.log.path.with_suffix(".csv")
        try:
            self._announce(f"{self.export(path)} generations are in {shown(path)}")
        except LabError as error:
            self._announce(str(error))

    def _announce(self, news: str) -> None:
        """Show it beside the buttons, and have it read aloud."""
        self._news.value = news
        self.widget.announce(f"Playground: {news}")

    def __repr__(self) -> str:  # the text/plain of the output: the same in every run
        return "Playground: run this cell to use it"

    def _ipython_display_(self) -> None:
        self.widget._ipython_display_()


def _button(name: str, icon: str, act: Callable[[], None], tooltip: str, disabled: bool = False) -> widgets.Button:
    button = widgets.Button(description=name, icon=icon, tooltip=tooltip, disabled=disabled)
    button.on_click(lambda _: act())
    return button


def _record(request: Request, completion: str, next_tokens: list[tuple[str, float]]) -> dict[str, Any]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": request.model,
        "template": request.template,
        "slots": request.slots,
        "prompt": request.prompt,
        "decoding": request.decoding,
        "seed": request.seed,
        "completion": completion,
        "next_tokens": next_tokens,
    }

"""Lab 04's playground: a prompt from a template, a way of decoding, and what a model makes of it; two side by side.

Models are what `models/language_models.py` calls a LanguageModel. They run in a thread of their own, one after the
other, so that the kernel stays free. All texts reach the page as text: from people, from models, and names as well.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import pandas as pd

from .. import files
from ..files import LabError, shown
from ..models.prompt_formats import Ask
from ..prompting.history import History
from ..prompting.templates import EXAMPLES, TEMPLATES, Template, fill
from .card import FED, Card, Fed, visible

REDRAW = 0.1  # seconds between two redraws of a text that grows, at least
LIKELIEST = 10  # next tokens shown
LETTERS = ("A", "B")
AS_WRITTEN = "as written below"
HOW = {  # way of decoding: the numbers that it takes, beside those that all take
    "greedy": (),
    "sampling": ("temperature", "top_k", "top_p", "seed"),
    "beams": ("num_beams",),
}
ALWAYS = ("repetition_penalty", "max_new_tokens")


@dataclass(frozen=True)
class Request:
    """What is to be generated: everything that decides it."""

    model: str
    template: str
    slots: dict[str, str]
    prompt: str
    decoding: dict[str, Any]
    seed: int
    title: str  # the same in a few words


# --- Parts of the view --------------------------------------------------------


class _Prompt(Fed):
    """The exact prompt. State: name (of the setting that it belongs to), text, note (its tokens), bad."""

    _esm = (
        FED
        + """
    export default fed(el => {
      el.classList.add("rlhf-prompt");
      const heading = node("div", el, "", "heading"), text = node("pre", el);
      text.tabIndex = 0;  // so that the keyboard can scroll it
      let here = true;
      const adopt = name => {  // as in the card: children come before their parent is in the page
        const setting = el.closest(".rlhf-setting");
        if (setting) {
          setting.setAttribute("role", "group");
          setting.setAttribute("aria-label", `setting ${name}`);
          text.setAttribute("aria-label", `prompt of setting ${name}`);
        } else if (here) requestAnimationFrame(() => adopt(name));
      };
      return {
        draw(state) {
          heading.textContent = "The prompt, as the model gets it" + (state.note && ` (${state.note})`);
          text.textContent = state.text;
          text.classList.toggle("bad", state.bad);
          adopt(state.name);
        },
        end() { here = false; },
      };
    });
    """
    )
    _css = """
    .rlhf-playground { --rlhf-fill: var(--jp-layout-color2, #eee); --rlhf-text: var(--jp-content-font-color1, #000);
      max-width: none; }
    .rlhf-columns { display: flex; flex-flow: row wrap; gap: 8px 24px; overflow: visible; }
    .rlhf-columns > * { flex: 1 1 240px; min-width: 0; max-width: 900px; overflow: visible; }
    .rlhf-playground pre { margin: 2px 0 6px; padding: 6px 8px; max-height: 16em; overflow: auto;
      background: var(--rlhf-fill); color: var(--rlhf-text); border: 1px solid var(--jp-border-color1, #bbb);
      border-radius: 3px; font: var(--jp-code-font-size, 13px)/1.4 var(--jp-code-font-family, monospace);
      white-space: pre-wrap; word-break: normal; overflow-wrap: anywhere; unicode-bidi: plaintext; }
    .rlhf-playground pre.bad { border-color: var(--jp-error-color1, #d32f2f); border-left-width: 5px; }
    .rlhf-playground .heading { color: var(--rlhf-text); font-size: var(--jp-widgets-font-size, 13px);
      margin-top: 6px; }
    .rlhf-setting .rlhf-letter, .rlhf-outcome .name { font-weight: bold; }
    .rlhf-playground .rlhf-above > * { flex-direction: column; align-items: stretch; height: auto; width: auto; }
    .rlhf-playground .rlhf-above > * > label { width: auto; height: auto; text-align: start; line-height: 1.6; }
    .rlhf-playground .rlhf-news { height: auto; white-space: normal; overflow-wrap: anywhere; line-height: 1.6;
      margin-top: 6px; }
    .rlhf-setting textarea { field-sizing: content; min-height: 2.2em; max-height: 14em; resize: vertical; }
    """


class _Outcome(Fed):
    """What came of it. State: name, title, words, text, bars ((token, probability) pairs), running, bad."""

    _esm = (
        FED
        + """
    export default fed(el => {
      el.classList.add("rlhf-outcome");
      el.setAttribute("role", "group");
      const heading = node("div", el, "", "heading"), name = node("span", heading, "", "name");
      const title = node("span", heading), words = node("div", el, "", "words"), text = node("pre", el);
      const table = node("table", el), caption = node("caption", table), body = node("tbody", table);
      text.tabIndex = 0;
      return {
        draw(state) {
          el.setAttribute("aria-label", `outcome ${state.name}`);
          text.setAttribute("aria-label", `completion ${state.name}`);
          name.textContent = state.name + " ";
          title.textContent = state.title;
          words.textContent = state.words;
          words.classList.toggle("bad", state.bad);
          text.textContent = state.text;
          text.hidden = !state.text && (state.bad || !state.title);
          text.classList.toggle("running", state.running);
          table.hidden = state.bars.length === 0;
          caption.textContent = "The completion's first token: the most probable ones";
          body.replaceChildren();
          for (const [token, probability] of state.bars) {
            const row = node("tr", body);
            node("th", row, token).scope = "row";
            node("div", node("td", row)).style.width = `${100 * probability}%`;
            node("td", row, `${(100 * probability).toFixed(1)} %`);
          }
        },
      };
    });
    """
    )
    _css = """
    .rlhf-outcome { color: var(--jp-content-font-color1, #000); font-size: var(--jp-widgets-font-size, 13px);
      line-height: 1.5; }
    .rlhf-outcome .words.bad { border-left: 5px solid var(--jp-error-color1, #d32f2f); padding-left: 8px;
      overflow-wrap: anywhere; }
    .rlhf-outcome pre { min-height: 2.8em; }
    .rlhf-outcome pre.running::after { content: "▍"; }
    .rlhf-outcome table { width: 100%; max-width: 520px; border-collapse: collapse; table-layout: fixed; }
    .rlhf-outcome caption { text-align: start; padding: 2px 0; color: inherit; }
    .rlhf-outcome th, .rlhf-outcome td { padding: 1px 6px 1px 0; font-weight: normal; color: inherit; border: 0; }
    .rlhf-outcome th { width: 8.5em; text-align: start; overflow: hidden; text-overflow: ellipsis; white-space: pre;
      font-family: var(--jp-code-font-family, monospace); unicode-bidi: isolate; }
    .rlhf-outcome td:last-child { width: 4.5em; text-align: end; font-variant-numeric: tabular-nums; }
    .rlhf-outcome td div { height: 0.8em; min-width: 1px; background: var(--jp-brand-color1, #1565c0); }
    """


class _Setting:
    """One column of controls, the prompt that they make, and the outcome below."""

    def __init__(self, letter: str, models: Mapping, templates: Mapping[str, Template], examples: Mapping) -> None:
        self.letter, self.models, self.templates, self.examples = letter, models, templates, examples
        self.model = _choice("model", models)
        self.template = _choice("template", templates)
        self.example = _choice("fill in", [AS_WRITTEN, *examples])
        self.how = _choice("decoding", HOW)
        self._filling = False  # an example is being written into the slots
        self.slots: dict[str, widgets.Textarea] = {}  # shared by all templates that have the slot
        for template in templates.values():
            for slot, value in template.slots.items():
                self.slots.setdefault(slot, widgets.Textarea(value, description=slot))
        self.numbers = {
            "temperature": _number(widgets.BoundedFloatText, "temperature", 1.0, 0.05, 10, 0.05),
            "top_k": _number(widgets.BoundedIntText, "top-k (0: all)", 0, 0, 1_000_000),
            "top_p": _number(widgets.BoundedFloatText, "top-p", 1.0, 0.01, 1, 0.01),
            "seed": _number(widgets.BoundedIntText, "seed", 0, 0, 2**31 - 1),
            "num_beams": _number(widgets.BoundedIntText, "beams", 4, 2, 32),
            "repetition_penalty": _number(widgets.BoundedFloatText, "repetition penalty", 1.0, 0.5, 5, 0.05),
            "max_new_tokens": _number(widgets.BoundedIntText, "max new tokens", 48, 1, 4096),
        }
        self.prompt = _Prompt(name=letter, text="", note="", bad=False)
        self.outcome = _Outcome(name=letter, title="", words="", text="", bars=[], running=False, bad=False)
        self._chosen_slots, self._chosen_numbers = widgets.VBox(), widgets.Box(layout={"flex_flow": "row wrap"})
        for box in (self._chosen_slots, self._chosen_numbers):
            box.add_class("rlhf-above")  # the names stand above what they name
        self.heading = widgets.Label(letter)
        self.heading.add_class("rlhf-letter")
        self.controls = widgets.VBox(
            [self.heading, self.model, self.template, self.example, self._chosen_slots, self.how, self._chosen_numbers]
            + [self.prompt]
        )
        self.controls.add_class("rlhf-setting")
        self.example.observe(lambda _: self._take_example(), "value")
        for control in (self.template, self.how):
            control.observe(lambda _: self._arrange(), "value")
        for control in (self.model, self.template, *self.slots.values()):
            control.observe(lambda _: self._preview(), "value")
        for text in self.slots.values():
            text.observe(lambda _: self._forget_example(), "value")
        self._arrange()
        self._preview()

    @property
    def parts(self) -> list[widgets.Widget]:
        """The controls that have a value."""
        return [self.model, self.template, self.example, self.how, *self.slots.values(), *self.numbers.values()]

    def copy(self, other: _Setting) -> None:
        """Take over the values of another setting."""
        for mine, its in zip(self.parts, other.parts, strict=True):
            mine.value = its.value

    def request(self) -> Request:
        """What these controls ask for. Raises LabError if the model cannot take it."""
        how = self.how.value
        chosen = {name: self.numbers[name] for name in (*HOW[how], *ALWAYS)}
        numbers = ", ".join(f"{number.description.split(' (')[0]} {number.value:g}" for number in chosen.values())
        template = self.templates[self.template.value]
        slots = {slot: self.slots[slot].value for slot in template.slots}
        return Request(
            model=self.model.value,
            template=template.name,
            slots=slots,
            prompt=self.models[self.model.value].render(Ask(fill(template, slots))),
            decoding={"do_sample": how == "sampling"}
            | {name: number.value for name, number in chosen.items() if name != "seed"},
            seed=self.numbers["seed"].value,
            title=f"{self.model.value} · {template.name} · {how} ({numbers})",
        )

    def _take_example(self) -> None:
        self._filling = True
        for slot, text in self.examples.get(self.example.value, {}).items():
            if slot in self.slots:
                self.slots[slot].value = text
        self._filling = False

    def _forget_example(self) -> None:
        """Another text than the example's: say so, and let the example be chosen again."""
        values = {} if self._filling else self.examples.get(self.example.value, {})
        if any(self.slots[slot].value != text for slot, text in values.items() if slot in self.slots):
            self.example.value = AS_WRITTEN

    def _arrange(self) -> None:
        """Show the slots and the numbers that are asked for."""
        self._chosen_slots.children = [self.slots[slot] for slot in self.templates[self.template.value].slots]
        self._chosen_numbers.children = [self.numbers[name] for name in (*HOW[self.how.value], *ALWAYS)]

    def _preview(self) -> None:
        try:
            prompt = self.request().prompt
            self.prompt.tell(text=prompt, note=_length(self.models[self.model.value], prompt), bad=False)
        except Exception as error:
            self.prompt.tell(text=one_line(error), note="", bad=True)


def _choice(name: str, options) -> widgets.Dropdown:
    return widgets.Dropdown(options=list(options), description=name, layout={"width": "98%"})


def _number(kind: type, name: str, value: float, low: float, high: float, step: float = 1) -> widgets.Widget:
    return kind(value=value, min=low, max=high, step=step, description=name, layout={"width": "125px"})


def _length(model, prompt: str) -> str:
    """How many tokens the prompt has, if the model can say so (`count_tokens`), and its context."""
    count = getattr(model, "count_tokens", None)
    if count is None:
        return ""
    limit = f"; the model's context is {model.context}" if model.context else ""
    return f"{count(prompt)} tokens{limit}"


def one_line(error: Exception) -> str:
    """An error as one readable line."""
    text = " ".join(str(error).split())
    if isinstance(error, LabError):
        return text
    if isinstance(error, MemoryError) or "out of memory" in text.lower() or "not enough memory" in text.lower():
        return "Out of memory. Choose a smaller model, a shorter prompt, fewer new tokens or fewer beams."
    return f"{type(error).__name__}: {text[:300]}"


# --- The playground -----------------------------------------------------------


class Playground:
    """Choose a model, a template and a way of decoding, fill the slots, and watch the completion come.

        Playground(load_models(...)[0]).widget

    models: name -> LanguageModel. templates: those to choose from. examples: name -> values for slots.
    history: the JSONL file that every finished generation is added to; default: playground.jsonl in `files.work()`.
    Raises LabError without models or templates, or if two templates have one name.
    """

    def __init__(
        self,
        models: Mapping[str, Any],
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
        self.settings = [_Setting(letter, self.models, named, examples) for letter in LETTERS]
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
        self.widget = Card("Playground", [self._controls, bar, self._outcomes], self.__repr__, lambda: None)
        self.widget.add_class("rlhf-playground")
        self._show_columns(False)

    def generate(self) -> None:
        """Start to generate with the settings that are shown, one after the other; `wait` waits for the end."""
        if self._busy:
            return
        self._busy = True
        asked = []
        for setting in self._shown:
            blank = {"title": "", "words": "", "text": "", "bars": [], "running": False, "bad": False}
            try:
                request = setting.request()
            except Exception as error:
                setting.outcome.tell(**blank | {"words": one_line(error), "bad": True})
            else:
                setting.outcome.tell(**blank | {"title": request.title, "words": "waiting"})
                asked.append((setting, request))
        self._halt.clear()
        self._start.disabled, self._stop.disabled = True, False
        self._tell("generating")
        self._thread = threading.Thread(target=self._work, args=(asked,), name="playground", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop after the next token. A text that was stopped does not go to the history."""
        if self._busy:
            self._halt.set()
            self._stop.disabled = True
            self._tell("stopping")

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing is being generated, for so many seconds at most; whether that is so."""
        if self._thread is not None:
            self._thread.join(seconds)
        return not self._busy

    @property
    def history(self) -> pd.DataFrame:
        """All finished generations that the file holds; columns `generation_history.COLUMNS`."""
        return self.log.table()

    def export(self, path: Path | str) -> int:
        """Write the history as CSV or JSONL, by the suffix (see `History.export`); returns its number of rows."""
        return self.log.export(path)

    @property
    def _shown(self) -> list[_Setting]:
        return self.settings if self._compare.value else self.settings[:1]

    def _show_columns(self, both: bool) -> None:
        if both and not self.settings[1].outcome.state["title"]:  # not used yet
            self.settings[1].copy(self.settings[0])
        self._controls.children = [setting.controls for setting in self._shown]
        self._outcomes.children = [setting.outcome for setting in self._shown]

    def _work(self, asked: Sequence[tuple[_Setting, Request]]) -> None:
        try:
            for setting, request in asked:
                self._generate(setting.outcome, request)
        finally:
            self._tell("; ".join(f"{s.letter} {s.outcome.state['words']}" for s, _ in asked) or "nothing to generate")
            self._busy = False
            self._start.disabled, self._stop.disabled = False, True

    def _generate(self, outcome: _Outcome, request: Request) -> None:
        """Generate, show it while it grows, and keep it. Whatever is raised becomes a line of the view."""
        if self._halt.is_set():
            outcome.tell(words="stopped before it began")
            return
        try:
            outcome.tell(words="generating", running=True)
            model = self.models[request.model]
            likely = [(str(token), float(p)) for token, p in model.next_tokens(request.prompt, LIKELIEST)]
            outcome.tell(bars=[(visible(token), round(p, 4)) for token, p in likely])
            text, ended = self._stream(model, request, lambda text: outcome.tell(text=text))
            outcome.tell(text=text)
            if ended:
                self.log.append(_record(request, text, likely))
                outcome.tell(words="finished" if text.strip() else "finished: the model wrote nothing")
            else:
                outcome.tell(words="stopped, and not kept in the history")
        except Exception as error:
            outcome.tell(words=f"failed: {one_line(error)}", bad=True)
        finally:
            outcome.tell(running=False)

    def _stream(self, model, request: Request, show: Callable[[str], None]) -> tuple[str, bool]:
        """The completion, and whether it came to its end; `show` gets it now and then while it grows."""
        text, shown_at = "", 0.0
        pieces = model.stream(request.prompt, seed=request.seed, **request.decoding)
        with closing(pieces) if hasattr(pieces, "close") else nullcontext():
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
            self._tell(f"{self.export(path)} generations are in {shown(path)}")
        except LabError as error:
            self._tell(str(error))

    def _tell(self, news: str) -> None:
        """Show it beside the buttons, and have it read aloud."""
        self._news.value = news
        self.widget.say(f"Playground: {news}")

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

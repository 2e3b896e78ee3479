"""One setting of the playground: its controls, the exact prompt that they make, and the outcome below."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from ..files import LabError
from ..models.prompt_formats import Ask
from ..prompting.templates import Template, fill
from .state_view import STATE_VIEW, StateView

if TYPE_CHECKING:
    from ..models.language_models import LanguageModel

AS_WRITTEN = "as written below"
HOW: Mapping[str, tuple[str, ...]] = {  # way of decoding: the numbers that it takes, beside those that all take
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


class PromptView(StateView):
    """The exact prompt. State: name (of the setting that it belongs to), text, note (its tokens), bad."""

    _esm = (
        STATE_VIEW
        + """
    export default stateView(el => {
      el.classList.add("rlhf-prompt");
      const heading = node("div", el, "", "heading"), text = node("pre", el);
      text.tabIndex = 0;  // so that the keyboard can scroll it
      let alive = true;
      const adopt = name => {  // as in the card: children come before their parent is in the page
        const setting = el.closest(".rlhf-setting");
        if (setting) {
          setting.setAttribute("role", "group");
          setting.setAttribute("aria-label", `setting ${name}`);
          text.setAttribute("aria-label", `prompt of setting ${name}`);
        } else if (alive) requestAnimationFrame(() => adopt(name));
      };
      return {
        draw(state) {
          heading.textContent = "The prompt, as the model gets it" + (state.note && ` (${state.note})`);
          text.textContent = state.text;
          text.classList.toggle("bad", state.bad);
          adopt(state.name);
        },
        end() { alive = false; },
      };
    });
    """
    )
    _css = """
    .rlhf-playground { --rlhf-fill: var(--jp-layout-color2, #eee); --rlhf-text: var(--jp-content-font-color1, #000);
      max-width: none; padding: 4px; overflow: auto;
      max-height: max(420px, calc(100vh - 180px)); }  /* never taller than what JupyterLab shows of a notebook */
    .rlhf-playground > * { flex-shrink: 0; }
    .rlhf-bar { position: sticky; bottom: -4px; z-index: 1; padding: 2px 0; background: var(--jp-layout-color0, #fff); }
    .rlhf-columns { display: flex; flex-flow: row wrap; gap: 8px 24px; overflow: visible; }
    .rlhf-columns > * { flex: 1 1 240px; min-width: 0; overflow: visible; }
    .rlhf-setting { display: flex; flex-flow: row wrap; gap: 0 24px; }  /* choices beside texts, where both fit */
    .rlhf-setting > * { flex: 1 1 340px; min-width: 0; overflow: visible; }
    .rlhf-playground pre { margin: 2px 0 6px; padding: 6px 8px; max-height: 11em; overflow: auto;
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
    .rlhf-setting textarea { field-sizing: content; min-height: 2.2em; max-height: 8em; resize: vertical; }
    """


class OutcomeView(StateView):
    """What a model made of a prompt. State: name, title, words, text, bars ((token, probability)), running, bad."""

    _esm = (
        STATE_VIEW
        + """
    export default stateView(el => {
      el.classList.add("rlhf-outcome");
      el.setAttribute("role", "group");
      const heading = node("div", el, "", "heading"), name = node("span", heading, "", "name");
      const title = node("span", heading), words = node("div", el, "", "words");
      const both = node("div", el, "", "both"), text = node("pre", both);
      const table = node("table", both), caption = node("caption", table), body = node("tbody", table);
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
    .rlhf-outcome .both { display: flex; flex-flow: row wrap; align-items: flex-start; gap: 0 24px; }
    .rlhf-outcome .both > * { flex: 1 1 340px; min-width: 0; }
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


class Setting:
    """One column of controls, the prompt that they make, and the outcome below.

    Args:
        letter: The setting's name.
        models: Name -> model.
        templates: Name -> template.
        examples: Name -> values for slots.
    """

    def __init__(
        self,
        letter: str,
        models: Mapping[str, LanguageModel],
        templates: Mapping[str, Template],
        examples: Mapping[str, Mapping[str, str]],
    ) -> None:
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
        self.prompt = PromptView(name=letter, text="", note="", bad=False)
        self.outcome = OutcomeView(name=letter, title="", words="", text="", bars=[], running=False, bad=False)
        self._chosen_slots, self._chosen_numbers = widgets.VBox(), widgets.Box(layout={"flex_flow": "row wrap"})
        for box in (self._chosen_slots, self._chosen_numbers):
            box.add_class("rlhf-above")  # the names stand above what they name
        self.heading = widgets.Label(letter)
        self.heading.add_class("rlhf-letter")
        choices = [self.heading, self.model, self.template, self.example, self.how, self._chosen_numbers]
        self.controls = widgets.Box([widgets.VBox(choices), widgets.VBox([self._chosen_slots, self.prompt])])
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

    def copy(self, other: Setting) -> None:
        """Take over the values of another setting."""
        for mine, theirs in zip(self.parts, other.parts, strict=True):
            mine.value = theirs.value

    def request(self) -> Request:
        """What these controls ask for.

        Raises:
            LabError: The model cannot take it.
        """
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
            self.prompt.update(text=prompt, note=_length(self.models[self.model.value], prompt), bad=False)
        except Exception as error:
            self.prompt.update(text=one_line(error), note="", bad=True)


def _choice(name: str, options: Iterable[str]) -> widgets.Dropdown:
    return widgets.Dropdown(options=list(options), description=name, layout={"width": "98%"})


def _number(
    kind: type[widgets.Widget], name: str, value: float, low: float, high: float, step: float = 1
) -> widgets.Widget:
    return kind(value=value, min=low, max=high, step=step, description=name, layout={"width": "125px"})


def _length(model: LanguageModel, prompt: str) -> str:
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

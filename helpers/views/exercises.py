"""Widgets of the exercises: hints and solution on demand, questions, what came of a prediction, progress.

They show plain data and call back with what was chosen; they know of no exercise and store nothing.
"""

from collections.abc import Callable, Sequence
from html import escape

from ipywidgets import HTML, Button, FloatSlider, HBox, Layout, VBox, Widget

from .state_view import STATE_VIEW, StateView
from .text import as_html, digits

# Both of JupyterLab's themes define these; a theme of somebody else's falls back to black on white.
TEXT = "color: var(--jp-content-font-color1, #000); line-height: 1.45; max-width: 60em"
CARD = (
    f"{TEXT}; border-left: 4px solid var(--jp-brand-color1, #1565c0); padding: 6px 12px; "
    "background: var(--jp-layout-color2, #f2f2f2)"
)
CODE = (
    "white-space: pre-wrap; font-family: var(--jp-code-font-family, monospace); "
    "font-size: var(--jp-code-font-size, 13px)"
)


class Panel(VBox):
    """A box of widgets; `text` stands in for it where widgets cannot be drawn, as on a stored page."""

    def __init__(self, children: Sequence[Widget], text: str) -> None:
        self._as_text = text
        super().__init__(children)

    def __repr__(self) -> str:
        return self._as_text


def _text(words: str, style: str = TEXT) -> str:
    """Words as HTML, `code` between backticks as code; all else is shown as it is."""
    parts = as_html(words).split("`")
    parts[1::2] = [f"<code>{part}</code>" for part in parts[1::2]] if len(parts) % 2 else [f"`{p}" for p in parts[1::2]]
    return f'<div style="{style}" role="status">{"".join(parts)}</div>'


class VerdictView:
    """One sentence on an answer; as HTML, since the words of plain output break in the middle of a line's last word."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence

    def __repr__(self) -> str:
        return self._sentence

    def _repr_html_(self) -> str:
        return _text(self._sentence)


class HelpView:
    """Buttons that open one hint at a time, and the solution.

    Args:
        hints: In the order in which they open.
        solution: Code.
        opened: How many hints are open already.
        on_open: Called with "hint" or "solution" for each that is opened.
    """

    def __init__(
        self, hints: Sequence[str], solution: str, *, opened: int = 0, on_open: Callable[[str], None] = lambda _: None
    ) -> None:
        self.hints, self.solution, self.on_open = hints, solution, on_open
        self.opened = min(opened, len(hints))
        self._hints = HTML()
        self._solution = HTML()
        self._more = Button(layout=Layout(width="auto"))
        self._more.on_click(lambda _: self.open_hint())
        self._show = Button(description="Show solution", layout=Layout(width="auto"))
        self._show.on_click(lambda _: self.open_solution())
        self.widget = Panel(
            [HBox([self._more, self._show]), self._hints, self._solution],
            "Hints and solution: run this cell to open them",
        )
        self._draw()

    def open_hint(self) -> None:
        """Open the next hint, if one is left."""
        if self.opened < len(self.hints):
            self.opened += 1
            self.on_open("hint")
            self._draw()

    def open_solution(self) -> None:
        """Open the solution, or close it."""
        if self._solution.value:
            self._solution.value, self._show.description = "", "Show solution"
            return
        self.on_open("solution")
        self._solution.value = f'<div style="{CARD}"><pre style="{CODE}">{escape(self.solution)}</pre></div>'
        self._show.description = "Hide solution"

    def _draw(self) -> None:
        count = len(self.hints)
        self._more.description = f"Hint {self.opened + 1} of {count}" if self.opened < count else "No more hints"
        self._more.disabled = self.opened >= count
        shown = [_text(f"Hint {i}: {hint}", CARD) for i, hint in enumerate(self.hints[: self.opened], start=1)]
        self._hints.value = "".join(shown)


class Choices(StateView):
    """Answers as a group of radio buttons: arrow keys move, space and enter choose. It answers with what was chosen.

    State: name (of the group), answers, chosen (its number; -1 for none), sign (of the chosen one).
    """

    _esm = (
        STATE_VIEW
        + """
    export default stateView((el, send) => {
      el.classList.add("rlhf-choices");
      el.setAttribute("role", "radiogroup");
      const group = `choices-${Math.random()}`, inputs = [], signs = [];
      el.addEventListener("keydown", event => {
        const at = inputs.indexOf(document.activeElement);
        const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
        if (at < 0 || !step && event.key !== "Enter") return;
        event.preventDefault();
        if (step) inputs[(at + step + inputs.length) % inputs.length].focus();  // to read on is no choice yet
        else inputs[at].click();
      });
      el.addEventListener("focusin", event => event.target.setAttribute("data-lm-suppress-shortcuts", "true"));
      const add = (text, i) => {
        const label = node("label", el), input = node("input", label);
        Object.assign(input, { type: "radio", name: group });
        node("span", label, text).dir = "auto";
        signs.push(node("b", label));
        inputs.push(input);
        input.addEventListener("click", () => send({ chosen: i, click: Math.random() }));
      };
      return {
        draw({ name, answers, chosen, sign }) {
          el.setAttribute("aria-label", name);
          if (!inputs.length) answers.forEach(add);
          inputs.forEach((input, i) => {
            input.checked = i === chosen;
            input.parentElement.classList.toggle("chosen", i === chosen);
            signs[i].textContent = i === chosen ? sign : "";
          });
        },
      };
    });
    """
    )
    _css = """
    .rlhf-choices { display: flex; flex-direction: column; gap: 4px; max-width: 60em;
      color: var(--jp-content-font-color1, #000); line-height: 1.4; }
    .rlhf-choices label { display: flex; gap: 8px; align-items: baseline; padding: 5px 10px; cursor: pointer;
      border: 1px solid #808080; border-radius: 4px; overflow-wrap: anywhere; }
    .rlhf-choices label:hover { background: var(--jp-layout-color2, #eee); }
    .rlhf-choices label.chosen { border: 2px solid var(--jp-brand-color1, #1565c0); padding: 4px 9px; }
    .rlhf-choices label:has(:focus-visible) { outline: 3px solid var(--jp-brand-color1, #1565c0); outline-offset: 1px; }
    .rlhf-choices input { margin: 0; flex: none; accent-color: var(--jp-brand-color1, #1565c0); }
    .rlhf-choices span { flex: 1; }
    """


class ChoiceView:
    """A question with a radio button for each answer. The last choice stays marked, and says whether it was right.

    Args:
        question: Its text.
        answers: (text, the response to it) of each. A response that begins with ✓ or ✗ says right or wrong.
        chosen: The answer that was chosen before.
        on_choose: Called with the text of each answer that is chosen.
    """

    def __init__(
        self,
        question: str,
        answers: Sequence[tuple[str, str]],
        *,
        chosen: str | None = None,
        on_choose: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.answers, self.chosen, self.on_choose = dict(answers), chosen, on_choose
        self.choices = Choices(name=question, answers=list(self.answers), chosen=-1, sign="")
        self.choices.listen(lambda answer: self.choose(list(self.answers)[answer["chosen"]]))
        self._response = HTML()
        self.widget = Panel(
            [HTML(_text(question)), self.choices, self._response], f"{question} (run this cell to answer)"
        )
        self._draw()

    def choose(self, text: str) -> None:
        """Choose an answer; another may be chosen afterwards."""
        self.chosen = text
        self.on_choose(text)
        self._draw()

    def _draw(self) -> None:
        if self.chosen not in self.answers:
            return
        response = self.answers[self.chosen]
        sign = response[0] if response[:1] in ("✓", "✗") else ""
        self.choices.update(chosen=list(self.answers).index(self.chosen), sign=sign)
        self._response.value = _text(response, CARD) if response else ""


class SliderView:
    """A question answered by a number on a slider, kept when the button is pressed.

    Args:
        question: Its text.
        scale: Lowest number, highest, step.
        unit: What follows the number.
        chosen: The number that was kept before.
        on_choose: Called with each number that is kept.
    """

    def __init__(
        self,
        question: str,
        scale: tuple[float, float, float],
        unit: str = "",
        *,
        chosen: float | None = None,
        on_choose: Callable[[float], None] = lambda _: None,
    ) -> None:
        low, high, step = scale
        self.unit, self.chosen, self.on_choose = unit, chosen, on_choose
        middle = low + round((high - low) / 2 / step) * step
        unit = unit.strip()
        self.slider = FloatSlider(
            middle if chosen is None else chosen, min=low, max=high, step=step, readout_format=f".{digits(step)}f",
            description=f"your prediction ({unit})" if unit else "your prediction",
            style={"description_width": "auto"}, layout=Layout(width="min(100%, 480px)"),
        )  # fmt: skip
        self._button = Button(description="Keep my prediction", layout=Layout(width="auto", flex="none"))
        self._button.on_click(lambda _: self.choose())
        self._response = HTML()
        self.widget = Panel(
            [HTML(_text(question)), HBox([self.slider, self._button]), self._response],
            f"{question} (run this cell to answer)",
        )
        self._draw()

    def choose(self) -> None:
        """Keep the number that the slider shows."""
        self.chosen = self.slider.value
        self.on_choose(self.chosen)
        self._draw()

    def _draw(self) -> None:
        kept = f"Kept: {self.chosen:g}{self.unit}. Now run the cells below." if self.chosen is not None else ""
        self._response.value = _text(kept, CARD) if kept else ""


class RevealView:
    """What came of a prediction; `right` is None where there was none."""

    def __init__(self, sentence: str, right: bool | None) -> None:
        sign = {None: "○", True: "✓", False: "✗"}[right]
        self.widget = Panel(
            [HTML(_text(f"{sign} {sentence}", CARD))], "What came of your prediction: run this cell to see it"
        )


class ProgressView:
    """A table of what is done: `rows` are (sign, what, state, help that was taken)."""

    def __init__(self, title: str, rows: Sequence[tuple[str, str, str, str]]) -> None:
        wide, narrow = (f"text-align:left;padding:2px 10px;white-space:{space}" for space in ("normal", "nowrap"))
        styles = narrow, wide, narrow, narrow
        cells = "".join(
            "<tr>"
            + "".join(f'<td style="{style}">{escape(cell)}</td>' for style, cell in zip(styles, row, strict=True))
            + "</tr>"
            for row in rows
        )
        table = f'<div style="{TEXT}"><b>{escape(title)}</b><table>{cells}</table></div>'
        self.widget = Panel([HTML(table)], "Your progress in this lab: run this cell to see it")

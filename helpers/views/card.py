"""What the widgets of the labs share: cards for keyboard and screen reader, charts that change while watched, text."""

import json
import math
import textwrap
import unicodedata
from collections.abc import Callable, Sequence
from functools import cache
from html import escape, unescape
from numbers import Real

import anywidget
import ipywidgets as widgets
import plotly.graph_objects as go
import traitlets
from IPython.display import DisplayHandle, display
from plotly.offline import get_plotlyjs

from .style import styled

PLOTLY = "application/vnd.plotly.v1+json"

# Dark enough on a white figure for thin lines (3:1 at least), and told apart by color-blind readers.
INK = ("#332288", "#117733", "#AA4499", "#882255", "#666666")
GRAY = "#777777"


class Fed(anywidget.AnyWidget):
    """A view of plain data, `state`, brought up to date by `tell`; what its reader does arrives at `listen`.

    Both travel in labels that nobody sees: anywidget itself drops, for good, all news for a widget whose code took more
    than two seconds to load, which happens on a laptop that is busy training. A subclass's `_esm` is FED and
    `export default fed((el, tell) => ({ draw(state) {...}, end() {...} }));`, where `tell(data)` answers Python.
    """

    # the labels, as anywidget's `host.getModel` wants them named
    source = traitlets.Unicode().tag(sync=True)
    answer = traitlets.Unicode().tag(sync=True)

    def __init__(self, **state) -> None:
        self.state = state
        self._source, self._answer = widgets.Label(json.dumps(state)), widgets.Label()
        super().__init__(source=f"anywidget:{self._source.model_id}", answer=f"anywidget:{self._answer.model_id}")

    def tell(self, **changes) -> None:
        """Change some of the data."""
        self.state = self.state | changes
        self._source.value = json.dumps(self.state)

    def listen(self, handler: Callable[[object], None]) -> None:
        """Have `handler` called with whatever the view answers."""
        self._answer.observe(lambda change: handler(json.loads(change["new"])), "value")


FED = """
const fed = create => ({
  async render({ model, el, host }) {
    const [source, answer] = await Promise.all([model.get("source"), model.get("answer")].map(host.getModel));
    const tell = data => { answer.set("value", JSON.stringify(data)); answer.save_changes(); };
    const view = create(el, tell);
    const draw = () => view.draw(JSON.parse(source.get("value")));
    source.on("change:value", draw);
    draw();
    return () => { source.off("change:value", draw); view.end?.(); };
  }
});
const node = (tag, parent, text = "", name = "") => {
  const made = parent.appendChild(document.createElement(tag));
  made.textContent = text;  // never innerHTML: texts come from files, models and people
  made.className = name;
  return made;
};
"""


class _Aide(Fed):
    """Nothing to see: it names its card, keeps JupyterLab's one-letter shortcuts out of it, and reads news aloud."""

    _esm = (
        FED
        + """
    export default fed((el, tell) => {
      el.classList.add("rlhf-aide");
      el.setAttribute("role", "status");
      tell("seen");
      let here = true;
      const adopt = name => {  // the card gets its children before it gets into the page
        const card = el.closest(".rlhf-card");
        if (card) {
          card.setAttribute("role", "group");
          card.setAttribute("aria-label", name);
          // on the focused element itself: JupyterLab looks from there upwards, and takes the first match
          card.addEventListener("focusin", e => e.target.setAttribute("data-lm-suppress-shortcuts", "true"));
        } else if (here) requestAnimationFrame(() => adopt(name));
      };
      return {
        draw({ name, news }) { el.textContent = news; adopt(name); },
        end() { here = false; },
      };
    });
    """
    )
    _css = """
    .rlhf-aide { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    .rlhf-card { position: relative; color: var(--jp-content-font-color1, #000); max-width: 1200px; padding: 4px 0; }
    .rlhf-card :focus-visible { outline: 3px solid var(--jp-brand-color1, #1565c0); outline-offset: 1px; }
    """


class Card(widgets.VBox):
    """Widgets in a column, shown as one thing.

    name: what it is, for screen readers.
    text: stands in for it as plain text. figure: gives what stands in for it as a figure, or None; both are shown
    where no widgets run, as in a stored notebook.
    """

    def __init__(
        self,
        name: str,
        children: list[widgets.Widget],
        text: Callable[[], str],
        figure: Callable[[], go.Figure | None],
    ) -> None:
        self._aide = _Aide(name=name, news="")
        self._text, self._figure = text, figure
        self._handle: DisplayHandle | None = None
        self._seen = False  # whether a browser drew it
        self._aide.listen(self._see)
        super().__init__([self._aide, *children])
        self.add_class("rlhf-card")

    def say(self, news: str) -> None:
        """Have screen readers read this out when they are done with what they read."""
        self._aide.tell(news=news)

    def refresh(self) -> None:
        """Show text and figure as they are now where the card was displayed and no browser drew it (CI)."""
        if self._handle is not None and not self._seen:
            self._handle.update(self.bundle(), raw=True)

    def _see(self, _) -> None:
        self._seen = True

    def bundle(self) -> dict:
        """The card in all its forms, by MIME type."""
        forms = widgets.VBox._repr_mimebundle_(self) | {"text/plain": repr(self)}
        figure = self._figure()
        return forms if figure is None else forms | {PLOTLY: as_json(figure)}

    def _ipython_display_(self) -> None:
        self._handle = display(self.bundle(), raw=True, display_id=True)

    def __repr__(self) -> str:
        return self._text()


# --- Figures ------------------------------------------------------------------


def framed(figure: go.Figure, title: str, x: str, y: str, height: int) -> go.Figure:
    """`styled`, with room for a title of two lines; the title is text, not HTML."""
    styled(figure, "", x, y, height)
    lines = "<br>".join(escape(line, quote=False) for line in textwrap.wrap(title, 80))
    return figure.update_layout(
        title={
            "text": lines,
            "font_size": 15,
            "x": 0.01,
            "y": 1 - 52 / height,
            "yref": "container",
            "yanchor": "bottom",
        },
        margin={"l": 60, "r": 20, "t": 84, "b": 50},
        legend={"bgcolor": "rgba(0, 0, 0, 0)", "font_size": 12},
    )


def title_of(figure: go.Figure) -> str:
    """The title of a `framed` figure as text."""
    return unescape((figure.layout.title.text or "").replace("<br>", " "))


class _Plotly(anywidget.AnyWidget):
    """Gives the page plotly.js, once for all charts."""

    _esm = """
    function initialize({ model }) {
      globalThis.rlhfPlotly ??= new Promise(give => { globalThis.rlhfGivePlotly = give; });
      if (globalThis.rlhfHasPlotly) return;
      globalThis.rlhfHasPlotly = true;
      const url = URL.createObjectURL(new Blob([model.get("code")], { type: "text/javascript" }));
      const load = () => import(url).then(() => globalThis.rlhfGivePlotly(globalThis.Plotly));
      (globalThis.requestIdleCallback ?? setTimeout)(load);  // small widgets first: this blocks the page for a moment
    }
    export default { initialize };
    """
    code = traitlets.Unicode().tag(sync=True)


@cache
def _plotly() -> _Plotly:
    return _Plotly(code=get_plotlyjs())


class Chart(Fed):
    """A plotly figure that is replaced while it is watched; as wide as its card, and white in a dark theme too.

    Not a FigureWidget: each of those brings 5 MB of plotly.js of its own, and has anywidget's weakness (see `Fed`).
    State: title (shown as text, so that it wraps), figure. `listen` hears of a click on a point: [trace, point].
    """

    _esm = (
        FED
        + """
    export default fed((el, tell) => {
      globalThis.rlhfPlotly ??= new Promise(give => { globalThis.rlhfGivePlotly = give; });
      el.classList.add("rlhf-chart");
      const heading = node("div", el, "", "title"), box = node("div", el);
      let width = 0, figure, plotly, listening = false;
      const draw = async () => {
        plotly ??= await globalThis.rlhfPlotly;
        if (!width || !figure) return;
        const { title, ...layout } = figure.layout, margin = { ...layout.margin, t: 30 };
        const height = layout.height - layout.margin.t + 30;
        const config = { modeBarButtons: [["toImage"]], displaylogo: false };
        await plotly.react(box, figure.data, { ...layout, width, height, margin }, config);
        if (listening) return;
        listening = true;
        box.on("plotly_click", ({ points: [{ curveNumber, pointNumber }] }) => tell([curveNumber, pointNumber]));
      };
      const watch = new ResizeObserver(([{ contentRect }]) => {
        if (Math.round(contentRect.width) === width) return;
        width = Math.round(contentRect.width);
        draw();
      });
      watch.observe(box);
      return {
        draw(state) { heading.textContent = state.title; figure = state.figure; draw(); },
        end() { watch.disconnect(); plotly?.purge(box); },
      };
    });
    """
    )
    _css = """
    .rlhf-chart { width: 100%; min-width: 0; background: #fff; border-radius: 4px; overflow: hidden; margin-top: 4px; }
    .rlhf-chart .title { color: #222; font-size: 15px; line-height: 1.35; padding: 8px 12px 0; min-height: 1.35em; }
    """

    def __init__(self, figure: go.Figure) -> None:
        _plotly()
        super().__init__(title=title_of(figure), figure=as_json(figure))

    def show(self, figure: go.Figure) -> None:
        """Replace the figure, which is one that was `framed`."""
        self.tell(title=title_of(figure), figure=as_json(figure))

    def refill(self, data: Sequence[tuple[Sequence, Sequence]], title: str) -> None:
        """Give every trace a new (x, y), and the figure a new title: far quicker than a new figure."""
        old = self.state["figure"]
        traces = [trace | {"x": list(x), "y": list(y)} for trace, (x, y) in zip(old["data"], data, strict=True)]
        self.tell(title=title, figure={"data": traces, "layout": old["layout"]})

    @property
    def title(self) -> str:
        return self.state["title"]


def as_json(figure: go.Figure) -> dict:
    """A figure as plain data."""
    return json.loads(figure.to_json())


def explorer(name: str, draw: Callable[..., go.Figure], **knobs: widgets.Widget) -> Card:
    """Sliders over a figure: `draw(**values of the knobs)` makes it, with what is seen at these values as its title."""

    def drawn() -> go.Figure:
        return draw(**{key: knob.value for key, knob in knobs.items()})

    start = drawn()
    chart = Chart(start)
    text = f"{chart.title}. Run this cell to move the sliders."

    def turn(_) -> None:
        chart.show(drawn())
        card.say(chart.title)

    for knob in knobs.values():
        knob.observe(turn, "value")
    card = Card(name, [*knobs.values(), chart], lambda: text, lambda: start)
    return card


def slider(symbol: str, value: float, low: float, high: float, step: float, form: str = ".2f") -> widgets.FloatSlider:
    """A slider for a number, labeled with its symbol."""
    return widgets.FloatSlider(
        value=value, min=low, max=high, step=step, description=symbol, readout_format=form, **LABELED
    )


LABELED = {"style": {"description_width": "190px"}, "layout": {"width": "min(560px, 98%)"}}


# --- Text ---------------------------------------------------------------------

_VISIBLE = {" ": "·", "\n": "⏎", "\t": "⇥", "": "∅"}


def visible(token: str, length: int = 1000) -> str:
    """A token with its spaces and line ends as signs, and characters that cannot be seen as their code: ⟨200B⟩.

    What is longer than `length` is cut and ends with an ellipsis.
    """
    hidden = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp", "Zs")
    signs = (_VISIBLE.get(c) or (f"⟨{ord(c):04X}⟩" if unicodedata.category(c) in hidden else c) for c in token)
    text = "".join(signs) or _VISIBLE[""]
    return text if len(text) <= length else text[: length - 1] + "…"


def number(value: object, form: str = "+.2f") -> str:
    """A number for a table; a dash for one that is missing or not finite."""
    return format(value, form) if isinstance(value, Real) and math.isfinite(value) else "–"

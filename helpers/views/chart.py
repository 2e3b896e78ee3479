"""A chart that changes while it is watched, and the look of its figures."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import anywidget
import plotly.graph_objects as go
import traitlets
from plotly.offline import get_plotlyjs

from .state_view import STATE_VIEW, StateView
from .style import CONFIG, described, title_of


class _Plotly(anywidget.AnyWidget):
    """Loads plotly.js into the page, once for all charts."""

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


class Chart(StateView):
    """A plotly figure that is replaced while it is watched; as wide as its card, and white in a dark theme too.

    Not a FigureWidget: each of those brings 5 MB of plotly.js of its own, and has anywidget's weakness (`StateView`).
    State: title (shown as text, so that it wraps), text (what the figure shows, for screen readers), figure. `listen`
    hears of a click on a point: [trace, point].

    Args:
        figure: One that was `styled`.
    """

    _esm = (
        STATE_VIEW
        + """
    export default stateView((el, send) => {
      globalThis.rlhfPlotly ??= new Promise(give => { globalThis.rlhfGivePlotly = give; });
      el.classList.add("rlhf-chart");
      const heading = node("div", el, "", "title"), box = node("div", el);
      let width = 0, figure, plotly, listening = false;
      const draw = async () => {
        plotly ??= await globalThis.rlhfPlotly;
        if (!width || !figure) return;
        const { title, ...layout } = figure.layout, margin = { ...layout.margin, t: 16 };
        const height = layout.height - layout.margin.t + 16;
        await plotly.react(box, figure.data, { ...layout, width, height, margin }, figure.config);
        if (listening) return;
        listening = true;
        box.on("plotly_click", ({ points: [{ curveNumber, pointNumber }] }) => send([curveNumber, pointNumber]));
      };
      const watch = new ResizeObserver(([{ contentRect }]) => {
        if (Math.round(contentRect.width) === width) return;
        width = Math.round(contentRect.width);
        draw();
      });
      watch.observe(box);
      return {
        draw(state) {
          heading.textContent = state.title;
          box.setAttribute("role", "img");
          box.setAttribute("aria-label", state.text);
          figure = state.figure;
          draw();
        },
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
        super().__init__(**_state(figure))

    def show(self, figure: go.Figure) -> None:
        """Replace the figure, which is one that was `styled`."""
        self.update(**_state(figure))

    def refill(self, data: Sequence[tuple[Iterable[Any], Iterable[Any]]], title: str) -> None:
        """Give every trace a new (x, y), and the figure a new title: far quicker than a new figure."""
        old = self.state["figure"]
        traces = [trace | {"x": list(x), "y": list(y)} for trace, (x, y) in zip(old["data"], data, strict=True)]
        self.update(title=title, figure=old | {"data": traces})

    @property
    def title(self) -> str:
        """The title that is shown."""
        return self.state["title"]


def as_json(figure: go.Figure) -> dict[str, Any]:
    """A figure as plain data, with the configuration that it is shown with."""
    return json.loads(figure.to_json()) | {"config": CONFIG}


def _state(figure: go.Figure) -> dict[str, Any]:
    plain = as_json(figure)
    plain["config"] = CONFIG | {"modeBarButtons": [["toImage"]]}
    return {"title": title_of(figure), "text": described(figure), "figure": plain}

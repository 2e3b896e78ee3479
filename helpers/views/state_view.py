"""A widget that shows plain data: its Python half keeps the data, its JavaScript half draws them."""

import json
from collections.abc import Callable
from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets


class StateView(anywidget.AnyWidget):
    """A view of plain data, `state`: `update` changes them, and `listen` hears what the reader does.

    State and answers travel in two labels that nobody sees. anywidget itself drops, for good, all changes for a widget
    whose code took more than two seconds to load, which happens on a laptop that is busy training.

    A subclass sets `_esm` to STATE_VIEW and
    `export default stateView((el, send) => ({ draw(state) {...}, end() {...} }));`, where `send(data)` answers Python.
    """

    # the labels, as anywidget's `host.getModel` wants them named
    source = traitlets.Unicode().tag(sync=True)
    answer = traitlets.Unicode().tag(sync=True)

    def __init__(self, **state: Any) -> None:
        self.state = state
        self._source, self._answer = widgets.Label(json.dumps(state)), widgets.Label()
        super().__init__(source=f"anywidget:{self._source.model_id}", answer=f"anywidget:{self._answer.model_id}")

    def update(self, **changes: Any) -> None:
        """Change some of the data."""
        self.state = self.state | changes
        self._source.value = json.dumps(self.state)

    def listen(self, handler: Callable[[Any], None]) -> None:
        """Call `handler` with each answer of the view."""
        self._answer.observe(lambda change: handler(json.loads(change["new"])), "value")


STATE_VIEW = """
const stateView = create => ({
  async render({ model, el, host }) {
    const [source, answer] = await Promise.all([model.get("source"), model.get("answer")].map(host.getModel));
    const send = data => { answer.set("value", JSON.stringify(data)); answer.save_changes(); };
    const view = create(el, send);
    const draw = () => view.draw(JSON.parse(source.get("value")));
    source.on("change:value", draw);
    draw();
    return () => { source.off("change:value", draw); view.end?.(); };
  }
});
const node = (tag, parent, text = "", name = "") => {
  const element = parent.appendChild(document.createElement(tag));
  element.textContent = text;  // never innerHTML: texts come from files, models and people
  element.className = name;
  return element;
};
"""

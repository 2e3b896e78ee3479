"""A card: several widgets shown as one thing, for keyboard and screen reader, with a stand-in where no widgets run."""

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets
import plotly.graph_objects as go
from IPython.display import DisplayHandle, display

from .chart import as_json
from .state_view import STATE_VIEW, StateView

PLOTLY = "application/vnd.plotly.v1+json"


class _Announcer(StateView):
    """Invisible: names its card, keeps JupyterLab's one-letter shortcuts out of it, and reads announcements aloud."""

    _esm = (
        STATE_VIEW
        + """
    export default stateView((el, send) => {
      el.classList.add("rlhf-announcer");
      el.setAttribute("role", "status");
      send("drawn");
      let alive = true;
      const adopt = name => {  // the card gets its children before it gets into the page
        const card = el.closest(".rlhf-card");
        if (card) {
          card.setAttribute("role", "group");
          card.setAttribute("aria-label", name);
          // on the focused element itself: JupyterLab looks from there upwards, and takes the first match
          card.addEventListener("focusin", e => e.target.setAttribute("data-lm-suppress-shortcuts", "true"));
        } else if (alive) requestAnimationFrame(() => adopt(name));
      };
      return {
        draw({ name, announcement }) { el.textContent = announcement; adopt(name); },
        end() { alive = false; },
      };
    });
    """
    )
    _css = """
    .rlhf-announcer { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    .rlhf-card { position: relative; color: var(--jp-content-font-color1, #000); max-width: 1200px; padding: 4px 0;
      max-height: 82vh; overflow-y: auto; }
    .rlhf-card > * { flex-shrink: 0; }  /* what does not fit is scrolled to, and not cut */
    .rlhf-card :focus-visible { outline: 3px solid var(--jp-brand-color1, #1565c0); outline-offset: 1px; }
    """


class Card(widgets.VBox):
    """Widgets in a column, shown as one thing.

    Args:
        name: What it is, for screen readers.
        children: The widgets, from the top.
        text: Makes the plain text that stands in for the card where no widgets run, as in a stored notebook.
        figure: Makes the figure that is shown there too, or None for no figure.
    """

    def __init__(
        self,
        name: str,
        children: Sequence[widgets.Widget],
        text: Callable[[], str],
        figure: Callable[[], go.Figure | None],
    ) -> None:
        self._announcer = _Announcer(name=name, announcement="")
        self._text, self._figure = text, figure
        self._handle: DisplayHandle | None = None
        self._drawn = False  # whether a browser drew it
        self._announcer.listen(self._on_drawn)
        super().__init__([self._announcer, *children])
        self.add_class("rlhf-card")

    def announce(self, announcement: str) -> None:
        """Have screen readers read this out when they are done with what they read."""
        self._announcer.update(announcement=announcement)

    def refresh(self) -> None:
        """Show text and figure as they are now where the card was displayed and no browser drew it (CI)."""
        if self._handle is not None and not self._drawn:
            self._handle.update(self.bundle(), raw=True)

    def _on_drawn(self, _: str) -> None:
        self._drawn = True

    def bundle(self) -> dict[str, Any]:
        """The card in all its forms, by MIME type."""
        forms = widgets.VBox._repr_mimebundle_(self) | {"text/plain": repr(self)}
        figure = self._figure()
        return forms if figure is None else forms | {PLOTLY: as_json(figure)}

    def _ipython_display_(self) -> None:
        self._handle = display(self.bundle(), raw=True, display_id=True)

    def __repr__(self) -> str:
        return self._text()

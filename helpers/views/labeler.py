"""Lab 01's labeler: two widgets that ask a session's questions, and a figure of what the labels are worth.

The widgets only carry messages: an answer goes to the session, and the browser hears "saved" once the session's
store has committed it. Texts are sent as they are and shown as text (labeler.js).
"""

from __future__ import annotations

import threading
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import pandas as pd
import plotly.graph_objects as go
import traitlets
from plotly.subplots import make_subplots

from ..files import LabError
from ..labeling.session import LabelingSession, Question, RatingSession
from ..labeling.store import AlreadyAnswered
from .style import PALETTE, error_bars, styled

FOLDER = Path(__file__).parent


# --- Widgets ------------------------------------------------------------------


class _SessionWidget(anywidget.AnyWidget):
    """A widget around a session. Its state is what all its views show; a message from a view is an answer."""

    _esm = FOLDER / "labeler.js"
    _css = FOLDER / "labeler.css"
    kind = traitlets.Unicode().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def __init__(self, session: LabelingSession | RatingSession) -> None:
        self.session = session
        self._replies: dict[str, dict[str, Any]] = {}  # by message: one that is sent twice is answered once
        self._lock = threading.Lock()  # JupyterLab may deliver the messages of two tabs in two threads of the kernel
        super().__init__(kind=session.KIND, state=self._question())
        self.on_msg(lambda _, message, buffers: self.answer(message))

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Act on a view's message, show the next question, then send the reply and return it.

        Returns:
            The reply: id, ok, retry, text.
        """
        number = str(message.get("id"))
        with self._lock:
            reply = self._replies.get(number) or {"id": number, **self._reply(message)}
            if not reply["retry"]:
                self._replies[number] = reply
        self.send(reply)
        return reply

    def _reply(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            self._act(message)
            reply = {"ok": True, "retry": False, "text": ""}
        except AlreadyAnswered as error:
            reply = {"ok": False, "retry": False, "text": str(error)}
        except LabError as error:
            return {"ok": False, "retry": True, "text": f"Not saved: {error}"}
        except (KeyError, TypeError, ValueError) as error:
            return {"ok": False, "retry": False, "text": f"Not saved: not an answer ({error})"}
        try:
            self.state = self._question()
        except LabError as error:
            return reply | {
                "text": f"{'Saved' if reply['ok'] else 'Not saved'}, but there is no next question: {error}"
            }
        undone = "taken back; " if message["action"] == "undo" else ""
        return reply | {"text": reply["text"] or f"{undone}saved {self.state['saved']} of {self.state['total']}"}

    def _act(self, message: dict[str, Any]) -> None:
        match self.session, message["action"]:
            case LabelingSession() as session, "choose":
                session.choose(message["side"], message["strength"], message["token"])
            case LabelingSession() as session, "tie":
                session.tie(message["token"])
            case LabelingSession() as session, "skip":
                session.skip(message["token"])
            case RatingSession() as session, "rate":
                session.rate(message["rating"], message["token"])
            case _, "undo":
                if message["token"] != self.state["token"] or not self.session.undo():
                    raise AlreadyAnswered("there is nothing of this session to take back")
            case _, other:
                raise ValueError(f"no action {other!r}")

    def _question(self) -> dict[str, Any]:
        """What the views show. It does not say which text is a and which b, nor whether the pair comes again."""
        question, progress = self.session.current, self.session.progress
        texts: tuple[str, ...] = ()
        if question:
            texts = question.texts if isinstance(question, Question) else (question.text,)
        return {
            "token": question.token if question else "",
            "prompt": question.pair.prompt if question else "",
            "texts": list(texts),
            "saved": progress.saved,
            "total": progress.total,
            "can_undo": self.session.can_undo,
        }

    def __repr__(self) -> str:  # the text/plain of the output: the same in every run
        return f"{type(self).__name__}: run this cell to use it"


class Labeler(_SessionWidget):
    """Blind pairs, side by side: which is better, and how much, on Llama 2's four points?"""

    def __init__(self, session: LabelingSession) -> None:
        super().__init__(session)


class Rater(_SessionWidget):
    """One text at a time: how good is it, from 1 (worst) to 7?"""

    def __init__(self, session: RatingSession) -> None:
        super().__init__(session)


# --- Figures ------------------------------------------------------------------


def agreement_figure(table: pd.DataFrame, title: str) -> go.Figure:
    """Share of equal answers and kappa with each judge; where there are too few answers, words instead of a point.

    Args:
        table: The index names the judges; columns n, agree, low, high, kappa, kappa_low, kappa_high, note.
        title: The finding.
    """
    names = [escape(str(name)) for name in table.index]
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.06)
    panels = (("agree", "low", "high", 0.5, "circle"), ("kappa", "kappa_low", "kappa_high", 0.0, "diamond"))
    for column, (estimate, low, high, chance, symbol) in enumerate(panels, start=1):
        figure.add_scatter(
            x=table[estimate].round(3),
            y=names,
            error_x=error_bars(table, 3, estimate, low, high),
            mode="markers",
            marker={"size": 9, "symbol": symbol, "color": PALETTE[column + 2]},
            customdata=table["n"],
            hovertemplate="%{y}: %{x:.2f} (n = %{customdata})<extra></extra>",
            row=1,
            col=column,
        )
        figure.add_vline(x=chance, line={"dash": "dash", "color": "#888"}, row=1, col=column)
        for name, note in zip(names, table["note"].where(table[estimate].isna(), ""), strict=True):
            if note:
                figure.add_annotation(
                    x=chance, y=name, text=escape(note), showarrow=False, bgcolor="white", row=1, col=column
                )
    styled(figure, title, "share of equal answers", "", height=120 + 30 * len(table))
    figure.update_xaxes(title_text="Cohen's kappa", range=[-1.05, 1.05], row=1, col=2)
    figure.update_xaxes(range=[0, 1.03], tickformat=".0%", row=1, col=1)
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=names)
    return figure.update_layout(showlegend=False, margin={"l": 150})

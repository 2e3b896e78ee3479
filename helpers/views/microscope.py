"""The token microscope: what PPO sees of one rollout, token by token, and how it changes from update to update.

A record's "tokens" are rollouts: dicts with prompt, completion, score, ended, and lists with one entry a token: token,
logprob, ref_logprob, kl, reward, value, advantage, return (all of the rollout), new_logprob, ratio, clipped (after the
update).
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets
import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.colors import sample_colorscale

from ..files import LabError
from .card import Card
from .chart import Chart
from .state_view import STATE_VIEW, StateView
from .style import GRAY, INK, luminance, styled
from .text import number, visible

QUANTITIES = {  # column: (name, what it says)
    "logprob": ("log-probability", "nats: how likely the policy found the token"),
    "ref_logprob": ("reference log-probability", "nats: how likely the reference finds it"),
    "kl": ("KL", "nats: policy minus reference log-probability"),
    "reward": ("reward", "minus beta times KL; the score at the last token"),
    "value": ("value", "the value head's guess of the reward to come"),
    "advantage": ("advantage", "better (+) or worse (-) than guessed, whitened"),
    "return": ("return", "what the value head should have said"),
    "new_logprob": ("new log-probability", "nats: after the update"),
    "ratio": ("ratio", "probability after the update over before"),
}
ROWS = ("log-prob", "KL", "reward", "value", "advantage", "ratio")  # of the figure, from the top
SCALE = "PuOr_r"  # diverging, purple to orange: different to readers with any kind of color blindness

# --- Core ---------------------------------------------------------------------


def rollouts_of(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rollouts that a record holds token by token; none if it was made without."""
    tokens = record.get("tokens") or []
    return [tokens] if isinstance(tokens, Mapping) else list(tokens)


def frame_of(record: Mapping[str, Any], rollout: int = 0) -> pd.DataFrame:
    """One rollout of a record, a row a token: columns token, clipped and those of QUANTITIES.

    Raises:
        LabError: The record has no such rollout, or its lists are not of one length.
    """
    rollouts = rollouts_of(record)
    if not 0 <= rollout < len(rollouts):
        raise LabError(f"step {record.get('step')} holds {len(rollouts)} rollouts token by token, not number {rollout}")
    chosen = rollouts[rollout]
    missing = [column for column in ("token", "clipped", *QUANTITIES) if column not in chosen]
    lengths = {len(chosen[column]) for column in ("token", "clipped", *QUANTITIES) if column in chosen}
    if missing or len(lengths) != 1:
        what = f"lacks {', '.join(missing)}" if missing else f"has lists of {sorted(lengths)} entries"
        raise LabError(
            f"the rollout of step {record.get('step')} {what}; every token needs all values: record it again"
        )
    numbers = {column: pd.to_numeric(pd.Series(chosen[column], dtype=object)) for column in QUANTITIES}
    frame = pd.DataFrame({"token": [str(token) for token in chosen["token"]], **numbers})
    return frame.assign(clipped=[bool(clipped) for clipped in chosen["clipped"]])


def colors_of(values: ArrayLike, middle: float = 0.0) -> list[tuple[str, str]]:
    """(background, text) colors, as CSS: purple below `middle`, white at it, orange above; gray if not finite.

    Both ends are as far from the middle as the farthest value. The text is black or white, whichever is read better.
    """
    numbers = np.asarray(values, dtype=float)
    finite = np.isfinite(numbers)
    places = np.where(finite, 0.5 + (numbers - middle) / (2 * _reach(numbers, middle)), 0.5)
    colors = sample_colorscale(SCALE, places.clip(0, 1), colortype="tuple")
    colors = [color if known else (0.85, 0.85, 0.85) for color, known in zip(colors, finite, strict=True)]
    css = [f"rgb({', '.join(str(round(255 * part)) for part in color)})" for color in colors]
    return [
        (background, "#000" if luminance(color) > 0.179 else "#fff")
        for background, color in zip(css, colors, strict=True)
    ]


def _reach(values: ArrayLike, middle: float) -> float:
    """How far from the middle the farthest finite value is; 1 where there is none."""
    numbers = np.asarray(values, dtype=float)
    return float(np.abs(numbers[np.isfinite(numbers)] - middle).max(initial=0)) or 1.0


def strip_of(frame: pd.DataFrame, quantity: str) -> dict[str, Any]:
    """What the strip shows of a rollout: its tokens, each with its number and colors, and the legend."""
    middle, form = (1.0, ".2f") if quantity == "ratio" else (0.0, "+.2f")
    tokens = [
        {
            "text": visible(row["token"]),
            "value": number(row[quantity], form) + (" ✕" if row["clipped"] and quantity == "ratio" else ""),
            "all": token_line(row, place),
            "background": background,
            "color": color,
        }
        for place, (row, (background, color)) in enumerate(
            zip(frame.to_dict("records"), colors_of(frame[quantity], middle), strict=True)
        )
    ]
    name, meaning = QUANTITIES[quantity]
    reach = _reach(frame[quantity], middle)
    legend = {
        "name": f"{name} ({meaning})",
        "low": number(middle - reach, form),
        "middle": f"{middle:g}",
        "high": number(middle + reach, form),
        "stops": [background for background, _ in colors_of(np.linspace(-1, 1, 9))],
    }
    return {"tokens": tokens, "legend": legend}


def token_line(row: Mapping[Any, Any], position: int) -> str:
    """All values of a token in one line of text."""
    values = ", ".join(f"{name} {number(row[column])}" for column, (name, _) in QUANTITIES.items())
    return f"token {position} {visible(row['token'])}: {values}{', clipped' if row['clipped'] else ''}"


def finding(frame: pd.DataFrame) -> str:
    """What stands out in a rollout: where its KL comes from, and how much of it was clipped."""
    n, kl = len(frame), frame["kl"].sum()
    clipped = int(frame["clipped"].sum())
    # argmax of the size: the sampled KL of a token may well be negative
    most = int(frame["kl"].abs().argmax()) if kl else None
    where = f", most at token {most} ({frame['kl'].iloc[most]:+.2f})" if most is not None else ""
    return f"{n} tokens, KL {number(kl)} nats{where}; {clipped} clipped"


def tokens_figure(frame: pd.DataFrame, clip: float = 0.2, title: str = "", chosen: int = -1) -> go.Figure:
    """All values of a rollout over its tokens, one above the other.

    Args:
        frame: The rollout, as from `frame_of`.
        clip: PPO's, for the range of the ratio.
        title: Default: the finding.
        chosen: The number of the token with a line through all values; -1 for none.
    """
    x = np.arange(len(frame))
    values = frame.drop(columns="token").round(3)
    figure = go.Figure()

    def line(column: str, row: int, name: str, color: str, dash: str, symbol: str) -> None:
        figure.add_scatter(
            x=x, y=values[column], yaxis=_axis(row), name=name, mode="lines+markers",
            line={"color": color, "dash": dash, "width": 2}, marker={"symbol": symbol, "size": 6},
            showlegend=row == 0 or column == "return", hovertemplate="%{y:.3f}",
        )  # fmt: skip

    def bars(column: str, row: int, color: str) -> None:
        figure.add_bar(
            x=x, y=values[column], yaxis=_axis(row), name=column if column != "kl" else "KL", marker_color=color,
            showlegend=False, hovertemplate="%{y:.3f}",
        )  # fmt: skip

    line("logprob", 0, "policy", INK[0], "solid", "circle")
    line("ref_logprob", 0, "reference", INK[1], "dash", "square-open")
    bars("kl", 1, INK[2])
    bars("reward", 2, INK[1])
    line("value", 3, "value", INK[0], "solid", "circle")
    line("return", 3, "return", GRAY, "dot", "square-open")
    bars("advantage", 4, INK[3])
    for name, rows, symbol, color in (
        ("ratio", ~frame["clipped"], "circle", INK[0]),
        ("ratio, clipped", frame["clipped"], "x", INK[3]),
    ):
        figure.add_scatter(
            x=x, y=values["ratio"].where(rows), yaxis=_axis(5), name=name, mode="markers",
            marker={"symbol": symbol, "size": 8, "color": color}, showlegend=name != "ratio",
            hovertemplate="%{y:.3f}",
        )  # fmt: skip

    styled(figure, title or finding(frame), "", "", height=780)
    gap = 0.028
    height = (1 - gap * (len(ROWS) - 1)) / len(ROWS)
    for row, name in enumerate(ROWS):
        top = 1 - row * (height + gap)
        axis = {"domain": [max(0, top - height), top], "title": {"text": name}, "anchor": "x", "zeroline": True}
        figure.update_layout({_axis(row, "yaxis"): axis | ({"nticks": 4, "zerolinecolor": "#999"})})
    figure.add_shape(
        type="rect", xref="paper", yref=_axis(5), x0=0, x1=1, y0=1 - clip, y1=1 + clip, fillcolor=GRAY, opacity=0.15,
        line_width=0, layer="below",
    )  # fmt: skip
    figure.add_shape(
        type="line", xref="paper", yref=_axis(5), x0=0, x1=1, y0=1, y1=1,
        line={"dash": "dot", "color": GRAY, "width": 1},
    )  # fmt: skip
    if 0 <= chosen < len(frame):
        figure.add_shape(
            type="line", xref="x", yref="paper", x0=chosen, x1=chosen, y0=0, y1=1, line={"color": "#000", "width": 1}
        )
    low, high = values["ratio"].min(), values["ratio"].max()
    widest = np.nanmax([clip, 1 - low, high - 1]) * 1.15
    span = {"range": [1 - widest, 1 + widest], "tickvals": [round(1 - clip, 3), 1, round(1 + clip, 3)]}
    figure.update_layout({_axis(5, "yaxis"): span})
    ticks = [escape(visible(token, 12), quote=False) for token in frame["token"]]
    figure.update_xaxes(
        anchor=_axis(len(ROWS) - 1), range=[-0.7, len(frame) - 0.3], tickvals=x, ticktext=ticks, tickangle=-60,
        tickfont_size=11, showspikes=True, spikemode="across", spikethickness=1, spikecolor=GRAY, spikedash="solid",
    )  # fmt: skip
    return figure.update_layout(hovermode="x unified", hoversubplots="axis", bargap=0.25)


def _axis(row: int, prefix: str = "y") -> str:
    return f"{prefix}{row + 1}" if row else prefix


# --- Widget -------------------------------------------------------------------


class Strip(StateView):
    """The tokens in reading order, each on its color and over its number; all values of the one pointed at below.

    Arrow keys, Home and End move from token to token; the number of each token that gets the focus is answered.
    State: as from `strip_of`, summary, prompt.
    """

    _esm = (
        STATE_VIEW
        + """
    const hint = "Point at a token, or move with the arrow keys, to see all of its values.";
    export default stateView((el, send) => {
      el.classList.add("rlhf-strip");
      const details = node("details", el), summary = node("summary", details), prompt = node("div", details);
      const key = node("div", el, "", "legend"), list = node("div", el, "", "tokens");
      const below = node("div", el, "", "below");
      prompt.dir = "auto";
      list.setAttribute("role", "listbox");
      list.setAttribute("aria-orientation", "horizontal");
      let items = [], last = -1;
      const chosen = () => Math.min(last, items.length - 1);
      const show = i => { below.textContent = items[i] ? items[i].dataset.all : hint; };
      const mark = () => {
        items.forEach((item, i) => {
          item.tabIndex = i === Math.max(chosen(), 0) ? 0 : -1;
          item.setAttribute("aria-selected", i === chosen());
        });
        show(chosen());
      };
      const choose = i => {
        if (last !== i) send(i);
        last = i;
        mark();
      };
      const token = ({ text, value, all, background, color }, i) => {
        const item = node("div", list);
        item.setAttribute("role", "option");
        item.setAttribute("aria-label", all);
        item.dataset.all = all;
        Object.assign(item.style, { background, color: color });
        node("span", item, text).dir = "auto";
        node("small", item, value);
        item.addEventListener("mouseenter", () => show(i));
        item.addEventListener("mouseleave", () => show(chosen()));
        item.addEventListener("focus", () => choose(i));
        item.addEventListener("click", () => item.focus());
        return item;
      };
      list.addEventListener("keydown", event => {
        const at = items.indexOf(document.activeElement);
        const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1,
                     Home: 0, End: items.length - 1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        items[Math.max(0, Math.min(to, items.length - 1))]?.focus();
      });
      return {
        draw(state) {
          const focused = list.contains(document.activeElement);
          const { name, low, middle, high, stops } = state.legend;
          summary.textContent = state.summary;
          prompt.textContent = state.prompt;
          list.setAttribute("aria-label", name + " of every token");
          key.replaceChildren();
          node("b", key, name);
          node("span", key, low);
          node("i", key).style.background = `linear-gradient(to right, ${stops.join(", ")})`;
          node("span", key, high);
          node("span", key, `(white: ${middle})`);
          list.replaceChildren();
          items = state.tokens.map(token);
          mark();
          if (focused) items[Math.max(chosen(), 0)]?.focus();
        },
      };
    });
    """
    )
    _css = """
    .rlhf-strip { color: var(--jp-content-font-color1, #000); line-height: 1.4; }
    .rlhf-strip summary { cursor: pointer; }
    .rlhf-strip details div { white-space: pre-wrap; padding: 6px 14px; max-width: 60em; }
    .rlhf-strip .legend { display: flex; flex-wrap: wrap; gap: 2px 8px; align-items: center; padding: 6px 0; }
    .rlhf-strip .legend i { width: 120px; height: 12px; border: 1px solid #777; }
    .rlhf-strip .tokens { display: flex; flex-wrap: wrap; gap: 3px; }
    .rlhf-strip .tokens > div { border: 1px solid #777; border-radius: 3px; padding: 1px 5px; cursor: default;
      display: flex; flex-direction: column; align-items: center; max-width: 100%; }
    .rlhf-strip .tokens > div[aria-selected="true"] { box-shadow: 0 0 0 2px var(--jp-content-font-color1, #000); }
    .rlhf-strip .tokens span { font-family: var(--jp-code-font-family, monospace); overflow-wrap: anywhere;
      unicode-bidi: isolate; }
    .rlhf-strip .tokens small { font-size: 10px; font-variant-numeric: tabular-nums; }
    .rlhf-strip .below { min-height: 3em; padding: 6px 0; font-variant-numeric: tabular-nums; }
    """


class Microscope:
    """One rollout under the microscope: a strip of its tokens, and all its values over the tokens.

    Args:
        records: Those with "tokens" are shown.
        clip: PPO's, for the range of the ratio.
        quantity: The strip's color to begin with, a key of QUANTITIES.

    Raises:
        LabError: No record has tokens.
    """

    def __init__(self, records: Sequence[Mapping[str, Any]], *, clip: float = 0.2, quantity: str = "kl") -> None:
        self.records = [record for record in records if rollouts_of(record)]
        if not self.records:
            raise LabError(
                f'none of the {len(records)} records holds a rollout token by token ("tokens"): run the stage again '
                "and ask for them"
            )
        self.clip = clip
        last, most = len(self.records) - 1, max(len(rollouts_of(record)) for record in self.records)
        narrow: dict[str, Any] = {"style": {"description_width": "auto"}}
        self.update = widgets.SelectionSlider(
            options=[(str(record["step"]), place) for place, record in enumerate(self.records)], value=last,
            description="update", layout={"width": "min(420px, 98%)"}, **narrow,
        )  # fmt: skip
        self.rollout = widgets.Dropdown(
            options=[(f"{place + 1} of {most}", place) for place in range(most)], value=0, description="rollout",
            layout={"width": "150px"} | ({"display": "none"} if most == 1 else {}), **narrow,
        )  # fmt: skip
        self.quantity = widgets.Dropdown(
            options=[(name, column) for column, (name, _) in QUANTITIES.items()], value=quantity,
            description="color", layout={"width": "270px"}, **narrow,
        )  # fmt: skip
        self.chosen = -1  # the token with a line through the figure; none yet
        self.strip = Strip(**self._strip())
        start = self.figure()
        self.chart = Chart(start)
        text = f"{self.chart.title}. Run this cell to look into it"
        knobs = widgets.HBox([self.update, self.rollout, self.quantity], layout={"flex_flow": "row wrap"})
        self.view = Card("Token microscope", [knobs, self.strip, self.chart], lambda: text, lambda: start)
        self.update.observe(self._show, "value")
        self.rollout.observe(self._show, "value")
        self.quantity.observe(lambda _: self._paint(), "value")
        self.strip.listen(self.choose)

    @property
    def record(self) -> Mapping[str, Any]:
        """The record that is shown."""
        return self.records[self.update.value]

    @property
    def frame(self) -> pd.DataFrame:
        """The rollout that is shown, as from `frame_of`."""
        return frame_of(self.record, self._place)

    def figure(self) -> go.Figure:
        """The figure of the rollout that is shown."""
        title = f"Update {self.record['step']}: {finding(self.frame)}"
        return tokens_figure(self.frame, self.clip, title, self.chosen)

    def choose(self, token: int) -> None:
        """Draw a line through all values of a token."""
        self.chosen = token
        self.chart.show(self.figure())

    @property
    def _place(self) -> int:
        return min(self.rollout.value, len(rollouts_of(self.record)) - 1)

    def _show(self, _: object) -> None:
        self._paint()
        self.chart.show(self.figure())
        self.view.announce(self.chart.title)

    def _paint(self) -> None:
        self.strip.update(**self._strip())

    def _strip(self) -> dict[str, Any]:
        rollout = rollouts_of(self.record)[self._place]
        ended = "" if rollout.get("ended", True) else ", never ended"
        return strip_of(self.frame, self.quantity.value) | {
            "summary": f"Prompt (score of the response {number(rollout.get('score'))}{ended})",
            "prompt": str(rollout.get("prompt", "")),
        }

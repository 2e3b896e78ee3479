"""The one visual language of the pictures: paper, boxes, sheets of data, arrows and words, as plain SVG.

No drawing library: a picture is some twenty boxes and arrows at places that are chosen by eye, and what JupyterLab,
GitHub and a file viewer all show is an SVG image. The picture has a paper of its own, so it can be read on any page,
and its colors go by `prefers-color-scheme`, which in an image is the color scheme of the element that shows it. In a
notebook a rule sets that to JupyterLab's theme. The image is not drawn into the page itself: JupyterLab takes all
SVG tags out of a notebook that it does not trust yet, as it is when it is first opened, and would leave the bare words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

WIDTH = 700  # pixels, and of a picture's own units
LINE = 17  # from one line of words to the next
# Kind of thing: (line and letters, area) on white paper, and on dark.
KINDS = {
    "base": (("#5f6872", "#eceef1"), ("#a3adb8", "#2b3138")),
    "sft": (("#1f66ad", "#e3eefa"), ("#7ab4f0", "#1b2d42")),
    "policy": (("#14774a", "#def3e7"), ("#5ccb94", "#15342a")),
    "reward": (("#a34f00", "#fdecdb"), ("#f0a65c", "#3b2916")),
    "value": (("#7a48b8", "#f0e8fb"), ("#c3a3f2", "#2e2444")),
    "data": (("#6a737d", "#ffffff"), ("#8b949e", "#161b22")),
}
PAPER = {"paper": ("#ffffff", "#161b22"), "ink": ("#1f2328", "#e6edf3"), "soft": ("#59626c", "#a5b0bb")}
EDGE = ("#d0d7de", "#30363d")  # around the paper; says nothing
FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', Arial, sans-serif"
# In a notebook: the image goes by the theme of JupyterLab or VS Code.
THEME = (
    "<style>.rlhf-picture{color-scheme:light}"
    "body[data-jp-theme-light=false] .rlhf-picture,body.vscode-dark .rlhf-picture{color-scheme:dark}</style>"
)

Point = tuple[float, float]


@dataclass(frozen=True)
class Picture:
    """A picture: shown in a notebook, and written as a file.

    Attributes:
        name: Of its file, without the ending.
        title: What it is, in a few words.
        text: What it shows, for those who do not see it.
        svg: The whole file.
    """

    name: str
    title: str
    text: str
    svg: str

    def _repr_html_(self) -> str:
        image = quote(self.svg, safe=" =/:;,.'()!*?+-_")
        style = f"width:100%;max-width:{WIDTH + 60}px;height:auto"
        alt = escape(f"{self.title}. {self.text}")
        return f'{THEME}<img class="rlhf-picture" style="{style}" alt="{alt}" src="data:image/svg+xml,{image}">'

    def __repr__(self) -> str:
        return f"{self.title}. {self.text}"


@dataclass(frozen=True)
class Box:
    """The place of something that was drawn; its points are where arrows begin and end."""

    x: float
    y: float
    width: float
    height: float

    def left(self, share: float = 0.5) -> Point:
        """The point on the left side, `share` of the way down."""
        return self.x, self.y + share * self.height

    def right(self, share: float = 0.5) -> Point:
        """The point on the right side, `share` of the way down."""
        return self.x + self.width, self.y + share * self.height

    def top(self, share: float = 0.5) -> Point:
        """The point on the upper side, `share` of the way to the right."""
        return self.x + share * self.width, self.y

    def bottom(self, share: float = 0.5) -> Point:
        """The point on the lower side, `share` of the way to the right."""
        return self.x + share * self.width, self.y + self.height


class Drawing:
    """A picture in the making. Positions are in pixels at a width of 700; (0, 0) is the upper left corner.

    Args:
        height: Of the picture.
        style: More CSS for it, after the language's own.
    """

    def __init__(self, height: float, style: str = "") -> None:
        self.height, self.style = height, style
        self.parts: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, words: str = "", kind: str = "base") -> Box:
        """A model, or a part of one: rounded, in the color of its kind; the first line of its words is bold."""
        self.parts.append(
            f'<rect class="{kind} box" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="9"/>'
        )
        self._centered(x + width / 2, y + height / 2, words)
        return Box(x, y, width, height)

    def sheet(self, x: float, y: float, width: float, height: float, words: str) -> Box:
        """Data: a sheet of paper with a folded corner; the first line of its words is bold."""
        fold, right, below = 13, x + width, y + height
        outline = f"M{x:g} {y:g}H{right - fold:g}L{right:g} {y + fold:g}V{below:g}H{x:g}Z"
        corner = f"M{right - fold:g} {y:g}V{y + fold:g}H{right:g}"
        self.parts.append(f'<path class="data box" d="{outline}"/><path class="data line" d="{corner}"/>')
        self._centered(x + width / 2, y + height / 2, words)
        return Box(x, y, width, height)

    def words(
        self, x: float, y: float, words: str, kind: str = "soft", anchor: str = "middle", size: float = 13,
        bold: bool = False,
    ) -> None:  # fmt: skip
        """Words without a box; (x, y) is on the base line of the first line.

        Args:
            x: Of the middle, the start or the end, as `anchor` says.
            y: Of the first base line.
            words: Lines.
            kind: Whose color they have; "soft" and "ink" are those of plain words.
            anchor: "start", "middle" or "end".
            size: Of the letters.
            bold: Whether they are bold.
        """
        weight = ' font-weight="600"' if bold else ""
        for i, line in enumerate(words.split("\n")):
            self.parts.append(
                f'<text class="{kind} words" x="{x:g}" y="{y + i * size * LINE / 13:g}" text-anchor="{anchor}" '
                f'font-size="{size:g}"{weight}>{escape(line)}</text>'
            )

    def arrow(
        self, *points: Point, kind: str = "soft", dashed: bool = False, both: bool = False, round_: float = 10
    ) -> None:
        """An arrow through points, its corners rounded.

        Args:
            *points: From its start to its head.
            kind: Whose color it has.
            dashed: For what is compared, not passed on.
            both: Whether it has a head at its start too.
            round_: The radius of its corners.
        """
        path = f"M{points[0][0]:g} {points[0][1]:g}"
        for before, corner, after in zip(points, points[1:], points[2:], strict=False):
            path += "L{:g} {:g}Q{:g} {:g} {:g} {:g}".format(
                *_towards(corner, before, round_), *corner, *_towards(corner, after, round_)
            )
        path += f"L{points[-1][0]:g} {points[-1][1]:g}"
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        start = f' marker-start="url(#{kind}-head)"' if both else ""
        self.parts.append(f'<path class="{kind} line" d="{path}"{dash}{start} marker-end="url(#{kind}-head)"/>')

    def number(self, x: float, y: float, value: int) -> None:
        """The number of a step in a disk; (x, y) is the middle."""
        self.parts.append(f'<circle class="ink dot" cx="{x:g}" cy="{y:g}" r="10"/>')
        self.parts.append(
            f'<text class="on-ink" x="{x:g}" y="{y + 4.3:g}" text-anchor="middle" font-size="12" '
            f'font-weight="600">{value}</text>'
        )

    def heading(self, x: float, y: float, value: int, words: str) -> None:
        """The number of a step and its name; (x, y) is the middle of the number."""
        self.number(x, y, value)
        self.words(x + 18, y + 5, words, "ink", "start", 14.5, bold=True)

    def add(self, svg: str) -> None:
        """A part in SVG of its own."""
        self.parts.append(svg)

    def picture(self, name: str, title: str, text: str) -> Picture:
        """The finished picture."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height:g}" width="{WIDTH}" '
            f'height="{self.height:g}" role="img" aria-labelledby="title text">'
        )
        return Picture(name, title, text, "\n".join(
            [
                head,
                f'<title id="title">{escape(title)}</title>',
                f'<desc id="text">{escape(text)}</desc>',
                f"<style>{_css()}{self.style}</style>",
                f"<defs>{''.join(_head(kind) for kind in ('soft', *KINDS))}</defs>",
                f'<rect class="sheet" x="0.5" y="0.5" width="{WIDTH - 1}" height="{self.height - 1:g}" rx="8"/>',
                *self.parts,
                "</svg>\n",
            ]
        ))  # fmt: skip

    def _centered(self, x: float, y: float, words: str) -> None:
        lines = words.split("\n") if words else []
        top = y - (len(lines) - 1) * LINE / 2 + 4.5
        for i, line in enumerate(lines):
            self.words(x, top + i * LINE, line, "soft" if i else "ink", bold=not i, size=12.5 if i else 13.5)


def _towards(start: Point, end: Point, length: float) -> Point:
    (x, y), (to_x, to_y) = start, end
    distance = ((to_x - x) ** 2 + (to_y - y) ** 2) ** 0.5 or 1
    share = min(length / distance, 0.5)
    return x + share * (to_x - x), y + share * (to_y - y)


def _head(kind: str) -> str:
    return (
        f'<marker id="{kind}-head" viewBox="0 0 10 10" refX="8.5" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path class="{kind} head" d="M0 0.8L9.5 5L0 9.2Z"/></marker>'
    )


def _css() -> str:
    names = [*PAPER, *(f"{kind}-{part}" for kind in KINDS for part in ("line", "area"))]
    light = [PAPER[name][0] for name in PAPER] + [color for kind in KINDS.values() for color in kind[0]]
    dark = [PAPER[name][1] for name in PAPER] + [color for kind in KINDS.values() for color in kind[1]]
    rules = [
        f"text{{font-family:{FONT}}}",
        ".sheet{fill:var(--paper);stroke:var(--edge)}",
        ".box{stroke-width:1.5}.line{fill:none;stroke-width:1.6}",
        ".soft.words{fill:var(--soft)}.ink.words,.ink.dot{fill:var(--ink)}.on-ink{fill:var(--paper)}",
        ".soft.line{stroke:var(--soft)}.soft.head{fill:var(--soft)}",
    ]
    for kind in KINDS:
        rules.append(
            f".{kind}.box{{fill:var(--{kind}-area);stroke:var(--{kind}-line)}}.{kind}.line{{stroke:var(--{kind}-line)}}"
            f".{kind}.head,.{kind}.dot,.{kind}.words{{fill:var(--{kind}-line)}}.{kind}.wash{{fill:var(--{kind}-area)}}"
        )
    return "".join(
        [
            f":root{{--edge:{EDGE[0]};{_variables(names, light)}}}",
            f"@media (prefers-color-scheme:dark){{:root{{--edge:{EDGE[1]};{_variables(names, dark)}}}}}",
            *rules,
        ]
    )


def _variables(names: Sequence[str], colors: Sequence[str]) -> str:
    return ";".join(f"--{name}:{color}" for name, color in zip(names, colors, strict=True))

"""Strings that run something, or fetch something, wherever text is taken for code: what hostile files and models say.

Each of them calls `hack(number)` or fetches `BEACON/number` if it comes to life, so that whoever shows one knows which.
"""

from __future__ import annotations

from typing import NamedTuple


class Injection(NamedTuple):
    """kind: what would have to take it for code. number: what it reports with."""

    name: str
    kind: str
    text: str
    number: int


# kind -> name -> text; RUN is a call that reports, BEACON an address that does.
_TEXTS = {
    # A browser brings all of these to life: the test shows it, on a page of their own.
    "html": {
        "script": "<script>RUN</script>",
        "script in capitals": "<ScRiPt >RUN</sCrIpT>",
        "script from elsewhere": '<script src="BEACON.js"></script>',
        "module from elsewhere": '<script type="module" src="BEACON.mjs"></script>',
        "broken out of a script": '"}];</script><script>RUN</script>',
        "broken out of an attribute": '"><img src=x onerror=RUN>',
        "broken out of a quoted attribute": "'><svg onload=RUN>",
        "broken out of a textarea": "</textarea><img src=x onerror=RUN>",
        "broken out of a title": "</title><img src=x onerror=RUN>",
        "broken out of a style": "</style><img src=x onerror=RUN>",
        "broken out of a pre": "</pre></code><img src=x onerror=RUN>",
        "broken out of a table": "</td></tr></table><img src=x onerror=RUN>",
        "broken out of a comment": "--><img src=x onerror=RUN><!--",
        "image that fails": "<img src=x onerror=RUN>",
        "image without a space": '<img/src="x"/onerror=RUN>',
        "image with entities": "<img src=x onerror=&#82UN>",
        "image from elsewhere": '<img src="BEACON.png">',
        "image set": '<img srcset="BEACON.png 1x">',
        "picture": '<picture><source srcset="BEACON.png"><img></picture>',
        "svg that loads": "<svg onload=RUN>",
        "svg with a script": "<svg><script>RUN</script></svg>",
        "svg image": '<svg><image href="BEACON.svg"/></svg>',
        "svg use": "<svg><animate onbegin=RUN attributeName=x dur=1s></svg>",
        "svg link": '<svg><a xlink:href="javascript:RUN"><text y="20">x</text></a></svg>',
        "svg filter": '<svg><filter id=f><feImage href="BEACON.png"/></filter><path d=M0,0h9 filter="url(#f)"/></svg>',
        "foreign object": "<svg><foreignObject><img src=x onerror=RUN></foreignObject></svg>",
        "math link": '<math><mrow href="javascript:RUN"><mtext>x</mtext></mrow><a href="javascript:RUN">x</a></math>',
        "math breakout": "<math><mtext><table><mglyph><style><!--</style><img src=x onerror=RUN>",
        "link": '<a href="javascript:RUN">click</a>',
        "link with a tab": '<a href="java\tscript:RUN">click</a>',
        "link with entities": '<a href="&#106;avascript&colon;RUN">click</a>',
        "link that pings": '<a href="#x" ping="BEACON">click</a>',
        "body that loads": "<body onload=RUN>",
        "input that focuses": "<input autofocus onfocus=RUN>",
        "details that open": "<details open ontoggle=RUN>",
        "button": "<button onclick=RUN>click</button>",
        "button of a form": '<form><button formaction="javascript:RUN">click</button></form>',
        "form": '<form action="BEACON"><input name=q><button>click</button></form>',
        "input with an image": '<input type=image src="BEACON.png">',
        "video": '<video src="BEACON.mp4" onerror=RUN></video>',
        "video poster": '<video poster="BEACON.png"></video>',
        "audio source": "<audio><source src=x onerror=RUN></audio>",
        "track": '<video controls><track default src="BEACON.vtt"></video>',
        "frame": '<iframe src="javascript:parent.RUN"></iframe>',
        "frame with a document": '<iframe srcdoc="&lt;script&gt;RUN&lt;/script&gt;"></iframe>',
        "frame from elsewhere": '<iframe src="BEACON.html"></iframe>',
        "data frame": '<iframe src="data:text/html,<script>RUN</script>"></iframe>',
        "object": '<object data="BEACON.html"></object>',
        "embed": '<embed src="BEACON.html">',
        "refresh": '<meta http-equiv="refresh" content="0;url=BEACON">',
        "base": '<base href="BEACON/"><img src="x.png">',
        "style sheet": '<link rel="stylesheet" href="BEACON.css">',
        "prefetch": '<link rel="preload" as="image" href="BEACON.png">',
        "style import": '<style>@import "BEACON.css";</style>',
        "style of everything": "<style>*{background:url(BEACON.png)}</style><p>x</p>",
        "style attribute": '<p style="background:url(BEACON.png)">x</p>',
        "list style": '<li style="list-style:url(BEACON.png)">x</li>',
        "font": "<style>@font-face{font-family:f;src:url(BEACON.woff)}i{font-family:f}</style><i>x</i>",
        "animation": '<style>@keyframes k{}</style><b style="animation:k 1s" onanimationstart=RUN>x</b>',
        "wheel of a marquee": "<marquee onstart=RUN>x</marquee>",
        "shadow root": "<div><template shadowrootmode=open><img src=x onerror=RUN></template></div>",
        "custom element": '<x-y onfocus="RUN" tabindex=0 autofocus></x-y>',
        "unclosed image": "<img src=x onerror=RUN //",
        "null byte in a tag": "<img src=x\x00 onerror=RUN>",
        "line ends in a tag": "<img\nsrc=x\nonerror=RUN\n>",
        "noscript": '<noscript><p title="</noscript><img src=x onerror=RUN>"></noscript>',
        "old comment for one browser": "<!--[if gte IE 4]><script>RUN</script><![endif]-->",
    },
    # plotly's own few tags, in titles, labels and hover texts
    "plotly": {
        "plotly link": '<a href="BEACON">a link</a>',
        "plotly script link": '<a href="javascript:RUN">a link</a>',
        "plotly data link": '<a href="data:text/html,<script>RUN</script>" target="_self">a link</a>',
        "plotly background": '<span style="background-image:url(BEACON.png)">text</span>',
        "plotly mask": '<b style="mask-image:url(BEACON.png);filter:url(BEACON.svg#f)">text</b>',
        "plotly pointer": '<i style="cursor:url(BEACON.png),auto;list-style-image:url(BEACON.png)">text</i>',
        "plotly template": "%{customdata[0]} %{fullData.meta} %{x|%Y} <extra></extra>",
        "plotly mathematics": "$\\href{javascript:RUN}{x}$",
    },
    # MathJax, which JupyterLab sets on whatever HTML it shows
    "mathematics": {
        "link in mathematics": "$\\href{javascript:RUN}{click}$",
        "address in mathematics": "\\(\\href{BEACON}{click}\\)",
        "style in mathematics": "$$\\style{background:url(BEACON.png)}{x}$$",
        "class in mathematics": "$\\class{jp-mod-x}{\\cssId{main}{x}}$",
        "extension for mathematics": "$\\require{html}\\unicode{x3c}script\\unicode{x3e}$",
        "text in mathematics": "$\\text{<img src=x onerror=RUN>}$",
        "environment": "\\begin{equation}\\href{javascript:RUN}{x}\\end{equation}",
        "endless macro": "$\\def\\x{\\x\\x}\\x$",
        "two prices": "it costs $5 or $6, not \\(7\\)",
    },
    "markdown": {
        "markdown link": "[click](javascript:RUN)",
        "markdown image": "![x](BEACON.png)",
        "markdown image that breaks out": '![x](x"onerror="RUN)',
        "markdown reference": "[click][1]\n\n[1]: javascript:RUN",
        "markdown autolink": "<javascript:RUN>",
        "markdown fence": "```html\n<img src=x onerror=RUN>\n```\n`<img src=x onerror=RUN>`",
        "bare address": "see BEACON or www.example.com",
    },
    "template": {
        "braces": "{{constructor.constructor('RUN')()}} ${RUN} #{RUN} {% raw %} <%= 1 %>",
        "format": "{0.__class__.__init__.__globals__} {prompt} %(x)s %s",
        "shell": "$(touch hacked) `touch hacked`; touch hacked | touch hacked && touch hacked",
        "jndi": "${jndi:ldap://127.0.0.1/a}",
    },
    "script": {
        "out of JSON": '"});RUN;//',
        "out of a string": "';RUN;'",
        "line separators": "\u2028RUN\u2029RUN",
        "out of a template string": "`;RUN;`${RUN}",
        "prototype": '{"__proto__": {"hacked": 1}, "constructor": {"prototype": {"hacked": 1}}}',
    },
    "terminal": {
        "colors": "\x1b[31mred\x1b[0m \x1b[2J\x1b[H",
        "title of the window": "\x1b]0;hacked\x07",
        "link of a terminal": "\x1b]8;;javascript:RUN\x1b\\click\x1b]8;;\x1b\\",
        "link in colors": "\x1b[31m<img src=x onerror=RUN>\x1b[0m",
        "overwriting": "all is well\rhacked\b\b\b",
    },
    "spreadsheet": {
        "formula": '=HYPERLINK("BEACON","click")',
        "command": "@SUM(1+1)*cmd|' /C calc'!A0",
        "plus": "+1+1;-1+1",
    },
    "characters": {
        "right to left": "\u202egnp.exe\u202c \u2066x\u2069",
        "homoglyphs": "<\u0455cript>RUN</\u0455cript> \uff1cscript\uff1eRUN\uff1c/script\uff1e",
        "zero width": "<scr\u200bipt>RUN</scr\u200bipt>",
        "byte order mark": "\ufeff<script\ufeff>RUN</script>",
        "null byte": "a\x00<script>RUN</script>",
        "many marks": "Z" + "\u0351\u036b\u0343" * 20,
        "beyond the planes": "\U0001f469\u200d\U0001f4bb\U000e0041\ufffe",
    },
}
# What a name can do to a path. They are shown in the views as well.
PATHS = {
    "parents": "../../hacked",
    "parents on Windows": "..\\..\\hacked",
    "absolute": "/tmp/hacked",
    "absolute on Windows": "C:\\hacked",
    "share": "\\\\127.0.0.1\\hacked",
    "home": "~/hacked",
    "null byte in a path": "x\x00/../hacked",
    "folder itself": ".",
    "parent": "..",
    "nothing": "",
    "device": "CON",
    "device with a suffix": "NUL.txt",
    "dots at the end": "hacked. . .",
    "stream": "hacked.txt:stream",
    "too long": "h" * 5000,
    "parents in the middle": "a/../../hacked",
    "coded parents": "%2e%2e%2fhacked",
    "line end in a path": "a\n../hacked",
}


def injections(beacon: str) -> list[Injection]:
    """All strings. beacon: an address without a path, such as "http://127.0.0.1:8000", that would hear of a request."""
    texts = [(name, kind, text) for kind, named in _TEXTS.items() for name, text in named.items()]
    texts += [(name, "path", text[:300]) for name, text in PATHS.items() if text.strip(".")]
    found = []
    for number, (name, kind, text) in enumerate(texts):
        live = text.replace("BEACON", f"{beacon}/{number}").replace("RUN", f"hack({number})")
        found.append(Injection(name, kind, live.replace("&#82UN", f"&#104;ack({number})"), number))
    return found

"""Pieces of a self-contained HTML page: escaped text, tables, figures, and the page around them.

Style and plotly.js are in the page, it contains no address, and its content policy forbids a browser to load more.
plotly.js is compressed, so that a page can be sent; the browser unpacks it.
"""

import base64
import functools
import html
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from graycell.units import pretty_unit

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:; "
    "base-uri 'none'; form-action 'none'"
)
# the buttons are listed one by one, because plotly's own choice has one that sends the data to a server
_CONFIG = (
    '{"displaylogo":false,"responsive":true,"showSendToCloud":false,"plotlyServerURL":"",'
    '"modeBarButtons":[["toImage","zoom2d","pan2d","resetScale2d"]]}'
)
_PLOTLY = """
const plotly = (async () => {
  const packed = Uint8Array.from(atob("%s"), letter => letter.charCodeAt(0));
  const unpacked = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const script = document.createElement("script");
  script.textContent = await new Response(unpacked).text();
  document.head.append(script);
})();
const say = (anchor, words) => { document.getElementById(anchor).textContent = words; };
const draw = (anchor, figure, config) => plotly.then(
  () => Plotly.newPlot(anchor, figure.data, figure.layout, config).catch(error => say(anchor, `Not drawn: ${error}`)),
  () => say(anchor, "This browser cannot unpack the figures; one of 2023 or later can."));
"""
_PRINTING = """
const resize = layout => window.Plotly &&
  document.querySelectorAll(".js-plotly-plot").forEach(plot => Plotly.relayout(plot, layout));
addEventListener("beforeprint", () => resize({autosize: false, width: 980}));
addEventListener("afterprint", () => resize({autosize: true, width: null}));
"""


@dataclass(frozen=True)
class Section:
    """A section of a page.

    Attributes:
        anchor: identifier that links lead to, unique in the page.
        title: plain text.
        body: HTML.
    """

    anchor: str
    title: str
    body: str


def text(value: object) -> str:
    """Return a value as HTML that shows its text literally.

    Args:
        value: anything; its `str` is shown.

    Returns:
        Escaped text.

    >>> text("<script>")
    '&lt;script&gt;'
    """
    return html.escape(str(value), quote=True)


def number(value: float, digits: int = 4, decimals: int | None = None) -> str:
    """Return a number as text; a dash if it is not finite.

    Args:
        value: the number.
        digits: significant digits.
        decimals: decimals, in place of significant digits.

    Returns:
        The number with a typographic minus sign.

    >>> number(0.071234), number(15234.5, 3), number(-0.5), number(1.2e-7, 3)
    ('0.07123', '15200', '−0.5', '1.2e−07')
    """
    if not np.isfinite(value):
        return "\N{EN DASH}"
    if decimals is not None:
        return f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")
    if value != 0.0 and not 1e-4 <= abs(value) < 1e7:
        shown = re.sub(r"\.?0+(?=e)", "", f"{value:.{digits - 1}e}")
    else:
        shown = np.format_float_positional(value, precision=digits, unique=False, fractional=False, trim="-")
    return shown.replace("-", "\N{MINUS SIGN}")


def table(frame: pd.DataFrame, *, marks: Sequence[str] = (), bars: Sequence[str] = ()) -> str:
    """Return a frame as an HTML table, with numbers to four significant digits.

    Args:
        frame: the table.
        marks: a CSS class for each row, or none.
        bars: columns whose numbers, to three decimals, get a bar; all bars share one scale from 0.

    Returns:
        HTML.
    """
    numeric = {
        name: pd.api.types.is_numeric_dtype(frame[name]) and not pd.api.types.is_bool_dtype(frame[name])
        for name in frame.columns
    }
    largest = float(np.nanmax(frame[list(bars)].to_numpy(dtype=float), initial=0.0)) if len(bars) else 0.0
    heads = [
        f'<th scope="col"{_number_class(numeric[name])}>{text(pretty_unit(str(name)))}</th>' for name in frame.columns
    ]
    lines = []
    for i, row in enumerate(frame.itertuples(index=False)):
        cells = []
        for name, value in zip(frame.columns, row, strict=True):
            if name in bars and largest > 0.0 and np.isfinite(value):
                share = f' style="--share:{100.0 * value / largest:.1f}%"'
                cells.append(f'<td class="number bar"{share}>{number(value, decimals=3)}</td>')
            elif numeric[name]:
                cells.append(f'<td class="number">{number(float(value))}</td>')
            else:
                long = ' class="long"' if len(str(value)) > 24 else ""
                shown = pretty_unit(str(value)) if name == "unit" else str(value)
                cells.append(f"<td{long}>{text(shown)}</td>")
        mark = f' class="{marks[i]}"' if len(marks) and marks[i] else ""
        lines.append(f"<tr{mark}>{''.join(cells)}</tr>")
    head, body = "".join(heads), "\n".join(lines)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Return a list of named facts.

    Args:
        rows: pairs of a name and its value, both plain text.

    Returns:
        HTML.
    """
    return "<dl>" + "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in rows) + "</dl>"


def drawing(figure: go.Figure, anchor: str, caption: str) -> str:
    """Return a figure with its caption.

    Args:
        figure: the figure.
        anchor: identifier, unique in the page.
        caption: plain text that says what to look for.

    Returns:
        HTML.
    """
    plot = figure.to_json(validate=False) or "{}"
    plot = plot.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    height = figure.layout.height or 400
    return (
        f'<figure><div class="wide"><div class="plot" id="{anchor}" role="img" aria-label="{text(caption)}" '
        f'style="min-height:{height}px"></div></div><figcaption>{text(caption)}</figcaption>'
        f'<script>draw("{anchor}",{plot},{_CONFIG});</script></figure>'
    )


def page(title: str, sections: Sequence[Section]) -> str:
    """Return a whole page, with links to its sections at the top.

    Args:
        title: plain text.
        sections: in the order shown.

    Returns:
        HTML that loads nothing from elsewhere.
    """
    style = resources.files("graycell.reporting").joinpath("report.css").read_text(encoding="utf-8")
    links = "".join(f'<a href="#{section.anchor}">{text(section.title)}</a>' for section in sections)
    bodies = "\n".join(
        f'<section id="{section.anchor}"><h2>{text(section.title)}</h2>\n{section.body}\n</section>'
        for section in sections
    )
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<style>\n{style}</style>\n'
        f"<script>{_plotly_script()}</script>\n</head>\n<body>\n"
        f'<nav aria-label="Sections">{links}</nav>\n<main>\n<h1>{text(title)}</h1>\n{bodies}\n</main>\n'
        f"<script>{_PRINTING}</script>\n</body></html>\n"
    )


@functools.cache
def _plotly_script() -> str:
    """Return the script that unpacks plotly.js, and draws a figure when it is there."""
    return _PLOTLY % base64.b64encode(zlib.compress(get_plotlyjs().encode(), 6)).decode("ascii")


def _number_class(is_number: bool) -> str:
    return ' class="number"' if is_number else ""

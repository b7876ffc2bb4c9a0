"""The figures of a page as files for slides and print: SVG, PNG or PDF.

They are drawn by a browser, as on the page itself: kaleido drives a Chrome or Chromium of this machine. What a page
holds is data: it is read as JSON, what graycell does not draw is refused, and a content policy lets the browser load
scripts of this machine and nothing else.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from graycell.errors import Finding, GraycellError, InputError
from graycell.reporting.writing import file_word
from graycell.storage import written_together

_MOST_BYTES = 100_000_000
"""[bytes] A page has two to ten million."""
_FIGURE = re.compile(r'<script>draw\("([\w.-]+)",')
_TRACES = {"scatter", "bar", "heatmap"}
"""What graycell draws; maps, among others, would be loaded from a network."""
_HEIGHT = 720
"""[px] Of figures without a height of their own."""
_HEIGHTS = (150, 10_000)
"""[px] Least and largest height that a page may give."""
_POLICY = (
    "default-src 'none'; script-src file: 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"
)
_EXTRA = "figures need the package kaleido; install it with: pip install 'graycell[figures]'."
_OTHERWISE = "name one by the variable BROWSER_PATH, or use the camera above each figure of the page."
_BROWSER = f"figures: found no Chrome or Chromium on this machine, which draws them; install one, or {_OTHERWISE}"


def figures_of(page: str | Path) -> dict[str, go.Figure]:
    """Return the figures of a page that graycell wrote.

    Args:
        page: an HTML file.

    Returns:
        Figures by their names on the page, in its order.

    Raises:
        InputError: where there are none, or where one cannot be read.
    """
    path = Path(page)
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _fault(path, f"more than {_MOST_BYTES // 1_000_000} MB")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _fault(path, f"what cannot be read as text ({error})") from None
    found: dict[str, go.Figure] = {}
    for match in _FIGURE.finditer(text):
        if file_word(match[1]) in found:
            raise _fault(path, f"two figures called '{match[1]}'")
        found[file_word(match[1])] = _figure(path, match[1], text, match.end())
    if not found:
        raise _fault(path, "no figure")
    return found


def _fault(place: object, found: str) -> InputError:
    return InputError([Finding(str(place), found, "a page with figures is needed",
                               "give an HTML file that this version of graycell wrote")])  # fmt: skip


def _figure(path: Path, name: str, text: str, at: int) -> go.Figure:
    place = f"{path}, figure '{name}'"
    try:
        given, _ = json.JSONDecoder().raw_decode(text, at)
        figure = go.Figure({part: given[part] for part in ("data", "layout")})
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _fault(place, "what is no figure") from None
    strange = sorted({trace["type"] for trace in figure.to_dict()["data"]} - _TRACES)
    if strange or figure.layout.images or figure.layout.template.layout.images:
        raise _fault(place, f"{', '.join(strange) or 'an image'}, which graycell does not draw")
    height = figure.layout.height
    if height is not None and not _HEIGHTS[0] <= height <= _HEIGHTS[1]:
        raise _fault(place, f"a height of {height:g} px")
    return figure


def write_figures(
    figures: Mapping[str, go.Figure], folder: str | Path, kind: str, width: int, height: int | None, scale: float
) -> list[Path]:
    """Write figures, each as a file of its name.

    Args:
        figures: by name.
        folder: where the files are written.
        kind: svg, png or pdf.
        width: [px].
        height: [px]; None for that of each figure, and that of a slide where it has none.
        scale: pixels of a PNG for each px.

    Returns:
        The files.

    Raises:
        GraycellError: where kaleido or a browser is missing, or the browser fails.
        OutputError: where the folder cannot be written to.
    """
    folder = Path(folder)
    names = [f"{name}.{kind}" for name in figures]
    with written_together(folder) as stage:
        drawings = [
            {"fig": figure.to_dict(), "path": stage / name,
             "opts": {"format": kind, "width": width, "height": height or figure.layout.height or _HEIGHT,
                      "scale": scale}}
            for figure, name in zip(figures.values(), names, strict=True)
        ]  # fmt: skip
        _draw(drawings)
    return [folder / name for name in names]


def _draw(drawings: list[dict[str, Any]]) -> None:
    try:
        import kaleido
        from choreographer.channels import ChannelClosedError
        from choreographer.protocol import DevtoolsProtocolError
        from kaleido.errors import ChromeNotFoundError, JavascriptError, KaleidoError
    except ImportError:
        raise GraycellError(_EXTRA) from None

    class Page(kaleido.PageGenerator):
        def generate_index(self) -> str:
            before, head, after = super().generate_index().partition("<head>")
            if not head:
                raise KaleidoError(0, "its page has no head for the content policy")
            return f'{before}{head}<meta http-equiv="Content-Security-Policy" content="{_POLICY}">{after}'

    try:
        # MathJax would be loaded from a network; errors are returned and not raised if nothing is said
        kaleido.write_fig_from_object_sync(
            drawings, kopts={"page_generator": Page(mathjax=False)}, cancel_on_error=True
        )
    except ChromeNotFoundError:
        raise GraycellError(_BROWSER) from None
    except (RuntimeError, TimeoutError, ChannelClosedError, KaleidoError, JavascriptError,
            DevtoolsProtocolError) as error:  # fmt: skip
        raise GraycellError(f"figures: the browser did not draw them ({type(error).__name__}: {error}); "
                            f"{_OTHERWISE}") from None  # fmt: skip

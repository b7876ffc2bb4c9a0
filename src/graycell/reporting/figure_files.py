"""The figures of a page as files for slides and print: SVG, PNG or PDF.

They are drawn by a browser, as on the page itself: kaleido drives a Chrome or Chromium of this machine. Nothing is
loaded from a network. What a page holds is data: it is read as JSON, and what graycell does not draw is refused.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go

from graycell.errors import Finding, GraycellError, InputError
from graycell.storage import written_together

FORMATS = ("svg", "png", "pdf")
_MOST_BYTES = 100_000_000
"""[bytes] A page has two to ten million."""
_FIGURE = re.compile(r'<script>draw\("([\w.:-]+)",')
_TRACES = {"scatter", "bar", "heatmap", "histogram"}
"""What graycell draws; maps, among others, would be loaded from a network."""
_WIDTH, _HEIGHT = 1280, 720
"""[px] A slide of 16:9."""
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
    found = {match[1]: _figure(path, match[1], text, match.end()) for match in _FIGURE.finditer(text)}
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
    strange = sorted({trace.type for trace in figure.data} - _TRACES)
    if strange or figure.layout.images:
        raise _fault(place, f"{', '.join(strange) or 'an image'}, which graycell does not draw")
    return figure


def write_figures(
    figures: Mapping[str, go.Figure], folder: str | Path, kind: str = "svg", width: int = _WIDTH,
    height: int | None = None, scale: float = 2.0,
) -> list[Path]:  # fmt: skip
    """Write figures, each as a file of its name.

    Args:
        figures: by name.
        folder: where the files are written.
        kind: one of `FORMATS`.
        width: [px].
        height: [px]; None for that of each figure, and that of a slide where it has none.
        scale: pixels of a PNG for each px.

    Returns:
        The files.

    Raises:
        InputError: for another format.
        GraycellError: where kaleido or a browser is missing.
        OutputError: where the folder cannot be written to.
    """
    if kind not in FORMATS:
        raise InputError([Finding("figures", f"the format '{kind}'", f"one of {', '.join(FORMATS)} is needed",
                                  "choose one")])  # fmt: skip
    folder = Path(folder)
    names = [f"{name}.{kind}" for name in figures]
    heights = [height or figure.layout.height or _HEIGHT for figure in figures.values()]
    with written_together(folder) as stage:
        _drawn(list(figures.values()), [stage / name for name in names], heights, width, scale)
    return [folder / name for name in names]


def _drawn(figures: list[go.Figure], files: list[Path], heights: list[float], width: int, scale: float) -> None:
    try:
        import kaleido
        from kaleido.errors import BrowserClosedError, BrowserFailedError, ChromeNotFoundError
    except ImportError:
        raise GraycellError(_EXTRA) from None
    drawings = [
        {"fig": figure.to_dict(), "path": path,
         "opts": {"format": path.suffix[1:], "width": width, "height": height, "scale": scale}}
        for figure, path, height in zip(figures, files, heights, strict=True)
    ]  # fmt: skip
    try:
        kaleido.write_fig_from_object_sync(drawings, kopts={"mathjax": False})  # it would be loaded from a network
    except ChromeNotFoundError:
        raise GraycellError(_BROWSER) from None
    except (BrowserFailedError, BrowserClosedError) as error:
        raise GraycellError(f"figures: the browser that draws them ended ({error}); {_OTHERWISE}") from None

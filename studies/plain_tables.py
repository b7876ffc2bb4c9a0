"""Tables as plain Markdown."""

import math
from collections.abc import Sequence
from pathlib import Path


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table.

    >>> print(markdown(("step [d]", "R [1]"), [("0.1", "0.53")]))
    | step [d] | R [1] |
    |---|---|
    | 0.1 | 0.53 |
    """
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, *rows)]
    return "\n".join([lines[0], "|---" * len(heads) + "|", *lines[1:]])


def write(tables: dict[str, str], path: Path) -> None:
    """Write tables by title to a Markdown file, from which a page of docs/ is updated by hand."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n\n".join(f"## {title}\n\n{table}" for title, table in tables.items()) + "\n", encoding="utf-8")


def error(value: float) -> str:
    """Return an error [1] to three decimals.

    >>> error(0.0123), error(0.00123), error(math.inf)
    ('0.012', '0.0012', 'failed')
    """
    if not math.isfinite(value):
        return "failed"
    return f"{value:.3f}" if value >= 0.01 else f"{value:.4f}"


def percent(value: float) -> str:
    """Return a part [1] in percent."""
    return f"{100 * value:.1f} %" if math.isfinite(value) else "failed"

"""`write_table`: any DataFrame -> a file."""

import importlib.util
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from graycell.errors import GraycellError
from graycell.storage import replace_with

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def _write_csv(frame: "pd.DataFrame", file: IO[bytes]) -> None:
    _harmless(frame).to_csv(file, index=False, encoding="utf-8", lineterminator="\n")


def _write_xlsx(frame: "pd.DataFrame", file: IO[bytes]) -> None:
    whole = io.BytesIO()  # in memory: on a disk without room a zip file is not closed
    _harmless(frame).to_excel(whole, index=False, engine="openpyxl", sheet_name="graycell", freeze_panes=(1, 0))
    file.write(whole.getvalue())


def _write_parquet(frame: "pd.DataFrame", file: IO[bytes]) -> None:
    frame.to_parquet(file, engine="pyarrow", index=False)


_WRITERS: dict[str, Callable[["pd.DataFrame", IO[bytes]], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".xlsx": _write_xlsx,
}


def file_word(name: str) -> str:
    """Return a name as part of a file name, whatever file the name came from.

    Args:
        name: any text.

    Returns:
        At most 60 letters, digits, dots and hyphens.

    >>> file_word("clone A/3")
    'clone-A-3'
    """
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:60] or "unnamed"


def table_ending(path: str | Path) -> str:
    """Return the ending of a file to which `write_table` can write; to be asked before what the table is made of.

    Args:
        path: the file.

    Returns:
        Its ending, in small letters.

    Raises:
        GraycellError: for another ending, or for Parquet if pyarrow is not installed.

    >>> table_ending("run07.CSV")
    '.csv'
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        found = f"the ending '{path.suffix}'" if path.suffix else "no ending"
        raise GraycellError(f"{path.name}: found {found}; known endings are {', '.join(_WRITERS)}; use one of them.")
    if suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise GraycellError(
            f"{path.name}: found no pyarrow; Parquet files need it; install pyarrow or write .csv or .xlsx."
        )
    return suffix


def write_table(frame: "pd.DataFrame", path: str | Path) -> Path:
    """Write a table to a CSV, Parquet or XLSX file; a failure leaves an existing file as it was.

    In CSV and XLSX, text that a spreadsheet would take for a formula (it begins with = + - @) gets a leading
    apostrophe.

    Args:
        frame: the table.
        path: the file; its ending decides the format.

    Returns:
        The path.

    Raises:
        GraycellError: for another ending, or for Parquet if pyarrow is not installed.
        OutputError: where it cannot be written.
    """
    path, ending = Path(path), table_ending(path)
    replace_with(path, lambda file: _WRITERS[ending](frame, file))
    return path


def _harmless(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return the frame with heads and text that no spreadsheet runs as a formula; numbers stay numbers."""
    import pandas as pd  # whoever has a frame has imported it; whoever asks for the ending of a file need not wait

    text = [not (pd.api.types.is_numeric_dtype(dtype) or pd.api.types.is_bool_dtype(dtype)) for dtype in frame.dtypes]
    columns = [frame.iloc[:, j].map(_harmless_cell) if is_text else frame.iloc[:, j] for j, is_text in enumerate(text)]
    safe = pd.concat(columns, axis=1) if columns else frame.copy()
    safe.columns = [_harmless_cell(head) for head in frame.columns]
    return safe


def _harmless_cell(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    cell = _CONTROL.sub("\ufffd", cell)
    return f"'{cell}" if cell.lstrip().startswith(_FORMULA) else cell

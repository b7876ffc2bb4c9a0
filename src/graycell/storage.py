"""Files are written completely or not at all, several together or none; where they cannot be is found before work."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from graycell.errors import OutputError

PROGRESS_VARIABLE = "GRAYCELL_PROGRESS"
"""Variable of the environment: a file in which a command keeps how far it is."""
_PROBE = 1_000_000
"""[bytes] Written to find out whether a place can be written to: more than most results have."""
_stages: set[Path] = set()
"""Folders in which files wait until all of them are written."""


def cannot_write(path: Path, error: OSError | ValueError) -> OutputError:
    """Return the error of a place that cannot be written to.

    Args:
        path: the place that was asked for.
        error: of the operating system, or of a path that it cannot have.

    Returns:
        The error, with a sentence.
    """
    if isinstance(error, OutputError):
        return error
    found = f"'{getattr(error, 'strerror', None) or error or type(error).__name__}'"
    return OutputError(f"{path}: found {found}; a place with room that can be written to is needed; name another, "
                       "or make room. Nothing was changed there.")  # fmt: skip


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that a reader sees either the old content or the new one, never a part.

    Args:
        path: the file; its folders are made if they are missing.
        text: the new content, written as UTF-8.

    Raises:
        OutputError: where it cannot be written; an existing file is then as it was.
    """
    replace_with(path, lambda file: file.write(text.encode()))


def replace_with(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file beside its place and put it there when it is whole.

    Args:
        path: the file; its folders are made if they are missing.
        write: writes the content.

    Raises:
        OutputError: where it cannot be written; an existing file is then as it was.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("wb") as file:
                write(file)
            os.replace(part, path)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from error


@contextlib.contextmanager
def written_together(folder: Path) -> Iterator[Path]:
    """Let several files appear in a folder at once: all of them, or none after a failure.

    Args:
        folder: made if it is missing; other files in it stay.

    Yields:
        An empty folder beside their place, to write them in.

    Raises:
        OutputError: where they cannot be written.
    """
    stage = folder / f".{os.getpid()}.part"
    _stages.add(stage)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stage.mkdir()
        yield stage
        made = sorted(stage.iterdir())
        for path in made:
            if (folder / path.name).is_dir():
                raise IsADirectoryError(None, "a folder in the place of a file", str(folder / path.name))
        for path in made:
            os.replace(path, folder / path.name)
    except OSError as error:
        # the place that was asked for, and not where files wait
        cause = error.__cause__ if isinstance(error, OutputError) and isinstance(error.__cause__, OSError) else error
        raise cannot_write(folder, cause) from error
    finally:
        discard_stages(stage)


def discard_stages(*stages: Path) -> None:
    """Remove folders of files that wait to be put in place.

    Args:
        *stages: the folders; all that there are if left out.
    """
    for stage in stages or tuple(_stages):
        shutil.rmtree(stage, ignore_errors=True)
        _stages.discard(stage)


def require_place(folder: str | Path) -> None:
    """Check, before work that takes long, that a folder can be made and has room for files.

    Args:
        folder: made if it is missing.

    Raises:
        OutputError: where it cannot be written to.
    """
    folder = Path(folder)
    probe = folder / f".{os.getpid()}.probe"
    made = [one for one in (folder, *folder.parents) if not os.path.exists(one)]  # false for a path that cannot be
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(bytes(_PROBE))
        finally:
            probe.unlink(missing_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        for one in made:  # the innermost first; what others have filled stays
            with contextlib.suppress(OSError, ValueError):
                one.rmdir()
        raise cannot_write(folder, error) from error

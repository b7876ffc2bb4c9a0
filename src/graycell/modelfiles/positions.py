"""Positions: where in the text of a TOML file each value stands; tomllib reads values without their places."""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator

Path = tuple[str, ...]
"""Keys from the top of a file to a value; the place in an array is a number as text."""


class Positions:
    """The line and column of every value and key of a TOML text that tomllib has read without a fault.

    Attributes:
        values: (line, column) of each value, from 1, by its path; of a table, of its heading.
        keys: (line, column) of each key, by the same path.
    """

    def __init__(self, text: str):
        self.values: dict[Path, tuple[int, int]] = {}
        self.keys: dict[Path, tuple[int, int]] = {}
        self._text, self._at = text, 0
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._strings: dict[Path, int] = {}
        self._tables: dict[Path, int] = {}
        self._whole()

    def of(self, path: Path, key: bool = False, offset: int | None = None) -> tuple[int, int]:
        """Return where a value is.

        Args:
            path: to the value; if it is not in the text, its nearest parent is meant.
            key: whether its key is meant.
            offset: of a character of a string, from 0, after its escapes are read; None for the whole value.

        Returns:
            Line and column, from 1.
        """
        while path:
            if not key and offset is not None and path in self._strings:
                return self._place(self._within(self._strings[path], offset))
            for known in (self.keys, self.values) if key else (self.values, self.keys):
                if path in known:
                    return known[path]
            path = path[:-1]
        return 1, 1

    def _within(self, start: int, offset: int) -> int:
        """Return where in the text a character of a string is."""
        text, mark = self._text, self._text[start]
        is_long = text.startswith(mark * 3, start)
        at = start + (3 if is_long else 1)
        if is_long:
            # a newline right behind is no part of it
            at += 2 if text.startswith("\r\n", at) else int(text.startswith("\n", at))
        while True:
            if mark == '"' and is_long and (skipped := _FOLDED.match(text, at)):
                at = skipped.end()
            if offset == 0 or text.startswith(mark * (3 if is_long else 1), at):
                return at
            if mark == '"' and text[at] == "\\":
                at += {"u": 6, "U": 10}.get(text[at + 1], 2)
            else:
                at += 2 if text.startswith("\r\n", at) else 1
            offset -= 1

    # ------------------------------------------------------------------------------------------------------- reading

    def _whole(self) -> None:
        table: Path = ()
        while self._skip_space(newlines=True):
            if self._text[self._at] == "[":
                table = self._heading()
            else:
                self._pair(table)

    def _heading(self) -> Path:
        place, is_array = self._place(self._at), self._text.startswith("[[", self._at)
        self._step(2 if is_array else 1)
        path: Path = ()
        keys = list(self._keys())
        for i, (key, _) in enumerate(keys):
            path = (*path, key)
            if path in self._tables and not (is_array and i == len(keys) - 1):
                path = (*path, str(self._tables[path]))  # the last table of an array is meant
        self._step(2 if is_array else 1)
        if is_array:
            self._tables[path] = self._tables.get(path, -1) + 1
            path = (*path, str(self._tables[path]))
        self.values[path], self.keys[path] = place, keys[-1][1]
        return path

    def _pair(self, table: Path) -> None:
        path = table
        for key, place in self._keys():
            path = (*path, key)
            self.keys.setdefault(path, place)
        self._step(1)  # the sign of equality
        self._skip_space()
        self._value(path)

    def _keys(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """Yield the parts of a dotted key with their places, up to what follows it."""
        while True:
            self._skip_space()
            start = self._at
            if self._text[start] in "\"'":
                self._string()
                (key,) = tomllib.loads(f"{self._text[start : self._at]} = 0")
            else:
                while self._at < len(self._text) and (self._text[self._at].isalnum() or self._text[self._at] in "_-"):
                    self._step(1)
                key = self._text[start : self._at]
            yield key, self._place(start)
            self._skip_space()
            if not self._text.startswith(".", self._at):
                return
            self._step(1)

    def _value(self, path: Path) -> None:
        self.values[path] = self._place(self._at)
        first = self._text[self._at]
        if first in "\"'":
            self._strings[path] = self._at
            self._string()
        elif first == "[":
            self._members(path, "]", table=False)
        elif first == "{":
            self._members(path, "}", table=True)
        else:
            while self._at < len(self._text) and self._text[self._at] not in ",]}#\n":
                self._step(1)

    def _members(self, path: Path, closing: str, table: bool) -> None:
        self._step(1)
        count = 0
        while self._skip_space(newlines=True) and self._text[self._at] != closing:
            if self._text[self._at] == ",":
                self._step(1)
            elif table:
                self._pair(path)
            else:
                self._value((*path, str(count)))
                count += 1
        self._step(1)

    def _string(self) -> None:
        mark = self._text[self._at]
        delimiter = mark * 3 if self._text.startswith(mark * 3, self._at) else mark
        self._step(len(delimiter))
        while self._at < len(self._text) and not self._text.startswith(delimiter, self._at):
            self._step(2 if mark == '"' and self._text[self._at] == "\\" else 1)
        self._step(len(delimiter))
        while len(delimiter) == 3 and self._text.startswith(mark, self._at):
            self._step(1)  # quotes at the end of a long string belong to it

    def _skip_space(self, newlines: bool = False) -> bool:
        """Skip what means nothing; return whether anything is left."""
        while self._at < len(self._text):
            one = self._text[self._at]
            if one == "#":
                while self._at < len(self._text) and self._text[self._at] != "\n":
                    self._step(1)
            elif one in " \t" or (newlines and one in "\r\n"):
                self._step(1)
            else:
                return True
        return False

    def _step(self, count: int) -> None:
        self._at += count

    def _place(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1


_FOLDED = re.compile(r"(?:\\[ \t]*\r?\n[ \t\r\n]*)+")
"""A backslash at the end of a line, which takes the newline and all space behind away."""

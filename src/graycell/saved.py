"""The formats of the files that graycell saves: a number in each, which is checked before anything else is read.

A file of an earlier format is brought to the present one where that is possible. One of a later format, or with a
number that is none, is a sentence, because what it means is not known. Another version of graycell is a remark.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

Migration = Callable[[dict[str, Any]], dict[str, Any]]
"""From the content in one format to that in the next."""


_LONGEST = 30
"""Characters of a version that are printed."""


def version() -> str:
    """Return the version of graycell.

    Returns:
        Such as 0.2.0.
    """
    return metadata.version("graycell")


@dataclass(frozen=True)
class SavedFormat:
    """The format of one kind of file.

    Attributes:
        kind: what the file holds, such as "fit".
        number: of the present format.
        remake: what to do with a file that cannot be read.
        migrations: by the number of a format, to the content in the next one.
        unnumbered: the format of files without a number, which were written before there was one; None if all have it.

    >>> fits = SavedFormat("fit", 2, "make it anew")
    >>> fits.fault({"format": 99})
    'found a fit of format 99, written by a later graycell; this one reads format 2; update graycell, or make it anew'
    >>> fits.fault({"format": 2})
    ''
    """

    kind: str
    number: int
    remake: str
    migrations: Mapping[int, Migration] = field(default_factory=dict)
    unnumbered: int | None = None

    def stamp(self) -> dict[str, Any]:
        """Return the entries that a file of this format begins with.

        Returns:
            Number of the format, kind, and version of graycell.
        """
        return {"format": self.number, "kind": self.kind, "graycell": version()}

    def fault(self, data: Any) -> str:
        """Return why a file cannot be read.

        Args:
            data: its content.

        Returns:
            A sentence without its full stop; empty if the file can be read.
        """
        parts = self.parts(data)
        return f"found {'; '.join(parts)}" if parts else ""

    def parts(self, data: Any) -> tuple[str, str, str] | tuple[()]:
        """Return the parts of the sentence on why a file cannot be read.

        Args:
            data: its content.

        Returns:
            What was found, what is needed and what to do; none if the file can be read.
        """
        if not isinstance(data, Mapping):
            return f"no {self.kind}", "the entries of one are needed", self.remake
        reads, of_kind = f"this one reads format {self.number}", data.get("kind", self.kind)
        found = data.get("format", self.unnumbered)
        if of_kind != self.kind:
            return f"a file of the kind {of_kind!r:.60}", f"a {self.kind} is needed", "name another file"
        if "format" not in data and found is None:
            return f"a {self.kind} without the number of its format", reads, self.remake
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            return f"a {self.kind} of format {found!r:.60}, which is none", reads, self.remake
        if found > self.number:
            by = data.get("graycell")
            writer = f"graycell {by}" if isinstance(by, str) and len(by) < _LONGEST else "a later graycell"
            written = f"a {self.kind} of format {found}, written by {writer}"
            return written, reads, f"update graycell, or {self.remake}"
        if any(number not in self.migrations for number in range(found, self.number)):
            return f"a {self.kind} of format {found}, written by an earlier graycell", reads, self.remake
        return ()

    def migrated(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return the content of a file without a fault in the present format.

        Args:
            data: in any format that can be read.

        Returns:
            The content.
        """
        data = dict(data)
        for number in range(data.get("format", self.unnumbered or self.number), self.number):
            data = {**self.migrations[number](data), "format": number + 1}
        return data

    def remark(self, data: Mapping[str, Any]) -> str:
        """Return a remark on a file that another version of graycell wrote.

        Args:
            data: its content.

        Returns:
            The sentence; empty if this version wrote it, or it does not say which did.
        """
        by = data.get("graycell")
        if not isinstance(by, str) or by == version():
            return ""
        return f"This {self.kind} was made with graycell {by:.30}, and this is {version()}: numbers may differ."

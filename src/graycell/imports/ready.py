"""Ready mappings, in `profiles/`, and mappings that are like one of them."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from graycell.errors import Finding, InputError, nearest


def profiles() -> dict[str, str]:
    """Return the ready mappings.

    Returns:
        Their TOML by name.

    >>> list(profiles())
    ['owu', 'umn-fed-batch']
    """
    folder = resources.files("graycell.imports") / "profiles"
    files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    return {file.name.removesuffix(".toml"): file.read_text(encoding="utf-8") for file in sorted(files, key=str)}


def words_with_profile(words: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a mapping with the ready one that it is like beneath it: its own words go first, table by table.

    Args:
        words: the mapping.
        where: its name, for errors.

    Returns:
        Both mappings as one.

    Raises:
        InputError: there is no such ready mapping.
    """
    name = words.get("like")
    if name is None:
        return dict(words)
    known = profiles()
    if not isinstance(name, str) or name not in known:
        needed, hint = "the name of a ready mapping is needed", nearest(str(name), known)
        raise InputError([Finding(f"{where}, like", f"'{name}'", needed, hint)])
    ready = tomllib.loads(known[name])
    merged = dict(ready)
    for word, value in words.items():
        both = isinstance(value, Mapping) and isinstance(ready.get(word), Mapping)
        merged[word] = {**ready[word], **value} if both else value
    return merged

"""Ready mappings, of `profiles/`, and a mapping that is like one of them."""

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from graycell.errors import Finding, InputError, nearest
from graycell.runs.format.tables import shown


def profiles() -> dict[str, str]:
    """Return the ready mappings as text, by name."""
    folder = resources.files("graycell.imports") / "profiles"
    found = [one for one in folder.iterdir() if one.name.endswith(".toml")]
    return {one.name.removesuffix(".toml"): one.read_text(encoding="utf-8") for one in sorted(found, key=str)}


def words_with_profile(words: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return a mapping with what it is like beneath it: its own words go first, table by table."""
    name = words.get("like")
    if name is None:
        return dict(words)
    known = profiles()
    if not isinstance(name, str) or name not in known:
        needed, hint = "the name of a ready mapping is needed", nearest(str(name), known)
        raise InputError([Finding(f"{where}, like", f"'{shown(str(name))}'", needed, hint)])
    ready = tomllib.loads(known[name])
    merged = dict(ready)
    for word, value in words.items():
        both = isinstance(value, Mapping) and isinstance(ready.get(word), Mapping)
        merged[word] = {**ready[word], **value} if both else value
    return merged

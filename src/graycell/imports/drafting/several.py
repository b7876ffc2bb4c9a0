"""propose_for: several files -> one draft that serves those that are alike, and what the others have that differs.

Each file has a draft of its own. Those whose rows are arranged alike become one: what only some of the files have is
optional. Files of the same samples, such as counts and chemistry, are joined by what names their samples.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graycell.errors import Faults, InputError
from graycell.imports.drafting.proposing import propose
from graycell.imports.drafting.views import in_comment, line, quoted
from graycell.imports.grids import positions
from graycell.imports.layout import grid_of, source_of_any
from graycell.imports.parsing import spec_of
from graycell.imports.vocabulary import words_of
from graycell.runs.format.files import UnreadableError

_UNION = ("measured", "feeds")
"""Tables of a mapping whose columns may be in some of the files alone."""
_IF_THERE = ("start", "sample", "taken", "above", "leave_out", "temperature", "rows")
"""Words that serve a file too whose own draft does without them."""
_MOST_TOLD = 5
"""Differences that are reported of one file."""
_ALIKE = 0.5
"""[1] Part of the samples of the smaller file that another one has too, if both are of the same samples."""
_TITLE = 2
"""Lines before the mapping: its title and an empty one."""


@dataclass(frozen=True)
class _Drafted:
    """The draft of one file."""

    path: Path
    text: str
    words: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The name of the file, as a comment may hold it."""
        return in_comment(self.path.name)


def propose_for(paths: Sequence[str | Path], header: int | None = None) -> str:
    """Return a draft of one mapping for several files.

    Args:
        paths: CSV, XLSX or Parquet files.
        header: the row of the headings in all of them, counted from 1; None to look for it.

    Returns:
        TOML. Its comments name the columns that some files lack, and the files that need a mapping of their own with
        what differs in them.

    Raises:
        InputError: a file cannot be read, or has no such row.
    """
    files, findings = list(dict.fromkeys(map(Path, paths))), []
    drafts: list[_Drafted] = []
    for path in files:
        try:
            text = propose(path, header)
            drafts.append(_Drafted(path, text, tomllib.loads(text)))
        except InputError as error:
            findings += error.findings
    if findings:
        raise InputError(findings)
    first, *others = drafts
    if not others:
        return first.text
    served, apart = [first], list[tuple[_Drafted, list[str]]]()
    joined = _join(drafts)
    for draft in others:
        differing = _differences(first, draft, served, bool(joined))
        if differing:
            apart.append((draft, differing))
        else:
            served.append(draft)
    joined = joined if not apart else _join(served)
    lines = [_title(served, len(drafts)), *_told(apart), ""]
    if "like" in first.words:
        return "\n".join([*lines, *first.text.splitlines()]) + "\n"
    return "\n".join([*lines, *_merged(served, joined)]) + "\n"


def _title(served: Sequence[_Drafted], count: int) -> str:
    names = ", ".join(draft.name for draft in served)
    left = "Where a ? is left, the files do not say it: write what it is."
    if len(served) == count:
        return f"# A draft of one mapping for {names}. {left}"
    return f"# A draft of the mapping of {names}, out of {count} files. {left}"


def _told(apart: Sequence[tuple[_Drafted, list[str]]]) -> list[str]:
    """Return the comments on files that need a mapping of their own."""
    lines = []
    for draft, differing in apart:
        command = f"graycell import {draft.name} --draft {in_comment(draft.path.stem)}.toml"
        lines.append(f"# {draft.name} needs a mapping of its own ({command}):")
        more = len(differing) - _MOST_TOLD
        lines += [f"#   {one}" for one in differing[:_MOST_TOLD]] + ([f"#   and {more} more"] if more > 0 else [])
    return lines


def _differences(first: _Drafted, other: _Drafted, served: Sequence[_Drafted], joined: bool) -> list[str]:
    """Return what keeps a file from the mapping of the first ones, in words."""
    told = []
    words = dict.fromkeys([*first.words, *other.words])
    for word in words:
        here, there = first.words.get(word), other.words.get(word)
        if word in _UNION:
            told += _other_columns(word, served, other)
        elif joined and (word == "header" or (word == "units" and None not in (here, there))):
            continue  # joined files may have their headings in other rows
        elif here != there and not (word in _IF_THERE and None in (here, there)):
            if word == "decimal" and not _has_other_marks(other if there is None else first, here or there):
                continue
            told.append(f"{word}: {_in_words(there)} there, {_in_words(here)} in {first.name}")
    shared = set(first.words.get("measured", {})) & set(other.words.get("measured", {}))
    if not told and not shared and not joined and "measured" in first.words:
        names = " ".join(f"'{in_comment(name)}'" for name in other.words.get("measured", {}))
        told.append(f"none of its quantities is in {first.name}: {names}; if both hold the same samples, see join")
    return told


def _other_columns(table: str, served: Sequence[_Drafted], other: _Drafted) -> list[str]:
    """Return the quantities or feeds that are other columns in a file than in those that are served."""
    told = []
    for name, there in other.words.get(table, {}).items():
        for draft in served:
            here = draft.words.get(table, {}).get(name)
            if here is not None and here != there:
                told.append(f"{in_comment(name)}: {_in_words(there)} there, {_in_words(here)} in {draft.name}")
                break
    return told


def _in_words(value: Any) -> str:
    """Return a value of a mapping as a comment may hold it."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return in_comment(", ".join(f"{word} {_in_words(of)}" for word, of in value.items()))
    return in_comment(quoted(value) if isinstance(value, str | list) else str(value))


def _has_other_marks(draft: _Drafted, mark: Any) -> bool:
    """Return whether a file whose draft names no decimal mark has numbers with another one."""
    other = "." if mark == "," else ","
    source = source_of_any(draft.path, spec_of(draft.words, Faults("draft", 9)))
    table = next(iter(source.tables.values()))
    return any(re.fullmatch(rf"[<>]?-?\d+\{other}\d+%?", cell.strip()) for row in table.rows for cell in row)


# ------------------------------------------------------------------------------------------------------------ one draft


def _merged(served: Sequence[_Drafted], joined: Sequence[str]) -> list[str]:
    """Return the lines of one mapping; what some of the files lack is optional."""
    first = served[0]
    sections = [_sections(draft.text) for draft in served]
    lines = [*sections[0].get("", [])]
    known = {_key(one) for one in lines}
    for of in sections[1:]:
        lines += [one for one in of.get("", []) if _key(one) in (*_IF_THERE, "decimal") and _key(one) not in known]
        known |= {_key(one) for one in lines}
    if joined:
        lines = [one for one in lines if _key(one) != "header"] if _headers_differ(served) else lines
        lines.append(line(f"join = {quoted(list(joined))}", "these files hold the same samples"))
    lines += ["", "[measured]"]
    for name in dict.fromkeys(name for draft in served for name in draft.words.get("measured", {})):
        lines.append(_quantity(name, served, sections, bool(joined)))
    asked = [one for of in sections for one in of.get("measured", []) if one.lstrip().startswith("#")]
    lines += list(dict.fromkeys(asked)) if not first.words.get("measured") else []
    for section in dict.fromkeys(name for of in sections for name in of if name not in ("", "measured")):
        holders = [of[section] for of in sections if section in of]
        is_everywhere = len(holders) == len(served) or joined
        lines += ["", f"[{section}]", *(
            one if is_everywhere or not section.startswith(("feeds.", "sample")) else _optional(one, "")
            for one in holders[0])]  # fmt: skip
    left = dict.fromkeys(one for draft in served for one in draft.text.splitlines() if one.startswith("# not used:"))
    return [*lines, *([""] if left else []), *left]


def _quantity(name: str, served: Sequence[_Drafted], sections: Sequence[Mapping[str, list[str]]], joined: bool) -> str:
    """Return the line of a quantity, with the files that lack it."""
    found = [(draft, one) for draft, of in zip(served, sections, strict=True) for one in of.get("measured", [])
             if _key(one) == name]  # fmt: skip
    without = [draft.name for draft in served if name not in draft.words.get("measured", {})]
    return found[0][1] if joined or not without else _optional(found[0][1], f"not in {', '.join(without)}")


def _sections(text: str) -> dict[str, list[str]]:
    """Return the lines of a draft below its title, by the table of TOML that they are in, "" for none."""
    found: dict[str, list[str]] = {"": []}
    at = ""
    for one in text.splitlines()[_TITLE:]:
        head = re.fullmatch(r"\[(.*?)\](\s+#.*)?", one)
        if head:
            at = head[1]
            found[at] = []
        elif one.strip() and not one.startswith("# not used:"):
            found[at].append(one)
    return found


def _key(one: str) -> str:
    """Return the word of a line of TOML, "" for a comment."""
    code = _code(one)
    return next(iter(tomllib.loads(code)), "") if code else ""


def _code(one: str) -> str:
    """Return a line of TOML without its comment; a heading may hold a # too."""
    for at in [*(found.start() for found in re.finditer("#", one)), len(one)]:
        try:
            tomllib.loads(one[:at])
        except tomllib.TOMLDecodeError:
            continue
        return one[:at].strip()
    return ""


def _optional(one: str, why: str) -> str:
    """Return a line whose column a file may lack."""
    code = _code(one)
    comment = one[len(code) :].strip().removeprefix("#").strip()
    word, _, value = code.partition(" = ")
    if not value.startswith(("{", '"')) or word == "media":
        return one
    value = f"{value.removesuffix('}').rstrip()}, optional = true }}" if value.startswith("{") else (
        f"{{ column = {value}, optional = true }}")  # fmt: skip
    return line(f"{word} = {value}", "; ".join(filter(None, (why, comment))))


# ----------------------------------------------------------------------------------------------------- the same samples


def _join(drafts: Sequence[_Drafted]) -> list[str]:
    """Return the columns that name the same samples in all files, [] if they hold different ones."""
    keys = _names_of_samples(drafts[0].words)
    if len(drafts) < 2 or not keys or any(_names_of_samples(draft.words) != keys for draft in drafts):
        return []
    measured = [set(draft.words.get("measured", {})) for draft in drafts]
    if any(one & other for i, one in enumerate(measured) for other in measured[:i]):
        return []  # one quantity in two files is of other samples
    samples = [_samples(draft, keys) for draft in drafts]
    first = samples[0]
    alike = all(len(first & other) >= _ALIKE * min(len(first), len(other)) for other in samples[1:])
    return keys if all(samples) and alike else []


def _names_of_samples(words: Mapping[str, Any]) -> list[str]:
    """Return the columns of a draft that name its samples: that of the ids, or those of run and time."""
    if "ids" in words:
        return [words["ids"]["column"]]
    time = words.get("time", "?")
    run = words.get("run", [])
    names = [*([run] if isinstance(run, str) else run if isinstance(run, list) else []),
             time["column"] if isinstance(time, Mapping) else time]  # fmt: skip
    return [] if "?" in names or isinstance(run, Mapping) or words.get("transposed") or "long" in words else names


def _samples(draft: _Drafted, keys: Sequence[str]) -> set[tuple[str, ...]]:
    """Return the names of the samples of a file."""
    faults = Faults("draft", 9)
    layout = {word: draft.words[word] for word in ("header", "units", "sheet", "time", "fill") if word in draft.words}
    spec = spec_of(layout, faults)
    try:
        grid = grid_of(source_of_any(draft.path, spec), spec, Faults("draft", 9))
    except UnreadableError:
        return set()
    at = positions(grid.table.headings) if grid else {}
    if grid is None or not set(map(words_of, keys)) <= set(at):
        return set()
    places = [at[words_of(key)] for key in keys]
    rows = (tuple(words_of(row[i]) if i < len(row) else "" for i in places) for row in grid.table.rows)
    return {row for row in rows if all(row)}


def _headers_differ(served: Sequence[_Drafted]) -> bool:
    return len({draft.words.get("header", 1) for draft in served}) > 1

"""Commands about models: models, import-model, export-model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
import typer

from graycell.cli.frames import print_frame
from graycell.cli.sentences import counted, print_findings, say
from graycell.errors import Finding, InputError, shown
from graycell.exchange import read_antimony, read_sbml, sbml_text
from graycell.hybrid import read_model
from graycell.modelfiles import ModelFile, build, model_file_text, read_model_file
from graycell.modelfiles.needs import needs_of
from graycell.models import MODELS, library_files, model_file, model_of, model_text
from graycell.packing import held_inputs, names_of, unused_viability
from graycell.runs.format.reading import read_with_findings
from graycell.runs.model_names import ModelNames
from graycell.storage import write_whole

_READERS = {".xml": read_sbml, ".sbml": read_sbml, ".ant": read_antimony, ".txt": read_antimony}


def _models(name: str | None, out: Path | None) -> None:
    if name is None:
        if out is not None:
            raise typer.BadParameter("--out writes one model; name it before: graycell models xing-2010 --out my.toml")
        _list()
        return
    if name in MODELS and name not in library_files():
        say(f"{model_of(name)!r}, a variant of nolan-lee in Python: see README.md, and graycell models nolan-lee.")
        return
    file = model_file(name)
    if out is not None:
        _require_toml(out)
        if out.exists():
            raise InputError([Finding(str(out), "a file of this name", "nothing is written over", "name another file")])
        write_whole(out, model_text(name))
        say(f"Model written to {out}. Next: graycell check {out}")
        return
    _show(file)


def _require_toml(path: Path) -> None:
    if path.suffix != ".toml":
        found = f"the ending '{shown(path.suffix)}'"
        raise InputError([Finding(str(path), found, "a model file ends in .toml", "rename it")])


def _list() -> None:
    rows = []
    for name in library_files():
        file = model_file(name)
        rows.append(
            {
                "model": name,
                "states": ", ".join([*file.species, *file.variables]),
                "a run must measure": ", ".join(needs_of(file)),
                "source": file.source.partition(";")[0],
            }
        )
    print_frame(pd.DataFrame(rows), "Models of the library")
    variants = [name for name in MODELS if name not in library_files()]
    say(f"Variants: {', '.join(variants)}. One alone, with its doubts: graycell models NAME")


def _show(file: ModelFile) -> None:
    say(f"{file.name}: {file.about}")
    say(f"Source: {file.source}")
    for doubt in file.doubts:
        say(f"- {doubt}")
    species = [
        {
            "state": name,
            "unit": entry.unit,
            "role": entry.role,
            "at time 0": "from the run" if entry.initial is None else f"{entry.initial:g} unless given",
        }
        for name, entry in file.species.items()
    ]
    print_frame(pd.DataFrame(species), "In the liquid")
    _entries(
        "Definitions and rates",
        {
            **{name: entry.formula for name, entry in file.definitions.items()},
            **{f"{name}: {entry.equation}": entry.rate or "learned" for name, entry in file.reactions.items()},
            **{name: entry.equation for name, entry in file.network.items()},
        },
    )
    table = [
        {"parameter": name, "value": row.value, "unit": row.unit, "meaning": row.meaning}
        for name, row in file.parameters.items()
    ]
    print_frame(pd.DataFrame(table), "Parameters")
    if file.sets:
        say(f"Other sets of values: {', '.join(file.sets)}, for --parameters")


def _entries(title: str, entries: Mapping[str, str]) -> None:
    print_frame(pd.DataFrame([{"name": name, "formula": text} for name, text in entries.items()]), title)


def _import_model(source: Path, out: Path | None) -> None:
    reader = _READERS.get(source.suffix.lower())
    if reader is None:
        found = f"the ending '{shown(source.suffix)}'"
        raise InputError(
            [Finding(str(source), found, "SBML (.xml) or Antimony (.ant) is read", "rename the file by what it is")]
        )
    file, out = reader(source), out or Path(source.stem + ".toml")
    _require_toml(out)
    if out.exists():
        raise InputError(
            [Finding(str(out), "a file of this name", "nothing is written over", "name another with --out")]
        )
    text = model_file_text(file)
    build(file)  # what cannot be built is not written
    write_whole(out, text)
    print_findings(file.remarks)
    say(
        f"{file.name}: {len(file.species)} species, {counted(len(file.reactions), 'reaction')}, "
        f"{counted(len(file.parameters), 'parameter')}. Model written to {out}. Next: graycell check {out}"
    )


def _export_model(model: str, out: Path) -> None:
    if out.exists():
        raise InputError([Finding(str(out), "a file of this name", "nothing is written over", "name another file")])
    file = read_model_file(model) if model.endswith(".toml") else model_file(model)
    write_whole(out, sbml_text(file))
    say(f"{file.name} written to {out}")


def check_model_files(paths: list[Path]) -> bool:
    """Check model files and print what is found.

    Args:
        paths: TOML files.

    Returns:
        Whether all can be used.
    """
    usable = True
    for path in paths:
        try:
            file = read_model_file(path)
        except InputError as error:
            print_findings(error.findings)
            errors = sum(finding.severity == "error" for finding in error.findings)
            say(f"Checked {path.name}: {counted(errors, 'error')}, {counted(len(error.findings) - errors, 'remark')}.")
            usable = False
            continue
        print_findings(file.remarks)
        if not file.laws:
            build(file)
        say(
            f"Checked {path.name}: 0 errors, {counted(len(file.remarks), 'remark')}. {file.name}: "
            f"{len(file.species)} species, "
            f"{counted(len(file.reactions) + len(file.network), 'reaction')}; a run must measure "
            f"{', '.join(needs_of(file)) or 'nothing'}."
        )
    return usable


def names_and_inputs(model: str, files: Sequence[Path]) -> tuple[ModelNames, list[Finding]]:
    """Return what a model needs of runs, for their check.

    Args:
        model: path of a model file, or name of a model of the library.
        files: of runs.

    Returns:
        What the model calls its quantities, and remarks on its inputs in the runs that can be read.

    Raises:
        ModelError: if the model is unknown.
    """
    built = read_model(model)
    runs = [run for path in files for run in read_with_findings(path)[0]]
    return names_of(built), [one for run in runs for one in (*unused_viability(run, built), *held_inputs(run, built))]


__all__ = ["check_model_files", "names_and_inputs"]

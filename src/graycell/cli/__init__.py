"""The command line `graycell`.

    commands/      the commands by name, with their arguments and their help
    faults         check
    runs           import, template, export, rates
    models         models, import-model, export-model
    modelling      simulate, report, demo
    fitting        fit
    figures        figures
    citing         cite
    checking       diagnose, check-gradients
    predicting     predict
    deciding       optimise, design, campaign
    following      follow
    uncertainty    sample, ensemble, profile
    comparing      generate, cross-validate
    app, doctor    app, doctor
    given_runs     the runs that arguments name; given_models, given_units: the models and units
    sentences      sentences and findings
    frames         tables
    printing       trajectories, scores, progress bars
    stopping       Ctrl-C ends a command within seconds; guard: the process that does so where threads cannot
    exit_codes     0 success, 1 faults, 3 unfinished, 130 interrupted

`entry_point` is what the shell calls, `main` the same for Python. What a command does is in a module that is imported
when the command runs, so that help, completion and the check of a run wait for neither JAX nor plotly. These functions
are private: nothing but the command of their name calls them, and their arguments are described where they are
declared, which is what ``--help`` shows.
"""

import contextlib
import os
import sys
import traceback
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
import typer.core

from graycell.cli.commands import GROUPS
from graycell.cli.exit_codes import FAULTS, INTERRUPTED
from graycell.cli.sentences import add_to_log, begin_output, console, end_output, print_error, print_findings, say
from graycell.cli.stopping import last_sentence, was_asked
from graycell.errors import GraycellError, InputError

RENAMED_COMMANDS = {"inspect": "diagnose", "audit": "check-gradients", "compare": "cross-validate"}
"""Old names of commands, which work for one minor version, and the names that replaced them."""


class _Commands(typer.core.TyperGroup):
    """The commands by name; an old name runs the command of the new name after a sentence on stderr."""

    def resolve_command(self, ctx, args):
        if args[0] in RENAMED_COMMANDS:
            old, new = args[0], RENAMED_COMMANDS[args[0]]
            print_error(f"'graycell {old}' is now called 'graycell {new}'; the old name still works in this version.")
            args = [new, *args[1:]]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="""Hybrid modelling of CHO fed-batch bioreactors.

A RUN is a folder of CSV files, an XLSX workbook with sheets of the same names, or one CSV of measurements. Where RUN
is optional, the default is the bundled run: cell line A of Nolan & Lee (2011). Times are in days [d],
concentrations in mmol/L, cell densities in 10^9 cells/L.

**First steps**

    graycell demo                          fit two models to the bundled run and write a report

    graycell import runs.xlsx              propose a mapping for a workbook of yours, then convert it to runs

    graycell template my-runs.xlsx         or write an empty workbook to fill in

    graycell check my-run/                 list every fault of a run at once

    graycell rates my-run/                 specific rates, growth and yields, calculated from the samples

    graycell generate --out my-runs/       make in-silico runs with known parameters

    graycell models                        list the models of the library, and what each needs of a run

    graycell check my-model.toml           list every fault of a model file at once

    graycell fit my-runs/ --out my-fit/    fit the models that the measurements allow, and choose one

    graycell report my-fit/                write my-fit/report.html

    graycell predict my-runs/ my-plan/     predict the next run, with bands

    graycell optimise my-fit/ my-plan/ decisions.toml   choose feeds, shift and harvest of a plan

    graycell design my-fit/ my-plan/ decisions.toml     the next runs that tell most

    graycell campaign clones.toml my-plan/ campaign.toml    the next batch of clones at several scales

    graycell follow my-fit/ my-running-culture/         what a running culture is now, and how to go on

    graycell sample my-fit/                draws from the posterior of a fit

    graycell profile my-fit/ Km1           how far a parameter can be moved

    graycell fit study.toml                fit the white, gray and black models of a study

    graycell cross-validate study.toml     compare them with each other and with baselines on held-out runs

    graycell diagnose my-run/              show where the equations of a model contradict each other

    graycell check-gradients my-run/       check the derivatives that a fit uses

    graycell figures my-fit/report.html    the figures of a page as files, for slides and print

    graycell app my-project/               all of this in a browser, by mouse

    graycell doctor                        what this installation runs on, and whether it computes what it should

**Exit codes**: 0 success; 1 faulty input, an impossible request or a wrong derivative; 2 a command written wrongly;
3 a simulation or fit that did not finish; 130 stopped by Ctrl-C (137 where the command could not end by itself).
""",
)


def _print_version(asked: bool) -> None:
    if asked:
        say(f"graycell {metadata.version('graycell')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", help="Before the command: print warnings only, and all where it does not succeed."),
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", help="Before the command: print times, and where in the code an error arose."),
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option(help="Before the command: a file to which all that is printed is added.", show_default=False),
    ] = None,
) -> None:
    global _shows_where
    _shows_where = verbose
    begin_output(quiet, verbose, log, sys.argv[1:])


_shows_where = False
"""Whether a deliberate error is printed with its traceback."""

for _group in GROUPS:
    app.add_typer(_group)


def main() -> None:
    """Run the command line; a deliberate error is printed as its sentences, without a traceback."""
    try:
        _run()
    except SystemExit as end:
        end_output(end.code)
        raise
    except BaseException:
        add_to_log(traceback.format_exc())
        end_output(FAULTS)
        raise


def _run() -> None:
    try:
        app()
    except InputError as error:
        _show_where()
        print_findings(error.findings)
        sys.exit(FAULTS)
    except KeyboardInterrupt:
        say(last_sentence())
        sys.exit(INTERRUPTED)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # Typer's, of Ctrl-C
            say(last_sentence())
        raise
    except Exception as error:
        if was_asked():
            say(last_sentence())
            sys.exit(INTERRUPTED)
        if not isinstance(error, (GraycellError, OSError)):
            raise
        _show_where()
        print_error(f"graycell: {error}")
        sys.exit(FAULTS)


def _show_where() -> None:
    if _shows_where:
        print_error(traceback.format_exc().rstrip())


def entry_point() -> None:
    """Run `main` and end the process at once: to take JAX apart takes a good part of a short command."""
    try:
        main()
    except SystemExit as end:
        if "jax" not in sys.modules or not isinstance(end.code, int):
            raise
        with contextlib.suppress(OSError):  # nobody reads any more
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(end.code)


__all__ = ["RENAMED_COMMANDS", "app", "console", "entry_point", "main"]

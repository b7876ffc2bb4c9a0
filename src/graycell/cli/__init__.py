"""The command line `graycell`.

    runs         check, import, template, export, rates
    models       models, import-model, export-model
    modelling    simulate, report, demo
    fitting      fit
    checking     diagnose, check-gradients
    comparing    generate, cross-validate
    arguments    arguments that several commands share, and the runs and models that they name
    printing     sentences, findings, tables, progress bars
    stopping     Ctrl-C ends a command within seconds
    exit_codes   0 success, 1 faults, 3 unfinished, 130 interrupted

`main` is the entry point. The functions of the commands are private: nothing but Typer calls them, and their
arguments are described where they are declared, which is what ``--help`` shows.
"""

import sys

import typer
import typer.core

from graycell.cli import checking, comparing, fitting, modelling, models, runs
from graycell.cli.exit_codes import FAULTS, INTERRUPTED
from graycell.cli.printing import console, print_error, print_findings, say
from graycell.cli.stopping import end_soon_after_ctrl_c, last_sentence
from graycell.compiling import compile_quickly
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
    add_completion=False,
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

    graycell fit study.toml                fit the white, gray and black models of a study

    graycell cross-validate study.toml     compare them with each other and with baselines on held-out runs

    graycell diagnose my-run/              show where the equations of a model contradict each other

    graycell check-gradients my-run/       check the derivatives that a fit uses

**Exit codes**: 0 success; 1 faulty input, an impossible request or a wrong derivative; 2 a command written wrongly;
3 a simulation or fit that did not finish; 130 stopped by Ctrl-C.
""",
)
for _group in (runs, models, modelling, fitting, comparing, checking):
    app.add_typer(_group.commands)


def main() -> None:
    """Run the command line; a deliberate error is printed as its sentences, without a traceback."""
    compile_quickly()
    try:
        with end_soon_after_ctrl_c():
            app()
    except InputError as error:
        print_findings(error.findings)
        sys.exit(FAULTS)
    except KeyboardInterrupt:
        say(last_sentence())
        sys.exit(INTERRUPTED)
    except (GraycellError, OSError) as error:
        print_error(f"graycell: {error}")
        sys.exit(FAULTS)


__all__ = ["RENAMED_COMMANDS", "app", "console", "main"]

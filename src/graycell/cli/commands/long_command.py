"""A command that compiles models: cache, cores and Ctrl-C are set before anything of it is imported."""

import functools
import gc
import inspect
from collections.abc import Callable
from typing import Annotated

import typer

from graycell.cli.stopping import end_soon_after_ctrl_c
from graycell.compiling import keep_nothing
from graycell.engine import Engine, using

_SELDOM = (200_000, 50, 100)
"""New objects, and collections of each younger generation, after which Python looks for what nothing refers to; 700, 10
and 10 by default."""
_Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        help="Tasks at once, such as the starts of a fit; default: all cores. Results do not depend on it.",
        min=1,
        show_default=False,
    ),
]
_NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache",
        help="Compile anew and keep nothing. Otherwise compiled programs are kept for the next command in your cache "
        "folder, or in the folder that the variable GRAYCELL_CACHE names.",
    ),
]


def long_command(commands: typer.Typer, name: str, panel: str) -> Callable[[Callable], Callable]:
    """Return a decorator that adds a command which may take long; it gets the options --jobs and --no-cache.

    Args:
        commands: to which it is added.
        name: of the command.
        panel: of the help in which it is listed.

    Returns:
        The decorator.
    """

    def add(function: Callable) -> Callable:
        @functools.wraps(function)
        def run(*args, jobs: int | None = None, no_cache: bool = False, **options):
            # what is imported and traced is kept anyway; to look through it again and again takes time
            before = gc.get_threshold()
            gc.set_threshold(*_SELDOM)
            if no_cache:
                keep_nothing()
            try:
                with end_soon_after_ctrl_c(), using(Engine(jobs)):
                    return function(*args, **options)
            finally:
                gc.set_threshold(*before)

        own = [
            inspect.Parameter("jobs", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_Jobs),
            inspect.Parameter("no_cache", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_NoCache),
        ]
        signature = inspect.signature(function)
        # Typer reads the options from here
        run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *own])  # type: ignore[attr-defined]
        run.__annotations__ = {**function.__annotations__, "jobs": _Jobs, "no_cache": _NoCache}
        return commands.command(name, rich_help_panel=panel)(run)

    return add

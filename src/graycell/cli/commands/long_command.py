"""A command that compiles models: its compiler is set, and Ctrl-C ends it, before anything of it is imported."""

from typing import Any

import typer.core

from graycell.cli.compiler import compile_quickly
from graycell.cli.stopping import end_soon_after_ctrl_c


class LongCommand(typer.core.TyperCommand):
    """A command that may take long."""

    def invoke(self, ctx) -> Any:
        """Run the command.

        Args:
            ctx: of Typer.

        Returns:
            What the function of the command returns.
        """
        compile_quickly()
        with end_soon_after_ctrl_c():
            return super().invoke(ctx)

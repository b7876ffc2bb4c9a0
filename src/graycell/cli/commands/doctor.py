"""The command that looks at the installation: doctor."""

import typer

from graycell.cli.commands.long_command import long_command

commands = typer.Typer()


@long_command(commands, "doctor", "This installation")
def _doctor() -> None:
    """Say what graycell runs on, and whether it computes what it should.

    Listed are versions, processors, the folder of compiled programs and the optional parts that are installed. Then the
    bundled run is simulated and compared with the known answer. Add the output to a question or a report of a fault.

    Example: graycell doctor > doctor.txt
    """
    from graycell.cli import doctor as body

    body._doctor()

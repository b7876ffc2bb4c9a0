"""`python -m graycell` is the command `graycell`, where its script is not on the path."""

from graycell.cli import entry_point

entry_point()

"""`python -m graycell.cli` does what the command `graycell` does."""

from graycell.cli import entry_point

if __name__ == "__main__":
    entry_point()

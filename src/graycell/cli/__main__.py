"""`python -m graycell.cli` does what the command `graycell` does."""

from graycell.cli import main

if __name__ == "__main__":
    main()

"""Exit codes beside 0 for success and 2, Typer's, for a command that was written wrongly."""

FAULTS = 1
"""Faulty input, an impossible request, or a wrong derivative."""
UNFINISHED = 3
"""A simulation or fit that did not finish."""
INTERRUPTED = 130
"""Stopped by Ctrl-C, as a shell reports it: 128 plus the number of SIGINT."""

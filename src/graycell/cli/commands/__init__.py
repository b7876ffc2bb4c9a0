"""What the commands are called, what they take, and their help; the bodies are in the modules of the same names above.

A body is imported when its command runs, and not at the top: `--help`, completion and commands that need no model wait
for neither JAX nor plotly.
"""

from graycell.cli.commands import (
    app,
    checking,
    citing,
    comparing,
    deciding,
    doctor,
    figures,
    fitting,
    following,
    modelling,
    models,
    predicting,
    runs,
    uncertainty,
)

_MODULES = (runs, models, modelling, fitting, figures, predicting, uncertainty, deciding, following, comparing,
            checking, app, citing, doctor)  # fmt: skip
GROUPS = tuple(group.commands for group in _MODULES)
"""In the order of the help."""

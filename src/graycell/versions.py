"""What a result depends on beside its inputs: versions of packages, the kind of machine, and the code of graycell."""

import functools
import hashlib
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

VERSIONS = ("graycell", "jax", "jaxlib", "diffrax", "equinox", "optax", "numpy", "scipy")
"""Packages whose version a fit depends on."""


@functools.cache
def hash_of_code() -> str:
    """Return a hash of the source of graycell: other code may give another result.

    Returns:
        SHA-256.
    """
    whole = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        whole.update(path.read_bytes())
    return whole.hexdigest()


def where_it_ran(packages: Sequence[str]) -> dict[str, Any]:
    """Return versions and the kind of machine.

    Args:
        packages: names of installed packages.

    Returns:
        The versions of the packages and of Python, operating system and processor.
    """
    return {
        "versions": {name: _version(name) for name in packages},
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


@functools.cache
def _version(name: str) -> str:
    """Return the version of a package; it is asked for in every fit, and looked up in files."""
    return metadata.version(name)

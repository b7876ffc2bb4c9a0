"""How much memory there is, and a sentence before work that needs more."""

from pathlib import Path

from graycell.errors import GraycellError

WORKER = 600_000_000
"""[bytes] What a worker process needs for graycell, JAX and a compiled model."""
_LARGEST = 1 << 60
"""[bytes] A limit above it is none."""


CONTAINER = Path("/sys/fs/cgroup")
"""Folder in which Linux writes the limits of a container."""


class MemoryLimitError(GraycellError):
    """Work that would need more memory than there is."""


def available_memory() -> int | None:
    """Return how much memory this process may still take, by the machine and by its container.

    Returns:
        [bytes]; None where the system does not say.
    """
    free = None
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = 1024 * int(line.split()[1])
        limit, used = (int((CONTAINER / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
        for line in (CONTAINER / "memory.stat").read_text(encoding="ascii").splitlines():
            if line.startswith("inactive_file "):  # of files that were read; given back as soon as it is needed
                used -= int(line.split()[1])
        free = min(free or _LARGEST, max(limit - used, 0))
    except (OSError, ValueError):  # no Linux, no container, or one without a limit
        pass
    return free


def require_memory(needed: int, what: str, remedy: str) -> None:
    """Raise before work that needs more memory than there is.

    Args:
        needed: [bytes].
        what: the work, as in "predict, 1000000 draws".
        remedy: what to do in place of it.

    Raises:
        MemoryLimitError: with both sizes.
    """
    free = available_memory()
    if free is not None and needed > free:
        raise MemoryLimitError(
            f"{what}: about {needed / 1e9:.1f} GB of memory are needed and {free / 1e9:.1f} GB are free; {remedy}."
        )

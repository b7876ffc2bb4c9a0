"""How JAX compiles: sooner, once for all threads, and once for all processes of a machine.

What was compiled is kept in the cache folder of the user, so that the next process finds it; so are the units that pint
has read. What was compiled is bounded: what was not used for longest goes first.

    GRAYCELL_CACHE   another folder, or "off"
"""

import functools
import os
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

_MEASURED_WITH = "0.10."
"""Prefix of the versions of jaxlib that know the flags: XLA ends the process at a flag that it does not know."""
_FLAGS = (
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1 "
    "--xla_cpu_enable_concurrency_optimized_scheduler=false"
)
_UNOPTIMISED = (
    "--xla_backend_optimization_level=0 "
    # without two passes over loops a gradient compiles sooner, and runs slower
    "--xla_disable_hlo_passes=while-loop-invariant-code-motion,simplify-while-loops"
)
CACHE_VARIABLE = "GRAYCELL_CACHE"
"""Variable of the environment: the folder of compiled programs, or "off"."""
OFF = "off"
_LARGEST = 200_000_000
"""[bytes] Largest size of the folder; a program takes 10 to 500 kB. JAX looks at every entry before it adds one."""
_PATIENCE = 1.0
"""[s] How long other processes may hold the folder."""
_PROGRAM, _USED = "-cache", "-atime"
"""The two files of an entry: the program, and when it was used."""


def compile_quickly(optimise: bool = True) -> None:
    """Set flags of XLA for this process and those that it starts; it reads them when it first compiles.

    With them a trajectory compiles sooner and runs as fast. Flags that the user has set stay.

    Args:
        optimise: whether the machine code is made fast; without it a program compiles sooner still and runs slower, as
            suits tests.
    """
    if not version("jaxlib").startswith(_MEASURED_WITH):
        return
    given = os.environ.get("XLA_FLAGS", "")
    wanted = [_FLAGS, *([] if optimise else [_UNOPTIMISED])]
    more = [flags for flags in wanted if flags not in given]
    os.environ["XLA_FLAGS"] = " ".join([*more, given]).strip()  # of two equal flags the last one counts


def keep_nothing() -> None:
    """Let this process, and those that it starts, neither read nor write compiled programs."""
    os.environ[CACHE_VARIABLE] = OFF
    os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)


def cache_folder() -> Path | None:
    """Return the folder in which compiled programs are kept.

    Returns:
        The folder; None if nothing is kept.
    """
    from platformdirs import user_cache_path

    given = os.environ.get(CACHE_VARIABLE, "")
    if given.lower() == OFF:
        return None
    return Path(given) if given else user_cache_path("graycell", appauthor=False) / "compiled"


@functools.cache
def keep_compiled() -> None:
    """Keep what JAX compiles in `cache_folder`, unless the user has set a folder of JAX's own."""
    import jax

    folder, config = cache_folder(), cast(Any, jax.config)
    if folder is None or config.jax_compilation_cache_dir is not None or not _usable(folder):
        return
    config.update("jax_compilation_cache_dir", str(folder))
    config.update("jax_compilation_cache_max_size", _LARGEST)
    # small programs too: a command compiles some twenty of them
    config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _usable(folder: Path) -> bool:
    """Return whether programs can be kept in a folder; entries that a killed process left half-written are removed."""
    import filelock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".lockfile", timeout=_PATIENCE):  # the lock of JAX
            names = set(os.listdir(folder))
            for name in names:
                for own, other in ((_PROGRAM, _USED), (_USED, _PROGRAM)):
                    # JAX would add nothing more, with a warning for every program
                    if name.endswith(own) and name.removesuffix(own) + other not in names:
                        (folder / name).unlink(missing_ok=True)
    except (OSError, filelock.Timeout):
        return False
    return True


_P = ParamSpec("_P")
_R = TypeVar("_R")


def compiled_once(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Return a function compiled by JAX which threads may call at once, as one decorated by ``equinox.filter_jit``.

    Without it, threads that call it first at the same time would each compile it.

    Args:
        function: pure, of PyTrees.

    Returns:
        The compiled function.
    """
    # whoever has a compiled function has JAX; nobody else waits for it
    compile_quickly()
    keep_compiled()
    return _CompiledOnce(function)  # type: ignore[return-value]


class _CompiledOnce:
    """A compiled function; the first call for every structure and shape goes alone."""

    def __init__(self, function: Callable) -> None:
        import equinox as eqx

        functools.update_wrapper(self, function)
        self._call = eqx.filter_jit(function)
        self._known: set = set()
        self._first = threading.RLock()

    def __call__(self, *args: Any, **options: Any) -> Any:
        key = _shape_of((args, options))
        if key in self._known:
            return self._call(*args, **options)
        with self._first:
            found = self._call(*args, **options)
            self._known.add(key)
            return found


def _shape_of(tree: Any) -> Any:
    """Return what decides about compiling: the structure of a PyTree, the shapes of its arrays and its other leaves."""
    import jax

    leaves, structure = jax.tree.flatten(tree)
    return structure, tuple(
        (leaf.shape, leaf.dtype) if hasattr(leaf, "shape") and hasattr(leaf, "dtype") else leaf for leaf in leaves
    )

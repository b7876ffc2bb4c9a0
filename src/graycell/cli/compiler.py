"""What makes a command compile sooner and run as fast: settings of XLA, the compiler of JAX, and one of diffrax."""

import os
import types
import weakref
from importlib.metadata import version
from typing import Any

import diffrax._integrate
import jax
import jax.numpy as jnp

_MEASURED_WITH = "0.10."
"""Prefix of the versions of jaxlib that know the flags: XLA ends the process at a flag that it does not know."""
_FLAGS = (
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1 "
    "--xla_cpu_enable_concurrency_optimized_scheduler=false"
)
_READ_IN = "0.7."
"""Prefix of the versions of diffrax in whose code the chain of `_SHORTENED` was found."""
_ROUNDINGS = 100
"""So many roundings before the end of a solve, diffrax takes the end for reached."""


def compile_quickly() -> None:
    """Set flags of XLA for this process and those that it starts, and shorten what diffrax compiles.

    To be called before anything is compiled.
    """
    given = os.environ.get("XLA_FLAGS", "")
    if version("jaxlib").startswith(_MEASURED_WITH) and _FLAGS not in given:
        os.environ["XLA_FLAGS"] = f"{_FLAGS} {given}".strip()  # of two equal flags the last one counts
    if version("diffrax").startswith(_READ_IN):
        module: Any = diffrax._integrate
        module.eqxi = types.SimpleNamespace(**{**vars(module.eqxi), "prevbefore": _Shortened()})


class _Shortened:
    """The time 100 roundings before a time, for which diffrax calls a function 100 times, each on the result before.

    The first call goes the whole way, and a call on its own result returns it. XLA takes about a second for the chain,
    in every program that solves an ODE: a third of what a small model takes.
    """

    def __init__(self) -> None:
        self.last = lambda: None

    def __call__(self, time: jax.Array) -> jax.Array:
        if self.last() is not time:
            time = time - _ROUNDINGS * jnp.finfo(time.dtype).eps * jnp.abs(time)
            self.last = weakref.ref(time)
        return time

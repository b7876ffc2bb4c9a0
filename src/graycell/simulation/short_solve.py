"""short_solve: a solve of diffrax compiles sooner, and is found again in JAX's cache on disk by other processes.

Its end counts as reached 100 to 200 roundings before, not 100, and the order of its times is not checked.
"""

import threading
import types
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import diffrax
import diffrax._integrate
import equinox.internal
import jax
import jax.numpy as jnp

_READ_IN = ("0.7.2",)
"""Versions of diffrax in whose code chain and checks were found; others stay as they are."""
_ONE_THREAD = threading.RLock()
"""What is exchanged belongs to a module, so to all threads: two that alternated would each add 100 roundings."""
_ROUNDINGS = 100
"""diffrax takes the end as reached this many roundings before it."""


@contextmanager
def short_solve() -> Iterator[None]:
    """Leave out what the solves that are traced inside the context do not need.

    diffrax finds the time 100 roundings before the end of a solve by 100 calls in a row, which take XLA long to compile
    wherever diffrax solves; here it is one. And diffrax checks the order of start, end and times to save by calls into
    Python, with which a program cannot be kept on disk; here the caller vouches for it. One thread at a time is inside;
    one that traces a solve of diffrax outside of it in that moment gets the same, which does no harm.

    Returns:
        The context.
    """
    module: Any = diffrax._integrate
    if diffrax.__version__ not in _READ_IN:
        yield
        return
    with _ONE_THREAD, _exchanged(module):
        yield


@contextmanager
def _exchanged(module: Any) -> Iterator[None]:
    others = {"prevbefore": _Shortened(), "error_if": lambda value, wrong, message: value}
    module.eqxi = types.SimpleNamespace(**{**vars(equinox.internal), **others})
    try:
        yield
    finally:
        module.eqxi = equinox.internal


class _Shortened:
    """The time 100 roundings before a time, for a caller that passes each result back, 100 times.

    The first call goes the whole way; a call with its own result returns it.
    """

    def __init__(self) -> None:
        self.last = lambda: None

    def __call__(self, time: jax.Array) -> jax.Array:
        if self.last() is not time:
            time = time - _ROUNDINGS * jnp.finfo(time.dtype).eps * jnp.abs(time)
            self.last = weakref.ref(time)
        return time

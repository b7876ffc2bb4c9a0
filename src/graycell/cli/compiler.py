"""Settings of XLA, the compiler of JAX, with which a command compiles sooner and runs as fast."""

import os
from importlib.metadata import version

_MEASURED_WITH = "0.10."
"""Prefix of the versions of jaxlib that know the flags: XLA ends the process at a flag that it does not know."""
_FLAGS = (
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1 "
    "--xla_cpu_enable_concurrency_optimized_scheduler=false"
)
_UNOPTIMISED = "--xla_backend_optimization_level=0"


def compile_quickly(optimise: bool = True) -> None:
    """Set flags of XLA for this process and those that it starts; to be called before anything is compiled.

    Args:
        optimise: whether the machine code is made fast; without it a program compiles sooner still and runs slower, as
            suits tests.
    """
    given, flags = os.environ.get("XLA_FLAGS", ""), _FLAGS if optimise else f"{_FLAGS} {_UNOPTIMISED}"
    if version("jaxlib").startswith(_MEASURED_WITH) and _FLAGS not in given:
        os.environ["XLA_FLAGS"] = f"{flags} {given}".strip()  # of two equal flags the last one counts

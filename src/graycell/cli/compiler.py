"""Settings of XLA, the compiler of JAX, with which a command compiles sooner and runs as fast."""

import os
from importlib.metadata import version

_MEASURED_WITH = "0.10."
"""Prefix of the versions of jaxlib that know the flags: XLA ends the process at a flag that it does not know."""
_FLAGS = (
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1 "
    "--xla_cpu_enable_concurrency_optimized_scheduler=false"
)


def compile_quickly() -> None:
    """Set flags of XLA for this process and those that it starts; to be called before anything is compiled."""
    given = os.environ.get("XLA_FLAGS", "")
    if version("jaxlib").startswith(_MEASURED_WITH) and _FLAGS not in given:
        os.environ["XLA_FLAGS"] = f"{_FLAGS} {given}".strip()  # of two equal flags the last one counts

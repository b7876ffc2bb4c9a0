"""Where independent tasks run: Engine, and the one that a computation uses if it is given none.

Runs within a residual, starts of a fit, trainings of a comparison and draws of a prediction do not depend on each
other. They go through one `Engine`: threads by default, else processes, or any executor of concurrent.futures, such as
that of a Dask cluster. A result does not depend on the engine, the number of its workers, or the order in which they
finish, because every task has its own inputs and seed.

    engine     Engine, current_engine, using
    threads    tasks in threads of this process
    executors  tasks on an executor; those of lost workers are given again
    workers    what a worker does: compare versions, keep what tasks share
    memory     a sentence before work that needs more memory than there is
"""

from graycell.engine.engine import Engine, available_cores, current_engine, using
from graycell.engine.memory import MemoryLimitError, require_memory
from graycell.engine.threads import one_thread_each
from graycell.engine.workers import EngineError

__all__ = [
    "Engine",
    "EngineError",
    "MemoryLimitError",
    "available_cores",
    "current_engine",
    "one_thread_each",
    "require_memory",
    "using",
]

"""Where independent tasks run: in processes of this machine, or on a Ray cluster.

`Engine` is the only interface: the caller gives a function and its tasks, and the engine decides where each task runs.
On one kind of processor, all engines give bit-identical results.
"""

from tenor.engines.engine import Engine, Workers, engine_of, from_address
from tenor.engines.local import LocalEngine

__all__ = ["Engine", "LocalEngine", "Workers", "engine_of", "from_address"]

"""Where independent tasks run: in processes of this machine, or on a Ray cluster.

`Engine` is the one seam: what computes names a function and its tasks, and an engine decides where each one runs.
Results are the same to the bit on one kind of processor, whichever engine it is.
"""

from tenor.engines.engine import Engine, Workers, engine_of, from_address
from tenor.engines.local import LocalEngine

__all__ = ["Engine", "LocalEngine", "Workers", "engine_of", "from_address"]

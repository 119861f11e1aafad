"""Keep freed memory in the process, which the C library would otherwise return after every step and request again."""

from __future__ import annotations

import ctypes
import functools

# from <malloc.h>: the size from which a block is mapped by itself, and how much free memory a process keeps
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 32 << 20
"""The largest threshold that all versions of glibc accept, in bytes. The tensors of a step have 9 to 20 MB."""
_FREE = 256 << 20


@functools.cache
def hold_freed_memory() -> bool:
    """Let this process keep up to 256 MiB of freed memory from now on; returns whether its C library (glibc) can.

    A step of training allocates and frees some hundred megabytes. If the system has to zero them each time, that takes
    a twelfth of the step's time. Results do not depend on it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or Windows, which has no library without a name
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, _FREE))

"""Memory that the C library would hand back to the system after every step, and fetch again for the next."""

from __future__ import annotations

import ctypes
import functools

# of <malloc.h>: from which size on a block is mapped by itself, and how much free memory a process holds on to
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 32 << 20
"""Bytes; the largest threshold that glibc takes in all its versions. The tensors of a step have 9 to 20 MB."""
_FREE = 256 << 20


@functools.cache
def hold_freed_memory() -> bool:
    """Let this process hold on to up to 256 MiB of freed memory, from now on; whether its C library can (glibc).

    A step of training allocates and frees some hundred megabytes. Zeroed anew by the system each time, they cost a
    twelfth of its time; no number depends on it.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or Windows, which has no library without a name
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, _FREE))

"""`tenor serve` in a process of its own, for the measurements that ask it."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence


@contextlib.contextmanager
def served(store: str, options: Sequence[str] = ()) -> Iterator[tuple[int, str, int]]:
    """Serve `store` with further `options`: the process, and the host and port that it listens on."""
    command = [sys.executable, "-m", "tenor", "serve", "--store", store, "--port", "0", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        address = re.search(r"http://([\d.]+):(\d+)", server.stderr.readline())
        assert address is not None
        drain = subprocess.Popen(["cat"], stdin=server.stderr, stdout=subprocess.DEVNULL)  # the log goes nowhere
        try:
            yield server.pid, address[1], int(address[2])
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
            drain.wait()

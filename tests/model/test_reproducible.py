"""Products have the same bits wherever in memory an array lies, and whatever stands beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap


def test_a_product_does_not_depend_on_where_its_arrays_lie() -> None:
    code = """
        import tenor.model
        import numpy as np
        import torch

        torch.set_num_threads(1)
        rng = np.random.default_rng(0)

        def at(array, place):
            room = np.zeros(array.nbytes + 128, dtype=np.uint8)
            start = -room.ctypes.data % 64 + place
            there = room[start : start + array.nbytes].view(np.float32).reshape(array.shape)
            there[:] = array
            return torch.from_numpy(there)

        for rows, inputs, outputs in ((1100, 56, 8), (1320, 6, 8), (280, 50, 24)):
            x = rng.standard_normal((rows, inputs)).astype(np.float32)
            weight = torch.from_numpy(rng.standard_normal((outputs, inputs)).astype(np.float32))
            first = torch.nn.functional.linear(at(x, 0), weight)
            for place in (4, 8, 16, 48):
                assert torch.equal(torch.nn.functional.linear(at(x, place), weight), first), (rows, place)
            for row in (1, 7, 220):
                assert torch.equal(torch.nn.functional.linear(at(x[row:], 0), weight), first[row:]), (rows, row)
    """
    environment = {name: value for name, value in os.environ.items() if name != "MKL_CBWR"}
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=environment, check=True)


def test_what_the_user_chose_stays() -> None:
    code = "import os, tenor.model; print(os.environ['MKL_CBWR'])"
    for chosen in ("COMPATIBLE", None):
        environment = os.environ | ({"MKL_CBWR": chosen} if chosen else {})
        if not chosen:
            environment.pop("MKL_CBWR", None)
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == (chosen or "AUTO")

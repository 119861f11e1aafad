"""``python -m tenor`` is the ``tenor`` command."""

import sys

from tenor.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""Judge the trained forecaster: the same options and the same code as ``tenor evaluate``."""

import sys

from tenor.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))

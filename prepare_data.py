"""Prepare the data of a training: the same options and the same code as ``tenor prepare``."""

import sys

from tenor.cli import main

if __name__ == "__main__":
    sys.exit(main(["prepare", *sys.argv[1:]]))

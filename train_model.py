"""Train the forecaster: the same options and the same code as ``tenor train``."""

import sys

from tenor.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))

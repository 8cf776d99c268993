"""Experiments on the padding of convolutions: `python main.py --help`."""

import sys

from cli.app import main

if __name__ == "__main__":
    status = main(sys.argv[1:])
    # Looked up only now: W&B's client puts its own `sys.exit` there meanwhile, and learns from it how the run ended.
    sys.exit(status)

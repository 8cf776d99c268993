"""Experiments on the padding of convolutions: `python main.py --help`."""

import os
import sys

from processes import signals

if __name__ == "__main__":
    # Before anything heavy is imported, so that a signal meanwhile leaves no traceback of half an import.
    signals.end_at_once(sys.argv[1:])
    # W&B of the process that started this one would write for both, and keep the last epochs until that one ends.
    os.environ.pop("WANDB_SERVICE", None)
    from cli.app import main

    status = main(sys.argv[1:])
    # Looked up only now: W&B's client puts its own `sys.exit` there meanwhile, and learns from it how the run ended.
    sys.exit(status)

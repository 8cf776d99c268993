"""Experiments on the padding of convolutions: `python main.py --help`."""

import os
import sys

from processes import signals

if __name__ == "__main__":
    # Before the slow imports, so that a signal during them prints no traceback.
    signals.end_at_once(sys.argv[1:])
    # Otherwise the W&B service of a parent process would serve this run too, and keep its last epochs to itself until
    # the parent ends.
    os.environ.pop("WANDB_SERVICE", None)
    from cli.app import main

    status = main(sys.argv[1:])
    # Looked up at the call: W&B's client replaces `sys.exit` by a function that tells it how the run ended.
    sys.exit(status)

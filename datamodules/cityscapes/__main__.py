"""`python -m datamodules.cityscapes ROOT`: whether a tree can be trained on."""

import sys

from datamodules.cityscapes.check import main

if __name__ == "__main__":
    sys.exit(main())

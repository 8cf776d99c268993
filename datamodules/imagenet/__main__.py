"""`python -m datamodules.imagenet ROOT`: whether a folder of images can be trained on."""

import sys

from datamodules.imagenet.check import main

if __name__ == "__main__":
    sys.exit(main())

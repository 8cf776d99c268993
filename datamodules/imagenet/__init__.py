"""ImageNet, and any folder of images with a class each."""

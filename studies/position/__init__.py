"""Where in the image a network sees an object: accuracy by position on an empty canvas."""

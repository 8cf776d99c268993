"""Tables 5 to 7, Figures 6 to 8: segmentation of whole images, in tiles, at the border. Start with evaluations.py."""

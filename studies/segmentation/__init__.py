"""Tables 5 to 7, Figures 6 to 8: segmentation, whole, in tiles and near the border."""

"""Pictures of class maps, captions, grids and holes, as uint8 arrays; numpy and Pillow only."""

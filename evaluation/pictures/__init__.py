"""Pictures for people: class maps in colours, captions, grids, holes. On uint8 arrays; numpy and Pillow only."""

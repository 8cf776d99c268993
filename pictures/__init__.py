"""Pictures for people: class maps in colours, captions, grids. Functions on uint8 arrays; numpy and Pillow only."""

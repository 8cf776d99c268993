"""Pictures of class maps, as uint8 arrays; numpy and Pillow only."""

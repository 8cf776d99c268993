"""How far padding is from real context, layer by layer: one scale for all schemes."""

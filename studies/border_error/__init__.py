"""How far padding is from real context, layer by layer: the one scale on which all schemes stand."""

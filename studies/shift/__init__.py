"""How often the decision changes when the crop moves by a few pixels."""
